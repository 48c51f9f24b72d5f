//! Frames on their way between a source (camera, encoder, file) and a room, and the facts of their
//! codecs that both sides need: where a picture begins, what decodes without its past, which
//! parameter sets it needs.
//!
//! Pure, and free of transport: RTP, FLV and MPEG-TS are taken apart elsewhere. Video in NAL units is always
//! Annex-B here (ITU-T H.264 annex B), with 4 byte start codes.

#![warn(missing_docs)]

mod aac;
mod access_unit;
mod annexb;
mod bits;
mod clock;
mod frame;
mod nal;
mod opus;
mod sps;

pub use aac::{AacConfig, AacConfigError};
pub use access_unit::{ACCESS_UNIT_BYTES_MAX, Assembled, Assembler, NALS_MAX};
pub use annexb::{START_CODE, nals_of_annexb, nals_of_lengths};
pub use clock::{Clock, Medium, Moment};
pub use frame::{AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec};
pub use nal::{Nal, NalRole, Slice};
pub use opus::opus_duration;
pub use sps::SequenceParameters;
