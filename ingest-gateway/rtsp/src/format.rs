//! Which of a camera's media we take, and what has to be known to take their packets apart.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use velella_media::{AacConfig, AudioFormat, START_CODE, VideoCodec, nals_of_annexb};

use crate::aac::Layout;
use crate::error::Error;
use crate::event::{Medium, Track};
use crate::sdp::{Description, Format, Media};

/// Cameras write padding or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A medium that we take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) track: Track,
    pub(crate) payload_type: u8,
    pub(crate) clock_rate_hz: u32,
    pub(crate) control: Option<String>,
    /// Parameter sets that the description tells.
    pub(crate) sets: Vec<Vec<u8>>,
    /// How access units of AAC lie in packets.
    pub(crate) layout: Layout,
}

/// What we take of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) chosen: Vec<Chosen>,
    /// Codecs of pictures or sound that it offers, and none of which we know.
    pub(crate) left_out: Vec<String>,
}

/// The first pictures and the first sound that we know.
pub(crate) fn choose(description: &Description) -> Result<Choice, Error> {
    let offered: Vec<_> = description.media.iter().filter(|media| !media.back_channel).collect();
    let first = |medium| {
        offered
            .iter()
            .filter(|media| medium_of(media) == Some(medium))
            .find_map(|media| media.formats.iter().find_map(|format| Chosen::from_format(medium, media, format)))
    };
    let (video, audio) = (first(Medium::Video), first(Medium::Audio));
    let has_video = offered.iter().any(|media| medium_of(media) == Some(Medium::Video));
    let known = |medium| if medium == Medium::Video { video.is_some() } else { audio.is_some() };
    let unknown = offered.iter().filter(|media| medium_of(media).is_some_and(|medium| !known(medium)));
    let left_out: Vec<_> = unknown.map(|media| name(media)).collect();
    // Sound alone of a camera whose pictures we do not know is not what anybody asked for.
    if video.is_none() && (has_video || audio.is_none()) {
        return Err(if left_out.is_empty() {
            Error::NoUsableTrack
        } else {
            Error::CodecUnsupported(left_out.join(", "))
        });
    }
    Ok(Choice { chosen: video.into_iter().chain(audio).collect(), left_out })
}

fn medium_of(media: &Media) -> Option<Medium> {
    match media.kind.as_str() {
        "video" => Some(Medium::Video),
        "audio" => Some(Medium::Audio),
        _ => None,
    }
}

/// For a sentence; in plain letters, as it comes from outside.
fn name(media: &Media) -> String {
    let encoding = media.formats.first().map_or("", |format| format.encoding.as_str());
    let plain: String =
        encoding.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(20).collect();
    if plain.is_empty() { format!("{} of an unknown kind", media.kind) } else { plain }
}

impl Chosen {
    fn from_format(medium: Medium, media: &Media, format: &Format) -> Option<Self> {
        let track = match medium {
            Medium::Video => Track::Video(video(format)?),
            Medium::Audio => Track::Audio(audio(format)?),
        };
        // Some cameras write nonsense where the standards leave no choice.
        let clock_rate_hz = match track {
            Track::Video(_) => 90_000,
            Track::Audio(AudioFormat::Opus { .. }) => 48_000,
            Track::Audio(AudioFormat::Aac(config)) if format.clock_rate_hz == 0 => config.sample_rate_hz,
            Track::Audio(AudioFormat::Aac(_)) => format.clock_rate_hz,
            Track::Audio(AudioFormat::Pcmu { sample_rate_hz } | AudioFormat::Pcma { sample_rate_hz }) => sample_rate_hz,
        };
        Some(Self {
            track,
            payload_type: format.payload_type,
            clock_rate_hz,
            control: media.control.clone(),
            sets: sets(format),
            layout: Layout::of(|name| format.parameter(name)),
        })
    }
}

fn video(format: &Format) -> Option<VideoCodec> {
    match format.encoding.as_str() {
        "H264" => Some(VideoCodec::H264),
        "H265" | "HEVC" => Some(VideoCodec::H265),
        _ => None,
    }
}

fn audio(format: &Format) -> Option<AudioFormat> {
    let mono = format.channels.unwrap_or(1) == 1;
    let sample_rate_hz = if format.clock_rate_hz == 0 { 8_000 } else { format.clock_rate_hz };
    match format.encoding.as_str() {
        "PCMU" if mono => Some(AudioFormat::Pcmu { sample_rate_hz }),
        "PCMA" if mono => Some(AudioFormat::Pcma { sample_rate_hz }),
        "OPUS" => {
            // RFC 7587 always writes 2; whether it is stereo stands beside it.
            let stereo = format.parameter("sprop-stereo").is_none_or(|stereo| stereo != "0");
            Some(AudioFormat::Opus { channels: if stereo { 2 } else { 1 } })
        }
        "MPEG4-GENERIC" => Some(AudioFormat::Aac(aac(format)?)),
        _ => None,
    }
}

/// From the configuration, or, without one, from what the map says.
fn aac(format: &Format) -> Option<AacConfig> {
    let told = format.parameter("config").and_then(from_hex).and_then(|config| AacConfig::parse(&config).ok());
    let channels = format.channels.unwrap_or(1);
    let mapped = || (1..=2).contains(&channels) && (7_350..=96_000).contains(&format.clock_rate_hz);
    told.or_else(|| mapped().then_some(AacConfig { object_type: 2, sample_rate_hz: format.clock_rate_hz, channels }))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    digits.chunks_exact(2).map(|pair| u8::try_from(pair.first()? << 4 | pair.last()?).ok()).collect()
}

/// Parameter sets beside the stream (RFC 6184 8.1, RFC 7798 7.1). Some write start codes before them.
fn sets(format: &Format) -> Vec<Vec<u8>> {
    let names = ["sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps"];
    let texts = names.iter().filter_map(|name| format.parameter(name)).flat_map(|value| value.split(','));
    let decoded = texts.filter_map(|text| LENIENT.decode(text.trim()).ok());
    decoded
        .flat_map(|set| nals_of_annexb(&[&START_CODE, &set[..]].concat()).map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(sdp: &str) -> Vec<Chosen> {
        choose(&Description::parse(sdp.as_bytes()).unwrap()).unwrap().chosen
    }

    fn refused(sdp: &str) -> Error {
        choose(&Description::parse(sdp.as_bytes()).unwrap()).unwrap_err()
    }

    #[test]
    fn the_first_pictures_and_the_first_sound_are_taken() {
        let chosen = chosen(
            "m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\nm=video 0 RTP/AVP 96\n\
             a=rtpmap:96 H264/90000\na=control:v\nm=video 0 RTP/AVP 97\na=rtpmap:97 H265/90000\n\
             m=audio 0 RTP/AVP 98\na=rtpmap:98 MPEG4-GENERIC/44100/2\n\
             a=fmtp:98 mode=AAC-hbr;config=1210;SizeLength=13;IndexLength=3;IndexDeltaLength=3\n",
        );
        let config = AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 };
        let tracks: Vec<_> = chosen.iter().map(|chosen| chosen.track).collect();
        assert_eq!(tracks, [Track::Video(VideoCodec::H264), Track::Audio(AudioFormat::Aac(config))]);
        assert_eq!((chosen[0].control.as_deref(), chosen[0].payload_type), (Some("v"), 96));
    }

    #[test]
    fn parameter_sets_are_read_with_and_without_start_codes() {
        let sets = |parameters: &str| {
            chosen(&format!("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 {parameters}\n")).remove(0).sets
        };
        assert_eq!(sets("sprop-parameter-sets=Z0LAHw==,aM4"), [vec![0x67, 0x42, 0xc0, 0x1f], vec![0x68, 0xce]]);
        assert_eq!(sets("sprop-parameter-sets=AAAAAWdC,!"), [vec![0x67, 0x42]]);
        assert!(sets("sprop-parameter-sets=").is_empty());
    }

    #[test]
    fn sound_is_known_by_number_by_name_and_without_configuration() {
        let track = |lines: &str| chosen(lines).remove(0).track;
        assert_eq!(track("m=audio 0 RTP/AVP 0\n"), Track::Audio(AudioFormat::Pcmu { sample_rate_hz: 8_000 }));
        let wide = track("m=audio 0 RTP/AVP 97\na=rtpmap:97 PCMA/16000\n");
        assert_eq!(wide, Track::Audio(AudioFormat::Pcma { sample_rate_hz: 16_000 }));
        let opus = track("m=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2\na=fmtp:97 sprop-stereo=0\n");
        assert_eq!(opus, Track::Audio(AudioFormat::Opus { channels: 1 }));
        let aac = track("m=audio 0 RTP/AVP 97\na=rtpmap:97 mpeg4-generic/16000\n");
        assert_eq!(
            aac,
            Track::Audio(AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 16_000, channels: 1 }))
        );
    }

    #[test]
    fn what_we_do_not_know_is_named() {
        let jpeg = refused("m=video 0 RTP/AVP 26\nm=audio 0 RTP/AVP 0\n");
        assert!(matches!(&jpeg, Error::CodecUnsupported(names) if names == "JPEG"), "{jpeg}");
        let sdp = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 97\na=rtpmap:97 MP4A-LATM/48000\n";
        assert_eq!(choose(&Description::parse(sdp.as_bytes()).unwrap()).unwrap().left_out, ["MP4A-LATM"]);
        assert!(matches!(refused("m=application 0 RTP/AVP 107\n"), Error::NoUsableTrack));
        let unknown = refused("m=audio 0 RTP/AVP 97\n");
        assert!(matches!(&unknown, Error::CodecUnsupported(names) if names == "audio of an unknown kind"), "{unknown}");
    }
}
