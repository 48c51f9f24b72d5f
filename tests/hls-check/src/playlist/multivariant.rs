//! What a multivariant playlist lists, and reading it strictly.

use super::Flaw;
use super::attributes::{Attributes, required};
use super::lines::{Line, lines};

/// A multivariant playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Multivariant {
    pub variants: Vec<Variant>,
    pub renditions: Vec<Rendition>,
}

/// `EXT-X-STREAM-INF` with its URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    pub uri: String,
    pub bandwidth_bps: u64,
    pub codecs: Option<String>,
    /// Pairs of type and group: `AUDIO`, `VIDEO`, `SUBTITLES`.
    pub groups: Vec<(&'static str, String)>,
}

/// `EXT-X-MEDIA`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendition {
    pub kind: String,
    pub group: String,
    pub name: String,
    pub uri: Option<String>,
}

/// Types of renditions that a variant can name a group of, and whose playlists are like any other.
const KINDS: [&str; 3] = ["AUDIO", "VIDEO", "SUBTITLES"];

impl Multivariant {
    /// Whether a text is a multivariant playlist rather than a media playlist.
    #[must_use]
    pub fn is(text: &str) -> bool {
        text.lines().any(|line| line.starts_with("#EXT-X-STREAM-INF"))
    }

    /// Reads a multivariant playlist.
    ///
    /// # Errors
    /// Everything in it that breaks the grammar or section 4.4.6.
    pub fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        let mut playlist = Self::default();
        let mut flaws = Vec::new();
        let mut pending: Option<Variant> = None;
        for (line, content) in lines(text).map_err(|flaw| vec![flaw])? {
            let outcome = match (content, pending.take()) {
                (Line::Uri(uri), Some(variant)) => {
                    playlist.variants.push(Variant { uri: uri.to_owned(), ..variant });
                    Ok(())
                }
                (Line::Uri(_), None) => Err("a URI follows no EXT-X-STREAM-INF".to_owned()),
                (Line::Tag(..), Some(_)) => Err("EXT-X-STREAM-INF must be followed by its URI".to_owned()),
                (Line::Tag("EXT-X-STREAM-INF", value), None) => {
                    variant(value.unwrap_or("")).map(|variant| pending = Some(variant))
                }
                (Line::Tag("EXT-X-MEDIA", value), None) => {
                    rendition(value.unwrap_or("")).map(|rendition| playlist.renditions.push(rendition))
                }
                (Line::Tag("EXTINF" | "EXT-X-TARGETDURATION" | "EXT-X-PART" | "EXT-X-MEDIA-SEQUENCE", _), None) => {
                    Err("a tag of media playlists stands in a multivariant playlist".to_owned())
                }
                (Line::Tag(..), None) => Ok(()),
            };
            flaws.extend(outcome.err().map(|sentence| Flaw { line, section: "4.4.6", sentence }));
        }
        flaws.extend(playlist.missing_groups());
        if flaws.is_empty() { Ok(playlist) } else { Err(flaws) }
    }

    /// Each media playlist once, in the order in which it is named.
    #[must_use]
    pub fn media_uris(&self) -> Vec<&str> {
        let variants = self.variants.iter().map(|variant| variant.uri.as_str());
        let renditions = self.renditions.iter().filter_map(|rendition| rendition.uri.as_deref());
        let mut uris = Vec::new();
        for uri in variants.chain(renditions) {
            if !uris.contains(&uri) {
                uris.push(uri);
            }
        }
        uris
    }

    fn missing_groups(&self) -> Option<Flaw> {
        let named = self.variants.iter().flat_map(|variant| &variant.groups);
        let exists = |kind: &str, group: &str| self.renditions.iter().any(|r| r.kind == kind && r.group == group);
        let (kind, group) = named.into_iter().find(|(kind, group)| !exists(kind, group))?;
        Some(Flaw {
            line: 1,
            section: "4.4.6.2",
            sentence: format!("no EXT-X-MEDIA is of the {kind} group \"{group}\""),
        })
    }
}

fn variant(value: &str) -> Result<Variant, String> {
    let list = Attributes::parse(value)?;
    let mut groups = Vec::new();
    for kind in KINDS {
        groups.extend(list.quoted(kind)?.map(|group| (kind, group)));
    }
    Ok(Variant {
        uri: String::new(),
        bandwidth_bps: required("BANDWIDTH", list.integer("BANDWIDTH")?)?,
        codecs: list.quoted("CODECS")?,
        groups,
    })
}

fn rendition(value: &str) -> Result<Rendition, String> {
    let list = Attributes::parse(value)?;
    let kind = required("TYPE", list.bare("TYPE")?)?.to_owned();
    for name in ["DEFAULT", "AUTOSELECT", "FORCED"] {
        list.yes_or_no(name)?;
    }
    let uri = list.quoted("URI")?;
    match kind.as_str() {
        "SUBTITLES" if uri.is_none() => return Err("SUBTITLES need a URI".to_owned()),
        "CLOSED-CAPTIONS" if uri.is_some() => return Err("CLOSED-CAPTIONS must have no URI".to_owned()),
        "AUDIO" | "VIDEO" | "SUBTITLES" | "CLOSED-CAPTIONS" => {}
        other => return Err(format!("{other} is no type of rendition")),
    }
    Ok(Rendition {
        kind,
        group: required("GROUP-ID", list.quoted("GROUP-ID")?)?,
        name: required("NAME", list.quoted("NAME")?)?,
        uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Opus\",DEFAULT=YES,URI=\"audio.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.42c01f,opus\",AUDIO=\"a\"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2800000,CODECS=\"avc1.42c01f,opus\",AUDIO=\"a\"
high.m3u8
";

    #[test]
    fn it_names_each_media_playlist_once() {
        let playlist = Multivariant::parse(TEXT).unwrap();
        assert_eq!(playlist.media_uris(), ["low.m3u8", "high.m3u8", "audio.m3u8"]);
        assert!(Multivariant::is(TEXT));
    }

    #[test]
    fn flaws_are_told() {
        for (old, new) in [
            ("BANDWIDTH=800000,", ""),
            ("low.m3u8\n", ""),
            ("GROUP-ID=\"a\"", "GROUP-ID=\"b\""),
            ("TYPE=AUDIO", "TYPE=SMELL"),
            ("#EXT-X-INDEPENDENT-SEGMENTS", "#EXTINF:4,"),
        ] {
            assert!(Multivariant::parse(&TEXT.replacen(old, new, 1)).is_err(), "{old}");
        }
    }
}
