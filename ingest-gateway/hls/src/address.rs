//! The addresses of a stream's objects, relative to its folder. They name no viewer and follow from numbers alone, so
//! that caches and other gateways know them as well.

use crate::segment::{Init, Segment};

/// The multivariant playlist.
pub const MULTIVARIANT: &str = "index.m3u8";
/// What playlists end in.
const PLAYLIST: &str = ".m3u8";
/// What segments and parts end in.
const MEDIA: &str = ".m4s";
/// What init segments begin with and end in.
const INIT: (&str, &str) = ("init.", ".mp4");

/// An object of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// The multivariant playlist.
    Multivariant,
    /// The playlist of the rendition of this name.
    Playlist(&'a str),
    /// A media initialization section, by its number.
    Init(Folder<'a>, u32),
    /// A segment, by its media sequence number.
    Segment(Folder<'a>, u64),
    /// A part, by the number of its segment and its index there.
    Part(Folder<'a>, u64, u64),
}

/// Where the media of a rendition lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder<'a> {
    /// Another one for each gateway that packages the stream.
    pub epoch: u32,
    /// The name of the rendition.
    pub rendition: &'a str,
}

impl<'a> Address<'a> {
    /// What lies at a path, relative to the stream's folder. Only what [`Self`] is written as is recognised, so that
    /// nothing has two addresses.
    #[must_use]
    pub fn parse(path: &'a str) -> Option<Self> {
        if path == MULTIVARIANT {
            return Some(Self::Multivariant);
        }
        let Some((epoch, rest)) = path.split_once('/') else {
            return path.strip_suffix(PLAYLIST).filter(|name| !name.is_empty()).map(Self::Playlist);
        };
        let (rendition, file) = rest.split_once('/')?;
        let folder = Folder { epoch: u32::try_from(number(epoch)?).ok()?, rendition };
        if let Some(init) = file.strip_prefix(INIT.0).and_then(|rest| rest.strip_suffix(INIT.1)) {
            return Some(Self::Init(folder, u32::try_from(number(init)?).ok()?));
        }
        let numbers = file.strip_suffix(MEDIA)?;
        match numbers.split_once('.') {
            None => Some(Self::Segment(folder, number(numbers)?)),
            Some((msn, part)) => Some(Self::Part(folder, number(msn)?, number(part)?)),
        }
    }
}

/// Of the playlist of a rendition.
pub(crate) fn playlist(rendition: &str) -> String {
    format!("{rendition}{PLAYLIST}")
}

/// Of an init segment.
pub(crate) fn init(rendition: &str, init: &Init) -> String {
    format!("{}/{rendition}/{}{}{}", init.epoch, INIT.0, init.number, INIT.1)
}

/// Of a segment.
pub(crate) fn segment(rendition: &str, segment: &Segment) -> String {
    format!("{}/{rendition}/{}{MEDIA}", segment.epoch, segment.msn())
}

/// Of a part.
pub(crate) fn part(rendition: &str, segment: &Segment, part: usize) -> String {
    format!("{}/{rendition}/{}.{part}{MEDIA}", segment.epoch, segment.msn())
}

/// Digits, as a number is written: without a sign, and without zeros before it.
pub(crate) fn number(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits == "0" || !digits.starts_with('0');
    if plain && canonical { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_one_address() {
        let folder = Folder { epoch: 3, rendition: "high" };
        assert_eq!(Address::parse("index.m3u8"), Some(Address::Multivariant));
        assert_eq!(Address::parse("high.m3u8"), Some(Address::Playlist("high")));
        assert_eq!(Address::parse("3/high/init.0.mp4"), Some(Address::Init(folder, 0)));
        assert_eq!(Address::parse("3/high/12.m4s"), Some(Address::Segment(folder, 12)));
        assert_eq!(Address::parse("3/high/12.4.m4s"), Some(Address::Part(folder, 12, 4)));
        for other in [
            "",
            ".m3u8",
            "high",
            "3/high",
            "3/high/",
            "03/high/12.m4s",
            "3/high/+1.m4s",
            "3/high/1.2.3.m4s",
            "3/high/.m4s",
            "3/high/x/1.m4s",
            "../index.m3u8",
            "3/high/18446744073709551616.m4s",
        ] {
            assert_eq!(Address::parse(other), None, "{other}");
        }
    }
}
