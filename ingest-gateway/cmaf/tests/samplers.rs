//! Frames in, samples out: what becomes of holes, jumps, silence and changes.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use velella_cmaf::{AudioSampler, Output, Policy, Sample, VideoSampler, fragment};
use velella_media::{AacConfig, AudioFormat, MediaTime, Picture, Sound, VideoCodec};

const OPUS: AudioFormat = AudioFormat::Opus { channels: 2 };
/// x264 and its parameter sets, 640x360 and 1920x1080.
const SPS_SMALL: &str = "6764001eacb201405ff2e022000003000200000300641e2c5c90";
const SPS_LARGE: &str = "6742c028d900780227e5c044000003000400000300c83c60c920";

#[test]
fn the_first_picture_is_told_when_the_next_one_comes() {
    let mut video = video();
    video.handle_picture(&key(0));
    assert_eq!(told(&mut video), ["avc1.64001e"]);
    video.handle_picture(&delta(40));
    assert_eq!(told(&mut video), ["0+3600 sync"]);
    video.finish();
    assert_eq!(told(&mut video), ["3600+3600"], "the last one stands as long as the one before");
}

#[test]
fn nothing_comes_before_a_key_frame() {
    let mut video = video();
    video.handle_picture(&delta(0));
    video.handle_picture(&key(40));
    video.handle_picture(&delta(80));
    assert_eq!(told(&mut video), ["avc1.64001e", "3600+3600 sync"]);
    video.handle_loss();
    video.handle_picture(&delta(120));
    video.handle_picture(&key(200));
    video.handle_picture(&delta(240));
    assert_eq!(told(&mut video), ["7200+10800", "18000+3600 sync"], "the picture before the loss stands");
    assert_eq!(video.stats().undecodable, 2);
}

#[test]
fn a_picture_stands_in_place_of_those_that_are_missing_and_then_there_is_a_gap() {
    let mut video = video();
    video.handle_picture(&key(0));
    video.handle_picture(&delta(900));
    video.handle_picture(&delta(3_000));
    video.handle_picture(&delta(3_040));
    assert_eq!(told(&mut video), ["avc1.64001e", "0+81000 sync", "81000+90000", "gap 171000+99000", "270000+3600"]);
}

#[test]
fn a_picture_that_nobody_follows_is_given_in_time() {
    let mut video = video();
    video.handle_picture(&key(0));
    video.handle_time(ms(999));
    assert_eq!(told(&mut video), ["avc1.64001e"]);
    video.handle_time(ms(1_000));
    video.handle_time(ms(1_500));
    assert_eq!(told(&mut video), ["0+90000 sync", "gap 90000+45000"]);
    // It comes all the same: decoded at once, so that what follows decodes.
    video.handle_picture(&delta(40));
    video.handle_picture(&delta(80));
    video.handle_picture(&delta(1_600));
    assert_eq!(told(&mut video), ["135000+1", "135001+8999"]);
}

#[test]
fn another_size_is_another_configuration() {
    let mut video = video();
    video.handle_picture(&key(0));
    video.handle_picture(&key_of(SPS_LARGE, 40));
    video.handle_picture(&key_of(SPS_LARGE, 80));
    video.finish();
    let expected = ["avc1.64001e", "0+3600 sync", "avc1.42c028", "3600+3600 sync", "7200+3600 sync"];
    assert_eq!(told(&mut video), expected);
}

#[test]
fn a_jump_forward_keeps_tracks_together() {
    let mut video = video();
    video.handle_picture(&key(0));
    video.handle_picture(&key(60_000));
    video.handle_picture(&delta(60_040));
    let expected = ["avc1.64001e", "0+3000 sync", "discontinuity 5400000", "5400000+3600 sync"];
    assert_eq!(told(&mut video), expected);
    let mut audio = audio(Policy::LIVE);
    audio.handle_sound(&opus(0));
    audio.handle_sound(&opus(60_000));
    assert_eq!(told(&mut audio), ["Opus", "0+960 sync", "discontinuity 2880000", "2880000+960 sync"]);
}

#[test]
fn a_jump_backward_or_absurd_goes_on_behind_what_was() {
    for absurd in [i64::MIN / 2, -100_000_000_000, i64::MAX] {
        let mut video = video();
        video.handle_picture(&key(1_000));
        video.handle_picture(&Picture { time: MediaTime(absurd), ..key(0) });
        let later = MediaTime(absurd).later(Duration::from_millis(40));
        video.handle_picture(&Picture { time: later, ..delta(0) });
        let told = told(&mut video);
        assert_eq!(told[..3], ["avc1.64001e", "90000+3000 sync", "discontinuity 93000"]);
        assert!(told[3] == "93000+3600 sync" || absurd == i64::MAX, "{told:?}");
        // And back again, as if nothing had been.
        video.handle_picture(&key(1_200));
        video.handle_picture(&key(1_240));
        assert_eq!(video.stats().discontinuities, 2, "{absurd}");
    }
}

#[test]
fn sound_follows_itself_and_not_its_jitter() {
    let mut audio = audio(Policy::LIVE);
    for time in [0, 25, 35, 61, 80] {
        audio.handle_sound(&opus(time));
    }
    let expected = ["Opus", "0+960 sync", "960+960 sync", "1920+960 sync", "2880+960 sync", "3840+960 sync"];
    assert_eq!(told(&mut audio), expected);
}

#[test]
fn a_source_that_runs_slow_gets_silence_and_a_fast_one_loses_a_packet() {
    // 1 % off: the clock moves away by a packet within two seconds.
    let run = |step_us: i64| {
        let mut audio = audio(Policy::LIVE);
        for n in 0..1_000 {
            audio.handle_sound(&Sound { time: MediaTime(n * step_us * 1_000), ..opus(0) });
        }
        let stats = audio.stats();
        (stats.silences, stats.late, stats.gaps, stats.samples)
    };
    assert_eq!(run(20_200), (9, 0, 0, 1_009));
    assert_eq!(run(19_800), (0, 9, 0, 991));
    assert_eq!(run(20_000), (0, 0, 0, 1_000));
}

#[test]
fn missing_sound_is_silence_and_then_a_gap() {
    let mut audio = audio(Policy::RECORDING);
    audio.handle_sound(&opus(0));
    audio.handle_sound(&opus(60));
    audio.handle_sound(&opus(3_000));
    assert_eq!(audio.stats().silences, 2 + 50);
    let outputs = told(&mut audio);
    assert_eq!(outputs[..5], ["Opus", "0+960 sync", "960+960 sync", "1920+960 sync", "2880+960 sync"]);
    assert_eq!(outputs[55..], ["gap 51840+92160", "144000+960 sync"]);
}

#[test]
fn a_muted_track_is_silent_as_time_goes_by() {
    let mut audio = audio(Policy::RECORDING);
    audio.handle_sound(&opus(0));
    audio.handle_time(ms(70));
    assert_eq!(told(&mut audio), ["Opus", "0+960 sync", "960+960 sync", "1920+960 sync"]);
    audio.handle_time(ms(5_000));
    audio.handle_time(ms(6_000));
    let outputs = told(&mut audio);
    assert_eq!(outputs[outputs.len() - 2..], ["gap 48960+191040", "gap 240000+48000"]);
    audio.handle_sound(&opus(5_000));
    assert_eq!((told(&mut audio).len(), audio.stats().late), (0, 1), "too late");
}

#[test]
fn another_format_goes_on_where_the_other_ended() {
    let mut audio = audio(Policy::LIVE);
    audio.handle_sound(&opus(0));
    let config = AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 };
    let aac = Sound { format: AudioFormat::Aac(config), time: ms(20), data: Bytes::from_static(&[1]) };
    audio.handle_sound(&aac);
    assert_eq!(told(&mut audio), ["Opus", "0+960 sync", "mp4a.40.2", "882+1024 sync"]);
    audio.handle_sound(&Sound { format: AudioFormat::Pcmu { sample_rate_hz: 8_000 }, ..aac });
    assert_eq!((told(&mut audio).len(), audio.stats().unusable), (0, 1));
}

#[test]
fn fragments_are_bounded_and_never_empty() {
    assert!(fragment(&[], 1, 0).is_err());
    let data = Bytes::from(vec![0; 33 * 1024 * 1024]);
    let sample = Sample { decode_time: 0, composition_offset: 0, duration: 1, sync: true, data };
    assert!(fragment(&[sample.clone(), sample], 1, 0).is_err());
}

proptest! {
    #[test]
    fn samples_of_anything_follow_each_other(
        pictures in prop::collection::vec((any::<i64>(), -2_000_i64..90_000, any::<bool>(), 0_u8..4), 0..60),
    ) {
        let mut video = video();
        let mut outputs = Vec::new();
        for (wild, tame, keyframe, kind) in pictures {
            let picture = if keyframe { key(tame) } else { delta(tame) };
            match kind {
                0 => video.handle_picture(&Picture { time: MediaTime(wild), ..picture }),
                1 => video.handle_time(ms(tame)),
                _ => video.handle_picture(&picture),
            }
            outputs.extend(std::iter::from_fn(|| video.poll_output()));
        }
        video.finish();
        outputs.extend(std::iter::from_fn(|| video.poll_output()));
        follow(&outputs)?;
    }

    #[test]
    fn sound_of_anything_follows_itself(
        sounds in prop::collection::vec((any::<i64>(), -2_000_i64..90_000, 0_u8..5, prop::collection::vec(any::<u8>(), 0..4)), 0..60),
    ) {
        let mut audio = audio(Policy::RECORDING);
        let mut outputs = Vec::new();
        for (wild, tame, kind, data) in sounds {
            match kind {
                0 => audio.handle_sound(&Sound { time: MediaTime(wild), ..opus(0) }),
                1 => audio.handle_time(ms(tame)),
                2 => audio.handle_sound(&Sound { data: data.into(), ..opus(tame) }),
                _ => audio.handle_sound(&opus(tame)),
            }
            outputs.extend(std::iter::from_fn(|| audio.poll_output()));
        }
        follow(&outputs)?;
    }

    #[test]
    fn pictures_of_nonsense_do_no_harm(codec in 0_u8..5, data: Vec<u8>, keyframe: bool) {
        let codec = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::Av1][usize::from(codec)];
        let mut video = video();
        video.handle_picture(&Picture { codec, time: ms(0), keyframe, reordered: false, data: data.into() });
        video.finish();
        for output in std::iter::from_fn(|| video.poll_output()) {
            if let Output::Sample(sample) = output {
                prop_assert!(fragment(&[sample], 1, 0).is_ok());
            }
        }
    }
}

/// Every output begins where the one before ended, or later after a discontinuity.
fn follow(outputs: &[Output]) -> Result<(), TestCaseError> {
    let mut end = None;
    for output in outputs {
        let (from, to) = match output {
            Output::Configured(_) => continue,
            Output::Sample(sample) => (sample.decode_time, sample.decode_time + u64::from(sample.duration)),
            Output::Gap { from, ticks } => (*from, from + ticks),
            Output::Discontinuity { decode_time, .. } => {
                prop_assert!(end.is_none_or(|end| *decode_time >= end));
                (*decode_time, *decode_time)
            }
        };
        let discontinuity = matches!(output, Output::Discontinuity { .. });
        prop_assert!(end.is_none_or(|end| end == from) || discontinuity, "{end:?} is followed by {output:?}");
        prop_assert!(to > from || discontinuity, "{output:?} takes no time");
        end = Some(to);
    }
    Ok(())
}

fn video() -> VideoSampler {
    VideoSampler::new(MediaTime(0), Policy::LIVE)
}

fn audio(policy: Policy) -> AudioSampler {
    AudioSampler::new(MediaTime(0), policy)
}

fn ms(ms: i64) -> MediaTime {
    MediaTime(ms * 1_000_000)
}

fn key(at_ms: i64) -> Picture {
    key_of(SPS_SMALL, at_ms)
}

fn key_of(sps: &str, at_ms: i64) -> Picture {
    let sps = (0..sps.len()).step_by(2).map(|at| u8::from_str_radix(&sps[at..at + 2], 16).unwrap());
    let start = [0, 0, 0, 1];
    let data =
        start.into_iter().chain(sps).chain(start).chain([0x68, 0xce, 0x3c, 0x80]).chain(start).chain([0x65, 0x88]);
    Picture { keyframe: true, data: data.collect(), ..delta(at_ms) }
}

fn delta(at_ms: i64) -> Picture {
    let data = Bytes::from_static(&[0, 0, 0, 1, 0x41, 0xe0]);
    Picture { codec: VideoCodec::H264, time: ms(at_ms), keyframe: false, reordered: false, data }
}

fn opus(at_ms: i64) -> Sound {
    Sound { format: OPUS, time: ms(at_ms), data: Bytes::from_static(&[0xfc, 1, 2]) }
}

trait Sampler {
    fn next(&mut self) -> Option<Output>;
}

impl Sampler for VideoSampler {
    fn next(&mut self) -> Option<Output> {
        self.poll_output()
    }
}

impl Sampler for AudioSampler {
    fn next(&mut self) -> Option<Output> {
        self.poll_output()
    }
}

/// What a sampler told, a word each.
fn told(sampler: &mut impl Sampler) -> Vec<String> {
    let word = |output| match output {
        Output::Configured(configuration) => configuration.codecs,
        Output::Sample(sample) => {
            let sync = if sample.sync { " sync" } else { "" };
            format!("{}+{}{sync}", sample.decode_time, sample.duration)
        }
        Output::Gap { from, ticks } => format!("gap {from}+{ticks}"),
        Output::Discontinuity { decode_time, .. } => format!("discontinuity {decode_time}"),
    };
    std::iter::from_fn(|| sampler.next()).map(word).collect()
}
