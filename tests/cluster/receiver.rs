//! A receiver of webhooks: takes them, refuses them, or is not there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use velella_proto::Message;
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::Content;
use velella_servers::Port;

pub(crate) struct Receiver {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    refuses: AtomicBool,
    refused: AtomicU64,
    taken: Mutex<Vec<Taken>>,
}

/// A notification that the receiver has said it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Taken {
    pub(crate) room: String,
    pub(crate) sequence: u64,
    pub(crate) word: &'static str,
}

impl Receiver {
    /// Has an address, at which nobody listens yet.
    pub(crate) fn absent() -> Self {
        Self { port: Port::take(), shared: Arc::default() }
    }

    pub(crate) async fn listening() -> Self {
        let receiver = Self::absent();
        receiver.listen().await;
        receiver
    }

    pub(crate) async fn listen(&self) {
        let router = Router::new().route("/hook", post(received)).with_state(Arc::clone(&self.shared));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port.number())).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port.number())
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::SeqCst);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Everything so far, in the order in which it came.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// The same of one room.
    pub(crate) fn of(&self, room: &str) -> Vec<Taken> {
        self.taken().into_iter().filter(|taken| taken.room == room).collect()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "what no test expects is a failure")]
async fn received(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if shared.refuses.load(Ordering::SeqCst) {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    let message = ServerMessage::decode(body).unwrap();
    let (word, room) = match message.content.unwrap() {
        Content::RoomCreated(event) => ("room created", event.room_id),
        Content::RoomDeleted(event) => ("room deleted", event.room_id),
        Content::PeerAdded(event) => ("peer added", event.room_id),
        Content::PeerDeleted(event) => ("peer deleted", event.room_id),
        other => panic!("{other:?}"),
    };
    assert_eq!(headers["velella-sequence"], message.sequence.to_string());
    shared.taken.lock().unwrap().push(Taken { room, sequence: message.sequence, word });
    StatusCode::OK
}
