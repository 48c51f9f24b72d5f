//! Bytes into frames.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use velella_media::{
    Assembled, AudioFormat, Clock, Frame, MediaTime, Medium, Picture, Sound, VideoCodec, nals_of_annexb,
};

use crate::adts::Part;
use crate::opus;
use crate::packet::{Continuity, Packet, Standing};
use crate::pes::{Flaw, Unit};
use crate::program::{self, Kind, Stream};
use crate::section::Sections;
use crate::sync::Splitter;
use crate::track::{Content, Track};

/// PID of the table of programs.
const PROGRAMS_PID: u16 = 0;

/// Timestamps are of 90 kHz, and over again after 26.5 hours.
const RATE_HZ: u32 = 90_000;
const TIMESTAMP_BITS: u32 = 33;

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
#[derive(Debug)]
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

impl Default for Demuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl Demuxer {
    /// That knows nothing of its stream yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            splitter: Splitter::default(),
            programs: Table::default(),
            program: None,
            clock: Clock::new(RATE_HZ, TIMESTAMP_BITS),
            video: None,
            audio: None,
            told_video: None,
            told_audio: None,
            told_unsupported: None,
            shown: None,
            stats: Stats::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes what came next of the stream, in pieces of any size, at `now`. Drain the outputs after each.
    pub fn handle_bytes(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() {
            bytes = self.splitter.take(bytes);
            while let Some(packet) = self.splitter.next_packet() {
                match Packet::parse(&packet) {
                    Some(packet) => self.handle_packet(&packet, now),
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

    fn handle_packet(&mut self, packet: &Packet<'_>, now: Instant) {
        self.stats.packets += 1;
        let is_of = |track: &Option<Track>| track.as_ref().is_some_and(|track| track.stream.pid == packet.pid);
        if packet.pid == PROGRAMS_PID {
            self.handle_programs(packet);
        } else if self.program.as_ref().is_some_and(|program| program.pid == packet.pid) {
            self.handle_map(packet);
        } else if is_of(&self.video) {
            let track = self.video.take();
            self.video = track.map(|track| self.handle_track(track, packet, now));
        } else if is_of(&self.audio) {
            let track = self.audio.take();
            self.audio = track.map(|track| self.handle_track(track, packet, now));
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

    fn handle_track(&mut self, mut track: Track, packet: &Packet<'_>, now: Instant) -> Track {
        if packet.scrambled {
            self.stats.scrambled += 1;
            return track;
        }
        for ended in track.handle(packet).into_iter().flatten() {
            match ended {
                Ok(unit) => self.handle_unit(&mut track, unit, now),
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

    fn handle_unit(&mut self, track: &mut Track, unit: Unit, now: Instant) {
        let Some(moment) = self.clock.place(track.medium(), unit.dts.or(unit.pts), now) else {
            return self.stats.untimed += 1;
        };
        if let Some(jumped) = moment.jumped {
            self.tell(Event::ClockJumped { by_ms: jumped * 1_000 / i64::from(RATE_HZ) });
        }
        let later = match (unit.pts, unit.dts) {
            (Some(pts), Some(dts)) => self.clock.difference(pts, dts).clamp(0, COMPOSITION_MAX),
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
mod tests;
