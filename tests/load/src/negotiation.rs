//! The client's half of the offer/answer dialogue: which m-lines exist and what the next offer
//! says.
//!
//! The client always offers. It has one sendonly line per own track and as many recvonly lines as
//! the server last asked for; lines are never removed, only reused, as browsers do it.

use std::collections::BTreeMap;

use str0m::Rtc;
use str0m::change::{SdpAnswer, SdpApi, SdpOffer as Offer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use velella_proto::fishjam::media_events::peer::media_event::SdpOffer;
use velella_proto::fishjam::media_events::server::media_event::SdpAnswer as AnswerEvent;
use velella_proto::fishjam::media_events::server::media_event::offer_data::TracksTypes;

use crate::pattern::Shape;

/// More lines than this asked for by a server is a broken server, not a big room.
const LINES_MAX: usize = 1024;

/// A track this peer publishes.
#[derive(Debug)]
pub(crate) struct OwnTrack {
    pub(crate) id: String,
    pub(crate) kind: MediaKind,
    pub(crate) metadata_json: String,
    mid: Option<Mid>,
}

impl OwnTrack {
    pub(crate) fn new(id: String, kind: MediaKind) -> Self {
        let source = if kind == MediaKind::Audio { "microphone" } else { "camera" };
        let metadata_json = format!(r#"{{"type":"{source}","paused":false}}"#);
        Self { id, kind, metadata_json, mid: None }
    }
}

/// The lines of one peer connection and the offer that is under way.
#[derive(Default)]
pub(crate) struct Negotiation {
    own: Vec<OwnTrack>,
    receiving: Vec<(Mid, MediaKind)>,
    pending: Option<SdpPendingOffer>,
}

impl Negotiation {
    /// Publishes these tracks from the next offer on.
    pub(crate) fn publish(&mut self, tracks: Vec<OwnTrack>) {
        self.own.extend(tracks);
    }

    /// The offer that `offer_data` asks for; `None` while there is nothing to put into one.
    pub(crate) fn offer(&mut self, rtc: &mut Rtc, wanted: TracksTypes) -> Result<Option<SdpOffer>, NegotiationError> {
        if self.pending.is_some() {
            return Err(NegotiationError::OfferUnderWay);
        }
        let counts = [(MediaKind::Audio, line_count(wanted.audio)?), (MediaKind::Video, line_count(wanted.video)?)];
        let mut changes = rtc.sdp_api();
        // An answer makes a line inactive while it has no track; a browser still offers to receive.
        for (mid, _) in &self.receiving {
            changes.set_direction(*mid, Direction::RecvOnly);
        }
        let agreed = self.agreed_line();
        self.add_own_lines(&mut changes);
        self.add_receiving_lines(&mut changes, counts);
        // The server waits for an offer even when nothing is new. str0m makes none without a
        // change, so one line goes to sendrecv and back, which resets nothing on a one-way line.
        if let Some((mid, direction)) = agreed.filter(|_| !changes.has_changes()) {
            changes.set_direction(mid, Direction::SendRecv);
            changes.set_direction(mid, direction);
        }
        let Some((offer, pending)) = changes.apply() else { return Ok(None) };
        self.pending = Some(pending);
        Ok(Some(self.describe(&offer)))
    }

    /// A line that an answer has confirmed, and the direction it is offered with.
    fn agreed_line(&self) -> Option<(Mid, Direction)> {
        let own = self.own.iter().filter_map(|track| track.mid).map(|mid| (mid, Direction::SendOnly));
        own.chain(self.receiving.iter().map(|(mid, _)| (*mid, Direction::RecvOnly))).next()
    }

    fn add_own_lines(&mut self, changes: &mut SdpApi<'_>) {
        for track in self.own.iter_mut().filter(|track| track.mid.is_none()) {
            let mid = changes.add_media(track.kind, Direction::SendOnly, None, Some(track.id.clone()), None);
            track.mid = Some(mid);
        }
    }

    fn add_receiving_lines(&mut self, changes: &mut SdpApi<'_>, counts: [(MediaKind, usize); 2]) {
        for (kind, count) in counts {
            let have = self.receiving.iter().filter(|(_, of)| *of == kind).count();
            for _ in have..count {
                self.receiving.push((changes.add_media(kind, Direction::RecvOnly, None, None, None), kind));
            }
        }
    }

    fn describe(&self, offer: &Offer) -> SdpOffer {
        SdpOffer {
            sdp: offer.to_sdp_string(),
            track_id_to_metadata_json: self.own.iter().map(|t| (t.id.clone(), t.metadata_json.clone())).collect(),
            track_id_to_bitrates: BTreeMap::new(),
            mid_to_track_id: self.own.iter().filter_map(|t| Some((t.mid?.to_string(), t.id.clone()))).collect(),
        }
    }

    pub(crate) fn answer(&mut self, rtc: &mut Rtc, answer: &AnswerEvent) -> Result<(), NegotiationError> {
        let pending = self.pending.take().ok_or(NegotiationError::UnexpectedAnswer)?;
        let sdp = SdpAnswer::from_sdp_string(&answer.sdp).map_err(|e| NegotiationError::Sdp(e.to_string()))?;
        rtc.sdp_api().accept_answer(pending, sdp).map_err(|e| NegotiationError::Sdp(e.to_string()))
    }

    /// Line and payload type of the `n`th own track, once an answer has agreed on them.
    pub(crate) fn line(&self, rtc: &Rtc, n: usize, shape: Shape) -> Option<(Mid, Pt)> {
        let mid = self.own.get(n)?.mid?;
        let media = rtc.media(mid)?;
        let agreed = |pt: Pt| media.remote_pts().contains(&pt);
        let params = rtc.codec_config().find(|p| p.spec().codec == shape.codec() && agreed(p.pt()))?;
        media.direction().is_sending().then_some((mid, params.pt()))
    }
}

fn line_count(wanted: i32) -> Result<usize, NegotiationError> {
    usize::try_from(wanted).ok().filter(|n| *n <= LINES_MAX).ok_or(NegotiationError::LineCount(wanted))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum NegotiationError {
    #[error("offer_data arrived while an offer was unanswered")]
    OfferUnderWay,
    #[error("offer_data asks for {0} lines")]
    LineCount(i32),
    #[error("sdp_answer without an offer")]
    UnexpectedAnswer,
    #[error("answer refused: {0}")]
    Sdp(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_publisher_offers_its_tracks_and_an_sfu_accepts() {
        let (mut rtc, mut sfu) = (client(), sfu());
        let mut negotiation = Negotiation::default();
        negotiation.publish(vec![track("a:1", MediaKind::Audio), track("a:2", MediaKind::Video)]);

        let offer = negotiation.offer(&mut rtc, counts(0, 0)).unwrap().unwrap();
        assert_eq!(offer.sdp.matches("a=sendonly").count(), 2);
        assert_eq!(offer.mid_to_track_id.len(), 2);
        assert_eq!(offer.track_id_to_metadata_json["a:2"], r#"{"type":"camera","paused":false}"#);
        assert!(negotiation.line(&rtc, 0, Shape::Opus).is_none(), "nothing is agreed before the answer");

        let answer = accept(&mut sfu, &offer, false);
        negotiation.answer(&mut rtc, &answer).unwrap();
        assert!(negotiation.line(&rtc, 0, Shape::Opus).is_some());
        let (mid, _) = negotiation.line(&rtc, 1, Shape::Vp8).unwrap();
        assert_eq!(offer.mid_to_track_id[&mid.to_string()], "a:2");
    }

    #[test]
    fn receiving_lines_grow_to_the_total_and_an_idle_line_is_offered_again() {
        let (mut rtc, mut sfu) = (client(), sfu());
        let mut negotiation = Negotiation::default();
        for (audio, video, idle) in [(1, 1, true), (1, 2, false), (1, 2, false)] {
            let offer = negotiation.offer(&mut rtc, counts(audio, video)).unwrap().unwrap();
            assert_eq!(offer.sdp.matches("a=recvonly").count(), usize::try_from(audio + video).unwrap());
            let answer = accept(&mut sfu, &offer, idle);
            negotiation.answer(&mut rtc, &answer).unwrap();
        }
    }

    #[test]
    fn every_offer_data_gets_an_offer_though_nothing_changed() {
        let (mut rtc, mut sfu) = (client(), sfu());
        let mut negotiation = Negotiation::default();
        negotiation.publish(vec![track("a:1", MediaKind::Video)]);
        for _ in 0..3 {
            let offer = negotiation.offer(&mut rtc, counts(0, 0)).unwrap().unwrap();
            assert_eq!(offer.sdp.matches("a=sendonly").count(), 1);
            assert_eq!(offer.sdp.matches("m=video").count(), 1);
            let answer = accept(&mut sfu, &offer, false);
            negotiation.answer(&mut rtc, &answer).unwrap();
            assert!(negotiation.line(&rtc, 0, Shape::Vp8).is_some());
        }
    }

    #[test]
    fn a_peer_with_nothing_to_send_or_receive_makes_no_offer() {
        assert!(Negotiation::default().offer(&mut client(), counts(0, 0)).unwrap().is_none());
    }

    #[test]
    fn disorder_is_an_error_and_not_a_guess() {
        let mut rtc = client();
        let mut negotiation = Negotiation::default();
        let stray = AnswerEvent::default();
        assert!(matches!(negotiation.answer(&mut rtc, &stray), Err(NegotiationError::UnexpectedAnswer)));
        assert!(matches!(negotiation.offer(&mut rtc, counts(-1, 0)), Err(NegotiationError::LineCount(-1))));
        assert!(negotiation.offer(&mut rtc, counts(1, 0)).is_ok());
        assert!(matches!(negotiation.offer(&mut rtc, counts(1, 0)), Err(NegotiationError::OfferUnderWay)));
    }

    fn client() -> Rtc {
        Rtc::builder().clear_codecs().enable_vp8(true).enable_opus(true, false).set_rtp_mode(true).build(Instant::now())
    }

    fn sfu() -> Rtc {
        Rtc::builder().set_ice_lite(true).set_rtp_mode(true).build(Instant::now())
    }

    /// Answers as an SFU does that edits its text: a line without a track is inactive.
    fn accept(sfu: &mut Rtc, offer: &SdpOffer, idle: bool) -> AnswerEvent {
        let offer = Offer::from_sdp_string(&offer.sdp).unwrap();
        let sdp = sfu.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
        let sdp = if idle { sdp.replace("a=sendonly", "a=inactive") } else { sdp };
        AnswerEvent { sdp, ..AnswerEvent::default() }
    }

    fn track(id: &str, kind: MediaKind) -> OwnTrack {
        OwnTrack::new(id.into(), kind)
    }

    fn counts(audio: i32, video: i32) -> TracksTypes {
        TracksTypes { audio, video }
    }
}
