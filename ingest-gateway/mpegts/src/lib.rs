//! An MPEG transport stream into frames: bytes in, pictures and sound out (ISO/IEC 13818-1).
//!
//! Takes H.264 and H.265, AAC in ADTS, and Opus. Follows the first program of a stream, and of that the first video
//! and the first sound that rooms can take. Where the bytes come from (SRT, a file) is the caller's.
//!
//! [`Demuxer`] has the doors of a core. Behind it, each on its own: `sync` finds packets, `packet` reads them,
//! `section` and `program` say what there is, `pes` puts together what belongs together, `adts` and `opus` part
//! sound. All of them are bounded by what their constants name, whatever a peer sends, and go on
//! after anything: a stream that was joined in the middle or lost a part is the usual case.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests need some instant to count from"))]

mod adts;
mod demuxer;
mod opus;
mod packet;
mod pes;
mod program;
mod section;
mod sync;
mod track;

pub use demuxer::{Demuxer, Event, Output, Stats};
