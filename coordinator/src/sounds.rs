//! What agents hear, from the bus to their sockets: past the core, which has nothing to decide here.
//!
//! A socket that reads too slowly misses sound; everything else it is told comes another way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use velella_bus::Subscription;
use velella_model::SessionId;
use velella_model::wire::agent::Heard;
use velella_model::wire::decode;

use crate::metrics::Metrics;

/// Pieces of sound that wait for one socket: five seconds of two people. More are dropped.
const WAITING_MAX: usize = 512;

/// The agents that listen here.
#[derive(Clone, Default)]
pub(crate) struct Sounds(Arc<Mutex<BTreeMap<SessionId, mpsc::Sender<Heard>>>>);

/// What one agent hears; dropping it ends that.
pub(crate) struct Listener {
    session: SessionId,
    sounds: Sounds,
    heard: mpsc::Receiver<Heard>,
}

impl Sounds {
    /// Hears what is for this session from now on.
    pub(crate) fn listen(&self, session: SessionId) -> Listener {
        let (sender, heard) = mpsc::channel(WAITING_MAX);
        self.agents().insert(session.clone(), sender);
        Listener { session, sounds: self.clone(), heard }
    }

    /// Hands out what comes, until the bus closes.
    pub(crate) async fn run(self, mut subscription: Subscription, metrics: Arc<Metrics>) {
        while let Some(delivery) = subscription.next().await {
            match decode::<Heard>(&delivery.payload) {
                Ok(heard) => self.hand_over(heard, &metrics),
                Err(error) => {
                    metrics.bus_messages_bad.with_label_values(&["agent"]).inc();
                    tracing::debug!(%error, "sound not understood");
                }
            }
        }
    }

    fn hand_over(&self, heard: Heard, metrics: &Metrics) {
        let taken = self.agents().get(&heard.session).map(|listener| listener.try_send(heard.clone()));
        let fate = match taken {
            Some(Ok(())) => "delivered",
            Some(Err(_)) => "overflow",
            None => "astray",
        };
        metrics.agent_sounds.with_label_values(&["heard", fate]).inc();
    }

    fn agents(&self) -> MutexGuard<'_, BTreeMap<SessionId, mpsc::Sender<Heard>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// The next piece of sound.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.sounds.agents().remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use velella_model::TrackId;

    use super::*;

    fn heard(session: &str) -> Heard {
        let session = SessionId::parse(session).unwrap();
        Heard { session, track: TrackId::parse("t").unwrap(), sound: vec![0; 4].into() }
    }

    #[tokio::test]
    async fn a_listener_that_does_not_read_misses_sound_and_is_forgotten_when_it_goes() {
        let (sounds, metrics) = (Sounds::default(), Metrics::new(&prometheus::Registry::new()).unwrap());
        let fate = |fate| metrics.agent_sounds.with_label_values(&["heard", fate]).get();
        let mut listener = sounds.listen(SessionId::parse("s").unwrap());
        for _ in 0..=WAITING_MAX {
            sounds.hand_over(heard("s"), &metrics);
        }
        assert_eq!((fate("delivered"), fate("overflow")), (WAITING_MAX as u64, 1));
        assert_eq!(listener.next().await, Some(heard("s")));
        drop(listener);
        sounds.hand_over(heard("s"), &metrics);
        assert_eq!(fate("astray"), 1);
        assert!(sounds.agents().is_empty());
    }
}
