//! Which encoding of a track flows to one subscriber.
//!
//! Two inputs, one decision: policy ([`Selector::set_target`], [`Selector::reconsider`]) says what
//! should flow, packets ([`Selector::feed`]) say what can. A switch happens only at the start of a
//! keyframe of the wanted encoding; until then the old one goes on, so no broken frame is shown.

use velella_model::Variant;

/// Which encodings of a track arrive at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Available(u8);

impl Available {
    pub(crate) fn with(self, variant: Variant) -> Self {
        Self(self.0 | 1 << variant as u8)
    }

    fn has(self, variant: Variant) -> bool {
        self.0 & 1 << variant as u8 != 0
    }

    /// The highest that is not above `target`, else the lowest above it.
    fn best(self, target: Variant) -> Option<Variant> {
        let below = Variant::ALL.into_iter().rev().filter(|v| *v <= target);
        let above = Variant::ALL.into_iter().filter(|v| *v > target);
        below.chain(above).find(|v| self.has(*v))
    }
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Send it.
    Forward,
    /// Send it as the first packet of another encoding.
    Switch,
    /// Not for this subscriber.
    Skip,
}

/// The choice for one subscriber and track.
#[derive(Debug)]
pub(crate) struct Selector {
    target: Variant,
    /// Whether nothing flows rather than another encoding.
    exact: bool,
    current: Option<Variant>,
    pending: Option<Variant>,
}

impl Selector {
    /// Wants the highest encoding until told otherwise.
    pub(crate) fn new(available: Available) -> Self {
        Self { target: Variant::High, exact: false, current: None, pending: None }.anew(available)
    }

    /// Wants this encoding and never another in its place.
    pub(crate) fn exactly(target: Variant) -> Self {
        Self { target, exact: true, current: None, pending: None }
    }

    /// The same wish for another track.
    pub(crate) fn anew(&self, available: Available) -> Self {
        let target = if self.exact { self.target } else { Variant::High };
        let mut selector = Self { target, exact: self.exact, current: None, pending: None };
        selector.reconsider(available);
        selector
    }

    /// What the subscriber asked for.
    pub(crate) fn set_target(&mut self, target: Variant, available: Available) {
        self.target = target;
        self.reconsider(available);
    }

    /// Encodings came or went. When none arrives, nothing changes.
    pub(crate) fn reconsider(&mut self, available: Available) {
        let best = if self.exact { Some(self.target) } else { available.best(self.target) };
        if let Some(best) = best.filter(|best| available.has(*best)) {
            self.pending = (self.current != Some(best)).then_some(best);
        }
    }

    /// Judges one packet. The first keyframe of any encoding starts the stream: a picture now beats
    /// the right picture later.
    pub(crate) fn feed(&mut self, variant: Variant, starts_keyframe: bool) -> Feed {
        let wanted = self.pending == Some(variant) || self.current.is_none() && (!self.exact || variant == self.target);
        if starts_keyframe && wanted && self.current != Some(variant) {
            self.current = Some(variant);
            self.pending = self.pending.filter(|p| *p != variant);
            return Feed::Switch;
        }
        if self.current == Some(variant) { Feed::Forward } else { Feed::Skip }
    }

    /// What flows.
    pub(crate) fn current(&self) -> Option<Variant> {
        self.current
    }

    /// The encoding whose keyframe is waited for.
    pub(crate) fn awaits(&self) -> Option<Variant> {
        self.pending
    }
}

#[cfg(test)]
mod tests {
    use velella_model::Variant::{High, Low, Medium};

    use super::*;

    fn available(variants: &[Variant]) -> Available {
        variants.iter().fold(Available::default(), |a, v| a.with(*v))
    }

    #[test]
    fn nothing_flows_before_a_keyframe() {
        let mut selector = Selector::new(available(&[High]));
        assert_eq!(selector.awaits(), Some(High));
        assert_eq!(selector.feed(High, false), Feed::Skip);
        assert_eq!(selector.feed(High, true), Feed::Switch);
        assert_eq!(selector.feed(High, false), Feed::Forward);
        assert_eq!(selector.feed(High, true), Feed::Forward, "a later keyframe is no switch");
        assert_eq!(selector.awaits(), None);
    }

    #[test]
    fn the_old_encoding_flows_until_the_new_ones_keyframe() {
        let all = available(&[Low, Medium, High]);
        let mut selector = Selector::new(all);
        selector.feed(High, true);
        selector.set_target(Low, all);
        assert_eq!(selector.feed(High, false), Feed::Forward);
        assert_eq!(selector.feed(Low, false), Feed::Skip);
        assert_eq!(selector.feed(Low, true), Feed::Switch);
        assert_eq!(selector.feed(High, true), Feed::Skip);
    }

    #[test]
    fn the_first_picture_may_be_of_any_encoding_and_is_improved_later() {
        let mut selector = Selector::new(available(&[Low, High]));
        assert_eq!(selector.feed(Low, true), Feed::Switch);
        assert_eq!(selector.awaits(), Some(High));
        assert_eq!(selector.feed(High, true), Feed::Switch);
    }

    #[test]
    fn a_missing_encoding_falls_back_to_the_next_lower_then_to_any() {
        assert_eq!(available(&[Low, High]).best(Medium), Some(Low));
        assert_eq!(available(&[Medium, High]).best(Low), Some(Medium));
        assert_eq!(available(&[]).best(High), None);
    }

    #[test]
    fn who_wants_one_encoding_exactly_gets_no_other() {
        let mut selector = Selector::exactly(Medium).anew(available(&[Low, High]));
        assert_eq!(selector.awaits(), None, "it does not come");
        assert_eq!(selector.feed(High, true), Feed::Skip);
        selector.reconsider(available(&[Low, Medium, High]));
        assert_eq!(selector.awaits(), Some(Medium));
        assert_eq!(selector.feed(Low, true), Feed::Skip);
        assert_eq!(selector.feed(Medium, true), Feed::Switch);
        selector.reconsider(available(&[Low, High]));
        assert_eq!(selector.awaits(), None, "it goes on when that comes back");
        assert_eq!(selector.feed(High, true), Feed::Skip);
    }

    #[test]
    fn an_encoding_that_went_away_is_left_at_the_next_keyframe_of_another() {
        let mut selector = Selector::new(available(&[Low, High]));
        selector.feed(High, true);
        selector.reconsider(available(&[Low]));
        assert_eq!(selector.awaits(), Some(Low));
        selector.reconsider(available(&[Low, High]));
        assert_eq!(selector.awaits(), None, "it came back before the switch");
    }
}
