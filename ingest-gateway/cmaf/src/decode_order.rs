//! When pictures are decoded, told from when they are shown.
//!
//! A frame says only the latter. In order, both are the same. With B-frames, the n-th picture to be decoded takes the
//! time of the picture that is shown n-th, later by the depth of reordering. The stream says how deep that is; where it
//! does not, it shows: so many pictures came before one that is shown earlier.

/// H.264 and H.265 allow no deeper reordering (`max_dec_frame_buffering`, `sps_max_dec_pic_buffering_minus1`).
const DEPTH_MAX: usize = 16;

/// Places pictures on the decode time line. In ticks throughout.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecodeOrder {
    depth: usize,
    /// The latest times at which something is shown, ascending; at most one more than the depth can be.
    shown: Vec<i64>,
    /// The last decode time.
    last: Option<i64>,
}

impl DecodeOrder {
    /// What comes next has nothing to do with what came, except that it is decoded later.
    pub(crate) fn restart(&mut self, floor: i64) {
        *self = Self { depth: self.depth, shown: Vec::new(), last: Some(floor.saturating_sub(1)) };
    }

    /// So many pictures may come before one that is shown earlier.
    pub(crate) fn expect(&mut self, depth: u32) {
        self.depth = usize::try_from(depth).unwrap_or(DEPTH_MAX).clamp(self.depth, DEPTH_MAX);
    }

    /// The decode time of the next picture, and what to add for the time at which it is shown.
    pub(crate) fn place(&mut self, shown: i64) -> (i64, i64) {
        let at = self.shown.partition_point(|other| *other <= shown);
        self.depth = self.depth.max(self.shown.len() - at).min(DEPTH_MAX);
        self.shown.insert(at, shown);
        if self.shown.len() > DEPTH_MAX + 1 {
            self.shown.remove(0);
        }
        let nth = self.shown.iter().rev().nth(self.depth).or_else(|| self.shown.first()).copied().unwrap_or(shown);
        let decoded = self.last.map_or(nth, |last| nth.max(last.saturating_add(1)));
        self.last = Some(decoded);
        // Without reordering, one that came too late is shown when it is decoded.
        (decoded, if self.depth == 0 { 0 } else { shown.saturating_sub(decoded) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn placed(shown: &[i64]) -> Vec<(i64, i64)> {
        let mut order = DecodeOrder::default();
        shown.iter().map(|shown| order.place(*shown)).collect()
    }

    #[test]
    fn in_order_both_times_are_the_same() {
        assert_eq!(placed(&[0, 10, 20, 35]), [(0, 0), (10, 0), (20, 0), (35, 0)]);
        assert_eq!(placed(&[5, 5]), [(5, 0), (6, 0)], "the same moment twice");
    }

    #[test]
    fn b_frames_settle_at_the_depth_that_they_need() {
        let settled = placed(&[0, 30, 10, 20, 60, 40, 50, 90, 70, 80]);
        assert_eq!(settled[..4], [(0, 0), (30, 0), (31, -21), (32, -12)]);
        assert_eq!(settled[4..], [(33, 27), (40, 0), (50, 0), (60, 30), (70, 0), (80, 0)]);
    }

    #[test]
    fn with_a_known_depth_nothing_is_shown_before_it_is_decoded() {
        let mut order = DecodeOrder::default();
        order.expect(1);
        let placed = [0, 30, 10, 20, 60, 40, 50].map(|shown| order.place(shown));
        assert_eq!(placed, [(0, 0), (1, 29), (10, 0), (20, 0), (30, 30), (40, 0), (50, 0)]);
    }

    #[test]
    fn after_a_restart_only_the_floor_counts() {
        let mut order = DecodeOrder::default();
        order.place(90);
        order.restart(120);
        assert_eq!(order.place(100), (120, 0));
        assert_eq!(order.place(130), (130, 0));
    }

    proptest! {
        #[test]
        fn decode_times_always_grow(shown: Vec<i32>) {
            let times: Vec<i64> = shown.iter().map(|shown| i64::from(*shown)).collect();
            let placed = placed(&times);
            prop_assert!(placed.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
