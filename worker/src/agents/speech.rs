//! One track that an agent publishes: pieces of sound of any length in, Opus packets at their time
//! out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use opus::{Application, Bitrate, Channels, Encoder};
use velella_model::wire::agent::{Encoding, PCM_RATES_HZ};

use super::timeline::{Place, TICKS_PER_S, Timeline};

/// Sound that waits to be played on one track. More is dropped: whoever is a minute ahead of
/// what is heard cannot be interrupted in any useful way.
pub(super) const QUEUED_S_MAX: usize = 60;
/// Packets that are made of a second: 20 ms each.
const FRAMES_PER_S: u32 = 50;
/// A last piece that fills no frame is played with silence behind it when nothing followed for so long.
const PIECE_PATIENCE: Duration = Duration::from_millis(40);
/// For one channel; two get twice as much. Speech of full band is transparent at this rate.
const BITRATE_BPS: i32 = 40_000;
/// Largest packet that is made or taken: what fits a datagram with its headers.
const PACKET_BYTES_MAX: usize = 1_100;

/// A packet that plays now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) place: Place,
    pub(super) level_dbov: Option<i8>,
    pub(super) payload: Vec<u8>,
}

/// A track.
pub(super) struct Speech {
    queue: Queue,
    timeline: Timeline,
    pushed_at: Option<Instant>,
}

enum Queue {
    Pcm(Pcm),
    Opus(Packets),
}

impl Speech {
    /// A silent track; `None` for an encoding that Opus does not know.
    pub(super) fn new(encoding: Encoding) -> Option<Self> {
        let queue = match encoding {
            Encoding::Pcm16 { sample_rate_hz, channels } => Queue::Pcm(Pcm::new(sample_rate_hz, channels)?),
            Encoding::Opus => Queue::Opus(Packets::default()),
        };
        Some(Self { queue, timeline: Timeline::default(), pushed_at: None })
    }

    /// Takes more sound. `false` when some of it was dropped.
    pub(super) fn push(&mut self, sound: &Bytes, now: Instant) -> bool {
        self.pushed_at = Some(now);
        match &mut self.queue {
            Queue::Pcm(pcm) => pcm.push(sound),
            Queue::Opus(packets) => packets.push(sound),
        }
    }

    /// Forgets what was not played yet.
    pub(super) fn interrupt(&mut self) {
        match &mut self.queue {
            Queue::Pcm(pcm) => pcm.samples.clear(),
            Queue::Opus(packets) => *packets = Packets::default(),
        }
    }

    /// When [`Self::poll`] has something; `None` when nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let pushed_at = self.pushed_at?;
        let due = self.timeline.due().unwrap_or(pushed_at);
        match &self.queue {
            Queue::Pcm(pcm) if pcm.samples.is_empty() => None,
            Queue::Pcm(pcm) if !pcm.fills_frame() => Some(due.max(pushed_at) + PIECE_PATIENCE),
            Queue::Opus(packets) if packets.queue.is_empty() => None,
            Queue::Pcm(_) | Queue::Opus(_) => Some(due),
        }
    }

    /// The packet that plays now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Frame> {
        if self.due()? > now {
            return None;
        }
        match &mut self.queue {
            Queue::Pcm(pcm) => {
                let (level_dbov, payload) = pcm.encode()?;
                let place = self.timeline.place(TICKS_PER_S / FRAMES_PER_S, now);
                Some(Frame { place, level_dbov: Some(level_dbov), payload })
            }
            Queue::Opus(packets) => {
                let (payload, ticks) = packets.pop()?;
                let place = self.timeline.place(ticks, now);
                Some(Frame { place, level_dbov: None, payload: payload.into() })
            }
        }
    }
}

/// Samples on their way into an encoder.
struct Pcm {
    encoder: Encoder,
    samples: VecDeque<i16>,
    frame_samples: usize,
}

impl Pcm {
    fn new(sample_rate_hz: u32, channels: u8) -> Option<Self> {
        let opus_channels = match channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            _ => return None,
        };
        if !PCM_RATES_HZ.contains(&sample_rate_hz) {
            return None;
        }
        let mut encoder = Encoder::new(sample_rate_hz, opus_channels, Application::Audio).ok()?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE_BPS * i32::from(channels))).ok()?;
        let frame_samples = usize::try_from(sample_rate_hz / FRAMES_PER_S).ok()? * usize::from(channels);
        Some(Self { encoder, samples: VecDeque::new(), frame_samples })
    }

    fn push(&mut self, sound: &[u8]) -> bool {
        let room = (QUEUED_S_MAX * self.frame_samples * FRAMES_PER_S as usize).saturating_sub(self.samples.len());
        let (samples, _) = sound.as_chunks::<2>();
        self.samples.extend(samples.iter().take(room).map(|bytes| i16::from_le_bytes(*bytes)));
        samples.len() <= room
    }

    fn fills_frame(&self) -> bool {
        self.samples.len() >= self.frame_samples
    }

    /// The next frame, with silence behind when it is not full, and how loud it is.
    fn encode(&mut self) -> Option<(i8, Vec<u8>)> {
        let available = self.samples.len().min(self.frame_samples);
        let mut frame: Vec<i16> = self.samples.drain(..available).collect();
        frame.resize(self.frame_samples, 0);
        // The encoder takes every frame of a length that it knows.
        let payload = self.encoder.encode_vec(&frame, PACKET_BYTES_MAX).ok()?;
        Some((level_dbov(&frame), payload))
    }
}

/// How loud a frame is (RFC 6464): a square wave of full scale is 0, digital silence -127.
fn level_dbov(frame: &[i16]) -> i8 {
    let power: f64 = frame.iter().map(|s| f64::from(*s).powi(2)).sum();
    let count = u32::try_from(frame.len().max(1)).unwrap_or(u32::MAX);
    let mean = power / f64::from(count) / 32_768f64.powi(2);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of the type")]
    let level = (10.0 * mean.log10()).round().clamp(-127.0, 0.0) as i8;
    level
}

/// Packets that the agent encoded itself.
#[derive(Default)]
struct Packets {
    queue: VecDeque<(Bytes, u32)>,
    queued_ticks: u32,
}

impl Packets {
    fn push(&mut self, packet: &Bytes) -> bool {
        let ticks = opus::packet::get_nb_samples(packet, TICKS_PER_S).ok().and_then(|n| u32::try_from(n).ok());
        let queued_max = u32::try_from(QUEUED_S_MAX).unwrap_or(u32::MAX).saturating_mul(TICKS_PER_S);
        match ticks {
            Some(ticks @ 1..) if packet.len() <= PACKET_BYTES_MAX && self.queued_ticks + ticks <= queued_max => {
                self.queued_ticks += ticks;
                self.queue.push_back((packet.clone(), ticks));
                true
            }
            _ => false,
        }
    }

    fn pop(&mut self) -> Option<(Bytes, u32)> {
        let (packet, ticks) = self.queue.pop_front()?;
        self.queued_ticks -= ticks;
        Some((packet, ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCM: Encoding = Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 };
    /// 20 ms at 16 kHz.
    const FRAME_BYTES: usize = 640;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sound(bytes: usize) -> Bytes {
        vec![1; bytes].into()
    }

    fn speech(encoding: Encoding) -> (Speech, Instant) {
        (Speech::new(encoding).unwrap(), Instant::now())
    }

    /// The times at which packets come, in ms after `t0`.
    fn played(speech: &mut Speech, t0: Instant, until_ms: u64) -> Vec<u64> {
        (0..until_ms).step_by(5).filter(|at| speech.poll(t0 + ms(*at)).is_some()).collect()
    }

    #[test]
    fn two_seconds_at_once_take_two_seconds() {
        let (mut speech, t0) = speech(PCM);
        assert!(speech.push(&sound(100 * FRAME_BYTES), t0));
        let played = played(&mut speech, t0, 3_000);
        assert_eq!(played, (0..100).map(|n| n * 20).collect::<Vec<_>>());
        assert_eq!(speech.due(), None, "and then there is nothing to do");
    }

    #[test]
    fn pieces_of_any_length_make_whole_frames() {
        let (mut speech, t0) = speech(PCM);
        let mut pushed = 0;
        for piece in [2, 638, 4, 1_276, 640] {
            speech.push(&sound(piece), t0);
            pushed += piece;
        }
        assert_eq!(pushed, 4 * FRAME_BYTES);
        assert_eq!(played(&mut speech, t0, 1_000), [0, 20, 40, 60]);
    }

    #[test]
    fn the_end_of_a_sentence_is_not_kept_for_the_next_one() {
        let (mut speech, t0) = speech(PCM);
        speech.push(&sound(FRAME_BYTES + 100), t0);
        assert_eq!(played(&mut speech, t0, 1_000), [0, 60]);
    }

    #[test]
    fn an_interruption_silences_what_waits_and_nothing_after_it() {
        let (mut speech, t0) = speech(PCM);
        speech.push(&sound(50 * FRAME_BYTES), t0);
        assert!(speech.poll(t0).is_some());
        speech.interrupt();
        assert_eq!((speech.due(), speech.poll(t0 + ms(20))), (None, None));
        speech.push(&sound(FRAME_BYTES), t0 + ms(500));
        let frame = speech.poll(t0 + ms(500)).unwrap();
        assert_eq!(frame.place, Place { timestamp: 24_000, begins: true });
    }

    #[test]
    fn a_minute_is_all_that_waits() {
        let (mut speech, t0) = speech(PCM);
        assert!(speech.push(&sound(50 * QUEUED_S_MAX * FRAME_BYTES), t0));
        assert!(!speech.push(&sound(2), t0));
        assert!(speech.poll(t0).is_some());
        assert!(speech.push(&sound(FRAME_BYTES), t0), "what was played makes room");
    }

    #[test]
    fn loudness_is_told() {
        assert_eq!(level_dbov(&[0; 320]), -127);
        assert_eq!(level_dbov(&[i16::MIN; 320]), 0);
        assert_eq!(level_dbov(&[3_277; 320]), -20);
    }

    #[test]
    fn packets_of_the_agents_own_encoder_go_out_as_they_are() {
        let (mut speech, t0) = speech(Encoding::Opus);
        let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio).unwrap();
        let forty_ms: Bytes = encoder.encode_vec(&[7; 2 * 1_920], 1_000).unwrap().into();
        assert!(speech.push(&forty_ms, t0) && speech.push(&forty_ms, t0));
        assert_eq!(speech.poll(t0).unwrap().payload, forty_ms);
        assert_eq!(speech.due(), Some(t0 + ms(40)), "paced by their own length");
        for garbage in [Bytes::new(), vec![0; 5_000].into(), vec![0xff].into()] {
            assert!(!speech.push(&garbage, t0), "{} bytes", garbage.len());
        }
    }

    #[test]
    fn encodings_that_opus_does_not_know_make_no_track() {
        for (sample_rate_hz, channels) in [(44_100, 1), (16_000, 3), (0, 1), (16_000, 0)] {
            assert!(Speech::new(Encoding::Pcm16 { sample_rate_hz, channels }).is_none());
        }
    }
}
