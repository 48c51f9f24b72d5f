//! Bytes into frames.

use std::collections::VecDeque;

use bytes::Bytes;
use velella_media::{Assembled, AudioFormat, Frame, MediaTime, Picture, Sound, VideoCodec, nals_of_annexb};

use crate::adts::Part;
use crate::clock::{Clock, Medium, RATE_HZ, difference};
use crate::opus;
use crate::packet::{Continuity, Packet, Standing};
use crate::pes::{Flaw, Unit};
use crate::program::{self, Kind, Stream};
use crate::section::Sections;
use crate::sync::Splitter;
use crate::track::{Content, Track};

/// PID of the table of programs.
const PROGRAMS_PID: u16 = 0;

/// A picture is shown so much later than it is decoded at most, in ticks: 5 s. More is an encoder's mistake.
const COMPOSITION_MAX: i64 = 5 * RATE_HZ as i64;

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A picture or a piece of sound.
    Frame(Frame),
    /// Something besides.
    Event(Event),
}

/// What happens besides frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Pictures are encoded like this from now on: told before the first one, and when it changes.
    Video(VideoCodec),
    /// Sound is encoded like this from now on: told before the first one, and when it changes.
    Audio(AudioFormat),
    /// Pictures or sound come encoded as nothing that rooms can take. Told when the tables of the stream change, or
    /// once for each encoding that only the sound itself tells.
    Unsupported(String),
    /// The encoder's clock jumped by so many milliseconds. Times of frames go on as if it had not.
    ClockJumped {
        /// Negative when it was turned back.
        by_ms: i64,
    },
    /// A part was lost on the way; what it belonged to was dropped.
    Lost(Medium),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets that were read.
    pub packets: u64,
    /// Packets, PES packets and frames of sound that make no sense.
    pub malformed: u64,
    /// How often packets did not begin where the one before ended.
    pub resynchronised: u64,
    /// How often something was lost on the way.
    pub lost: u64,
    /// Pictures that became frames.
    pub pictures: u64,
    /// Pieces of sound that became frames.
    pub sounds: u64,
    /// Key frames without the parameter sets that they need.
    pub unconfigured: u64,
    /// Pictures and PES packets above the bounds.
    pub too_large: u64,
    /// Units that say nothing about when they are to be seen or heard.
    pub untimed: u64,
    /// Packets that are encrypted by the stream's own means.
    pub scrambled: u64,
}

/// Makes frames of a transport stream. Starts anywhere in one.
#[derive(Debug, Default)]
pub struct Demuxer {
    splitter: Splitter,
    programs: Table,
    /// The one that is followed.
    program: Option<Program>,
    clock: Clock,
    video: Option<Track>,
    audio: Option<Track>,
    /// What was told of them.
    told_video: Option<VideoCodec>,
    told_audio: Option<AudioFormat>,
    told_unsupported: Option<String>,
    /// The latest time at which a picture is shown.
    shown: Option<MediaTime>,
    stats: Stats,
    outputs: VecDeque<Output>,
}

/// The sections of one PID.
#[derive(Debug, Default)]
struct Table {
    continuity: Continuity,
    sections: Sections,
}

/// The program that is followed.
#[derive(Debug)]
struct Program {
    pid: u16,
    map: Table,
    streams: Vec<Stream>,
}

impl Demuxer {
    /// That knows nothing of its stream yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came next of the stream, in pieces of any size. Drain the outputs after each.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.splitter.take(bytes);
            while let Some(packet) = self.splitter.next_packet() {
                match Packet::parse(&packet) {
                    Some(packet) => self.handle_packet(&packet),
                    None => self.stats.malformed += 1,
                }
            }
        }
    }

    /// The next thing that came out; `None` until more comes in.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { resynchronised: self.splitter.lost(), ..self.stats }
    }

    fn handle_packet(&mut self, packet: &Packet<'_>) {
        self.stats.packets += 1;
        let is_of = |track: &Option<Track>| track.as_ref().is_some_and(|track| track.stream.pid == packet.pid);
        if packet.pid == PROGRAMS_PID {
            self.handle_programs(packet);
        } else if self.program.as_ref().is_some_and(|program| program.pid == packet.pid) {
            self.handle_map(packet);
        } else if is_of(&self.video) {
            let track = self.video.take();
            self.video = track.map(|track| self.handle_track(track, packet));
        } else if is_of(&self.audio) {
            let track = self.audio.take();
            self.audio = track.map(|track| self.handle_track(track, packet));
        }
    }

    fn handle_programs(&mut self, packet: &Packet<'_>) {
        let mut first = None;
        self.programs.handle(packet, |section| first = program::first_program(section).or(first));
        if let Some(pid) = first
            && self.program.as_ref().is_none_or(|program| program.pid != pid)
        {
            self.program = Some(Program { pid, map: Table::default(), streams: Vec::new() });
        }
    }

    fn handle_map(&mut self, packet: &Packet<'_>) {
        let Some(program) = &mut self.program else { return };
        let mut streams = None;
        program.map.handle(packet, |section| streams = program::streams(section).or_else(|| streams.take()));
        if let Some(streams) = streams
            && streams != program.streams
        {
            program.streams.clone_from(&streams);
            self.follow(&streams);
        }
    }

    /// The first video and the first sound that can be read. Those that stay are not disturbed.
    fn follow(&mut self, streams: &[Stream]) {
        let first = |wanted: fn(&Kind) -> bool| streams.iter().find(|stream| wanted(&stream.kind)).copied();
        let video = first(|kind| matches!(kind, Kind::Video(_)));
        let audio = first(|kind| matches!(kind, Kind::Aac | Kind::Opus { .. }));
        for (track, found) in [(&mut self.video, video), (&mut self.audio, audio)] {
            if track.as_ref().map(|track| track.stream) != found {
                *track = found.and_then(Track::new);
            }
        }
        if let Some(Kind::Video(codec)) = video.map(|stream| stream.kind) {
            self.tell_video(codec);
        }
        for stream in streams {
            if let Kind::Unsupported(name) = stream.kind {
                self.tell(Event::Unsupported(format!("{name} is not supported")));
            }
        }
    }

    fn handle_track(&mut self, mut track: Track, packet: &Packet<'_>) -> Track {
        if packet.scrambled {
            self.stats.scrambled += 1;
            return track;
        }
        for ended in track.handle(packet).into_iter().flatten() {
            match ended {
                Ok(unit) => self.handle_unit(&mut track, unit),
                Err(Flaw::Lost) => {
                    self.stats.lost += 1;
                    self.tell(Event::Lost(track.medium()));
                }
                Err(Flaw::TooLarge) => self.stats.too_large += 1,
                Err(Flaw::Malformed) => self.stats.malformed += 1,
            }
        }
        track
    }

    fn handle_unit(&mut self, track: &mut Track, unit: Unit) {
        let Some(moment) = self.clock.place(track.medium(), unit.dts.or(unit.pts)) else {
            return self.stats.untimed += 1;
        };
        if let Some(jumped) = moment.jumped {
            self.tell(Event::ClockJumped { by_ms: jumped * 1_000 / i64::from(RATE_HZ) });
        }
        let later = match (unit.pts, unit.dts) {
            (Some(pts), Some(dts)) => difference(pts, dts).clamp(0, COMPOSITION_MAX),
            _ => 0,
        };
        let time = MediaTime::from_ticks(moment.ticks + later, RATE_HZ);
        match &mut track.content {
            Content::Video(assembler) => {
                let codec = assembler.codec();
                let assembled = assembler.assemble(nals_of_annexb(&unit.data));
                self.picture(codec, time, assembled);
            }
            Content::Aac(adts) => adts.handle(unit.data, time, |part| match part {
                Part::Sound { config, time, data } => self.sound(AudioFormat::Aac(config), time, data),
                Part::Unsupported(error) => self.tell_unsupported(error.to_string()),
                Part::Malformed => self.stats.malformed += 1,
            }),
            Content::Opus { channels } => {
                for packet in opus::packets(unit.data, time) {
                    match packet {
                        Some((time, data)) => self.sound(AudioFormat::Opus { channels: *channels }, time, data),
                        None => self.stats.malformed += 1,
                    }
                }
            }
        }
    }

    fn picture(&mut self, codec: VideoCodec, time: MediaTime, assembled: Assembled) {
        let (keyframe, bidirectional, data) = match assembled {
            Assembled::Picture { keyframe, reordered, data } => (keyframe, reordered, data),
            Assembled::Nothing => return,
            Assembled::SetsMissing => return self.stats.unconfigured += 1,
            Assembled::TooLarge => return self.stats.too_large += 1,
        };
        let reordered = bidirectional || self.shown.is_some_and(|latest| time < latest);
        self.shown = self.shown.max(Some(time));
        self.stats.pictures += 1;
        let picture = Picture { codec, time, keyframe, reordered, data };
        self.outputs.push_back(Output::Frame(Frame::Video(picture)));
    }

    fn sound(&mut self, format: AudioFormat, time: MediaTime, data: Bytes) {
        if self.told_audio.replace(format) != Some(format) {
            self.tell(Event::Audio(format));
        }
        self.stats.sounds += 1;
        self.outputs.push_back(Output::Frame(Frame::Audio(Sound { format, time, data })));
    }

    fn tell_video(&mut self, codec: VideoCodec) {
        if self.told_video.replace(codec) != Some(codec) {
            self.tell(Event::Video(codec));
        }
    }

    fn tell_unsupported(&mut self, what: String) {
        self.stats.malformed += 1;
        if self.told_unsupported.as_ref() != Some(&what) {
            self.told_unsupported = Some(what.clone());
            self.tell(Event::Unsupported(what));
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl Table {
    fn handle(&mut self, packet: &Packet<'_>, found: impl FnMut(crate::section::Section<'_>)) {
        if packet.payload.is_none() {
            return;
        }
        match self.continuity.note(packet) {
            Standing::Repeated => return,
            Standing::Gap => self.sections.forget(),
            Standing::Next => {}
        }
        self.sections.handle(packet, found);
    }
}

#[cfg(test)]
mod tests {
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
                adaptation
                    .iter_mut()
                    .zip([u8::try_from(stuffing.saturating_sub(1)).unwrap(), 0])
                    .for_each(|(a, b)| *a = b);
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

    fn feed(demuxer: &mut Demuxer, bytes: &[u8]) -> Vec<Output> {
        demuxer.handle_bytes(bytes);
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
        let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
        let end = WRAP - 1_800;
        let stream = [
            encoder.usual(),
            encoder.sound(end, b"a"),
            encoder.sound(end + 1_920, b"b"),
            encoder.sound(end + 3_840 + 5_400_000, b"c"),
            encoder.sound(end + 5_760 + 5_400_000, b"d"),
            encoder.usual(),
        ];
        let at = |ticks| end.cast_signed() + ticks;
        let expected = [
            told(Event::Video(VideoCodec::H264)),
            told(Event::Audio(AAC)),
            sound(at(0), b"a"),
            sound(at(1_920), b"b"),
            told(Event::ClockJumped { by_ms: 60_000 }),
            sound(at(3_840), b"c"),
            sound(at(5_760), b"d"),
        ];
        assert_eq!(feed(&mut demuxer, &stream.concat()), expected);
    }

    #[test]
    fn what_rooms_cannot_take_is_named_and_the_rest_is_taken() {
        let (mut encoder, mut demuxer) = (Encoder::default(), Demuxer::new());
        let tables = encoder.tables(&[(0x02, VIDEO), (0x0f, AUDIO), (0x81, 0x102)]);
        let stream = [tables.clone(), encoder.sound(0, b"a"), tables].concat();
        let unsupported = |name| told(Event::Unsupported(format!("{name} is not supported")));
        let expected =
            [unsupported("MPEG-2 video"), unsupported("AC-3 audio"), told(Event::Audio(AAC)), sound(0, b"a")];
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
        let unit =
            (prop::sample::select(vec![0, MAP, VIDEO, AUDIO, 0x1fff]), prop::collection::vec(any::<u8>(), 0..600));
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
            let whole: Vec<u8> = (0..4).flat_map(|n| [encoder.usual(), encoder.sound(n * 1_920, b"a")].concat()).collect();
            let outputs = feed(&mut demuxer, &whole);
            prop_assert!(outputs.iter().any(|output| matches!(output, Output::Frame(Frame::Audio(_)))));
        }
    }
}
