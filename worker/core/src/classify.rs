//! What a forwarder must know of a payload: whether a decoder can start at this packet.

use str0m::format::{detect_av1_keyframe, detect_h264_nalu, detect_vp8_keyframe, detect_vp9_keyframe};
use velella_model::VideoCodec;

/// H.264 NAL unit type of a sequence parameter set. It comes in an earlier packet than the IDR
/// picture; forwarding from the IDR on would cut it off.
const H264_SPS: u8 = 7;
/// Bit of the VP9 payload descriptor: this packet starts a frame.
const VP9_START_OF_FRAME: u8 = 0x08;

/// Whether decoding can start with this packet: the first of a keyframe.
pub(crate) fn starts_keyframe(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => detect_vp8_keyframe(payload),
        VideoCodec::H264 => detect_h264_nalu(payload, H264_SPS),
        VideoCodec::Vp9 => detect_vp9_keyframe(payload) && payload.first().is_some_and(|b| b & VP9_START_OF_FRAME != 0),
        VideoCodec::Av1 => detect_av1_keyframe(payload),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_vp8_keyframe_starts_with_its_first_partition() {
        assert!(starts_keyframe(VideoCodec::Vp8, &[0x10, 0x00, 0x9d, 0x01, 0x2a]));
        assert!(!starts_keyframe(VideoCodec::Vp8, &[0x10, 0x01, 0x9d, 0x01, 0x2a]), "interframe");
        assert!(!starts_keyframe(VideoCodec::Vp8, &[0x00, 0x00, 0x9d, 0x01, 0x2a]), "middle of a frame");
    }

    #[test]
    fn h264_starts_at_the_parameter_sets_not_at_the_picture() {
        let stap_a = [24, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
        assert!(starts_keyframe(VideoCodec::H264, &stap_a));
        assert!(!starts_keyframe(VideoCodec::H264, &[0x7c, 0x85, 0x88]), "IDR fragment");
    }

    #[test]
    fn a_vp9_keyframe_starts_at_the_start_of_the_frame() {
        assert!(starts_keyframe(VideoCodec::Vp9, &[0x88, 0x80, 0x01, 0x82]));
        assert!(!starts_keyframe(VideoCodec::Vp9, &[0x80, 0x80, 0x01, 0x82]));
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..40)) {
            for codec in [VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1] {
                starts_keyframe(codec, &payload);
            }
        }
    }
}
