//! All that arrives of a camera's media. No sockets, no clock: packets and the time come in, events
//! come out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::event::{Discontinuity, Event, Medium, Stats};
use crate::format::Chosen;
use crate::rtcp::{Report, reports, write_report};
use crate::sync::Sync;
use crate::track::Receiver;

/// All that arrives of a camera's media.
#[derive(Debug)]
pub(crate) struct Reception {
    tracks: Vec<Receiver>,
    sync: Sync,
    events: VecDeque<Event>,
    own_ssrc: u32,
    /// Packets for no track.
    astray: u64,
}

/// The camera says that it sends no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bye;

impl Reception {
    /// Of these tracks, over a way that keeps the order of packets or not.
    pub(crate) fn new(chosen: &[Chosen], ordered: bool, own_ssrc: u32, opened: Instant) -> Self {
        let tracks = chosen.iter().map(|chosen| Receiver::new(chosen, ordered, opened)).collect();
        Self { tracks, sync: Sync::default(), events: VecDeque::new(), own_ssrc, astray: 0 }
    }

    /// Takes an RTP packet of a track; drain `poll_event` then.
    pub(crate) fn handle_rtp(&mut self, track: usize, bytes: Bytes, now: Instant) {
        let Some(track) = self.tracks.get_mut(track) else {
            self.astray += 1;
            return;
        };
        let before = self.events.len();
        track.handle_rtp(bytes, now, &mut self.events);
        let jumped = |event: &Event| matches!(event, Event::Discontinuity(_, Discontinuity::Jump { .. }));
        if self.events.iter().skip(before).any(jumped) {
            self.sync.forget();
        }
    }

    /// Takes an RTCP packet of a track; drain `poll_event` then.
    pub(crate) fn handle_rtcp(&mut self, track: usize, bytes: &[u8], now: Instant) -> Result<(), Bye> {
        for report in reports(bytes) {
            let Some(receiver) = self.tracks.get_mut(track) else { break };
            match report {
                Report::Sender { clock, timestamp, .. } => {
                    let medium = receiver.medium;
                    let time = receiver.handle_report(clock, timestamp, now);
                    if let Some(by) = time.and_then(|time| self.sync.report(medium, clock, time)) {
                        self.shift_sound(by);
                    }
                }
                Report::Bye { ssrc } if receiver.is_sent_as(ssrc) => return Err(Bye),
                Report::Bye { .. } => {}
            }
        }
        Ok(())
    }

    fn shift_sound(&mut self, by: i64) {
        let sound = self.tracks.iter_mut().filter(|track| track.medium == Medium::Audio);
        sound.for_each(|track| track.shift(by));
        let moved = Discontinuity::Resynchronised { later: by > 0, by: Duration::from_nanos(by.unsigned_abs()) };
        self.events.push_back(Event::Discontinuity(Medium::Audio, moved));
    }

    /// What happened.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The RTCP packet to send for a track now.
    pub(crate) fn report(&mut self, track: usize, now: Instant) -> Option<Vec<u8>> {
        self.tracks.get_mut(track)?.block(now).map(|block| write_report(self.own_ssrc, block))
    }

    /// When the last packet of the pictures arrived, or of the sound where there are none.
    pub(crate) fn heard(&self) -> Option<Instant> {
        let pictures = self.tracks.iter().find(|track| track.medium == Medium::Video);
        pictures.or_else(|| self.tracks.first()).map(|track| track.heard)
    }

    /// What was counted.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { malformed: self.astray, ..Stats::default() };
        self.tracks.iter().for_each(|track| track.add_to(&mut stats));
        stats
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use velella_media::Frame;

    use super::*;
    use crate::format::choose;
    use crate::sdp::Description;

    const SDP: &str = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 0\n";
    const SETS: [&[u8]; 2] = [&[0x67, 1], &[0x68, 2]];
    const KEY: &[u8] = &[0x65, 0x88, 0x80];
    const DELTA: &[u8] = &[0x41, 0xe0];
    const VIDEO: usize = 0;
    const AUDIO: usize = 1;

    struct Camera {
        reception: Reception,
        now: Instant,
        /// Of the next packet of each track.
        sequences: [u16; 2],
    }

    impl Camera {
        fn new() -> Self {
            let chosen = choose(&Description::parse(SDP.as_bytes()).unwrap()).unwrap().chosen;
            let now = Instant::now();
            Self { reception: Reception::new(&chosen, true, 7, now), now, sequences: [0; 2] }
        }

        fn rtp(&mut self, track: usize, timestamp: u32, payload: &[u8]) -> Vec<Event> {
            let payload_type = if track == VIDEO { 96 } else { 0 };
            let mut bytes = vec![0x80, 0x80 | payload_type];
            bytes.extend(self.sequences[track].to_be_bytes());
            bytes.extend(timestamp.to_be_bytes());
            bytes.extend([0, 0, 0, 5]);
            bytes.extend(payload);
            self.sequences[track] += 1;
            self.reception.handle_rtp(track, bytes.into(), self.now);
            self.events()
        }

        fn sender_report(&mut self, track: usize, clock_millis: u64, timestamp: u32) -> Vec<Event> {
            let mut bytes = vec![0x80, 200, 0, 6, 0, 0, 0, 5];
            bytes.extend(((clock_millis << 32) / 1_000).to_be_bytes());
            bytes.extend(timestamp.to_be_bytes());
            bytes.extend([0; 8]);
            assert_eq!(self.reception.handle_rtcp(track, &bytes, self.now), Ok(()));
            self.events()
        }

        fn events(&mut self) -> Vec<Event> {
            std::iter::from_fn(|| self.reception.poll_event()).collect()
        }
    }

    fn keyframes(events: &[Event]) -> Vec<bool> {
        let picture = |event: &Event| match event {
            Event::Frame(Frame::Video(picture)) => Some(picture.keyframe),
            Event::Frame(Frame::Audio(_)) | Event::ParameterSetsMissing | Event::Discontinuity(..) => None,
        };
        events.iter().filter_map(picture).collect()
    }

    #[test]
    fn pictures_begin_with_a_key_frame_that_decodes() {
        let mut camera = Camera::new();
        assert_eq!(camera.rtp(VIDEO, 0, DELTA), []);
        assert_eq!(camera.rtp(VIDEO, 3_600, KEY), [Event::ParameterSetsMissing]);
        assert_eq!(camera.rtp(VIDEO, 7_200, KEY), []);
        for set in SETS {
            assert_eq!(camera.rtp(VIDEO, 10_800, set), []);
        }
        assert_eq!(keyframes(&camera.rtp(VIDEO, 10_800, KEY)), [true]);
        assert_eq!(keyframes(&camera.rtp(VIDEO, 14_400, DELTA)), [false]);
        assert_eq!(camera.reception.stats().undecodable, 3);
    }

    #[test]
    fn a_missing_packet_is_told() {
        let mut camera = Camera::new();
        SETS.iter().for_each(|set| drop(camera.rtp(VIDEO, 0, set)));
        camera.rtp(VIDEO, 0, KEY);
        camera.sequences[VIDEO] += 2;
        let events = camera.rtp(VIDEO, 3_600, DELTA);
        assert_eq!(events[0], Event::Discontinuity(Medium::Video, Discontinuity::Loss));
        assert_eq!(keyframes(&events), [false]);
        assert_eq!(camera.reception.stats().lost, 2);
    }

    #[test]
    fn a_clock_that_jumps_is_told_and_time_goes_on() {
        let mut camera = Camera::new();
        SETS.iter().for_each(|set| drop(camera.rtp(VIDEO, 0, set)));
        camera.rtp(VIDEO, 0, KEY);
        camera.now += Duration::from_millis(40);
        let events = camera.rtp(VIDEO, 273_600, DELTA);
        assert_eq!(events[0], Event::Discontinuity(Medium::Video, Discontinuity::Jump { seconds: 3 }));
        let Event::Frame(frame) = &events[1] else { panic!("{events:?}") };
        assert_eq!(frame.time().0, 40_000_000);
    }

    #[test]
    fn sound_moves_to_its_pictures_when_reports_agree() {
        let mut camera = Camera::new();
        SETS.iter().for_each(|set| drop(camera.rtp(VIDEO, 0, set)));
        camera.rtp(VIDEO, 0, KEY);
        camera.rtp(AUDIO, 0, &[0; 160]);
        // What arrived at the same time belongs 250 ms apart.
        assert_eq!(camera.sender_report(VIDEO, 10_000, 0), []);
        assert_eq!(camera.sender_report(AUDIO, 10_250, 0), []);
        let by = Duration::from_millis(250);
        let moved = Event::Discontinuity(Medium::Audio, Discontinuity::Resynchronised { later: true, by });
        assert_eq!(camera.sender_report(VIDEO, 10_000, 0), [moved]);
        let Event::Frame(frame) = &camera.rtp(AUDIO, 160, &[0; 160])[0] else { panic!("no sound") };
        assert_eq!(frame.time().0, 270_000_000);
    }

    #[test]
    fn of_a_camera_with_pictures_they_are_listened_for() {
        let mut camera = Camera::new();
        camera.rtp(VIDEO, 0, DELTA);
        let heard = camera.now;
        camera.now += Duration::from_secs(1);
        camera.rtp(AUDIO, 0, &[0; 160]);
        assert_eq!(camera.reception.heard(), Some(heard));
    }

    #[test]
    fn a_goodbye_counts_from_the_sender_of_the_track() {
        let mut camera = Camera::new();
        camera.rtp(AUDIO, 0, &[0; 160]);
        let bye = |ssrc| [0x81, 203, 0, 1, 0, 0, 0, ssrc];
        assert_eq!(camera.reception.handle_rtcp(AUDIO, &bye(4), camera.now), Ok(()));
        assert_eq!(camera.reception.handle_rtcp(AUDIO, &bye(5), camera.now), Err(Bye));
        assert_eq!(camera.reception.handle_rtcp(9, &bye(5), camera.now), Ok(()));
    }

    #[test]
    fn what_nobody_asked_for_is_counted() {
        let mut camera = Camera::new();
        camera.reception.handle_rtp(9, Bytes::from_static(b"x"), camera.now);
        camera.reception.handle_rtp(VIDEO, Bytes::from_static(b"x"), camera.now);
        camera.rtp(AUDIO, 0, &[]);
        let stats = camera.reception.stats();
        assert_eq!((stats.malformed, stats.packets), (2, 1));
    }

    proptest! {
        #[test]
        fn garbage_never_ends_it(packets: Vec<(bool, u32, Vec<u8>)>, raw: Vec<Vec<u8>>) {
            let mut camera = Camera::new();
            for (video, timestamp, payload) in packets {
                camera.rtp(if video { VIDEO } else { AUDIO }, timestamp, &payload);
            }
            for bytes in raw {
                let _ = camera.reception.handle_rtcp(VIDEO, &bytes, camera.now);
                camera.reception.handle_rtp(VIDEO, bytes.into(), camera.now);
            }
            camera.events();
            SETS.iter().for_each(|set| drop(camera.rtp(VIDEO, 9, set)));
            // The number goes on by one, so this is no loss, whatever was before.
            let events = [camera.rtp(VIDEO, 10, KEY), camera.rtp(VIDEO, 11, KEY)].concat();
            prop_assert!(keyframes(&events).contains(&true), "{events:?}");
        }
    }
}
