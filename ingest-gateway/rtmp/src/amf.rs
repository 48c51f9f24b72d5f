//! AMF0, the values of commands and metadata (Adobe, "Action Message Format – AMF 0").

use bytes::{BufMut, Bytes, BytesMut};

/// How deep values may lie in each other.
pub const DEPTH_MAX: usize = 16;
/// Most values in one message. Metadata of encoders has some thirty.
pub const VALUES_MAX: usize = 1_024;

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
const STRICT_ARRAY: u8 = 10;
const DATE: u8 = 11;
const LONG_STRING: u8 = 12;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// All numbers are floating.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text. What is no UTF-8 in it is replaced.
    Text(String),
    /// Null, undefined, or of a kind that nobody here reads (dates).
    Null,
    /// Properties in their order; also an array with names.
    Object(Vec<(String, Self)>),
    /// An array without names.
    Array(Vec<Self>),
}

impl Value {
    /// A property of an object.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(properties) => properties.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            Self::Number(_) | Self::Boolean(_) | Self::Text(_) | Self::Null | Self::Array(_) => None,
        }
    }

    /// Its text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Its number, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// An object of these properties.
    pub(crate) fn object<const N: usize>(properties: [(&str, Self); N]) -> Self {
        Self::Object(properties.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

/// All values of a message.
///
/// # Errors
/// When a value is cut short, of an unknown kind, or beyond a bound.
pub fn read(message: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader { rest: message, values: 0 };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(reader.value(0)?);
    }
    Ok(values)
}

struct Reader<'a> {
    rest: &'a [u8],
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, AmfError> {
        self.values += 1;
        if depth > DEPTH_MAX {
            return Err(AmfError::TooDeep);
        }
        if self.values > VALUES_MAX {
            return Err(AmfError::TooMany);
        }
        Ok(match self.byte()? {
            NUMBER => Value::Number(f64::from_be_bytes(self.array()?)),
            BOOLEAN => Value::Boolean(self.byte()? != 0),
            STRING => Value::Text(self.short_text()?),
            LONG_STRING => {
                let bytes = u32::from_be_bytes(self.array()?);
                Value::Text(self.text(usize::try_from(bytes).unwrap_or(usize::MAX))?)
            }
            NULL | UNDEFINED => Value::Null,
            OBJECT => Value::Object(self.properties(depth)?),
            ECMA_ARRAY => {
                // A count, which encoders leave at zero; the end is marked as that of an object is.
                self.array::<4>()?;
                Value::Object(self.properties(depth)?)
            }
            STRICT_ARRAY => {
                let count = u32::from_be_bytes(self.array()?);
                Value::Array((0..count).map(|_| self.value(depth + 1)).collect::<Result<_, _>>()?)
            }
            DATE => {
                self.array::<10>()?;
                Value::Null
            }
            other => return Err(AmfError::Unknown(other)),
        })
    }

    fn properties(&mut self, depth: usize) -> Result<Vec<(String, Value)>, AmfError> {
        let mut properties = Vec::new();
        loop {
            let name = self.short_text()?;
            if name.is_empty() && self.rest.first() == Some(&OBJECT_END) {
                self.byte()?;
                return Ok(properties);
            }
            properties.push((name, self.value(depth + 1)?));
        }
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let bytes = u16::from_be_bytes(self.array()?);
        self.text(usize::from(bytes))
    }

    fn text(&mut self, bytes: usize) -> Result<String, AmfError> {
        let (text, rest) = self.rest.split_at_checked(bytes).ok_or(AmfError::CutShort)?;
        self.rest = rest;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn byte(&mut self) -> Result<u8, AmfError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(AmfError::CutShort)?;
        self.rest = rest;
        Ok(*array)
    }
}

/// Writes values one behind the other.
pub(crate) fn write(values: &[Value]) -> Bytes {
    let mut message = BytesMut::new();
    values.iter().for_each(|value| put(&mut message, value));
    message.freeze()
}

fn put(message: &mut BytesMut, value: &Value) {
    match value {
        Value::Number(number) => {
            message.put_u8(NUMBER);
            message.put_f64(*number);
        }
        Value::Boolean(truth) => message.put_slice(&[BOOLEAN, u8::from(*truth)]),
        Value::Text(text) => {
            message.put_u8(STRING);
            put_text(message, text);
        }
        Value::Null => message.put_u8(NULL),
        Value::Object(properties) => {
            message.put_u8(OBJECT);
            for (name, value) in properties {
                put_text(message, name);
                put(message, value);
            }
            message.put_slice(&[0, 0, OBJECT_END]);
        }
        Value::Array(values) => {
            message.put_u8(STRICT_ARRAY);
            message.put_u32(u32::try_from(values.len()).unwrap_or(u32::MAX));
            values.iter().for_each(|value| put(message, value));
        }
    }
}

/// Cut at 64 KiB, which no answer reaches.
fn put_text(message: &mut BytesMut, text: &str) {
    let bytes = text.floor_char_boundary(usize::from(u16::MAX));
    let text = text.get(..bytes).unwrap_or_default();
    message.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    message.put_slice(text.as_bytes());
}

/// Why a message is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmfError {
    /// It ends within a value.
    #[error("a value is cut short")]
    CutShort,
    /// A kind of value that no command has.
    #[error("a value of the unknown kind {0}")]
    Unknown(u8),
    /// More than [`DEPTH_MAX`].
    #[error("values deeper than {DEPTH_MAX} are not taken")]
    TooDeep,
    /// More than [`VALUES_MAX`].
    #[error("more than {VALUES_MAX} values are not taken")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let values = vec![
            Value::from("connect"),
            Value::from(1.0),
            Value::object([("app", "live".into()), ("fpad", Value::Boolean(false)), ("none", Value::Null)]),
            Value::Array(vec!["hvc1".into(), Value::Array(vec![])]),
        ];
        assert_eq!(read(&write(&values)), Ok(values));
    }

    #[test]
    fn arrays_with_names_and_long_texts_are_read() {
        let message = b"\x08\0\0\0\0\0\x05width\0\x40\x84\0\0\0\0\0\0\0\0\x09\x0c\0\0\0\x02hi\x0b\0\0\0\0\0\0\0\0\0\0";
        let metadata = Value::object([("width", 640.0.into())]);
        assert_eq!(read(message), Ok(vec![metadata, "hi".into(), Value::Null]));
    }

    #[test]
    fn bounds_hold_for_what_claims_to_be_deep_or_long() {
        assert_eq!(read(&b"\x0a\0\0\0\x01".repeat(13_000)), Err(AmfError::TooDeep));
        assert_eq!(read(&b"\x03\0\x01a".repeat(13_000)), Err(AmfError::TooDeep));
        assert_eq!(read(b"\x0a\xff\xff\xff\xff"), Err(AmfError::CutShort));
        assert_eq!(read(b"\x0c\xff\xff\xff\xff"), Err(AmfError::CutShort));
        assert_eq!(read(&[NULL; VALUES_MAX + 1]), Err(AmfError::TooMany));
        assert_eq!(read(&[0x11]), Err(AmfError::Unknown(0x11)));
    }

    proptest! {
        #[test]
        fn nothing_that_a_peer_sends_panics(message: Vec<u8>) {
            let _ = read(&message);
        }
    }
}
