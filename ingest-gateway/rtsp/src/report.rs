//! What we report of a track to its sender (RFC 3550 6.4 and its appendices A.3 and A.8). Some cameras
//! end a session that hears no reports.

use std::time::Instant;

use crate::rtcp::{Block, NtpTime};
use crate::rtp::Packet;

/// Counts what arrives of one track.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    state: Option<State>,
    /// The last report of the sender, and when it came.
    heard: Option<(NtpTime, Instant)>,
}

#[derive(Debug)]
struct State {
    ssrc: u32,
    first: u32,
    /// With the number of times that it wrapped in the upper half.
    highest: u32,
    received: u32,
    /// At the last report of ours.
    reported: (u32, u32),
    /// When the last packet came less when it was sent, in ticks.
    transit: i64,
    /// In sixteenths of a tick.
    jitter: i64,
}

impl Arrivals {
    /// Counts a packet; `now` is told as time since some moment, in ticks of the track.
    pub(crate) fn count(&mut self, packet: &Packet, now_ticks: i64) {
        let transit = now_ticks - i64::from(packet.timestamp);
        let anew = self.state.as_ref().is_none_or(|state| state.ssrc != packet.ssrc);
        if anew {
            let first = u32::from(packet.sequence);
            let ssrc = packet.ssrc;
            self.heard = None;
            self.state = Some(State { ssrc, first, highest: first, received: 0, reported: (0, 0), transit, jitter: 0 });
        }
        let Some(state) = &mut self.state else { return };
        let ahead = packet.sequence.wrapping_sub(low(state.highest));
        if ahead < 1 << 15 {
            state.highest = state.highest.wrapping_add(u32::from(ahead));
        }
        state.received = state.received.wrapping_add(1);
        let moved = (transit - std::mem::replace(&mut state.transit, transit)).abs();
        // A jump of the clock is no jitter.
        if moved < i64::from(u16::MAX) {
            state.jitter += moved - ((state.jitter + 8) >> 4);
        }
    }

    /// The sender reported.
    pub(crate) fn hear(&mut self, clock: NtpTime, now: Instant) {
        self.heard = Some((clock, now));
    }

    /// What to report now; nothing before the first packet.
    pub(crate) fn block(&mut self, now: Instant) -> Option<Block> {
        let state = self.state.as_mut()?;
        let expected = state.highest.wrapping_sub(state.first).wrapping_add(1);
        let reported = std::mem::replace(&mut state.reported, (expected, state.received));
        let expected_since = u64::from(expected.wrapping_sub(reported.0));
        let received_since = u64::from(state.received.wrapping_sub(reported.1));
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction_lost = lost_since * 256 / expected_since.max(1);
        let delay = self.heard.map(|(_, at)| now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000);
        Some(Block {
            ssrc: state.ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(u8::MAX),
            lost: expected.saturating_sub(state.received),
            highest_sequence: state.highest,
            jitter: u32::try_from(state.jitter >> 4).unwrap_or(u32::MAX),
            last_report: self.heard.map_or(0, |(clock, _)| clock.middle()),
            delay: delay.and_then(|delay| u32::try_from(delay).ok()).unwrap_or(0),
        })
    }
}

/// The half of a number that stands in packets.
fn low(number: u32) -> u16 {
    let [_, _, high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn count(arrivals: &mut Arrivals, sequence: u16, timestamp: u32, now_ticks: i64) {
        arrivals.count(&Packet { sequence, ..Packet::for_test(timestamp, false, &[]) }, now_ticks);
    }

    #[test]
    fn nothing_is_reported_before_the_first_packet() {
        assert_eq!(Arrivals::default().block(Instant::now()), None);
    }

    #[test]
    fn loss_is_told_since_the_last_report_and_in_all() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        [65_534, 65_535, 1, 2].iter().for_each(|sequence| count(&mut arrivals, *sequence, 0, 0));
        let block = arrivals.block(now).unwrap();
        assert_eq!((block.highest_sequence, block.lost, block.fraction_lost), (65_538, 1, 51));
        count(&mut arrivals, 3, 0, 0);
        let block = arrivals.block(now).unwrap();
        assert_eq!((block.lost, block.fraction_lost), (1, 0));
    }

    #[test]
    fn jitter_grows_with_what_arrives_unevenly() {
        let mut arrivals = Arrivals::default();
        for number in 0..100_u16 {
            let sent = u32::from(number) * 3_000;
            count(&mut arrivals, number, sent, i64::from(sent) + i64::from(number % 2) * 160);
        }
        let jitter = arrivals.block(Instant::now()).unwrap().jitter;
        assert!((150..=160).contains(&jitter), "{jitter}");
    }

    #[test]
    fn the_report_of_the_sender_is_referred_to() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        count(&mut arrivals, 0, 0, 0);
        arrivals.hear(NtpTime(0x1234_5678_9abc_def0), now);
        let block = arrivals.block(now + Duration::from_millis(500)).unwrap();
        assert_eq!((block.last_report, block.delay), (0x5678_9abc, 32_768));
    }
}
