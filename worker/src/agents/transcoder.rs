//! All agents of a worker: PCM into Opus packets for their shards, Opus packets into PCM for their
//! coordinators.
//!
//! Shards say which agents and tracks there are; sound for anything else is dropped and counted.
//! Takes the time with every call, like the core.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use velella_model::wire::agent::{Heard, Said};
use velella_model::wire::command::Holder;
use velella_model::{SessionId, TrackId};
use velella_worker_core::{AgentNews, SoundPacket, SpokenPacket};

use super::hearing::{Hearing, Losses};
use super::speech::Speech;

/// A track that was quiet for so long needs no decoder; the next packet makes a new one.
const HEARING_IDLE_MAX: Duration = Duration::from_secs(10);

/// What was counted, and how much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AgentStats {
    /// Pieces of sound of agents.
    pub(crate) said: u64,
    /// Those for no track of an agent here.
    pub(crate) said_astray: u64,
    /// Those that did not fit into what may wait, or were no Opus.
    pub(crate) said_dropped: u64,
    /// Packets that agents said.
    pub(crate) spoken: u64,
    /// Pieces of sound for agents.
    pub(crate) heard: u64,
    /// Packets lost on their way to an agent.
    pub(crate) heard_lost: u64,
    /// Packets after their time.
    pub(crate) heard_late: u64,
    /// Packets that are no Opus.
    pub(crate) heard_malformed: u64,
    /// Agents now.
    pub(crate) agents: u32,
    /// Decoders in use now.
    pub(crate) hearings: u32,
}

/// Sound for others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// A packet that plays now, for the agent's shard.
    Spoken(usize, SpokenPacket),
    /// A piece of PCM, for the agent's coordinator.
    Heard(Holder, Heard),
}

/// The agents of a worker.
#[derive(Default)]
pub(super) struct Transcoder {
    agents: BTreeMap<SessionId, Agent>,
    losses: Losses,
    stats: AgentStats,
}

struct Agent {
    shard: usize,
    holder: Holder,
    /// At what rate it hears.
    hears_hz: Option<u32>,
    says: BTreeMap<TrackId, Speech>,
    /// Bounded by what a shard gives one session to receive.
    hears: BTreeMap<TrackId, Hearing>,
}

impl Transcoder {
    /// Takes what a shard says.
    pub(super) fn take_news(&mut self, shard: usize, news: AgentNews, now: Instant) {
        match news {
            AgentNews::Joined { session, holder, output } => {
                let hears_hz = output.map(|output| output.sample_rate_hz);
                let agent = Agent { shard, holder, hears_hz, says: BTreeMap::new(), hears: BTreeMap::new() };
                self.agents.insert(session, agent);
            }
            AgentNews::TrackAdded { session, track, encoding } => match Speech::new(encoding) {
                Some(speech) => {
                    self.agents.get_mut(&session).and_then(|agent| agent.says.insert(track, speech));
                }
                None => tracing::warn!(%session, %track, ?encoding, "a track of an agent stays silent"),
            },
            AgentNews::TrackInterrupted { session, track } => {
                if let Some(speech) = self.agents.get_mut(&session).and_then(|agent| agent.says.get_mut(&track)) {
                    speech.interrupt();
                }
            }
            AgentNews::TrackRemoved { session, track } => {
                self.agents.get_mut(&session).and_then(|agent| agent.says.remove(&track));
            }
            AgentNews::Heard { session, track, packet } => self.take_packet(&session, track, packet, now),
            AgentNews::Left { session } => {
                self.agents.remove(&session);
            }
        }
    }

    fn take_packet(&mut self, session: &SessionId, track: TrackId, packet: SoundPacket, now: Instant) {
        let Some(agent) = self.agents.get_mut(session) else { return };
        let hearing = match agent.hears.get_mut(&track) {
            Some(hearing) => hearing,
            None => {
                let Some(hearing) = agent.hears_hz.and_then(|rate_hz| Hearing::new(rate_hz, now)) else { return };
                agent.hears.entry(track).or_insert(hearing)
            }
        };
        hearing.push(packet, &mut self.losses, now);
    }

    /// Takes what an agent says.
    pub(super) fn take_said(&mut self, said: &Said, now: Instant) {
        self.stats.said += 1;
        let speech = self.agents.get_mut(&said.session).and_then(|agent| agent.says.get_mut(&said.track));
        match speech.map(|speech| speech.push(&said.sound, now)) {
            None => self.stats.said_astray += 1,
            Some(false) => self.stats.said_dropped += 1,
            Some(true) => {}
        }
    }

    /// Hands out everything that is due.
    pub(super) fn poll(&mut self, now: Instant, mut hand_out: impl FnMut(Sound)) {
        for (session, agent) in &mut self.agents {
            for (track, speech) in &mut agent.says {
                while let Some(frame) = speech.poll(now) {
                    self.stats.spoken += 1;
                    let packet = SpokenPacket {
                        session: session.clone(),
                        track: track.clone(),
                        timestamp: frame.place.timestamp,
                        begins: frame.place.begins,
                        level_dbov: frame.level_dbov,
                        payload: frame.payload.into(),
                    };
                    hand_out(Sound::Spoken(agent.shard, packet));
                }
            }
            for (track, hearing) in &mut agent.hears {
                while let Some(sound) = hearing.poll(&mut self.losses, now) {
                    self.stats.heard += 1;
                    let (session, track) = (session.clone(), track.clone());
                    let heard = Heard { session, track, sound: sound.into() };
                    hand_out(Sound::Heard(agent.holder.clone(), heard));
                }
            }
        }
    }

    /// When [`Self::poll`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let says = |agent: &Agent| agent.says.values().filter_map(Speech::due).min();
        let hears = |agent: &Agent| agent.hears.values().filter_map(Hearing::due).min();
        self.agents.values().flat_map(|agent| [says(agent), hears(agent)]).flatten().min()
    }

    /// Gives up decoders that nobody needs. Call now and then.
    pub(super) fn tidy(&mut self, now: Instant) {
        for agent in self.agents.values_mut() {
            agent.hears.retain(|_, hearing| now.saturating_duration_since(hearing.heard_at()) < HEARING_IDLE_MAX);
        }
    }

    pub(super) fn stats(&self) -> AgentStats {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        AgentStats {
            heard_lost: self.losses.lost,
            heard_late: self.losses.late,
            heard_malformed: self.losses.malformed,
            agents: count(self.agents.len()),
            hearings: count(self.agents.values().map(|agent| agent.hears.len()).sum()),
            ..self.stats
        }
    }
}

#[cfg(test)]
mod tests {
    use velella_model::Id;
    use velella_model::record::AgentOutput;
    use velella_model::wire::agent::Encoding;

    use super::*;

    const TONE_HZ: f64 = 440.0;

    #[test]
    fn a_tone_comes_out_as_the_same_tone_at_every_rate() {
        for (says_hz, hears_hz) in [(16_000, 16_000), (24_000, 24_000), (16_000, 24_000), (24_000, 16_000)] {
            let (mut world, _) = World::new(Encoding::Pcm16 { sample_rate_hz: says_hz, channels: 1 }, hears_hz);
            world.say(&tone(says_hz, 1.0));
            world.run(1_500);
            let heard = world.heard;
            let length_s = heard.len() as f64 / f64::from(hears_hz);
            assert!((0.99..1.03).contains(&length_s), "{length_s} s of {says_hz} at {hears_hz}");
            let middle = &heard[heard.len() / 4..heard.len() * 3 / 4];
            assert!((crossings_hz(middle, hears_hz) - TONE_HZ).abs() < 2.0, "{}", crossings_hz(middle, hears_hz));
            let share = power_at(middle, hears_hz, TONE_HZ);
            assert!(share > 0.95, "{share} of the power is the tone");
        }
    }

    #[test]
    fn both_channels_are_heard_as_one() {
        let (mut world, _) = World::new(Encoding::Pcm16 { sample_rate_hz: 48_000, channels: 2 }, 16_000);
        let stereo: Vec<i16> = tone(48_000, 0.5).into_iter().flat_map(|sample| [sample, sample]).collect();
        world.say(&stereo);
        world.run(1_000);
        let middle = &world.heard[2_000..6_000];
        assert!(power_at(middle, 16_000, TONE_HZ) > 0.95);
    }

    #[test]
    fn an_interruption_is_heard_within_a_frame() {
        let (mut world, session) = World::new(Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 }, 16_000);
        world.say(&tone(16_000, 5.0));
        world.run(1_000);
        world.news(AgentNews::TrackInterrupted { session, track: id("t") });
        let before = world.heard.len();
        world.run(2_000);
        assert!(world.heard.len() - before <= 320, "{} samples after it", world.heard.len() - before);
    }

    #[test]
    fn losses_on_the_way_are_concealed() {
        let (mut world, _) = World::new(Encoding::Pcm16 { sample_rate_hz: 24_000, channels: 1 }, 24_000);
        world.loses_every = Some(10);
        world.say(&tone(24_000, 2.0));
        world.run(2_500);
        assert!((world.heard.len() as f64 / 48_000.0 - 1.0).abs() < 0.03, "{} samples", world.heard.len());
        assert!(power_at(&world.heard, 24_000, TONE_HZ) > 0.8);
        assert!(world.transcoder.stats().heard_lost >= 9);
    }

    #[test]
    fn sound_for_nobody_is_counted() {
        let (mut world, session) = World::new(Encoding::Opus, 16_000);
        let now = world.now;
        let mut said = Said { session: id("nobody"), track: id("t"), sound: vec![0; 4].into() };
        world.transcoder.take_said(&said, now);
        said.session = session.clone();
        said.track = id("unknown");
        world.transcoder.take_said(&said, now);
        world.news(AgentNews::Left { session });
        said.track = id("t");
        world.transcoder.take_said(&said, now);
        assert_eq!(
            (world.transcoder.stats().said_astray, world.transcoder.stats().agents),
            (3, 1),
            "one listens still"
        );
        assert_eq!(world.transcoder.due(), None);
    }

    #[test]
    fn a_decoder_that_nobody_needs_is_given_up() {
        let (mut world, _) = World::new(Encoding::Pcm16 { sample_rate_hz: 16_000, channels: 1 }, 16_000);
        world.say(&tone(16_000, 0.1));
        world.run(200);
        assert_eq!(world.transcoder.stats().hearings, 1);
        world.transcoder.tidy(world.now + HEARING_IDLE_MAX);
        assert_eq!(world.transcoder.stats().hearings, 0);
    }

    /// A speaker and a listener, with the room between them a wire.
    struct World {
        transcoder: Transcoder,
        now: Instant,
        sent: u64,
        loses_every: Option<u64>,
        heard: Vec<i16>,
    }

    impl World {
        fn new(encoding: Encoding, hears_hz: u32) -> (Self, SessionId) {
            let mut world = Self {
                transcoder: Transcoder::default(),
                now: Instant::now(),
                sent: 0,
                loses_every: None,
                heard: Vec::new(),
            };
            let session: SessionId = id("speaker");
            let holder: Holder = id::<velella_model::kind::Coordinator>("c").into();
            let (listener, output) = (id("listener"), Some(AgentOutput { sample_rate_hz: hears_hz }));
            let nothing = AgentNews::Joined { session: session.clone(), holder: holder.clone(), output: None };
            world.news(nothing);
            world.news(AgentNews::Joined { session: listener, holder, output });
            world.news(AgentNews::TrackAdded { session: session.clone(), track: id("t"), encoding });
            (world, session)
        }

        fn news(&mut self, news: AgentNews) {
            self.transcoder.take_news(0, news, self.now);
        }

        fn say(&mut self, samples: &[i16]) {
            let sound: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            self.transcoder.take_said(&Said { session: id("speaker"), track: id("t"), sound: sound.into() }, self.now);
        }

        fn run(&mut self, ms: u64) {
            for _ in 0..ms / 5 {
                self.now += Duration::from_millis(5);
                let mut sounds = Vec::new();
                self.transcoder.poll(self.now, |sound| sounds.push(sound));
                for sound in sounds {
                    self.carry(sound);
                }
                self.transcoder.poll(self.now, |sound| self.heard.extend(samples(sound)));
            }
        }

        fn carry(&mut self, sound: Sound) {
            let Sound::Spoken(_, spoken) = sound else { return self.heard.extend(samples(sound)) };
            let sequence = self.sent;
            self.sent += 1;
            if self.loses_every.is_none_or(|n| sequence % n != n - 1) {
                let SpokenPacket { track, timestamp, payload, .. } = spoken;
                let packet = SoundPacket { stream: 1, sequence, timestamp, payload };
                self.news(AgentNews::Heard { session: id("listener"), track, packet });
            }
        }
    }

    fn samples(sound: Sound) -> Vec<i16> {
        let Sound::Heard(_, heard) = sound else { panic!("nobody speaks here") };
        heard.sound.chunks(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "samples of a tone that is not too loud")]
    fn tone(rate_hz: u32, seconds: f64) -> Vec<i16> {
        let count = (f64::from(rate_hz) * seconds) as u32;
        let sample = |n| (f64::from(n) * TONE_HZ * std::f64::consts::TAU / f64::from(rate_hz)).sin() * 10_000.0;
        (0..count).map(|n| sample(n) as i16).collect()
    }

    /// The frequency by how often the wave goes up through zero.
    fn crossings_hz(samples: &[i16], rate_hz: u32) -> f64 {
        let ups = samples.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
        ups as f64 * f64::from(rate_hz) / samples.len() as f64
    }

    /// The share of the power that lies at one frequency.
    fn power_at(samples: &[i16], rate_hz: u32, hz: f64) -> f64 {
        let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let (angle, value) = (n as f64 * hz * std::f64::consts::TAU / f64::from(rate_hz), f64::from(*sample));
            re += value * angle.cos();
            im += value * angle.sin();
            power += value * value;
        }
        2.0 * (re * re + im * im) / (samples.len() as f64 * power)
    }

    fn id<K: Clone>(text: &str) -> Id<K> {
        Id::parse(text).unwrap()
    }
}
