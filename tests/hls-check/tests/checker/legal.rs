//! Legal streams pass, of whatever they are made.

use std::time::Duration;

use proptest::prelude::*;
use velella_hls_check::rule::Rule;

use crate::script::{Part, Script, Segment, Track, plain};
use crate::server::{Server, watch};

const FROM: Duration = Duration::from_secs(9);

#[test]
fn a_plain_stream_passes_and_every_rule_was_checked() {
    let report = watch(&Server::new(plain(60)), FROM, Duration::from_secs(100));
    assert_eq!((report.musts(), report.shoulds()), (0, 0), "{}", report.table());
    for rule in Rule::ALL {
        assert!(report.row(rule).unwrap().row.checked > 0, "{rule:?} was never checked");
    }
}

/// It was right when it was given, and what was too far ahead then is not any more.
#[test]
fn a_refusal_may_be_overtaken_by_the_end_of_its_segment() {
    let mut server = Server::new(plain(60));
    server.tamper = Box::new(|_, _, answer| {
        if answer.status == 400 {
            answer.received += Duration::from_secs(1);
        }
    });
    let report = watch(&server, FROM, Duration::from_secs(100));
    assert_eq!((report.musts(), report.shoulds()), (0, 0), "{}", report.table());
}

/// A segment in the terms of the script: durations in percent of the part target, and what happens at its beginning.
fn segment() -> impl Strategy<Value = (Vec<u64>, u64, u8)> {
    (prop::collection::vec(85_u64..=100, 0..4), 10_u64..=100, 0_u8..12)
}

fn script(part_target_ms: u64, segments: Vec<(Vec<u64>, u64, u8)>, delays: &[u64]) -> Script {
    let mut script = plain(0);
    script.part_target_ms = part_target_ms;
    script.target_s = (part_target_ms * 4).div_ceil(1000);
    script.window_ms = script.target_s * 9_000;
    script.parts_ms = script.target_s * 3_000;
    script.skip_until_ms = script.target_s * 6_000;
    let mut track = Vec::new();
    let mut delays = delays.iter().cycle();
    let mut map = 0;
    for (inner, last, event) in segments {
        let lasting = inner.iter().chain([&last]).map(|percent| part_target_ms * percent / 100);
        let parts = lasting.enumerate().map(|(index, duration_ms)| Part {
            duration_ms: duration_ms.max(20),
            independent: index == 0,
            delay_ms: *delays.next().unwrap(),
        });
        map += usize::from(event == 1);
        // A change, a jump of the clock that is marked, a gap.
        let (discontinuity, jump_ms) = (event <= 2, if event == 2 { 700 } else { 0 });
        track.push(Segment { parts: parts.collect(), discontinuity, map, gap: event == 3, jump_ms });
    }
    script.tracks = ["video", "audio"].map(|name| Track { name, segments: track.clone() }).into();
    script
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_legal_stream_passes(
        part_target_ms in 200_u64..1200,
        segments in prop::collection::vec(segment(), 25..50),
        delays in prop::collection::vec(0_u64..20, 50),
        ends: bool,
        ranges: bool,
        joined_percent in 0_u64..50,
    ) {
        let script = Script { ends, ranges, ..script(part_target_ms, segments, &delays) };
        let end = script.tracks[0].segments.iter().map(Segment::duration_ms).sum::<u64>();
        // A stream that does not end must not be watched further than it goes.
        let until = if ends { end + 5_000 } else { end - end / 10 };
        let from = end * joined_percent / 100;
        let report = watch(&Server::new(script), Duration::from_millis(from), Duration::from_millis(until));
        prop_assert_eq!((report.musts(), report.shoulds()), (0, 0), "{}", report.table());
    }
}
