//! Tags of one publisher into frames.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use velella_media::{
    AacConfig, Assembled, Assembler, AudioFormat, Clock, Frame, MediaTime, Medium, Picture, SequenceParameters, Sound,
    VideoCodec, nals_of_lengths,
};

use crate::command::Metadata;
use crate::decoder_config::DecoderConfig;
use crate::flv::{AudioTag, TagError, VideoTag};
use crate::session::Output;

/// A picture is shown so much later than it is decoded at most; more is an encoder's mistake.
const COMPOSITION_MS_MAX: i32 = 5_000;

/// Timestamps are milliseconds, and over again after 49 days.
const MS_HZ: u32 = 1_000;
const TIMESTAMP_BITS: u32 = 32;

/// What happens besides frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Pictures are encoded like this from now on: told before the first one, and when it changes.
    Video(VideoCodec),
    /// Sound is encoded like this from now on: told before the first one, and when it changes.
    Audio(AudioFormat),
    /// The encoder tells of itself.
    Metadata(Metadata),
    /// Pictures do not come in the order in which they are shown (B-frames), which no room can take. Each way
    /// is told once.
    Reordered(Reordering),
    /// The encoder's clock jumped by so many milliseconds. Times of frames go on as if it had not.
    ClockJumped {
        /// Negative when it was turned back.
        by_ms: i64,
    },
    /// Pictures or sound come encoded as nothing that rooms can take, and are dropped.
    Unsupported(String),
}

/// How it is known that pictures are reordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reordering {
    /// The encoder says beforehand that it may reorder (max_num_reorder_frames of H.264). Early, but some
    /// hardware says so and never does it.
    Declared,
    /// A B slice came, or a picture that is shown before one that came earlier: the third picture at the latest
    /// for the usual encoders. Sure.
    Seen,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicationStats {
    /// Pictures that became frames.
    pub pictures: u64,
    /// Pieces of sound that became frames.
    pub sounds: u64,
    /// Tags and configurations that make no sense.
    pub malformed: u64,
    /// Tags of an encoding that rooms cannot take.
    pub unsupported: u64,
    /// Pictures and sound before the configuration that they need.
    pub unconfigured: u64,
    /// Pictures above the bounds of [`Assembler`].
    pub too_large: u64,
    /// Jumps of the encoder's clock.
    pub clock_jumps: u64,
}

/// Makes frames of what a publisher sends.
#[derive(Debug)]
pub struct Publication {
    clock: Clock,
    video: Option<Video>,
    audio: Option<AudioFormat>,
    /// The latest time at which a picture is shown.
    shown_ms: Option<i64>,
    reordering: Option<Reordering>,
    unsupported: Unsupported,
    stats: PublicationStats,
}

#[derive(Debug)]
struct Video {
    assembler: Assembler,
    length_bytes: usize,
}

/// Whether it was told that a medium is of no use.
#[derive(Debug, Default)]
struct Unsupported {
    video: bool,
    audio: bool,
}

impl Default for Publication {
    fn default() -> Self {
        Self {
            clock: Clock::new(MS_HZ, TIMESTAMP_BITS),
            video: None,
            audio: None,
            shown_ms: None,
            reordering: None,
            unsupported: Unsupported::default(),
            stats: PublicationStats::default(),
        }
    }
}

impl Publication {
    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> PublicationStats {
        self.stats
    }

    /// Takes the content of a video message, which arrived at `now`.
    pub fn handle_video(&mut self, tag: &Bytes, timestamp_ms: u32, now: Instant, outputs: &mut VecDeque<Output>) {
        match VideoTag::parse(tag) {
            Ok(VideoTag::Config(codec, record)) => self.configure_video(codec, record, outputs),
            Ok(VideoTag::Picture { codec, composition_ms, nals }) => {
                let at_ms = self.place(Medium::Video, timestamp_ms, now, outputs);
                self.picture(codec, at_ms, composition_ms, nals, outputs);
            }
            Ok(VideoTag::Nothing) => {}
            Err(error) => {
                let told = &mut self.unsupported.video;
                refuse(&error, told, &mut self.stats, outputs);
            }
        }
    }

    /// Takes the content of an audio message, which arrived at `now`.
    pub fn handle_audio(&mut self, tag: &Bytes, timestamp_ms: u32, now: Instant, outputs: &mut VecDeque<Output>) {
        let (format, data) = match AudioTag::parse(tag) {
            Ok(AudioTag::AacConfig(config)) => return self.configure_aac(config, outputs),
            Ok(AudioTag::OpusHead(head)) => return self.configure_opus(head, outputs),
            Ok(AudioTag::Nothing) => return,
            Ok(AudioTag::Aac(data)) => match self.audio {
                Some(format @ AudioFormat::Aac(_)) => (format, data),
                _ => return self.stats.unconfigured += 1,
            },
            Ok(AudioTag::Opus(data)) => match self.audio {
                Some(format @ AudioFormat::Opus { .. }) => (format, data),
                _ => (AudioFormat::Opus { channels: 2 }, data),
            },
            Ok(AudioTag::Pcmu(data)) => (AudioFormat::Pcmu { sample_rate_hz: 8_000 }, data),
            Ok(AudioTag::Pcma(data)) => (AudioFormat::Pcma { sample_rate_hz: 8_000 }, data),
            Err(error) => {
                let told = &mut self.unsupported.audio;
                return refuse(&error, told, &mut self.stats, outputs);
            }
        };
        if data.is_empty() {
            return;
        }
        self.note_audio(format, outputs);
        let at_ms = self.place(Medium::Audio, timestamp_ms, now, outputs);
        self.stats.sounds += 1;
        let time = MediaTime::from_ticks(at_ms, MS_HZ);
        outputs.push_back(Output::Frame(Frame::Audio(Sound { format, time, data: tag.slice_ref(data) })));
    }

    fn configure_video(&mut self, codec: VideoCodec, record: &[u8], outputs: &mut VecDeque<Output>) {
        let Ok(config) = DecoderConfig::parse(codec, record) else { return self.stats.malformed += 1 };
        let declares = |set: &[u8]| SequenceParameters::parse(codec, set)?.reorder_pictures_max;
        if config.sets.iter().filter_map(|set| declares(set)).any(|most| most > 0) {
            self.tell_reordering(Reordering::Declared, outputs);
        }
        let video = self.note_video(codec, outputs);
        video.length_bytes = config.length_bytes;
        video.assembler.remember(config.sets.iter().copied());
    }

    fn picture(&mut self, codec: VideoCodec, at_ms: i64, later_ms: i32, nals: &[u8], outputs: &mut VecDeque<Output>) {
        let video = self.note_video(codec, outputs);
        let (keyframe, bidirectional, data) = match video.assembler.assemble(nals_of_lengths(nals, video.length_bytes))
        {
            Assembled::Picture { keyframe, reordered, data } => (keyframe, reordered, data),
            Assembled::Nothing => return,
            Assembled::SetsMissing => return self.stats.unconfigured += 1,
            Assembled::TooLarge => return self.stats.too_large += 1,
        };
        let shown_ms = at_ms + i64::from(later_ms.clamp(-COMPOSITION_MS_MAX, COMPOSITION_MS_MAX));
        let reordered = bidirectional || self.shown_ms.is_some_and(|latest| shown_ms < latest);
        self.shown_ms = self.shown_ms.max(Some(shown_ms));
        if reordered {
            self.tell_reordering(Reordering::Seen, outputs);
        }
        self.stats.pictures += 1;
        let time = MediaTime::from_ticks(shown_ms, MS_HZ);
        outputs.push_back(Output::Frame(Frame::Video(Picture { codec, time, keyframe, reordered, data })));
    }

    /// The assembler for this codec; a new one, and told, when the codec is new.
    fn note_video(&mut self, codec: VideoCodec, outputs: &mut VecDeque<Output>) -> &mut Video {
        let known = self.video.take().filter(|video| video.assembler.codec() == codec);
        let video = known.unwrap_or_else(|| {
            self.unsupported.video = false;
            outputs.push_back(Output::Event(Event::Video(codec)));
            Video { assembler: Assembler::new(codec), length_bytes: 4 }
        });
        self.video.insert(video)
    }

    fn note_audio(&mut self, format: AudioFormat, outputs: &mut VecDeque<Output>) {
        if self.audio != Some(format) {
            self.audio = Some(format);
            self.unsupported.audio = false;
            outputs.push_back(Output::Event(Event::Audio(format)));
        }
    }

    fn configure_aac(&mut self, config: &[u8], outputs: &mut VecDeque<Output>) {
        match AacConfig::parse(config) {
            Ok(config) => self.note_audio(AudioFormat::Aac(config), outputs),
            Err(error) => {
                // What follows would be decoded with a configuration that is over.
                self.audio = None;
                self.stats.malformed += 1;
                outputs.push_back(Output::Event(Event::Unsupported(error.to_string())));
            }
        }
    }

    fn configure_opus(&mut self, head: &[u8], outputs: &mut VecDeque<Output>) {
        match head.get(9) {
            Some(channels @ 1..=2) => self.note_audio(AudioFormat::Opus { channels: *channels }, outputs),
            _ => self.stats.malformed += 1,
        }
    }

    /// Where a message stands, in milliseconds; tells a jump before it.
    fn place(&mut self, medium: Medium, timestamp_ms: u32, now: Instant, outputs: &mut VecDeque<Output>) -> i64 {
        let timestamp_ms = u64::from(timestamp_ms);
        // With a timestamp there always is one.
        let Some(moment) = self.clock.place(medium, Some(timestamp_ms), now) else { return timestamp_ms.cast_signed() };
        if let Some(by_ms) = moment.jumped {
            self.stats.clock_jumps += 1;
            outputs.push_back(Output::Event(Event::ClockJumped { by_ms }));
        }
        moment.ticks
    }

    fn tell_reordering(&mut self, reordering: Reordering, outputs: &mut VecDeque<Output>) {
        if self.reordering < Some(reordering) {
            self.reordering = Some(reordering);
            outputs.push_back(Output::Event(Event::Reordered(reordering)));
        }
    }
}

fn refuse(error: &TagError, told: &mut bool, stats: &mut PublicationStats, outputs: &mut VecDeque<Output>) {
    match error {
        TagError::Unsupported(_) => {
            stats.unsupported += 1;
            if !std::mem::replace(told, true) {
                outputs.push_back(Output::Event(Event::Unsupported(error.to_string())));
            }
        }
        TagError::CutShort | TagError::TooManyModifiers => stats.malformed += 1,
    }
}
