//! Where a source puts what it gives: pictures as they are, sound as Opus.

use tokio::sync::mpsc;
use velella_gateway_core::Published;
use velella_media::{AudioFormat, Frame, Sound};
use velella_sound::{OpusPacket, Transcoder};

use super::{End, Event};

/// The way from a source to its ingest.
pub(crate) struct Outlet {
    events: mpsc::Sender<Event>,
    transcoder: Transcoder,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, transcoder: Transcoder::default() }
    }

    /// What there will be. Borrows nothing, as below.
    pub(crate) fn describe(&self, published: Published) -> impl Future<Output = Result<(), End>> + use<> {
        let events = self.events.clone();
        async move { put(&events, Event::Described(published)).await }
    }

    /// Gives a frame. The end when nobody wants more.
    pub(crate) async fn give(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Video(_) => put(&self.events, Event::Frame(frame)).await,
            Frame::Audio(sound) => self.give_sound(sound).await,
        }
    }

    async fn give_sound(&mut self, sound: Sound) -> Result<(), End> {
        self.transcoder.handle_sound(&sound);
        while let Some(OpusPacket { time, data, .. }) = self.transcoder.poll_packet() {
            let sound = Sound { format: AudioFormat::Opus { channels: 2 }, time, data };
            put(&self.events, Event::Frame(Frame::Audio(sound))).await?;
        }
        Ok(())
    }

    /// So many packets did not come.
    pub(crate) fn lost(&self, packets: u64) -> impl Future<Output = Result<(), End>> + use<> {
        let events = self.events.clone();
        async move { put(&events, Event::Lost(packets)).await }
    }

    /// There is something that no room can take.
    pub(crate) fn unsupported(&self, what: String) -> impl Future<Output = Result<(), End>> + use<> {
        let events = self.events.clone();
        async move { put(&events, Event::Unsupported(what)).await }
    }

    /// Nobody wants more. Borrows nothing, since encoders may not be shared between threads, not even to be looked at.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + use<> {
        let events = self.events.clone();
        async move { events.closed().await }
    }
}

async fn put(events: &mpsc::Sender<Event>, event: Event) -> Result<(), End> {
    events.send(event).await.map_err(|_| End::closed())
}
