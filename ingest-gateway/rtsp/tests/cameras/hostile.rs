//! What cameras should not do, and some do: each gets a clear end, or is survived.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use velella_media::{Frame, VideoCodec};
use velella_rtsp::{Camera, Discontinuity, Error, Event, Medium, Options, Track, Transport};

use crate::scripted::{DELTA, KEY, Request, Script, ScriptedCamera, answer, interleaved, sent_video, video};
use crate::{PATIENCE, next, open, refused, watch};

/// Gives up soon, as these cameras never come back.
fn impatient() -> Options {
    Options { stall_after: Duration::from_millis(500), ..Options::default() }
}

async fn start(script: Script) -> (ScriptedCamera, Result<Camera, Error>) {
    let server = ScriptedCamera::start(script).await;
    let camera = open(&server.url(), &impatient()).await;
    (server, camera)
}

/// Why a camera with this script does not play.
async fn why_not(script: Script) -> Error {
    let (_server, camera) = start(script).await;
    match camera {
        Ok(camera) => panic!("the camera plays {:?}", camera.tracks()),
        Err(error) => error,
    }
}

/// Everything until the end, and the end.
async fn all(camera: &mut Camera) -> (Vec<Event>, Error) {
    let mut events = Vec::new();
    loop {
        match next(camera).await {
            Ok(event) => events.push(event),
            Err(error) => return (events, error),
        }
    }
}

fn pictures(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Frame(Frame::Video(_)))).count()
}

#[tokio::test]
async fn a_camera_that_is_silent_after_play_has_stalled() {
    let (server, camera) = start(Script::default()).await;
    let mut camera = camera.unwrap();
    assert_eq!(camera.tracks().first(), Some(&Track::Video(VideoCodec::H264)));
    let error = next(&mut camera).await.unwrap_err();
    assert!(matches!(error, Error::Stalled(_)) && error.is_retryable(), "{error}");
    assert_eq!(error.code(), "stalled");
    // The session is ended all the same, so that the camera takes the next one.
    camera.close().await;
    assert_eq!(server.methods(), ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY", "TEARDOWN"]);
}

#[tokio::test]
async fn a_camera_that_stops_in_the_middle_has_stalled() {
    let sound = interleaved(2, &[&[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6][..], &[0; 160]].concat());
    let script = Script { after_play: vec![sent_video(0, 0, KEY), sound], ..Script::default() };
    let mut camera = start(script).await.1.unwrap();
    let (events, error) = all(&mut camera).await;
    assert_eq!((pictures(&events), events.len()), (1, 2));
    assert!(matches!(error, Error::Stalled(_)), "{error}");
}

#[tokio::test]
async fn a_camera_that_answers_nothing_is_silent() {
    for method in ["OPTIONS", "PLAY"] {
        let error = why_not(Script::answering(method, |_| None)).await;
        assert!(matches!(error, Error::Silent(silent) if silent == method), "{error}");
    }
}

#[tokio::test]
async fn slow_drops_of_an_answer_are_not_waited_for() {
    // Never an empty line, and never silent for long.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtsp://{}/x", listener.local_addr().unwrap());
    let drops = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut every = tokio::time::interval(Duration::from_millis(100));
        while tokio::io::AsyncWriteExt::write_all(&mut stream, b"RTSP/1.0 200 OK\r\nX: y\r\n").await.is_ok() {
            every.tick().await;
        }
    });
    let began = Instant::now();
    let error = refused(&url, &impatient()).await;
    assert!(matches!(error, Error::Silent("OPTIONS")), "{error}");
    assert!(began.elapsed() < Duration::from_secs(20));
    drops.await.unwrap();
}

#[tokio::test]
async fn descriptions_of_no_use_are_told_apart() {
    let garbage: Vec<u8> = (0..4_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let bad = why_not(Script::describing(garbage)).await;
    assert!(matches!(bad, Error::BadSdp(_)), "{bad}");
    let many = why_not(Script::describing("m=video 0 RTP/AVP 96\r\n".repeat(17))).await;
    assert!(matches!(many, Error::BadSdp("too many media")), "{many}");
    let huge = why_not(Script::describing("a=x\r\n".repeat(20_000))).await;
    assert!(matches!(huge, Error::Protocol(_)), "{huge}");
    let none = why_not(Script::describing("m=application 0 RTP/AVP 107\r\n")).await;
    assert!(matches!(none, Error::NoUsableTrack), "{none}");
    let vp8 = why_not(Script::describing("m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n")).await;
    assert!(matches!(&vp8, Error::CodecUnsupported(names) if names == "VP8"), "{vp8}");
}

#[tokio::test]
async fn a_camera_that_says_no_is_quoted() {
    let busy = why_not(Script::answering("PLAY", |_| answer(453, "", ""))).await;
    assert!(matches!(busy, Error::Declined { method: "PLAY", status: 453 }) && busy.is_retryable(), "{busy}");
    let always = why_not(Script::answering("DESCRIBE", |_| answer(503, "", ""))).await;
    assert!(matches!(always, Error::Declined { method: "DESCRIBE", status: 503 }), "{always}");
    let gone = why_not(Script::answering("DESCRIBE", |_| answer(404, "", ""))).await;
    assert!(matches!(gone, Error::NotFound), "{gone}");
    let strange = why_not(Script::answering("OPTIONS", |_| answer(401, "WWW-Authenticate: Bearer x\r\n", ""))).await;
    assert!(matches!(strange, Error::LoginRefused { given: false }), "{strange}");
}

#[tokio::test]
async fn what_is_no_rtsp_ends_at_a_bound() {
    let noise = Script { before_play: vec![0xff; 100_000], ..Script::default() };
    let error = why_not(noise).await;
    assert!(matches!(error, Error::Protocol(_)), "{error}");
    let headers = why_not(Script::answering("OPTIONS", |_| answer(200, &"X: y\r\n".repeat(10_000), ""))).await;
    assert!(matches!(headers, Error::Protocol(_)), "{headers}");
}

#[tokio::test]
async fn garbage_instead_of_packets_is_counted_and_no_picture() {
    let garbage: Vec<u8> = (0..1_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pieces = garbage.chunks(50).zip((0..4).cycle()).map(|(piece, channel)| interleaved(channel, piece));
    let script = Script { after_play: pieces.collect(), ..Script::default() };
    let mut camera = start(script).await.1.unwrap();
    let (events, error) = all(&mut camera).await;
    assert_eq!(pictures(&events), 0);
    assert!(matches!(error, Error::Stalled(_)), "{error}");
    assert!(camera.stats().malformed >= 5, "{:?}", camera.stats());
}

#[tokio::test]
async fn noise_between_packets_costs_nothing_but_itself() {
    let mut bytes = sent_video(0, 0, KEY);
    bytes.extend(b"\r\n\r\n\x80\xe0noise");
    bytes.extend(sent_video(1, 3_600, DELTA));
    bytes.extend(interleaved(77, b"for a channel that nobody has"));
    bytes.extend(b"OPTIONS rtsp://you RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    bytes.extend(sent_video(2, 7_200, DELTA));
    let mut camera = start(Script { after_play: vec![bytes], ..Script::default() }).await.1.unwrap();
    let watched = watch(&mut camera, 3, 0).await;
    assert!(watched.others.is_empty());
    assert_eq!((camera.stats().noise_bytes, camera.stats().malformed), (11, 1));
}

#[tokio::test]
async fn packets_before_the_camera_says_that_it_plays_are_not_lost() {
    let script = Script { before_play: sent_video(0, 0, KEY), hang_up: true, ..Script::default() };
    let mut camera = start(script).await.1.unwrap();
    let (events, error) = all(&mut camera).await;
    assert_eq!(pictures(&events), 1);
    assert!(matches!(error, Error::Ended) && error.is_retryable(), "{error}");
}

#[tokio::test]
async fn other_channels_than_asked_for_are_heard() {
    let mut script = Script::answering("SETUP", |request| {
        let channels = if request.uri.ends_with("video") { "4-5" } else { "8-9" };
        answer(200, &format!("Session: 17\r\nTransport: RTP/AVP/TCP;unicast;interleaved={channels}\r\n"), "")
    });
    script.after_play = vec![interleaved(4, &video(0, 0, KEY))];
    let mut camera = start(script).await.1.unwrap();
    watch(&mut camera, 1, 0).await;
}

#[tokio::test]
async fn clocks_that_jump_both_ways_leave_time_continuous() {
    for (jump, seconds) in [(3 * 90_000_u32, 3), ((-3 * 90_000_i32).cast_unsigned(), -3)] {
        let times = [0, 3_600, 7_200_u32.wrapping_add(jump), 10_800_u32.wrapping_add(jump)];
        let packets = times.iter().zip(0..).map(|(time, number)| sent_video(number, *time, KEY));
        let mut camera = start(Script { after_play: packets.collect(), ..Script::default() }).await.1.unwrap();
        let watched = watch(&mut camera, 4, 0).await;
        let [Event::Discontinuity(Medium::Video, Discontinuity::Jump { seconds: told })] = watched.others[..] else {
            panic!("{:?}", watched.others)
        };
        assert_eq!(told, seconds);
        let times: Vec<_> = watched.pictures.iter().map(|picture| picture.time).collect();
        assert!(times.is_sorted() && times[3].since(times[0]).unwrap() < Duration::from_secs(1), "{times:?}");
    }
}

#[tokio::test]
async fn missing_parameter_sets_are_told_and_waited_for() {
    let mut script = Script::describing("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    let sets = [&[0x67, 0x42, 0xc0, 0x1f][..], &[0x68, 0xce]];
    script.after_play = vec![
        sent_video(0, 0, KEY),
        sent_video(1, 3_600, DELTA),
        sent_video(2, 7_200, sets[0]),
        sent_video(3, 7_200, sets[1]),
        sent_video(4, 7_200, KEY),
    ];
    let mut camera = start(script).await.1.unwrap();
    assert_eq!(next(&mut camera).await.unwrap(), Event::ParameterSetsMissing);
    let Event::Frame(Frame::Video(picture)) = next(&mut camera).await.unwrap() else { panic!("no picture") };
    assert!(picture.keyframe);
    assert_eq!(camera.stats().undecodable, 2);
}

#[tokio::test]
async fn a_redirect_is_followed_past_the_guard_and_without_the_password() {
    let target = ScriptedCamera::start(Script { after_play: vec![sent_video(0, 0, KEY)], ..Script::default() }).await;
    let location = format!("Location: {}\r\n", target.url());
    let door = ScriptedCamera::start(Script::answering("DESCRIBE", move |request| {
        let challenge = "WWW-Authenticate: Digest realm=\"door\", nonce=\"5\"\r\n";
        if request.text.contains("Authorization") { answer(302, &location, "") } else { answer(401, challenge, "") }
    }))
    .await;
    let url = door.url().replace("rtsp://", "rtsp://admin:secret@");
    let mut camera = open(&url, &impatient()).await.unwrap();
    watch(&mut camera, 1, 0).await;
    assert!(door.heard().iter().any(|request| request.text.contains("Authorization: Digest")));
    assert!(target.heard().iter().all(|request| !request.text.contains("Authorization")));
    // Not even where it is asked for.
    let thief = ScriptedCamera::start(Script::answering("DESCRIBE", |_| {
        answer(401, "WWW-Authenticate: Basic realm=\"door\"\r\n", "")
    }))
    .await;
    let location = format!("Location: {}\r\n", thief.url());
    let door = ScriptedCamera::start(Script::answering("DESCRIBE", move |_| answer(302, &location, ""))).await;
    let error = refused(&door.url().replace("rtsp://", "rtsp://admin:secret@"), &impatient()).await;
    assert!(matches!(error, Error::LoginRefused { given: false }), "{error}");
    let heard = [door.heard(), target.heard(), thief.heard()].concat();
    assert!(heard.iter().all(|request| !request.text.contains("secret") && !request.uri.contains("admin")));
}

#[tokio::test]
async fn a_redirect_leads_nowhere_that_the_guard_forbids() {
    let to = |location: &'static str| {
        Script::answering("DESCRIBE", move |_| answer(302, &format!("Location: {location}\r\n"), ""))
    };
    let inside = why_not(to("rtsp://169.254.169.254/latest")).await;
    assert!(matches!(inside, Error::Refused(_)) && inside.code() == "address_refused", "{inside}");
    let private = why_not(to("rtsp://10.0.0.1/x")).await;
    assert!(matches!(private, Error::Refused(_)), "{private}");
    let other = why_not(to("http://127.0.0.1/x")).await;
    assert!(matches!(other, Error::Scheme), "{other}");
    let nonsense = why_not(to("nonsense")).await;
    assert!(matches!(nonsense, Error::Redirect(_)), "{nonsense}");
    let circle = why_not(to("/x")).await;
    assert!(matches!(circle, Error::Redirects(_)), "{circle}");
}

#[tokio::test]
async fn a_sign_of_life_that_is_refused_becomes_another_one() {
    let script = Script::answering("GET_PARAMETER", |_| answer(405, "", ""));
    let server = ScriptedCamera::start(script).await;
    let options = Options {
        keep_alive: Some(Duration::from_millis(100)),
        stall_after: Duration::from_secs(2),
        ..Options::default()
    };
    let mut camera = open(&server.url(), &options).await.unwrap();
    all(&mut camera).await;
    let signs = server.methods().split_off(5);
    assert_eq!(signs.first().map(String::as_str), Some("GET_PARAMETER"));
    assert!(signs.len() > 3 && signs.iter().skip(1).all(|method| method == "OPTIONS"), "{signs:?}");
    assert!(server.heard().iter().skip(4).all(|request| request.text.contains("Session: 17\r\n")));
}

#[tokio::test]
async fn what_arrives_is_reported_to_the_camera() {
    let script = Script { after_play: vec![sent_video(3, 0, KEY), sent_video(5, 3_600, DELTA)], ..Script::default() };
    let server = ScriptedCamera::start(script).await;
    // Reports go out every 5 s.
    let options = Options { stall_after: Duration::from_secs(7), ..Options::default() };
    let mut camera = open(&server.url(), &options).await.unwrap();
    all(&mut camera).await;
    camera.close().await;
    let packets = server.packets();
    // Of the pictures alone, as no sound came: 1 of 3 lost, the highest number is 5.
    let [report] = &packets[..] else { panic!("{packets:?}") };
    assert_eq!(
        (report[..5].to_vec(), &report[9..21]),
        (vec![1, 0x81, 201, 0, 7], &[0, 0, 0, 5, 85, 0, 0, 1, 0, 0, 0, 5][..])
    );
}

#[tokio::test]
async fn a_challenge_that_has_grown_old_is_answered_anew() {
    let script = Script {
        answer: Box::new(|request| {
            let nonce = if request.method == "GET_PARAMETER" { "new" } else { "old" };
            let known = request.text.contains(&format!("nonce=\"{nonce}\""));
            let challenge = format!("WWW-Authenticate: Digest realm=\"cam\", nonce=\"{nonce}\", stale=true\r\n");
            (!known).then(|| answer(401, &challenge, ""))
        }),
        ..Script::default()
    };
    let server = ScriptedCamera::start(script).await;
    let options = Options {
        keep_alive: Some(Duration::from_millis(100)),
        stall_after: Duration::from_secs(1),
        ..Options::default()
    };
    let mut camera = open(&server.url().replace("rtsp://", "rtsp://admin:secret@"), &options).await.unwrap();
    all(&mut camera).await;
    let signs: Vec<_> = server.heard().into_iter().filter(|request| request.method == "GET_PARAMETER").collect();
    assert!(signs[0].text.contains("nonce=\"old\"") && signs[1].text.contains("nonce=\"new\""));
}

#[tokio::test]
async fn a_session_that_the_camera_forgot_has_ended() {
    let server = ScriptedCamera::start(Script::answering("GET_PARAMETER", |_| answer(454, "", ""))).await;
    let options = Options { keep_alive: Some(Duration::from_millis(100)), ..Options::default() };
    let mut camera = open(&server.url(), &options).await.unwrap();
    let error = next(&mut camera).await.unwrap_err();
    assert!(matches!(error, Error::Ended), "{error}");
}

#[tokio::test]
async fn silence_over_udp_leads_back_to_tcp() {
    let script = Script { after_play: vec![sent_video(0, 0, KEY)], ..Script::default() };
    let server = ScriptedCamera::start(script).await;
    let options = Options { transport: Transport::Automatic, ..Options::default() };
    let began = Instant::now();
    let mut camera = open(&server.url(), &options).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(3));
    watch(&mut camera, 1, 0).await;
    let transports: Vec<_> = server
        .heard()
        .iter()
        .filter_map(|request| request.text.lines().find(|line| line.starts_with("Transport")).map(str::to_owned))
        .collect();
    assert!(transports[0].starts_with("Transport: RTP/AVP;unicast;client_port="), "{transports:?}");
    assert_eq!(transports[2], "Transport: RTP/AVP/TCP;unicast;interleaved=0-1");
    // The first session is ended before the second begins.
    let methods = server.methods();
    let farewell = methods.iter().position(|method| method == "TEARDOWN").unwrap();
    assert_eq!(methods[farewell + 1], "OPTIONS");
}

#[tokio::test]
async fn media_over_udp_comes_from_the_camera_and_goes_nowhere_else() {
    // The camera claims to send from another address. Nothing may go there, nothing counts from there.
    let victim = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let source = UdpSocket::bind(("127.0.0.1", victim.local_addr().unwrap().port())).await.unwrap();
    let port = source.local_addr().unwrap().port();
    let server = ScriptedCamera::start(Script::answering("SETUP", move |request| {
        let client = request.text.split("client_port=").nth(1).unwrap().split("\r\n").next().unwrap();
        let transport = format!("RTP/AVP;unicast;client_port={client};server_port={port}-{port};source=127.0.0.2");
        answer(200, &format!("Session: 17\r\nTransport: {transport}\r\n"), "")
    }))
    .await;
    let options = Options { transport: Transport::Udp, ..Options::default() };
    let opened = tokio::spawn({
        let url = server.url();
        async move { open(&url, &options).await }
    });
    // The camera learns our port from the packet that opens the routers between.
    let (_, ours) = tokio::time::timeout(PATIENCE, source.recv_from(&mut [0; 100])).await.unwrap().unwrap();
    victim.send_to(&video(0, 0, KEY), ours).await.unwrap();
    source.send_to(&video(1, 3_600, KEY), ours).await.unwrap();
    let mut camera = opened.await.unwrap().unwrap();
    let watched = watch(&mut camera, 1, 0).await;
    assert!(watched.others.is_empty(), "{:?}", watched.others);
    assert_eq!((camera.stats().foreign, camera.stats().packets), (1, 1));
    assert!(victim.try_recv(&mut [0; 100]).is_err(), "nothing came to the other address");
}

#[tokio::test]
async fn a_flood_of_packets_before_play_is_cut_off() {
    let packets = (0..2_000_u16).flat_map(|number| sent_video(number, u32::from(number) * 3_600, KEY)).collect();
    let mut camera = start(Script { before_play: packets, hang_up: true, ..Script::default() }).await.1.unwrap();
    let (events, _) = all(&mut camera).await;
    assert!((1..=512).contains(&pictures(&events)), "{}", pictures(&events));
}

/// Refuses TCP, and after PLAY says nothing over UDP for a while, if ever anything.
fn only_over_udp(begins_after: Option<Duration>) -> Script {
    let port = Arc::new(Mutex::new(None));
    let answer = move |request: &Request| match request.method.as_str() {
        "SETUP" if request.text.contains("/TCP") => Some(answer(461, "", "")),
        "SETUP" => {
            let named = request.text.split("client_port=").nth(1).and_then(|rest| rest.split('-').next());
            port.lock().unwrap().get_or_insert_with(|| named.unwrap().parse::<u16>().unwrap());
            None
        }
        "PLAY" => {
            let to = port.lock().unwrap().take().unwrap();
            if let Some(after) = begins_after {
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    socket.send_to(&video(1, 0, KEY), ("127.0.0.1", to)).await.unwrap();
                });
            }
            None
        }
        _ => None,
    };
    Script { answer: Box::new(answer), ..Script::default() }
}

#[tokio::test]
async fn a_camera_that_begins_slowly_over_udp_and_refuses_tcp_is_given_more_time() {
    let server = ScriptedCamera::start(only_over_udp(Some(Duration::from_millis(3_500)))).await;
    let options = Options { transport: Transport::Automatic, ..Options::default() };
    let mut camera = open(&server.url(), &options).await.unwrap();
    watch(&mut camera, 1, 0).await;
    assert_eq!(server.methods().iter().filter(|method| *method == "PLAY").count(), 2);
}

#[tokio::test]
async fn a_camera_that_is_heard_neither_way_is_tried_thrice_and_may_be_again() {
    let server = ScriptedCamera::start(only_over_udp(None)).await;
    let options = Options { transport: Transport::Automatic, ..impatient() };
    let error = refused(&server.url(), &options).await;
    assert!(matches!(error, Error::Unheard(_)) && error.is_retryable(), "{error}");
    assert_eq!(server.methods().iter().filter(|method| *method == "DESCRIBE").count(), 3);
}
