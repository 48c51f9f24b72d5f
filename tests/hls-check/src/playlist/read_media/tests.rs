use std::time::Duration;

use super::*;
use crate::playlist::Progress;

const LIVE: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,PART-HOLD-BACK=1.5
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI=\"init.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2024-05-01T10:00:00.000Z
#EXTINF:2.00000,
7.m4s
# a comment
#EXT-X-NEWS:whatever
#EXT-X-DISCONTINUITY
#EXT-X-PART:URI=\"8.0.m4s\",DURATION=0.5,INDEPENDENT=YES
#EXT-X-PART:URI=\"8.1.m4s\",DURATION=0.5
#EXTINF:1.0,with a title, and a comma
8.m4s
#EXT-X-PART:URI=\"9.0.m4s\",DURATION=0.5,BYTERANGE=\"100@0\"
#EXT-X-PART:URI=\"9.0.m4s\",DURATION=0.5,BYTERANGE=\"50\",GAP=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"9.2.m4s\"
#EXT-X-RENDITION-REPORT:URI=\"../a/live.m3u8\",LAST-MSN=9,LAST-PART=1
";

#[test]
fn a_live_playlist_is_read_with_everything_in_it() {
    let playlist = MediaPlaylist::parse(LIVE).unwrap();
    assert_eq!((playlist.version, playlist.version_needed), (9, 6));
    assert_eq!(playlist.progress(), Progress { open_msn: 9, parts: 2 });
    assert_eq!(playlist.numbered().map(|(msn, dsn, _)| (msn, dsn)).collect::<Vec<_>>(), [(7, 3), (8, 4)]);
    assert_eq!(playlist.segments[1].map.as_ref().unwrap().1, "init.mp4");
    assert_eq!(playlist.segments[1].parts_duration(), Duration::from_secs(1));
    assert_eq!(playlist.open.parts[1].byte_range, Some(ByteRange { start: 100, length: 50 }));
    assert!(playlist.open.parts[1].gap && playlist.segments[1].parts[0].independent);
    assert_eq!(playlist.hints[0].uri, "9.2.m4s");
    assert_eq!((playlist.reports[0].last_msn, playlist.reports[0].last_part), (Some(9), Some(1)));
    assert_eq!(playlist.unknown, ["EXT-X-NEWS:whatever"]);
    assert_eq!(playlist.duration(), Duration::from_secs(4));
    assert!(playlist.head.ends_with("#EXT-X-DISCONTINUITY-SEQUENCE:3"));
    assert!(playlist.segments[1].text.starts_with("#EXT-X-DISCONTINUITY\n#EXT-X-PART"));
}

#[test]
fn a_delta_update_becomes_whole_with_what_was_known() {
    let before = MediaPlaylist::parse(LIVE).unwrap();
    let delta = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-DISCONTINUITY\n#EXTINF:1.0,\n8.m4s\n";
    let delta = MediaPlaylist::parse(delta).unwrap();
    assert_eq!(delta.version_needed, 9);
    let whole = delta.completed(|msn| before.segments.get(usize::try_from(msn - 7).unwrap())).unwrap();
    assert_eq!(whole.segments.len(), 2);
    assert_eq!(whole.segments[1].difference(&before.segments[1]), None);
    assert!(delta.completed(|_| None).is_none());
}

#[test]
fn every_flaw_is_told_with_its_line_and_section() {
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    let table = [
        ("#EXT-X-TARGETDURATION:2\n", 1, "4.4.1.1"),
        ("#EXTM3U\n#EXTINF:1,\na.ts\n", 1, "4.4.3.1"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2.5\n", 2, "4.4.3.1"),
        ("{}#EXT-X-TARGETDURATION:2\n", 3, "4.4"),
        ("{}a.ts\n", 3, "4.4.4.1"),
        ("{}#EXTINF:1\na.ts\n", 3, "4.4.4.1"),
        ("{}#EXTINF:1,\n", 1, "4.4.4.1"),
        ("{}#EXTINF:1,\na.ts\n#EXT-X-MEDIA-SEQUENCE:4\n", 5, "4.4.3"),
        ("{}#EXT-X-STREAM-INF:BANDWIDTH=1\n", 3, "4.4.6"),
        ("{}#EXT-X-PLAYLIST-TYPE:LIVE\n", 3, "4.4.3.5"),
        ("{}#EXT-X-PART:URI=\"a\",DURATION=1\n", 1, "4.4.3.7"),
        ("{}#EXT-X-PART:URI=\"a\"\n", 3, "4.4.4.9"),
        ("{}#EXT-X-PART:URI=a,DURATION=1\n", 3, "4.4.4.9"),
        ("{}#EXT-X-PART:URI=\"a\",DURATION=1,GAP=NO\n", 3, "4.4.4.9"),
        ("{}#EXT-X-PROGRAM-DATE-TIME:yesterday\n", 3, "4.4.4.6"),
        ("{}#EXT-X-MAP:BYTERANGE=\"1@0\"\n", 3, "4.4.4.5"),
        ("{}#EXT-X-KEY:METHOD=AES-128\n", 3, "4.4.4.4"),
        ("{}#EXT-X-SKIP:RECENTLY-REMOVED-DATERANGES=\"\"\n", 3, "4.4.5.2"),
        ("{}#EXT-X-PRELOAD-HINT:TYPE=SEGMENT,URI=\"a\"\n", 3, "4.4.5.3"),
        ("{}#EXT-X-RENDITION-REPORT:LAST-MSN=3\n", 3, "4.4.5.4"),
        ("{}#EXTINF:1,\n#EXT-X-BYTERANGE:10\na.ts\n", 5, "4.4.4.2"),
        ("{}#EXT-X-GAP\u{7}\n", 3, "4.1"),
    ];
    for (text, line, section) in table {
        let text = text.replace("{}", head);
        let flaws = MediaPlaylist::parse(&text).unwrap_err();
        assert!(flaws.iter().any(|flaw| (flaw.line, flaw.section) == (line, section)), "{text}\n{flaws:?}");
    }
}

#[test]
fn tags_behind_the_first_part_of_their_segment_are_noted() {
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=1\n\
        #EXT-X-PART:URI=\"a\",DURATION=1\n#EXT-X-DISCONTINUITY\n#EXTINF:1,\na.m4s\n";
    assert_eq!(MediaPlaylist::parse(text).unwrap().segments[0].late_tags, ["EXT-X-DISCONTINUITY"]);
}

#[test]
fn what_a_playlist_contains_says_which_version_it_needs() {
    let table = [
        ("#EXTINF:1,\na\n", 1),
        ("#EXTINF:1.5,\na\n", 3),
        ("#EXTINF:1,\n#EXT-X-BYTERANGE:10@0\na\n", 4),
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x1\n#EXTINF:1,\na\n", 2),
        ("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",KEYFORMAT=\"x\"\n#EXTINF:1,\na\n", 5),
        ("#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\na\n", 6),
        ("#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\na\n", 5),
        ("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n", 8),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n", 9),
        ("#EXT-X-SKIP:SKIPPED-SEGMENTS=3,RECENTLY-REMOVED-DATERANGES=\"a\"\n", 10),
        ("#EXT-X-DEFINE:QUERYPARAM=\"token\"\n", 11),
    ];
    for (text, version) in table {
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{text}");
        assert_eq!(MediaPlaylist::parse(&text).unwrap().version_needed, version, "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(#EXT(M3U|INF:|-X-[A-Z-]{3,20}:)?[A-Z=\"0-9.,@:-]{0,40}\n){0,12}") {
        let _ = MediaPlaylist::parse(&format!("#EXTM3U\n{text}"));
    }
}
