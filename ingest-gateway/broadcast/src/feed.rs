//! One rendition: frames of whichever track it shows, as samples for the packager.

use std::time::{Duration, Instant};

use velella_cmaf::{AudioSampler, Configuration, Output as Sampled, Policy, VideoSampler};
use velella_gateway_core::{Heard, HeardCodec};
use velella_hls::{Input as ToPackager, Picture as Shape, RenditionId, Sample};
use velella_media::{AudioFormat, MediaTime, Picture, Sound, VideoCodec};
use velella_model::{TrackId, VideoCodec as RoomCodec};
use velella_timeline::Placed;

use crate::moments::Moments;

/// Frames that are so late are still waited for: what a lost packet takes to be sent again, a few times.
const LATENESS_MAX: Duration = Duration::from_millis(400);

/// A rendition of pictures or sound.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) rendition: RenditionId,
    /// What it shows.
    pub(crate) track: Option<TrackId>,
    sampler: Sampler,
    timescale: u32,
    /// The packager knows where its time line lies.
    anchored: bool,
}

#[derive(Debug)]
enum Sampler {
    Video(Box<VideoSampler>),
    Audio(Box<AudioSampler>),
}

/// Ticks a second of Opus and of every video configuration, until the first one says it.
pub(crate) const OPUS_HZ: u32 = 48_000;
pub(crate) const VIDEO_HZ: u32 = 90_000;

impl Feed {
    pub(crate) fn video(rendition: RenditionId) -> Self {
        let sampler = Sampler::Video(Box::new(VideoSampler::new(MediaTime(0), Policy::LIVE)));
        Self { rendition, track: None, sampler, timescale: VIDEO_HZ, anchored: false }
    }

    pub(crate) fn audio(rendition: RenditionId) -> Self {
        let sampler = Sampler::Audio(Box::new(AudioSampler::new(MediaTime(0), Policy::LIVE)));
        Self { rendition, track: None, sampler, timescale: OPUS_HZ, anchored: false }
    }

    /// Shows another track from now on, or none.
    pub(crate) fn show(&mut self, track: Option<&TrackId>) {
        if self.track.as_ref() != track {
            self.track = track.cloned();
            self.lose();
        }
    }

    /// Something is missing: pictures go on with the next key frame.
    pub(crate) fn lose(&mut self) {
        if let Sampler::Video(sampler) = &mut self.sampler {
            sampler.handle_loss();
        }
    }

    pub(crate) fn take(&mut self, heard: Heard, placed: Placed) {
        match (&mut self.sampler, heard.codec) {
            (Sampler::Video(sampler), HeardCodec::Video(codec)) => {
                let (codec, time) = (codec_of(codec), placed.time);
                sampler.handle_picture(&Picture {
                    codec,
                    time,
                    keyframe: heard.keyframe,
                    reordered: false,
                    data: heard.data,
                });
            }
            (Sampler::Audio(sampler), HeardCodec::Opus) => {
                let format = AudioFormat::Opus { channels: 2 };
                sampler.handle_sound(&Sound { format, time: placed.time, data: heard.data });
            }
            // A line keeps its kind.
            (Sampler::Video(_), HeardCodec::Opus) | (Sampler::Audio(_), HeardCodec::Video(_)) => {}
        }
    }

    /// Time passed: what did not come by now is missing.
    pub(crate) fn wait_no_longer(&mut self, now: Instant, moments: Moments) {
        let Some(late) = now.checked_sub(LATENESS_MAX) else { return };
        match &mut self.sampler {
            Sampler::Video(sampler) => sampler.handle_time(moments.of(late)),
            Sampler::Audio(sampler) => sampler.handle_time(moments.of(late)),
        }
    }

    /// What the packager is to be told.
    pub(crate) fn poll(&mut self, moments: Moments) -> Vec<ToPackager> {
        let mut told = Vec::new();
        loop {
            let sampled = match &mut self.sampler {
                Sampler::Video(sampler) => sampler.poll_output(),
                Sampler::Audio(sampler) => sampler.poll_output(),
            };
            match sampled {
                Some(sampled) => self.tell(sampled, moments, &mut told),
                None => return told,
            }
        }
    }

    fn tell(&mut self, sampled: Sampled, moments: Moments, told: &mut Vec<ToPackager>) {
        let id = self.rendition;
        match sampled {
            Sampled::Configured(configuration) => {
                self.timescale = configuration.timescale;
                if !std::mem::replace(&mut self.anchored, true) {
                    told.push(ToPackager::Anchored(id, moments.zero(MediaTime(0), 0, self.timescale)));
                }
                told.push(ToPackager::Configured(id, configured(configuration)));
            }
            Sampled::Sample(sample) => {
                let velella_cmaf::Sample { decode_time, composition_offset, duration, sync, data } = sample;
                let sample = Sample { decode_time, composition_offset, duration, sync, data };
                told.push(ToPackager::Sampled(id, sample));
            }
            // The packager sees it by the decode times.
            Sampled::Gap { .. } => {}
            Sampled::Discontinuity { decode_time, time } => {
                told.push(ToPackager::Anchored(id, moments.zero(time, decode_time, self.timescale)));
            }
        }
    }
}

fn configured(configuration: Configuration) -> velella_hls::Configuration {
    let Configuration { init, codecs, timescale: _, resolution } = configuration;
    let picture =
        resolution.map(|size| Shape { width: u32::from(size.width), height: u32::from(size.height), rate_mhz: None });
    velella_hls::Configuration { init, codecs, picture }
}

fn codec_of(codec: RoomCodec) -> VideoCodec {
    match codec {
        RoomCodec::H264 => VideoCodec::H264,
        RoomCodec::Vp8 => VideoCodec::Vp8,
        RoomCodec::Vp9 => VideoCodec::Vp9,
        RoomCodec::Av1 => VideoCodec::Av1,
    }
}
