//! ffmpeg publishes to a session behind a real socket.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the test is the shell, with socket and clock; its helpers stand outside of `#[test]`"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Output as Finished, Stdio};
use std::time::{Duration, Instant};

use velella_ffmpeg::{AAC, H264, PICTURE, TONE, command, decoded, pictures, sounds};
use velella_media::{AacConfig, AudioFormat, Frame, VideoCodec};
use velella_rtmp::{CloseReason, Event, Output, Reordering, Session};

/// Longest that ffmpeg may say nothing before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks whether ffmpeg has come.
const GLANCE: Duration = Duration::from_millis(10);
const SHORT: &str = "-t 3";

#[test]
fn pictures_and_sound_come_whole_and_in_time() {
    let published = Server::open().publish(&format!("{PICTURE} {TONE} {H264} {AAC} {SHORT}"), |_, _| Then::GoOn);
    assert_eq!(published.key, "key");
    assert_eq!(published.token.as_deref(), Some("t"));
    assert!(published.encoder.starts_with("FMLE"), "{}", published.encoder);
    assert_eq!(published.closed, Some(CloseReason::Finished));

    let aac = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 1 });
    let codecs: Vec<_> = published.events.iter().filter(|event| !matches!(event, Event::Metadata(_))).collect();
    assert_eq!(codecs, [&Event::Video(VideoCodec::H264), &Event::Audio(aac)]);
    let Some(Event::Metadata(metadata)) = published.events.iter().find(|event| matches!(event, Event::Metadata(_)))
    else {
        panic!("no metadata")
    };
    assert_eq!((metadata.width, metadata.height, metadata.frame_rate), (Some(320), Some(240), Some(25.0)));

    let pictures = pictures(&published.frames);
    assert_eq!(pictures.len(), 75);
    assert!(pictures[0].keyframe && pictures.iter().all(|picture| !picture.reordered));
    assert_eq!(pictures.iter().filter(|picture| picture.keyframe).count(), 3);
    assert!(pictures.windows(2).all(|pair| pair[1].time.since(pair[0].time) == Some(Duration::from_millis(40))));
    let sounds = sounds(&published.frames);
    let length = sounds.last().and_then(|last| last.time.since(sounds[0].time)).unwrap();
    assert!((2.95..3.05).contains(&length.as_secs_f64()), "{length:?} of sound");
    // From a single key frame on, everything decodes.
    assert_eq!(decoded(&pictures), 75);
    assert_eq!(decoded(&pictures[25..]), 50);
}

#[test]
fn b_frames_are_seen_before_the_fourth_picture() {
    let published = Server::open()
        .publish(&format!("{PICTURE} -t 3 -c:v libx264 -preset ultrafast -g 25 -bf 2"), |_, _| Then::GoOn);
    let at = |event: &Event| published.order.iter().position(|told| told.as_ref() == Some(event)).expect("it is told");
    let declared = at(&Event::Reordered(Reordering::Declared));
    let seen = at(&Event::Reordered(Reordering::Seen));
    let pictures_before = |at: usize| published.order[..at].iter().filter(|told| told.is_none()).count();
    assert_eq!(pictures_before(declared), 0);
    assert!(pictures_before(seen) < 3, "{} pictures before", pictures_before(seen));
}

#[test]
fn a_publisher_with_sound_only_is_heard() {
    let published = Server::open().publish(&format!("{TONE} {AAC} {SHORT}"), |_, _| Then::GoOn);
    assert_eq!((pictures(&published.frames).len(), published.closed), (0, Some(CloseReason::Finished)));
    assert!((129..=132).contains(&sounds(&published.frames).len()), "{} access units", sounds(&published.frames).len());
}

#[test]
fn an_encoder_that_is_killed_is_told_from_one_that_finishes() {
    let mut frames = 0;
    let published = Server::open().publish(&format!("-re {PICTURE} {H264} {SHORT}"), |output, ffmpeg| {
        frames += usize::from(matches!(output, Output::Frame(_)));
        if frames == 10 {
            ffmpeg.kill().unwrap();
        }
        Then::GoOn
    });
    assert_eq!(published.closed, Some(CloseReason::Aborted));
    assert!(pictures(&published.frames).len() < 75);
}

#[test]
fn who_is_rejected_reads_why() {
    let published = Server::open().publish(&format!("{PICTURE} {H264} {SHORT}"), |output, _| match output {
        Output::PublishRequested(_) => Then::Reject("This stream key is not known."),
        Output::Send(_) | Output::Frame(_) | Output::Event(_) | Output::Closed(_) => Then::GoOn,
    });
    assert_eq!((published.frames.len(), published.closed), (0, Some(CloseReason::Rejected)));
    let told = String::from_utf8_lossy(&published.ffmpeg.stderr).into_owned();
    assert!(!published.ffmpeg.status.success() && told.contains("This stream key is not known."), "{told}");
}

/// What to do after an output.
enum Then {
    GoOn,
    Reject(&'static str),
}

struct Server(TcpListener);

struct Published {
    key: String,
    token: Option<String>,
    encoder: String,
    frames: Vec<Frame>,
    events: Vec<Event>,
    /// All of both in their order; a frame is `None`.
    order: Vec<Option<Event>>,
    closed: Option<CloseReason>,
    ffmpeg: Finished,
}

impl Server {
    fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn accept(&self, ffmpeg: &mut Child) -> TcpStream {
        self.0.set_nonblocking(true).unwrap();
        loop {
            match self.0.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(false).unwrap();
                    return socket;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert_eq!(ffmpeg.try_wait().unwrap(), None, "ffmpeg ended before it connected");
            std::thread::park_timeout(GLANCE);
        }
    }

    /// Lets ffmpeg publish this, and looks at each output.
    fn publish(self, what: &str, mut look: impl FnMut(&Output, &mut Child) -> Then) -> Published {
        let port = self.0.local_addr().unwrap().port();
        let url = format!("rtmp://127.0.0.1:{port}/live/key?token=t");
        let mut ffmpeg =
            command(what).args(["-f", "flv", &url]).stderr(Stdio::piped()).spawn().expect("ffmpeg is installed");
        let mut socket = self.accept(&mut ffmpeg);
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut session = Session::new(Instant::now());
        let mut outputs = Vec::new();
        let mut bytes = [0; 16_384];
        while !outputs.iter().any(|output| matches!(output, Output::Closed(_))) {
            match socket.read(&mut bytes) {
                Ok(0) => session.handle_end(),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => session.handle_end(),
                Ok(received) => session.handle_bytes(&bytes[..received], Instant::now()),
                Err(error) => panic!("{error} after {} outputs", outputs.len()),
            }
            while let Some(output) = session.poll_output() {
                match look(&output, &mut ffmpeg) {
                    Then::GoOn => {}
                    Then::Reject(why) => session.reject(why),
                }
                act(&output, &mut session, &mut socket);
                outputs.push(output);
            }
        }
        close(&mut socket);
        Published::new(outputs, ffmpeg.wait_with_output().unwrap())
    }
}

fn act(output: &Output, session: &mut Session, socket: &mut TcpStream) {
    match output {
        Output::Send(bytes) => socket.write_all(bytes).unwrap(),
        Output::PublishRequested(_) => session.accept(Instant::now()),
        Output::Frame(_) | Output::Event(_) | Output::Closed(_) => {}
    }
}

/// Reads what still comes, so that the peer reads what was sent instead of a reset.
fn close(socket: &mut TcpStream) {
    let _ = socket.shutdown(Shutdown::Write);
    let mut rest = [0; 16_384];
    while socket.read(&mut rest).is_ok_and(|bytes| bytes > 0) {}
}

impl Published {
    fn new(outputs: Vec<Output>, ffmpeg: Finished) -> Self {
        let (key, token, encoder) = (String::new(), None, String::new());
        let (frames, events, order) = (Vec::new(), Vec::new(), Vec::new());
        let mut published = Self { key, token, encoder, frames, events, order, closed: None, ffmpeg };
        for output in outputs {
            match output {
                Output::PublishRequested(request) => {
                    published.token = request.parameter("token").map(str::to_owned);
                    (published.key, published.encoder) = (request.key, request.encoder);
                }
                Output::Frame(frame) => {
                    published.frames.push(frame);
                    published.order.push(None);
                }
                Output::Event(event) => {
                    published.events.push(event.clone());
                    published.order.push(Some(event));
                }
                Output::Closed(reason) => published.closed = Some(reason),
                Output::Send(_) => {}
            }
        }
        published
    }
}
