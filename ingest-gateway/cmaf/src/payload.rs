//! The bytes of a picture as a sample holds them.

use bytes::{BufMut, Bytes, BytesMut};
use shiguredo_mp4::bitstream::av1::{Av1ObuParseContext, Av1ObuType, parse_obus};
use velella_media::{Nal, NalRole, Picture, VideoCodec, nals_of_annexb};

/// What a sample of this picture holds; `None` when nothing is left, or it cannot be taken apart.
pub(crate) fn payload(picture: &Picture) -> Option<Bytes> {
    match picture.codec {
        VideoCodec::H264 | VideoCodec::H265 => behind_lengths(picture.codec, &picture.data),
        VideoCodec::Vp8 | VideoCodec::Vp9 => (!picture.data.is_empty()).then(|| picture.data.clone()),
        VideoCodec::Av1 => temporal_unit(&picture.data),
    }
}

/// NAL units behind their lengths (ISO/IEC 14496-15). Parameter sets are in the init segment: `avc1` and `hvc1` allow
/// them nowhere else.
fn behind_lengths(codec: VideoCodec, annexb: &[u8]) -> Option<Bytes> {
    let mut data = BytesMut::with_capacity(annexb.len() + 16);
    let mut slices = 0;
    for bytes in nals_of_annexb(annexb) {
        match (Nal { codec, bytes }).role() {
            NalRole::Slice(_) => slices += 1,
            NalRole::Other => {}
            NalRole::VideoParameters
            | NalRole::SequenceParameters
            | NalRole::PictureParameters
            | NalRole::Delimiter => continue,
        }
        data.put_u32(u32::try_from(bytes.len()).ok()?);
        data.put_slice(bytes);
    }
    (slices > 0).then(|| data.freeze())
}

/// A temporal unit without what the binding to ISO media leaves out (AV1 ISOBMFF 1.3.0, section 2.4).
fn temporal_unit(unit: &Bytes) -> Option<Bytes> {
    let obus = parse_obus(unit, Av1ObuParseContext::Sample).ok()?;
    let left_out =
        |kind| matches!(kind, Av1ObuType::TemporalDelimiter | Av1ObuType::Padding | Av1ObuType::RedundantFrameHeader);
    let kept = || obus.iter().filter(|obu| !left_out(obu.obu_type));
    if !kept().any(|obu| matches!(obu.obu_type, Av1ObuType::Frame | Av1ObuType::FrameHeader)) {
        return None;
    }
    let leading: usize = obus.iter().take_while(|obu| left_out(obu.obu_type)).map(|obu| obu.obu.len()).sum();
    if obus.iter().skip_while(|obu| left_out(obu.obu_type)).any(|obu| left_out(obu.obu_type)) {
        return Some(kept().flat_map(|obu| obu.obu).copied().collect());
    }
    Some(unit.slice(leading..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(codec: VideoCodec, data: &'static [u8]) -> Option<Vec<u8>> {
        let data = Bytes::from_static(data);
        let picture = Picture { codec, time: Default::default(), keyframe: true, reordered: false, data };
        payload(&picture).map(|bytes| bytes.to_vec())
    }

    #[test]
    fn nal_units_stand_behind_their_lengths_without_parameter_sets() {
        let annexb = &[0, 0, 0, 1, 0x09, 0xf0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 1, 6, 5, 0, 0, 1, 0x65, 0x88];
        assert_eq!(of(VideoCodec::H264, annexb), Some(vec![0, 0, 0, 2, 6, 5, 0, 0, 0, 2, 0x65, 0x88]));
        assert_eq!(of(VideoCodec::H264, &[0, 0, 0, 1, 0x67, 1]), None, "no picture");
        assert_eq!(of(VideoCodec::H265, &[0, 0, 1, 0x26, 1, 0x80]), Some(vec![0, 0, 0, 3, 0x26, 1, 0x80]));
    }

    #[test]
    fn temporal_units_lose_delimiter_and_padding() {
        let (delimiter, frame, padding) = ([0x12, 0], [0x32, 2, 0x10, 7], [0x7a, 1, 0x80]);
        assert_eq!(of(VideoCodec::Av1, &[0x12, 0, 0x32, 2, 0x10, 7]), Some(frame.to_vec()));
        assert_eq!(of(VideoCodec::Av1, &[0x12, 0, 0x32, 2, 0x10, 7, 0x7a, 1, 0x80]), Some(frame.to_vec()));
        assert_eq!(
            of(VideoCodec::Av1, &[0x32, 2, 0x10, 7, 0x7a, 1, 0x80, 0x32, 2, 0x10, 7]),
            Some([frame, frame].concat())
        );
        assert_eq!(of(VideoCodec::Av1, &[0x12, 0]), None);
        assert_eq!(of(VideoCodec::Av1, &[0x32, 9, 0]), None, "cut short");
        assert_eq!((delimiter.len(), padding.len()), (2, 3));
    }
}
