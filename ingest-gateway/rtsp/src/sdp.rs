//! What a camera says it offers (SDP, RFC 8866), read leniently: what cannot be read is left out.

/// Most media of one description.
const MEDIA_MAX: usize = 16;

/// Most formats of one medium.
const FORMATS_MAX: usize = 16;

/// What a camera offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Description {
    /// Where to send what concerns all media.
    pub(crate) control: Option<String>,
    pub(crate) media: Vec<Media>,
}

/// One medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    /// `video`, `audio`, or something else.
    pub(crate) kind: String,
    pub(crate) control: Option<String>,
    /// Whether it is for us to send.
    pub(crate) back_channel: bool,
    /// In the order of preference.
    pub(crate) formats: Vec<Format>,
}

/// One way to encode a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    /// In capital letters; empty when nobody says.
    pub(crate) encoding: String,
    pub(crate) clock_rate_hz: u32,
    pub(crate) channels: Option<u8>,
    parameters: Vec<(String, String)>,
}

impl Format {
    /// The value of a parameter (`a=fmtp`).
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// That nothing but its number says anything about (RFC 3551 section 6).
    fn of_number(payload_type: u8) -> Self {
        let (encoding, clock_rate_hz) = match payload_type {
            0 => ("PCMU", 8_000),
            3 => ("GSM", 8_000),
            8 => ("PCMA", 8_000),
            9 => ("G722", 8_000),
            14 => ("MPA", 90_000),
            26 => ("JPEG", 90_000),
            32 => ("MPV", 90_000),
            33 => ("MP2T", 90_000),
            _ => ("", 0),
        };
        Self { payload_type, encoding: encoding.to_owned(), clock_rate_hz, channels: None, parameters: Vec::new() }
    }
}

impl Description {
    /// Reads a description.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = String::from_utf8_lossy(text);
        let mut description = Self::default();
        for line in text.lines().map(str::trim) {
            let Some((key, value)) = line.split_once('=') else { continue };
            if key == "m" {
                if description.media.len() == MEDIA_MAX {
                    return Err("too many media");
                }
                description.media.extend(Media::parse(value));
            }
            match (key, description.media.last_mut()) {
                ("a", None) => {
                    if let Some(control) = value.strip_prefix("control:") {
                        description.control = graphic(control);
                    }
                }
                ("a", Some(media)) => media.read_attribute(value),
                _ => {}
            }
        }
        if description.media.is_empty() { Err("it names no media") } else { Ok(description) }
    }
}

impl Media {
    /// From `video 0 RTP/AVP 96 97`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (kind, _port, _protocol) = (words.next()?, words.next()?, words.next()?);
        let formats = words.filter_map(|number| number.parse().ok()).take(FORMATS_MAX).map(Format::of_number).collect();
        Some(Self { kind: kind.to_ascii_lowercase(), control: None, back_channel: false, formats })
    }

    fn read_attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "control" => self.control = graphic(value),
            // Seen from us: what an ONVIF camera wants to hear.
            "sendonly" => self.back_channel = true,
            "rtpmap" => self.read_map(value),
            "fmtp" => self.read_parameters(value),
            _ => {}
        }
    }

    /// `96 H264/90000`, `97 opus/48000/2`.
    fn read_map(&mut self, value: &str) {
        let Some((format, map)) = self.named(value) else { return };
        let mut parts = map.split('/').map(str::trim);
        format.encoding = parts.next().unwrap_or_default().to_ascii_uppercase();
        format.clock_rate_hz = parts.next().and_then(|rate| rate.parse().ok()).unwrap_or(0);
        format.channels = parts.next().and_then(|channels| channels.parse().ok());
    }

    /// `96 packetization-mode=1; sprop-parameter-sets=…`.
    fn read_parameters(&mut self, value: &str) {
        let Some((format, parameters)) = self.named(value) else { return };
        let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
        format.parameters = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect();
    }

    /// The format that an attribute is about, and the rest of the attribute.
    fn named<'a>(&mut self, value: &'a str) -> Option<(&mut Format, &'a str)> {
        let (number, rest) = value.trim().split_once(' ')?;
        let number: u8 = number.parse().ok()?;
        Some((self.formats.iter_mut().find(|format| format.payload_type == number)?, rest.trim()))
    }
}

/// What can stand in a request.
fn graphic(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| text.to_owned())
}

/// Where a medium is controlled. The standard says to resolve it as a relative URL; cameras and their
/// clients append it.
pub(crate) fn control_uri(base: &str, control: Option<&str>) -> String {
    match control {
        None | Some("*") => base.to_owned(),
        Some(absolute) if absolute.contains("://") => absolute.to_owned(),
        Some(path) if path.starts_with('/') => {
            let host = base.find("://").map_or(0, |at| at + 3);
            let end = base.get(host..).and_then(|rest| rest.find(['/', '?'])).map_or(base.len(), |at| host + at);
            format!("{}{path}", base.get(..end).unwrap_or_default())
        }
        Some(query) if query.starts_with('?') => format!("{base}{query}"),
        Some(relative) => format!("{}/{relative}", base.strip_suffix('/').unwrap_or(base)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_camera_with_many_faults_is_understood() {
        let text = b"v=0\r\ns=\r\ns=again\r\nt=now\r\nc=broken\r\na=control:*\r\nnonsense\r\nm=bad\r\n\
            m=video 0 RTP/AVP 96\r\na=control:trackID=1\r\na=rtpmap:96 H264/90000  \r\n\
            a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0LAHw==,aM4=; x\r\na=fmtp:97 other=1\r\n\
            m=audio 0 RTP/AVP 8 101\r\n\
            m=audio 0 RTP/AVP 0\r\na=sendonly\r\n\xff\xfe\r\n";
        let description = Description::parse(text).unwrap();
        assert_eq!(description.control.as_deref(), Some("*"));
        let [video, audio, back] = &description.media[..] else { panic!("{description:?}") };
        assert_eq!((video.kind.as_str(), video.control.as_deref()), ("video", Some("trackID=1")));
        let format = &video.formats[0];
        assert_eq!((format.encoding.as_str(), format.clock_rate_hz), ("H264", 90_000));
        assert_eq!(format.parameter("Sprop-Parameter-Sets"), Some("Z0LAHw==,aM4="));
        assert_eq!(format.parameter("other"), None);
        assert_eq!((audio.formats[0].encoding.as_str(), audio.formats[0].clock_rate_hz), ("PCMA", 8_000));
        assert!(back.back_channel && !audio.back_channel);
    }

    #[test]
    fn what_describes_nothing_is_told() {
        assert_eq!(Description::parse(b"<html>"), Err("it names no media"));
        assert_eq!(Description::parse("m=video 0 RTP/AVP 96\n".repeat(17).as_bytes()), Err("too many media"));
    }

    #[test]
    fn controls_are_joined_as_cameras_expect() {
        let join = |base, control| control_uri(base, Some(control));
        assert_eq!(join("rtsp://cam/x/", "trackID=1"), "rtsp://cam/x/trackID=1");
        assert_eq!(join("rtsp://cam/x?y=1", "trackID=1"), "rtsp://cam/x?y=1/trackID=1");
        assert_eq!(join("rtsp://cam:554/x", "/y"), "rtsp://cam:554/y");
        assert_eq!(join("rtsp://cam/x", "?ctype=video"), "rtsp://cam/x?ctype=video");
        assert_eq!(join("rtsp://cam/x", "rtsp://10.0.0.1/x/1"), "rtsp://10.0.0.1/x/1");
        assert_eq!(join("rtsp://cam/x", "*"), "rtsp://cam/x");
        assert_eq!(control_uri("rtsp://cam/x", None), "rtsp://cam/x");
    }

    #[test]
    fn a_control_that_would_break_out_of_a_request_is_left_out() {
        let description = Description::parse(b"m=video 0 RTP/AVP 96\na=control:a b\n").unwrap();
        assert_eq!(description.media[0].control, None);
    }

    proptest! {
        #[test]
        fn anything_can_be_read(text: Vec<u8>, lines in "([ma]=[a-z0-9:/= ;]{0,20}\n){0,20}") {
            let _ = Description::parse(&text);
            if let Ok(description) = Description::parse(lines.as_bytes()) {
                prop_assert!(description.media.len() <= MEDIA_MAX);
            }
        }
    }
}
