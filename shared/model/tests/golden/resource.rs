//! What coordinators ask each other about WHIP and WHEP resources.

use velella_model::SessionId;
use velella_model::wire::resource::{Deed, Errand, ErrandReply, Fragment};

#[test]
fn errands_keep_their_form() {
    let patch = Deed::Patch { if_match: Some("*".into()), fragment: fragment() };
    let empty = Deed::Patch { if_match: None, fragment: Fragment::default() };
    let examples = [("patch", patch), ("empty patch", empty), ("end", Deed::End)];
    let errand = |deed| Errand { session: SessionId::parse("s1").unwrap(), deed };
    crate::holds("errand", &examples.map(|(name, deed)| (name, errand(deed))));
}

#[test]
fn answers_keep_their_form() {
    let replies = [
        ErrandReply::Done,
        ErrandReply::Restarted { etag: "\"e\"".into(), fragment: fragment() },
        ErrandReply::Gone,
        ErrandReply::Stale,
        ErrandReply::TimedOut,
    ];
    crate::holds("errand_reply", &replies.map(|reply| (name(&reply), reply)));
}

/// A new answer fails to compile here: it needs an example too.
fn name(reply: &ErrandReply) -> &'static str {
    match reply {
        ErrandReply::Done => "done",
        ErrandReply::Restarted { .. } => "restarted",
        ErrandReply::Gone => "gone",
        ErrandReply::Stale => "stale",
        ErrandReply::TimedOut => "timed out",
    }
}

fn fragment() -> Fragment {
    Fragment {
        ufrag: Some("u".into()),
        password: Some("p".into()),
        candidates: vec!["candidate:1 1 udp 1 192.0.2.1 10000 typ host".into()],
    }
}
