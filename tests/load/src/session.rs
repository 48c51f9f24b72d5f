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
        let publications: Vec<Publication> = part
            .publishes
            .iter()
            .map(|(source, traffic)| Publication::new(measurement.run, *source, *traffic))
            .collect();
        let counts =
            Counts { sent: part.publishes.iter().map(|(source, _)| (*source, 0)).collect(), ..Counts::default() };
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
mod tests {
    use super::*;
    use crate::pattern::Stamp;
    use str0m::change::SdpOffer;
    use str0m::crypto::from_feature_flags;
    use str0m::format::detect_vp8_keyframe;
    use str0m::media::KeyframeRequestKind;
    use str0m::rtp::RtpPacket;
    use velella_proto::fishjam::media_events::server::media_event::{
        Connected, OfferData, SdpAnswer, offer_data::TracksTypes,
    };

    #[test]
    fn a_publisher_joins_as_the_client_library_does() {
        let mut world = World::new(&[(0, Traffic::AUDIO), (1, video())]);
        assert!(matches!(world.said(), Say::Connect(_)));
        world.hear(Heard::Connected(Connected { endpoint_id: "me".into(), ..Connected::default() }));
        assert!(matches!(world.said(), Say::RenegotiateTracks(_)));
        world.hear(offer_data());
        let Say::SdpOffer(offer) = world.said() else { panic!("an offer is due") };
        assert!(offer.mid_to_track_id.values().all(|id| id.starts_with("me:")));
        assert_eq!(offer.mid_to_track_id.len(), 2);
    }

    #[test]
    fn a_subscriber_waits_to_be_asked_for_an_offer() {
        let mut world = World::new(&[]);
        assert!(matches!(world.said(), Say::Connect(_)));
        world.hear(Heard::Connected(Connected::default()));
        assert!(world.session.poll_output().is_none());
    }

    #[test]
    fn media_flows_in_order_after_connecting_and_begins_with_a_key_frame() {
        let mut world = World::joined(&[(7, video())]);
        let packets = world.packets_of(Duration::from_secs(1));
        let stamps: Vec<Stamp> = packets.iter().map(|p| Stamp::parse(&p.payload).unwrap()).collect();
        assert!(stamps.iter().zip(0..).all(|(stamp, n)| (stamp.run, stamp.source, stamp.seq) == (RUN, 7, n)));
        assert!(stamps.len() >= 100, "1 Mbit/s at 30 fps is 120 packets per second, not {}", stamps.len());
        assert_eq!(keyframes(&packets), 1);
        assert!(detect_vp8_keyframe(&packets[0].payload));
        let marked = packets.iter().filter(|packet| packet.header.marker).count();
        assert_eq!(marked, stamps.len() / 4, "the last of four packets ends the frame");
    }

    #[test]
    fn a_keyframe_request_is_answered_once() {
        let mut world = World::joined(&[(7, video())]);
        let first = world.packets_of(Duration::from_millis(500));
        world.request_keyframe(&first[0]);
        assert_eq!(keyframes(&world.packets_of(Duration::from_secs(1))), 1);
        assert_eq!(world.session.counts().keyframe_requests, 1);
    }

    #[test]
    fn an_error_of_the_server_ends_the_session_with_its_words() {
        let mut world = World::new(&[]);
        let refused = velella_proto::fishjam::media_events::server::media_event::Error { message: "full".into() };
        let ended = world.session.handle_event(Heard::Error(refused), world.now);
        assert_eq!(ended.unwrap_err().to_string(), "server refused: full");
    }

    #[test]
    fn garbage_datagrams_are_counted_and_survived() {
        let mut world = World::joined(&[(7, video())]);
        for garbage in [&[][..], &[0xff; 3], &[0x80; 40], &[0x16; 100]] {
            world.session.handle_datagram(SFU, garbage, world.now).unwrap();
        }
        assert!(world.session.counts().bad_datagrams > 0);
        assert!(!world.packets_of(Duration::from_millis(200)).is_empty());
    }

    const RUN: u32 = 5;
    const SFU: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 10_000);
    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 40_000);
    const STEP: Duration = Duration::from_millis(5);

    /// A session and the SFU's end of its connection, in virtual time, on a perfect network.
    struct World {
        session: Session,
        sfu: Rtc,
        now: Instant,
    }

    impl World {
        fn new(publishes: &[(u32, Traffic)]) -> Self {
            let now = Instant::now();
            let cert = from_feature_flags().dtls_provider.generate_certificate().unwrap();
            let part = Part { video: Shape::Vp8, publishes: publishes.to_vec() };
            let measurement = Arc::new(Measurement::new(RUN, now));
            let session = Session::new(&part, cert, PEER, measurement, now).unwrap();
            let mut sfu = Rtc::builder().set_ice_lite(true).set_rtp_mode(true).build(now);
            sfu.add_local_candidate(Candidate::host(SFU, "udp").unwrap());
            Self { session, sfu, now }
        }

        /// Through the whole dialogue until the transport is up.
        fn joined(publishes: &[(u32, Traffic)]) -> Self {
            let mut world = Self::new(publishes);
            world.said();
            world.hear(Heard::Connected(Connected::default()));
            world.said();
            world.hear(offer_data());
            let Say::SdpOffer(offer) = world.said() else { panic!("an offer is due") };
            let offer = SdpOffer::from_sdp_string(&offer.sdp).unwrap();
            let sdp = world.sfu.sdp_api().accept_offer(offer).unwrap().to_sdp_string();
            world.hear(Heard::SdpAnswer(SdpAnswer { sdp, ..SdpAnswer::default() }));
            while !world.session.connected {
                world.step();
            }
            world
        }

        fn said(&mut self) -> Say {
            match self.session.poll_output() {
                Some(Output::Say(say)) => say,
                other => panic!("expected words, got {other:?}"),
            }
        }

        fn hear(&mut self, event: Heard) {
            self.session.handle_event(event, self.now).unwrap();
        }

        fn packets_of(&mut self, span: Duration) -> Vec<RtpPacket> {
            let end = self.now + span;
            let mut packets = Vec::new();
            while self.now < end {
                packets.extend(self.step());
            }
            packets
        }

        fn request_keyframe(&mut self, of: &RtpPacket) {
            let mut direct = self.sfu.direct_api();
            direct.stream_rx(&of.header.ssrc).unwrap().request_keyframe(KeyframeRequestKind::Pli);
        }

        /// Moves time and whatever was sent; returns the media that reached the SFU.
        fn step(&mut self) -> Vec<RtpPacket> {
            self.now += STEP;
            let (mut media, mut answers) = (Vec::new(), Vec::new());
            self.session.handle_timeout(self.now).unwrap();
            self.sfu.handle_input(Input::Timeout(self.now)).unwrap();
            drain(&mut self.sfu, &mut media, &mut answers);
            while let Some(output) = self.session.poll_output() {
                if let Output::Transmit(transmit) = output {
                    let receive = Receive::new(Protocol::Udp, PEER, SFU, &transmit.contents).unwrap();
                    self.sfu.handle_input(Input::Receive(self.now, receive)).unwrap();
                    drain(&mut self.sfu, &mut media, &mut answers);
                }
            }
            for bytes in answers {
                self.session.handle_datagram(SFU, &bytes, self.now).unwrap();
            }
            media
        }
    }

    fn drain(sfu: &mut Rtc, media: &mut Vec<RtpPacket>, answers: &mut Vec<Vec<u8>>) {
        loop {
            match sfu.poll_output().unwrap() {
                RtcOutput::Timeout(_) => return,
                RtcOutput::Transmit(transmit) => answers.push(transmit.contents.to_vec()),
                RtcOutput::Event(Event::RtpPacket(packet)) => media.push(packet),
                RtcOutput::Event(_) => {}
            }
        }
    }

    fn keyframes(packets: &[RtpPacket]) -> usize {
        packets.iter().filter(|packet| detect_vp8_keyframe(&packet.payload)).count()
    }

    fn offer_data() -> Heard {
        Heard::OfferData(OfferData { tracks_types: Some(TracksTypes::default()) })
    }

    fn video() -> Traffic {
        Traffic::video(Shape::Vp8, 1_000_000, 30, 1100)
    }
}
