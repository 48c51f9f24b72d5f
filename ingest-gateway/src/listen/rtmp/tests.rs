//! Encoders come to a real socket, in TLS; who answers the door is scripted.

use std::process::{Output as Finished, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use velella_gateway_core::Published;
use velella_media::VideoCodec;
use velella_ops::tls_server;
use velella_servers::Ca;

use super::*;
use crate::listen::{ASKS_MAX, Ask, Refusal, key_digest};
use crate::source;

/// Longest that anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

const ENCODED: &str = "-re -f lavfi -i testsrc2=size=320x240:rate=25 -re -f lavfi -i sine=sample_rate=48000 -t 3 \
    -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a aac -f flv";

#[tokio::test]
async fn an_encoder_publishes_in_tls_until_it_finishes() {
    let mut house = House::open().await;
    let ffmpeg = house.encoder("k3y");
    let ask = house.asked("k3y").await;
    ask.answer.send(Ok(())).unwrap();
    let mut source = ask.source;
    let mut pictures = 0;
    let end = loop {
        match patiently(source.next()).await {
            Ok(source::Event::Described(published)) => {
                assert_eq!(published, Published { video: Some(VideoCodec::H264), sub: false, audio: true });
            }
            Ok(source::Event::Picture(picture)) => {
                assert!(!picture.reordered && picture.keyframe == (pictures % 25 == 0));
                pictures += 1;
            }
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!((pictures, end.trouble.code.as_str()), (75, "publisher_left"));
    assert!(finished(ffmpeg).await.status.success());
}

#[tokio::test]
async fn who_is_refused_in_tls_reads_why() {
    let mut house = House::open().await;
    let ffmpeg = house.encoder("guessed");
    house.asked("guessed").await.answer.send(Err(Refusal::UnknownKey)).unwrap();
    let told = String::from_utf8(finished(ffmpeg).await.stderr).unwrap();
    assert!(told.contains(&Refusal::UnknownKey.to_string()), "{told}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_with_tls_is_sent_away_in_time() {
    let house = House::open().await;
    let mut slow = TcpStream::connect(house.at).await.unwrap();
    let began = tokio::time::Instant::now();
    // A record of a handshake that says it has 512 bytes, and has one.
    slow.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
    let mut rest = Vec::new();
    // It is reset where it is not ended: a byte of it was not read.
    let _ = slow.read_to_end(&mut rest).await;
    assert!(rest.is_empty() && began.elapsed() < PATIENCE, "{rest:?} after {:?}", began.elapsed());
}

#[tokio::test]
async fn who_speaks_no_tls_is_sent_away_at_once_and_the_next_one_comes_in() {
    let mut house = House::open().await;
    let mut plain = TcpStream::connect(house.at).await.unwrap();
    // As RTMP begins.
    plain.write_all(&[3; 1537]).await.unwrap();
    let mut rest = Vec::new();
    let _ = patiently(plain.read_to_end(&mut rest)).await;
    assert!(rest.len() < 16, "an alert at most: {rest:?}");
    let _ffmpeg = house.encoder("k3y");
    house.asked("k3y").await;
}

/// A listener whose driver is the test.
struct House {
    at: SocketAddr,
    asks: mpsc::Receiver<Ask>,
    listening: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl House {
    async fn open() -> Self {
        // Its files are gone with it, and are read once.
        let ca = Ca::new();
        let identity = ca.issue("encoders");
        let tls = tls_server(&identity.certificate, &identity.key).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(tls)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (door, asks) = mpsc::channel(ASKS_MAX);
        Self { at, asks, listening: tokio::spawn(listener.run(Door(door))) }
    }

    /// Lets ffmpeg publish three seconds with this key.
    fn encoder(&self, key: &str) -> Child {
        Command::new("ffmpeg")
            .args("-hide_banner -loglevel error -nostdin".split(' '))
            .args(ENCODED.split_whitespace())
            .arg(format!("rtmps://{}/live/{key}", self.at))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is installed")
    }

    async fn asked(&mut self, key: &str) -> Ask {
        let ask = patiently(self.asks.recv()).await.expect("the listener runs");
        assert_eq!((ask.kind, &ask.key_digest), (JobKind::Rtmp, &key_digest(key)));
        ask
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn finished(ffmpeg: Child) -> Finished {
    patiently(ffmpeg.wait_with_output()).await.unwrap()
}

async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not take that long")
}
