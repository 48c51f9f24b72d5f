//! Dialogues of publishers with a session.

use std::iter;

use proptest::prelude::*;
use velella_media::{AacConfig, AudioFormat, MediaTime, Picture, Sound, VideoCodec};

use super::limits::REQUESTS_BURST;
use super::*;
use crate::amf;
use crate::publication::Reordering;

/// An AVCDecoderConfigurationRecord with one set of each kind: baseline, 640 by 360.
const AVC_CONFIG: &[u8] = b"\x17\0\0\0\0\x01\x42\xc0\x1e\xff\xe1\0\x04\x67\x42\xc0\x1e\x01\0\x02\x68\xce";
const AAC_CONFIG: &[u8] = b"\xaf\0\x12\x10";
const KEY: &[u8] = b"\x17\x01\0\0\0\0\0\0\x03\x65\x88\x80";
const DELTA: &[u8] = b"\x27\x01\0\0\0\0\0\0\x02\x41\xe0";

#[test]
fn obs_is_asked_about_and_then_heard_and_seen() {
    let mut world = World::connected("live", &[("tcUrl", "rtmp://velella.example/live".into())]);
    world.command(0, "releaseStream", 2.0, &["key".into()]);
    world.command(0, "FCPublish", 3.0, &["key".into()]);
    assert_eq!(world.answers(), ["_result 2 null", "_result 3 null"]);
    world.command(0, "createStream", 4.0, &[]);
    assert_eq!(world.answers(), ["_result 4 1"]);
    world.command(1, "publish", 5.0, &["key?token=abc&x=1".into(), "live".into()]);
    let [Output::PublishRequested(request)] = &world.outputs()[..] else { panic!("nobody was asked") };
    assert_eq!((request.app.as_str(), request.key.as_str()), ("live", "key"));
    assert_eq!((request.parameter("token"), request.parameter("y")), (Some("abc"), None));
    assert_eq!(request.tc_url, "rtmp://velella.example/live");

    world.media(kind::VIDEO, 0, AVC_CONFIG);
    assert_eq!((world.outputs(), world.session.stats().early), (vec![], 1), "not accepted yet");
    world.session.accept(world.now);
    assert_eq!(world.answers(), ["stream 1 begins", "onStatus status NetStream.Publish.Start"]);

    world.media(kind::VIDEO, 0, AVC_CONFIG);
    assert_eq!(world.outputs(), [Output::Event(Event::Video(VideoCodec::H264))]);
    world.media(kind::AUDIO, 0, AAC_CONFIG);
    let format = AudioFormat::Aac(AacConfig { object_type: 2, sample_rate_hz: 44_100, channels: 2 });
    assert_eq!(world.outputs(), [Output::Event(Event::Audio(format))]);
    world.media(kind::VIDEO, 40, KEY);
    let data = Bytes::from_static(b"\0\0\0\x01\x67\x42\xc0\x1e\0\0\0\x01\x68\xce\0\0\0\x01\x65\x88\x80");
    let (codec, time) = (VideoCodec::H264, MediaTime::from_ticks(40, 1_000));
    let picture = Picture { codec, time, keyframe: true, reordered: false, data };
    assert_eq!(world.outputs(), [Output::Frame(Frame::Video(picture))]);
    world.media(kind::AUDIO, 46, b"\xaf\x01unit");
    let time = MediaTime::from_ticks(46, 1_000);
    assert_eq!(
        world.outputs(),
        [Output::Frame(Frame::Audio(Sound { format, time, data: Bytes::from_static(b"unit") }))]
    );

    world.command(0, "FCUnpublish", 6.0, &["key".into()]);
    world.command(0, "deleteStream", 0.0, &[1.0.into()]);
    assert_eq!(world.answers(), ["closed: Finished"]);
    assert_eq!(world.session.stats().publication.pictures, 1);
}

#[test]
fn whoever_is_rejected_hears_why() {
    let mut world = World::connected("live", &[]);
    world.command(1, "publish", 5.0, &["stolen".into()]);
    world.outputs();
    world.session.reject("This stream key is not known.");
    assert_eq!(
        world.answers(),
        ["onStatus error NetStream.Publish.Rejected This stream key is not known.", "closed: Rejected"]
    );
    world.media(kind::VIDEO, 0, KEY);
    assert_eq!(world.outputs(), []);
}

#[test]
fn the_answer_to_connect_names_the_codecs_of_enhanced_rtmp() {
    let mut world = World::handshaken();
    let four_ccs = Value::Array(vec!["hvc1".into(), "av01".into()]);
    world.command_with(0, "connect", 1.0, Value::object([("app", "live".into()), ("fourCcList", four_ccs)]), &[]);
    let values = world.messages().into_iter().find(|message| message.kind == kind::COMMAND).unwrap().payload;
    let values = amf::read(&values).unwrap();
    let known: Vec<_> = ["avc1", "hvc1", "mp4a", "Opus"].map(Value::from).into();
    assert_eq!((values[0].text(), values[2].property("fourCcList")), (Some("_result"), Some(&Value::Array(known))));
    assert_eq!(values[3].property("code").and_then(Value::text), Some("NetConnection.Connect.Success"));
}

#[test]
fn names_and_parameters_are_found_wherever_encoders_put_them() {
    let request = |app, name| {
        let PublishRequest { app, key, query, .. } = PublishRequest::new(app, name, "", "");
        (app, key, query)
    };
    let told = |app: &str, key: &str, query: &str| (app.to_owned(), key.to_owned(), query.to_owned());
    assert_eq!(request("live", "key"), told("live", "key", ""));
    assert_eq!(request("live/", "key?token=a"), told("live", "key", "token=a"));
    assert_eq!(request("live?token=a", "key"), told("live", "key", "token=a"));
    assert_eq!(request("live/key", ""), told("live", "key", ""));
    assert_eq!(request("key", ""), told("", "key", ""));
}

#[test]
fn secrets_are_in_no_debug_output() {
    let request = PublishRequest::new("app-s3cret", "key-s3cret?token=s3cret", "rtmp://h/s3cret", "OBS");
    assert_eq!(format!("{request:?}"), "PublishRequest { encoder: \"OBS\", .. }");
    let mut world = World::connected("s3cret", &[]);
    world.command(1, "publish", 5.0, &["s3cret".into()]);
    let outputs = world.outputs();
    assert!(!format!("{:?} {outputs:?}", world.session.state).contains("s3cret"));
}

#[test]
fn a_publisher_with_sound_only_is_fine() {
    let mut world = World::publishing();
    world.media(kind::AUDIO, 0, AAC_CONFIG);
    world.media(kind::AUDIO, 0, b"\xaf\x01a");
    world.media(kind::AUDIO, 23, b"\xaf\x01b");
    let frames = world.outputs().into_iter().filter(|output| matches!(output, Output::Frame(_))).count();
    assert_eq!(frames, 2);
}

#[test]
fn a_new_codec_in_the_middle_is_told_before_its_frames() {
    let mut world = World::publishing();
    world.media(kind::VIDEO, 0, AVC_CONFIG);
    world.media(kind::VIDEO, 0, KEY);
    world.media(kind::AUDIO, 0, AAC_CONFIG);
    world.media(kind::AUDIO, 0, b"\xaf\x01a");
    world.outputs();
    world.media(kind::VIDEO, 40, b"\xa1hvc1\0\0\0\0\0\0\x03\x02\x01\x80");
    world.media(kind::AUDIO, 40, b"\x91Opuspacket");
    world.media(kind::AUDIO, 60, b"\x82ulaw");
    let outputs = world.outputs();
    let opus = AudioFormat::Opus { channels: 2 };
    let ulaw = AudioFormat::Pcmu { sample_rate_hz: 8_000 };
    assert_eq!(outputs[0], Output::Event(Event::Video(VideoCodec::H265)));
    assert!(matches!(&outputs[1], Output::Frame(Frame::Video(picture)) if picture.codec == VideoCodec::H265));
    assert_eq!(outputs[2], Output::Event(Event::Audio(opus)));
    assert!(matches!(&outputs[3], Output::Frame(Frame::Audio(sound)) if sound.format == opus));
    assert_eq!(outputs[4], Output::Event(Event::Audio(ulaw)));
    assert!(matches!(&outputs[5], Output::Frame(Frame::Audio(sound)) if sound.format == ulaw));
}

#[test]
fn b_frames_are_told_when_they_are_declared_and_when_they_are_seen() {
    // High profile with two pictures to reorder, as x264 writes it with `-bf 2`.
    let sps = b"\x67\x64\0\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\0\0\x03\0\x10\0\0\x03\x03\x20\xf1\x83\x19\x60";
    let config = [&b"\x17\0\0\0\0\x01\x64\0\x1f\xff\xe1\0\x1a"[..], sps, b"\x01\0\x02\x68\xce"].concat();
    let mut world = World::publishing();
    world.media(kind::VIDEO, 0, &config);
    let outputs = world.outputs();
    assert!(outputs.contains(&Output::Event(Event::Reordered(Reordering::Declared))), "{outputs:?}");
    let shown_after = |ms: u8| [b"\x27\x01\0\0", &[ms][..], b"\0\0\0\x02\x41\xe0"].concat();
    world.media(kind::VIDEO, 0, KEY);
    world.media(kind::VIDEO, 40, &shown_after(120));
    assert!(world.outputs().iter().all(|output| matches!(output, Output::Frame(_))));
    world.media(kind::VIDEO, 80, &shown_after(0));
    world.media(kind::VIDEO, 120, &shown_after(0));
    let outputs = world.outputs();
    assert_eq!(outputs[0], Output::Event(Event::Reordered(Reordering::Seen)));
    assert!(matches!(&outputs[1], Output::Frame(Frame::Video(picture)) if picture.reordered));
    assert!(matches!(outputs[2..], [Output::Frame(_)]), "told once");
}

#[test]
fn jumps_of_the_clock_are_told_and_bridged() {
    for jump in [3_000, -3_000] {
        let mut world = World::publishing();
        world.media(kind::VIDEO, 10_000, AVC_CONFIG);
        world.media(kind::VIDEO, 10_000, KEY);
        world.media(kind::VIDEO, 10_040, DELTA);
        world.outputs();
        world.media(kind::VIDEO, 10_080_u32.wrapping_add_signed(jump), DELTA);
        let outputs = world.outputs();
        assert_eq!(outputs[0], Output::Event(Event::ClockJumped { by_ms: jump.into() }));
        let Output::Frame(frame) = &outputs[1] else { panic!("no frame") };
        assert_eq!(frame.time(), MediaTime::from_ticks(10_080, 1_000));
    }
}

#[test]
fn what_rooms_cannot_take_is_told_once() {
    let mut world = World::publishing();
    world.media(kind::VIDEO, 0, b"\x90av01config");
    world.media(kind::VIDEO, 40, b"\xa1av01picture");
    world.media(kind::AUDIO, 40, b"\x2fmp3");
    world.media(kind::AUDIO, 40, b"\xaf\0\x12\x30");
    let told = |text: &str| Output::Event(Event::Unsupported(text.to_owned()));
    assert_eq!(
        world.outputs(),
        [
            told("av01 is not supported"),
            told("MP3 is not supported"),
            told("AAC with channel configuration 6 is not supported, only mono and stereo are")
        ]
    );
    assert_eq!(world.session.stats().publication.unsupported, 3);
}

#[test]
fn metadata_is_passed_on() {
    let mut world = World::publishing();
    let told = Value::object([("encoder", "Lavf59".into()), ("width", 640.0.into())]);
    let message = amf::write(&["@setDataFrame".into(), "onMetaData".into(), told]);
    world.media(kind::METADATA, 0, &message);
    let metadata = Metadata { encoder: Some("Lavf59".into()), width: Some(640), ..Metadata::default() };
    assert_eq!(world.outputs(), [Output::Event(Event::Metadata(metadata))]);
}

#[test]
fn an_end_of_the_connection_is_told_as_what_it_is() {
    let mut world = World::handshaken();
    world.session.handle_end();
    assert_eq!(world.answers(), ["closed: Left"]);
    let mut world = World::publishing();
    world.session.handle_end();
    world.session.handle_end();
    assert_eq!(world.answers(), ["closed: Aborted"]);
    let mut world = World::publishing();
    world.session.end("The stream was stopped.");
    assert_eq!(
        world.answers(),
        ["onStatus error NetStream.Publish.Rejected The stream was stopped.", "closed: Rejected"]
    );
}

#[test]
fn who_is_slow_or_silent_is_sent_away() {
    let mut world = World::handshaken();
    world.now += Duration::from_secs(5);
    world.receive(&[0]);
    assert_eq!(world.session.poll_timeout(), Some(world.opened_at + PUBLISH_PATIENCE), "a trickle gains no time");
    world.session.handle_timeout(world.opened_at + PUBLISH_PATIENCE);
    assert_eq!(world.answers(), ["closed: Slow"]);

    let mut world = World::publishing();
    world.now += Duration::from_secs(20);
    world.media(kind::AUDIO, 0, AAC_CONFIG);
    world.outputs();
    world.session.handle_timeout(world.opened_at + SILENCE_MAX);
    assert_eq!(world.outputs(), []);
    world.session.handle_timeout(world.now + SILENCE_MAX);
    assert_eq!(world.answers(), ["closed: Silent"]);
    assert_eq!(world.session.poll_timeout(), None);

    let mut world = World::publishing();
    world.command(0, "FCUnpublish", 6.0, &["key".into()]);
    world.session.handle_timeout(world.now + SILENCE_MAX);
    assert_eq!(world.answers(), ["closed: Finished"]);
}

#[test]
fn commands_and_pings_without_end_are_stopped() {
    let mut world = World::connected("live", &[]);
    for _ in 0..REQUESTS_BURST {
        world.media(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]);
    }
    let answers = world.answers();
    assert_eq!(answers.last().map(String::as_str), Some("closed: TooManyRequests"));
    assert!(answers.len() <= REQUESTS_BURST as usize);

    let mut world = World::connected("live", &[]);
    for _ in 0..100 {
        world.now += Duration::from_secs(1);
        world.media(kind::USER_CONTROL, 0, &[0, 6, 1, 2, 3, 4]);
    }
    assert_eq!(world.answers(), iter::repeat_n("pong [1, 2, 3, 4]", 100).collect::<Vec<_>>());
}

#[test]
fn metadata_without_end_is_ignored_and_ends_nothing() {
    let mut world = World::publishing();
    let cue = amf::write(&["onMetaData".into(), Value::object([("width", 1.0.into())])]);
    for _ in 0..1_000 {
        world.media(kind::METADATA, 0, &cue);
    }
    assert_eq!(world.outputs().len(), REQUESTS_BURST as usize);
    world.command(0, "deleteStream", 0.0, &[1.0.into()]);
    assert_eq!(world.answers(), ["closed: Finished"]);
}

#[test]
fn streams_are_bounded_and_playing_is_refused() {
    let mut world = World::connected("live", &[]);
    for transaction in 2..11 {
        world.command(0, "createStream", f64::from(transaction), &[]);
    }
    assert_eq!(world.answers().last().map(String::as_str), Some("_error 10 null"));
    world.command(1, "play", 11.0, &["key".into()]);
    assert_eq!(
        world.answers(),
        ["onStatus error NetStream.Play.Failed This server takes streams, and plays none.", "closed: Plays"]
    );
}

#[test]
fn what_is_no_rtmp_is_closed() {
    let mut world = World::new();
    world.receive(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(world.answers(), ["closed: Handshake(71)"]);

    let mut world = World::handshaken();
    world.media(kind::SET_CHUNK_SIZE, 0, &0x7fff_ffff_u32.to_be_bytes());
    assert_eq!(world.answers(), ["closed: Chunk(ChunkSize(2147483647))"]);

    let mut world = World::handshaken();
    world.media(kind::COMMAND, 0, &b"\x0a\0\0\0\x01".repeat(5_000));
    assert_eq!(world.answers(), ["closed: Amf(TooDeep)"]);

    let mut world = World::handshaken();
    world.command(1, "publish", 1.0, &["key".into()]);
    assert_eq!(world.answers(), ["closed: NotConnected"]);

    let mut world = World::connected("live", &[]);
    world.command(1, "publish", 5.0, &["k".repeat(3_000).as_str().into()]);
    assert_eq!(world.answers(), ["closed: NameTooLong"]);
}

#[test]
fn what_arrived_is_acknowledged_once_for_each_read() {
    let mut world = World::publishing();
    world.media(kind::WINDOW_SIZE, 0, &1_u32.to_be_bytes());
    let received = world.session.stats().received_bytes;
    assert_eq!(world.answers(), [format!("acknowledges {received}")]);
    world.media(kind::WINDOW_SIZE, 0, &0_u32.to_be_bytes());
    assert_eq!(world.outputs(), []);
}

proptest! {
    #[test]
    fn nothing_that_a_peer_sends_panics(pieces: Vec<Vec<u8>>) {
        let mut world = World::handshaken();
        pieces.iter().for_each(|piece| world.receive(piece));
    }

    #[test]
    fn no_tag_of_a_publisher_panics(tags: Vec<(bool, u32, Vec<u8>)>, config: Vec<u8>) {
        let mut world = World::publishing();
        world.media(kind::VIDEO, 0, &[&b"\x17\0\0\0\0\x01"[..], &config].concat());
        for (video, timestamp_ms, tag) in tags {
            world.media(if video { kind::VIDEO } else { kind::AUDIO }, timestamp_ms, &tag);
        }
        let outputs = world.outputs();
        let closed = outputs.iter().any(|output| matches!(output, Output::Closed(_)));
        prop_assert!(!closed, "a tag that makes no sense is lost, and nothing else");
    }
}

struct World {
    session: Session,
    opened_at: Instant,
    now: Instant,
    writer: ChunkWriter,
    reader: ChunkReader,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let (writer, reader) = (ChunkWriter::default(), ChunkReader::default());
        Self { session: Session::new(now), opened_at: now, now, writer, reader }
    }

    fn handshaken() -> Self {
        let mut world = Self::new();
        world.receive(&[3; 1 + 1_536]);
        world.receive(&[0; 1_536]);
        assert!(matches!(world.outputs()[..], [Output::Send(_)]));
        let enlarged = world.writer.enlarge();
        world.receive(&enlarged);
        world
    }

    fn connected(app: &str, more: &[(&str, Value)]) -> Self {
        let mut world = Self::handshaken();
        let mut properties = vec![("app".to_owned(), app.into())];
        properties.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        world.command_with(0, "connect", 1.0, Value::Object(properties), &[]);
        world.messages();
        world
    }

    fn publishing() -> Self {
        let mut world = Self::connected("live", &[]);
        world.command(1, "publish", 5.0, &["key".into(), "live".into()]);
        world.session.accept(world.now);
        world.outputs();
        world
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.session.handle_bytes(bytes, self.now);
    }

    fn command(&mut self, stream: u32, name: &str, transaction: f64, arguments: &[Value]) {
        self.command_with(stream, name, transaction, Value::Null, arguments);
    }

    fn command_with(&mut self, stream: u32, name: &str, transaction: f64, object: Value, arguments: &[Value]) {
        let values = [&[name.into(), transaction.into(), object][..], arguments].concat();
        let message = self.writer.write(kind::COMMAND, stream, &amf::write(&values));
        self.receive(&message);
    }

    /// With extended timestamps, which every time fits.
    fn media(&mut self, kind: u8, timestamp_ms: u32, payload: &[u8]) {
        let [.., a, b, c] = payload.len().to_be_bytes();
        let mut wire = vec![6, 0xff, 0xff, 0xff, a, b, c, kind, 1, 0, 0, 0];
        wire.extend(timestamp_ms.to_be_bytes());
        for (n, piece) in payload.chunks(4_096).enumerate() {
            if n > 0 {
                wire.push(0xc6);
                wire.extend(timestamp_ms.to_be_bytes());
            }
            wire.extend(piece);
        }
        self.receive(&wire);
    }

    fn outputs(&mut self) -> Vec<Output> {
        iter::from_fn(|| self.session.poll_output()).collect()
    }

    fn messages(&mut self) -> Vec<Message> {
        for output in self.outputs() {
            let Output::Send(bytes) = output else { panic!("{output:?}") };
            self.reader.handle_bytes(&bytes);
        }
        iter::from_fn(|| self.reader.poll_message().unwrap()).collect()
    }

    /// What was sent, in words.
    fn answers(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        for output in self.outputs() {
            match output {
                Output::Send(bytes) => self.reader.handle_bytes(&bytes),
                Output::Closed(reason) => answers.push(format!("closed: {reason:?}")),
                Output::PublishRequested(_) | Output::Frame(_) | Output::Event(_) => panic!("{output:?}"),
            }
            let read = iter::from_fn(|| self.reader.poll_message().unwrap());
            answers.extend(read.map(|message| told(&message)));
        }
        answers
    }
}

fn told(message: &Message) -> String {
    let payload = &message.payload;
    let number = |at: usize| payload.get(at..at + 4).map_or(0, |n| u32::from_be_bytes(n.try_into().unwrap()));
    match message.kind {
        kind::ACKNOWLEDGEMENT => format!("acknowledges {}", number(0)),
        kind::USER_CONTROL if payload[1] == 0 => format!("stream {} begins", number(2)),
        kind::USER_CONTROL => format!("pong {:?}", &payload[2..]),
        _ => {
            let values = amf::read(payload).unwrap();
            let name = values[0].text().unwrap();
            let status = |name| values[3].property(name).and_then(Value::text).unwrap_or_default();
            match name {
                "onStatus" if status("level") == "error" => {
                    format!("onStatus error {} {}", status("code"), status("description"))
                }
                "onStatus" => format!("onStatus {} {}", status("level"), status("code")),
                _ => {
                    let result = values[3].number().map_or_else(|| "null".to_owned(), |number| number.to_string());
                    format!("{name} {} {result}", values[1].number().unwrap())
                }
            }
        }
    }
}
