//! Commands of publishers (RTMP 1.0, section 7.2), the answers to them, and metadata.

use bytes::Bytes;

use crate::amf::{self, AmfError, Value};

/// Text of a peer that is kept is cut at this many characters.
const TEXT_CHARS_MAX: usize = 128;

/// A command.
#[derive(Debug, PartialEq)]
pub(crate) struct Command {
    pub(crate) name: String,
    /// By which the answer is known; 0 when none is expected.
    pub(crate) transaction: f64,
    pub(crate) object: Value,
    pub(crate) arguments: Vec<Value>,
}

impl Command {
    /// `None` when the message is no command: its first value is no name.
    pub(crate) fn parse(message: &[u8]) -> Result<Option<Self>, AmfError> {
        let mut values = amf::read(message)?.into_iter();
        let Some(Value::Text(name)) = values.next() else { return Ok(None) };
        let transaction = values.next().and_then(|value| value.number()).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        Ok(Some(Self { name, transaction, object, arguments: values.collect() }))
    }

    /// A text among the arguments.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.arguments.get(at).and_then(Value::text).unwrap_or_default()
    }
}

/// The answer to `connect`, which tells what of Enhanced RTMP is understood.
pub(crate) fn connected(transaction: f64) -> Bytes {
    /// Can be decoded, of the masks for codecs of Enhanced RTMP 2.
    const FOUR_CC_CAN_DECODE: f64 = 1.0;
    let codecs = |names: &[&str]| {
        Value::Object(names.iter().map(|name| ((*name).to_owned(), FOUR_CC_CAN_DECODE.into())).collect())
    };
    let properties = Value::object([
        ("fmsVer", "FMS/3,0,1,123".into()),
        ("capabilities", 31.0.into()),
        ("fourCcList", Value::Array(["avc1", "hvc1", "mp4a", "Opus"].map(Value::from).into())),
        ("videoFourCcInfoMap", codecs(&["avc1", "hvc1"])),
        ("audioFourCcInfoMap", codecs(&["mp4a", "Opus"])),
        // Neither reconnects on request nor several tracks.
        ("capsEx", 0.0.into()),
    ]);
    let status = Value::object([
        ("level", "status".into()),
        ("code", "NetConnection.Connect.Success".into()),
        ("description", "Connection succeeded.".into()),
        ("objectEncoding", 0.0.into()),
    ]);
    amf::write(&["_result".into(), transaction.into(), properties, status])
}

/// That a command is done.
pub(crate) fn done(transaction: f64, result: Value) -> Bytes {
    amf::write(&["_result".into(), transaction.into(), Value::Null, result])
}

/// That a command cannot be done.
pub(crate) fn failed(transaction: f64, code: &str, description: &str) -> Bytes {
    amf::write(&["_error".into(), transaction.into(), Value::Null, status_of("error", code, description)])
}

/// What became of a stream; `level` is `status` or `error`.
pub(crate) fn status(level: &str, code: &str, description: &str) -> Bytes {
    amf::write(&["onStatus".into(), 0.0.into(), Value::Null, status_of(level, code, description)])
}

fn status_of(level: &str, code: &str, description: &str) -> Value {
    Value::object([("level", level.into()), ("code", code.into()), ("description", description.into())])
}

/// What an encoder says of what it sends. Nothing relies on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// Its name, cut at 128 characters.
    pub encoder: Option<String>,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// Pictures per second.
    pub frame_rate: Option<f64>,
    /// Of the pictures.
    pub video_bitrate_bps: Option<u32>,
    /// Of the sound.
    pub audio_bitrate_bps: Option<u32>,
}

impl Metadata {
    /// Of a message of data; `None` when it is about something else.
    pub(crate) fn parse(message: &[u8]) -> Result<Option<Self>, AmfError> {
        let values = amf::read(message)?;
        let names: Vec<_> = values.iter().map_while(Value::text).collect();
        if !matches!(names[..], ["onMetaData"] | ["@setDataFrame", "onMetaData"]) {
            return Ok(None);
        }
        let Some(told) = values.get(names.len()) else { return Ok(None) };
        let number = |name| told.property(name).and_then(Value::number).filter(|number| *number > 0.0);
        let kbps = |name| number(name).and_then(|kbps: f64| whole(kbps * 1_000.0));
        Ok(Some(Self {
            encoder: told.property("encoder").and_then(Value::text).map(cut),
            width: number("width").and_then(whole),
            height: number("height").and_then(whole),
            frame_rate: number("framerate").filter(|rate| rate.is_finite()),
            video_bitrate_bps: kbps("videodatarate"),
            audio_bitrate_bps: kbps("audiodatarate"),
        }))
    }
}

/// The first characters of a text of a peer.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range that is asked for")]
fn whole(number: f64) -> Option<u32> {
    (0.0..=f64::from(u32::MAX)).contains(&number).then(|| number.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_name_a_number_an_object_and_arguments() {
        let publish = amf::write(&["publish".into(), 5.0.into(), Value::Null, "key".into(), "live".into()]);
        let command = Command::parse(&publish).unwrap().unwrap();
        assert_eq!((command.name.as_str(), command.transaction, command.text(0)), ("publish", 5.0, "key"));
        assert_eq!((command.text(1), command.text(2)), ("live", ""));
        assert_eq!(Command::parse(&amf::write(&[Value::Null])), Ok(None));
        assert_eq!(Command::parse(&[]), Ok(None));
    }

    #[test]
    fn metadata_is_read_with_and_without_its_wrapper() {
        let told = Value::object([
            ("width", 1_280.0.into()),
            ("height", f64::NAN.into()),
            ("framerate", 30.0.into()),
            ("videodatarate", 2_500.0.into()),
            ("audiodatarate", (-1.0).into()),
            ("encoder", "é".repeat(500).as_str().into()),
        ]);
        let expected = Metadata {
            encoder: Some("é".repeat(128)),
            width: Some(1_280),
            frame_rate: Some(30.0),
            video_bitrate_bps: Some(2_500_000),
            ..Metadata::default()
        };
        let plain = amf::write(&["onMetaData".into(), told.clone()]);
        let wrapped = amf::write(&["@setDataFrame".into(), "onMetaData".into(), told]);
        assert_eq!(Metadata::parse(&plain), Ok(Some(expected.clone())));
        assert_eq!(Metadata::parse(&wrapped), Ok(Some(expected)));
        assert_eq!(Metadata::parse(&amf::write(&["onTextData".into(), Value::Null])), Ok(None));
        assert_eq!(Metadata::parse(&amf::write(&["onMetaData".into()])), Ok(None));
    }
}
