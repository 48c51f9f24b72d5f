//! Data channels of one session, and the envelope of their messages.

use str0m::channel::ChannelId;
use velella_model::PeerId;
use velella_proto::Message;
use velella_proto::fishjam::media_events::ChannelMessage;

/// Destinations in one message; beyond it the message is refused.
const DESTINATIONS_MAX: usize = 256;

/// Labels of one session. Published clients open two.
pub(crate) const LABELS_MAX: usize = 8;
/// Longest label; it is passed on to every coordinator's subscribers.
pub(crate) const LABEL_BYTES_MAX: usize = 64;

/// Open channels of a session, one per label.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    open: Vec<(String, ChannelId)>,
}

/// What became of a channel that the peer opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The first of its label.
    New,
    /// It takes the place of an older one of its label.
    Again,
    /// Too many labels, or too long a one.
    Refused,
}

impl Channels {
    pub(crate) fn opened(&mut self, id: ChannelId, label: &str) -> Opened {
        if let Some((_, open)) = self.open.iter_mut().find(|(l, _)| l == label) {
            *open = id;
            return Opened::Again;
        }
        if self.open.len() >= LABELS_MAX || label.len() > LABEL_BYTES_MAX {
            return Opened::Refused;
        }
        self.open.push((label.to_owned(), id));
        Opened::New
    }

    /// Returns the label that nothing is open for any more.
    pub(crate) fn closed(&mut self, id: ChannelId) -> Option<String> {
        let at = self.open.iter().position(|(_, open)| *open == id)?;
        Some(self.open.remove(at).0)
    }

    pub(crate) fn label(&self, id: ChannelId) -> Option<&str> {
        self.open.iter().find(|(_, open)| *open == id).map(|(label, _)| label.as_str())
    }

    pub(crate) fn id(&self, label: &str) -> Option<ChannelId> {
        self.open.iter().find(|(l, _)| l == label).map(|(_, id)| *id)
    }

    /// Closes all; returns their labels.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(&mut self.open).into_iter().map(|(label, _)| label)
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
