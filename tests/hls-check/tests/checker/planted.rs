//! Each rule finds what breaks it: a plain stream, spoiled in one way.

use std::time::Duration;

use velella_hls_check::observation::{Directives, ObjectKind, Protocol, Purpose, Request, Response};
use velella_hls_check::rule::{Level, Rule};

use crate::fmp4;
use crate::script::{Script, Track, plain};
use crate::server::{SLACK, Server, watch};

/// From when a stream is watched: it is as long as it gets.
const FROM: Duration = Duration::from_secs(25);

/// When answers of `later` begin to be spoiled: enough was seen by then to compare with.
const LATER: Duration = Duration::from_secs(35);

const UNTIL: Duration = Duration::from_secs(58);

/// One way to spoil a stream, and what is to be told of it.
struct Case {
    rule: Rule,
    level: Level,
    /// Words of the sentence.
    says: &'static str,
    script: fn(&mut Script),
    /// From when which answers are spoiled, and how.
    from: Duration,
    of: fn(&Request) -> bool,
    tamper: fn(&Request, Duration, &mut Response),
}

fn must(rule: Rule, says: &'static str) -> Case {
    let (level, from) = (Level::Must, Duration::ZERO);
    Case { rule, level, says, script: |_| {}, from, of: |_| true, tamper: |_, _, _| {} }
}

fn should(rule: Rule, says: &'static str) -> Case {
    Case { level: Level::Should, ..must(rule, says) }
}

impl Case {
    fn script(self, script: fn(&mut Script)) -> Self {
        Self { script, ..self }
    }

    fn later(self) -> Self {
        Self { from: LATER, ..self }
    }

    fn of(self, of: fn(&Request) -> bool) -> Self {
        Self { of, ..self }
    }

    fn answers(self, tamper: fn(&Request, Duration, &mut Response)) -> Self {
        Self { tamper, ..self }
    }

    fn is_found(&self) {
        let Self { from, of, tamper, .. } = *self;
        let mut script = plain(60);
        (self.script)(&mut script);
        let tamper = move |request: &Request, at: Duration, response: &mut Response| {
            if at > from && of(request) {
                tamper(request, at, response);
            }
        };
        let server = Server { tamper: Box::new(tamper), ..Server::new(script) };
        let report = watch(&server, FROM, UNTIL);
        let found = report.violations().any(|violation| {
            (violation.rule, violation.level) == (self.rule, self.level) && violation.sentence.contains(self.says)
        });
        assert!(found, "{:?}: {}\n{}", self.rule, self.says, report.table());
    }
}

/// The directives of a request for a media playlist.
fn directives(request: &Request) -> Option<Directives> {
    if let Purpose::Playlist(directives) = request.purpose { Some(directives) } else { None }
}

fn kind(request: &Request) -> Option<ObjectKind> {
    if let Purpose::Object(object) = request.purpose { Some(object.kind) } else { None }
}

fn is_plain(request: &Request) -> bool {
    directives(request) == Some(Directives::default())
}

fn is_delta(request: &Request) -> bool {
    directives(request).is_some_and(|directives| directives.skip)
}

fn is_blocking(request: &Request) -> bool {
    directives(request).is_some_and(|directives| directives.msn.is_some())
}

fn is_video(request: &Request) -> bool {
    request.url.path().contains("video")
}

fn is_part(request: &Request) -> bool {
    matches!(kind(request), Some(ObjectKind::Part { .. }))
}

fn is_segment(request: &Request) -> bool {
    matches!(kind(request), Some(ObjectKind::Segment { .. }))
}

fn is_hint(request: &Request) -> bool {
    matches!(kind(request), Some(ObjectKind::Hint { .. }))
}

/// Whether a part or segment of the plain script ended so long ago.
fn is_old(request: &Request, at: Duration, age_ms: u128) -> bool {
    let end_ms = match kind(request) {
        Some(ObjectKind::Part { msn, index }) => (msn - 5) * 2000 + (index as u64 + 1) * 500,
        Some(ObjectKind::Segment { msn }) => (msn - 4) * 2000,
        _ => return false,
    };
    at.as_millis() > u128::from(end_ms) + age_ms
}

/// Replaces in the text of good media playlists.
fn replace(request: &Request, response: &mut Response, old: &str, new: &str) {
    edit(request, response, |text| text.replace(old, new));
}

fn edit(request: &Request, response: &mut Response, change: impl Fn(&str) -> String) {
    if directives(request).is_some() && response.status == 200 {
        response.body = change(std::str::from_utf8(&response.body).unwrap()).into_bytes();
    }
}

/// Drops the lines that begin like this.
fn drop_lines(request: &Request, response: &mut Response, start: &str) {
    edit(request, response, |text| {
        text.lines().filter(|line| !line.starts_with(start)).map(|line| format!("{line}\n")).collect()
    });
}

fn set(response: &mut Response, name: &str, value: &str) {
    drop_header(response, name);
    response.headers.push((name.to_owned(), value.to_owned()));
}

fn drop_header(response: &mut Response, name: &str) {
    response.headers.retain(|(known, _)| known != name);
}

/// The track of a plain script that a request is about.
fn track<'a>(script: &'a Script, request: &Request) -> &'a Track {
    &script.tracks[usize::from(!is_video(request))]
}

/// What the plain script shows.
fn fresh(request: &Request, at: Duration, skip: bool) -> Vec<u8> {
    let script = plain(60);
    script.playlist(track(&script, request), at, skip).unwrap().into_bytes()
}

/// Changes a segment in both renditions.
fn both(script: &mut Script, change: impl Fn(&mut Track)) {
    script.tracks.iter_mut().for_each(change);
}

/// Publishes all parts of a track later from some segment on.
fn delay(track: &mut Track, from: usize, ms: u64) {
    for segment in track.segments.iter_mut().skip(from) {
        segment.parts.iter_mut().for_each(|part| part.delay_ms = ms);
    }
}

#[test]
fn what_is_wrong_with_one_playlist() {
    must(Rule::Syntax, "4.4.4.9").answers(|r, _, a| replace(r, a, "PART:DURATION=", "PART:LENGTH=")).is_found();
    must(Rule::S1, "longer than the target").script(|s| s.target_s = 1).is_found();
    must(Rule::S2, "the part target is").script(|s| s.part_target_ms = 400).is_found();
    must(Rule::S2, "less than 85 %").script(|s| s.tracks[0].segments[20].parts[2].duration_ms = 400).is_found();
    must(Rule::S2, "its parts").answers(|r, _, a| replace(r, a, "#EXTINF:2.000", "#EXTINF:1.900")).is_found();
    must(Rule::S3, "CAN-SKIP-UNTIL").script(|s| s.skip_until_ms = 11_000).is_found();
    must(Rule::S3, "less than two part targets").answers(|r, _, a| replace(r, a, "BACK=1.5", "BACK=0.9")).is_found();
    should(Rule::S3, "less than three").answers(|r, _, a| replace(r, a, "BACK=1.5", "BACK=1.4")).is_found();
    must(Rule::S3, "needs PART-HOLD-BACK").answers(|r, _, a| replace(r, a, ",PART-HOLD-BACK=1.500", "")).is_found();
    must(Rule::S3, "needs EXT-X-SERVER-CONTROL").answers(|r, _, a| drop_lines(r, a, "#EXT-X-SERVER")).is_found();
    must(Rule::S18, "is needed").answers(|r, _, a| replace(r, a, "VERSION:6", "VERSION:5")).is_found();
    should(Rule::S18, "is enough").answers(|r, _, a| replace(r, a, "VERSION:6", "VERSION:10")).is_found();
    must(Rule::S14, "no EXT-X-PROGRAM-DATE-TIME").answers(|r, _, a| drop_lines(r, a, "#EXT-X-PROGRAM")).is_found();
    must(Rule::S14, "no hint").answers(|r, _, a| drop_lines(r, a, "#EXT-X-PRELOAD-HINT")).is_found();
    should(Rule::S14, "is independent").answers(|r, _, a| replace(r, a, ",INDEPENDENT=YES", "")).is_found();
    should(Rule::S13, "two hints").answers(|r, _, a| edit(r, a, |text| twice(text, "#EXT-X-PRELOAD-HINT"))).is_found();
}

/// Repeats the lines that begin like this.
fn twice(text: &str, start: &str) -> String {
    let times = |line: &str| if line.starts_with(start) { 2 } else { 1 };
    text.lines().map(|line| format!("{line}\n").repeat(times(line))).collect()
}

#[test]
fn edits_that_are_not_allowed() {
    must(Rule::S1, "has changed").later().answers(|r, _, a| replace(r, a, "DURATION:2\n", "DURATION:3\n")).is_found();
    must(Rule::S5, "EXTINF of").later().answers(|r, _, a| replace(r, a, "INF:2.000", "INF:2.001")).is_found();
    must(Rule::S5, "URI of").later().answers(|r, _, a| replace(r, a, "\n20.m4s", "\ntwenty.m4s")).is_found();
    must(Rule::S5, "GAP of")
        .later()
        .answers(|r, _, a| replace(r, a, "INF:2.000,\n21", "INF:2.000,\n#EXT-X-GAP\n21"))
        .is_found();
    must(Rule::S5, "part 1 of").later().answers(|r, _, a| replace(r, a, ".1.m4s", ".1.mp4")).is_found();
    must(Rule::S5, "EXT-X-SERVER-CONTROL").later().answers(|r, _, a| replace(r, a, "BACK=1.5", "BACK=1.6")).is_found();
    must(Rule::S5, "and is back at").later().of(is_plain).answers(stale_by_turns).is_found();
    must(Rule::S5, "after EXT-X-ENDLIST").answers(goes_on_after_its_end).is_found();
    must(Rule::S12, "EXTINF of").of(is_delta).answers(|r, _, a| replace(r, a, "INF:2.000", "INF:2.100")).is_found();
}

/// Every third answer is older than the answers before, and no cache says so.
fn stale_by_turns(request: &Request, at: Duration, response: &mut Response) {
    if at.as_millis().is_multiple_of(3) {
        response.body = fresh(request, at - Duration::from_secs(4), false);
    }
}

fn goes_on_after_its_end(request: &Request, at: Duration, response: &mut Response) {
    if at > LATER && at < LATER + Duration::from_secs(2) {
        edit(request, response, |text| format!("{text}#EXT-X-ENDLIST\n"));
    }
}

#[test]
fn changes_that_are_not_marked() {
    must(Rule::S8, "discontinuity sequence number")
        .script(|s| both(s, |track| track.segments[15].discontinuity = true))
        .answers(|r, _, a| drop_lines(r, a, "#EXT-X-DISCONTINUITY-SEQUENCE"))
        .is_found();
    must(Rule::S8, "another EXT-X-MAP").script(|s| s.tracks[0].segments[20].map = 1).is_found();
    must(Rule::S8, "stands behind a part").later().answers(|r, _, a| edit(r, a, dates_after_parts)).is_found();
    must(Rule::S9, "1500 ms before").script(|s| both(s, |track| track.segments[20].jump_ms = -1500)).is_found();
    should(Rule::S9, "are missing").script(|s| both(s, |track| track.segments[20].jump_ms = 1500)).is_found();
    must(Rule::S9, "is a gap and a part")
        .script(|s| s.tracks[0].segments[20].gap = true)
        .answers(|r, _, a| replace(r, a, ",GAP=YES", ""))
        .is_found();
}

fn dates_after_parts(text: &str) -> String {
    let (dates, others): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with("#EXT-X-PROGRAM"));
    let mut dates = dates.into_iter();
    let mut moved = String::new();
    for line in others {
        if line.starts_with("#EXTINF") {
            moved += &format!("{}\n", dates.next().unwrap());
        }
        moved += &format!("{line}\n");
    }
    moved
}

#[test]
fn things_that_leave_too_early() {
    must(Rule::S6, "a part has left").script(|s| s.parts_ms = 3_000).is_found();
    should(Rule::S6, "still listed").script(|s| s.parts_ms = 12_000).is_found();
    must(Rule::S6, "has just left")
        .answers(|r, at, a| a.status = if is_old(r, at, 8_000) { 404 } else { a.status })
        .is_found();
    must(Rule::S6, "is listed and is answered").of(is_part).answers(|_, _, a| a.status = 404).is_found();
    must(Rule::S7, "are left").script(|s| (s.window_ms, s.parts_ms) = (3_000, 2_000)).is_found();
    must(Rule::S7, "is listed and answered").of(is_segment).answers(|_, _, a| a.status = 404).is_found();
    must(Rule::S7, "within its availability")
        .script(|s| s.window_ms = 8_000)
        .answers(|r, at, a| a.status = if is_old(r, at, 9_000) { 404 } else { a.status })
        .is_found();
    must(Rule::S7, "an init segment")
        .of(|r| kind(r) == Some(ObjectKind::Init))
        .answers(|_, _, a| a.status = 404)
        .is_found();
}

#[test]
fn what_comes_too_late() {
    let late = |script: &mut Script| both(script, |track| track.segments[20].parts[2].delay_ms = 450);
    must(Rule::S10, "part 2 of segment 25 came").script(late).is_found();
    let stalled = |script: &mut Script| both(script, |track| delay(track, 20, 5_000));
    must(Rule::S10, "no new segment for").script(stalled).is_found();
    must(Rule::S10, "segment 25 came").script(stalled).is_found();
}

#[test]
fn blocking_that_is_not_as_written() {
    let is_unnumbered = |r: &Request| directives(r).is_some_and(|d| d.msn.is_none() && d.part.is_some());
    must(Rule::S11, "_HLS_part without").of(is_unnumbered).answers(|_, _, a| a.status = 200).is_found();
    let is_far = |r: &Request| directives(r).is_some_and(|d| d.msn.unwrap_or(0) > 500);
    should(Rule::S11, "a request far ahead").of(is_far).answers(|_, _, a| a.status = 404).is_found();
    must(Rule::S11, "before what was asked for").of(is_blocking).answers(answers_at_once).is_found();
    must(Rule::S11, "answered with 404").of(is_blocking).answers(|_, _, a| a.status = 404).is_found();
    should(Rule::S11, "instead of 503")
        .script(|s| both(s, |track| track.segments.truncate(15)))
        .of(is_blocking)
        .answers(|_, _, a| {
            if a.status == 503 {
                (a.status, a.received) = (504, a.received + SLACK * 2)
            }
        })
        .is_found();
    let is_whole = |r: &Request| directives(r).is_some_and(|d| d.msn.is_some() && d.part.is_none());
    let late = |_: &Request, _: Duration, a: &mut Response| a.received += Duration::from_secs(1);
    should(Rule::S11, "when the blocked request was answered").of(is_whole).answers(late).is_found();
    must(Rule::S11, "after EXT-X-ENDLIST")
        .script(|s| (s.ends, s.tracks) = (true, plain(15).tracks))
        .of(is_blocking)
        .answers(|_, at, a| {
            if at > LATER {
                a.status = 400
            }
        })
        .is_found();
}

fn answers_at_once(request: &Request, _: Duration, response: &mut Response) {
    if response.status == 200 {
        response.received = request.sent + Duration::from_millis(20);
        response.body = fresh(request, request.sent, false);
    }
}

#[test]
fn delta_updates_that_skip_wrongly() {
    must(Rule::S12, "was not followed").of(is_delta).answers(|r, at, a| a.body = fresh(r, at, false)).is_found();
    must(Rule::S12, "without _HLS_skip").of(is_plain).answers(|r, at, a| a.body = fresh(r, at, true)).is_found();
    must(Rule::S12, "the skip boundary is").answers(|r, _, a| replace(r, a, "UNTIL=12", "UNTIL=16")).is_found();
}

#[test]
fn hints_that_are_not_true() {
    should(Rule::S13, "was hinted, and").answers(|r, _, a| replace(r, a, "PART,URI=\"", "PART,URI=\"x")).is_found();
    must(Rule::S13, "answered with 404").of(is_hint).answers(|_, _, a| a.status = 404).is_found();
    should(Rule::S13, "was answered with 500").of(is_hint).answers(|_, _, a| a.status = 500).is_found();
    must(Rule::S13, "its first byte").of(is_hint).answers(|_, _, a| a.first_byte -= SLACK * 2).is_found();
    must(Rule::S13, "not what its hint gave").of(is_hint).answers(|_, _, a| a.body = vec![7]).is_found();
    should(Rule::S13, "never named").of(|r| r.purpose == Purpose::Nothing).answers(|_, _, a| a.status = 200).is_found();
}

#[test]
fn renditions_that_do_not_agree() {
    must(Rule::S4, "another rendition")
        .of(is_video)
        .answers(|r, _, a| replace(r, a, "BACK=1.5", "BACK=1.6"))
        .is_found();
    must(Rule::S14, "no report of").answers(|r, _, a| drop_lines(r, a, "#EXT-X-RENDITION-REPORT")).is_found();
    must(Rule::S14, "is no rendition").answers(|r, _, a| replace(r, a, "URI=\"../", "URI=\"../../")).is_found();
    must(Rule::S14, "has no LAST-MSN").answers(|r, _, a| replace(r, a, ",LAST-MSN=", ",LAST-NUMBER=")).is_found();
    must(Rule::S14, "another rendition reports")
        .answers(|r, _, a| replace(r, a, "LAST-MSN=2", "LAST-MSN=4"))
        .is_found();
    should(Rule::S14, "older than a part").answers(|r, _, a| replace(r, a, "LAST-MSN=2", "LAST-MSN=1")).is_found();
    must(Rule::S17, "and not in another").of(is_video).answers(|r, _, a| drop_lines(r, a, "#EXT-X-PROGRAM")).is_found();
    must(Rule::S17, "sequence number").script(|s| s.tracks[0].segments[20].discontinuity = true).is_found();
    must(Rule::S17, "ends more than a target").script(|s| delay(&mut s.tracks[0], 0, 3_000)).is_found();
}

#[test]
fn headers_that_do_harm() {
    should(Rule::S14, "HTTP/1.1").answers(|_, _, a| a.protocol = Protocol::Http1).is_found();
    should(Rule::S14, "gzip").answers(|_, _, a| drop_header(a, "content-encoding")).is_found();
    should(Rule::S14, "the priority is").answers(|_, _, a| set(a, "priority", "u=7")).is_found();
    should(Rule::S15, "no Cache-Control").answers(|_, _, a| drop_header(a, "cache-control")).is_found();
    should(Rule::S15, "is stale").of(is_plain).answers(|_, _, a| set(a, "cache-control", "max-age=60")).is_found();
    should(Rule::S15, "more than half").of(is_plain).answers(|_, _, a| set(a, "cache-control", "max-age=3")).is_found();
    should(Rule::S15, "a blocking").of(is_blocking).answers(|_, _, a| set(a, "cache-control", "no-store")).is_found();
    should(Rule::S15, "media may be").of(is_part).answers(|_, _, a| set(a, "cache-control", "max-age=1")).is_found();
    should(Rule::S15, "an error may be kept")
        .answers(|_, _, a| {
            if a.status == 400 {
                set(a, "cache-control", "max-age=3600")
            }
        })
        .is_found();
}

#[test]
fn media_that_does_not_fit() {
    let is_third = |r: &Request| matches!(kind(r), Some(ObjectKind::Part { msn: 25, index: 2 }));
    must(Rule::M1, "was due").of(is_third).answers(|_, _, a| a.body = fmp4::part(1, 500, false, "x")).is_found();
    should(Rule::M2, "not the bytes of its parts").of(is_segment).answers(|_, _, a| a.body.push(0)).is_found();
    let other = |_: &Request, _: Duration, a: &mut Response| a.body = plain(60).tracks[0].bytes(20, 0);
    must(Rule::M2, "do not have the same samples").of(is_segment).answers(other).is_found();
    let changed = |r: &Request, at: Duration, a: &mut Response| {
        if is_old(r, at, 8_000) {
            a.body.push(0)
        }
    };
    must(Rule::M2, "have changed").of(is_part).answers(changed).is_found();
    must(Rule::M3, "sync sample").of(is_part).answers(|r, _, a| a.body = never_sync(r)).is_found();
}

fn never_sync(request: &Request) -> Vec<u8> {
    let Some(ObjectKind::Part { msn, index }) = kind(request) else { unreachable!("asked of parts only") };
    fmp4::part((msn - 5) * 2000 + index as u64 * 500, 500, false, "x")
}
