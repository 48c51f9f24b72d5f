//! Parts of an object, as Safari likes to ask for them (RFC 9110, 14).

use std::ops::Range;

/// What a request wants of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it, also when the header says what we do not do: that is always right.
    Whole,
    /// These bytes.
    Part(Range<usize>),
    /// What it does not have.
    Beyond,
}

impl Wanted {
    /// Of a `Range` header, for an object of so many bytes.
    pub(crate) fn parse(header: Option<&str>, length: usize) -> Self {
        let range = header.and_then(|header| header.strip_prefix("bytes=")).and_then(|range| range.split_once('-'));
        let Some((first, last)) = range else { return Self::Whole };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Self::within(first, last.saturating_add(1), length),
            (Some(first), None) if last.is_empty() => Self::within(first, length, length),
            (None, Some(0)) if first.is_empty() => Self::Beyond,
            (None, Some(suffix)) if first.is_empty() => Self::within(length.saturating_sub(suffix), length, length),
            _ => Self::Whole,
        }
    }

    fn within(start: usize, end: usize, length: usize) -> Self {
        if start < length { Self::Part(start..end.min(length)) } else { Self::Beyond }
    }
}

/// Digits; so many that no object is as long count as the most there is.
fn number(digits: &str) -> Option<usize> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_the_rest_gets_everything() {
        for (header, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=2-99999999999999999999", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("items=0-1", Wanted::Whole),
        ] {
            assert_eq!(Wanted::parse(Some(header), 10), wanted, "{header}");
        }
        assert_eq!(Wanted::parse(None, 10), Wanted::Whole);
        assert_eq!(Wanted::parse(Some("bytes=0-"), 0), Wanted::Beyond);
    }
}
