//! Data channels of one session, and the envelope of their messages.

use str0m::channel::ChannelId;
use velella_model::PeerId;
use velella_proto::Message;
use velella_proto::fishjam::media_events::ChannelMessage;

/// Destinations in one message; beyond it the message is refused.
const DESTINATIONS_MAX: usize = 256;

/// The two channels that published clients open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Ordered, complete.
    Reliable,
    /// Unordered, no resends.
    Lossy,
}

impl Label {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "reliable" => Some(Self::Reliable),
            "lossy" => Some(Self::Lossy),
            _ => None,
        }
    }
}

/// Open channels of a session.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    reliable: Option<ChannelId>,
    lossy: Option<ChannelId>,
}

impl Channels {
    /// A channel opened; other labels than the two are left alone.
    pub(crate) fn opened(&mut self, id: ChannelId, label: &str) {
        if let Some(label) = Label::parse(label) {
            *self.slot(label) = Some(id);
        }
    }

    pub(crate) fn closed(&mut self, id: ChannelId) {
        for label in [Label::Reliable, Label::Lossy] {
            let slot = self.slot(label);
            *slot = slot.filter(|open| *open != id);
        }
    }

    pub(crate) fn label(&self, id: ChannelId) -> Option<Label> {
        match id {
            id if self.reliable == Some(id) => Some(Label::Reliable),
            id if self.lossy == Some(id) => Some(Label::Lossy),
            _ => None,
        }
    }

    pub(crate) fn id(&self, label: Label) -> Option<ChannelId> {
        match label {
            Label::Reliable => self.reliable,
            Label::Lossy => self.lossy,
        }
    }

    fn slot(&mut self, label: Label) -> &mut Option<ChannelId> {
        match label {
            Label::Reliable => &mut self.reliable,
            Label::Lossy => &mut self.lossy,
        }
    }
}

/// A message ready to be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    /// Encoded, with the true sender in it.
    pub(crate) bytes: Vec<u8>,
    destinations: Vec<String>,
}

impl Stamped {
    /// Reads a message and puts its true sender in; `None` when it is none.
    pub(crate) fn new(received: &[u8], sender: &PeerId) -> Option<Self> {
        let mut message = ChannelMessage::decode(received).ok()?;
        if message.destinations.len() > DESTINATIONS_MAX {
            return None;
        }
        sender.as_str().clone_into(&mut message.source);
        Some(Self { bytes: message.encode_to_vec(), destinations: message.destinations })
    }

    /// Whether a peer is meant: named, or nobody is, or everybody by `*`.
    pub(crate) fn is_for(&self, peer: &PeerId) -> bool {
        self.destinations.is_empty() || self.destinations.iter().any(|d| d == "*" || d == peer.as_str())
    }
}

#[cfg(test)]
mod tests {
    use velella_proto::fishjam::media_events::channel_message::{Binary, Payload};

    use super::*;

    fn peer(id: &str) -> PeerId {
        PeerId::parse(id).unwrap()
    }

    fn message(destinations: &[&str]) -> Vec<u8> {
        let payload = Some(Payload::Binary(Binary { data: b"hi".to_vec() }));
        let destinations = destinations.iter().map(ToString::to_string).collect();
        ChannelMessage { source: "mock".into(), destinations, payload }.encode_to_vec()
    }

    #[test]
    fn the_sender_cannot_be_forged() {
        let stamped = Stamped::new(&message(&["*"]), &peer("a")).unwrap();
        assert_eq!(ChannelMessage::decode(stamped.bytes.as_slice()).unwrap().source, "a");
    }

    #[test]
    fn a_message_reaches_whom_it_names() {
        let is_for_b =
            |destinations: &[&str]| Stamped::new(&message(destinations), &peer("a")).unwrap().is_for(&peer("b"));
        assert!(is_for_b(&[]));
        assert!(is_for_b(&["*"]));
        assert!(is_for_b(&["c", "b"]));
        assert!(!is_for_b(&["c"]));
    }

    #[test]
    fn garbage_is_no_message() {
        assert_eq!(Stamped::new(&[0xff; 20], &peer("a")), None);
    }
}
