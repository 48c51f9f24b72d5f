//! Puts the NAL units of RTP packets together to access units (RFC 6184, RFC 7798).
//!
//! What one picture consists of is told by the timestamp and by the marker bit, and cameras get either
//! wrong: some mark parameter sets, some mark nothing. So a unit ends where the time changes, or at a
//! marker behind a slice.

use bytes::{Bytes, BytesMut};
use velella_media::{ACCESS_UNIT_BYTES_MAX, NALS_MAX, Nal, NalRole, VideoCodec, nals_of_annexb, nals_of_lengths};

use crate::rtp::Packet;

/// The NAL units of one picture, at least one of them a slice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    pub(crate) timestamp: u32,
    pub(crate) nals: Vec<Bytes>,
    /// Something of it is missing.
    pub(crate) damaged: bool,
    bytes: usize,
    slices: usize,
}

/// Takes packets apart and puts pictures together.
#[derive(Debug)]
pub(crate) struct AccessUnits {
    codec: VideoCodec,
    current: AccessUnit,
    /// A NAL unit of which some packets are here.
    fragment: Option<BytesMut>,
    /// Packets were lost, and no slice came since.
    gap: bool,
    /// Packets that made no sense.
    pub(crate) malformed: u64,
}

impl AccessUnits {
    pub(crate) fn new(codec: VideoCodec) -> Self {
        Self { codec, current: AccessUnit::default(), fragment: None, gap: false, malformed: 0 }
    }

    /// The pictures that are whole with this packet: one that it begins after, one that it ends.
    pub(crate) fn take(&mut self, packet: &Packet, lost: bool) -> [Option<AccessUnit>; 2] {
        if lost {
            self.gap = true;
            self.current.damaged |= self.current.slices > 0 || self.fragment.is_some();
            self.fragment = None;
        }
        let before = (packet.timestamp != self.current.timestamp).then(|| self.end()).flatten();
        self.current.timestamp = packet.timestamp;
        if self.take_payload(&packet.payload).is_none() {
            self.malformed += 1;
        }
        let after = packet.marker.then(|| self.end()).flatten();
        [before, after]
    }

    /// The current picture, if it has a slice. Else what came stays, as parameter sets of the next.
    fn end(&mut self) -> Option<AccessUnit> {
        self.end_fragment();
        if self.current.slices == 0 {
            self.current.damaged = false;
            if self.current.nals.len() == NALS_MAX || self.current.bytes > ACCESS_UNIT_BYTES_MAX / 2 {
                self.current = AccessUnit::default();
            }
            return None;
        }
        Some(std::mem::take(&mut self.current))
    }

    fn take_payload(&mut self, payload: &Bytes) -> Option<()> {
        if payload.starts_with(&[0, 0, 1]) || payload.starts_with(&[0, 0, 0, 1]) {
            self.end_fragment();
            nals_of_annexb(payload).for_each(|nal| self.add(payload.slice_ref(nal)));
            return Some(());
        }
        let [first, ..] = **payload else { return None };
        match (self.codec, self.codec_type(first)) {
            (VideoCodec::H264, 1..=23) | (VideoCodec::H265, 0..=47) => {
                self.end_fragment();
                self.add_parts(payload);
            }
            (VideoCodec::H264, 24) => self.add_aggregate(payload, payload.get(1..)?),
            (VideoCodec::H265, 48) => self.add_aggregate(payload, payload.get(2..)?),
            (VideoCodec::H264, 28) => {
                let [indicator, fragment, rest @ ..] = &payload[..] else { return None };
                self.add_fragment(*fragment, &[indicator & 0xe0 | fragment & 0x1f], rest)?;
            }
            (VideoCodec::H265, 49) => {
                let [first, second, fragment, rest @ ..] = &payload[..] else { return None };
                self.add_fragment(*fragment, &[first & 0x81 | (fragment & 0x3f) << 1, *second], rest)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn codec_type(&self, first: u8) -> u8 {
        match self.codec {
            VideoCodec::H265 => first >> 1 & 0x3f,
            // The others have no NAL units, and no camera is asked for them.
            VideoCodec::H264 | VideoCodec::Vp8 | VideoCodec::Vp9 | VideoCodec::Av1 => first & 0x1f,
        }
    }

    fn add_aggregate(&mut self, payload: &Bytes, lengths: &[u8]) {
        self.end_fragment();
        nals_of_lengths(lengths, 2).for_each(|nal| self.add(payload.slice_ref(nal)));
    }

    /// One piece of a NAL unit. Some cameras change the type on the way, or mark no end: what counts
    /// is where it begins.
    fn add_fragment(&mut self, flags: u8, header: &[u8], rest: &[u8]) -> Option<()> {
        if flags & 0x80 != 0 {
            self.end_fragment();
            self.fragment = Some(BytesMut::from(header));
        }
        let Some(fragment) = &mut self.fragment else {
            self.current.damaged = true;
            // Without the beginning there is nothing to add to; after a loss that is as expected.
            return self.gap.then_some(());
        };
        if fragment.len() + rest.len() > ACCESS_UNIT_BYTES_MAX {
            self.fragment = None;
            self.current.damaged = true;
            return None;
        }
        fragment.extend_from_slice(rest);
        if flags & 0x40 != 0 {
            self.end_fragment();
        }
        Some(())
    }

    fn end_fragment(&mut self) {
        if let Some(fragment) = self.fragment.take() {
            self.add_parts(&fragment.freeze());
        }
    }

    /// Adds a NAL unit that may hold others behind start codes, as some cameras send parameter sets.
    fn add_parts(&mut self, nal: &Bytes) {
        let sets = match (self.codec, nal.first().map(|first| self.codec_type(*first))) {
            (VideoCodec::H264, Some(7 | 8)) | (VideoCodec::H265, Some(32..=34)) => true,
            (_, _) => false,
        };
        let more = if sets { nal.windows(3).position(|window| window == [0, 0, 1]) } else { None };
        let Some(more) = more else { return self.add(nal.clone()) };
        let first = nal.slice(..more);
        let zeros = first.iter().rev().take_while(|byte| **byte == 0).count();
        self.add(first.slice(..first.len() - zeros));
        let rest = nal.slice(more..);
        nals_of_annexb(&rest).for_each(|part| self.add(rest.slice_ref(part)));
    }

    fn add(&mut self, bytes: Bytes) {
        if self.current.nals.len() == NALS_MAX || self.current.bytes + bytes.len() > ACCESS_UNIT_BYTES_MAX {
            self.current.damaged = true;
            return;
        }
        if let NalRole::Slice(slice) = (Nal { codec: self.codec, bytes: &bytes }).role() {
            self.current.slices += 1;
            // What was lost may have been the beginning of this picture, or all of another one.
            self.current.damaged |= std::mem::take(&mut self.gap) && !slice.first;
        }
        self.current.bytes += bytes.len();
        self.current.nals.push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPS: &[u8] = &[0x67, 1];
    const PPS: &[u8] = &[0x68, 2];
    const KEY: &[u8] = &[0x65, 0x88, 0x80];
    const DELTA: &[u8] = &[0x41, 0xe0];
    /// Not the first slice of its picture.
    const SECOND_SLICE: &[u8] = &[0x41, 0x50];

    struct Camera(AccessUnits);

    impl Camera {
        /// The pictures that come with a packet: NAL units, and whether something is missing.
        fn send(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<(Vec<Vec<u8>>, bool)> {
            self.take(timestamp, marker, payload, false)
        }

        fn take(&mut self, timestamp: u32, marker: bool, payload: &[u8], lost: bool) -> Vec<(Vec<Vec<u8>>, bool)> {
            let units = self.0.take(&Packet::for_test(timestamp, marker, payload), lost);
            let nals = |unit: &AccessUnit| unit.nals.iter().map(|nal| nal.to_vec()).collect();
            units.iter().flatten().map(|unit| (nals(unit), unit.damaged)).collect()
        }
    }

    fn h264() -> Camera {
        Camera(AccessUnits::new(VideoCodec::H264))
    }

    fn whole(nals: &[&[u8]]) -> Vec<(Vec<Vec<u8>>, bool)> {
        vec![(nals.iter().map(|nal| nal.to_vec()).collect(), false)]
    }

    #[test]
    fn a_marker_ends_a_picture() {
        let mut camera = h264();
        assert_eq!(camera.send(1, false, SPS), []);
        assert_eq!(camera.send(1, false, PPS), []);
        assert_eq!(camera.send(1, true, KEY), whole(&[SPS, PPS, KEY]));
        assert_eq!(camera.send(2, true, DELTA), whole(&[DELTA]));
    }

    #[test]
    fn a_marker_on_parameter_sets_ends_nothing() {
        let mut camera = h264();
        assert_eq!(camera.send(1, true, SPS), []);
        assert_eq!(camera.send(1, true, PPS), []);
        assert_eq!(camera.send(2, true, KEY), whole(&[SPS, PPS, KEY]));
    }

    #[test]
    fn without_markers_time_ends_a_picture() {
        let mut camera = h264();
        assert_eq!(camera.send(1, false, KEY), []);
        assert_eq!(camera.send(2, false, DELTA), whole(&[KEY]));
        assert_eq!(camera.send(3, false, DELTA), whole(&[DELTA]));
    }

    #[test]
    fn aggregates_and_fragments_of_h264_are_undone() {
        let mut camera = h264();
        assert_eq!(camera.send(1, false, &[24, 0, 2, 0x67, 1, 0, 2, 0x68, 2]), []);
        assert_eq!(camera.send(1, false, &[0x7c, 0x85, 0x88]), []);
        assert_eq!(camera.send(1, false, &[0x7c, 0x05]), []);
        assert_eq!(camera.send(1, true, &[0x7c, 0x45, 0x80]), whole(&[SPS, PPS, KEY]));
    }

    #[test]
    fn a_fragment_that_changes_its_type_and_never_ends_is_whole() {
        let mut camera = h264();
        assert_eq!(camera.send(1, false, &[0x7c, 0x85, 0x88]), []);
        assert_eq!(camera.send(1, true, &[0x7c, 0x01, 0x80]), whole(&[KEY]));
    }

    #[test]
    fn aggregates_and_fragments_of_h265_are_undone() {
        let mut camera = Camera(AccessUnits::new(VideoCodec::H265));
        assert_eq!(camera.send(1, false, &[0x60, 1, 0, 3, 0x42, 1, 7, 0, 3, 0x44, 1, 8]), []);
        assert_eq!(camera.send(1, false, &[0x62, 1, 0x93, 0x80]), []);
        let key: &[u8] = &[0x26, 1, 0x80, 9];
        assert_eq!(camera.send(1, true, &[0x62, 1, 0x53, 9]), whole(&[&[0x42, 1, 7], &[0x44, 1, 8], key]));
    }

    #[test]
    fn start_codes_inside_packets_part_nal_units() {
        let mut camera = h264();
        let joined = [SPS, &[0, 0, 0, 1], PPS, &[0, 0, 1], KEY].concat();
        assert_eq!(camera.send(1, true, &joined), whole(&[SPS, PPS, KEY]));
        let begun = [&[0, 0, 0, 1], KEY].concat();
        assert_eq!(camera.send(2, true, &begun), whole(&[KEY]));
    }

    #[test]
    fn a_loss_damages_the_picture_it_falls_into_and_no_other() {
        let mut camera = h264();
        assert_eq!(camera.send(1, false, &[0x7c, 0x85, 0x88]), []);
        // The fragment went with its beginning, so there is no picture at all.
        assert_eq!(camera.take(1, true, &[0x7c, 0x45, 0x80], true), []);
        assert_eq!(camera.send(2, true, DELTA), whole(&[DELTA]));
        assert_eq!(camera.send(3, false, DELTA), []);
        assert!(camera.take(3, true, SECOND_SLICE, true)[0].1);
        assert_eq!(camera.send(4, true, DELTA), whole(&[DELTA]));
    }

    #[test]
    fn a_picture_whose_beginning_may_be_lost_is_damaged() {
        let mut camera = h264();
        assert_eq!(camera.send(1, true, KEY), whole(&[KEY]));
        assert_eq!(camera.take(2, true, SECOND_SLICE, true), [(vec![SECOND_SLICE.to_vec()], true)]);
        assert_eq!(camera.take(3, true, DELTA, true), whole(&[DELTA]));
    }

    #[test]
    fn what_makes_no_sense_is_counted() {
        let mut camera = h264();
        for payload in [&[][..], &[0x1f], &[0x7c], &[0x7c, 0x05, 1], &[25, 0, 0]] {
            assert_eq!(camera.send(1, true, payload), []);
        }
        assert_eq!(camera.0.malformed, 5);
    }

    #[test]
    fn floods_end_at_the_bounds() {
        let mut camera = h264();
        for _ in 0..NALS_MAX + 9 {
            camera.send(1, false, DELTA);
        }
        let pictures = camera.send(1, true, DELTA);
        assert_eq!((pictures[0].0.len(), pictures[0].1), (NALS_MAX, true));
        let piece = [&[0x7c, 0x05], &vec![0; 60_000][..]].concat();
        camera.send(2, false, &[0x7c, 0x85]);
        for _ in 0..200 {
            camera.send(2, false, &piece);
        }
        assert!(camera.0.fragment.is_none());
    }

    proptest! {
        #[test]
        fn anything_can_be_taken_apart(packets: Vec<(u32, bool, Vec<u8>, bool)>, hevc: bool) {
            let mut camera = Camera(AccessUnits::new(if hevc { VideoCodec::H265 } else { VideoCodec::H264 }));
            for (timestamp, marker, payload, lost) in packets {
                for (nals, _) in camera.take(timestamp % 4, marker, &payload, lost) {
                    prop_assert!(!nals.is_empty());
                }
            }
        }
    }
}
