//! What a stream consists of: programs, and the elementary streams of one (ISO/IEC 13818-1, 2.4.4.3 and 2.4.4.8).

use velella_media::VideoCodec;

use crate::section::Section;

/// Elementary streams of a program that are looked at; further ones are left out.
pub(crate) const STREAMS_MAX: usize = 64;

/// Table of the program association section.
const PROGRAMS: u8 = 0;
/// Table of the program map section.
const STREAMS: u8 = 2;
/// Tag of the descriptor that names who defined the format.
const REGISTRATION: u8 = 0x05;
/// Tag of the descriptors that DVB added; the next byte says which.
const EXTENSION: u8 = 0x7f;
/// The one that tells the channels of Opus.
const EXTENSION_OPUS: u8 = 0x80;

/// One elementary stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) pid: u16,
    pub(crate) kind: Kind,
}

/// How it is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Video(VideoCodec),
    /// AAC, in ADTS.
    Aac,
    Opus {
        channels: u8,
    },
    /// Nothing that rooms can take.
    Unsupported(&'static str),
    /// Subtitles, data: nobody misses them.
    Other,
}

/// Where the first program is described: the PID of its map.
pub(crate) fn first_program(section: Section<'_>) -> Option<u16> {
    if section.table != PROGRAMS || section.number != 0 {
        return None;
    }
    let (entries, _) = section.body.as_chunks::<4>();
    // Program 0 is the network.
    entries.iter().find(|entry| !entry.starts_with(&[0, 0])).map(|[_, _, high, low]| pid(*high, *low))
}

/// The elementary streams of a program; `None` when the section is no map, or is cut short.
pub(crate) fn streams(section: Section<'_>) -> Option<Vec<Stream>> {
    if section.table != STREAMS {
        return None;
    }
    let ([_, _, high, low], rest) = section.body.split_first_chunk()?;
    let mut rest = rest.get(length(*high, *low)..)?;
    let mut streams = Vec::new();
    while let Some(([kind, pid_high, pid_low, high, low], behind)) = rest.split_first_chunk() {
        let (descriptors, behind) = behind.split_at_checked(length(*high, *low))?;
        rest = behind;
        if streams.len() < STREAMS_MAX {
            streams.push(Stream { pid: pid(*pid_high, *pid_low), kind: Kind::of(*kind, descriptors) });
        }
    }
    Some(streams)
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

fn length(high: u8, low: u8) -> usize {
    usize::from(u16::from_be_bytes([high & 0x0f, low]))
}

impl Kind {
    /// From the stream type (ISO/IEC 13818-1, table 2-34) and what is told beside it.
    fn of(kind: u8, descriptors: &[u8]) -> Self {
        match kind {
            0x1b => Self::Video(VideoCodec::H264),
            0x24 => Self::Video(VideoCodec::H265),
            0x0f => Self::Aac,
            0x06 => Self::of_private(descriptors),
            0x01 | 0x02 => Self::Unsupported("MPEG-2 video"),
            0x10 => Self::Unsupported("MPEG-4 video"),
            0x33 => Self::Unsupported("H.266 video"),
            0x03 | 0x04 => Self::Unsupported("MPEG audio (MP2 or MP3)"),
            0x11 => Self::Unsupported("AAC in LATM"),
            0x81 | 0x87 => Self::Unsupported("AC-3 audio"),
            _ => Self::Other,
        }
    }

    fn of_private(descriptors: &[u8]) -> Self {
        let find = |tag: u8| each(descriptors).find_map(|(found, content)| (found == tag).then_some(content));
        match find(REGISTRATION).and_then(<[u8]>::first_chunk) {
            Some(b"HEVC") => Self::Video(VideoCodec::H265),
            Some(b"Opus") => match find(EXTENSION) {
                Some([EXTENSION_OPUS, channels @ 1..=2, ..]) => Self::Opus { channels: *channels },
                Some([EXTENSION_OPUS, ..]) => Self::Unsupported("Opus with more than two channels"),
                _ => Self::Opus { channels: 2 },
            },
            Some(b"AV01") => Self::Unsupported("AV1 video"),
            Some(b"AC-3" | b"EAC3") => Self::Unsupported("AC-3 audio"),
            _ => Self::Other,
        }
    }
}

fn each(mut descriptors: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let ([tag, length], rest) = descriptors.split_first_chunk()?;
        let (content, rest) = rest.split_at_checked(usize::from(*length))?;
        descriptors = rest;
        Some((*tag, content))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(body: &[u8]) -> Option<Vec<Stream>> {
        streams(Section { table: STREAMS, number: 0, body })
    }

    #[test]
    fn the_first_program_that_is_no_network_is_followed() {
        let body = [0, 0, 0xe0, 0x10, 0, 1, 0xf0, 0, 0, 2, 0xe2, 0];
        assert_eq!(first_program(Section { table: PROGRAMS, number: 0, body: &body }), Some(0x1000));
        assert_eq!(first_program(Section { table: 0x42, number: 0, body: &body }), None);
    }

    #[test]
    fn a_map_names_streams_by_type_and_descriptor() {
        let opus = [0x06, 0xe1, 2, 0xf0, 10, 5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 1];
        let head = [0xe1, 0, 0xf0, 2, 0x0e, 0];
        let body = [&head[..], &[0x1b, 0xe1, 0, 0xf0, 0], &[0x0f, 0xe1, 1, 0xf0, 0], &opus].concat();
        let stream = |pid, kind| Stream { pid, kind };
        let expected = [
            stream(0x100, Kind::Video(VideoCodec::H264)),
            stream(0x101, Kind::Aac),
            stream(0x102, Kind::Opus { channels: 1 }),
        ];
        assert_eq!(map(&body), Some(expected.to_vec()));
    }

    #[test]
    fn no_more_than_so_many_streams_are_looked_at() {
        let body = [&[0xe1, 0, 0xf0, 0][..], &[0x1b, 0xe1, 0, 0xf0, 0].repeat(100)].concat();
        assert_eq!(map(&body).map(|streams| streams.len()), Some(STREAMS_MAX));
    }

    proptest! {
        #[test]
        fn any_table_can_be_read(body: Vec<u8>, table in 0_u8..4) {
            let section = Section { table, number: 0, body: &body };
            let _ = (first_program(section), streams(section));
        }
    }
}
