//! AAC of a real encoder, ffmpeg's, as sources send it: with clocks that drift, pause and jump.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests stand outside of `#[test]`")]

use bytes::Bytes;
use velella_media::{AacConfig, AudioFormat, MediaTime, Sound};
use velella_sound::{OpusPacket, SoundStats, Transcoder};

const TONE_HZ: f64 = 440.0;
const MS: i64 = 1_000_000;

#[test]
fn a_minute_at_44_1_khz_is_a_minute_at_48_khz() {
    // Times as RTMP rounds them.
    let (packets, stats) = transcode(&Aac::tone(44_100, 2, 60), |exact| exact / MS * MS);
    let length_ms = 20 * packets.len() as i64;
    assert!((length_ms - 60_000).abs() <= 60, "{length_ms} ms: a packet, and what the encoder puts in front");
    assert_eq!(packets.last().map(|packet| packet.timestamp), Some(960 * (packets.len() as u64 - 1)));
    assert_eq!((stats.begun, stats.lost, stats.filled, stats.overlapped), (1, 0, 0, 0));
    let heard = decode(&packets, 2);
    let middle = &heard[48_000..59 * 48_000];
    let hz = crossings_hz(middle);
    assert!((hz - TONE_HZ).abs() < 0.02, "{hz} Hz, which is {} ppm off", (hz / TONE_HZ - 1.0) * 1e6);
    let share = power_at(&middle[..48_000], TONE_HZ);
    assert!(share > 0.999, "{share} of the power is the tone");
    assert!(packets[100].level_dbov.is_some_and(|level| (-24..=-18).contains(&level)), "{:?}", packets[100].level_dbov);
}

#[test]
fn every_rate_and_count_of_channels_keeps_its_tone() {
    for (rate_hz, channels) in [(48_000, 2), (48_000, 1), (32_000, 2), (22_050, 1), (16_000, 1), (96_000, 2)] {
        let (packets, stats) = transcode(&Aac::tone(rate_hz, channels, 3), |exact| exact);
        let heard = decode(&packets, channels);
        let middle = &heard[48_000..2 * 48_000];
        assert!((crossings_hz(middle) - TONE_HZ).abs() < 0.6, "{} Hz at {rate_hz}", crossings_hz(middle));
        assert!(power_at(middle, TONE_HZ) > 0.99, "{} at {rate_hz}", power_at(middle, TONE_HZ));
        assert_eq!(stats.begun, 1);
    }
}

#[test]
fn a_clock_that_is_200_ppm_off_is_followed() {
    for ppm in [200, -200] {
        let (packets, stats) = transcode(&Aac::tone(44_100, 1, 60), |exact| exact + exact / 1_000_000 * ppm);
        assert_eq!((stats.begun, stats.filled, stats.overlapped), (1, 0, 0), "nothing is cut or filled");
        let exact_ms = 60_000.0 * (1.0 + ppm as f64 / 1e6);
        let length_ms = 20.0 * packets.len() as f64;
        assert!((length_ms - exact_ms).abs() <= 60.0, "{length_ms} ms at {ppm} ppm");
        // The tone comes out as much lower or higher as the clock is off.
        let heard = decode(&packets, 1);
        let hz = crossings_hz(&heard[30 * 48_000..58 * 48_000]);
        let off_ppm = (1.0 - hz / TONE_HZ) * 1e6;
        assert!((off_ppm - ppm as f64).abs() < 60.0, "{off_ppm} ppm for {ppm}");
    }
}

#[test]
fn a_pause_of_3_s_and_a_clock_turned_back_by_3_s_are_one_step_each() {
    let aac = Aac::tone(44_100, 1, 6);
    let (packets, stats) = transcode(&aac, |exact| exact + if exact < 2_000 * MS { 0 } else { 3_000 * MS });
    assert_eq!(stats.begun, 2);
    let steps: Vec<_> = packets.windows(2).filter(|pair| pair[1].timestamp != pair[0].timestamp + 960).collect();
    assert_eq!(steps.len(), 1);
    let step_ms = (steps[0][1].timestamp - steps[0][0].timestamp) / 48;
    assert!((3_000..=3_020).contains(&step_ms), "{step_ms} ms");
    assert!(steps[0][1].begins);

    let (packets, stats) = transcode(&aac, |exact| exact - if exact < 4_000 * MS { 0 } else { 3_000 * MS });
    assert_eq!(stats.begun, 2);
    assert!(packets.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp + 960));
    assert_eq!(packets.windows(2).filter(|pair| pair[1].time < pair[0].time).count(), 1);
}

#[test]
fn a_packet_that_is_no_aac_is_a_moment_of_silence() {
    let mut aac = Aac::tone(44_100, 2, 3);
    for n in [40, 41, 80] {
        aac.units[n] = Bytes::from(vec![0x20; 100]);
    }
    let (packets, stats) = transcode(&aac, |exact| exact);
    assert_eq!((stats.lost, stats.panicked, stats.begun), (3, 0, 1));
    let length_ms = 20 * packets.len() as i64;
    assert!((length_ms - 3_000).abs() <= 60, "{length_ms} ms");
}

#[test]
fn bits_that_flip_on_the_way_end_nothing() {
    let mut aac = Aac::tone(44_100, 2, 10);
    let mut random = 1_u64;
    for unit in &mut aac.units {
        let mut bytes = unit.to_vec();
        for _ in 0..4 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] ^= 1 << (random >> 60 & 7);
        }
        *unit = bytes.into();
    }
    let (packets, stats) = transcode(&aac, |exact| exact);
    assert_eq!(stats.begun, 1);
    assert!((20 * packets.len() as i64 - 10_000).abs() <= 60, "{} packets", packets.len());
}

/// Access units, and how they are encoded.
struct Aac {
    config: AacConfig,
    units: Vec<Bytes>,
}

impl Aac {
    /// A sine at an eighth of full scale.
    fn tone(rate_hz: u32, channels: u8, seconds: u32) -> Self {
        let sine = format!("-f lavfi -i sine=frequency={TONE_HZ}:sample_rate={rate_hz}:duration={seconds}");
        let encoded = velella_ffmpeg::written(&format!("{sine} -ac {channels} -c:a aac -b:a 128k"), "adts");
        let mut units = Vec::new();
        let mut rest = Bytes::from(encoded);
        while rest.len() >= 7 {
            // The header of ADTS (ISO/IEC 13818-7, 6.2), which ffmpeg writes without a checksum.
            let length = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
            units.push(rest.split_to(length).slice(7..));
        }
        Self { config: AacConfig { object_type: 2, sample_rate_hz: rate_hz, channels }, units }
    }
}

/// With the times that `clock` makes of the exact ones, in nanoseconds.
fn transcode(aac: &Aac, clock: impl Fn(i64) -> i64) -> (Vec<OpusPacket>, SoundStats) {
    let mut transcoder = Transcoder::default();
    let mut packets = Vec::new();
    for (n, unit) in aac.units.iter().enumerate() {
        let exact = MediaTime::from_ticks(1_024 * n as i64, aac.config.sample_rate_hz);
        let (format, time) = (AudioFormat::Aac(aac.config), MediaTime(clock(exact.0)));
        transcoder.handle_sound(&Sound { format, time, data: unit.clone() });
        packets.extend(std::iter::from_fn(|| transcoder.poll_packet()));
    }
    transcoder.finish();
    packets.extend(std::iter::from_fn(|| transcoder.poll_packet()));
    (packets, transcoder.stats())
}

/// The first channel.
fn decode(packets: &[OpusPacket], channels: u8) -> Vec<f32> {
    let count = if channels == 1 { opus::Channels::Mono } else { opus::Channels::Stereo };
    let mut decoder = opus::Decoder::new(48_000, count).unwrap();
    let mut samples = vec![0.0; 960 * usize::from(channels)];
    let mut heard = Vec::new();
    for packet in packets {
        assert_eq!(decoder.decode_float(&packet.data, &mut samples, false).unwrap(), 960);
        heard.extend(samples.iter().step_by(usize::from(channels)));
    }
    heard
}

/// The frequency by how often the wave goes up through zero, from the first time to the last.
fn crossings_hz(samples: &[f32]) -> f64 {
    let ups: Vec<f64> = samples
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0.0 && pair[1] >= 0.0)
        .map(|(n, pair)| n as f64 + f64::from(pair[0] / (pair[0] - pair[1])))
        .collect();
    (ups.len() - 1) as f64 * 48_000.0 / (ups[ups.len() - 1] - ups[0])
}

/// The share of the power that lies at one frequency.
fn power_at(samples: &[f32], hz: f64) -> f64 {
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (angle, value) = (n as f64 * hz * std::f64::consts::TAU / 48_000.0, f64::from(*sample));
        re += value * angle.cos();
        im += value * angle.sin();
        power += value * value;
    }
    2.0 * (re * re + im * im) / (samples.len() as f64 * power)
}
