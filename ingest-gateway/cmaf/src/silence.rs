//! Sound in which nothing is heard, in place of sound that did not come.

use bytes::Bytes;
use velella_media::{AacConfig, AudioFormat};

/// 20 ms of Opus that decode to nothing (RFC 6716: CELT, full band, one frame; what senders use for DTX as well).
const OPUS: &[u8] = &[0xf8, 0xff, 0xfe];
/// One silent frame of AAC-LC: an element without any band, and the end (ISO/IEC 14496-3, 4.4.2.1).
const AAC_MONO: &[u8] = &[0x00, 0x00, 0x00, 0x07];
const AAC_STEREO: &[u8] = &[0x21, 0x00, 0x00, 0x00, 0x00, 0x1c];

/// A piece of silence and its samples; `None` for what cannot be packaged.
#[must_use]
pub fn silence(format: AudioFormat) -> Option<(Bytes, u32)> {
    match format {
        AudioFormat::Opus { .. } => Some((Bytes::from_static(OPUS), 960)),
        AudioFormat::Aac(AacConfig { channels: 1, .. }) => {
            Some((Bytes::from_static(AAC_MONO), AacConfig::FRAME_SAMPLES))
        }
        AudioFormat::Aac(_) => Some((Bytes::from_static(AAC_STEREO), AacConfig::FRAME_SAMPLES)),
        AudioFormat::Pcmu { .. } | AudioFormat::Pcma { .. } => None,
    }
}
