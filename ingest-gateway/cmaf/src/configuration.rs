//! How a track is decoded: its init segment, and what a playlist says of it.

use std::num::NonZeroU32;

use bytes::Bytes;
use shiguredo_mp4::bitstream::h264::LengthSize;
use shiguredo_mp4::bitstream::{aac, av1, h264, h265, opus, vp8, vp9};
use shiguredo_mp4::boxes::SampleEntry;
use shiguredo_mp4::codec_string;
use velella_media::{AacConfig, AudioFormat, Nal, NalRole, Picture, VideoCodec, nals_of_annexb};

use crate::init;

/// Ticks of video in a second: the clock of RTP video, which no rate in use divides badly.
const VIDEO_TIMESCALE: u32 = 90_000;
/// Opus has no other clock.
const OPUS_TIMESCALE: u32 = 48_000;
/// Longest side of a picture that the head of a track can tell, in pixels.
const SIDE_MAX: u16 = 32_767;

/// How a track is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// `ftyp` and `moov` of one track, whose id is 1.
    pub init: Bytes,
    /// As in `CODECS` of a playlist (RFC 6381).
    pub codecs: String,
    /// Ticks in a second.
    pub timescale: u32,
    /// Of video only.
    pub resolution: Option<Resolution>,
}

/// The size of pictures as shown, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resolution {
    /// From left to right.
    pub width: u16,
    /// From top to bottom.
    pub height: u16,
}

impl Configuration {
    /// What a key frame says of itself and the pictures behind it.
    ///
    /// # Errors
    /// When it is no key frame, lacks what a decoder needs, or cannot be kept in MP4.
    pub fn of_picture(picture: &Picture) -> Result<Self, ConfigurationError> {
        let entry = match picture.codec {
            VideoCodec::H264 => avc(&picture.data)?,
            VideoCodec::H265 => hevc(&picture.data)?,
            VideoCodec::Vp8 => vp08(&picture.data)?,
            VideoCodec::Vp9 => vp09(&picture.data)?,
            VideoCodec::Av1 => av01(&picture.data)?,
        };
        let resolution = entry.video_resolution().map(|(width, height)| Resolution { width, height });
        Self::new(entry, VIDEO_TIMESCALE, resolution)
    }

    /// How sound of this format is decoded.
    ///
    /// # Errors
    /// When it is neither Opus nor AAC-LC.
    pub fn of_sound(format: AudioFormat) -> Result<Self, ConfigurationError> {
        match format {
            AudioFormat::Opus { channels } => Self::new(opus_entry(channels), OPUS_TIMESCALE, None),
            AudioFormat::Aac(config) => Self::new(mp4a(config)?, config.sample_rate_hz, None),
            AudioFormat::Pcmu { .. } | AudioFormat::Pcma { .. } => Err(ConfigurationError::Unsupported("G.711")),
        }
    }

    fn new(entry: SampleEntry, timescale: u32, resolution: Option<Resolution>) -> Result<Self, ConfigurationError> {
        let codecs = codec_string::from_sample_entry(&entry).map_err(malformed)?;
        let rate = NonZeroU32::new(timescale).ok_or(ConfigurationError::Unsupported("sound without a rate"))?;
        let size = resolution.unwrap_or_default();
        if size.width.max(size.height) > SIDE_MAX {
            return Err(ConfigurationError::Unsupported("a picture of this size"));
        }
        let init = init::init_segment(entry, rate, resolution).map_err(malformed)?;
        Ok(Self { init, codecs, timescale, resolution })
    }
}

fn avc(annexb: &[u8]) -> Result<SampleEntry, ConfigurationError> {
    let sets = |role| sets(VideoCodec::H264, annexb, role);
    let (sequence, picture) = (sets(NalRole::SequenceParameters), sets(NalRole::PictureParameters));
    if sequence.is_empty() || picture.is_empty() {
        return Err(ConfigurationError::SetsMissing);
    }
    let config = h264::H264SampleEntryConfig { length_size: LengthSize::FourBytes };
    Ok(SampleEntry::Avc1(h264::build_avc1_box(&sequence, &picture, &config).map_err(malformed)?))
}

fn hevc(annexb: &[u8]) -> Result<SampleEntry, ConfigurationError> {
    let sets = |role| sets(VideoCodec::H265, annexb, role);
    let video = sets(NalRole::VideoParameters);
    let (sequence, picture) = (sets(NalRole::SequenceParameters), sets(NalRole::PictureParameters));
    if video.is_empty() || sequence.is_empty() || picture.is_empty() {
        return Err(ConfigurationError::SetsMissing);
    }
    let config = h265::H265SampleEntryConfig {
        length_size: LengthSize::FourBytes,
        avg_frame_rate: h265::H265SampleEntryConfig::AVG_FRAME_RATE_UNSPECIFIED,
        constant_frame_rate: h265::H265ConstantFrameRate::Unknown,
    };
    Ok(SampleEntry::Hvc1(h265::build_hvc1_box(&video, &sequence, &picture, &config).map_err(malformed)?))
}

/// The parameter sets of one kind.
fn sets(codec: VideoCodec, annexb: &[u8], role: NalRole) -> Vec<Vec<u8>> {
    nals_of_annexb(annexb).filter(|bytes| Nal { codec, bytes }.role() == role).map(<[u8]>::to_vec).collect()
}

/// Browsers play it from a file, but take it from no playlist: Media Source Extensions know no VP8 in MP4.
fn vp08(frame: &[u8]) -> Result<SampleEntry, ConfigurationError> {
    let header = vp8::parse_frame_header(frame).map_err(malformed)?;
    let key = header.keyframe.ok_or(ConfigurationError::SetsMissing)?;
    let config = vp8::Vp8SampleEntryConfig {
        video_full_range_flag: false,
        colour_primaries: vp8::Vp8SampleEntryConfig::COLOUR_PRIMARIES_UNSPECIFIED,
        transfer_characteristics: vp8::Vp8SampleEntryConfig::TRANSFER_CHARACTERISTICS_UNSPECIFIED,
        matrix_coefficients: vp8::Vp8SampleEntryConfig::MATRIX_COEFFICIENTS_UNSPECIFIED,
        width: key.width,
        height: key.height,
    };
    Ok(SampleEntry::Vp08(vp8::build_vp08_box(&config)))
}

fn vp09(frame: &[u8]) -> Result<SampleEntry, ConfigurationError> {
    let header = vp9::parse_frame_header(frame).map_err(malformed)?;
    let vp9::Vp9FrameSize::Resolved { width, height } = header.frame_size else {
        return Err(ConfigurationError::SetsMissing);
    };
    if header.frame_type != vp9::Vp9FrameType::Key {
        return Err(ConfigurationError::SetsMissing);
    }
    let side = |pixels| u16::try_from(pixels).map_err(|_| ConfigurationError::Unsupported("VP9 of this size"));
    let config = vp9::Vp9SampleEntryConfig {
        level: vp_level(width, height),
        colour_primaries: vp9::Vp9SampleEntryConfig::COLOUR_PRIMARIES_UNSPECIFIED,
        transfer_characteristics: vp9::Vp9SampleEntryConfig::TRANSFER_CHARACTERISTICS_UNSPECIFIED,
        matrix_coefficients: vp9::Vp9SampleEntryConfig::MATRIX_COEFFICIENTS_UNSPECIFIED,
        width: side(width)?,
        height: side(height)?,
    };
    Ok(SampleEntry::Vp09(vp9::build_vp09_box(&header, &config).map_err(malformed)?))
}

/// The lowest level of VP8 and VP9 that takes pictures of this size 30 times a second. The stream does not say its
/// level, and its rate is not known when it begins; decoders treat the level as a hint.
fn vp_level(width: u32, height: u32) -> u8 {
    const FRAMES_PER_SECOND: u64 = 30;
    /// Level, most luma samples a second, most luma samples of a picture (VP9 levels, annex A).
    const LEVELS: [(u8, u64, u64); 14] = [
        (10, 829_440, 36_864),
        (11, 2_764_800, 73_728),
        (20, 4_608_000, 122_880),
        (21, 9_216_000, 245_760),
        (30, 20_736_000, 552_960),
        (31, 36_864_000, 983_040),
        (40, 83_558_400, 2_228_224),
        (41, 160_432_128, 2_228_224),
        (50, 311_951_360, 8_912_896),
        (51, 588_251_136, 8_912_896),
        (52, 1_176_502_272, 8_912_896),
        (60, 1_176_502_272, 35_651_584),
        (61, 2_353_004_544, 35_651_584),
        (62, 4_706_009_088, 35_651_584),
    ];
    let samples = u64::from(width) * u64::from(height);
    let fits = |(_, rate, picture): &&(u8, u64, u64)| samples <= *picture && samples * FRAMES_PER_SECOND <= *rate;
    LEVELS.iter().find(fits).map_or(62, |(level, ..)| *level)
}

fn av01(unit: &[u8]) -> Result<SampleEntry, ConfigurationError> {
    let obus = av1::parse_obus(unit, av1::Av1ObuParseContext::Sample).map_err(malformed)?;
    let header = obus.iter().find(|obu| obu.obu_type == av1::Av1ObuType::SequenceHeader);
    let header = header.ok_or(ConfigurationError::SetsMissing)?;
    let config = av1::Av1SampleEntryConfig { initial_presentation_delay_minus_one: None };
    Ok(SampleEntry::Av01(av1::build_av01_box_from_config_obus(header.obu, &config).map_err(malformed)?))
}

/// No pre-skip: a track is joined in the middle, where there is nothing to skip.
fn opus_entry(channels: u8) -> SampleEntry {
    let channel_count = if channels == 1 { opus::ChannelCount::Mono } else { opus::ChannelCount::Stereo };
    let config =
        opus::OpusSampleEntryConfig { channel_count, pre_skip: 0, input_sample_rate: OPUS_TIMESCALE, output_gain: 0 };
    SampleEntry::Opus(opus::build_opus_box(&config))
}

fn mp4a(config: AacConfig) -> Result<SampleEntry, ConfigurationError> {
    let specific = aac::parse_audio_specific_config(&config.to_bytes())
        .map_err(|_| ConfigurationError::Unsupported("AAC other than AAC-LC"))?;
    let config = aac::Mp4aSampleEntryConfig { es_id: 1, buffer_size_db: 0, max_bitrate: 0, avg_bitrate: 0 };
    Ok(SampleEntry::Mp4a(aac::build_mp4a_box(&specific, &config).map_err(malformed)?))
}

fn malformed(error: impl std::fmt::Display) -> ConfigurationError {
    ConfigurationError::Malformed(error.to_string())
}

/// Why a track cannot be packaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigurationError {
    /// The picture carries nothing to configure a decoder with: no key frame, or without its parameter sets.
    #[error("the picture does not say how it is decoded")]
    SetsMissing,
    /// What it says cannot be read.
    #[error("what the picture says of its decoding cannot be read: {0}")]
    Malformed(String),
    /// It cannot be kept in MP4, or by none that plays.
    #[error("{0} cannot be packaged")]
    Unsupported(&'static str),
}
