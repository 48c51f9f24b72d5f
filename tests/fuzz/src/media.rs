//! What codecs say about themselves, and frames as they come out of everything else.

use velella_media::{
    AacConfig, Assembled, Assembler, Frame, Nal, SequenceParameters, VideoCodec, nals_of_annexb, nals_of_lengths,
    opus_duration,
};
use velella_rtmp::DecoderConfig;

const CODECS: [VideoCodec; 2] = [VideoCodec::H264, VideoCodec::H265];

/// What is written of a configuration reads the same.
pub(crate) fn aac_config(input: &[u8]) {
    if let Ok(config) = AacConfig::parse(input) {
        assert_eq!(AacConfig::parse(&config.to_bytes()), Ok(config));
    }
    let _ = opus_duration(input);
}

/// A stream of NAL units, each of which is looked at in every way; the first byte says how they lie in it.
pub(crate) fn pictures(input: &[u8]) {
    let Some((how, stream)) = input.split_first() else { return };
    for codec in CODECS {
        let nals: Vec<&[u8]> = match how % 5 {
            0 => nals_of_annexb(stream).collect(),
            bytes => nals_of_lengths(stream, usize::from(bytes)).collect(),
        };
        for bytes in &nals {
            let _ = (Nal { codec, bytes }).role();
            let _ = SequenceParameters::parse(codec, bytes);
        }
        let mut assembler = Assembler::new(codec);
        if let Ok(config) = DecoderConfig::parse(codec, stream) {
            assembler.remember(config.sets.into_iter());
        }
        for picture in nals.chunks(3) {
            if let Assembled::Picture { data, .. } = assembler.assemble(picture.iter().copied()) {
                assert!(nals_of_annexb(&data).count() > 0, "a picture holds something");
            }
        }
    }
}

/// What holds of the frames of every source.
pub(crate) fn assert_whole(frame: &Frame) {
    match frame {
        Frame::Video(picture) => assert!(nals_of_annexb(&picture.data).count() > 0, "a picture holds something"),
        Frame::Audio(sound) => assert!(!sound.data.is_empty(), "a sound holds something"),
    }
}
