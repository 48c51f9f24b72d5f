//! The lowest `EXT-X-VERSION` that allows a tag with its attributes (section 8).

use super::attributes::Attributes;

/// What one tag of a media playlist needs; 1 when it needs nothing.
pub(super) fn needed(tag: &str, value: &str, i_frames_only: bool) -> u64 {
    let attributes = Attributes::parse(value);
    let has = |name: &str| attributes.as_ref().is_ok_and(|list| list.has(name));
    match tag {
        "EXTINF" if value.split(',').next().is_some_and(|duration| duration.contains('.')) => 3,
        "EXT-X-BYTERANGE" | "EXT-X-I-FRAMES-ONLY" => 4,
        "EXT-X-KEY" if has("KEYFORMAT") || has("KEYFORMATVERSIONS") => 5,
        "EXT-X-KEY" if has("IV") => 2,
        "EXT-X-MAP" if i_frames_only => 5,
        "EXT-X-MAP" => 6,
        "EXT-X-DEFINE" if has("QUERYPARAM") => 11,
        "EXT-X-DEFINE" => 8,
        "EXT-X-SKIP" if has("RECENTLY-REMOVED-DATERANGES") => 10,
        "EXT-X-SKIP" => 9,
        _ if attributes.is_ok_and(|list| list.any_starts_with("REQ-")) => 12,
        _ => 1,
    }
}
