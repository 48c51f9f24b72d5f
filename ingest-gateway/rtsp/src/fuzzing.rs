//! What `tests/fuzz` reaches of this crate besides its doors. For nobody else.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::slice::Chunks;
use std::time::Instant;

use bytes::Bytes;
use velella_guard::Credentials;

use crate::event::Event;
use crate::format::choose;
use crate::framer::{Framer, Incoming};
use crate::keep_alive::{KeepAlive, interval};
use crate::login::Login;
use crate::message::Response;
use crate::reception::Reception;
use crate::sdp::{Description, control_uri};
use crate::transport::TransportAnswer;

/// All that a camera says on its connection, and why it ends; told apart only by comparing.
#[must_use]
pub fn messages(pieces: Chunks<'_, u8>) -> impl PartialEq + Debug {
    let mut framer = Framer::default();
    let (mut incoming, mut error) = (Vec::new(), None);
    for piece in pieces {
        framer.buffer.extend_from_slice(piece);
        while error.is_none() {
            match framer.next() {
                Ok(Some(message)) => incoming.push(message),
                Ok(None) => break,
                Err(why) => error = Some(why),
            }
        }
    }
    incoming.iter().for_each(look_into);
    (incoming, error)
}

fn look_into(incoming: &Incoming) {
    if let Incoming::Response(response @ Response { headers, body, .. }) = incoming {
        let first = |name: &str| headers.first(name).unwrap_or_default();
        let _ = TransportAnswer::parse(first("Transport"));
        let _ = (interval(first("Session")), KeepAlive::for_methods(headers.first("Public")));
        let credentials = Credentials { username: "admin".to_owned(), password: "secret".to_owned() };
        let mut login = Login::new(Some(credentials));
        if login.challenged(response).is_ok() {
            let _ = login.header("PLAY", "rtsp://camera/1");
        }
        let _ = Description::parse(body);
    }
}

/// Where the media of a description are asked for.
#[must_use]
pub fn controls(description: &[u8]) -> Vec<String> {
    let Ok(description) = Description::parse(description) else { return Vec::new() };
    let base = control_uri("rtsp://camera/1", description.control.as_deref());
    let Ok(choice) = choose(&description) else { return vec![base] };
    choice.chosen.iter().map(|chosen| control_uri(&base, chosen.control.as_deref())).collect()
}

/// What arrives of a camera's media.
#[derive(Debug)]
pub struct Media(Reception);

impl Media {
    /// Of the tracks of a description that are taken; `None` when there is none.
    #[must_use]
    pub fn new(description: &[u8], ordered: bool, opened: Instant) -> Option<Self> {
        let choice = choose(&Description::parse(description).ok()?).ok()?;
        Some(Self(Reception::new(&choice.chosen, ordered, 1, opened)))
    }

    /// Takes an RTP packet of a track.
    pub fn handle_rtp(&mut self, track: usize, packet: &[u8], now: Instant) -> VecDeque<Event> {
        self.0.handle_rtp(track, Bytes::copy_from_slice(packet), now);
        self.events()
    }

    /// Takes an RTCP packet of a track, and says what a report of ours would.
    pub fn handle_rtcp(&mut self, track: usize, packet: &[u8], now: Instant) -> VecDeque<Event> {
        // A goodbye ends the connection; here it goes on.
        let _ = self.0.handle_rtcp(track, packet, now);
        let _ = self.0.report(track, now);
        self.events()
    }

    fn events(&mut self) -> VecDeque<Event> {
        std::iter::from_fn(|| self.0.poll_event()).collect()
    }
}
