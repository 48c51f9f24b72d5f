//! The renditions of a broadcast, and who listens for each.

use std::time::Instant;

use bytes::Bytes;
use velella_gateway_core::{Listener, Listening, Name};
use velella_hls::{Declaration, DeclarationError, Medium, Name as RenditionName, Packager, RenditionId, Sample};
use velella_model::Variant;
use velella_model::record::Subscriptions;

use crate::feed::{Feed, OPUS_HZ, VIDEO_HZ};

/// Sessions of one broadcast: one for each encoding, best first; sound comes with the first.
pub const LISTENERS: usize = 3;

/// What each receives, the name of its rendition, and most bits a second that it is told to take.
const LADDER: [(Variant, &str, u32); LISTENERS] =
    [(Variant::High, "high", 2_500_000), (Variant::Medium, "medium", 700_000), (Variant::Low, "low", 200_000)];

/// The rendition of sound.
const SOUND: &str = "sound";
const SOUND_BPS: u32 = 128_000;

/// What fills the renditions.
pub(crate) struct Feeds {
    /// By listener.
    pub(crate) videos: Vec<Feed>,
    pub(crate) sound: Feed,
}

/// One for each encoding of whoever is received.
pub(crate) fn listeners(names: [Name; LISTENERS], of: Option<&Subscriptions>) -> Vec<Listener> {
    let listens = |(name, (variant, ..)): (Name, (Variant, _, _))| {
        let audio = variant == Variant::High;
        Listener::new(name, Listening { audio, video: Some(variant), of: of.cloned() })
    };
    names.into_iter().zip(LADDER).map(listens).collect()
}

/// The renditions of a stream that begins, or that goes on.
pub(crate) fn feeds(packager: &mut Packager, now: Instant) -> Result<Feeds, DeclarationError> {
    let mut videos = Vec::with_capacity(LISTENERS);
    for (_, name, bitrate_bps_max) in LADDER {
        let declared = declaration(name, Medium::Video, VIDEO_HZ, bitrate_bps_max);
        videos.push(Feed::video(rendition(packager, declared, now)?));
    }
    let medium = Medium::Audio { group: name("opus"), title: "Sound".into(), channels: 2 };
    let sound = Feed::audio(rendition(packager, declaration(SOUND, medium, OPUS_HZ, SOUND_BPS), now)?);
    Ok(Feeds { videos, sound })
}

/// How samples become a fragment.
pub(crate) fn write(samples: &[Sample], number: u32, decode_time: u64) -> Option<Bytes> {
    let sample = |sample: &Sample| velella_cmaf::Sample {
        decode_time: sample.decode_time,
        composition_offset: sample.composition_offset,
        duration: sample.duration,
        sync: sample.sync,
        data: sample.data.clone(),
    };
    let samples: Vec<_> = samples.iter().map(sample).collect();
    velella_cmaf::fragment(&samples, number, decode_time).ok()
}

fn rendition(packager: &mut Packager, declared: Declaration, now: Instant) -> Result<RenditionId, DeclarationError> {
    match packager.rendition(declared.name.as_str()) {
        Some(known) => Ok(known),
        None => packager.declare(declared, now),
    }
}

fn declaration(text: &str, medium: Medium, timescale: u32, bitrate_bps_max: u32) -> Declaration {
    Declaration { name: name(text), medium, timescale, bitrate_bps_max }
}

fn name(text: &str) -> RenditionName {
    RenditionName::try_from(text.to_owned()).expect("letters are a name")
}
