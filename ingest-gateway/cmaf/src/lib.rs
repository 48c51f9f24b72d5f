//! Frames into CMAF (ISO/IEC 23000-19): what HLS serves and what a recording keeps.
//!
//! [`Configuration`] says how a track is decoded: its init segment and its codec string. [`VideoSampler`] and
//! [`AudioSampler`] put the frames of one track on a decode time line without holes or overlaps, and tell where
//! something is missing. [`fragment`] writes their samples. When to cut, and what to call the pieces, is the packager's.
//!
//! The boxes are those of `shiguredo_mp4`. Its muxer is not used: that one counts decode times and fragments from zero
//! by itself, while a stream here goes on where another gateway left off.

#![warn(missing_docs)]

mod anchor;
mod audio;
mod boxes;
mod configuration;
mod decode_order;
mod fragment;
mod init;
mod payload;
mod sample;
mod silence;
mod video;

pub use audio::AudioSampler;
pub use boxes::{producer_reference_time, segment_type};
pub use configuration::{Configuration, ConfigurationError, Resolution};
pub use fragment::{FragmentError, fragment};
pub use sample::{Output, Policy, Sample, Stats};
pub use silence::silence;
pub use video::VideoSampler;
