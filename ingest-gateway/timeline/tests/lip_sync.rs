//! A sender whose clocks run wrong, a network with queues and losses: how far sound and picture come apart.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may fail loudly"
)]

use proptest::prelude::*;
use velella_media::MediaTime;
use velella_timeline::{Placed, Report, SenderClock, TrackKey};

const HOUR: f64 = 3_600.0;
/// What people do not notice, and what the project promises.
const LIP_SYNC_MAX_MS: f64 = 40.0;

#[test]
fn sound_and_picture_stay_together_for_an_hour_whatever_the_clocks_do() {
    for (audio_ppm, video_ppm, ntp_ppm) in
        [(200.0, -200.0, 0.0), (-200.0, 200.0, 200.0), (0.0, 0.0, -200.0), (200.0, 200.0, -200.0)]
    {
        let world = World { audio_ppm, video_ppm, ntp_ppm, ..World::calm() };
        let seen = world.run(HOUR);
        assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{audio_ppm} {video_ppm} {ntp_ppm}: {} ms apart", seen.apart_ms);
        assert_eq!(seen.discontinuities, 0);
        assert!(seen.behind_ms < 150.0, "{} ms behind the least delay", seen.behind_ms);
    }
}

#[test]
fn queues_and_losses_do_not_pull_them_apart() {
    let world =
        World { audio_ppm: 200.0, video_ppm: -200.0, queue_ms: 150.0, loss: 0.2, report_loss: 0.5, ..World::calm() };
    let seen = world.run(HOUR);
    assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{} ms apart", seen.apart_ms);
    assert_eq!(seen.discontinuities, 0);
}

#[test]
fn reports_that_a_server_made_up_at_arrival_are_averaged() {
    let world = World { audio_ppm: 100.0, report_noise_ms: 30.0, ..World::calm() };
    let seen = world.run(HOUR / 4.0);
    assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{} ms apart", seen.apart_ms);
}

#[test]
fn the_epoch_of_the_reports_does_not_matter() {
    for epoch_s in [0.0, 5.0, 2_208_988_800.0, 4_294_960_000.0] {
        let seen = World { epoch_s, audio_ppm: 200.0, ..World::calm() }.run(600.0);
        assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{epoch_s}: {} ms apart", seen.apart_ms);
        assert_eq!(seen.discontinuities, 0);
    }
}

#[test]
fn reports_of_two_epochs_do_not_pull_one_track_away() {
    // What the network adds to one track alone is not known then, but it is all that is not.
    let seen = World { video_epoch_off_s: 3_600.0, ..World::calm() }.run(600.0);
    assert!(seen.apart_ms < 100.0, "{} ms apart", seen.apart_ms);
    assert_eq!(seen.discontinuities, 0);
}

#[test]
fn a_first_report_of_all_ones_is_refused() {
    let world = World { first_report_rtp: Some(u32::MAX), ..World::calm() };
    let seen = world.run(300.0);
    assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{} ms apart", seen.apart_ms);
    assert_eq!((seen.discontinuities, seen.refused), (0, 2));
}

#[test]
fn without_reports_they_are_apart_by_what_their_ways_differ() {
    let world = World { audio_ppm: 200.0, video_ppm: -200.0, report_loss: 1.0, ..World::calm() };
    let seen = world.run(HOUR);
    // The picture takes 45 ms longer. That it shows proves that the other tests see what reports are good for.
    assert!((30.0..100.0).contains(&seen.apart_ms), "{} ms apart", seen.apart_ms);
    assert_eq!(seen.discontinuities, 0);
}

#[test]
fn a_sender_whose_wall_clock_is_set_goes_on() {
    for step_s in [2.0, -2.0, 86_400.0, -0.2] {
        let seen = World { ntp_step: Some((200.0, step_s)), audio_ppm: 100.0, ..World::calm() }.run(500.0);
        assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{step_s}: {} ms apart", seen.apart_ms);
        assert_eq!(seen.discontinuities, 0, "{step_s}");
    }
}

#[test]
fn a_jump_of_time_stamps_is_a_discontinuity_and_never_hours() {
    for jump_s in [0.5, 3.0, 40.0, 20_000.0, -1.5, -3.0, -40.0, -20_000.0] {
        let seen = World { video_jump: Some((100.0, jump_s)), ..World::calm() }.run(400.0);
        assert!((1..=2).contains(&seen.discontinuities), "{jump_s}: {} discontinuities", seen.discontinuities);
        assert!(seen.apart_ms < LIP_SYNC_MAX_MS, "{jump_s}: {} ms apart in the end", seen.apart_ms);
    }
}

#[test]
fn a_clock_that_stood_still_in_a_pause_is_set_again() {
    let mut clock = SenderClock::new();
    let video = clock.open(90_000).unwrap();
    let at = |clock: &mut SenderClock, rtp: u32, ms: i64| clock.place(video, rtp, arrival(ms)).unwrap();
    for n in 0..100 {
        at(&mut clock, n * 3_000, i64::from(n) * 1_000 / 30);
    }
    let resumed = at(&mut clock, 100 * 3_000, 9_000);
    assert_eq!(resumed, Placed { time: arrival(9_000), discontinuity: true });
    assert_eq!(at(&mut clock, 101 * 3_000, 9_033).time, MediaTime(9_033_000_000));
}

#[test]
fn a_stall_is_caught_up_with() {
    let mut clock = SenderClock::new();
    let video = clock.open(90_000).unwrap();
    let mut last = MediaTime(i64::MIN);
    // Pictures of 100 to 200 come at once, when those of 200 are due.
    for n in 0..400_u32 {
        let captured_ms = i64::from(n) * 40;
        let came_ms = if (100..200).contains(&n) { 8_000 } else { captured_ms };
        let placed = clock.place(video, n * 3_600, arrival(came_ms)).unwrap();
        assert!(placed.time > last, "{n}");
        last = placed.time;
        // A millisecond apart each, they reach 100 ms into what follows.
        if n >= 204 {
            assert!((placed.time.0 - arrival(captured_ms).0).abs() < 60_000_000, "{n}: {:?}", placed.time);
        }
    }
}

#[test]
fn a_burst_at_the_beginning_does_not_shift_the_rest() {
    let mut clock = SenderClock::new();
    let audio = clock.open(48_000).unwrap();
    for n in 0..200_u32 {
        let captured_ms = i64::from(n) * 20;
        // A server kept the first second for whoever joins.
        let placed = clock.place(audio, n * 960, arrival(captured_ms.max(1_000))).unwrap();
        assert!(!placed.discontinuity);
        // A millisecond apart each, they reach 50 ms into what follows.
        assert!(captured_ms < 1_080 || (placed.time.0 - arrival(captured_ms).0).abs() < 2_000_000, "{n}: {placed:?}");
    }
}

#[test]
fn tracks_are_bounded_and_end() {
    let mut clock = SenderClock::new();
    let keys: Vec<TrackKey> = std::iter::from_fn(|| clock.open(48_000)).take(1_000).collect();
    assert_eq!(keys.len(), 64);
    keys.iter().for_each(|key| clock.close(*key));
    assert_eq!(clock.place(keys[0], 0, arrival(0)), None);
    assert!(clock.open(90_000).is_some() && clock.open(0).is_none());
}

proptest! {
    #[test]
    fn moments_of_anything_grow_and_stay_near_the_arrival(
        packets in prop::collection::vec((any::<u32>(), 0_u32..9_000, 0_i64..5_000, 0_u8..6, any::<u64>()), 1..200),
    ) {
        let mut clock = SenderClock::new();
        let video = clock.open(90_000).unwrap();
        let (mut rtp, mut now, mut last) = (0_u32, 0, None);
        for (wild, step, ms, kind, ntp) in packets {
            now += ms;
            rtp = if kind == 0 { wild } else { rtp.wrapping_add(step) };
            if kind == 1 {
                clock.handle_report(video, Report { rtp, ntp }, arrival(now));
            }
            let placed = clock.place(video, rtp, arrival(now)).unwrap();
            prop_assert!(!placed.discontinuity || last.is_none_or(|last| placed.time > last));
            let early = placed.time.0 - arrival(now).0;
            prop_assert!((-11_000_000_000..11_000_000_000).contains(&early), "{early} ns before its arrival");
            last = last.max(Some(placed.time));
        }
    }
}

/// A sender with a microphone and a camera, and the network between.
#[derive(Clone, Copy)]
struct World {
    audio_ppm: f64,
    video_ppm: f64,
    ntp_ppm: f64,
    epoch_s: f64,
    /// How far the reports of the video are of another clock.
    video_epoch_off_s: f64,
    queue_ms: f64,
    loss: f64,
    report_loss: f64,
    report_noise_ms: f64,
    first_report_rtp: Option<u32>,
    /// When, and by how much.
    ntp_step: Option<(f64, f64)>,
    video_jump: Option<(f64, f64)>,
}

struct Seen {
    /// Largest distance of sound and picture of the same moment, once clocks are known.
    apart_ms: f64,
    /// How far the latest moment lies behind its capture.
    behind_ms: f64,
    discontinuities: u64,
    refused: u64,
}

struct Sent {
    arrives: f64,
    captured: f64,
    what: What,
}

enum What {
    Packet(u32),
    Report(Report),
}

impl World {
    fn calm() -> Self {
        Self {
            audio_ppm: 0.0,
            video_ppm: 0.0,
            ntp_ppm: 0.0,
            epoch_s: 3_900_000_000.0,
            video_epoch_off_s: 0.0,
            queue_ms: 30.0,
            loss: 0.01,
            report_loss: 0.1,
            report_noise_ms: 1.0,
            first_report_rtp: None,
            ntp_step: None,
            video_jump: None,
        }
    }

    fn run(self, seconds: f64) -> Seen {
        let mut chance = Chance(7);
        let mut clock = SenderClock::new();
        let (audio, video) = (clock.open(48_000).unwrap(), clock.open(90_000).unwrap());
        let mut sent: Vec<(TrackKey, Sent)> = Vec::new();
        sent.extend(self.track(seconds, 0.02, 0.0, &mut chance, true).into_iter().map(|sent| (audio, sent)));
        sent.extend(self.track(seconds, 1.0 / 30.0, 0.045, &mut chance, false).into_iter().map(|sent| (video, sent)));
        sent.sort_by(|(_, one), (_, other)| one.arrives.total_cmp(&other.arrives));
        // Settling takes until there are reports; after what happens on purpose, as long again.
        let upset = self.ntp_step.or(self.video_jump).map(|(at, _)| at);
        let judged = |at: f64| at > 60.0 && upset.is_none_or(|upset| !(upset..upset + 100.0).contains(&at));
        let mut seen = Seen { apart_ms: 0.0, behind_ms: 0.0, discontinuities: 0, refused: 0 };
        let (mut off_audio, mut last) = (None, [i64::MIN; 2]);
        for (key, sent) in sent {
            let now = MediaTime((sent.arrives * 1e9) as i64);
            match sent.what {
                What::Report(report) => clock.handle_report(key, report, now),
                What::Packet(rtp) => {
                    let placed = clock.place(key, rtp, now).unwrap().time.0;
                    let last = &mut last[usize::from(key == video)];
                    assert!(placed > *last, "moments of a track grow");
                    *last = placed;
                    let off = placed as f64 / 1e6 - sent.captured * 1e3;
                    if key == audio {
                        off_audio = Some(off);
                    } else if let Some(off_audio) = off_audio.filter(|_| judged(sent.captured)) {
                        seen.apart_ms = seen.apart_ms.max((off - off_audio).abs());
                        seen.behind_ms = seen.behind_ms.max(off);
                    }
                }
            }
        }
        for key in [audio, video] {
            let stats = clock.stats(key).unwrap();
            seen.discontinuities += stats.discontinuities;
            seen.refused += stats.reports_refused;
        }
        seen
    }

    /// Everything that one track sends. `encoding` is what its packets take longer.
    fn track(self, seconds: f64, step: f64, encoding: f64, chance: &mut Chance, audio: bool) -> Vec<Sent> {
        let (rate, ppm) = if audio { (48_000.0, self.audio_ppm) } else { (90_000.0, self.video_ppm) };
        let jump = |at: f64| self.video_jump.filter(|(when, _)| !audio && at >= *when).map_or(0.0, |(_, by)| by);
        // Begins near the wrap.
        let rtp = |at: f64| {
            (4_294_000_000.0 + (at * (1.0 + ppm * 1e-6) + jump(at)) * rate).rem_euclid(4_294_967_296.0) as u32
        };
        let epoch = self.epoch_s + if audio { 0.0 } else { self.video_epoch_off_s };
        let stepped = |at: f64| self.ntp_step.filter(|(when, _)| at >= *when).map_or(0.0, |(_, by)| by);
        let ntp = |at: f64| epoch + at * (1.0 + self.ntp_ppm * 1e-6) + stepped(at);
        let (mut sent, mut next_report, mut first, mut queued, mut arrived) = (Vec::new(), 0.3, true, 0.0_f64, 0.0_f64);
        for n in 0..(seconds / step) as u32 {
            let captured = f64::from(n) * step;
            // Queues fill and drain over seconds.
            queued = (queued + (chance.next() - 0.52) * self.queue_ms / 5.0).clamp(0.0, self.queue_ms);
            let way = 0.04 + (queued + chance.next() * 5.0) / 1e3;
            arrived = arrived.max(captured + encoding + way);
            if chance.next() >= self.loss {
                sent.push(Sent { arrives: arrived, captured, what: What::Packet(rtp(captured)) });
            }
            if captured > next_report {
                next_report = captured + if audio { 2.5 + chance.next() * 5.0 } else { 0.5 + chance.next() };
                let noise = (chance.next() * 2.0 - 1.0) * self.report_noise_ms / 1e3;
                let report = Report {
                    rtp: self.first_report_rtp.filter(|_| std::mem::take(&mut first)).unwrap_or_else(|| rtp(captured)),
                    ntp: ((ntp(captured) + noise).max(0.0) * 4_294_967_296.0) as u64,
                };
                if chance.next() >= self.report_loss {
                    sent.push(Sent { arrives: captured + way + 1e-4, captured, what: What::Report(report) });
                }
            }
        }
        sent
    }
}

/// Numbers from 0 to 1, the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from((self.0 >> 32) as u32) / 4_294_967_296.0
    }
}

fn arrival(ms: i64) -> MediaTime {
    MediaTime(ms * 1_000_000)
}
