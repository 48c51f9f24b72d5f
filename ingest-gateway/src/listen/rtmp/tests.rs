//! Encoders come to a real socket, and some that are none; who answers the door is scripted.

use velella_ffmpeg::{AAC, H264, PICTURE, TONE};
use velella_gateway_core::Published;
use velella_media::VideoCodec;

use super::*;
use crate::listen::testing::{House, described, end, patiently, pictures, publish};
use crate::source;

/// Kinds of messages, as in RTMP 1.0.
const SET_CHUNK_SIZE: u8 = 1;
const VIDEO: u8 = 9;
const COMMAND: u8 = 20;

/// A configuration of H.264 with one set of each kind, and two pictures.
const H264_CONFIG: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1e\xff\xe1\0\x04\x67\x42\xc0\x1e\x01\0\x02\x68\xce";
const KEY: &[u8] = b"\x17\x01\0\0\0\0\0\0\x03\x65\x88\x80";
const DELTA: &[u8] = b"\x27\x01\0\0\0\0\0\0\x02\x41\xe0";
/// A picture of HEVC.
const HEVC_PICTURE: &[u8] = b"\xa1hvc1\0\0\0\0\0\0\x03\x02\x01\x80";

#[tokio::test]
async fn a_publisher_with_sound_only_is_heard() {
    let mut house = open().await;
    let _encoder = publish(&format!("{TONE} {AAC} -f flv"), &url(&house));
    let mut source = house.let_in("k3y").await;
    assert_eq!(described(&mut source).await, Published { video: None, sub: false, audio: true });
    for _ in 0..50 {
        let event = patiently(source.next()).await.expect("it goes on");
        assert!(matches!(event, source::Event::Sound { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn what_breaks_a_bound_ends_its_own_connection_only() {
    let mut house = open().await;
    let _encoder = publish(&format!("{PICTURE} {H264} -f flv"), &url(&house));
    let mut source = house.let_in("k3y").await;
    pictures(&mut source, 5).await;
    // Arrays in each other, each of one value.
    let nested = [&text("connect")[..], &number(1), &b"\x0a\0\0\0\x01".repeat(5_000)].concat();
    for (kind, content) in [(SET_CHUNK_SIZE, 0x7fff_ffff_u32.to_be_bytes().to_vec()), (COMMAND, nested)] {
        let mut stranger = Stranger::greeted(&house).await;
        stranger.say(kind, 0, 0, &content).await;
        stranger.until_sent_away().await;
    }
    pictures(&mut source, 25).await;
    assert!(house.asks.try_recv().is_err());
}

#[tokio::test]
async fn another_codec_in_the_middle_is_told_before_its_pictures() {
    let mut house = open().await;
    let mut encoder = Stranger::publishing(&house).await;
    let mut source = house.let_in("k3y").await;
    for content in [H264_CONFIG, KEY] {
        encoder.say(VIDEO, 1, 0, content).await;
    }
    assert_eq!(described(&mut source).await.video, Some(VideoCodec::H264));
    assert_eq!(pictures(&mut source, 1).await[0].codec, VideoCodec::H264);
    encoder.say(VIDEO, 1, 40, HEVC_PICTURE).await;
    assert_eq!(described(&mut source).await.video, Some(VideoCodec::H265));
    assert_eq!(pictures(&mut source, 1).await[0].codec, VideoCodec::H265);
}

#[tokio::test]
async fn clocks_that_jump_both_ways_leave_time_continuous() {
    for jump in [3_000, -3_000] {
        let mut house = open().await;
        let mut encoder = Stranger::publishing(&house).await;
        let mut source = house.let_in("k3y").await;
        let times: [u32; 4] = [10_000, 10_040, 10_080, 10_120];
        encoder.say(VIDEO, 1, times[0], H264_CONFIG).await;
        for (time, moved, content) in
            [(times[0], 0, KEY), (times[1], 0, DELTA), (times[2], jump, DELTA), (times[3], jump, DELTA)]
        {
            encoder.say(VIDEO, 1, time.wrapping_add_signed(moved), content).await;
        }
        let pictures = pictures(&mut source, 4).await;
        let steps = pictures.windows(2).map(|pair| pair[1].time.since(pair[0].time));
        assert!(steps.into_iter().all(|step| step == Some(Duration::from_millis(40))), "a jump of {jump} ms");
    }
}

#[tokio::test]
async fn whoever_dawdles_is_sent_away_and_keeps_nobody_out() {
    let mut house = open().await;
    let silent = Stranger::come(&house).await;
    let mut dripping = Stranger::come(&house).await;
    let mut undecided = Stranger::greeted(&house).await;
    undecided.say(COMMAND, 0, 0, &connect()).await;
    let drip = async {
        while dripping.0.write_all(&[3]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let others = async {
        let _encoder = publish(&format!("{PICTURE} {H264} -f flv"), &url(&house));
        pictures(&mut house.let_in("k3y").await, 5).await;
        tokio::join!(silent.until_sent_away(), undecided.until_sent_away());
    };
    tokio::join!(patiently(drip), others);
}

#[tokio::test]
async fn a_crowd_that_publishes_nothing_keeps_nobody_out() {
    let evictions = IntCounter::new("evictions", "Evictions").unwrap();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), None, evictions.clone()).await.unwrap();
    let mut house = house(Listener { lobby: Lobby::new(2, evictions.clone()), ..listener });
    let oldest = Stranger::come(&house).await;
    let _crowd = Stranger::come(&house).await;
    let _encoder = Stranger::publishing(&house).await;
    let _source = house.let_in("k3y").await;
    let began = Instant::now();
    oldest.until_sent_away().await;
    assert!(began.elapsed() < Duration::from_secs(5), "not only because it was slow");
    assert_eq!(evictions.get(), 1);
    // Who publishes takes up none of their places.
    let _crowd = [Stranger::greeted(&house).await, Stranger::greeted(&house).await];
    assert_eq!(evictions.get(), 2);
}

#[tokio::test]
async fn when_the_ingest_wants_no_more_the_encoder_is_told() {
    let mut house = open().await;
    let encoder = Stranger::publishing(&house).await;
    drop(house.let_in("k3y").await);
    let said = encoder.until_sent_away().await;
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("The stream was ended by the server."), "{said}");
}

#[tokio::test]
async fn an_encoder_that_vanishes_has_left() {
    let mut house = open().await;
    let encoder = Stranger::publishing(&house).await;
    let mut source = house.let_in("k3y").await;
    drop(encoder);
    assert_eq!(end(&mut source).await.trouble.code, "publisher_left");
}

async fn open() -> House {
    let evictions = IntCounter::new("evictions", "Evictions").unwrap();
    house(Listener::bind("127.0.0.1:0".parse().unwrap(), None, evictions).await.unwrap())
}

fn house(listener: Listener) -> House {
    House::open(JobKind::Rtmp, listener.local_addr().unwrap(), |door| listener.run(door))
}

fn url(house: &House) -> String {
    format!("rtmp://{}/live/k3y", house.at)
}

/// A connection that says what it likes.
struct Stranger(TcpStream);

impl Stranger {
    async fn come(house: &House) -> Self {
        Self(TcpStream::connect(house.at).await.unwrap())
    }

    /// After the handshake.
    async fn greeted(house: &House) -> Self {
        let mut stranger = Self::come(house).await;
        stranger.0.write_all(&[3; 1 + 1_536]).await.unwrap();
        patiently(stranger.0.read_exact(&mut [0; 1 + 2 * 1_536])).await.unwrap();
        stranger.0.write_all(&[3; 1_536]).await.unwrap();
        stranger
    }

    /// That has asked to publish.
    async fn publishing(house: &House) -> Self {
        let mut stranger = Self::greeted(house).await;
        stranger.say(COMMAND, 0, 0, &connect()).await;
        let publish = [&text("publish")[..], &number(5), b"\x05", &text("k3y"), &text("live")].concat();
        stranger.say(COMMAND, 1, 0, &publish).await;
        stranger
    }

    /// A message in chunks of 128 bytes. A peer that has enough of it may have hung up.
    async fn say(&mut self, kind: u8, stream: u8, timestamp_ms: u32, content: &[u8]) {
        let [_, high, middle, low] = timestamp_ms.to_be_bytes();
        let [.., a, b, c] = content.len().to_be_bytes();
        let mut wire = vec![3, high, middle, low, a, b, c, kind, stream, 0, 0, 0];
        for (number, piece) in content.chunks(128).enumerate() {
            wire.extend(if number == 0 { &[][..] } else { &[0xc3] });
            wire.extend(piece);
        }
        let _ = self.0.write_all(&wire).await;
    }

    /// What it hears until then.
    async fn until_sent_away(mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        // A reset is an end as well.
        let _ = patiently(self.0.read_to_end(&mut heard)).await;
        heard
    }
}

fn connect() -> Vec<u8> {
    [&text("connect")[..], &number(1), b"\x03\0\x03app", &text("live"), b"\0\0\x09"].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[2][..], &u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn number(number: u8) -> Vec<u8> {
    [&[0][..], &f64::from(number).to_be_bytes()].concat()
}
