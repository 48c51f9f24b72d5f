//! Frames of the server socket.

use std::collections::BTreeSet;

use axum::body::Bytes;
use velella_coordinator_core::chronicle::Sequence;
use velella_model::{IdError, RoomId};
use velella_proto::fishjam::ServerMessage;
use velella_proto::fishjam::server_message::{Authenticated, Content, EventType, SubscribeRequest, SubscribeResponse};
use velella_proto::{DecodeError, Message};

/// Rooms that one subscription may name; who wants more takes all and looks for itself.
const ROOMS_MAX: usize = 1000;

/// What a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// The first frame.
    Auth { token: String },
    /// It wants to be told.
    Subscribe(Subscription),
}

/// What about.
#[derive(Debug, PartialEq)]
pub(super) enum Subscription {
    /// What happens in these rooms, or in all; after a number, or from now on.
    Notifications { rooms: BTreeSet<RoomId>, resume: Option<Sequence> },
    /// Numbers, each second.
    Metrics,
}

/// Why a frame cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadFrame {
    #[error("the frame is no protobuf of this protocol")]
    Protobuf(#[from] DecodeError),
    #[error(transparent)]
    Id(#[from] IdError),
    #[error("the subscription names more than {ROOMS_MAX} rooms")]
    TooManyRooms,
    #[error("the subscription names nothing that can be subscribed to")]
    UnknownEvents,
    #[error("only a server says this")]
    NotYours,
}

/// Reads a frame of a server.
pub(super) fn decode(bytes: &[u8]) -> Result<Said, BadFrame> {
    match ServerMessage::decode(bytes)?.content {
        Some(Content::AuthRequest(auth)) => Ok(Said::Auth { token: auth.token }),
        Some(Content::SubscribeRequest(request)) => Ok(Said::Subscribe(subscription(request)?)),
        _ => Err(BadFrame::NotYours),
    }
}

fn subscription(request: SubscribeRequest) -> Result<Subscription, BadFrame> {
    match request.event_type() {
        EventType::Unspecified => Err(BadFrame::UnknownEvents),
        EventType::Metrics => Ok(Subscription::Metrics),
        EventType::ServerNotification => {
            let SubscribeRequest { room_ids, resume_after, .. } = request;
            if room_ids.len() > ROOMS_MAX {
                return Err(BadFrame::TooManyRooms);
            }
            let rooms = room_ids.iter().map(|id| RoomId::parse(id)).collect::<Result<_, _>>()?;
            let resume = (resume_after > 0).then_some(Sequence(resume_after));
            Ok(Subscription::Notifications { rooms, resume })
        }
    }
}

pub(super) fn authenticated() -> Bytes {
    frame(Content::Authenticated(Authenticated {}))
}

pub(super) fn subscribed(Sequence(sequence): Sequence, resumed: bool) -> Bytes {
    let event_type = EventType::ServerNotification.into();
    frame(Content::SubscribeResponse(SubscribeResponse { event_type, sequence, resumed }))
}

pub(super) fn subscribed_to_metrics() -> Bytes {
    let event_type = EventType::Metrics.into();
    frame(Content::SubscribeResponse(SubscribeResponse { event_type, ..SubscribeResponse::default() }))
}

fn frame(content: Content) -> Bytes {
    ServerMessage { content: Some(content), ..ServerMessage::default() }.encode_to_vec().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_frames_of_published_servers_are_understood_and_answered() {
        assert_eq!(decode(&[0x3a, 3, 0x0a, 1, b't']).unwrap(), Said::Auth { token: "t".into() });
        let all = Subscription::Notifications { rooms: BTreeSet::new(), resume: None };
        assert_eq!(decode(&[0x42, 2, 8, 1]).unwrap(), Said::Subscribe(all));
        assert_eq!(decode(&[0x42, 2, 8, 2]).unwrap(), Said::Subscribe(Subscription::Metrics));
        assert_eq!(subscribed(Sequence(0), false)[..], [0x4a, 2, 8, 1]);
        assert_eq!(subscribed_to_metrics()[..], [0x4a, 2, 8, 2]);
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(matches!(decode(b"\xff\xff"), Err(BadFrame::Protobuf(_))));
        assert!(matches!(decode(&[0x42, 0]), Err(BadFrame::UnknownEvents)));
        assert!(matches!(decode(&[0x32, 0]), Err(BadFrame::NotYours)));
        assert!(matches!(decode(&[]), Err(BadFrame::NotYours)));
        let many = subscribe(vec!["r".to_owned(); ROOMS_MAX + 1]);
        assert!(matches!(decode(&many), Err(BadFrame::TooManyRooms)));
        assert!(matches!(decode(&subscribe(vec!["a b".into()])), Err(BadFrame::Id(_))));
    }

    fn subscribe(room_ids: Vec<String>) -> Bytes {
        frame(Content::SubscribeRequest(SubscribeRequest { event_type: 1, room_ids, ..SubscribeRequest::default() }))
    }
}
