//! Listeners under test: whoever answers their door is scripted, and what came in is looked at.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use velella_gateway_core::Published;
use velella_media::Picture;
use velella_model::component::JobKind;

use super::{ASKS_MAX, Ask, Door, Terms, key_digest};
use crate::source::{self, Source};

/// Longest that anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A listener, and what it asks.
pub(super) struct House {
    kind: JobKind,
    pub(super) at: SocketAddr,
    pub(super) asks: mpsc::Receiver<Ask>,
    listening: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl House {
    /// Of a listener that is bound there.
    pub(super) fn open<F>(kind: JobKind, at: SocketAddr, listen: impl FnOnce(Door) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (door, asks) = mpsc::channel(ASKS_MAX);
        Self { kind, at, asks, listening: tokio::spawn(listen(Door::new(door))) }
    }

    pub(super) async fn asked(&mut self) -> Ask {
        patiently(self.asks.recv()).await.expect("the listener runs")
    }

    /// Lets the next one in, if it has the key.
    pub(super) async fn let_in(&mut self, key: &str) -> Source {
        let ask = self.asked().await;
        assert_eq!((ask.kind, ask.key_digest), (self.kind, key_digest(key)));
        ask.answer.send(Ok(Terms::default())).unwrap();
        ask.source
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Lets ffmpeg publish this in real time.
pub(super) fn publish(what: &str, url: &str) -> Child {
    let mut ffmpeg = velella_ffmpeg::command(&format!("-re {what}"));
    ffmpeg.arg(url).stderr(Stdio::piped());
    Command::from(ffmpeg).kill_on_drop(true).spawn().expect("ffmpeg is installed")
}

pub(super) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not take that long")
}

pub(super) async fn described(source: &mut Source) -> Published {
    loop {
        if let source::Event::Described(published) = patiently(source.next()).await.expect("it goes on") {
            return published;
        }
    }
}

/// So many pictures; sound between them is left out.
pub(super) async fn pictures(source: &mut Source, count: usize) -> Vec<Picture> {
    let mut pictures = Vec::new();
    while pictures.len() < count {
        if let source::Event::Picture(picture) = patiently(source.next()).await.expect("it goes on") {
            pictures.push(picture);
        }
    }
    pictures
}

pub(super) async fn end(source: &mut Source) -> source::End {
    loop {
        if let Err(end) = patiently(source.next()).await {
            return end;
        }
    }
}
