//! One encoder that came over SRT.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use srt_protocol::connection::DuplexConnection;
use srt_protocol::options::Passphrase;
use srt_protocol::packet::{ControlPacket, ControlTypes, Packet, RejectReason, ServerRejectReason, TimeStamp};
use srt_protocol::protocol::pending_connection::{AccessControlResponse, ConnectionResult};
use srt_protocol::settings::KeySettings;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use velella_media::Medium;
use velella_model::component::JobKind;
use velella_mpegts::{Demuxer, Event, Output};
use velella_srt::handshake::Guest;
use velella_srt::stream_id::{self, Unclear};

use super::super::{Admission, Door, Introduction, Refusal};
use crate::source::End;

/// An encoder says at least once a second that it is there.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(5);

/// One that is there and sends no media has nothing to publish.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Timers are looked at no more often.
const TICK: Duration = Duration::from_millis(1);

/// Its task.
pub(super) struct Publisher {
    socket: Arc<UdpSocket>,
    mail: mpsc::Receiver<Packet>,
    door: Door,
}

impl Publisher {
    pub(super) fn new(socket: Arc<UdpSocket>, mail: mpsc::Receiver<Packet>, door: Door) -> Self {
        Self { socket, mail, door }
    }

    /// Asks for it, and takes what it sends until one of the two has enough.
    pub(super) async fn serve(self, mut guest: Guest, passphrase: Option<Passphrase>) {
        let from = guest.from;
        // Dropped when all is over.
        let (Admission { outlet, ending, inside: _inside, terms: _ }, keys) = match self.admit(&guest, passphrase).await
        {
            Ok(admitted) => admitted,
            Err(reason) => {
                tracing::info!(%reason, "an encoder was sent away");
                return super::refuse(&self.socket, guest.listen, reason, from);
            }
        };
        let accepted = AccessControlResponse::Accepted(keys);
        let result = guest.listen.handle_access_control_response(std::time::Instant::now(), accepted);
        let end = if let ConnectionResult::Connected(Some((welcome, _)), connection) = result {
            tracing::info!("an encoder publishes");
            super::send(&self.socket, &welcome, from);
            let (connection, media) = (DuplexConnection::new(connection), Introduction::new(outlet));
            Stream::new(self, from, welcome, connection, media).run().await
        } else {
            if let ConnectionResult::Reject(Some((packet, _)), _) = result {
                super::send(&self.socket, &packet, from);
            }
            left("The encoder's handshake failed; its passphrase may not be the right one.")
        };
        tracing::info!(code = end.trouble.code, reason = end.trouble.sentence, "the publisher left");
        // Nobody waits for it when it was closed from the other side.
        let _ = ending.send(end);
    }

    async fn admit(
        &self,
        guest: &Guest,
        passphrase: Option<Passphrase>,
    ) -> Result<(Admission, Option<KeySettings>), RejectReason> {
        let keys = guest.keys(passphrase)?;
        let key = stream_id::key(guest.stream_id.as_deref().unwrap_or_default()).map_err(|unclear| match unclear {
            Unclear::NoKey => ServerRejectReason::BadRequest,
            Unclear::OtherMode => ServerRejectReason::BadMode,
        })?;
        let admission = self.door.ask(JobKind::Srt, key).await.map_err(|refusal| match refusal {
            Refusal::UnknownKey => ServerRejectReason::Unauthorized,
            Refusal::InUse => ServerRejectReason::Conflict,
            Refusal::Away => ServerRejectReason::FailedDepend,
            Refusal::Busy | Refusal::Full => ServerRejectReason::Overload,
        })?;
        Ok((admission, keys))
    }
}

fn left(sentence: &str) -> End {
    End::for_now("publisher_left", sentence)
}

/// An encoder that was let in.
struct Stream {
    publisher: Publisher,
    to: SocketAddr,
    /// What it is told when it asks once more: the first one may have been lost.
    welcome: Packet,
    connection: DuplexConnection,
    demuxer: Demuxer,
    media: Introduction,
    heard: Instant,
    fed: Instant,
    has_left: bool,
    /// Packets, as far as was told.
    lost: u64,
}

impl Stream {
    fn new(
        publisher: Publisher,
        to: SocketAddr,
        welcome: Packet,
        connection: DuplexConnection,
        media: Introduction,
    ) -> Self {
        let (heard, fed, demuxer) = (Instant::now(), Instant::now(), Demuxer::new());
        Self { publisher, to, welcome, connection, demuxer, media, heard, fed, has_left: false, lost: 0 }
    }

    async fn run(mut self) -> End {
        let end = match self.take().await {
            Ok(end) | Err(end) => end,
        };
        if !self.has_left {
            self.say_goodbye();
        }
        let (transport, stream) = (self.connection.statistics(), self.demuxer.stats());
        tracing::info!(
            packets = transport.rx_unique_data,
            recovered = transport.rx_retransmit_data,
            lost = transport.rx_dropped_data,
            undecryptable = transport.rx_decrypt_errors,
            pictures = stream.pictures,
            sounds = stream.sounds,
            malformed = stream.malformed,
            "what came over SRT"
        );
        end
    }

    async fn take(&mut self) -> Result<End, End> {
        loop {
            self.pass_on().await?;
            let now = Instant::now();
            // Its own record of numbers, which nobody else reads.
            self.connection.should_update_statistics(now.into_std());
            let wake = Instant::from_std(self.connection.check_timers(now.into_std()));
            if !self.connection.is_open() {
                return Ok(left("The encoder ended its stream."));
            }
            let gone = (self.heard + SILENCE_MAX).min(self.fed + IDLE_MAX);
            if now >= gone {
                return Ok(left("Nothing came from the encoder any more."));
            }
            let described = self.media.due();
            tokio::select! {
                packet = self.publisher.mail.recv() => match packet {
                    Some(packet) => self.handle(packet),
                    None => return Ok(left("The listener was closed.")),
                },
                () = sleep_until(wake.max(now + TICK).min(gone)) => {}
                () = sleep_until(described.unwrap_or(gone)) => if described.is_some() { self.media.describe().await? },
                () = self.media.closed() => return Ok(End::closed()),
            }
        }
    }

    fn handle(&mut self, packet: Packet) {
        self.heard = Instant::now();
        if packet.is_handshake() {
            return super::send(&self.publisher.socket, &self.welcome, self.to);
        }
        let is_end = matches!(&packet, Packet::Control(ControlPacket { control_type: ControlTypes::Shutdown, .. }));
        self.has_left |= is_end;
        self.connection.handle_packet_input(self.heard.into_std(), Ok((packet, self.to)));
    }

    /// What the connection has to say to the encoder, and what is due of what came.
    async fn pass_on(&mut self) -> Result<(), End> {
        while let Some((packet, to)) = self.connection.next_packet(std::time::Instant::now()) {
            super::send(&self.publisher.socket, &packet, to);
        }
        let lost = self.connection.statistics().rx_dropped_data;
        if lost > self.lost {
            self.media.lost(lost - std::mem::replace(&mut self.lost, lost)).await?;
        }
        while let Some((_, message)) = self.connection.next_data(std::time::Instant::now()) {
            self.fed = Instant::now();
            self.demuxer.handle_bytes(&message, self.fed.into_std());
            while let Some(output) = self.demuxer.poll_output() {
                match output {
                    Output::Frame(frame) => self.media.give(frame).await?,
                    Output::Event(event) => self.note(event).await?,
                }
            }
        }
        Ok(())
    }

    async fn note(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Video(codec) => self.media.has_video(codec).await?,
            Event::Audio(_) => self.media.has_audio().await?,
            Event::Unsupported(what) => {
                tracing::warn!(what, "the encoder sends what no room can take");
                self.media.unsupported(what).await?;
            }
            Event::ClockJumped { by_ms } => tracing::info!(by_ms, "the encoder's clock jumped"),
            Event::Lost(medium) => {
                tracing::debug!(?medium, "a part was lost on the way from the encoder");
                if medium == Medium::Video {
                    self.media.picture_lost().await?;
                }
            }
        }
        Ok(())
    }

    fn say_goodbye(&self) {
        let settings = self.connection.settings();
        let control_type = ControlTypes::Shutdown;
        let packet = ControlPacket { timestamp: TimeStamp::MIN, dest_sockid: settings.remote_sockid, control_type };
        super::send(&self.publisher.socket, &Packet::Control(packet), self.to);
    }
}
