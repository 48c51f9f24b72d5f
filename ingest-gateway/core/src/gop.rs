//! How far apart key frames are: whoever joins waits for the next one.

use std::time::Duration;

use velella_media::MediaTime;
use velella_model::wire::ingest::KEY_FRAME_INTERVAL_LONG_MS;

/// A longer distance is worth a warning.
pub(crate) const GOP_LONG: Duration = Duration::from_millis(KEY_FRAME_INTERVAL_LONG_MS as u64);

/// Measures the distance between key frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gop {
    last: Option<MediaTime>,
    interval: Option<Duration>,
}

impl Gop {
    /// Takes a picture; whether the distance just became known to be long.
    pub(crate) fn picture(&mut self, time: MediaTime, keyframe: bool) -> bool {
        let since = self.last.and_then(|last| time.since(last));
        let was_long = self.is_long();
        if keyframe {
            self.interval = since;
            self.last = Some(time);
        } else if since.is_some_and(|since| since > GOP_LONG) {
            self.interval = since;
        }
        self.is_long() && !was_long
    }

    /// The last known distance; at least that, while the next one has not come.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.interval
    }

    pub(crate) fn is_long(&self) -> bool {
        self.interval.is_some_and(|interval| interval > GOP_LONG)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> MediaTime {
        MediaTime(ms * 1_000_000)
    }

    #[test]
    fn a_long_distance_is_told_once_and_before_it_ends() {
        let mut gop = Gop::default();
        assert!(!gop.picture(at(0), true));
        assert!(!gop.picture(at(2_000), true));
        assert_eq!(gop.interval(), Some(Duration::from_secs(2)));
        assert!(!gop.picture(at(6_000), false));
        assert!(gop.picture(at(6_040), false));
        assert!(!gop.picture(at(12_000), true), "told already");
        assert!(!gop.picture(at(13_000), true));
        assert!(!gop.is_long());
    }
}
