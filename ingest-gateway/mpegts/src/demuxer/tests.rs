//! Streams as encoders write them, and as they arrive.

use std::time::Duration;

use proptest::prelude::*;
use velella_media::{ACCESS_UNIT_BYTES_MAX, AacConfig};

use super::*;
use crate::adts::tests::frame;
use crate::packet::{PACKET_BYTES, SYNC};
use crate::pes::tests::{pes, pes_decoded};
use crate::section::tests::section;

const MAP: u16 = 0x1000;
const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;
const AAC: AudioFormat = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 48_000, channels: 1 });
const KEY: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0, 0, 0, 1, 0x68, 0xce, 0, 0, 0, 1, 0x65, 0x88, 0x80];
const DELTA: &[u8] = &[0, 0, 0, 1, 0x41, 0xe0];
const WRAP: u64 = 1 << 33;

/// Writes packets as an encoder does.
#[derive(Default)]
struct Encoder {
    counters: std::collections::BTreeMap<u16, u8>,
}

impl Encoder {
    fn unit(&mut self, pid: u16, bytes: &[u8]) -> Vec<u8> {
        let packet = |(number, payload): (usize, &[u8])| {
            let counter = self.counters.entry(pid).or_default();
            *counter = (*counter + 1) & 0x0f;
            let [high, low] = pid.to_be_bytes();
            let stuffing = 184 - payload.len();
            let start = if number == 0 { 0x40 } else { 0 };
            let head = [SYNC, start | high, low, if stuffing == 0 { 0x10 } else { 0x30 } | *counter];
            let mut adaptation = vec![0xff; stuffing];
            adaptation.iter_mut().zip([u8::try_from(stuffing.saturating_sub(1)).unwrap(), 0]).for_each(|(a, b)| *a = b);
            [&head, &adaptation[..], payload].concat()
        };
        bytes.chunks(184).enumerate().flat_map(packet).collect()
    }

    fn tables(&mut self, streams: &[(u8, u16)]) -> Vec<u8> {
        let [high, low] = MAP.to_be_bytes();
        let programs = section(0, &[0, 1, 0xe0 | high, low]);
        let stream = |(kind, pid): &(u8, u16)| {
            let [high, low] = pid.to_be_bytes();
            [*kind, 0xe0 | high, low, 0xf0, 0]
        };
        let body: Vec<u8> = [0xe1, 0, 0xf0, 0].into_iter().chain(streams.iter().flat_map(stream)).collect();
        let table = |mut section: Vec<u8>| {
            section.insert(0, 0);
            section.resize(184, 0xff);
            section
        };
        [self.unit(0, &table(programs)), self.unit(MAP, &table(section(2, &body)))].concat()
    }

    fn usual(&mut self) -> Vec<u8> {
        self.tables(&[(0x1b, VIDEO), (0x0f, AUDIO)])
    }

    fn picture(&mut self, pts: u64, data: &[u8]) -> Vec<u8> {
        self.unit(VIDEO, &pes(pts % WRAP, data, true))
    }

    fn sound(&mut self, pts: u64, data: &[u8]) -> Vec<u8> {
        self.unit(AUDIO, &pes(pts % WRAP, &frame(data), false))
    }
}

/// At once.
fn feed(demuxer: &mut Demuxer, bytes: &[u8]) -> Vec<Output> {
    demuxer.handle_bytes(bytes, Instant::now());
    std::iter::from_fn(|| demuxer.poll_output()).collect()
}

fn picture(ticks: i64, keyframe: bool, data: &'static [u8]) -> Output {
    let (codec, data) = (VideoCodec::H264, Bytes::from_static(data));
    let time = MediaTime::from_ticks(ticks, RATE_HZ);
    Output::Frame(Frame::Video(Picture { codec, time, keyframe, reordered: false, data }))
}

fn sound(ticks: i64, data: &'static [u8]) -> Output {
    let (time, data) = (MediaTime::from_ticks(ticks, RATE_HZ), Bytes::from_static(data));
    Output::Frame(Frame::Audio(Sound { format: AAC, time, data }))
}

fn told(event: Event) -> Output {
    Output::Event(event)
}

#[test]
fn a_picture_is_whole_when_the_next_begins_and_sound_at_once() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    assert_eq!(feed(&mut demuxer, &encoder.usual()), [told(Event::Video(VideoCodec::H264))]);
    assert_eq!(feed(&mut demuxer, &encoder.picture(0, KEY)), []);
    assert_eq!(feed(&mut demuxer, &encoder.picture(3_600, DELTA)), [picture(0, true, KEY)]);
    assert_eq!(feed(&mut demuxer, &encoder.sound(4_000, b"a")), [told(Event::Audio(AAC)), sound(4_000, b"a")]);
    assert_eq!(feed(&mut demuxer, &encoder.picture(7_200, DELTA)), [picture(3_600, false, DELTA)]);
}

#[test]
fn a_loss_takes_the_picture_it_hit_and_no_other() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let large: Vec<u8> = [DELTA, &[7; 1_000]].concat();
    feed(&mut demuxer, &[encoder.usual(), encoder.picture(0, KEY)].concat());
    let mut hit = encoder.picture(3_600, &large);
    hit.drain(2 * PACKET_BYTES..3 * PACKET_BYTES);
    let after = [hit, encoder.picture(7_200, DELTA), encoder.picture(10_800, DELTA)].concat();
    let expected = [picture(0, true, KEY), told(Event::Lost(Medium::Video)), picture(7_200, false, DELTA)];
    assert_eq!(feed(&mut demuxer, &after), expected);
    assert_eq!((demuxer.stats().lost, demuxer.stats().resynchronised), (1, 0));
}

#[test]
fn times_go_on_over_the_end_of_33_bits_and_over_jumps() {
    let end = WRAP - 1_800;
    for jumped_ms in [60_000, 3_000, -3_000] {
        let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
        let jumped = |ticks: u64| (end + ticks).wrapping_add_signed(jumped_ms * 90);
        let stream = [
            encoder.usual(),
            encoder.sound(end, b"a"),
            encoder.sound(end + 1_920, b"b"),
            encoder.sound(jumped(3_840), b"c"),
            encoder.sound(jumped(5_760), b"d"),
            encoder.usual(),
        ];
        let at = |ticks| end.cast_signed() + ticks;
        let expected = [
            told(Event::Video(VideoCodec::H264)),
            told(Event::Audio(AAC)),
            sound(at(0), b"a"),
            sound(at(1_920), b"b"),
            told(Event::ClockJumped { by_ms: jumped_ms }),
            sound(at(3_840), b"c"),
            sound(at(5_760), b"d"),
        ];
        assert_eq!(feed(&mut demuxer, &stream.concat()), expected);
    }
}

#[test]
fn what_rooms_cannot_take_is_named_and_the_rest_is_taken() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let tables = encoder.tables(&[(0x02, VIDEO), (0x0f, AUDIO), (0x81, 0x102)]);
    let stream = [tables.clone(), encoder.sound(0, b"a"), tables].concat();
    let unsupported = |name| told(Event::Unsupported(format!("{name} is not supported")));
    let expected = [unsupported("MPEG-2 video"), unsupported("AC-3 audio"), told(Event::Audio(AAC)), sound(0, b"a")];
    assert_eq!(feed(&mut demuxer, &stream), expected);
}

#[test]
fn another_codec_is_told_before_its_first_picture() {
    const KEY_265: &[u8] =
        &[0, 0, 0, 1, 0x40, 1, 1, 0, 0, 0, 1, 0x42, 1, 1, 0, 0, 0, 1, 0x44, 1, 1, 0, 0, 0, 1, 0x26, 1, 0x80];
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let first = [encoder.usual(), encoder.picture(0, KEY), encoder.picture(3_600, DELTA)].concat();
    assert_eq!(feed(&mut demuxer, &first).len(), 2);
    let tables = encoder.tables(&[(0x24, VIDEO), (0x0f, AUDIO)]);
    let second = [tables, encoder.picture(7_200, KEY_265), encoder.picture(10_800, KEY_265)].concat();
    let outputs = feed(&mut demuxer, &second);
    let [Output::Event(Event::Video(VideoCodec::H265)), Output::Frame(Frame::Video(picture))] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(picture.keyframe && picture.codec == VideoCodec::H265);
}

#[test]
fn pictures_out_of_order_are_marked() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let order = [(3_600, 0, KEY), (14_400, 3_600, DELTA), (7_200, 7_200, DELTA), (10_800, 10_800, DELTA)];
    let pictures: Vec<u8> =
        order.into_iter().flat_map(|(pts, dts, data)| encoder.unit(VIDEO, &pes_decoded(pts, dts, data))).collect();
    let end = encoder.picture(14_400, DELTA);
    let seen: Vec<_> = feed(&mut demuxer, &[encoder.usual(), pictures, end].concat())
        .iter()
        .filter_map(|output| if let Output::Frame(Frame::Video(p)) = output { Some(p) } else { None })
        .map(|picture| (picture.time.ticks(1_000), picture.reordered))
        .collect();
    assert_eq!(seen, [(40, false), (160, false), (80, true), (120, true)]);
}

#[test]
fn an_endless_picture_is_dropped_and_the_next_one_is_taken() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let endless = vec![0x47; ACCESS_UNIT_BYTES_MAX + 1];
    let stream = [encoder.usual(), encoder.picture(0, &endless), encoder.picture(3_600, KEY)].concat();
    assert_eq!(feed(&mut demuxer, &stream), [told(Event::Video(VideoCodec::H264))]);
    assert_eq!(feed(&mut demuxer, &encoder.picture(7_200, DELTA)), [picture(3_600, true, KEY)]);
    assert_eq!(
        demuxer.stats(),
        Stats { too_large: 1, pictures: 1, packets: demuxer.stats().packets, ..Stats::default() }
    );
}

#[test]
fn what_is_no_stream_at_all_gives_nothing() {
    let mut demuxer = Demuxer::new();
    for byte in [0, SYNC, 0xff] {
        assert_eq!(feed(&mut demuxer, &vec![byte; 100_000]), []);
    }
}

#[test]
fn sound_in_frames_of_a_whole_packet_keeps_its_pace() {
    let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
    let three = [frame(b"a"), frame(b"b"), frame(b"c")].concat();
    let unit = encoder.unit(AUDIO, &pes(0, &three, false));
    let outputs = feed(&mut demuxer, &[encoder.usual(), unit, encoder.usual()].concat());
    let times: Vec<_> = outputs
        .iter()
        .filter_map(|output| if let Output::Frame(frame) = output { Some(frame.time()) } else { None })
        .collect();
    let step = Duration::from_nanos(21_333_333);
    assert_eq!(times, [MediaTime(0), MediaTime(0).later(step), MediaTime(0).later(step * 2)]);
}

/// Bytes that are a stream, bent here and there.
fn bent() -> impl Strategy<Value = Vec<u8>> {
    let unit = (prop::sample::select(vec![0, MAP, VIDEO, AUDIO, 0x1fff]), prop::collection::vec(any::<u8>(), 0..600));
    let flips = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (prop::collection::vec(unit, 0..12), flips).prop_map(|(units, flips)| {
        let mut encoder = Encoder::default();
        let mut stream = encoder.usual();
        for (pts, (pid, data)) in (0_u64..).zip(&units) {
            let is_media = [VIDEO, AUDIO].contains(pid);
            let bytes = if is_media { pes(pts * 3_600, data, *pid == VIDEO) } else { data.clone() };
            stream.extend(encoder.unit(*pid, &bytes));
        }
        for (at, byte) in flips {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        stream
    })
}

proptest! {
    #[test]
    fn nothing_that_a_peer_sends_panics(chunks: Vec<Vec<u8>>) {
        let mut demuxer = Demuxer::new();
        chunks.iter().for_each(|chunk| { feed(&mut demuxer, chunk); });
    }

    #[test]
    fn bent_streams_give_few_outputs_and_end_nothing(stream in bent()) {
        let mut demuxer = Demuxer::new();
        let outputs = feed(&mut demuxer, &stream);
        // The smallest thing that comes out is a frame of sound, of 8 bytes.
        prop_assert!(outputs.len() <= stream.len() / 8 + 4);
        let mut encoder = Encoder::default();
        encoder.counters.insert(AUDIO, 9);
        // Noise may look like the head of a frame, of 8191 bytes at most: so much of what follows is lost with it.
        let sound = [b'a'; 200];
        let whole: Vec<u8> = (0..50).flat_map(|n| [encoder.usual(), encoder.sound(n * 1_920, &sound)].concat()).collect();
        let outputs = feed(&mut demuxer, &whole);
        prop_assert!(outputs.iter().any(|output| matches!(output, Output::Frame(Frame::Audio(_)))));
    }
}
