//! The session against the SFU's end of its connection, in virtual time.

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
