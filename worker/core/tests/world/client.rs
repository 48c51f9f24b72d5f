//! An engine that behaves like the published browser client: it always offers, keeps what it was
//! told, and checks the rules that the browser client throws on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::media::{Direction, MediaKind as EngineKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{DatagramRecv, Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc};
use velella_model::wire::signal::{CloseReason, PeerEvent, ServerEvent, ToWorker};
use velella_model::{Json, MediaKind, SessionId, TrackId, Variant, VideoCodec};

/// What to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewTrack {
    Audio,
    Video,
    /// Video with encodings l, m, h.
    Simulcast,
}

/// A packet as a subscriber got it.
#[derive(Clone, Debug)]
pub struct Received {
    pub track: TrackId,
    pub sequence: u64,
    pub timestamp: u32,
    /// Under the payload type of redundant audio.
    pub is_red: bool,
    pub payload: Vec<u8>,
}

pub struct Client {
    pub name: &'static str,
    pub session: SessionId,
    pub address: SocketAddr,
    pub rtc: Rtc,
    pub events: Vec<ServerEvent>,
    pub received: Vec<Received>,
    /// Keyframe requests that reached this publisher.
    pub keyframe_requests: Vec<(Mid, Option<Rid>)>,
    pub messages: Vec<Vec<u8>>,
    /// The last sender report of each received track: wall clock and RTP time.
    pub reports: BTreeMap<TrackId, (SystemTime, u64)>,
    pub closed: Option<CloseReason>,
    pub outgoing: Vec<Vec<u8>>,
    pub signals: Vec<ToWorker>,
    /// Remote tracks it knows of, and the endpoints.
    pub tracks: BTreeSet<TrackId>,
    pub endpoints: BTreeSet<String>,
    /// Open data channels by label.
    pub channels: BTreeMap<String, ChannelId>,
    /// SDP of the last offer.
    pub last_offer: String,
    /// Asks for this encoding of every track as soon as it hears of it.
    pub target_on_sight: Option<Variant>,
    /// For tests that send offers of their own.
    pub ignore_answers: bool,
    /// It offers once, and knows nothing of tracks: what it receives is `audio` or `video`.
    pub one_offer: bool,
    /// Tracks whose senders are empty while an offer is made: offers leave out their names until an answer gives them.
    pub muted: BTreeSet<TrackId>,
    lines: BTreeMap<Mid, TrackId>,
    new_tracks: Vec<(TrackId, NewTrack)>,
    own: BTreeMap<Mid, (TrackId, NewTrack)>,
    receiving: BTreeMap<MediaKind, u32>,
    pending: Option<SdpPendingOffer>,
    new_channels: Vec<String>,
    next_seq: u64,
    next_heard: u64,
    sent: BTreeMap<(Mid, Option<Variant>), u64>,
}

pub fn rtc(codec: VideoCodec, now: Instant) -> Rtc {
    let config = Rtc::builder().set_rtp_mode(true).clear_codecs().enable_opus(true, true);
    let config = match codec {
        VideoCodec::Vp8 => config.enable_vp8(true),
        VideoCodec::H264 => config.enable_h264(true),
        VideoCodec::Vp9 => config.enable_vp9(true),
        VideoCodec::Av1 => config.enable_av1(true),
    };
    config.build(now)
}

impl Client {
    pub fn new(name: &'static str, session: SessionId, codec: VideoCodec, port: u16, now: Instant) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut rtc = rtc(codec, now);
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap());
        Self {
            name,
            session,
            address,
            rtc,
            events: Vec::new(),
            received: Vec::new(),
            keyframe_requests: Vec::new(),
            messages: Vec::new(),
            reports: BTreeMap::new(),
            closed: None,
            outgoing: Vec::new(),
            signals: Vec::new(),
            tracks: BTreeSet::new(),
            endpoints: BTreeSet::new(),
            channels: BTreeMap::new(),
            last_offer: String::new(),
            target_on_sight: None,
            ignore_answers: false,
            one_offer: false,
            muted: BTreeSet::new(),
            lines: BTreeMap::new(),
            new_tracks: Vec::new(),
            own: BTreeMap::new(),
            receiving: BTreeMap::new(),
            pending: None,
            new_channels: Vec::new(),
            next_seq: 0,
            next_heard: 0,
            sent: BTreeMap::new(),
        }
    }

    pub fn add_track(&mut self, kind: NewTrack) -> TrackId {
        let number = self.own.len() + self.new_tracks.len();
        let id = TrackId::parse(&format!("{}:{number}", self.name)).unwrap();
        self.new_tracks.push((id.clone(), kind));
        id
    }

    /// Stops a track; ask for a round afterwards.
    pub fn remove_track(&mut self, id: &TrackId) {
        self.own.retain(|_, (own, _)| own != id);
    }

    /// Opens a data channel; the first one with the next offer.
    pub fn open_channel(&mut self, label: &str) {
        match self.channels.is_empty() {
            true => self.new_channels.push(label.into()),
            false => drop(self.rtc.direct_api().create_data_channel(channel_config(label.into()))),
        }
    }

    /// Says something on an open channel.
    pub fn say_on(&mut self, label: &str, message: &[u8]) {
        let id = self.channels[label];
        assert!(self.rtc.channel(id).unwrap().write(true, message).unwrap(), "{}: buffer full", self.name);
    }

    /// Closes a channel.
    pub fn close_channel(&mut self, label: &str) {
        self.rtc.direct_api().close_data_channel(self.channels[label]);
    }

    pub fn sign(&mut self, event: PeerEvent) -> ToWorker {
        let seq = self.next_seq;
        self.next_seq += 1;
        ToWorker { session: self.session.clone(), seq, event }
    }

    /// Loses a signal on its way.
    pub fn lose_signal(&mut self) {
        self.next_seq += 1;
    }

    pub fn expect_seq(&mut self, seq: u64) {
        assert_eq!(seq, self.next_heard, "{}: events come complete and in order", self.name);
        self.next_heard += 1;
    }

    /// The mid of an own track.
    pub fn own_mid(&self, id: &TrackId) -> Option<Mid> {
        self.own.iter().find(|(_, (own, _))| own == id).map(|(mid, _)| *mid)
    }

    /// Sends one packet on an own track, captured just now.
    pub fn send(&mut self, id: &TrackId, rid: Option<Variant>, payload: &[u8], timestamp: u32, now: Instant) {
        self.send_captured(id, rid, payload, timestamp, now, now);
    }

    /// Sends one packet that took its time in the encoder.
    pub fn send_captured(
        &mut self,
        id: &TrackId,
        rid: Option<Variant>,
        payload: &[u8],
        timestamp: u32,
        captured_at: Instant,
        now: Instant,
    ) {
        let Some(mid) = self.own_mid(id) else { return };
        let variant = rid;
        let rid = variant.map(|v| Rid::from(v.rid()));
        let kind = self.rtc.media(mid).unwrap().kind();
        let pt = self.rtc.media(mid).unwrap().remote_pts().iter().copied().find(|pt| self.is_main(*pt, kind)).unwrap();
        let sequence = self.sent.entry((mid, variant)).or_insert(5_000);
        *sequence += 1;
        let write = RtpWrite::new(pt, (*sequence).into(), timestamp, captured_at, payload).nackable(true);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, rid) {
            stream.write_rtp(write);
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    /// Sends one packet of sound of this level.
    pub fn speak(&mut self, id: &TrackId, level_dbov: i8, now: Instant) {
        let Some(mid) = self.own_mid(id) else { return };
        let pt = self.rtc.media(mid).unwrap().remote_pts().iter().copied();
        let pt = pt.clone().find(|pt| self.is_main(*pt, EngineKind::Audio)).unwrap();
        let sequence = self.sent.entry((mid, None)).or_insert(5_000);
        *sequence += 1;
        let timestamp = u32::try_from(*sequence * 480).unwrap();
        let levels =
            ExtensionValues { audio_level: Some(level_dbov), voice_activity: Some(true), ..Default::default() };
        let write = RtpWrite::new(pt, (*sequence).into(), timestamp, now, b"opus".as_slice()).ext_vals(levels);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(write);
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    /// Sends one packet of redundant audio, as browsers do.
    pub fn send_red(&mut self, id: &TrackId, payload: &[u8], timestamp: u32, now: Instant) {
        let Some(mid) = self.own_mid(id) else { return };
        let pt = self.rtc.codec_config().params().iter().find_map(|p| p.red()).expect("agreed on");
        let sequence = self.sent.entry((mid, None)).or_insert(5_000);
        *sequence += 1;
        let write = RtpWrite::new(pt, (*sequence).into(), timestamp, now, payload);
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.write_rtp(write);
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    fn is_main(&self, pt: Pt, kind: EngineKind) -> bool {
        self.rtc.codec_config().params().iter().any(|p| p.pt() == pt && (p.spec().codec.is_audio() == kind.is_audio()))
    }

    pub fn receive(&mut self, contents: &[u8], now: Instant) {
        let Ok(datagram) = DatagramRecv::try_from(contents) else { return };
        let receive =
            Receive { proto: Protocol::Udp, source: super::server(), destination: self.address, contents: datagram };
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        self.drain();
    }

    pub fn poll(&mut self, now: Instant) {
        if self.rtc.is_alive() {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
            self.drain();
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => self.outgoing.push(transmit.contents.to_vec()),
                Output::Event(event) => self.on_engine_event(event),
            }
        }
    }

    fn on_engine_event(&mut self, event: Event) {
        match event {
            Event::RtpPacket(packet) => self.on_packet(packet),
            Event::KeyframeRequest(request) => self.keyframe_requests.push((request.mid, request.rid)),
            Event::SenderFeedback(report) => {
                if let Some(track) = self.lines.get(&report.mid) {
                    let info = report.sender_info;
                    self.reports.insert(track.clone(), (info.ntp_time, info.rtp_time.numer()));
                }
            }
            Event::ChannelOpen(id, label) => {
                self.channels.insert(label, id);
            }
            Event::ChannelClose(id) => self.channels.retain(|_, open| *open != id),
            Event::ChannelData(data) => self.messages.push(data.data),
            _ => {}
        }
    }

    fn on_packet(&mut self, packet: RtpPacket) {
        let mid = self.rtc.direct_api().stream_rx(&packet.header.ssrc).map(|s| s.mid());
        let Some(track) = mid.and_then(|mid| self.lines.get(&mid)) else { return };
        let red = self.rtc.codec_config().params().iter().find_map(|p| p.red());
        self.received.push(Received {
            track: track.clone(),
            is_red: red == Some(packet.header.payload_type),
            sequence: *packet.seq_no,
            timestamp: packet.header.timestamp,
            payload: packet.payload.to_vec(),
        });
    }

    /// What the published client does on each event, and throws on.
    pub fn hear(&mut self, event: ServerEvent, now: Instant) {
        match &event {
            ServerEvent::Connected { endpoints, .. } => {
                self.endpoints.extend(endpoints.keys().map(ToString::to_string));
            }
            ServerEvent::EndpointAdded { endpoint, .. } => {
                self.endpoints.insert(endpoint.to_string());
            }
            ServerEvent::EndpointRemoved { endpoint } => {
                assert!(self.endpoints.remove(endpoint.as_str()), "{}: unknown endpoint {endpoint} removed", self.name);
            }
            ServerEvent::TracksAdded { endpoint, tracks } => {
                assert!(self.endpoints.contains(endpoint.as_str()), "{}: tracks of unknown {endpoint}", self.name);
                for track in tracks.keys() {
                    let new = self.tracks.insert(track.clone());
                    assert!(new, "{}: {track} announced again, which loses its line", self.name);
                    if let Some(variant) = self.target_on_sight {
                        let signal = self.sign(PeerEvent::SetTargetTrackVariant { track: track.clone(), variant });
                        self.signals.push(signal);
                    }
                }
            }
            ServerEvent::TracksRemoved { tracks, .. } => {
                for track in tracks {
                    assert!(self.tracks.remove(track), "{}: unknown track {track} removed", self.name);
                    self.lines.retain(|_, t| t != track);
                }
            }
            ServerEvent::VadNotification { track, .. } => {
                assert!(self.lines.values().any(|t| t == track), "{}: voice of unknown {track}", self.name);
            }
            ServerEvent::OfferData { audio, video } => self.offer(*audio, *video, now),
            ServerEvent::SdpAnswer { .. } if self.ignore_answers => {}
            ServerEvent::SdpAnswer { sdp, mid_to_track } => self.answered(sdp, mid_to_track, now),
            _ => {}
        }
        self.events.push(event);
    }

    /// One offer holds receiving lines, new tracks, stopped tracks and the data channel.
    pub fn offer(&mut self, audio: u32, video: u32, now: Instant) {
        self.offer_with(audio, video, false, now);
    }

    /// The same lines again, with ICE beginning anew.
    pub fn restart_ice(&mut self, now: Instant) {
        let lines = |kind| self.receiving.get(&kind).copied().unwrap_or(0);
        self.offer_with(lines(MediaKind::Audio), lines(MediaKind::Video), true, now);
    }

    fn offer_with(&mut self, audio: u32, video: u32, restarts_ice: bool, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
        let mut changes = self.rtc.sdp_api();
        if restarts_ice {
            changes.ice_restart(true);
        }
        for (kind, wanted) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
            let had = self.receiving.insert(kind, wanted).unwrap_or(0);
            assert!(wanted >= had, "{}: counts never decrease", self.name);
            for _ in had..wanted {
                changes.add_media(engine_kind(kind), Direction::RecvOnly, None, None, None);
            }
        }
        for (id, track) in self.new_tracks.drain(..) {
            let (kind, simulcast) = match track {
                NewTrack::Audio => (EngineKind::Audio, None),
                NewTrack::Video => (EngineKind::Video, None),
                NewTrack::Simulcast => (EngineKind::Video, Some(ladder())),
            };
            let mid = changes.add_media(kind, Direction::SendOnly, None, None, simulcast);
            self.own.insert(mid, (id, track));
        }
        for label in self.new_channels.drain(..) {
            changes.add_channel_with_config(channel_config(label));
        }
        if !changes.has_changes() {
            // Browsers offer again without a change; this engine needs one.
            changes.add_media(EngineKind::Audio, Direction::Inactive, None, None, None);
        }
        let (offer, pending) = changes.apply().expect("has changes");
        self.pending = Some(pending);
        let named = self.own.iter().filter(|(_, (id, _))| !self.muted.contains(id));
        let mid_to_track = named.map(|(mid, (id, _))| (mid.to_string(), id.clone())).collect();
        let metadata = self.own.values().map(|(id, _)| (id.clone(), Json::parse("{\"type\":\"camera\"}").unwrap()));
        self.last_offer = offer.to_sdp_string();
        let (mid_to_track, metadata) =
            if self.one_offer { Default::default() } else { (mid_to_track, metadata.collect()) };
        let event = PeerEvent::SdpOffer { sdp: self.last_offer.clone(), mid_to_track, metadata };
        let signal = self.sign(event);
        self.signals.push(signal);
    }

    fn answered(&mut self, sdp: &str, mid_to_track: &BTreeMap<String, TrackId>, now: Instant) {
        let pending = self.pending.take().expect("an answer follows an offer");
        let answer = SdpAnswer::from_sdp_string(sdp).unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
        if self.one_offer {
            let sent = sdp.split("\r\nm=").skip(1).filter(|section| section.contains("a=sendonly"));
            let mid = |section: &str| section.lines().find_map(|l| l.strip_prefix("a=mid:")).map(Mid::from).unwrap();
            let kind = |section: &str| TrackId::parse(section.split(' ').next().unwrap()).unwrap();
            self.lines = sent.map(|section| (mid(section), kind(section))).collect();
            return;
        }
        for section in sdp.split("\r\nm=").skip(1) {
            let mid = section.lines().find_map(|l| l.strip_prefix("a=mid:")).unwrap();
            if section.contains("a=sendonly") {
                assert!(mid_to_track.contains_key(mid), "{}: remote track with mid {mid} not found", self.name);
            }
        }
        self.muted.retain(|id| !mid_to_track.values().any(|named| named == id));
        self.lines = mid_to_track
            .iter()
            .map(|(mid, track)| (Mid::from(mid.as_str()), track.clone()))
            .filter(|(mid, _)| !self.own.contains_key(mid))
            .collect();
    }
}

fn channel_config(label: String) -> ChannelConfig {
    ChannelConfig { label, reliability: Reliability::Reliable, ..Default::default() }
}

fn ladder() -> Simulcast {
    let mut simulcast = Simulcast::new();
    for variant in Variant::ALL {
        simulcast.add_send_layer(SimulcastLayer::new(variant.rid()));
    }
    simulcast
}

fn engine_kind(kind: MediaKind) -> EngineKind {
    match kind {
        MediaKind::Audio => EngineKind::Audio,
        MediaKind::Video => EngineKind::Video,
    }
}
