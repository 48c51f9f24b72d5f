//! What audio and video messages hold: FLV tags without their headers (Adobe FLV 10.1, E.4.2 and E.4.3) and those of
//! Enhanced RTMP 2 with four-character codes.

use std::fmt;

use velella_media::VideoCodec;

/// Most modifiers that may stand before an enhanced tag. The specification knows one.
const MODIFIERS_MAX: usize = 4;

/// Enhanced packet types that sound and pictures share.
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
const MODIFIER: u8 = 7;
/// Enhanced video only: pictures whose composition time is zero.
const CODED_FRAMES_NOW: u8 = 3;
/// Enhanced packet types of several tracks in one message.
const VIDEO_MULTITRACK: u8 = 6;
const AUDIO_MULTITRACK: u8 = 5;
/// Video frame type that carries a command for players.
const FRAME_COMMAND: u8 = 5;

/// A piece of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoTag<'a> {
    /// A decoder configuration record.
    Config(VideoCodec, &'a [u8]),
    /// NAL units behind their lengths.
    Picture {
        /// How they are encoded.
        codec: VideoCodec,
        /// How long after its decoding time the picture is shown.
        composition_ms: i32,
        /// The NAL units.
        nals: &'a [u8],
    },
    /// Nothing that is seen: a command, metadata, the end of a sequence.
    Nothing,
}

/// A piece of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioTag<'a> {
    /// An AudioSpecificConfig.
    AacConfig(&'a [u8]),
    /// An AAC access unit.
    Aac(&'a [u8]),
    /// An identification header (RFC 7845, 5.1).
    OpusHead(&'a [u8]),
    /// An Opus packet.
    Opus(&'a [u8]),
    /// G.711 µ-law at 8 kHz.
    Pcmu(&'a [u8]),
    /// G.711 A-law at 8 kHz.
    Pcma(&'a [u8]),
    /// Nothing that is heard.
    Nothing,
}

impl<'a> VideoTag<'a> {
    /// Reads the content of a video message.
    ///
    /// # Errors
    /// When it is cut short, or encoded as nothing that rooms can take.
    pub fn parse(tag: &'a [u8]) -> Result<Self, TagError> {
        let (first, rest) = tag.split_first().ok_or(TagError::CutShort)?;
        let (enhanced, frame, low) = (first & 0x80 != 0, first >> 4 & 7, first & 0x0f);
        match (enhanced, frame, low) {
            (true, ..) => Self::parse_enhanced(frame, low, rest),
            (false, FRAME_COMMAND, _) => Ok(Self::Nothing),
            (false, _, 7) => Self::parse_plain(VideoCodec::H264, rest),
            // Not Adobe's, but what encoders sent as HEVC before Enhanced RTMP.
            (false, _, 12) => Self::parse_plain(VideoCodec::H265, rest),
            (false, _, id) => Err(TagError::Unsupported(Codec::Video(id))),
        }
    }

    fn parse_plain(codec: VideoCodec, rest: &'a [u8]) -> Result<Self, TagError> {
        let (kind, rest) = rest.split_first().ok_or(TagError::CutShort)?;
        let (composition_ms, body) = composition(rest)?;
        Ok(match kind {
            0 => Self::Config(codec, body),
            1 => Self::Picture { codec, composition_ms, nals: body },
            _ => Self::Nothing,
        })
    }

    fn parse_enhanced(frame: u8, kind: u8, rest: &'a [u8]) -> Result<Self, TagError> {
        let (kind, rest) = after_modifiers(kind, rest)?;
        // With this frame type a single byte follows; metadata is the exception, and nobody here reads it.
        if frame == FRAME_COMMAND {
            return Ok(Self::Nothing);
        }
        if kind == VIDEO_MULTITRACK {
            return Err(TagError::Unsupported(Codec::Multitrack));
        }
        let (four_cc, body) = rest.split_first_chunk().ok_or(TagError::CutShort)?;
        let codec = match four_cc {
            b"avc1" => VideoCodec::H264,
            b"hvc1" | b"hev1" => VideoCodec::H265,
            other => return Err(TagError::Unsupported(Codec::FourCc(*other))),
        };
        Ok(match kind {
            SEQUENCE_START => Self::Config(codec, body),
            CODED_FRAMES => {
                let (composition_ms, nals) = composition(body)?;
                Self::Picture { codec, composition_ms, nals }
            }
            CODED_FRAMES_NOW => Self::Picture { codec, composition_ms: 0, nals: body },
            _ => Self::Nothing,
        })
    }
}

impl<'a> AudioTag<'a> {
    /// Reads the content of an audio message.
    ///
    /// # Errors
    /// When it is cut short, or encoded as nothing that rooms can take.
    pub fn parse(tag: &'a [u8]) -> Result<Self, TagError> {
        let (first, rest) = tag.split_first().ok_or(TagError::CutShort)?;
        match first >> 4 {
            7 => Ok(Self::Pcma(rest)),
            8 => Ok(Self::Pcmu(rest)),
            9 => Self::parse_enhanced(first & 0x0f, rest),
            10 => match rest.split_first().ok_or(TagError::CutShort)? {
                (0, config) => Ok(Self::AacConfig(config)),
                (_, unit) => Ok(Self::Aac(unit)),
            },
            id => Err(TagError::Unsupported(Codec::Audio(id))),
        }
    }

    fn parse_enhanced(kind: u8, rest: &'a [u8]) -> Result<Self, TagError> {
        let (kind, rest) = after_modifiers(kind, rest)?;
        if kind == AUDIO_MULTITRACK {
            return Err(TagError::Unsupported(Codec::Multitrack));
        }
        let (four_cc, body) = rest.split_first_chunk().ok_or(TagError::CutShort)?;
        match (four_cc, kind) {
            (b"mp4a", SEQUENCE_START) => Ok(Self::AacConfig(body)),
            (b"mp4a", CODED_FRAMES) => Ok(Self::Aac(body)),
            (b"Opus", SEQUENCE_START) => Ok(Self::OpusHead(body)),
            (b"Opus", CODED_FRAMES) => Ok(Self::Opus(body)),
            (b"mp4a" | b"Opus", _) => Ok(Self::Nothing),
            (other, _) => Err(TagError::Unsupported(Codec::FourCc(*other))),
        }
    }
}

/// Steps over modifiers (Enhanced RTMP 2, "ModEx"): each has a size, its content, and what comes next. The only one
/// that is known adds nanoseconds, which no room can tell.
fn after_modifiers(mut kind: u8, mut rest: &[u8]) -> Result<(u8, &[u8]), TagError> {
    for _ in 0..MODIFIERS_MAX {
        if kind != MODIFIER {
            return Ok((kind, rest));
        }
        let (size, behind) = rest.split_first().ok_or(TagError::CutShort)?;
        let (size, behind) = if *size == 0xff {
            let (size, behind) = behind.split_first_chunk().ok_or(TagError::CutShort)?;
            (usize::from(u16::from_be_bytes(*size)) + 1, behind)
        } else {
            (usize::from(*size) + 1, behind)
        };
        let (next, behind) = behind.get(size..).and_then(<[u8]>::split_first).ok_or(TagError::CutShort)?;
        (kind, rest) = (next & 0x0f, behind);
    }
    Err(TagError::TooManyModifiers)
}

/// 24 bits with a sign.
fn composition(rest: &[u8]) -> Result<(i32, &[u8]), TagError> {
    let ([a, b, c], body) = rest.split_first_chunk().ok_or(TagError::CutShort)?;
    Ok((i32::from_be_bytes([*a, *b, *c, 0]) >> 8, body))
}

/// How something is encoded that is of no use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// By its number in FLV.
    Video(u8),
    /// By its number in FLV.
    Audio(u8),
    /// By its name in Enhanced RTMP.
    FourCc([u8; 4]),
    /// Several tracks in one.
    Multitrack,
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video(2) => f.write_str("Sorenson H.263"),
            Self::Video(4 | 5) => f.write_str("VP6"),
            Self::Video(id) => write!(f, "video codec {id} of FLV"),
            Self::Audio(0 | 3) => f.write_str("PCM"),
            Self::Audio(2 | 14) => f.write_str("MP3"),
            Self::Audio(4..=6) => f.write_str("Nellymoser"),
            Self::Audio(11) => f.write_str("Speex"),
            Self::Audio(id) => write!(f, "audio codec {id} of FLV"),
            Self::FourCc(name) => write!(f, "{}", name.escape_ascii()),
            Self::Multitrack => f.write_str("several tracks in one stream"),
        }
    }
}

/// Why a tag is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Bytes are missing.
    #[error("the tag is cut short")]
    CutShort,
    /// Encoded as nothing that rooms can take.
    #[error("{0} is not supported")]
    Unsupported(Codec),
    /// More than any encoder writes.
    #[error("more than {MODIFIERS_MAX} modifiers of a tag are not taken")]
    TooManyModifiers,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(codec: VideoCodec, composition_ms: i32, nals: &[u8]) -> Result<VideoTag<'_>, TagError> {
        Ok(VideoTag::Picture { codec, composition_ms, nals })
    }

    #[test]
    fn plain_video_is_configuration_and_pictures() {
        assert_eq!(VideoTag::parse(b"\x17\0\0\0\0cfg"), Ok(VideoTag::Config(VideoCodec::H264, b"cfg")));
        assert_eq!(VideoTag::parse(b"\x27\x01\0\0\x42nal"), picture(VideoCodec::H264, 66, b"nal"));
        assert_eq!(VideoTag::parse(b"\x27\x01\xff\xff\xfenal"), picture(VideoCodec::H264, -2, b"nal"));
        assert_eq!(VideoTag::parse(b"\x1c\x01\0\0\0nal"), picture(VideoCodec::H265, 0, b"nal"));
        assert_eq!(VideoTag::parse(b"\x17\x02\0\0\0"), Ok(VideoTag::Nothing));
        assert_eq!(VideoTag::parse(b"\x57\0"), Ok(VideoTag::Nothing));
    }

    #[test]
    fn enhanced_video_names_its_codec() {
        assert_eq!(VideoTag::parse(b"\x90hvc1cfg"), Ok(VideoTag::Config(VideoCodec::H265, b"cfg")));
        assert_eq!(VideoTag::parse(b"\xa1hvc1\0\0\x21nal"), picture(VideoCodec::H265, 33, b"nal"));
        assert_eq!(VideoTag::parse(b"\xa3avc1nal"), picture(VideoCodec::H264, 0, b"nal"));
        assert_eq!(VideoTag::parse(b"\x94hvc1meta"), Ok(VideoTag::Nothing));
        assert_eq!(VideoTag::parse(b"\xd0\0"), Ok(VideoTag::Nothing), "a command has no name of a codec");
        let nanoseconds = b"\xa7\x02\0\0\x07\x03avc1nal";
        assert_eq!(VideoTag::parse(nanoseconds), picture(VideoCodec::H264, 0, b"nal"));
    }

    #[test]
    fn sound_is_aac_opus_or_g711() {
        assert_eq!(AudioTag::parse(b"\xaf\0\x12\x10"), Ok(AudioTag::AacConfig(b"\x12\x10")));
        assert_eq!(AudioTag::parse(b"\xaf\x01au"), Ok(AudioTag::Aac(b"au")));
        assert_eq!(AudioTag::parse(b"\x90Opushead"), Ok(AudioTag::OpusHead(b"head")));
        assert_eq!(AudioTag::parse(b"\x91Opuspacket"), Ok(AudioTag::Opus(b"packet")));
        assert_eq!(AudioTag::parse(b"\x91mp4aau"), Ok(AudioTag::Aac(b"au")));
        assert_eq!(AudioTag::parse(b"\x72a"), Ok(AudioTag::Pcma(b"a")));
        assert_eq!(AudioTag::parse(b"\x82u"), Ok(AudioTag::Pcmu(b"u")));
    }

    #[test]
    fn what_rooms_cannot_take_is_named() {
        let told = |error: TagError| error.to_string();
        assert_eq!(VideoTag::parse(b"\x90av01").map_err(told), Err("av01 is not supported".into()));
        assert_eq!(VideoTag::parse(b"\x12x").map_err(told), Err("Sorenson H.263 is not supported".into()));
        assert_eq!(AudioTag::parse(b"\x2fx").map_err(told), Err("MP3 is not supported".into()));
        assert_eq!(AudioTag::parse(b"\x90\xff\0'\n").map_err(told), Err(r"\xff\x00\'\n is not supported".into()));
        assert_eq!(VideoTag::parse(b"\x96\0avc1"), Err(TagError::Unsupported(Codec::Multitrack)));
        assert_eq!(VideoTag::parse(&[0x97, 0, 0, 7, 0, 0, 7, 0, 0, 7, 0, 0, 7]), Err(TagError::TooManyModifiers));
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_panics(tag: Vec<u8>) {
            let _ = (VideoTag::parse(&tag), AudioTag::parse(&tag));
        }
    }
}
