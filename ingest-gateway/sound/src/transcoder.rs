//! One stream of sound, from a source's frames to the packets of a room.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use velella_media::{AudioFormat, MediaTime, Sound};

use crate::decoder::Decoder;
use crate::encoder::{Encoder, PACKET_BYTES_MAX, PACKET_SAMPLES, TICKS_PER_S, level_dbov};
use crate::resampler::Resampler;
use crate::timeline::{Place, Timeline};

/// Most packets that wait to be polled: five seconds. The oldest are dropped.
pub const PACKETS_MAX: usize = 250;
/// Ticks of a packet that is made here.
const PACKET_TICKS: u32 = 960;

/// One Opus packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    /// In ticks of 48 kHz: begins at 0, and strictly increases. It goes on where the packet before ended, and steps
    /// only where `begins` says so.
    pub timestamp: u64,
    /// When it is to be heard, on the source's clock. Runs with the timestamp, except that it follows a source
    /// whose clock was turned back.
    pub time: MediaTime,
    /// How long it is: 960 for what is encoded here.
    pub ticks: u32,
    /// That it is the first, or the first after a hole that is not filled.
    pub begins: bool,
    /// How loud it is (RFC 6464), unless it was passed through.
    pub level_dbov: Option<i8>,
    /// The packet.
    pub data: Bytes,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SoundStats {
    /// Frames that came.
    pub sounds: u64,
    /// Packets that were made or passed through.
    pub packets: u64,
    /// Frames that could not be decoded; silence took their place.
    pub lost: u64,
    /// Those of them that made the decoder panic.
    pub panicked: u64,
    /// Frames of a format that nobody decodes.
    pub unsupported: u64,
    /// Holes that were filled with silence.
    pub filled: u64,
    /// Frames that came twice or too late, in whole or in part.
    pub overlapped: u64,
    /// How often the stream began anew, the first time included.
    pub begun: u64,
    /// Packets that nobody polled in time.
    pub dropped: u64,
}

/// Turns sound into Opus packets whose clock goes on.
///
/// Times of frames are compared with where the sound before ends. Up to 40 ms off is jitter or drift, which is followed
/// by resampling, by at most 5 ms in a second. A hole of up to 200 ms is filled with silence; over a longer one the
/// timestamps step. What overlaps is cut off, and a clock that is turned back by a second or more begins anew.
/// Opus is passed through: its timestamps run by the length of its packets, and step where they are 40 ms off.
#[derive(Default)]
pub struct Transcoder {
    /// The format, and what is made for it; `None` for one that nobody decodes.
    path: Option<(AudioFormat, Option<Path>)>,
    timeline: Timeline,
    packets: VecDeque<OpusPacket>,
    stats: SoundStats,
}

enum Path {
    Passes,
    Encodes(Box<Encoding>),
}

struct Encoding {
    decoder: Decoder,
    resampler: Resampler,
    encoder: Encoder,
    /// At 48 kHz, less than a packet between calls.
    samples: Vec<f32>,
}

impl Transcoder {
    /// Takes the next piece of sound. Call [`Self::poll_packet`] until there is none after it.
    pub fn handle_sound(&mut self, sound: &Sound) {
        self.stats.sounds += 1;
        if self.path.as_ref().is_none_or(|(format, _)| *format != sound.format) {
            self.switch(sound);
        }
        // Taken out while it works on the rest.
        let Some((format, path)) = self.path.take() else { return };
        let path = match path {
            None => {
                self.stats.unsupported += 1;
                None
            }
            Some(Path::Passes) => {
                self.pass(sound);
                Some(Path::Passes)
            }
            Some(Path::Encodes(mut encoding)) => {
                self.encode(&mut encoding, sound);
                Some(Path::Encodes(encoding))
            }
        };
        self.path = Some((format, path));
    }

    /// The next packet.
    pub fn poll_packet(&mut self) -> Option<OpusPacket> {
        self.packets.pop_front()
    }

    /// Makes packets of everything that came, with silence behind it: the stream has ended, or pauses.
    pub fn finish(&mut self) {
        if let Some((_, Some(Path::Encodes(mut encoding)))) = self.path.take() {
            self.drain(&mut encoding);
        }
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> SoundStats {
        self.stats
    }

    /// Ends what was made of the last format; the clock goes on.
    fn switch(&mut self, sound: &Sound) {
        self.finish();
        let path = match sound.format {
            AudioFormat::Opus { .. } => Some(Path::Passes),
            AudioFormat::Aac(_) | AudioFormat::Pcmu { .. } | AudioFormat::Pcma { .. } => {
                Encoding::new(sound.format).map(|encoding| Path::Encodes(Box::new(encoding)))
            }
        };
        self.path = Some((sound.format, path));
    }

    fn pass(&mut self, sound: &Sound) {
        let ticks = opus::packet::get_nb_samples(&sound.data, TICKS_PER_S).ok().and_then(|n| u32::try_from(n).ok());
        let Some(ticks @ 1..) = ticks.filter(|_| sound.data.len() <= PACKET_BYTES_MAX) else {
            self.stats.lost += 1;
            return;
        };
        let length = Duration::from_nanos(u64::from(ticks) * 1_000_000_000 / u64::from(TICKS_PER_S));
        match self.timeline.place(sound.time, length, 0.0) {
            Place::Follows { .. } => {}
            Place::Hole(_) | Place::Begins => self.begin(sound.time),
            Place::Overlap(_) => {
                self.stats.overlapped += 1;
                return;
            }
        }
        self.put(ticks, None, sound.data.clone());
    }

    fn encode(&mut self, encoding: &mut Encoding, sound: &Sound) {
        let mut samples = encoding.decoder.decode(&sound.data).unwrap_or_else(|lost| {
            self.stats.lost += 1;
            self.stats.panicked += u64::from(lost.panicked);
            lost.silence
        });
        match self.timeline.place(sound.time, encoding.length(&samples), encoding.pending()) {
            Place::Follows { correction } => encoding.resampler.correct(correction),
            Place::Hole(hole) => {
                self.stats.filled += 1;
                encoding.resampler.push_silence(encoding.frames(hole));
            }
            Place::Overlap(overlap) => {
                self.stats.overlapped += 1;
                let cut = encoding.frames(overlap) * encoding.channels();
                samples.drain(..cut.min(samples.len()));
            }
            Place::Begins => {
                self.drain(encoding);
                self.begin(sound.time);
            }
        }
        encoding.resampler.push(&samples);
        while encoding.resampler.pull(&mut encoding.samples) {}
        self.put_whole(encoding);
    }

    fn begin(&mut self, time: MediaTime) {
        self.stats.begun += 1;
        self.timeline.begin(time);
    }

    /// Encodes everything that came, and begins with a filter that remembers nothing.
    fn drain(&mut self, encoding: &mut Encoding) {
        encoding.flush();
        self.put_whole(encoding);
    }

    fn put_whole(&mut self, encoding: &mut Encoding) {
        while let Some((level_dbov, data)) = encoding.next_packet() {
            match data {
                Some(data) => self.put(PACKET_TICKS, Some(level_dbov), data.into()),
                None => {
                    self.stats.lost += 1;
                    self.timeline.advance(PACKET_TICKS);
                }
            }
        }
    }

    fn put(&mut self, ticks: u32, level_dbov: Option<i8>, data: Bytes) {
        let Some((time, timestamp, begins)) = self.timeline.advance(ticks) else { return };
        if self.packets.len() == PACKETS_MAX {
            self.packets.pop_front();
            self.stats.dropped += 1;
        }
        self.stats.packets += 1;
        self.packets.push_back(OpusPacket { timestamp, time, ticks, begins, level_dbov, data });
    }
}

impl Encoding {
    fn new(format: AudioFormat) -> Option<Self> {
        let decoder = Decoder::new(format)?;
        let resampler = Resampler::new(decoder.sample_rate_hz(), decoder.channels())?;
        let encoder = Encoder::new(decoder.channels())?;
        Some(Self { decoder, resampler, encoder, samples: Vec::new() })
    }

    fn channels(&self) -> usize {
        usize::from(self.decoder.channels())
    }

    /// How long these are.
    fn length(&self, samples: &[f32]) -> Duration {
        let frames = u64::try_from(samples.len() / self.channels()).unwrap_or(0);
        Duration::from_nanos(frames * 1_000_000_000 / u64::from(self.decoder.sample_rate_hz()))
    }

    /// How many frames of the source this long is, rounded to the nearest.
    fn frames(&self, length: Duration) -> usize {
        let frames = (length.as_nanos() * u128::from(self.decoder.sample_rate_hz()) + 500_000_000) / 1_000_000_000;
        usize::try_from(frames).unwrap_or(0)
    }

    /// Ticks that are still to come of what was pushed.
    fn pending(&self) -> f64 {
        let waiting = u32::try_from(self.samples.len() / self.channels()).unwrap_or(0);
        f64::from(waiting) + self.resampler.pending()
    }

    /// How loud it is, and the packet, unless the encoder failed.
    fn next_packet(&mut self) -> Option<(i8, Option<Vec<u8>>)> {
        let samples = self.samples.get(..PACKET_SAMPLES * self.channels())?;
        let packet = (level_dbov(samples), self.encoder.encode(samples));
        self.samples.drain(..PACKET_SAMPLES * self.channels());
        Some(packet)
    }

    /// Resamples everything that came, and fills the last packet with silence.
    fn flush(&mut self) {
        // Less than a sample of the source is what is pending exact to.
        let packets = ((self.pending() - self.resampler.ratio()) / f64::from(PACKET_TICKS)).ceil().max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, a few packets")]
        let whole = packets as usize * PACKET_SAMPLES * self.channels();
        self.resampler.correct(0.0);
        while self.samples.len() < whole {
            if !self.resampler.pull(&mut self.samples) {
                self.resampler.push_silence(PACKET_SAMPLES);
            }
        }
        self.samples.truncate(whole);
        self.resampler.reset();
    }
}

#[cfg(test)]
mod tests;
