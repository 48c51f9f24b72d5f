//! A segment of one rendition and its parts.

use std::time::Duration;

use bytes::Bytes;

use crate::boundary::Boundary;
use crate::sample::Configuration;
use crate::time::StreamTime;

/// What became of the bytes of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There never were any.
    Gap,
    /// A fragment.
    Here(Bytes),
    /// They exist or existed, but not here: a gateway that died had them, or memory has no room for them.
    Elsewhere,
}

/// A partial segment. It begins where the one before ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) end: StreamTime,
    /// A sample in it decodes without any before it.
    pub(crate) independent: bool,
    pub(crate) body: Body,
}

impl Part {
    pub(crate) fn is_gap(&self) -> bool {
        self.body == Body::Gap
    }

    fn bytes(&self) -> usize {
        if let Body::Here(bytes) = &self.body { bytes.len() } else { 0 }
    }
}

/// A segment: the bytes of its parts, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its number, and whether the stream goes on. It says when the stream's segment begins, not when this one does.
    pub(crate) boundary: Boundary,
    /// In whose folder it lies.
    pub(crate) epoch: u32,
    pub(crate) start: StreamTime,
    /// The number of its init segment; none as long as nobody knows how the rendition is decoded.
    pub(crate) init: Option<u32>,
    pub(crate) parts: Vec<Part>,
}

impl Segment {
    pub(crate) fn msn(&self) -> u64 {
        self.boundary.msn
    }

    /// When its last part ends, so far.
    pub(crate) fn end(&self) -> StreamTime {
        self.parts.last().map_or(self.start, |part| part.end)
    }

    pub(crate) fn duration(&self) -> Duration {
        self.end().since(self.start)
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_gap(&self) -> bool {
        self.parts.iter().all(Part::is_gap)
    }

    /// How many bytes of it are held.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(Part::bytes).sum()
    }

    /// Its bytes, as far as they are not a gap; `None` when some are not held.
    pub(crate) fn body(&self) -> Option<Vec<Bytes>> {
        let mut chunks = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match &part.body {
                Body::Gap => (),
                Body::Here(bytes) => chunks.push(bytes.clone()),
                Body::Elsewhere => return None,
            }
        }
        Some(chunks)
    }

    /// Lets go of its bytes, and says how many they were.
    pub(crate) fn release(&mut self) -> usize {
        let bytes = self.bytes();
        for part in self.parts.iter_mut().filter(|part| !part.is_gap()) {
            part.body = Body::Elsewhere;
        }
        bytes
    }

    /// Its parts with the times at which they begin.
    pub(crate) fn timed_parts(&self) -> impl Iterator<Item = (StreamTime, &Part)> {
        let starts = std::iter::once(self.start).chain(self.parts.iter().map(|part| part.end));
        starts.zip(&self.parts)
    }
}

/// A media initialization section of a rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Init {
    /// Counted from 0 in each rendition.
    pub(crate) number: u32,
    /// In whose folder it lies.
    pub(crate) epoch: u32,
    pub(crate) configuration: Configuration,
}
