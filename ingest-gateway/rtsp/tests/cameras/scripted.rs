//! A camera that says what a test tells it to say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One track of H.264 whose parameter sets stand in the description, and one of G.711.
pub(crate) const SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 sprop-parameter-sets=Z0LAHw==,aM4=\r\na=control:video\r\n\
    m=audio 0 RTP/AVP 0\r\na=control:audio\r\n";

/// The first picture of such a track, and any other one.
pub(crate) const KEY: &[u8] = &[0x65, 0x88, 0x80];
pub(crate) const DELTA: &[u8] = &[0x41, 0xe0];

/// What a camera answers: status, header lines, body. `None` is silence.
pub(crate) type Answer = Option<(u16, String, Vec<u8>)>;

/// A camera's own way to answer, where it has one.
type Own = Box<dyn Fn(&Request) -> Option<Answer> + Send + Sync>;

/// What a camera says. The default plays, and then is silent.
pub(crate) struct Script {
    /// The answer to a request, if it is not as usual.
    pub(crate) answer: Own,
    /// What it sends right before its answer to PLAY.
    pub(crate) before_play: Vec<u8>,
    /// What it sends after that.
    pub(crate) after_play: Vec<Vec<u8>>,
    /// Whether it then ends the connection.
    pub(crate) hang_up: bool,
}

/// What a camera was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) text: String,
}

impl Default for Script {
    fn default() -> Self {
        Self { answer: Box::new(|_| None), before_play: Vec::new(), after_play: Vec::new(), hang_up: false }
    }
}

impl Script {
    /// That describes its media so.
    pub(crate) fn describing(sdp: impl Into<Vec<u8>>) -> Self {
        let sdp = sdp.into();
        Self::answering("DESCRIBE", move |_| answer(200, "Content-Type: application/sdp\r\n", sdp.clone()))
    }

    /// That answers one method in its own way.
    pub(crate) fn answering(method: &'static str, with: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Box::new(move |request| (request.method == method).then(|| with(request))), ..Self::default() }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "stands where silence could")]
pub(crate) fn answer(status: u16, headers: &str, body: impl Into<Vec<u8>>) -> Answer {
    Some((status, headers.to_owned(), body.into()))
}

/// All that a camera was sent.
#[derive(Debug, Default)]
struct Heard {
    requests: Vec<Request>,
    /// On channels of the connection, with the channel before them.
    packets: Vec<Vec<u8>>,
}

/// A camera that runs until it is dropped.
pub(crate) struct ScriptedCamera {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl ScriptedCamera {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (log, script) = (heard.clone(), Arc::new(script));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone(), log.clone()));
            }
        });
        Self { address, heard, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("rtsp://{}/x", self.address)
    }

    /// All that it was asked so far.
    pub(crate) fn heard(&self) -> Vec<Request> {
        self.heard.lock().unwrap().requests.clone()
    }

    /// The packets that it was sent on channels of the connection, with the channel before them.
    pub(crate) fn packets(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().packets.clone()
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.heard().into_iter().map(|request| request.method).collect()
    }
}

impl Drop for ScriptedCamera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Heard>>) {
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread, &log).await {
        log.lock().unwrap().requests.push(request.clone());
        let Some((status, headers, body)) = (script.answer)(&request).unwrap_or_else(|| usual(&request)) else {
            continue;
        };
        let cseq = request.text.lines().find(|line| line.starts_with("CSeq:")).unwrap_or_default();
        let head = format!("RTSP/1.0 {status} -\r\n{cseq}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        let plays = request.method == "PLAY";
        let before = if plays { &script.before_play[..] } else { &[] };
        let mut sent = stream.write_all(&[before, head.as_bytes(), &body].concat()).await;
        for bytes in script.after_play.iter().filter(|_| plays) {
            sent = sent.and(stream.write_all(bytes).await);
        }
        if sent.is_err() || plays && script.hang_up {
            return;
        }
    }
}

/// What a good camera answers.
fn usual(request: &Request) -> Answer {
    match request.method.as_str() {
        "OPTIONS" => answer(200, "Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN\r\n", ""),
        "DESCRIBE" => answer(200, "Content-Type: application/sdp\r\n", SDP),
        "SETUP" => {
            let transport = request.text.lines().find(|line| line.starts_with("Transport:")).unwrap_or_default();
            answer(200, &format!("Session: 17;timeout=60\r\n{transport}\r\n"), "")
        }
        _ => answer(200, "", ""),
    }
}

/// The next request; the packets before it are noted.
async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>, log: &Mutex<Heard>) -> Option<Request> {
    loop {
        if let [b'$', channel, high, low, ..] = unread[..] {
            let end = 4 + usize::from(u16::from_be_bytes([high, low]));
            if unread.len() >= end {
                let packet = unread.drain(..end).skip(4);
                log.lock().unwrap().packets.push([channel].into_iter().chain(packet).collect());
                continue;
            }
        } else if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8(unread.drain(..end + 4).collect()).unwrap();
            let mut words = text.split_ascii_whitespace().map(str::to_owned);
            return Some(Request { method: words.next()?, uri: words.next()?, text });
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
}

/// An RTP packet, as a camera sends it on a channel of the connection.
pub(crate) fn interleaved(channel: u8, packet: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', channel, high, low], packet].concat()
}

/// An RTP packet of the video track with a marker.
pub(crate) fn video(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let [s0, s1] = sequence.to_be_bytes();
    let [t0, t1, t2, t3] = timestamp.to_be_bytes();
    [&[0x80, 0x80 | 96, s0, s1, t0, t1, t2, t3, 0, 0, 0, 5], payload].concat()
}

/// The same on the channel that we ask for.
pub(crate) fn sent_video(sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    interleaved(0, &video(sequence, timestamp, payload))
}
