//! Agents: peers that send and hear PCM through their coordinator.
//!
//! A room knows Opus packets only. One thread of its own ([`thread`]) turns what agents say into such
//! packets at their time ([`speech`], [`timeline`]) and packets into what agents hear ([`hearing`]).

mod hearing;
mod speech;
mod thread;
mod timeline;
mod transcoder;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use velella_bus::Bus;
use velella_model::subject;
use velella_model::wire::agent::Heard;
use velella_model::wire::command::Holder;
use velella_model::wire::encode;

pub(crate) use thread::{AgentReport, HEARD_MAX, NEWS_MAX, Wiring, run};

/// Publishes what agents hear until the worker ends.
pub(crate) async fn publish(bus: Arc<dyn Bus>, mut heard: mpsc::Receiver<(Holder, Heard)>) {
    while let Some((holder, heard)) = heard.recv().await {
        let subject = subject::holder_agents(&holder);
        if let Err(error) = bus.publish(&subject, Bytes::from(encode(&heard))).await {
            tracing::debug!(%error, "a piece of sound was not sent");
        }
    }
    // The thread is gone; what ends the worker is decided elsewhere.
    std::future::pending::<()>().await;
}
