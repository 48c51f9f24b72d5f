//! The conversation with a camera: question after question (RFC 2326 section 10).

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout_at};
use velella_guard::{Checked, SourceUrl};

use crate::connection::Connection;
use crate::error::Error;
use crate::format::Chosen;
use crate::framer::Incoming;
use crate::keep_alive::{KeepAlive, interval};
use crate::login::Login;
use crate::message::{Response, write_answer, write_request};
use crate::options::Options;
use crate::sdp::{Description, control_uri};
use crate::transport::TransportAnswer;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the answer to a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the same request is sent: without a login, with one, for a new challenge; or to a busy camera.
const ATTEMPTS: usize = 3;

/// Time between them where the camera is busy: some are for a moment, with ending the session before.
const BUSY_PAUSE: Duration = Duration::from_millis(700);

/// Most packets that come before the camera says that it plays, and their bytes; later ones are
/// dropped, and then missed as lost.
const EARLY_MAX: usize = 512;
const EARLY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How often a sign of life is refused before the next one is due: each kind may be, and the login.
const KEEP_ALIVE_ATTEMPTS: usize = 4;

/// The conversation with a camera.
pub(crate) struct Dialogue {
    pub(crate) connection: Connection,
    /// The URL without credentials; from the description on, the base of all media.
    base: String,
    /// Where what concerns all media is sent.
    aggregate: String,
    login: Login,
    cseq: u32,
    session: Option<String>,
    pub(crate) keep_alive_interval: Duration,
    keep_alive: KeepAlive,
    keep_alive_cseq: Option<u32>,
    keep_alive_attempts: usize,
    /// Packets that came while an answer was awaited.
    pub(crate) early: Vec<(u8, Bytes)>,
    early_bytes: usize,
}

/// What a camera says to being asked for its description.
pub(crate) enum Described {
    Here(Description),
    /// It sends us elsewhere.
    Elsewhere(String),
}

impl Dialogue {
    pub(crate) async fn open(url: &SourceUrl, addresses: &[Checked], options: &Options) -> Result<Self, Error> {
        let connection = Connection::open(url, addresses, options).await?;
        Ok(Self {
            connection,
            base: url.request_uri(),
            aggregate: url.request_uri(),
            login: Login::new(url.credentials().cloned()),
            cseq: 0,
            session: None,
            keep_alive_interval: interval(""),
            keep_alive: KeepAlive::Options,
            keep_alive_cseq: None,
            keep_alive_attempts: 0,
            early: Vec::new(),
            early_bytes: 0,
        })
    }

    /// Asks what the camera knows, and what it offers.
    pub(crate) async fn describe(&mut self) -> Result<Described, Error> {
        let base = self.base.clone();
        // Some do not know the question; nothing depends on the answer.
        let options = self.ask("OPTIONS", &base, &[]).await?;
        self.keep_alive = KeepAlive::for_methods(options.headers.first("Public"));
        let response = self.ask("DESCRIBE", &base, &[("Accept", "application/sdp")]).await?;
        if let (301..=308, Some(location)) = (response.status, response.headers.graphic("Location")) {
            return Ok(Described::Elsewhere(location.to_owned()));
        }
        let response = accepted("DESCRIBE", response)?;
        let named = response.headers.graphic("Content-Base").or_else(|| response.headers.graphic("Content-Location"));
        // Some name only a part of a URL; what was asked for is the better base then.
        if let Some(named) = named.filter(|named| named.starts_with("rtsp://") || named.starts_with("rtsps://")) {
            self.base = named.to_owned();
        }
        let description = Description::parse(&response.body).map_err(Error::BadSdp)?;
        self.aggregate = control_uri(&self.base, description.control.as_deref());
        Ok(Described::Here(description))
    }

    /// Asks for a track to be sent on channels of the connection; gives which ones the camera takes.
    pub(crate) async fn set_up_tcp(&mut self, chosen: &Chosen, channel: u8) -> Result<(u8, u8), Error> {
        let wish = format!("RTP/AVP/TCP;unicast;interleaved={channel}-{}", channel + 1);
        let answer = self.set_up(chosen, &wish, "TCP").await?;
        if answer.channels.is_none() && answer.server_ports.is_some() {
            return Err(Error::TransportRefused("TCP"));
        }
        Ok(answer.channels.unwrap_or((channel, channel + 1)))
    }

    /// Asks for a track to be sent to these ports of ours; gives the camera's, if it names them.
    pub(crate) async fn set_up_udp(&mut self, chosen: &Chosen, ports: (u16, u16)) -> Result<Option<(u16, u16)>, Error> {
        let wish = format!("RTP/AVP;unicast;client_port={}-{}", ports.0, ports.1);
        let answer = self.set_up(chosen, &wish, "UDP").await?;
        if answer.channels.is_some() {
            return Err(Error::TransportRefused("UDP"));
        }
        Ok(answer.server_ports)
    }

    async fn set_up(&mut self, chosen: &Chosen, wish: &str, over: &'static str) -> Result<TransportAnswer, Error> {
        let uri = control_uri(&self.base, chosen.control.as_deref());
        let response = self.ask("SETUP", &uri, &[("Transport", wish)]).await?;
        if response.status == 461 {
            return Err(Error::TransportRefused(over));
        }
        let response = accepted("SETUP", response)?;
        // Some name another session with each track; the last one counts.
        if let Some(session) = response.headers.first("Session") {
            self.keep_alive_interval = interval(session);
            let id = session.split(';').next().unwrap_or_default().trim();
            let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
            self.session = plain.then(|| id.to_owned());
        }
        Ok(TransportAnswer::parse(response.headers.first("Transport").unwrap_or_default()))
    }

    /// Asks for all tracks to begin.
    pub(crate) async fn play(&mut self) -> Result<(), Error> {
        let uri = self.aggregate.clone();
        accepted("PLAY", self.ask("PLAY", &uri, &[("Range", "npt=0.000-")]).await?).map(drop)
    }

    /// Says farewell, and waits a moment until the camera has heard it: some count a session that only
    /// broke off for a minute, and take no other one.
    pub(crate) async fn tear_down(&mut self) {
        if self.session.is_none() {
            return;
        }
        let uri = self.aggregate.clone();
        let Ok(cseq) = self.send("TEARDOWN", &uri, &[]) else { return };
        // Nothing is left to do about a camera that does not answer.
        let _ = self.answer("TEARDOWN", cseq, Instant::now() + FAREWELL_TIMEOUT).await;
        self.session = None;
    }

    /// Sends a sign of life. The answer is looked at when it comes, if it does.
    pub(crate) fn begin_keep_alive(&mut self) -> Result<(), Error> {
        self.keep_alive_attempts = 0;
        self.send_keep_alive()
    }

    fn send_keep_alive(&mut self) -> Result<(), Error> {
        self.keep_alive_attempts += 1;
        let uri = self.aggregate.clone();
        self.keep_alive_cseq = Some(self.send(self.keep_alive.method(), &uri, &[])?);
        Ok(())
    }

    /// Takes an answer that nobody waits for: to a sign of life, if anything.
    pub(crate) fn handle_response(&mut self, response: &Response) -> Result<(), Error> {
        let cseq = number_of(response);
        if self.keep_alive_cseq.is_none() || cseq.is_some_and(|cseq| Some(cseq) != self.keep_alive_cseq) {
            return Ok(());
        }
        self.keep_alive_cseq = None;
        match response.status {
            // The challenge has grown old.
            401 => self.login.challenged(response)?,
            // Session not found.
            454 => return Err(Error::Ended),
            400.. => self.keep_alive = self.keep_alive.refused(),
            _ => return Ok(()),
        }
        if self.keep_alive_attempts < KEEP_ALIVE_ATTEMPTS { self.send_keep_alive() } else { Ok(()) }
    }

    fn put_early(&mut self, channel: u8, payload: Bytes) {
        if self.early.len() < EARLY_MAX && self.early_bytes + payload.len() <= EARLY_BYTES_MAX {
            self.early_bytes += payload.len();
            self.early.push((channel, payload));
        }
    }

    /// Asks, and logs in where that is asked for.
    async fn ask(&mut self, method: &'static str, uri: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
        let mut refused = 0;
        for _ in 0..ATTEMPTS {
            let cseq = self.send(method, uri, headers)?;
            let response = self.answer(method, cseq, Instant::now() + ANSWER_TIMEOUT).await?;
            match response.status {
                401 => self.login.challenged(&response)?,
                503 => sleep(BUSY_PAUSE).await,
                _ => return Ok(response),
            }
            refused = response.status;
        }
        if refused == 401 {
            Err(Error::LoginRefused { given: true })
        } else {
            Err(Error::Declined { method, status: refused })
        }
    }

    fn send(&mut self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<u32, Error> {
        self.cseq += 1;
        let login = self.login.header(method, uri);
        let mut all = headers.to_vec();
        all.extend(self.session.as_deref().map(|session| ("Session", session)));
        all.extend(login.as_deref().map(|login| ("Authorization", login)));
        self.connection.send(write_request(method, uri, self.cseq, &all).as_bytes())?;
        Ok(self.cseq)
    }

    async fn answer(&mut self, method: &'static str, cseq: u32, until: Instant) -> Result<Response, Error> {
        loop {
            let incoming = timeout_at(until, self.connection.receive()).await.map_err(|_| Error::Silent(method))??;
            match incoming {
                // Some number nothing.
                Incoming::Response(response) if number_of(&response).is_none_or(|number| number == cseq) => {
                    return Ok(response);
                }
                Incoming::Response(_) => {}
                Incoming::Request { method, headers } => {
                    self.connection.send(write_answer(&method, &headers).as_bytes())?;
                }
                Incoming::Packet { channel, payload } => self.put_early(channel, payload),
            }
        }
    }
}

fn number_of(response: &Response) -> Option<u32> {
    response.headers.first("CSeq")?.parse().ok()
}

fn accepted(method: &'static str, response: Response) -> Result<Response, Error> {
    match response.status {
        200..=299 => Ok(response),
        404 | 410 => Err(Error::NotFound),
        status => Err(Error::Declined { method, status }),
    }
}
