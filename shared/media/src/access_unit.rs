//! Puts NAL units together to pictures that decode: each key frame with the parameter sets it needs.
//!
//! Sources repeat parameter sets as they like: beside the stream only, once at its beginning, or
//! before each key frame. Browsers that come later need them before each key frame.

use bytes::{BufMut, Bytes, BytesMut};

use crate::annexb::START_CODE;
use crate::frame::VideoCodec;
use crate::nal::{Nal, NalRole};

/// Largest picture that is taken. A key frame of 4K at 100 Mbit/s and one per second is no larger.
pub const ACCESS_UNIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most NAL units in one picture. Some cameras send each macroblock row as a slice of its own.
pub const NALS_MAX: usize = 512;

/// Most parameter sets that are remembered of each kind; the oldest goes.
const SETS_MAX: usize = 4;

/// Remembers parameter sets and puts pictures together.
#[derive(Clone, Debug)]
pub struct Assembler {
    codec: VideoCodec,
    /// Video, sequence and picture parameter sets, in the order in which they came.
    sets: [Vec<Bytes>; 3],
}

/// NAL units of one moment, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled {
    /// A picture.
    Picture {
        /// Decodes without any picture before it.
        keyframe: bool,
        /// Has B slices.
        reordered: bool,
        /// Annex-B, with all parameter sets when it is a key frame.
        data: Bytes,
    },
    /// No picture among them: parameter sets, now remembered, or nothing of use.
    Nothing,
    /// A key frame whose parameter sets are not known yet; of no use to anybody.
    SetsMissing,
    /// Above one of the bounds; dropped.
    TooLarge,
}

impl Assembler {
    /// That knows no parameter set yet.
    #[must_use]
    pub fn new(codec: VideoCodec) -> Self {
        Self { codec, sets: Default::default() }
    }

    /// What it puts together.
    #[must_use]
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Takes parameter sets that come beside the stream: in SDP, or in the header of a container.
    pub fn remember<'a>(&mut self, nals: impl Iterator<Item = &'a [u8]>) {
        nals.take(NALS_MAX).for_each(|bytes| {
            self.note(Nal { codec: self.codec, bytes });
        });
    }

    /// Puts the NAL units of one moment together.
    pub fn assemble<'a>(&mut self, nals: impl Iterator<Item = &'a [u8]> + Clone) -> Assembled {
        let (mut count, mut bytes) = (0, 0);
        let (mut slices, mut keyframe, mut reordered) = (0, false, false);
        for nal in nals.clone() {
            count += 1;
            bytes += nal.len() + START_CODE.len();
            if count > NALS_MAX || bytes > ACCESS_UNIT_BYTES_MAX {
                return Assembled::TooLarge;
            }
            if let NalRole::Slice(slice) = self.note(Nal { codec: self.codec, bytes: nal }) {
                slices += 1;
                keyframe |= slice.keyframe;
                reordered |= slice.bidirectional;
            }
        }
        if slices == 0 {
            return Assembled::Nothing;
        }
        if keyframe && !self.knows_all() {
            return Assembled::SetsMissing;
        }
        Assembled::Picture { keyframe, reordered, data: self.write(nals, bytes, keyframe) }
    }

    fn write<'a>(&self, nals: impl Iterator<Item = &'a [u8]>, bytes: usize, keyframe: bool) -> Bytes {
        let sets = || self.sets.iter().flatten().filter(|_| keyframe);
        let room = bytes + sets().map(|set| set.len() + START_CODE.len()).sum::<usize>();
        let mut data = BytesMut::with_capacity(room);
        let mut put = |nal: &[u8]| {
            data.put_slice(&START_CODE);
            data.put_slice(nal);
        };
        sets().for_each(|set| put(set));
        for nal in nals {
            match (Nal { codec: self.codec, bytes: nal }).role() {
                // The remembered ones stand before the picture already; delimiters and the rest help no browser.
                NalRole::VideoParameters | NalRole::SequenceParameters | NalRole::PictureParameters if keyframe => {}
                NalRole::Delimiter | NalRole::Other => {}
                NalRole::VideoParameters
                | NalRole::SequenceParameters
                | NalRole::PictureParameters
                | NalRole::Slice(_) => put(nal),
            }
        }
        data.freeze()
    }

    /// Whether a key frame can be decoded with what is remembered.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        let [video, sequence, picture] = &self.sets;
        let video = self.codec == VideoCodec::H264 || !video.is_empty();
        video && !sequence.is_empty() && !picture.is_empty()
    }

    /// Remembers a parameter set; tells what the unit is for.
    fn note(&mut self, nal: Nal<'_>) -> NalRole {
        let role = nal.role();
        let [video, sequence, picture] = &mut self.sets;
        match role {
            NalRole::VideoParameters => replace(video, nal.bytes),
            NalRole::SequenceParameters => {
                // A new sequence: what was said for the old one is void.
                if !sequence.iter().any(|known| known == nal.bytes) {
                    sequence.clear();
                    picture.clear();
                }
                replace(sequence, nal.bytes);
            }
            NalRole::PictureParameters => replace(picture, nal.bytes),
            NalRole::Slice(_) | NalRole::Delimiter | NalRole::Other => {}
        }
        role
    }
}

fn replace(sets: &mut Vec<Bytes>, set: &[u8]) {
    if sets.iter().any(|known| known == set) {
        return;
    }
    if sets.len() == SETS_MAX {
        sets.remove(0);
    }
    sets.push(Bytes::copy_from_slice(set));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::annexb::nals_of_annexb;

    const SPS: &[u8] = &[0x67, 0x42];
    const PPS: &[u8] = &[0x68, 0xce];
    const KEY: &[u8] = &[0x65, 0x88, 0x80];
    const DELTA: &[u8] = &[0x41, 0xe0];
    const DELIMITER: &[u8] = &[0x09, 0xf0];

    fn h264() -> Assembler {
        Assembler::new(VideoCodec::H264)
    }

    fn assemble(assembler: &mut Assembler, nals: &[&[u8]]) -> Assembled {
        assembler.assemble(nals.iter().copied())
    }

    fn picture(nals: &[&[u8]], keyframe: bool) -> Assembled {
        let data = nals.iter().flat_map(|nal| START_CODE.iter().chain(*nal)).copied().collect();
        Assembled::Picture { keyframe, reordered: false, data }
    }

    #[test]
    fn a_key_frame_gets_the_parameter_sets_that_came_beside_the_stream() {
        let mut camera = h264();
        camera.remember([SPS, PPS].into_iter());
        assert_eq!(assemble(&mut camera, &[KEY]), picture(&[SPS, PPS, KEY], true));
        assert_eq!(assemble(&mut camera, &[DELTA]), picture(&[DELTA], false));
    }

    #[test]
    fn a_key_frame_that_nobody_could_decode_is_told() {
        let mut camera = h264();
        assert_eq!(assemble(&mut camera, &[KEY]), Assembled::SetsMissing);
        assert_eq!(assemble(&mut camera, &[SPS]), Assembled::Nothing);
        assert_eq!(assemble(&mut camera, &[KEY]), Assembled::SetsMissing);
        assert_eq!(assemble(&mut camera, &[DELIMITER, PPS, KEY]), picture(&[SPS, PPS, KEY], true));
    }

    #[test]
    fn a_new_sequence_takes_the_place_of_the_old_one() {
        let night: &[u8] = &[0x67, 0x4d];
        let mut camera = h264();
        assert_eq!(assemble(&mut camera, &[SPS, PPS, KEY]), picture(&[SPS, PPS, KEY], true));
        assert_eq!(assemble(&mut camera, &[night, PPS, KEY]), picture(&[night, PPS, KEY], true));
        assert_eq!(assemble(&mut camera, &[KEY]), picture(&[night, PPS, KEY], true));
    }

    #[test]
    fn floods_are_dropped() {
        let mut camera = h264();
        assert_eq!(camera.assemble(std::iter::repeat_n(DELTA, NALS_MAX + 1)), Assembled::TooLarge);
        let huge = vec![0x41; ACCESS_UNIT_BYTES_MAX];
        assert_eq!(camera.assemble([&huge[..]].into_iter()), Assembled::TooLarge);
    }

    proptest! {
        #[test]
        fn pictures_hold_only_whole_nal_units(stream: Vec<Vec<u8>>, hevc: bool) {
            let codec = if hevc { VideoCodec::H265 } else { VideoCodec::H264 };
            let mut assembler = Assembler::new(codec);
            for annexb in &stream {
                if let Assembled::Picture { data, .. } = assembler.assemble(nals_of_annexb(annexb)) {
                    prop_assert!(nals_of_annexb(&data).count() > 0);
                }
            }
        }
    }
}
