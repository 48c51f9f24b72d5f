//! How a room is packaged, as its component asks for it.

use std::time::Duration;

use velella_hls::{KeyFrames, Settings, Window};
use velella_model::component::HlsSpec;

/// Most bytes of media that one stream holds: ten minutes at 3.4 Mbit/s. What a longer window lists beyond it is gone.
const BYTES_MAX: usize = 256 << 20;

/// What a component asks for.
pub(crate) fn settings(spec: &HlsSpec) -> Settings {
    Settings {
        target_duration: Duration::from_secs(spec.target_duration_s.into()),
        part_target: Duration::from_millis(spec.part_target_ms.into()),
        low_latency: spec.low_latency,
        window: Window::Sliding(Duration::from_secs(spec.window_s.unwrap_or(0).into())),
        key_frames: KeyFrames::OnRequest,
        bytes_max: BYTES_MAX,
    }
}
