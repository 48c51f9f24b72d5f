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
        self.tell(Event::Described(published))
    }

    /// Gives a frame. The end when nobody wants more.
    pub(crate) async fn give(&mut self, frame: Frame) -> Result<(), End> {
        match frame {
            Frame::Video(picture) => self.tell(Event::Picture(picture)).await,
            Frame::Audio(sound) => self.give_sound(sound).await,
        }
    }

    async fn give_sound(&mut self, sound: Sound) -> Result<(), End> {
        self.transcoder.handle_sound(&sound);
        while let Some(OpusPacket { time, level_dbov, data, .. }) = self.transcoder.poll_packet() {
            let sound = Sound { format: AudioFormat::Opus { channels: 2 }, time, data };
            self.tell(Event::Sound { sound, level_dbov }).await?;
        }
        Ok(())
    }

    /// Tells what is no frame. Borrows nothing, as below.
    pub(crate) fn tell(&self, event: Event) -> impl Future<Output = Result<(), End>> + use<> {
        self.aside().tell(event)
    }

    /// The way for what goes on beside.
    pub(super) fn aside(&self) -> Aside {
        Aside { events: self.events.clone() }
    }

    /// Nobody wants more. Borrows nothing, since encoders may not be shared between threads, not even to be looked at.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + use<> {
        let events = self.events.clone();
        async move { events.closed().await }
    }
}

/// The same way, for what comes beside the first stream.
#[derive(Clone)]
pub(super) struct Aside {
    events: mpsc::Sender<Event>,
}

impl Aside {
    /// The end when nobody wants more.
    pub(super) async fn tell(self, event: Event) -> Result<(), End> {
        self.events.send(event).await.map_err(|_| End::closed())
    }
}
