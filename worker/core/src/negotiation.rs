//! One peer's receiving m-lines: which track is on which, and whose turn it is to speak.
//!
//! The client always offers. The server announces tracks with `tracks_added`, says how many
//! receiving lines it wants with `offer_data`, and answers the offer that follows. One round at a
//! time: whatever comes up meanwhile waits for the end of the round. Lines never go away (published
//! clients throw when a count decreases), so the line of a removed track is given to the next one.
//!
//! Two kinds of client know no rounds, and tracks settle as they come: agents, who have no lines, and
//! those who offer once, whose lines are what they offered.

use std::collections::VecDeque;

use str0m::media::Mid;
use velella_model::MediaKind;

/// Most m-lines of one kind that one peer receives. Each costs the engine about 0.2 µs per batch
/// of packets; tracks beyond it wait until a line is free.
pub(crate) const LINES_PER_KIND_MAX: usize = 64;

/// Rounds that may end with a track left without a line, before it is given up: a client that
/// ignores `offer_data` must not be asked for ever.
const SHORT_ROUNDS_MAX: u32 = 3;

/// Index of a slot; stable, since slots are never removed.
pub(crate) type SlotIndex = usize;

/// One receiving m-line of the peer, wanted or real. `T` names a track.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) kind: MediaKind,
    /// Known once an offer held a line for it.
    pub(crate) mid: Option<Mid>,
    /// Counts the tracks that were on it. Part of the stream id in SDP: browsers fire no event for
    /// a new track on a line whose stream id stays the same.
    pub(crate) generation: u32,
    tenant: Option<Tenant<T>>,
}

#[derive(Clone, Copy, Debug)]
struct Tenant<T> {
    track: T,
    /// Whether an answer put it on the line.
    live: bool,
}

/// What to tell the peer at the start of a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Round<T> {
    /// Tracks to announce first.
    pub(crate) tracks: Vec<T>,
    /// Receiving audio lines wanted in total.
    pub(crate) audio: u32,
    /// Receiving video lines wanted in total.
    pub(crate) video: u32,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Negotiation<T> {
    slots: Vec<Slot<T>>,
    /// The lines of the first offer are all there will ever be.
    one_offer: bool,
    /// Tracks that were not announced yet.
    waiting: VecDeque<(T, MediaKind)>,
    /// `offer_data` was sent and no offer has come.
    in_round: bool,
    /// The peer asked for a round while one was on.
    asked: bool,
    short_rounds: u32,
}

impl<T: Copy + PartialEq> Negotiation<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            one_offer: false,
            waiting: VecDeque::new(),
            in_round: false,
            asked: false,
            short_rounds: 0,
        }
    }

    /// Of a client that offers once.
    pub(crate) fn of_one_offer() -> Self {
        Self { one_offer: true, ..Self::new() }
    }

    /// The peer shall receive this track. Wanting it twice changes nothing.
    pub(crate) fn want(&mut self, track: T, kind: MediaKind) {
        if self.slot_of(track).is_none() && !self.waiting.iter().any(|(t, _)| *t == track) {
            self.waiting.push_back((track, kind));
        }
    }

    /// The peer asked for a round, to add or remove own tracks.
    pub(crate) fn ask(&mut self) {
        self.asked = true;
    }

    /// The track is gone. Returns whether the peer had been told of it.
    pub(crate) fn forget(&mut self, track: T) -> bool {
        self.waiting.retain(|(t, _)| *t != track);
        match self.slots.iter_mut().find(|s| s.tenant.is_some_and(|t| t.track == track)) {
            Some(slot) => {
                slot.tenant = None;
                slot.generation += 1;
                true
            }
            None => false,
        }
    }

    /// Starts a round when there is a reason and none is on.
    pub(crate) fn start(&mut self) -> Option<Round<T>> {
        if self.in_round {
            return None;
        }
        let tracks = self.seat_waiting();
        if tracks.is_empty() && !self.asked {
            return None;
        }
        self.in_round = true;
        self.asked = false;
        let lines = |kind| u32::try_from(self.count(kind)).unwrap_or(u32::MAX);
        Some(Round { tracks, audio: lines(MediaKind::Audio), video: lines(MediaKind::Video) })
    }

    /// For a session without rounds: whatever waits is received from now on, if there is a place for it.
    pub(crate) fn settle(&mut self) -> Vec<(SlotIndex, T)> {
        self.seat_waiting();
        let mut started = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if let Some(tenant) = slot.tenant.as_mut().filter(|tenant| !tenant.live) {
                tenant.live = true;
                started.push((index, tenant.track));
            }
        }
        started
    }

    /// An offer came with these receiving lines: every slot without a line takes a free one.
    pub(crate) fn offered(&mut self, lines: &[(Mid, MediaKind)]) {
        for (mid, kind) in lines {
            if self.slots.iter().any(|s| s.mid == Some(*mid)) {
                continue;
            }
            if let Some(slot) = self.slots.iter_mut().find(|s| s.mid.is_none() && s.kind == *kind) {
                slot.mid = Some(*mid);
            } else if self.one_offer && self.count(*kind) < LINES_PER_KIND_MAX {
                self.slots.push(Slot { kind: *kind, mid: Some(*mid), generation: 0, tenant: None });
            }
        }
    }

    /// The answer is out and the round is over. Returns what flows from now on.
    pub(crate) fn answered(&mut self) -> Vec<(SlotIndex, T)> {
        self.in_round = false;
        let mut started = Vec::new();
        let mut short = false;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            match (&mut slot.tenant, slot.mid) {
                (Some(tenant), Some(_)) if !tenant.live => {
                    tenant.live = true;
                    started.push((index, tenant.track));
                }
                (Some(_), None) => short = true,
                _ => {}
            }
        }
        self.short_rounds = if short { self.short_rounds + 1 } else { 0 };
        self.asked |= short && self.short_rounds < SHORT_ROUNDS_MAX;
        started
    }

    /// The slot of a line, and the track on it.
    pub(crate) fn line(&self, mid: Mid) -> Option<(&Slot<T>, Option<T>)> {
        let slot = self.slots.iter().find(|s| s.mid == Some(mid))?;
        Some((slot, slot.tenant.map(|t| t.track)))
    }

    /// A slot by its index.
    pub(crate) fn slot(&self, index: SlotIndex) -> Option<&Slot<T>> {
        self.slots.get(index)
    }

    /// The slot that a track was announced for.
    pub(crate) fn slot_of(&self, track: T) -> Option<SlotIndex> {
        self.slots.iter().position(|s| s.tenant.is_some_and(|t| t.track == track))
    }

    /// Gives waiting tracks a slot, free ones first; those that find none stay in the queue.
    fn seat_waiting(&mut self) -> Vec<T> {
        let mut seated = Vec::new();
        for (track, kind) in std::mem::take(&mut self.waiting) {
            match self.free_slot(kind) {
                Some(slot) => {
                    slot.tenant = Some(Tenant { track, live: false });
                    seated.push(track);
                }
                None => self.waiting.push_back((track, kind)),
            }
        }
        seated
    }

    fn count(&self, kind: MediaKind) -> usize {
        self.slots.iter().filter(|s| s.kind == kind).count()
    }

    fn free_slot(&mut self, kind: MediaKind) -> Option<&mut Slot<T>> {
        let free = self.slots.iter().position(|s| s.kind == kind && s.tenant.is_none());
        let index = match free {
            Some(index) => index,
            None if !self.one_offer && self.count(kind) < LINES_PER_KIND_MAX => {
                self.slots.push(Slot { kind, mid: None, generation: 0, tenant: None });
                self.slots.len() - 1
            }
            None => return None,
        };
        self.slots.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use velella_model::MediaKind::{Audio, Video};

    use super::*;

    fn mid(text: &str) -> Mid {
        Mid::from(text)
    }

    fn round(tracks: &[char], audio: u32, video: u32) -> Option<Round<char>> {
        Some(Round { tracks: tracks.to_vec(), audio, video })
    }

    /// A peer that receives audio `a` on line 1 and video `v` on line 2.
    fn receiving() -> Negotiation<char> {
        let mut n = Negotiation::new();
        n.want('a', Audio);
        n.want('v', Video);
        n.start();
        n.offered(&[(mid("2"), Video), (mid("1"), Audio)]);
        n.answered();
        n
    }

    #[test]
    fn a_round_announces_counts_attaches_and_starts() {
        let mut n = Negotiation::new();
        assert_eq!(n.start(), None, "no reason, no round");
        n.want('a', Audio);
        n.want('v', Video);
        assert_eq!(n.start(), round(&['a', 'v'], 1, 1));
        n.offered(&[(mid("2"), Video), (mid("1"), Audio)]);
        assert_eq!(n.answered(), [(0, 'a'), (1, 'v')]);
        assert_eq!(n.line(mid("1")).unwrap().1, Some('a'));
        assert_eq!(n.line(mid("2")).unwrap().1, Some('v'));
    }

    #[test]
    fn what_comes_up_during_a_round_waits_for_its_end() {
        let mut n = receiving();
        n.ask();
        assert_eq!(n.start(), round(&[], 1, 1));
        n.want('w', Video);
        n.ask();
        assert_eq!(n.start(), None);
        n.offered(&[(mid("1"), Audio), (mid("2"), Video)]);
        assert_eq!(n.answered(), []);
        assert_eq!(n.start(), round(&['w'], 1, 2));
    }

    #[test]
    fn counts_never_decrease_and_freed_lines_are_used_again() {
        let mut n = receiving();
        assert!(n.forget('v'));
        n.want('w', Video);
        assert_eq!(n.start(), round(&['w'], 1, 1));
        n.offered(&[(mid("1"), Audio), (mid("2"), Video)]);
        assert_eq!(n.answered(), [(1, 'w')]);
        assert_eq!(n.line(mid("2")).unwrap().0.generation, 1, "a new stream id for the line");
    }

    #[test]
    fn a_track_that_goes_before_it_was_announced_is_never_mentioned() {
        let mut n = receiving();
        n.ask();
        n.start();
        n.want('w', Video);
        assert!(!n.forget('w'));
        n.answered();
        assert_eq!(n.start(), None);
    }

    #[test]
    fn a_track_that_goes_during_its_round_leaves_the_line_empty() {
        let mut n = Negotiation::new();
        n.want('v', Video);
        n.start();
        assert!(n.forget('v'));
        n.offered(&[(mid("0"), Video)]);
        assert_eq!(n.answered(), []);
        assert_eq!(n.line(mid("0")).unwrap().1, None);
    }

    #[test]
    fn a_client_that_offers_too_few_lines_is_asked_again_but_not_for_ever() {
        let mut n = Negotiation::new();
        n.want('v', Video);
        let mut rounds = 0;
        while n.start().is_some() {
            rounds += 1;
            n.offered(&[]);
            n.answered();
        }
        assert_eq!(rounds, SHORT_ROUNDS_MAX);
    }

    #[test]
    fn tracks_beyond_the_lines_wait_for_a_free_one() {
        let mut n = Negotiation::new();
        for track in 0..=LINES_PER_KIND_MAX {
            n.want(track, Video);
        }
        assert_eq!(n.start().unwrap().tracks.len(), LINES_PER_KIND_MAX);
        n.answered();
        n.forget(0);
        assert_eq!(n.start().unwrap().tracks, [LINES_PER_KIND_MAX]);
    }

    #[test]
    fn without_lines_a_track_is_received_as_soon_as_it_is_wanted() {
        let mut n = Negotiation::new();
        n.want('a', Audio);
        assert_eq!(n.settle(), [(0, 'a')]);
        n.want('b', Audio);
        assert_eq!(n.settle(), [(1, 'b')]);
        assert!(n.forget('a'));
        n.want('c', Audio);
        assert_eq!(n.settle(), [(0, 'c')]);
    }

    #[test]
    fn who_offers_once_has_its_own_lines_and_tracks_change_on_them() {
        let mut n = Negotiation::of_one_offer();
        n.want('a', Audio);
        assert_eq!(n.settle(), [], "there is no line yet");
        n.offered(&[(mid("0"), Video), (mid("1"), Audio)]);
        assert_eq!(n.answered(), []);
        assert_eq!(n.settle(), [(1, 'a')]);
        n.want('b', Audio);
        assert_eq!(n.settle(), [], "and there will be no other");
        assert!(n.forget('a'));
        assert_eq!(n.settle(), [(1, 'b')]);
        n.offered(&[(mid("0"), Video), (mid("1"), Audio)]);
        assert_eq!(n.answered(), [], "ICE began anew, nothing else");
    }

    #[test]
    fn an_offer_nobody_asked_for_still_ends_well() {
        let mut n = receiving();
        n.offered(&[(mid("1"), Audio), (mid("2"), Video), (mid("7"), Video)]);
        assert_eq!(n.answered(), []);
        assert!(n.line(mid("7")).is_none(), "a line we did not ask for stays unused");
    }
}
