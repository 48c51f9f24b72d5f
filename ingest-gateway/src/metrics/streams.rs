//! What broadcasts count.

use prometheus::{IntCounter, IntGauge, Registry};

/// What all broadcasts of this gateway count together.
#[derive(Clone)]
pub(crate) struct Streams {
    segments: IntCounter,
    parts: IntCounter,
    gaps: IntCounter,
    forced: IntCounter,
    discontinuities: IntCounter,
    evicted: IntCounter,
    left_out: IntCounter,
    torn: IntCounter,
    unsupported: IntCounter,
    held_bytes: IntGauge,
    /// Questions that found no place to wait.
    pub(crate) turned_away: IntCounter,
    /// Times that the store was not told how far a stream has come.
    pub(crate) unkept: IntCounter,
}

impl Streams {
    /// Registers it.
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let count = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("velella_gateway_hls_{name}_total"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let held_bytes = IntGauge::new("velella_gateway_hls_held_bytes", "Bytes of media that packagers hold")?;
        registry.register(Box::new(held_bytes.clone()))?;
        Ok(Self {
            segments: count("segments", "Segments that were packaged, of all renditions")?,
            parts: count("parts", "Parts that were packaged")?,
            gaps: count("gap_parts", "Parts without media, since nothing came for them")?,
            forced: count("segments_forced", "Segments that ended for want of time and not at a key frame")?,
            discontinuities: count("discontinuities", "Discontinuities of streams")?,
            evicted: count("evicted", "Segments and parts that were let go early, for want of room")?,
            left_out: count("samples_left_out", "Samples that came too late, or that nobody could have decoded")?,
            torn: count("frames_torn", "Pictures behind something that was lost")?,
            unsupported: count("pictures_unsupported", "Pictures in codecs that players of HLS do not take")?,
            held_bytes,
            turned_away: count("questions_turned_away", "Requests that found no place to wait at a packager")?,
            unkept: count("records_unkept", "Times that the store was not told how far a stream has come")?,
        })
    }

    /// The part that one broadcast has in it.
    pub(crate) fn share(&self) -> Share {
        Share { streams: self.clone(), hls: velella_hls::Stats::default(), room: velella_broadcast::Stats::default() }
    }
}

/// What one broadcast has counted.
pub(crate) struct Share {
    streams: Streams,
    hls: velella_hls::Stats,
    room: velella_broadcast::Stats,
}

impl Share {
    /// It has counted so much by now.
    pub(crate) fn count(&mut self, hls: velella_hls::Stats, room: velella_broadcast::Stats) {
        let (streams, before) = (&self.streams, std::mem::replace(&mut self.hls, hls));
        streams.segments.inc_by(hls.segments - before.segments);
        streams.parts.inc_by(hls.parts - before.parts);
        streams.gaps.inc_by(hls.gap_parts - before.gap_parts);
        streams.forced.inc_by(hls.forced - before.forced);
        streams.discontinuities.inc_by(hls.discontinuities - before.discontinuities);
        let evicted = |stats: &velella_hls::Stats| stats.evicted + stats.over_budget;
        streams.evicted.inc_by(evicted(&hls) - evicted(&before));
        let left_out = |stats: &velella_hls::Stats| stats.late + stats.astray + stats.undecodable;
        streams.left_out.inc_by(left_out(&hls) - left_out(&before));
        streams.held_bytes.add(gauged(hls.held_bytes) - gauged(before.held_bytes));
        let before = std::mem::replace(&mut self.room, room);
        streams.torn.inc_by(room.torn - before.torn);
        streams.unsupported.inc_by(room.unsupported - before.unsupported);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.streams.held_bytes.sub(gauged(self.hls.held_bytes));
    }
}

fn gauged(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
