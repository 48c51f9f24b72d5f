//! Where streams come from.

use hyper::Uri;
use tokio::sync::mpsc;
use velella_model::{ComponentId, RoomId};

use crate::question::Question;

/// Knows it of every room. Asked for each object that is not held, so it answers at once and waits for nobody.
pub trait Directory: Send + Sync + 'static {
    /// Where the room's stream comes from at this moment.
    fn origin_of(&self, room: &RoomId) -> Origin;

    /// Which stream the room has. A new one counts its segments anew, so nothing that is held of the one before is given
    /// for it. Where it is not told, a room has one stream for ever.
    fn stream_of(&self, room: &RoomId) -> Option<ComponentId> {
        let _ = room;
        None
    }
}

/// Where a stream comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A job of this gateway. Its queue is bounded; when it is full, viewers are told to come back.
    Here(mpsc::Sender<Question>),
    /// Another gateway, at [`velella_model::wire::announce::Serves::inner`].
    There(Uri),
    /// The room has a stream that nobody packages at this moment: it is about to move. Viewers are let wait for a while.
    Moving,
    /// The room has no stream.
    Nowhere,
}
