//! Answers for as long as this gateway lives: whoever asks and hears nothing knows that it is gone.

use std::sync::Arc;

use bytes::Bytes;
use velella_bus::{Bus, Subscription};

/// Answers every question with nothing; ends with the bus.
pub(crate) async fn run(bus: Arc<dyn Bus>, mut questions: Subscription) {
    while let Some(question) = questions.next().await {
        if let Some(reply) = question.reply
            && let Err(error) = bus.publish(&reply, Bytes::new()).await
        {
            tracing::debug!(%error, "a sign of life was not sent");
        }
    }
}
