//! A caller's handshake (draft-sharabayko-srt-01, section 4.3.1), in which nothing is remembered of it.
//!
//! The machine of `srt-protocol` remembers its own cookie from the first step to the last. Here a caller gets another
//! one, which its listener can check without remembering anything, and the machine is taken over the first step when
//! the last one has come.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use srt_protocol::options::{ByteCount, Passphrase, SocketOptions};
use srt_protocol::packet::{
    ControlPacket, ControlTypes, CoreRejectReason, HandshakeControlInfo, HandshakeVsInfo, Packet, RejectReason,
    ShakeType, SocketId, SocketType, SrtControlPacket, TimeStamp,
};
use srt_protocol::protocol::pending_connection::{ConnectionResult, listen::Listen};
use srt_protocol::settings::{ConnInitSettings, KeySettings};

/// How long packets wait for those that were lost before them. Encoders may ask for more.
const LATENCY: Duration = Duration::from_millis(120);

/// The most that they may ask for; what is remembered of packets grows with it.
const LATENCY_MAX: Duration = Duration::from_secs(4);

/// What waits like that for one publisher: four seconds of 8 Mbit/s.
const RECEIVE_BYTES: u64 = 4 * 1024 * 1024;

/// What a caller is told of this end.
#[must_use]
pub fn settings() -> ConnInitSettings {
    let mut options = SocketOptions::default();
    options.receiver.latency = LATENCY;
    options.receiver.buffer_size = ByteCount(RECEIVE_BYTES);
    options.into()
}

/// Reads a datagram that [`crate::gate`] lets through. The parser has places that panic; those that are known cannot
/// be reached.
#[must_use]
pub fn parse(datagram: &[u8], is_ipv6: bool) -> Option<Packet> {
    let parsed = catch_unwind(AssertUnwindSafe(|| Packet::parse(&mut &datagram[..], is_ipv6)));
    parsed.inspect_err(|_| tracing::error!("the parser of SRT panicked")).ok()?.ok()
}

/// The handshake that a packet is.
#[must_use]
pub fn handshake(packet: Packet) -> Option<(ControlPacket, HandshakeControlInfo)> {
    let Packet::Control(control) = packet else { return None };
    let shake = control.handshake()?.clone();
    Some((control, shake))
}

/// The answer to the first step, with this cookie.
#[must_use]
pub fn induction(
    settings: &ConnInitSettings,
    shake: &HandshakeControlInfo,
    from: SocketAddr,
    now: Instant,
    cookie: i32,
) -> Option<Packet> {
    let (_, answer, _) = induced(Listen::new(settings.clone(), true), shake, from, now)?;
    let (control, shake) = handshake(answer)?;
    let shake = ControlTypes::Handshake(HandshakeControlInfo { syn_cookie: cookie, ..shake });
    Some(Packet::Control(ControlPacket { control_type: shake, ..control }))
}

/// Who came, at the last step.
#[derive(Debug)]
pub struct Guest {
    /// What it asks for.
    pub stream_id: Option<String>,
    /// What it said.
    pub shake: HandshakeControlInfo,
    /// The machine that waits for a decision.
    pub listen: Listen,
    /// Where it is.
    pub from: SocketAddr,
}

impl Guest {
    /// How it encrypts; both sides have to want the same.
    ///
    /// # Errors
    /// When they do not. The machine would panic then.
    pub fn keys(&self, passphrase: Option<Passphrase>) -> Result<Option<KeySettings>, RejectReason> {
        let HandshakeVsInfo::V5(info) = &self.shake.info else { return Err(CoreRejectReason::Version.into()) };
        match (passphrase, info.ext_km.is_some()) {
            (Some(passphrase), true) => Ok(Some(KeySettings { key_size: info.key_size, passphrase })),
            (None, false) => Ok(None),
            (Some(_), false) | (None, true) => Err(CoreRejectReason::Unsecure.into()),
        }
    }
}

/// Takes the last step, whose cookie was found to be ours.
#[must_use]
pub fn conclusion(
    settings: &ConnInitSettings,
    control: &ControlPacket,
    mut shake: HandshakeControlInfo,
    from: SocketAddr,
    now: Instant,
) -> Option<Guest> {
    limit_latency(&mut shake);
    let (mut listen, _, cookie) = induced(Listen::new(settings.copy_randomize(), true), &shake, from, now)?;
    let conclusion = ControlTypes::Handshake(HandshakeControlInfo { syn_cookie: cookie, ..shake.clone() });
    let packet = Packet::Control(ControlPacket { control_type: conclusion, ..control.clone() });
    let ConnectionResult::RequestAccess(request) = listen.handle_packet(now, Ok((packet, from))) else { return None };
    Some(Guest { stream_id: request.stream_id.map(|id| id.to_string()), shake, listen, from })
}

/// Takes a machine over the first step; with its answer, and the cookie that it wants to see.
fn induced(
    mut listen: Listen,
    shake: &HandshakeControlInfo,
    from: SocketAddr,
    now: Instant,
) -> Option<(Listen, Packet, i32)> {
    let info = HandshakeVsInfo::V4(SocketType::Datagram);
    let induction = HandshakeControlInfo { shake_type: ShakeType::Induction, info, ..shake.clone() };
    let control_type = ControlTypes::Handshake(induction);
    let packet = ControlPacket { timestamp: TimeStamp::MIN, dest_sockid: SocketId(0), control_type };
    let result = listen.handle_packet(now, Ok((Packet::Control(packet), from)));
    let ConnectionResult::SendPacket((answer, _)) = result else { return None };
    let cookie = answer.control()?.handshake()?.syn_cookie;
    Some((listen, answer, cookie))
}

fn limit_latency(shake: &mut HandshakeControlInfo) {
    let HandshakeVsInfo::V5(info) = &mut shake.info else { return };
    if let Some(SrtControlPacket::HandshakeRequest(request)) = &mut info.ext_hs {
        request.send_latency = request.send_latency.min(LATENCY_MAX);
        request.recv_latency = request.recv_latency.min(LATENCY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::conclusion;

    #[test]
    fn nobody_makes_us_wait_for_a_minute() {
        let datagram = conclusion(1);
        let mut longest = datagram.clone();
        // Both latencies of the request stand at its end.
        longest[76..80].copy_from_slice(&[0xff; 4]);
        let latencies = |datagram: &[u8]| {
            let (_, mut shake) = parse(datagram, false).and_then(handshake).unwrap();
            limit_latency(&mut shake);
            let HandshakeVsInfo::V5(info) = shake.info else { panic!("version 5") };
            let Some(SrtControlPacket::HandshakeRequest(request)) = info.ext_hs else { panic!("a request") };
            [request.send_latency, request.recv_latency]
        };
        assert_eq!(latencies(&datagram), [Duration::from_millis(120); 2]);
        assert_eq!(latencies(&longest), [LATENCY_MAX; 2]);
    }
}
