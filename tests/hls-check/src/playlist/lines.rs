//! Lines of a playlist (section 4.1): tags, URIs; comments and blank lines are dropped.

use super::Flaw;

/// One line that means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// `#EXT…`, without the `#`, and what stands behind its first colon.
    Tag(&'a str, Option<&'a str>),
    Uri(&'a str),
}

/// Numbered lines, or what makes the whole text no playlist.
pub(super) fn lines(text: &str) -> Result<Vec<(usize, Line<'_>)>, Flaw> {
    if let Some((at, _)) = text.lines().enumerate().find(|(_, line)| line.chars().any(char::is_control)) {
        return Err(flaw(at + 1, "control characters must not appear"));
    }
    let mut numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    if numbered.next().map(|(_, line)| line) != Some("#EXTM3U") {
        return Err(Flaw { section: "4.4.1.1", ..flaw(1, "the first line must be #EXTM3U") });
    }
    Ok(numbered.filter_map(|(number, line)| Some((number, meaning(line)?))).collect())
}

fn meaning(line: &str) -> Option<Line<'_>> {
    match line.strip_prefix('#') {
        None if line.is_empty() => None,
        None => Some(Line::Uri(line)),
        Some(tag) if tag.starts_with("EXT") => {
            Some(tag.split_once(':').map_or(Line::Tag(tag, None), |(name, value)| Line::Tag(name, Some(value))))
        }
        Some(_) => None,
    }
}

fn flaw(line: usize, sentence: &str) -> Flaw {
    Flaw { line, section: "4.1", sentence: sentence.to_owned() }
}
