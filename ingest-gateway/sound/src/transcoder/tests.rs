//! G.711 and Opus through a transcoder; AAC is in `tests/aac.rs`, with a real encoder.

use proptest::prelude::*;
use velella_media::AacConfig;

use super::*;

const ULAW: AudioFormat = AudioFormat::Pcmu { sample_rate_hz: 8_000 };
const OPUS: AudioFormat = AudioFormat::Opus { channels: 2 };
/// 20 ms of µ-law silence.
const SILENCE: [u8; 160] = [0xff; 160];

fn sound(format: AudioFormat, ms: i64, data: &[u8]) -> Sound {
    Sound { format, time: MediaTime::from_ticks(ms, 1_000), data: Bytes::copy_from_slice(data) }
}

fn packets(transcoder: &mut Transcoder) -> Vec<OpusPacket> {
    std::iter::from_fn(|| transcoder.poll_packet()).collect()
}

/// What becomes of so many pieces of 20 ms from there on.
fn run(transcoder: &mut Transcoder, from_ms: i64, pieces: i64) -> Vec<OpusPacket> {
    let piece = |n| {
        transcoder.handle_sound(&sound(ULAW, from_ms + n * 20, &SILENCE));
        packets(transcoder)
    };
    (0..pieces).flat_map(piece).collect()
}

fn opus_packet() -> Vec<u8> {
    Encoder::new(2).unwrap().encode(&[0.0; 2 * PACKET_SAMPLES]).unwrap()
}

#[test]
fn a_minute_of_g711_is_a_minute_of_opus() {
    let mut transcoder = Transcoder::default();
    let mut made = run(&mut transcoder, 500, 3_000);
    transcoder.finish();
    made.extend(packets(&mut transcoder));
    assert_eq!(made.len(), 3_000);
    assert!(made.iter().enumerate().all(|(n, packet)| packet.timestamp == 960 * n as u64 && packet.begins == (n == 0)));
    assert_eq!(made[0].time, MediaTime::from_ticks(500, 1_000));
    assert_eq!(made[2_999].time, MediaTime::from_ticks(500 + 59_980, 1_000));
    assert_eq!((made[9].level_dbov, made[9].ticks), (Some(-127), 960));
}

#[test]
fn a_hole_of_100_ms_is_filled() {
    let mut transcoder = Transcoder::default();
    let mut made = run(&mut transcoder, 0, 50);
    made.extend(run(&mut transcoder, 1_100, 50));
    transcoder.finish();
    made.extend(packets(&mut transcoder));
    assert_eq!((made.len(), transcoder.stats().filled), (105, 1));
    assert!(made.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp + 960));
}

#[test]
fn over_a_hole_of_3_s_the_clock_steps_by_3_s() {
    let mut transcoder = Transcoder::default();
    let before = run(&mut transcoder, 0, 50);
    let after = run(&mut transcoder, 4_000, 50);
    assert_eq!(before.last().map(|packet| packet.timestamp), Some(47 * 960), "two are still on their way");
    assert_eq!((after[1].timestamp, after[1].begins), (49 * 960, false), "and come now");
    assert_eq!((after[2].timestamp, after[2].begins), (4 * 48_000, true));
    assert_eq!(after[2].time, MediaTime::from_ticks(4_000, 1_000));
    assert_eq!(transcoder.stats().begun, 2);
}

#[test]
fn a_clock_that_is_turned_back_changes_the_time_and_not_the_timestamps() {
    let mut transcoder = Transcoder::default();
    let mut made = run(&mut transcoder, 10_000, 50);
    made.extend(run(&mut transcoder, 7_000, 50));
    assert!(made.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp + 960));
    assert_eq!(made[50].time, MediaTime::from_ticks(7_000, 1_000));
    assert!(made[50].begins);
}

#[test]
fn what_comes_twice_is_cut_off() {
    let mut transcoder = Transcoder::default();
    let mut made = run(&mut transcoder, 0, 50);
    made.extend(run(&mut transcoder, 900, 55));
    transcoder.finish();
    made.extend(packets(&mut transcoder));
    assert_eq!(made.len(), 100);
    assert!(transcoder.stats().overlapped >= 3, "{:?}", transcoder.stats());
}

#[test]
fn opus_is_passed_through_with_timestamps_of_its_own_length() {
    let mut transcoder = Transcoder::default();
    let packet = opus_packet();
    // Times as RTMP rounds and jitters them.
    for at in [0, 21, 39, 60, 95, 100, 300, 290, 320] {
        transcoder.handle_sound(&sound(OPUS, at, &packet));
    }
    let made = packets(&mut transcoder);
    let places: Vec<_> = made.iter().map(|packet| (packet.timestamp / 48, packet.begins)).collect();
    assert_eq!(
        places,
        [
            (0, true),
            (20, false),
            (40, false),
            (60, false),
            (80, false),
            (100, false),
            (300, true),
            (320, false),
            (340, false)
        ]
    );
    assert!(made.iter().all(|made| made.data == packet && made.level_dbov.is_none()));
    for garbage in [&[][..], &[0xff], &[0; PACKET_BYTES_MAX + 1]] {
        transcoder.handle_sound(&sound(OPUS, 360, garbage));
    }
    assert_eq!((packets(&mut transcoder), transcoder.stats().lost), (vec![], 3));
}

#[test]
fn a_new_format_in_the_middle_goes_on_where_the_old_one_ends() {
    let mut transcoder = Transcoder::default();
    let mut made = run(&mut transcoder, 0, 50);
    transcoder.handle_sound(&sound(OPUS, 1_000, &opus_packet()));
    made.extend(packets(&mut transcoder));
    made.extend(run(&mut transcoder, 1_020, 50));
    assert!(made.windows(2).all(|pair| pair[1].timestamp == pair[0].timestamp + 960), "{:?}", transcoder.stats());
    transcoder.finish();
    made.extend(packets(&mut transcoder));
    assert_eq!(made.len(), 101);
}

#[test]
fn what_nobody_decodes_is_counted() {
    let mut transcoder = Transcoder::default();
    let main = AudioFormat::Aac(AacConfig { object_type: 1, sample_rate_hz: 44_100, channels: 2 });
    transcoder.handle_sound(&sound(main, 0, &[1, 2, 3]));
    transcoder.handle_sound(&sound(main, 23, &[1, 2, 3]));
    assert_eq!((packets(&mut transcoder), transcoder.stats().unsupported), (vec![], 2));
    assert!(!run(&mut transcoder, 40, 10).is_empty(), "the next format is fine");
}

#[test]
fn what_nobody_polls_is_bounded() {
    let mut transcoder = Transcoder::default();
    (0..400).for_each(|n| transcoder.handle_sound(&sound(ULAW, n * 20, &SILENCE)));
    let made = packets(&mut transcoder);
    let SoundStats { packets, dropped, .. } = transcoder.stats();
    assert_eq!((made.len(), dropped), (PACKETS_MAX, packets - PACKETS_MAX as u64));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn timestamps_only_go_forward(pieces in proptest::collection::vec((0_u8..4, any::<i64>(), 0_i64..200, proptest::collection::vec(any::<u8>(), 0..300)), 0..40)) {
        let mut transcoder = Transcoder::default();
        let (mut at, mut end) = (0, 0);
        for (what, absurd, ms, data) in pieces {
            at += ms;
            let (format, time) = match what {
                0 => (OPUS, at),
                1 => (AudioFormat::Pcma { sample_rate_hz: 16_000 }, at),
                2 => (ULAW, at),
                _ => (ULAW, absurd),
            };
            transcoder.handle_sound(&Sound { time: MediaTime(time.saturating_mul(if what == 3 { 1 } else { 1_000_000 })), ..sound(format, 0, &data) });
            for packet in packets(&mut transcoder) {
                prop_assert!(packet.timestamp >= end);
                prop_assert!(packet.begins || packet.timestamp == end);
                end = packet.timestamp + u64::from(packet.ticks);
            }
        }
    }
}
