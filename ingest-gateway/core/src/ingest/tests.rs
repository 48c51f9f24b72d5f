//! An ingest between a source and a room that are both scripted.

use bytes::Bytes;
use velella_media::{MediaTime, VideoCodec};

use super::*;

#[test]
fn a_camera_that_fails_is_opened_again_after_a_wait() {
    let (mut ingest, t0) = (camera(), Instant::now());
    assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource, Output::Progress(_)]));
    ingest.handle_input(ended("unreachable", true), t0);
    let [Output::CloseSource, Output::Progress(progress)] = &outputs(&mut ingest)[..] else { panic!("told") };
    assert_eq!((progress.state, code(progress)), (IngestState::Retrying, Some("unreachable")));
    let again = ingest.poll_timeout().unwrap();
    assert!(again > t0 && again <= t0 + REOPEN_FIRST);
    ingest.handle_input(Input::Timeout, again);
    assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource]), "it still counts as retrying");
}

#[test]
fn what_went_wrong_last_is_known_also_when_it_goes_well_again() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(ended("unreachable", true), t0);
    ingest.handle_input(Input::Timeout, ingest.poll_timeout().unwrap());
    ingest.handle_input(Input::Described(VIDEO), t0);
    ingest.handle_input(Input::Lost(3), t0);
    assert_eq!((ingest.last_trouble().unwrap().0.code.as_str(), ingest.counts().lost), ("unreachable", 3));
    let later = t0 + Duration::from_secs(1);
    ingest.handle_input(Input::Unsupported("vp06 is not supported".into()), later);
    let (trouble, at) = ingest.last_trouble().unwrap();
    assert_eq!((trouble.code.as_str(), *at), ("codec_unsupported", later));
}

#[test]
fn what_another_attempt_would_not_change_is_not_tried_again() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(ended("login_refused", false), t0);
    assert_eq!(told(&mut ingest).unwrap().state, IngestState::Stopped);
    assert_eq!(ingest.poll_timeout(), None);
}

#[test]
fn h265_is_told_to_be_of_no_use() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(Input::Described(Published { video: Some(VideoCodec::H265), sub: false, audio: false }), t0);
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Stopped, Some("codec_unsupported")));
}

#[test]
fn b_frames_are_told_with_what_to_do() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(Input::Described(VIDEO), t0);
    ingest.handle_input(picture(0, true), t0);
    let reordered = Picture { reordered: true, ..a_picture(40, false) };
    ingest.handle_input(Input::Picture(reordered), t0);
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Retrying, Some("b_frames")));
}

#[test]
fn what_has_to_be_transcoded_and_cannot_be_says_what_is_missing() {
    let (mut ingest, t0) = (with(Transcoding::Missing), Instant::now());
    ingest.handle_input(Input::Described(Published { video: Some(VideoCodec::H265), sub: false, audio: false }), t0);
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Stopped, Some("no_transcoder")));
}

#[test]
fn a_transcoder_is_started_ended_and_told_of() {
    let (mut ingest, t0) = (with(Transcoding::Able), Instant::now());
    ingest.handle_input(Input::Described(Published { video: Some(VideoCodec::H265), sub: false, audio: false }), t0);
    outputs(&mut ingest);
    let h265 = Picture { codec: VideoCodec::H265, ..a_picture(0, true) };
    ingest.handle_input(Input::Picture(h265), t0);
    assert!(matches!(outputs(&mut ingest)[..], [Output::StartTranscoder(_), Output::Transcode(_)]));
    ingest.handle_input(Input::TranscoderEnded("was killed"), t0);
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Retrying, Some("transcoder_failed")));
    assert_eq!(ingest.counts().transcoders_failed, 1);
    ingest.handle_input(ended("unreachable", true), t0);
    assert_eq!(code(&told(&mut ingest).unwrap()), Some("unreachable"));
}

#[test]
fn a_silent_camera_is_opened_anew() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(Input::Described(VIDEO), t0);
    ingest.handle_input(picture(0, true), t0 + Duration::from_secs(3));
    ingest.handle_input(Input::Timeout, t0 + SILENCE_MAX);
    assert_eq!(code(&told(&mut ingest).unwrap()), None);
    ingest.handle_input(Input::Timeout, t0 + Duration::from_secs(3) + SILENCE_MAX);
    assert_eq!(code(&told(&mut ingest).unwrap()), Some("stalled"));
}

#[test]
fn a_camera_that_never_sends_a_key_frame_is_waited_for_and_told_of() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(Input::Described(VIDEO), t0);
    for second in 0..30 {
        ingest.handle_input(Input::Undecodable, t0 + Duration::from_secs(second));
        ingest.handle_input(Input::Timeout, t0 + Duration::from_secs(second));
    }
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Connecting, Some("no_key_frame")));
    assert_eq!(ingest.counts().reopened, 0);
}

#[test]
fn a_second_stream_that_is_away_is_told_while_the_first_goes_on() {
    let (mut ingest, t0) = (camera(), Instant::now());
    ingest.handle_input(Input::Described(Published { sub: true, ..VIDEO }), t0);
    ingest.handle_input(picture(0, true), t0);
    outputs(&mut ingest);
    let trouble = Trouble { code: "sub_unreachable".into(), sentence: "It is away.".into() };
    ingest.handle_input(Input::SubEnded(trouble), t0);
    let progress = told(&mut ingest).unwrap();
    assert_eq!((progress.state, code(&progress)), (IngestState::Connecting, Some("sub_unreachable")));
    ingest.handle_input(Input::SubOpened, t0);
    ingest.handle_input(Input::SubPicture(a_picture(0, true)), t0);
    assert_eq!(code(&told(&mut ingest).unwrap()), None);
}

#[test]
fn a_camera_that_nobody_looks_at_is_closed_until_somebody_does() {
    let (mut ingest, t0) = (camera(), Instant::now());
    outputs(&mut ingest);
    ingest.handle_input(Input::Wanted(false), t0);
    let [Output::CloseSource, Output::Progress(progress)] = &outputs(&mut ingest)[..] else { panic!("told") };
    assert_eq!(progress.state, IngestState::Waiting);
    ingest.handle_input(Input::Wanted(true), t0);
    assert!(matches!(outputs(&mut ingest)[..], [Output::OpenSource, Output::Progress(_)]));
}

#[test]
fn what_was_published_to_us_is_over_when_it_ends() {
    let t0 = Instant::now();
    let mut ingest = Ingest::published(name(), Json::null(), Transcoding::Unwanted, t0);
    assert!(matches!(outputs(&mut ingest)[..], [Output::Progress(_)]));
    ingest.handle_input(ended("publisher_left", true), t0);
    assert!(outputs(&mut ingest).iter().any(|output| matches!(output, Output::Finished)));
}

const VIDEO: Published = Published { video: Some(VideoCodec::H264), sub: false, audio: false };

fn camera() -> Ingest {
    with(Transcoding::Unwanted)
}

fn with(transcoding: Transcoding) -> Ingest {
    Ingest::fetched(name(), Json::null(), Duration::from_secs(15), true, transcoding, Instant::now())
}

fn name() -> Name {
    let (gateway, room) = (GatewayId::parse("g").unwrap(), RoomId::parse("r").unwrap());
    Name::new(gateway, Incarnation(1), 1, Generation(5), room, &ComponentId::parse("door").unwrap())
}

fn ended(code: &str, retry: bool) -> Input<'static> {
    Input::Ended { trouble: Trouble { code: code.into(), sentence: "It did.".into() }, retry }
}

fn picture(ms: i64, keyframe: bool) -> Input<'static> {
    Input::Picture(a_picture(ms, keyframe))
}

fn a_picture(ms: i64, keyframe: bool) -> Picture {
    let (time, data) = (MediaTime(ms * 1_000_000), Bytes::from_static(&[0, 0, 0, 1, 0x65, 0x88]));
    Picture { codec: VideoCodec::H264, time, keyframe, reordered: false, data }
}

fn outputs(ingest: &mut Ingest) -> Vec<Output> {
    std::iter::from_fn(|| ingest.poll_output()).collect()
}

/// What was told last.
fn told(ingest: &mut Ingest) -> Option<Progress> {
    outputs(ingest).into_iter().filter_map(|o| if let Output::Progress(p) = o { Some(p) } else { None }).next_back()
}

fn code(progress: &Progress) -> Option<&str> {
    progress.trouble.as_ref().map(|trouble| trouble.code.as_str())
}
