//! Who is shown: one participant at a time, for as long as its tracks last.
//!
//! The first whose picture comes is shown, and stays until its pictures end; then it is the next one's turn, in the
//! order in which they came. Whose pictures share a screen goes before all others. Sound is that of who is shown.

use velella_model::{Json, MediaKind, PeerId, TrackId};

/// What published clients write into the metadata of a shared screen.
const SCREEN: &str = "screenShareVideo";

/// A track as one listener receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Act {
    /// Which listener.
    pub(crate) listener: usize,
    pub(crate) endpoint: PeerId,
    pub(crate) track: TrackId,
    pub(crate) kind: MediaKind,
    screen: bool,
}

/// All tracks that come, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    acts: Vec<Act>,
    shown: Option<PeerId>,
}

impl Stage {
    pub(crate) fn enter(
        &mut self,
        listener: usize,
        endpoint: PeerId,
        (track, kind): (TrackId, MediaKind),
        metadata: &Json,
    ) {
        let screen = metadata.value().get("type").is_some_and(|kind| kind == SCREEN);
        self.acts.push(Act { listener, endpoint, track, kind, screen });
        self.choose();
    }

    pub(crate) fn leave(&mut self, listener: usize, track: &TrackId) -> Option<Act> {
        let at = self.acts.iter().position(|act| act.listener == listener && act.track == *track)?;
        let act = self.acts.remove(at);
        self.choose();
        Some(act)
    }

    pub(crate) fn find(&self, listener: usize, track: &TrackId) -> Option<&Act> {
        self.acts.iter().find(|act| act.listener == listener && act.track == *track)
    }

    /// Who is shown now.
    pub(crate) fn shown(&self) -> Option<&PeerId> {
        self.shown.as_ref()
    }

    /// The track that a listener's rendition of this kind is made of now.
    pub(crate) fn on(&self, listener: usize, kind: MediaKind) -> Option<&TrackId> {
        let of_kind = || self.acts.iter().filter(move |act| act.listener == listener && act.kind == kind);
        let shown = || of_kind().filter(|act| Some(&act.endpoint) == self.shown.as_ref());
        let act = shown().find(|act| act.screen).or_else(|| shown().next());
        // Whoever is shown without a microphone leaves the word to the first who has one.
        let act = act.or_else(|| of_kind().next().filter(|_| kind == MediaKind::Audio));
        act.map(|act| &act.track)
    }

    fn choose(&mut self) {
        let pictures = || self.acts.iter().filter(|act| act.kind == MediaKind::Video);
        let stays = pictures().find(|act| Some(&act.endpoint) == self.shown.as_ref());
        let screen = pictures().find(|act| act.screen);
        let next = screen.or(stays).or_else(|| pictures().next()).or_else(|| self.acts.first());
        self.shown = next.map(|act| act.endpoint.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(id: &str) -> PeerId {
        PeerId::parse(id).unwrap()
    }

    fn track(id: &str) -> TrackId {
        TrackId::parse(id).unwrap()
    }

    fn enter(stage: &mut Stage, who: &str, id: &str, kind: MediaKind) {
        let metadata = if id.contains("screen") { r#"{"type": "screenShareVideo"}"# } else { "{}" };
        stage.enter(0, peer(who), (track(id), kind), &Json::parse(metadata).unwrap());
    }

    #[test]
    fn the_first_who_is_seen_is_shown_until_its_pictures_end() {
        let mut stage = Stage::default();
        enter(&mut stage, "a", "a:sound", MediaKind::Audio);
        enter(&mut stage, "b", "b:face", MediaKind::Video);
        enter(&mut stage, "a", "a:face", MediaKind::Video);
        assert_eq!(stage.shown(), Some(&peer("b")));
        assert_eq!(stage.on(0, MediaKind::Video), Some(&track("b:face")));
        assert_eq!(stage.on(0, MediaKind::Audio), Some(&track("a:sound")), "b has no microphone");
        stage.leave(0, &track("b:face"));
        assert_eq!(stage.shown(), Some(&peer("a")));
        stage.leave(0, &track("a:face"));
        assert_eq!(stage.on(0, MediaKind::Video), None);
        assert_eq!(stage.on(0, MediaKind::Audio), Some(&track("a:sound")));
    }

    #[test]
    fn a_shared_screen_goes_before_faces() {
        let mut stage = Stage::default();
        enter(&mut stage, "a", "a:face", MediaKind::Video);
        enter(&mut stage, "b", "b:face", MediaKind::Video);
        enter(&mut stage, "b", "b:screen", MediaKind::Video);
        assert_eq!(stage.on(0, MediaKind::Video), Some(&track("b:screen")));
        stage.leave(0, &track("b:screen"));
        assert_eq!(stage.on(0, MediaKind::Video), Some(&track("b:face")), "who is shown stays");
    }
}
