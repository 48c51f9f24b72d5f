//! Encoders come to a real socket, in TLS; who answers the door is scripted.

use std::process::Output as Finished;

use tokio::process::Child;
use velella_ffmpeg::{AAC, H264, PICTURE, TONE};
use velella_gateway_core::Published;
use velella_media::VideoCodec;
use velella_ops::tls_server;
use velella_servers::Ca;

use super::*;
use crate::listen::testing::{House, patiently, publish};
use crate::listen::{Ask, Refusal, key_digest};
use crate::source;

/// Longest that a handshake may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_encoder_publishes_in_tls_until_it_finishes() {
    let mut house = open().await;
    let ffmpeg = encoder(&house, "k3y");
    let ask = asked(&mut house, "k3y").await;
    ask.answer.send(Ok(Terms::default())).unwrap();
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
    let mut house = open().await;
    let ffmpeg = encoder(&house, "guessed");
    asked(&mut house, "guessed").await.answer.send(Err(Refusal::UnknownKey)).unwrap();
    let told = String::from_utf8(finished(ffmpeg).await.stderr).unwrap();
    assert!(told.contains(&Refusal::UnknownKey.to_string()), "{told}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_with_tls_is_sent_away_in_time() {
    let house = open().await;
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
    let mut house = open().await;
    let mut plain = TcpStream::connect(house.at).await.unwrap();
    // As RTMP begins.
    plain.write_all(&[3; 1537]).await.unwrap();
    let mut rest = Vec::new();
    let _ = patiently(plain.read_to_end(&mut rest)).await;
    assert!(rest.len() < 16, "an alert at most: {rest:?}");
    let _ffmpeg = encoder(&house, "k3y");
    asked(&mut house, "k3y").await;
}

/// A listener in TLS.
async fn open() -> House {
    // Its files are gone with it, and are read once.
    let ca = Ca::new();
    let identity = ca.issue("encoders");
    let tls = tls_server(&identity.certificate, &identity.key).unwrap();
    let evictions = IntCounter::new("evictions", "Evictions").unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), Some(tls), evictions).await.unwrap();
    House::open(JobKind::Rtmp, listener.local_addr().unwrap(), |door| listener.run(door))
}

/// Lets ffmpeg publish three seconds with this key.
fn encoder(house: &House, key: &str) -> Child {
    publish(&format!("{PICTURE} -re {TONE} -t 3 {H264} {AAC} -f flv"), &format!("rtmps://{}/live/{key}", house.at))
}

async fn asked(house: &mut House, key: &str) -> Ask {
    let ask = patiently(house.asks.recv()).await.expect("the listener runs");
    assert_eq!((ask.kind, &ask.key_digest), (JobKind::Rtmp, &key_digest(key)));
    ask
}

async fn finished(ffmpeg: Child) -> Finished {
    patiently(ffmpeg.wait_with_output()).await.unwrap()
}
