//! What a sequence parameter set says of its pictures (ITU-T H.264 7.3.2.1.1 and E.1.1, H.265 7.3.2.2.1).

use crate::bits::Bits;
use crate::frame::VideoCodec;

/// Longest parameter set that is read; real ones have some fifty bytes.
const BYTES_MAX: usize = 1_024;
/// Profiles of H.264 that tell of chroma and scaling (7.3.2.1.1).
const PROFILES_WITH_CHROMA: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// The profile of H.264 without B slices.
const PROFILE_BASELINE: u32 = 66;

/// Facts of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceParameters {
    /// In pixels, as shown.
    pub width: u32,
    /// In pixels, as shown.
    pub height: u32,
    /// How many pictures may come before one that is shown earlier: 0 says that there is no reordering. `None` when
    /// the sequence does not say, and then nothing follows from it.
    pub reorder_pictures_max: Option<u32>,
}

impl SequenceParameters {
    /// Reads one NAL unit with its header; `None` when it is no sequence parameter set, or cut short.
    #[must_use]
    pub fn parse(codec: VideoCodec, nal: &[u8]) -> Option<Self> {
        let payload = unescape(nal.get(..nal.len().min(BYTES_MAX))?);
        match codec {
            VideoCodec::H264 if payload.first()? & 0x1f == 7 => parse_h264(&mut Bits::new(payload.get(1..)?)),
            VideoCodec::H265 if payload.first()? >> 1 & 0x3f == 33 => parse_h265(&mut Bits::new(payload.get(2..)?)),
            VideoCodec::H264 | VideoCodec::H265 | VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => None,
        }
    }
}

/// Without the 3 that keeps start codes out of a payload (H.264 7.4.1).
fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut zeros = 0;
    let keep = |byte: &&u8| {
        let escape = zeros >= 2 && **byte == 3;
        zeros = if **byte == 0 { zeros + 1 } else { 0 };
        !escape
    };
    nal.iter().filter(keep).copied().collect()
}

fn parse_h264(bits: &mut Bits<'_>) -> Option<SequenceParameters> {
    let profile = bits.number(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    let chroma = if PROFILES_WITH_CHROMA.contains(&profile) { skip_chroma_and_scaling(bits)? } else { 1 };
    bits.golomb()?;
    let order_type = skip_picture_order(bits)?;
    bits.golomb()?;
    bits.skip(1)?;
    let (columns, rows) = (bits.golomb()?, bits.golomb()?);
    let frames_only = bits.number(1)?;
    bits.skip(if frames_only == 1 { 1 } else { 2 })?;
    let rows_in_field = 2 - frames_only;
    let (unit_x, unit_y) = chroma_unit(chroma);
    let (cut_x, cut_y) = window(bits)?;
    let width = shown(columns.checked_add(1)?.checked_mul(16)?, cut_x, unit_x)?;
    let height = shown(rows.checked_add(1)?.checked_mul(16 * rows_in_field)?, cut_y, unit_y * rows_in_field)?;
    // The last fields are missing from sets of encoders that tell no more than they must.
    let told = if bits.number(1)? == 1 { reorder_h264(bits) } else { None };
    let never = profile == PROFILE_BASELINE || order_type == 2;
    Some(SequenceParameters { width, height, reorder_pictures_max: if never { Some(0) } else { told } })
}

/// Gives the chroma format.
fn skip_chroma_and_scaling(bits: &mut Bits<'_>) -> Option<u32> {
    let chroma = bits.golomb()?;
    bits.skip(if chroma == 3 { 1 } else { 0 })?;
    bits.golomb()?;
    bits.golomb()?;
    bits.skip(1)?;
    if bits.number(1)? == 1 {
        let lists = if chroma == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.number(1)? == 1 {
                skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// H.264 7.3.2.1.1.1: a list ends early where the next scale would be 0.
fn skip_scaling_list(bits: &mut Bits<'_>, entries: u32) -> Option<()> {
    let mut scale = 8;
    for _ in 0..entries {
        scale = (scale + bits.signed_golomb()?).rem_euclid(256);
        if scale == 0 {
            break;
        }
    }
    Some(())
}

/// Gives the type by which pictures are ordered; with 2 they are shown as they come.
fn skip_picture_order(bits: &mut Bits<'_>) -> Option<u32> {
    let order_type = bits.golomb()?;
    match order_type {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.golomb()?;
            bits.golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    Some(order_type)
}

/// `max_num_reorder_frames`, at the end of H.264's usability information.
fn reorder_h264(bits: &mut Bits<'_>) -> Option<u32> {
    const ASPECT_EXTENDED: u32 = 255;
    if bits.number(1)? == 1 && bits.number(8)? == ASPECT_EXTENDED {
        bits.skip(32)?;
    }
    if bits.number(1)? == 1 {
        bits.skip(1)?;
    }
    if bits.number(1)? == 1 {
        bits.skip(4)?;
        let colours = bits.number(1)?;
        bits.skip(24 * colours)?;
    }
    if bits.number(1)? == 1 {
        bits.golomb()?;
        bits.golomb()?;
    }
    if bits.number(1)? == 1 {
        bits.skip(65)?;
    }
    let mut reference_decoders = 0;
    for _ in 0..2 {
        if bits.number(1)? == 1 {
            skip_reference_decoder(bits)?;
            reference_decoders += 1;
        }
    }
    bits.skip(if reference_decoders > 0 { 2 } else { 1 })?;
    if bits.number(1)? == 0 {
        return None;
    }
    bits.skip(1)?;
    for _ in 0..4 {
        bits.golomb()?;
    }
    bits.golomb()
}

/// H.264 E.1.2.
fn skip_reference_decoder(bits: &mut Bits<'_>) -> Option<()> {
    let buffers = bits.golomb()?.min(31);
    bits.skip(8)?;
    for _ in 0..=buffers {
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
    }
    bits.skip(20)
}

fn parse_h265(bits: &mut Bits<'_>) -> Option<SequenceParameters> {
    bits.skip(4)?;
    let sub_layers = bits.number(3)?;
    bits.skip(1)?;
    skip_profile_h265(bits, sub_layers)?;
    bits.golomb()?;
    let chroma = bits.golomb()?;
    bits.skip(if chroma == 3 { 1 } else { 0 })?;
    let (width, height) = (bits.golomb()?, bits.golomb()?);
    let (unit_x, unit_y) = chroma_unit(chroma);
    let (cut_x, cut_y) = window(bits)?;
    for _ in 0..3 {
        bits.golomb()?;
    }
    let first = if bits.number(1)? == 1 { 0 } else { sub_layers };
    let mut reorder = 0;
    for _ in first..=sub_layers {
        bits.golomb()?;
        reorder = bits.golomb()?;
        bits.golomb()?;
    }
    let (width, height) = (shown(width, cut_x, unit_x)?, shown(height, cut_y, unit_y)?);
    Some(SequenceParameters { width, height, reorder_pictures_max: Some(reorder) })
}

/// H.265 7.3.3.
fn skip_profile_h265(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut told = Vec::new();
    for _ in 0..sub_layers {
        told.push((bits.number(1)?, bits.number(1)?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    told.into_iter().try_for_each(|(profile, level)| bits.skip(88 * profile + 8 * level))
}

/// Pixels that one unit of a window is worth, by the chroma format.
fn chroma_unit(chroma: u32) -> (u32, u32) {
    match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

/// What is cut off at both sides, in units: sideways, and above and below.
fn window(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    if bits.number(1)? == 0 {
        return Some((0, 0));
    }
    let mut pair = || bits.golomb()?.checked_add(bits.golomb()?);
    Some((pair()?, pair()?))
}

fn shown(coded: u32, cut: u32, unit: u32) -> Option<u32> {
    coded.checked_sub(cut.checked_mul(unit)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(codec: VideoCodec, hex: &str) -> Option<(u32, u32, Option<u32>)> {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let sps = SequenceParameters::parse(codec, &bytes)?;
        Some((sps.width, sps.height, sps.reorder_pictures_max))
    }

    #[test]
    fn sets_of_x264_tell_their_size_and_whether_pictures_are_reordered() {
        assert_eq!(
            parse(VideoCodec::H264, "6764001eacb201405ff2e022000003000200000300641e2c5c90"),
            Some((640, 360, Some(0)))
        );
        assert_eq!(
            parse(VideoCodec::H264, "6764001facd9405005bb011000000300100000030320f1831960"),
            Some((1_280, 720, Some(2)))
        );
        assert_eq!(
            parse(VideoCodec::H264, "6742c028d900780227e5c044000003000400000300c83c60c920"),
            Some((1_920, 1_080, Some(0)))
        );
        assert_eq!(
            parse(VideoCodec::H264, "67f4000d919c80a8ff1fe022000003000200000300641e285224"),
            Some((322, 240, Some(1)))
        );
        // Interlaced, with scaling lists and a reference decoder.
        let broadcast = "67640028ace401e0113f78088000000300800000193130007a12000f427261807c58b920";
        assert_eq!(parse(VideoCodec::H264, broadcast), Some((1_920, 1_080, Some(0))));
    }

    #[test]
    fn sets_of_x265_do_so_too() {
        let usual = "42010101600000030090000003000003003fa00502016965959a4932bc05a02000000300200000030321";
        assert_eq!(parse(VideoCodec::H265, usual), Some((640, 360, Some(2))));
        let in_order = "420101016000000300900000030000030078a003c08010e5964a924caf016808000003000800000300c840";
        assert_eq!(parse(VideoCodec::H265, in_order), Some((1_920, 1_080, Some(0))));
    }

    #[test]
    fn what_is_no_set_says_nothing() {
        assert_eq!(parse(VideoCodec::H264, "68ce3c80"), None);
        assert_eq!(parse(VideoCodec::H264, "6742"), None);
        assert_eq!(SequenceParameters::parse(VideoCodec::H265, &[]), None);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(mut nal: Vec<u8>, hevc: bool) {
            let (codec, header) = if hevc { (VideoCodec::H265, 0x42) } else { (VideoCodec::H264, 0x67) };
            nal.insert(0, header);
            let _ = SequenceParameters::parse(codec, &nal);
        }
    }
}
