//! One agent's WebSocket: a token first, then signals through the driver and sound past it.
//!
//! Sound goes to the worker as it comes; this process does not look into it. While the worker does
//! not have a track yet, nothing is read: a client that speaks at once waits in its own buffers,
//! and not a word is lost.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use tokio::sync::mpsc;
use velella_coordinator_core::{Door, Said};
use velella_model::record::PeerKind;
use velella_model::wire::agent::{Heard, Said as Spoken};
use velella_model::wire::encode;
use velella_model::wire::signal::PeerEvent;
use velella_model::{SessionId, TrackId, subject};

use super::agent_codec::{self, AgentFrame, BadAgentFrame};
use super::audible::Audible;
use super::own_tracks::OwnTracks;
use super::{
    END_SHUTDOWN, End, INTERNAL, MALFORMED, Outgoing, PING_INTERVAL, POLICY, SILENCE_MAX, Sockets, UNAUTHENTICATED,
    transmit,
};
use crate::driver::{DriverGone, Letter};
use crate::rate::Rate;

/// Largest frame of an agent: more than a minute of speech at once.
pub(crate) const AGENT_FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Frames above this are not even read: the connection breaks without a reason.
pub(crate) const AGENT_FRAME_BYTES_READ_MAX: usize = AGENT_FRAME_BYTES_MAX + 64 * 1024;

/// Frames an agent may send at once, and how soon it may send another: pieces of 10 ms on ten tracks.
const FRAMES_BURST: u32 = 2_000;
const FRAME_REFILL: Duration = Duration::from_millis(1);

/// How much faster than this an agent may not be read for long: ten tracks of the best sound.
const BYTES_PER_S: u32 = 2_000_000;
/// What it may be ahead of that: two of its largest frames.
const AHEAD_MAX: Duration = Duration::from_secs(4);

/// The bus may take this long for a piece of sound before it counts as lost.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(1);

/// What a socket knows of its agent.
struct Call<'a> {
    sockets: &'a Sockets,
    session: SessionId,
    own: OwnTracks,
    audible: Audible,
    /// Everything that was read would have come by then at the permitted speed.
    read_to: Instant,
    asked_for_image: bool,
}

impl Sockets {
    /// Serves one agent's socket to its end.
    pub(crate) async fn serve_agent(self, mut socket: WebSocket) {
        let end = match self.admit_agent(&mut socket).await {
            Ok(token) => self.attend_agent(&mut socket, &token).await,
            Err(end) => end,
        };
        self.part(socket, end).await;
    }

    /// The token of the first frame.
    async fn admit_agent(&self, socket: &mut WebSocket) -> Result<String, End> {
        let first = self.first_frame(socket, AGENT_FRAME_BYTES_MAX).await?;
        let AgentFrame::Auth { token } = self.read_agent(first)? else { return Err(UNAUTHENTICATED) };
        Ok(token)
    }

    async fn attend_agent(&self, socket: &mut WebSocket, token: &str) -> End {
        let attached = match self.check(token) {
            Ok(grant) => self.attach(grant, PeerKind::Agent, Door::Socket).await.map_err(|DriverGone| END_SHUTDOWN),
            Err(end) => return end,
        };
        let (session, outgoing) = match attached {
            Ok(attached) => attached,
            Err(end) => return end,
        };
        self.metrics.sockets.inc();
        let mut call = Call {
            sockets: self,
            session: session.clone(),
            own: OwnTracks::default(),
            audible: Audible::default(),
            read_to: Instant::now(),
            asked_for_image: false,
        };
        let end = call.converse(socket, outgoing).await;
        tracing::debug!(%session, ?end, "an agent's socket ends");
        self.metrics.sockets.dec();
        let _ = self.mailbox.send(Letter::Gone { session }).await;
        end
    }

    fn read_agent(&self, bytes: Bytes) -> Result<AgentFrame, End> {
        agent_codec::decode(bytes).map_err(|error| {
            tracing::debug!(%error, "a frame of an agent cannot be used");
            self.bad_frame("malformed");
            let reason = match error {
                BadAgentFrame::Frame(_) => "malformed message",
                BadAgentFrame::NotAudio => "only audio tracks can be added",
                BadAgentFrame::SampleRate => "unsupported sample rate",
                BadAgentFrame::Channels => "unsupported number of channels",
            };
            End::Ours { code: MALFORMED, reason }
        })
    }
}

impl Call<'_> {
    async fn converse(&mut self, socket: &mut WebSocket, mut outgoing: mpsc::Receiver<Outgoing>) -> End {
        let mut listener = self.sockets.sounds.listen(self.session.clone());
        let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_INTERVAL, PING_INTERVAL);
        let mut heard_at = Instant::now();
        let mut rate = Rate::new(FRAMES_BURST, FRAME_REFILL, heard_at);
        loop {
            let read_at = self.read_to.checked_sub(AHEAD_MAX).unwrap_or(self.read_to);
            let going = tokio::select! {
                () = self.sockets.shutdown.cancelled() => Err(END_SHUTDOWN),
                next = outgoing.recv() => self.tell(socket, next).await,
                message = read(socket, read_at), if !self.own.is_waiting() => {
                    heard_at = Instant::now();
                    if rate.allows(heard_at) {
                        self.hear(message).await
                    } else {
                        self.sockets.bad_frame("too_many");
                        Err(End::Ours { code: POLICY, reason: "too many messages" })
                    }
                }
                Some(heard) = listener.next() => self.play(socket, heard).await,
                _ = ping.tick() => {
                    if heard_at.elapsed() >= SILENCE_MAX {
                        Err(End::Ours { code: INTERNAL, reason: "silent for too long" })
                    } else {
                        transmit(socket, Message::Ping(Bytes::new())).await
                    }
                }
            };
            if let Err(end) = going {
                return end;
            }
        }
    }

    /// What the driver says.
    async fn tell(&mut self, socket: &mut WebSocket, outgoing: Option<Outgoing>) -> Result<(), End> {
        match outgoing {
            Some(Outgoing::Welcome(_)) => transmit(socket, Message::Binary(agent_codec::encode_welcome().into())).await,
            Some(Outgoing::Event(event)) => {
                self.audible.follow(event);
                Ok(())
            }
            Some(Outgoing::TrackTaken { track, worker }) => {
                self.own.taken(&track, worker);
                Ok(())
            }
            // Said to those who came with an offer.
            Some(Outgoing::Adopted { .. }) => Ok(()),
            Some(Outgoing::Close(close)) => Err(End::Closed(close)),
            None => Err(End::Ours { code: INTERNAL, reason: "reads too slowly" }),
        }
    }

    /// What the agent says.
    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let Some(bytes) = self.sockets.received(message, AGENT_FRAME_BYTES_MAX)? else { return Ok(()) };
        self.read_to = self.read_to.max(Instant::now()) + time_of(bytes.len());
        match self.sockets.read_agent(bytes)? {
            AgentFrame::Event(event) => self.signal(event).await,
            AgentFrame::Sound { track, sound } => {
                self.speak(&track, sound).await;
                Ok(())
            }
            AgentFrame::CaptureImage => {
                self.refuse_image();
                Ok(())
            }
            AgentFrame::Auth { .. } | AgentFrame::Nothing => Ok(()),
        }
    }

    async fn signal(&mut self, event: PeerEvent) -> Result<(), End> {
        if let PeerEvent::AddTrack { track, encoding, .. } = &event {
            self.own.add(track.clone(), *encoding);
        }
        if let PeerEvent::RemoveTrack { track } = &event {
            self.own.remove(track);
        }
        if let PeerEvent::InterruptTrack { track } = &event {
            self.own.interrupt(track);
        }
        let letter = Letter::Said { session: self.session.clone(), said: Said::Event(event) };
        self.sockets.mailbox.send(letter).await.map_err(|_| END_SHUTDOWN)
    }

    async fn speak(&mut self, track: &TrackId, sound: Bytes) {
        let fates = &self.sockets.metrics.agent_sounds;
        let Some((worker, pieces)) = self.own.pieces(track, sound) else {
            return fates.with_label_values(&["said", "astray"]).inc();
        };
        let subject = subject::worker_agents(&worker);
        for sound in pieces {
            let spoken = Spoken { session: self.session.clone(), track: track.clone(), sound };
            let publish = self.sockets.bus.publish(&subject, encode(&spoken).into());
            let published = matches!(tokio::time::timeout(PUBLISH_PATIENCE, publish).await, Ok(Ok(())));
            fates.with_label_values(&["said", if published { "delivered" } else { "failed" }]).inc();
        }
    }

    /// What the agent hears. Sound may overtake the word of its track; that moment is lost.
    async fn play(&self, socket: &mut WebSocket, heard: Heard) -> Result<(), End> {
        let Some((peer, metadata)) = self.audible.get(&heard.track) else { return Ok(()) };
        let frame = agent_codec::encode_sound(peer, &heard.track, metadata, heard.sound);
        transmit(socket, Message::Binary(frame.into())).await
    }

    /// Pictures would need a video decoder. The protocol has no word for a refusal, and clients wait
    /// for a picture without stopping for it.
    fn refuse_image(&mut self) {
        self.sockets.metrics.agent_images_refused.inc();
        if !std::mem::replace(&mut self.asked_for_image, true) {
            tracing::info!(session = %self.session, "an agent asks for pictures, which are not supported");
        }
    }
}

/// The next message, not before a time.
async fn read(socket: &mut WebSocket, at: Instant) -> Option<Result<Message, axum::Error>> {
    tokio::time::sleep_until(at.into()).await;
    socket.recv().await
}

fn time_of(bytes: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / f64::from(BYTES_PER_S))
}
