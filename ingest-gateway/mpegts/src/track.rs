//! One elementary stream that is followed.

use velella_media::{ACCESS_UNIT_BYTES_MAX, Assembler, Medium};

use crate::adts::Adts;
use crate::packet::{Continuity, Packet, Standing};
use crate::pes::{Assembly, Flaw, Unit};
use crate::program::{Kind, Stream};

/// Bytes of a PES packet with sound: its length has 16 bits.
const SOUND_BYTES_MAX: usize = 64 * 1024 + 6;

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) stream: Stream,
    pub(crate) content: Content,
    continuity: Continuity,
    assembly: Assembly,
}

/// How to read what comes.
#[derive(Debug)]
pub(crate) enum Content {
    Video(Assembler),
    Aac(Adts),
    Opus { channels: u8 },
}

impl Track {
    /// `None` when nobody here can read it.
    pub(crate) fn new(stream: Stream) -> Option<Self> {
        let (content, bytes_max) = match stream.kind {
            Kind::Video(codec) => (Content::Video(Assembler::new(codec)), ACCESS_UNIT_BYTES_MAX),
            Kind::Aac => (Content::Aac(Adts::default()), SOUND_BYTES_MAX),
            Kind::Opus { channels } => (Content::Opus { channels }, SOUND_BYTES_MAX),
            Kind::Unsupported(_) | Kind::Other => return None,
        };
        Some(Self { stream, content, continuity: Continuity::default(), assembly: Assembly::new(bytes_max) })
    }

    pub(crate) fn medium(&self) -> Medium {
        match self.content {
            Content::Video(_) => Medium::Video,
            Content::Aac(_) | Content::Opus { .. } => Medium::Audio,
        }
    }

    /// Takes a packet of its PID; it may end what was begun, and be whole itself.
    pub(crate) fn handle(&mut self, packet: &Packet<'_>) -> [Option<Result<Unit, Flaw>>; 2] {
        let Some(payload) = packet.payload else { return [None, None] };
        let lost = match self.continuity.note(packet) {
            Standing::Repeated => return [None, None],
            Standing::Gap => {
                self.forget();
                Some(Err(Flaw::Lost))
            }
            Standing::Next => None,
        };
        let ended = if packet.unit_start { self.assembly.begin() } else { None };
        [lost.or(ended), self.assembly.append(payload)]
    }

    fn forget(&mut self) {
        self.assembly.forget();
        if let Content::Aac(adts) = &mut self.content {
            adts.forget();
        }
    }
}
