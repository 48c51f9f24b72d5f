//! One peer without its sockets: the signalling dialogue, the str0m `Rtc`, and the tracks it
//! publishes.
//!
//! Inputs are what arrived and what time it is, outputs what to send. `rtc` is private, and every
//! change goes through [`Session::mutate`], which drains it afterwards, as str0m demands.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::DtlsCert;
use str0m::net::{Protocol, Receive, Transmit};
use str0m::{Candidate, Event, Input, Output as RtcOutput, Rtc, RtcError};
use uuid::Uuid;
use velella_proto::fishjam::media_events::peer::media_event::{Connect, Content as Say, RenegotiateTracks};
use velella_proto::fishjam::media_events::server::media_event::Content as Heard;

use crate::negotiation::{Negotiation, NegotiationError, OwnTrack};
use crate::pattern::Shape;
use crate::publication::{Publication, Traffic};
use crate::record::Measurement;

/// What a peer is and does.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The video codec of the room.
    pub(crate) video: Shape,
    /// Tracks to publish, each with its source number; empty for a subscriber.
    pub(crate) publishes: Vec<(u32, Traffic)>,
}

/// What the driver has to do.
#[derive(Debug)]
pub(crate) enum Output {
    Say(Say),
    Transmit(Transmit),
    Media {
        payload: Arc<[u8]>,
        arrived: Instant,
    },
    /// ICE and DTLS are up.
    Connected,
    /// A frame was written this long after it was due.
    FrameWritten {
        lateness: Duration,
    },
}

pub(crate) struct Session {
    rtc: Rtc,
    rtc_timeout: Instant,
    local: SocketAddr,
    measurement: Arc<Measurement>,
    negotiation: Negotiation,
    publications: Vec<Publication>,
    outputs: VecDeque<Output>,
    connected: bool,
    counts: Counts,
}

/// What happened that is not a packet.
#[derive(Debug, Default, Clone)]
pub(crate) struct Counts {
    pub(crate) keyframe_requests: u64,
    pub(crate) skipped_frames: u64,
    pub(crate) bad_datagrams: u64,
    /// (source, packets written inside the window).
    pub(crate) sent: Vec<(u32, u64)>,
}

impl Session {
    pub(crate) fn new(
        part: &Part,
        cert: DtlsCert,
        local: SocketAddr,
        measurement: Arc<Measurement>,
        now: Instant,
    ) -> Result<Self, SessionError> {
        let publications = part.publishes.iter();
        let publications =
            publications.map(|(source, traffic)| Publication::new(measurement.run, *source, *traffic)).collect();
        let counts =
            Counts { sent: part.publishes.iter().map(|(source, _)| (*source, 0)).collect(), ..Counts::default() };
        Self::open(part, (cert, local), measurement, (publications, counts), now)
    }

    /// The next session of the same peer: counts on where this one ends.
    pub(crate) fn again(
        self,
        part: &Part,
        cert: DtlsCert,
        local: SocketAddr,
        now: Instant,
    ) -> Result<Self, SessionError> {
        let publications = self.publications.into_iter().map(Publication::again).collect();
        Self::open(part, (cert, local), self.measurement, (publications, self.counts), now)
    }

    fn open(
        part: &Part,
        (cert, local): (DtlsCert, SocketAddr),
        measurement: Arc<Measurement>,
        (publications, counts): (Vec<Publication>, Counts),
        now: Instant,
    ) -> Result<Self, SessionError> {
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(part.video == Shape::Vp8)
            .enable_h264(part.video == Shape::H264)
            .set_rtp_mode(true)
            .set_dtls_cert(cert)
            .build(now);
        let candidate = Candidate::host(local, "udp").map_err(|e| SessionError::Candidate(e.to_string()))?;
        rtc.add_local_candidate(candidate);
        let mut session = Self {
            rtc,
            rtc_timeout: now,
            local,
            measurement,
            negotiation: Negotiation::default(),
            publications,
            outputs: VecDeque::new(),
            connected: false,
            counts,
        };
        session.outputs.push_back(Output::Say(Say::Connect(Connect { metadata_json: "{}".into() })));
        session.mutate(now, |_| Ok(()))?;
        Ok(session)
    }

    /// Something the server said.
    pub(crate) fn handle_event(&mut self, event: Heard, now: Instant) -> Result<(), SessionError> {
        match event {
            Heard::Connected(connected) => self.publish(&connected.endpoint_id),
            Heard::OfferData(wanted) => {
                let offer = self.negotiation.offer(&mut self.rtc, wanted.tracks_types.unwrap_or_default())?;
                self.outputs.extend(offer.map(|offer| Output::Say(Say::SdpOffer(offer))));
                return self.handle_timeout(now);
            }
            Heard::SdpAnswer(answer) => {
                self.negotiation.answer(&mut self.rtc, &answer)?;
                self.attach_publications(now);
                return self.handle_timeout(now);
            }
            // A candidate str0m cannot use (a name instead of an address) is not an error.
            Heard::Candidate(candidate) => {
                if let Ok(candidate) = Candidate::from_sdp_string(&candidate.candidate) {
                    self.rtc.add_remote_candidate(candidate);
                    return self.handle_timeout(now);
                }
            }
            Heard::Error(error) => return Err(SessionError::Refused(error.message)),
            // Who is in the room, and hints about quality: nothing a receiver of everything needs.
            Heard::EndpointUpdated(_)
            | Heard::TrackUpdated(_)
            | Heard::TracksAdded(_)
            | Heard::TracksRemoved(_)
            | Heard::EndpointAdded(_)
            | Heard::EndpointRemoved(_)
            | Heard::VadNotification(_)
            | Heard::TrackVariantSwitched(_)
            | Heard::TrackVariantDisabled(_)
            | Heard::TrackVariantEnabled(_) => {}
        }
        Ok(())
    }

    /// A datagram and when it reached this host.
    pub(crate) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        bytes: &[u8],
        arrived: Instant,
    ) -> Result<(), SessionError> {
        let local = self.local;
        let Ok(receive) = Receive::new(Protocol::Udp, source, local, bytes) else {
            self.counts.bad_datagrams += 1;
            return Ok(());
        };
        self.mutate(arrived, |rtc| rtc.handle_input(Input::Receive(arrived, receive)))
    }

    /// Time passed: writes the frames that are due, then lets str0m work once for all of them.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        for n in 0..self.publications.len() {
            self.write_due_frames(n, now);
        }
        self.mutate(now, |rtc| rtc.handle_input(Input::Timeout(now)))
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.publications.iter().filter_map(Publication::due).fold(self.rtc_timeout, Instant::min)
    }

    pub(crate) fn counts(&self) -> Counts {
        let skipped_frames = self.publications.iter().map(Publication::skipped_frames).sum();
        Counts { skipped_frames, ..self.counts.clone() }
    }

    /// Applies one change and drains `rtc` to its next timeout.
    fn mutate(
        &mut self,
        now: Instant,
        change: impl FnOnce(&mut Rtc) -> Result<(), RtcError>,
    ) -> Result<(), SessionError> {
        change(&mut self.rtc)?;
        loop {
            match self.rtc.poll_output()? {
                RtcOutput::Timeout(at) => {
                    self.rtc_timeout = at;
                    return Ok(());
                }
                RtcOutput::Transmit(transmit) => self.outputs.push_back(Output::Transmit(transmit)),
                RtcOutput::Event(event) => self.handle_rtc_event(event, now)?,
            }
        }
    }

    fn handle_rtc_event(&mut self, event: Event, now: Instant) -> Result<(), SessionError> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the enum is non-exhaustive; the rest is no concern of a load"
        )]
        match event {
            Event::RtpPacket(packet) => {
                self.outputs.push_back(Output::Media { payload: packet.payload, arrived: packet.timestamp });
            }
            Event::KeyframeRequest(request) => {
                self.counts.keyframe_requests += 1;
                let asked = self.publications.iter_mut().filter(|publication| publication.mid() == Some(request.mid));
                asked.for_each(Publication::request_keyframe);
            }
            Event::Connected => {
                self.connected = true;
                self.start_publications(now);
                self.outputs.push_back(Output::Connected);
            }
            Event::Closed => return Err(SessionError::Closed),
            _ => {}
        }
        Ok(())
    }

    fn publish(&mut self, endpoint_id: &str) {
        if self.publications.is_empty() {
            return;
        }
        let own = |p: &Publication| OwnTrack::new(format!("{endpoint_id}:{}", Uuid::new_v4()), p.traffic.kind());
        self.negotiation.publish(self.publications.iter().map(own).collect());
        self.outputs.push_back(Output::Say(Say::RenegotiateTracks(RenegotiateTracks {})));
    }

    fn attach_publications(&mut self, now: Instant) {
        for (n, publication) in self.publications.iter_mut().enumerate() {
            if let Some((mid, pt)) = self.negotiation.line(&self.rtc, n, publication.traffic.shape) {
                publication.attach(mid, pt);
            }
        }
        self.start_publications(now);
    }

    /// Media before DTLS is up would only wait in a queue and spoil the first delays.
    fn start_publications(&mut self, now: Instant) {
        if self.connected {
            self.publications.iter_mut().for_each(|publication| publication.start(now));
        }
    }

    fn write_due_frames(&mut self, n: usize, now: Instant) {
        let Some(publication) = self.publications.get_mut(n) else { return };
        let sent_ns = self.measurement.ns(now);
        while let Some(frame) = publication.take_frame(now, sent_ns) {
            let mut direct = self.rtc.direct_api();
            let Some(stream) = direct.stream_tx_by_mid(frame.mid, None) else { return };
            let packets = frame.writes.len() as u64;
            frame.writes.into_iter().for_each(|write| stream.write_rtp(write));
            self.outputs.push_back(Output::FrameWritten { lateness: frame.lateness });
            if let Some((_, sent)) = self.counts.sent.get_mut(n).filter(|_| self.measurement.counts(sent_ns)) {
                *sent += packets;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("local address is no candidate: {0}")]
    Candidate(String),
    #[error("server refused: {0}")]
    Refused(String),
    #[error("transport closed by the server")]
    Closed,
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error("media engine: {0}")]
    Rtc(#[from] RtcError),
}

#[cfg(test)]
mod tests;
