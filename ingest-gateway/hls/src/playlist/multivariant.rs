//! The playlist of all renditions: every video encoding with every codec of sound.

use std::fmt::{self, Write};

use crate::address;
use crate::packager::Packager;
use crate::rendition::Rendition;
use crate::sample::{Medium, Name};
use crate::settings::KeyFrames;

/// The multivariant playlist.
pub(crate) fn multivariant(packager: &Packager) -> String {
    let mut text = String::with_capacity(1_024);
    // Writing to a string cannot fail.
    let _ = write(packager, &mut text);
    text
}

fn write(packager: &Packager, text: &mut String) -> fmt::Result {
    // Nothing in it demands a version (section 8 of the draft), so none is told.
    writeln!(text, "#EXTM3U")?;
    if packager.stream.settings.key_frames == KeyFrames::OnRequest {
        writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    let groups = groups(packager);
    for group in &groups {
        write_group(packager, group, text)?;
    }
    let mut videos = packager.offered().filter(|rendition| rendition.is_video()).peekable();
    if videos.peek().is_none() {
        return write_sounds(packager, text);
    }
    for video in videos {
        if groups.is_empty() {
            write_variant(text, video, None)?;
        }
        for group in &groups {
            write_variant(text, video, Some((packager, group)))?;
        }
    }
    Ok(())
}

/// In the order in which they were declared.
fn groups(packager: &Packager) -> Vec<&Name> {
    let mut groups = Vec::new();
    for rendition in packager.offered() {
        if let Medium::Audio { group, .. } = &rendition.declaration.medium
            && !groups.contains(&group)
        {
            groups.push(group);
        }
    }
    groups
}

fn sounds<'a>(packager: &'a Packager, of: &'a Name) -> impl Iterator<Item = &'a Rendition> + Clone {
    let belongs = move |rendition: &&Rendition| match &rendition.declaration.medium {
        Medium::Audio { group, .. } => group == of,
        Medium::Video => false,
    };
    packager.offered().filter(belongs)
}

fn write_group(packager: &Packager, group: &Name, text: &mut String) -> fmt::Result {
    for (index, rendition) in sounds(packager, group).enumerate() {
        let Medium::Audio { title, channels, .. } = &rendition.declaration.medium else { continue };
        let title: String = title.chars().filter(|letter| !letter.is_control() && *letter != '"').collect();
        let default = if index == 0 { "YES" } else { "NO" };
        let uri = address::playlist(rendition.declaration.name.as_str());
        writeln!(
            text,
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{title}\",DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\"",
            group.as_str(),
        )?;
    }
    Ok(())
}

/// Without pictures, each sound is a variant.
fn write_sounds(packager: &Packager, text: &mut String) -> fmt::Result {
    packager.offered().try_for_each(|rendition| write_variant(text, rendition, None))
}

fn write_variant(text: &mut String, rendition: &Rendition, with: Option<(&Packager, &Name)>) -> fmt::Result {
    let Some(configuration) = rendition.configuration() else { return Ok(()) };
    let sounds = with.into_iter().flat_map(|(packager, group)| sounds(packager, group));
    let mut bandwidth = 0;
    let mut codecs = vec![configuration.codecs.as_str()];
    for sound in sounds {
        bandwidth = bandwidth.max(sound.bandwidth_bps());
        codecs.extend(sound.configuration().map(|c| c.codecs.as_str()).filter(|codec| !codecs.contains(codec)));
    }
    bandwidth += rendition.bandwidth_bps();
    write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{}\"", codecs.join(","))?;
    if let Some(picture) = configuration.picture {
        write!(text, ",RESOLUTION={}x{}", picture.width, picture.height)?;
        if let Some(rate) = picture.rate_mhz {
            write!(text, ",FRAME-RATE={}.{:03}", rate / 1_000, rate % 1_000)?;
        }
    }
    if let Some((_, group)) = with {
        write!(text, ",AUDIO=\"{}\"", group.as_str())?;
    }
    if rendition.is_video() {
        write!(text, ",CLOSED-CAPTIONS=NONE")?;
    }
    writeln!(text, "\n{}", address::playlist(rendition.declaration.name.as_str()))
}

impl Rendition {
    /// The most it takes: what was declared, or more if a segment took more.
    fn bandwidth_bps(&self) -> u64 {
        self.history.peak_bps().max(u64::from(self.declaration.bitrate_bps_max))
    }
}
