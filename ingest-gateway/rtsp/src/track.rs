//! One track on its way in: from packets to frames.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use velella_media::{Assembled, Assembler, AudioFormat, Frame, MediaTime, Picture, Sound};

use crate::aac::AacUnits;
use crate::access_units::{AccessUnit, AccessUnits};
use crate::event::{Discontinuity, Event, Medium, Stats, Track};
use crate::format::Chosen;
use crate::reorder::{Ordered, Reorder};
use crate::report::Arrivals;
use crate::rtcp::{Block, NtpTime};
use crate::rtp::Packet;
use crate::timeline::Timeline;

/// A report about a moment further away than this is not believed.
const REPORT_NEAR: Duration = Duration::from_secs(30);

/// One track on its way in.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) medium: Medium,
    payload_type: u8,
    clock_rate_hz: u32,
    opened: Instant,
    /// When the last packet arrived.
    pub(crate) heard: Instant,
    ssrc: Option<u32>,
    reorder: Reorder,
    content: Content,
    timeline: Timeline,
    arrivals: Arrivals,
    stats: Stats,
}

#[derive(Debug)]
enum Content {
    Pictures(Pictures),
    Aac(AacUnits, AudioFormat),
    /// Each packet is a piece of sound as it is.
    Whole(AudioFormat),
}

#[derive(Debug)]
struct Pictures {
    units: AccessUnits,
    assembler: Assembler,
    /// Whether a key frame went out, so that the pictures behind it can be decoded.
    begun: bool,
    /// Whether it was told that parameter sets are missing.
    told: bool,
}

impl Receiver {
    /// That hears packets in the order in which they were sent, if the way is `ordered`.
    pub(crate) fn new(chosen: &Chosen, ordered: bool, opened: Instant) -> Self {
        let content = match chosen.track {
            Track::Video(codec) => {
                let mut assembler = Assembler::new(codec);
                assembler.remember(chosen.sets.iter().map(Vec::as_slice));
                Content::Pictures(Pictures { units: AccessUnits::new(codec), assembler, begun: false, told: false })
            }
            Track::Audio(format @ AudioFormat::Aac(config)) => {
                Content::Aac(AacUnits::new(chosen.layout, config, chosen.clock_rate_hz), format)
            }
            Track::Audio(format) => Content::Whole(format),
        };
        Self {
            medium: chosen.track.medium(),
            payload_type: chosen.payload_type,
            clock_rate_hz: chosen.clock_rate_hz,
            opened,
            heard: opened,
            ssrc: None,
            reorder: Reorder::new(ordered),
            content,
            timeline: Timeline::new(opened, chosen.clock_rate_hz),
            arrivals: Arrivals::default(),
            stats: Stats::default(),
        }
    }

    /// Takes an RTP packet.
    pub(crate) fn handle_rtp(&mut self, bytes: Bytes, now: Instant, events: &mut VecDeque<Event>) {
        let length = bytes.len() as u64;
        let Some(packet) = Packet::parse(bytes).filter(|packet| packet.payload_type == self.payload_type) else {
            self.stats.malformed += 1;
            return;
        };
        self.heard = now;
        self.stats.packets += 1;
        self.stats.bytes += length;
        if self.ssrc.replace(packet.ssrc).is_some_and(|before| before != packet.ssrc) {
            self.reorder.restart();
            events.push_back(Event::Discontinuity(self.medium, Discontinuity::Loss));
        }
        let since = MediaTime::default().later(now.saturating_duration_since(self.opened));
        self.arrivals.count(&packet, since.ticks(self.clock_rate_hz));
        self.reorder.put(packet, now);
        while let Some(ordered) = self.reorder.next(now) {
            self.take(&ordered, now, events);
        }
    }

    fn take(&mut self, ordered: &Ordered, now: Instant, events: &mut VecDeque<Event>) {
        if ordered.lost {
            events.push_back(Event::Discontinuity(self.medium, Discontinuity::Loss));
        }
        match &mut self.content {
            Content::Pictures(pictures) => {
                let units = pictures.units.take(&ordered.packet, ordered.lost);
                for unit in units.into_iter().flatten() {
                    pictures.put_out(&unit, &mut self.timeline, now, &mut self.stats, events);
                }
            }
            Content::Aac(units, format) => {
                let Some(units) = units.take(&ordered.packet, ordered.lost) else {
                    self.stats.malformed += 1;
                    return;
                };
                let format = *format;
                units.into_iter().for_each(|(timestamp, data)| self.put_out(format, timestamp, data, now, events));
            }
            Content::Whole(format) => {
                let (format, data) = (*format, ordered.packet.payload.clone());
                if !data.is_empty() {
                    self.put_out(format, ordered.packet.timestamp, data, now, events);
                }
            }
        }
    }

    fn put_out(
        &mut self,
        format: AudioFormat,
        timestamp: u32,
        data: Bytes,
        now: Instant,
        events: &mut VecDeque<Event>,
    ) {
        let moment = self.timeline.place(timestamp, now);
        events.extend(moment.jump.map(|nanos| jump(self.medium, nanos)));
        // A copy: so little would keep all that was read with it in memory.
        let data = Bytes::copy_from_slice(&data);
        events.push_back(Event::Frame(Frame::Audio(Sound { format, time: moment.time, data })));
    }

    /// The camera says which moment of its clock a timestamp is; tells which of ours it is.
    pub(crate) fn handle_report(&mut self, clock: NtpTime, timestamp: u32, now: Instant) -> Option<MediaTime> {
        self.arrivals.hear(clock, now);
        self.timeline.at(timestamp, REPORT_NEAR)
    }

    /// Whether this is what the track is sent as.
    pub(crate) fn is_sent_as(&self, ssrc: u32) -> bool {
        self.ssrc == Some(ssrc)
    }

    /// Moves the times of all that comes by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64) {
        self.timeline.shift(by);
    }

    /// What to report to the camera.
    pub(crate) fn block(&mut self, now: Instant) -> Option<Block> {
        self.arrivals.block(now)
    }

    /// Adds what was counted.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        stats.packets += self.stats.packets;
        stats.bytes += self.stats.bytes;
        stats.lost += self.reorder.lost;
        stats.late += self.reorder.late;
        stats.malformed += self.stats.malformed;
        stats.damaged += self.stats.damaged;
        stats.undecodable += self.stats.undecodable;
        if let Content::Pictures(pictures) = &self.content {
            stats.malformed += pictures.units.malformed;
        }
    }
}

impl Pictures {
    fn put_out(
        &mut self,
        unit: &AccessUnit,
        timeline: &mut Timeline,
        now: Instant,
        stats: &mut Stats,
        events: &mut VecDeque<Event>,
    ) {
        let nals = unit.nals.iter().map(|nal| &nal[..]);
        let assembled = if unit.damaged {
            self.assembler.remember(nals);
            Assembled::TooLarge
        } else {
            self.assembler.assemble(nals)
        };
        match assembled {
            Assembled::Picture { keyframe, .. } if !keyframe && !self.begun => stats.undecodable += 1,
            Assembled::Picture { keyframe, reordered, data } => {
                (self.begun, self.told) = (true, false);
                let moment = timeline.place(unit.timestamp, now);
                events.extend(moment.jump.map(|nanos| jump(Medium::Video, nanos)));
                let reordered = reordered || moment.reordered;
                let codec = self.assembler.codec();
                let picture = Picture { codec, time: moment.time, keyframe, reordered, data };
                events.push_back(Event::Frame(Frame::Video(picture)));
            }
            Assembled::Nothing => {}
            Assembled::SetsMissing => {
                stats.undecodable += 1;
                self.begun = false;
                if !std::mem::replace(&mut self.told, true) {
                    events.push_back(Event::ParameterSetsMissing);
                }
            }
            // Too large, or a part of it is missing: no picture either way.
            Assembled::TooLarge => {
                stats.damaged += 1;
                events.push_back(Event::Discontinuity(Medium::Video, Discontinuity::Loss));
            }
        }
    }
}

fn jump(medium: Medium, nanos: i64) -> Event {
    // To the nearest second.
    let seconds = (nanos + 500_000_000).div_euclid(1_000_000_000);
    Event::Discontinuity(medium, Discontinuity::Jump { seconds })
}
