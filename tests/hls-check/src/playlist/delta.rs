//! Making a whole playlist of a delta update and what was known before (section 6.3.7).

use super::{MediaPlaylist, Segment};

impl MediaPlaylist {
    /// The whole playlist that a delta update stands for, or `None` when `known` lacks a skipped segment.
    /// Maps and keys that were set among the skipped segments stay in effect.
    #[must_use]
    pub fn completed<'a>(&self, known: impl Fn(u64) -> Option<&'a Segment>) -> Option<Self> {
        if self.skip.is_none() {
            return Some(self.clone());
        }
        let skipped: Option<Vec<Segment>> =
            (self.media_sequence..self.first_listed()).map(|msn| known(msn).cloned()).collect();
        let mut segments = skipped?.into_iter().map(|old| Segment { parts: Vec::new(), ..old }).collect::<Vec<_>>();
        let mut whole = self.clone();
        for listed in self.segments.iter().chain([&self.open]) {
            let mut segment = listed.clone();
            if let Some(before) = segments.last() {
                segment.map = segment.map.or_else(|| before.map.clone());
                if segment.keys.is_empty() {
                    segment.keys.clone_from(&before.keys);
                }
            }
            segments.push(segment);
        }
        whole.open = segments.pop()?;
        whole.segments = segments;
        whole.skip = None;
        Some(whole)
    }
}
