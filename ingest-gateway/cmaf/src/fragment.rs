//! Samples into a fragment: `moof` and `mdat` (ISO/IEC 23000-19, 7.3.2.3).

use bytes::Bytes;
use shiguredo_mp4::boxes::{MfhdBox, MoofBox, TfdtBox, TfhdBox, TrafBox, TrunBox, TrunSample};
use shiguredo_mp4::{Encode as _, SampleFlags};

use crate::init::TRACK_ID;
use crate::sample::Sample;

/// Most bytes of samples in one fragment: a second of video at 500 Mbit/s. Lengths and offsets have 32 bits.
const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The head of `mdat`: its length and its name.
const MDAT_HEAD_BYTES: usize = 8;

/// Others depend on no sample that this one could refer to, or it refers to some (ISO/IEC 14496-12, 8.8.3.1).
const SYNC: SampleFlags = SampleFlags::from_fields(0, 2, 0, 0, 0, false, 0);
const NO_SYNC: SampleFlags = SampleFlags::from_fields(0, 1, 0, 0, 0, true, 0);

/// Writes the samples, which follow each other without a hole, as one fragment.
///
/// `sequence` grows from fragment to fragment of a track; `decode_time` is that of the first sample, in ticks, on the
/// time line of the file.
///
/// # Errors
/// When there are no samples, or too many bytes of them.
pub fn fragment(samples: &[Sample], sequence: u32, decode_time: u64) -> Result<Bytes, FragmentError> {
    let payload: usize = samples.iter().map(|sample| sample.data.len()).sum();
    if samples.is_empty() || payload > PAYLOAD_BYTES_MAX {
        return Err(FragmentError::Bytes(payload));
    }
    let mut moof = movie_fragment(samples, sequence, decode_time);
    let head_bytes = moof.encode_to_vec().map_err(written)?.len();
    let payload_from = i32::try_from(head_bytes + MDAT_HEAD_BYTES).map_err(written)?;
    moof.traf_boxes
        .iter_mut()
        .flat_map(|traf| &mut traf.trun_boxes)
        .for_each(|run| run.data_offset = Some(payload_from));
    let mut bytes = moof.encode_to_vec().map_err(written)?;
    bytes.reserve_exact(MDAT_HEAD_BYTES + payload);
    bytes.extend(u32::try_from(MDAT_HEAD_BYTES + payload).map_err(written)?.to_be_bytes());
    bytes.extend(b"mdat");
    samples.iter().for_each(|sample| bytes.extend_from_slice(&sample.data));
    Ok(bytes.into())
}

/// What all samples share is told once: sound is 4 bytes a sample so.
fn movie_fragment(samples: &[Sample], sequence: u32, decode_time: u64) -> MoofBox {
    let duration = shared(samples.iter().map(|sample| sample.duration));
    let flags = shared(samples.iter().map(|sample| flags(sample.sync)));
    let offset = shared(samples.iter().map(|sample| sample.composition_offset)) != Some(0);
    let described = |sample: &Sample| TrunSample {
        duration: duration.is_none().then_some(sample.duration),
        size: u32::try_from(sample.data.len()).ok(),
        flags: flags.is_none().then(|| self::flags(sample.sync)),
        composition_time_offset: offset.then(|| i64::from(sample.composition_offset)),
    };
    let track = TrafBox {
        tfhd_box: TfhdBox {
            track_id: TRACK_ID,
            base_data_offset: None,
            sample_description_index: None,
            default_sample_duration: duration,
            default_sample_size: None,
            default_sample_flags: flags,
            duration_is_empty: false,
            default_base_is_moof: true,
        },
        tfdt_box: Some(TfdtBox { version: 1, base_media_decode_time: decode_time }),
        trun_boxes: vec![TrunBox {
            data_offset: Some(0),
            first_sample_flags: None,
            samples: samples.iter().map(described).collect(),
        }],
        unknown_boxes: Vec::new(),
    };
    MoofBox { mfhd_box: MfhdBox { sequence_number: sequence }, traf_boxes: vec![track], unknown_boxes: Vec::new() }
}

fn flags(sync: bool) -> SampleFlags {
    if sync { SYNC } else { NO_SYNC }
}

/// The value that all have, if they do.
fn shared<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn written(error: impl std::fmt::Display) -> FragmentError {
    FragmentError::Written(error.to_string())
}

/// Why there is no fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// None, or above the bound.
    #[error("a fragment of {0} bytes cannot be written")]
    Bytes(usize),
    /// A value that a box cannot hold.
    #[error("the fragment cannot be written: {0}")]
    Written(String),
}
