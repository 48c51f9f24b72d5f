//! Encoders come to a real socket; who answers the door is scripted.

use std::process::Stdio;

use tokio::process::{Child, Command};
use velella_gateway_core::Published;
use velella_media::{Frame, VideoCodec};

use super::wire::tests::shake;
use super::*;
use crate::listen::{ASKS_MAX, Ask, Refusal, key_digest};
use crate::source::{self, Source};

/// Longest that anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

const PICTURE_AND_TONE: &str = "-re -f lavfi -i testsrc2=size=320x240:rate=25 -re -f lavfi -i sine=sample_rate=48000";
const ENCODED: &str = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a aac -f mpegts";

/// A listener whose driver knows one key.
struct House {
    at: SocketAddr,
    asks: mpsc::Receiver<Ask>,
    listening: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl House {
    async fn open(passphrase: Option<&str>) -> Self {
        let secret: Option<Secret> = passphrase.map(|text| text.parse().unwrap());
        let dropped = Dropped::register(&prometheus::Registry::new()).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), secret.as_ref(), dropped).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (door, asks) = mpsc::channel(ASKS_MAX);
        Self { at, asks, listening: tokio::spawn(listener.run(Door::new(door))) }
    }

    /// Lets ffmpeg publish with this stream id.
    fn encoder(&self, query: &str) -> Child {
        Command::new("ffmpeg")
            .args("-hide_banner -loglevel error -nostdin".split(' '))
            .args(PICTURE_AND_TONE.split(' ').chain(ENCODED.split(' ')))
            .arg(format!("srt://{}?pkt_size=1316&{query}", self.at))
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("ffmpeg is installed")
    }

    async fn asked(&mut self) -> Ask {
        patiently(self.asks.recv()).await.expect("the listener runs")
    }

    /// Lets the next one in, if it has the key.
    async fn let_in(&mut self, key: &str) -> Source {
        let ask = self.asked().await;
        assert_eq!((ask.kind, ask.key_digest), (velella_model::component::JobKind::Srt, key_digest(key)));
        ask.answer.send(Ok(())).unwrap();
        ask.source
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not take that long")
}

async fn described(source: &mut Source) -> Published {
    match patiently(source.next()).await {
        Ok(source::Event::Described(published)) => published,
        other => panic!("{other:?}"),
    }
}

/// So many frames; sound that is not Opus is turned into it elsewhere, and left out here.
async fn pictures(source: &mut Source, count: usize) -> Vec<velella_media::Picture> {
    let mut pictures = Vec::new();
    while pictures.len() < count {
        if let source::Event::Frame(Frame::Video(picture)) = patiently(source.next()).await.expect("it goes on") {
            pictures.push(picture);
        }
    }
    pictures
}

async fn end(source: &mut Source) -> source::End {
    loop {
        if let Err(end) = patiently(source.next()).await {
            return end;
        }
    }
}

#[tokio::test]
async fn an_encoder_publishes_and_its_end_is_told_at_once() {
    let mut house = House::open(None).await;
    let mut ffmpeg = house.encoder("streamid=#!::r=k3y,m=publish");
    let mut source = house.let_in("k3y").await;
    assert_eq!(described(&mut source).await, Published { video: Some(VideoCodec::H264), audio: true });
    let pictures = pictures(&mut source, 50).await;
    assert!(pictures[0].keyframe && pictures.iter().all(|picture| !picture.reordered));
    let apart = |pair: &[velella_media::Picture]| pair[1].time.since(pair[0].time);
    assert!(pictures.windows(2).all(|pair| apart(pair) == Some(Duration::from_millis(40))));
    ffmpeg.kill().await.unwrap();
    let began = tokio::time::Instant::now();
    let end = end(&mut source).await;
    assert_eq!((end.trouble.code.as_str(), end.retry), ("publisher_left", true));
    assert!(began.elapsed() < publisher::SILENCE_MAX * 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_a_reason_and_the_next_one_comes_in() {
    let mut house = House::open(None).await;
    let stranger = house.encoder("streamid=publish:guessed");
    let ask = house.asked().await;
    assert_eq!(ask.key_digest, key_digest("guessed"));
    ask.answer.send(Err(Refusal::UnknownKey)).unwrap();
    let output = patiently(stranger.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("rejection reason"), "{said}");

    let _encoder = house.encoder("streamid=k3y");
    pictures(&mut house.let_in("k3y").await, 5).await;
}

#[tokio::test]
async fn whoever_asks_to_watch_is_refused_without_asking_anybody() {
    let mut house = House::open(None).await;
    let viewer = house.encoder("streamid=#!::r=k3y,m=request");
    let output = patiently(viewer.wait_with_output()).await.unwrap();
    assert!(!output.status.success());
    assert!(house.asks.try_recv().is_err());
}

#[tokio::test]
async fn with_a_passphrase_only_those_who_encrypt_with_it_get_in() {
    let mut house = House::open(Some("correct horse")).await;
    for query in ["streamid=k3y", "streamid=k3y&passphrase=battery staple"] {
        let mut stranger = house.encoder(query);
        tokio::select! {
            status = stranger.wait() => assert!(!status.unwrap().success(), "{query}"),
            mut source = house.let_in("k3y") => {
                assert_eq!(end(&mut source).await.trouble.code, "publisher_left", "{query}");
                assert!(!patiently(stranger.wait()).await.unwrap().success(), "{query}");
            }
        }
    }
    let _encoder = house.encoder("streamid=k3y&passphrase=correct horse&pbkeylen=32");
    pictures(&mut house.let_in("k3y").await, 25).await;
}

#[tokio::test]
async fn without_one_nobody_may_encrypt() {
    let mut house = House::open(None).await;
    let stranger = house.encoder("streamid=k3y&passphrase=correct horse");
    assert!(!patiently(stranger.wait_with_output()).await.unwrap().status.success());
    assert!(house.asks.try_recv().is_err());
}

#[tokio::test]
async fn when_the_ingest_wants_no_more_the_encoder_is_told() {
    let mut house = House::open(None).await;
    let ffmpeg = house.encoder("streamid=k3y");
    let mut source = house.let_in("k3y").await;
    pictures(&mut source, 5).await;
    drop(source);
    assert!(!patiently(ffmpeg.wait_with_output()).await.unwrap().status.success());
}

#[tokio::test]
async fn garbage_and_strangers_who_never_finish_disturb_nobody() {
    let mut house = House::open(None).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // This one ends the listener of srt-tokio for everybody.
    let congestion = shake(u32::MAX, 1, &[0, 6, 0, 1, b'e', b'v', b'i', b'l']);
    let mut garbage = vec![vec![], vec![0x80; 3], vec![0; 200], vec![0xff; 1_400], congestion];
    for kind in 0..=u8::MAX {
        garbage.push([&[0x80, kind][..], &[kind; 80]].concat());
    }
    for datagram in &garbage {
        stranger.send_to(datagram, house.at).await.unwrap();
    }
    // A cookie that is not ours leads nowhere.
    let cookie = baked(&stranger, house.at).await;
    stranger.send_to(&conclusion(cookie.wrapping_add(1)), house.at).await.unwrap();

    let _encoder = house.encoder("streamid=k3y");
    let mut source = house.let_in("k3y").await;
    pictures(&mut source, 5).await;
    for datagram in &garbage {
        stranger.send_to(datagram, house.at).await.unwrap();
    }
    pictures(&mut source, 25).await;
    // With the right one it gets as far as the door.
    stranger.send_to(&conclusion(cookie), house.at).await.unwrap();
    let ask = house.asked().await;
    assert_eq!(ask.key_digest, key_digest("key"));
    ask.answer.send(Err(Refusal::UnknownKey)).unwrap();
    let (kind, _) = concluded(&stranger).await;
    assert_eq!(kind, 2_401, "unauthorized, as draft-sharabayko-srt-01 has it in appendix B");
}

#[tokio::test]
async fn a_publisher_that_sends_nonsense_disturbs_no_other() {
    let mut house = House::open(None).await;
    let _encoder = house.encoder("streamid=k3y");
    let mut source = house.let_in("k3y").await;
    pictures(&mut source, 5).await;

    let rogue = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let cookie = baked(&rogue, house.at).await;
    rogue.send_to(&conclusion(cookie), house.at).await.unwrap();
    let mut theirs = house.let_in("key").await;
    let (kind, socket_id) = concluded(&rogue).await;
    assert_eq!(kind, u32::MAX, "it is let in");
    let head =
        |first: [u8; 4], more: u32| [&first[..], &more.to_be_bytes(), &[0; 4], &socket_id.to_be_bytes()].concat();
    for step in 0..2_000_u32 {
        let byte = u8::try_from(step % 256).unwrap();
        let number = step.wrapping_mul(0x0101_4567);
        let body = vec![byte; usize::from(byte) * 5];
        let [data, drop, other, keys] = [
            head((number & 0x7fff_ffff).to_be_bytes(), number | 0xc000_0000),
            head([0x80, 7, 0, 0], number),
            head([0x80, byte % 9, 0, 0], number),
            head([0xff, 0xff, 0, byte % 9], number),
        ];
        for head in [data, drop, other, keys] {
            rogue.send_to(&[&head[..], &body].concat(), house.at).await.unwrap();
        }
    }
    pictures(&mut source, 25).await;
    end(&mut theirs).await;
}

#[test]
fn nobody_makes_us_wait_for_a_minute() {
    let datagram = conclusion(1);
    let mut longest = datagram.clone();
    // Both latencies of the request stand at its end.
    longest[76..80].copy_from_slice(&[0xff; 4]);
    let latencies = |datagram: &[u8]| {
        let (_, mut shake) = parse(datagram, false).and_then(handshake).unwrap();
        limit_latency(&mut shake);
        let HandshakeVsInfo::V5(info) = shake.info else { panic!("version 5") };
        let Some(SrtControlPacket::HandshakeRequest(request)) = info.ext_hs else { panic!("a request") };
        [request.send_latency, request.recv_latency]
    };
    assert_eq!(latencies(&datagram), [Duration::from_millis(120); 2]);
    assert_eq!(latencies(&longest), [LATENCY_MAX; 2]);
}

/// A handshake's first step; the cookie that comes back.
async fn baked(stranger: &UdpSocket, at: SocketAddr) -> i32 {
    let induction = shake(1, 0, &[]);
    stranger.send_to(&induction, at).await.unwrap();
    let mut answer = [0; DATAGRAM_BYTES_MAX];
    let length = patiently(stranger.recv(&mut answer)).await.unwrap();
    assert_eq!((length, &answer[..2]), (induction.len(), &[0x80, 0][..]), "no more than was sent");
    i32::from_be_bytes(*answer[44..].first_chunk().unwrap())
}

/// Its last step, with the stream id `key`.
fn conclusion(cookie: i32) -> Vec<u8> {
    let request = [0, 1, 0, 3, 0, 1, 4, 0, 0, 0, 0, 0xbf, 0, 120, 0, 120];
    shake(u32::MAX, cookie, &[&request[..], &[0, 5, 0, 1], b"\0yek"].concat())
}

/// What kind of answer the last step got, and the number of the socket that gave it.
async fn concluded(stranger: &UdpSocket) -> (u32, u32) {
    let mut answer = [0; DATAGRAM_BYTES_MAX];
    loop {
        patiently(stranger.recv(&mut answer)).await.unwrap();
        let number = |at: usize| u32::from_be_bytes(*answer[at..].first_chunk().unwrap());
        if number(36) != 1 {
            return (number(36), number(40));
        }
    }
}

/// An encoder that leaves three seconds (in µs) for what is sent again: a busy machine is no lossy network.
const PATIENT: &str = "streamid=k3y&latency=3000000";

#[tokio::test]
async fn what_is_lost_on_the_way_is_asked_for_again() {
    let mut house = House::open(None).await;
    // One of twenty on the way here; and of the answers the second, which says that the encoder is let in.
    house.at = lossy(house.at, |number, _, _| number % 20 == 19, |number| number == 1).await;
    let _encoder = house.encoder(PATIENT);
    let mut source = house.let_in("k3y").await;
    let pictures = pictures(&mut source, 100).await;
    let apart = |pair: &[velella_media::Picture]| pair[1].time.since(pair[0].time);
    assert!(pictures.windows(2).all(|pair| apart(pair) == Some(Duration::from_millis(40))), "all of them came");
}

#[tokio::test]
async fn what_never_comes_is_left_behind() {
    let mut house = House::open(None).await;
    // One packet of media in forty, however often it is sent.
    let lost = |_, datagram: &[u8], _| {
        let number = u32::from_be_bytes(*datagram.first_chunk().unwrap());
        number >> 31 == 0 && number % 40 == 7
    };
    house.at = lossy(house.at, lost, |_| false).await;
    let _encoder = house.encoder(PATIENT);
    let mut source = house.let_in("k3y").await;
    let pictures = pictures(&mut source, 75).await;
    let apart = pictures.windows(2).filter_map(|pair| pair[1].time.since(pair[0].time));
    let longer = apart.filter(|apart| *apart > Duration::from_millis(40)).count();
    assert!(longer > 0 && longer < 40, "{longer} gaps");
}

#[tokio::test]
async fn an_outage_of_two_seconds_ends_no_stream() {
    let mut house = House::open(None).await;
    house.at = lossy(house.at, |_, _, ms| (2_000..4_000).contains(&ms), |_| false).await;
    let _encoder = house.encoder("streamid=k3y");
    let mut source = house.let_in("k3y").await;
    // Whether what was sent meanwhile is asked for in time or left behind, is up to the machine's haste.
    let first = pictures(&mut source, 1).await[0].time;
    let mut passed = Some(Duration::ZERO);
    while passed < Some(Duration::from_secs(5)) {
        passed = pictures(&mut source, 1).await[0].time.since(first);
    }
}

/// A way to an address for one peer, which loses what the functions say: by number, and on the way there by
/// content, and the milliseconds since the first.
async fn lossy(to: SocketAddr, there: fn(usize, &[u8], u128) -> bool, back: fn(usize) -> bool) -> SocketAddr {
    let [near, far] = [UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap()];
    far.connect(to).await.unwrap();
    let at = near.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut out, mut home) = ([0; DATAGRAM_BYTES_MAX], [0; DATAGRAM_BYTES_MAX]);
        let (mut sent, mut received, mut peer, mut began) = (0, 0, None, None);
        loop {
            tokio::select! {
                Ok((length, from)) = near.recv_from(&mut out) => {
                    peer = Some(from);
                    let passed = began.get_or_insert_with(Instant::now).elapsed();
                    if !there(sent, &out[..length], passed.as_millis()) {
                        far.send(&out[..length]).await.unwrap();
                    }
                    sent += 1;
                }
                Ok(length) = far.recv(&mut home) => {
                    if let Some(peer) = peer.filter(|_| !back(received)) {
                        near.send_to(&home[..length], peer).await.unwrap();
                    }
                    received += 1;
                }
            }
        }
    });
    at
}
