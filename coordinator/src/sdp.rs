//! The little that this process has to know of SDP: which way lines go, and who ICE talks to. Everything
//! else is between client and worker.

use velella_model::wire::resource::Fragment;

/// Candidates of one fragment that are passed on; browsers find about ten.
const CANDIDATES_MAX: usize = 64;

/// Which way the media of an offer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to us (WHIP).
    Up,
    /// From us to the client (WHEP).
    Down,
}

impl Way {
    fn direction(self) -> &'static str {
        match self {
            Self::Up => "a=sendonly",
            Self::Down => "a=recvonly",
        }
    }
}

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

/// Whether a text may be an offer at all.
pub(crate) fn is_offer(text: &str) -> bool {
    text.starts_with("v=0") && text.lines().any(|line| line.starts_with("m=audio") || line.starts_with("m=video"))
}

/// The offer with all lines that go both ways going one way, and its lines ended as they should be. That is a
/// legal thing to answer (RFC 3264 section 6.1), and clients that offer both do not mean it.
pub(crate) fn one_way(offer: &str, way: Way) -> String {
    let both = "a=sendrecv";
    let mut sections = sections(offer).into_iter();
    // What the session says holds for lines that say nothing.
    let session = sections.next().unwrap_or_default();
    let common = session.iter().copied().find(|line| DIRECTIONS.contains(line)).unwrap_or(both);
    let mut lines: Vec<&str> = session.into_iter().filter(|line| !DIRECTIONS.contains(line)).collect();
    for section in sections {
        let says = section.iter().any(|line| DIRECTIONS.contains(line));
        let turned = |line| if line == both { way.direction() } else { line };
        lines.extend(section.into_iter().map(turned));
        if !says {
            lines.push(turned(common));
        }
    }
    text(&lines)
}

/// The offer of an ICE session that begins anew: other credentials, and none of the old candidates.
pub(crate) fn with_credentials(offer: &str, ufrag: &str, password: &str) -> String {
    let (ufrag, password) = (format!("a=ice-ufrag:{ufrag}"), format!("a=ice-pwd:{password}"));
    let renewed = offer.lines().filter(|line| !line.starts_with("a=candidate:")).map(|line| match line {
        _ if line.starts_with("a=ice-ufrag:") => ufrag.as_str(),
        _ if line.starts_with("a=ice-pwd:") => password.as_str(),
        _ => line,
    });
    text(&renewed.collect::<Vec<_>>())
}

/// Whether an answer takes any of the lines that were offered.
pub(crate) fn takes_anything(answer: &str) -> bool {
    let mut media = answer.lines().filter(|line| line.starts_with("m=audio ") || line.starts_with("m=video "));
    media.any(|line| line.split(' ').nth(1) != Some("0"))
}

/// What a text says about ICE. A whole description is as good as a fragment.
pub(crate) fn read_fragment(text: &str) -> Fragment {
    let first = |name| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let candidates = text.lines().filter_map(|line| line.strip_prefix("a="));
    let candidates = candidates.filter(|line| line.starts_with("candidate:")).take(CANDIDATES_MAX);
    Fragment {
        ufrag: first("a=ice-ufrag:"),
        password: first("a=ice-pwd:"),
        candidates: candidates.map(str::to_owned).collect(),
    }
}

/// Our side of an ICE session, for the line that all others share.
pub(crate) fn write_fragment(fragment: &Fragment) -> String {
    let Fragment { ufrag, password, candidates } = fragment;
    let credential = |name: &str, value: &Option<String>| format!("a={name}:{}", value.as_deref().unwrap_or_default());
    let mut lines = vec![credential("ice-ufrag", ufrag), credential("ice-pwd", password)];
    lines.extend(candidates.iter().map(|candidate| format!("a={candidate}")));
    lines.push("a=end-of-candidates".into());
    text(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The part of the session, then one for each line of media.
fn sections(offer: &str) -> Vec<Vec<&str>> {
    let mut sections = vec![Vec::new()];
    for line in offer.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn text(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [*line, "\r\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_both_ways_goes_one_way() {
        let offer =
            "v=0\na=sendrecv\nm=audio 9 X 111\na=mid:0\n\nm=video 9 X 96\na=inactive\nm=video 9 X 96\na=sendrecv";
        let lines = |way| one_way(offer, way).replace("\r\n", "|");
        let expected = "v=0|m=audio 9 X 111|a=mid:0|a=sendonly|m=video 9 X 96|a=inactive|m=video 9 X 96|a=sendonly|";
        assert_eq!(lines(Way::Up), expected);
        assert_eq!(lines(Way::Down), expected.replace("sendonly", "recvonly"));
        assert!(one_way("v=0\r\nm=audio 9 X 111\r\n", Way::Up).ends_with("111\r\na=sendonly\r\n"));
    }

    #[test]
    fn an_offer_begins_anew_with_other_credentials() {
        let offer = "v=0\r\nm=audio 9 X 111\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=candidate:1\r\na=mid:0\r\n";
        let renewed = "v=0\r\nm=audio 9 X 111\r\na=ice-ufrag:c\r\na=ice-pwd:d\r\na=mid:0\r\n";
        assert_eq!(with_credentials(offer, "c", "d"), renewed);
    }

    #[test]
    fn fragments_are_read_and_written() {
        let text = "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=audio 9 X 0\r\na=mid:0\r\na=candidate:1 1 udp\r\na=end-of-candidates\r\n";
        let fragment = read_fragment(text);
        let candidates = vec!["candidate:1 1 udp".to_owned()];
        assert_eq!(fragment, Fragment { ufrag: Some("u".into()), password: Some("p".into()), candidates });
        let written = "a=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:1 1 udp\r\na=end-of-candidates\r\n";
        assert_eq!(write_fragment(&fragment), written);
        assert_eq!(read_fragment("garbage"), Fragment::default());
        assert_eq!(read_fragment(&"a=candidate:x\n".repeat(100)).candidates.len(), CANDIDATES_MAX);
    }

    #[test]
    fn an_answer_may_take_nothing() {
        assert!(takes_anything("v=0\r\nm=video 0 X 0\r\nm=audio 9 X 111\r\n"));
        assert!(!takes_anything("v=0\r\nm=video 0 X 0\r\nm=application 9 X 0\r\n"));
    }

    #[test]
    fn not_everything_is_an_offer() {
        assert!(is_offer("v=0\r\nm=audio 9"));
        for text in ["", "{}", "v=0", "v=0\r\nm=application 9", "m=audio 9"] {
            assert!(!is_offer(text), "{text}");
        }
    }
}
