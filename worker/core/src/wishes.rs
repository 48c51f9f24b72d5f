//! Which tracks of its room a session wants: all of them, or those that the management API asks
//! for, and none without the right to subscribe.

use velella_model::record::Subscriptions;
use velella_model::wire::command::{OpenSession, SubscribeMode};
use velella_model::{PeerId, TrackId};

/// The wishes of one session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wishes {
    /// Its token does not let it receive.
    Nothing,
    /// Every track.
    Everything,
    /// These. Bounded by the size of the message that brought them.
    Listed(Subscriptions),
}

impl Wishes {
    pub(crate) fn of(open: &OpenSession) -> Self {
        match open.subscribe_mode {
            _ if !open.rights.subscribe => Self::Nothing,
            SubscribeMode::Auto => Self::Everything,
            SubscribeMode::Manual => Self::Listed(open.subscriptions.clone()),
        }
    }

    /// Whether a track of this peer is wanted.
    pub(crate) fn cover(&self, publisher: &PeerId, track: &TrackId) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Listed(listed) => listed.peers.contains(publisher) || listed.tracks.contains(track),
        }
    }

    /// Takes the place of what was listed. `false` for a session that nobody lists anything for.
    pub(crate) fn list(&mut self, subscriptions: Subscriptions) -> bool {
        match self {
            Self::Listed(listed) => *listed = subscriptions,
            Self::Nothing | Self::Everything => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str) -> PeerId {
        PeerId::parse(id).unwrap()
    }

    fn track(id: &str) -> TrackId {
        TrackId::parse(id).unwrap()
    }

    fn listed() -> Subscriptions {
        Subscriptions { peers: [peer("a")].into(), tracks: [track("b:1")].into() }
    }

    #[test]
    fn a_list_covers_whole_peers_and_single_tracks() {
        let wishes = Wishes::Listed(listed());
        assert!(wishes.cover(&peer("a"), &track("a:9")));
        assert!(wishes.cover(&peer("b"), &track("b:1")));
        assert!(!wishes.cover(&peer("b"), &track("b:2")));
    }

    #[test]
    fn a_new_list_takes_the_place_of_the_old_one() {
        let mut wishes = Wishes::Listed(listed());
        assert!(wishes.list(Subscriptions::default()));
        assert!(!wishes.cover(&peer("a"), &track("a:9")));
    }

    #[test]
    fn who_receives_everything_or_nothing_has_no_list() {
        for mut wishes in [Wishes::Everything, Wishes::Nothing] {
            assert!(!wishes.list(listed()));
        }
        assert!(Wishes::Everything.cover(&peer("x"), &track("x:1")));
        assert!(!Wishes::Nothing.cover(&peer("a"), &track("a:9")));
    }
}
