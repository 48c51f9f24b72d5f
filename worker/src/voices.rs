//! Tells coordinators who speaks, in a queue of its own: when the bus is slow, voices are what is
//! lost, and no signal of a session waits behind them.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use velella_bus::Bus;
use velella_model::subject;
use velella_model::wire::encode;
use velella_model::wire::signal::VoiceChanged;

/// Changes waiting for the bus; more are dropped. Somebody begins or stops speaking once in a
/// second at most, so that this holds a second of a thousand people.
pub(crate) const VOICES_MAX: usize = 1_024;

/// Publishes changes until the worker ends.
pub(crate) async fn run(bus: Arc<dyn Bus>, mut changes: mpsc::Receiver<VoiceChanged>) {
    while let Some(change) = changes.recv().await {
        if let Err(error) = bus.publish(subject::VOICES, Bytes::from(encode(&change))).await {
            tracing::debug!(%error, "a voice was not told");
        }
    }
    // The shards are gone; what ends the worker is decided elsewhere.
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use velella_bus::memory::MemoryBus;
    use velella_model::wire::decode;
    use velella_model::wire::signal::Voice;
    use velella_model::{PeerId, RoomId, TrackId};

    use super::*;

    #[tokio::test]
    async fn every_coordinator_hears_who_speaks() {
        let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
        let mut coordinators =
            [bus.subscribe(subject::VOICES).await.unwrap(), bus.subscribe(subject::VOICES).await.unwrap()];
        let (voices, receiver) = mpsc::channel(VOICES_MAX);
        let publishing = tokio::spawn(run(bus, receiver));
        let change = VoiceChanged {
            room: RoomId::parse("r").unwrap(),
            peer: PeerId::parse("p").unwrap(),
            track: TrackId::parse("p:1").unwrap(),
            voice: Voice::Speech,
        };
        voices.try_send(change.clone()).unwrap();
        for coordinator in &mut coordinators {
            let delivery = coordinator.next().await.unwrap();
            assert_eq!(decode::<VoiceChanged>(&delivery.payload).unwrap(), change);
        }
        publishing.abort();
    }
}
