//! A camera that plays.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use velella_guard::{Checked, Guard, Scheme, SourceUrl};

use crate::dialogue::{Described, Dialogue};
use crate::error::Error;
use crate::event::{Event, Stats, Track};
use crate::format::{Choice, Chosen, choose};
use crate::framer::Incoming;
use crate::message::write_answer;
use crate::options::{Options, Transport};
use crate::reception::Reception;
use crate::udp::{Datagram, Sockets};

/// How often a camera may send its visitors elsewhere.
const REDIRECTS_MAX: usize = 3;

/// Without a packet over UDP for this long there will be none: a router lets none in.
const UDP_SILENCE: Duration = Duration::from_secs(3);

/// Signs of life come no more often than this.
const KEEP_ALIVE_MIN: Duration = Duration::from_millis(100);

/// Time between reports of ours (RFC 3550 6.2).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A camera that plays, over a connection of its own. Dropping it breaks the connection off, after
/// which some cameras take no new one for a minute; `close` is the polite way, also after an error.
pub struct Camera {
    dialogue: Dialogue,
    way: Way,
    tracks: Vec<Track>,
    left_out: Vec<String>,
    reception: Reception,
    stall_after: Duration,
    keep_alive_interval: Duration,
    keep_alive_at: Instant,
    report_at: Instant,
}

/// The way of the media.
enum Way {
    /// On these channels of the connection, for packets and reports of each track.
    Tcp(Vec<(u8, u8)>),
    Udp(Sockets),
}

/// The way to try.
#[derive(Clone, Copy)]
enum Over {
    Tcp,
    /// Until nothing came for so long.
    Udp {
        patience: Duration,
    },
}

/// Why a way leads to no camera.
enum NoWay {
    /// It sends us elsewhere.
    Elsewhere(String),
    Failed(Error),
}

impl Camera {
    /// Connects to a camera and has it play. Addresses are asked of the guard, also where the camera
    /// sends us elsewhere. Takes some seconds at most for each question.
    ///
    /// # Errors
    /// When it does not play.
    pub async fn open(url: &SourceUrl, guard: &Guard, options: &Options) -> Result<Self, Error> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            if !matches!(url.scheme(), Scheme::Rtsp | Scheme::Rtsps) {
                return Err(Error::Scheme);
            }
            let addresses = guard.resolve(&url).await?;
            match Self::open_any_way(&url, &addresses, options).await {
                Ok(camera) => return Ok(camera),
                Err(NoWay::Elsewhere(location)) => url = url.redirected(&location)?,
                Err(NoWay::Failed(error)) => return Err(error),
            }
        }
        Err(Error::Redirects(REDIRECTS_MAX))
    }

    async fn open_any_way(url: &SourceUrl, addresses: &[Checked], options: &Options) -> Result<Self, NoWay> {
        let over = |transport| Self::open_one_way(url, addresses, options, transport);
        match options.transport {
            Transport::Tcp => return over(Over::Tcp).await,
            Transport::Udp if url.scheme().encrypted() => return Err(Error::TransportRefused("encrypted UDP").into()),
            Transport::Udp => return over(Over::Udp { patience: UDP_SILENCE }).await,
            Transport::Automatic if url.scheme().encrypted() => return over(Over::Tcp).await,
            Transport::Automatic => {}
        }
        let silent = match over(Over::Udp { patience: UDP_SILENCE }).await {
            Err(NoWay::Failed(Error::TransportRefused(_))) => false,
            Err(NoWay::Failed(Error::Unheard(_))) => true,
            opened => return opened,
        };
        tracing::debug!(camera = %url, silent, "no media over UDP, so over TCP");
        match over(Over::Tcp).await {
            Err(NoWay::Failed(Error::TransportRefused(_))) if silent => {
                tracing::debug!(camera = %url, "no media over TCP, so over UDP with more patience");
                over(Over::Udp { patience: options.stall_after }).await
            }
            opened => opened,
        }
    }

    async fn open_one_way(
        url: &SourceUrl,
        addresses: &[Checked],
        options: &Options,
        over: Over,
    ) -> Result<Self, NoWay> {
        let mut dialogue = Dialogue::open(url, addresses, options).await?;
        let choice = match dialogue.describe().await? {
            Described::Here(description) => choose(&description)?,
            Described::Elsewhere(location) => return Err(NoWay::Elsewhere(location)),
        };
        let way = match play(&mut dialogue, &choice.chosen, options, over).await {
            Ok(way) => way,
            Err(error) => {
                dialogue.tear_down().await;
                return Err(error.into());
            }
        };
        Ok(Self::playing(dialogue, way, choice, options))
    }

    fn playing(mut dialogue: Dialogue, way: Way, choice: Choice, options: &Options) -> Self {
        let now = Instant::now();
        let ordered = matches!(way, Way::Tcp(_));
        let own_ssrc = getrandom::u32().unwrap_or(1);
        let keep_alive_interval = options.keep_alive.unwrap_or(dialogue.keep_alive_interval).max(KEEP_ALIVE_MIN);
        let early = std::mem::take(&mut dialogue.early);
        let mut camera = Self {
            dialogue,
            way,
            tracks: choice.chosen.iter().map(|chosen| chosen.track).collect(),
            left_out: choice.left_out,
            reception: Reception::new(&choice.chosen, ordered, own_ssrc, now.into_std()),
            stall_after: options.stall_after,
            keep_alive_interval,
            keep_alive_at: now + keep_alive_interval,
            report_at: now + REPORT_INTERVAL,
        };
        // A goodbye among them is followed by silence, or by the end.
        early.into_iter().for_each(|(channel, payload)| drop(camera.handle_packet(channel, payload, now)));
        camera
    }

    /// What it sends: pictures, sound or both.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Codecs that it offers besides and that are not supported, when there is no other one of their kind.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What was counted since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let foreign = match &self.way {
            Way::Tcp(_) => 0,
            Way::Udp(sockets) => sockets.foreign,
        };
        Stats { noise_bytes: self.dialogue.connection.noise_bytes(), foreign, ..self.reception.stats() }
    }

    /// What happens next. Can be given up and awaited again without a loss.
    ///
    /// # Errors
    /// When the camera plays no longer. Nothing comes after that.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.reception.poll_event() {
                return Ok(event);
            }
            let stalled_at = self.stalled_at();
            let wake = self.keep_alive_at.min(self.report_at).min(stalled_at);
            tokio::select! {
                incoming = self.dialogue.connection.receive() => self.handle_incoming(incoming?)?,
                datagram = datagram(&mut self.way) => self.handle_datagram(datagram?)?,
                () = sleep_until(wake) => self.handle_timeout(stalled_at)?,
            }
        }
    }

    /// Ends the session, so that the camera takes another one at once. Waits two seconds at most.
    pub async fn close(mut self) {
        self.dialogue.tear_down().await;
    }

    fn stalled_at(&self) -> Instant {
        let heard = self.reception.heard().map_or_else(Instant::now, Instant::from_std);
        heard + self.stall_after
    }

    fn handle_incoming(&mut self, incoming: Incoming) -> Result<(), Error> {
        match incoming {
            Incoming::Packet { channel, payload } => self.handle_packet(channel, payload, Instant::now()),
            Incoming::Response(response) => self.dialogue.handle_response(&response),
            Incoming::Request { method, headers } => {
                self.dialogue.connection.send(write_answer(&method, &headers).as_bytes())
            }
        }
    }

    fn handle_packet(&mut self, channel: u8, payload: Bytes, now: Instant) -> Result<(), Error> {
        // Over UDP nothing is expected here; the reception counts what belongs to no track.
        let channels = match &self.way {
            Way::Tcp(channels) => channels.as_slice(),
            Way::Udp(_) => &[],
        };
        let track = |wanted: fn(&(u8, u8)) -> u8| channels.iter().position(|pair| wanted(pair) == channel);
        match (track(|pair| pair.0), track(|pair| pair.1)) {
            (None, Some(track)) => self.handle_rtcp(track, &payload, now),
            (track, _) => {
                self.reception.handle_rtp(track.unwrap_or(usize::MAX), payload, now.into_std());
                Ok(())
            }
        }
    }

    fn handle_datagram(&mut self, datagram: Datagram) -> Result<(), Error> {
        let now = Instant::now();
        match datagram {
            Datagram::Rtp { track, payload } => {
                self.reception.handle_rtp(track, payload, now.into_std());
                Ok(())
            }
            Datagram::Rtcp { track, payload } => self.handle_rtcp(track, &payload, now),
        }
    }

    fn handle_rtcp(&mut self, track: usize, payload: &[u8], now: Instant) -> Result<(), Error> {
        self.reception.handle_rtcp(track, payload, now.into_std()).map_err(|_bye| Error::Ended)
    }

    fn handle_timeout(&mut self, stalled_at: Instant) -> Result<(), Error> {
        let now = Instant::now();
        if now >= stalled_at {
            return Err(Error::Stalled(self.stall_after));
        }
        if now >= self.keep_alive_at {
            self.keep_alive_at = now + self.keep_alive_interval;
            self.dialogue.begin_keep_alive()?;
        }
        if now >= self.report_at {
            self.report_at = now + REPORT_INTERVAL;
            (0..self.tracks.len()).try_for_each(|track| self.report(track, now))?;
        }
        Ok(())
    }

    fn report(&mut self, track: usize, now: Instant) -> Result<(), Error> {
        let Some(packet) = self.reception.report(track, now.into_std()) else { return Ok(()) };
        match &self.way {
            Way::Udp(sockets) => sockets.send_rtcp(track, &packet),
            Way::Tcp(channels) => {
                if let Some((_, channel)) = channels.get(track) {
                    self.dialogue.connection.send_packet(*channel, &packet)?;
                }
            }
        }
        Ok(())
    }
}

async fn datagram(way: &mut Way) -> Result<Datagram, Error> {
    match way {
        Way::Tcp(_) => std::future::pending().await,
        Way::Udp(sockets) => sockets.receive().await,
    }
}

/// Sets all tracks up and has them play.
async fn play(dialogue: &mut Dialogue, chosen: &[Chosen], options: &Options, over: Over) -> Result<Way, Error> {
    let Over::Udp { patience } = over else {
        let mut channels = Vec::with_capacity(chosen.len());
        for (chosen, channel) in chosen.iter().zip((0..).step_by(2)) {
            channels.push(dialogue.set_up_tcp(chosen, channel).await?);
        }
        dialogue.play().await?;
        return Ok(Way::Tcp(channels));
    };
    let mut sockets = Sockets::new(dialogue.connection.peer().ip());
    for chosen in chosen {
        let ports = sockets.open_track(dialogue.connection.local().ip(), options.rtp_port).await?;
        let remote = dialogue.set_up_udp(chosen, ports).await?;
        sockets.set_remote(remote);
    }
    if options.pierce_nat {
        sockets.pierce_nat();
    }
    dialogue.play().await?;
    if sockets.hears(patience).await { Ok(Way::Udp(sockets)) } else { Err(Error::Unheard(patience)) }
}

impl<E: Into<Error>> From<E> for NoWay {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
