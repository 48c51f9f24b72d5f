//! What cannot be provoked from outside: a panic inside one session.

use std::time::Instant;

use str0m::Rtc;
use velella_model::wire::command::{Assignment, OpenSession, SubscribeMode};
use velella_model::wire::signal::{CloseReason, ServerEvent, SessionEvent};
use velella_model::{CoordinatorId, Generation, Json, PeerId, RoomId, RoomType, SessionId, VideoCodec};

use super::*;

fn open(shard: &mut Shard, name: &str, now: Instant) -> SessionKey {
    let assignment = Assignment {
        room: RoomId::parse("r").unwrap(),
        generation: Generation(1),
        room_type: RoomType::Conference,
        video_codec: VideoCodec::Vp8,
    };
    let session = OpenSession {
        assignment,
        session: SessionId::parse(name).unwrap(),
        peer: PeerId::parse(name).unwrap(),
        holder: CoordinatorId::parse("c").unwrap().into(),
        metadata: Json::null(),
        subscribe_mode: SubscribeMode::Auto,
        subscriptions: Default::default(),
        rights: Default::default(),
        client: Default::default(),
        job: Default::default(),
    };
    let rtc = Box::new(Rtc::builder().set_rtp_mode(true).build(now));
    let entrance = Entrance::Webrtc { rtc, ufrag: format!("ufrag-{name}") };
    shard.handle_input(Input::OpenSession(Box::new(Admission { session, entrance })), now);
    shard.sessions_by_id[&SessionId::parse(name).unwrap()]
}

fn outputs(shard: &mut Shard) -> Vec<(String, SessionEvent)> {
    std::iter::from_fn(|| shard.poll_output())
        .filter_map(|output| match output {
            Output::Signal(_, message) => Some((message.session.to_string(), message.event)),
            Output::Voice(_) | Output::Agent(_) => None,
        })
        .collect()
}

#[test]
fn a_panic_ends_its_session_and_the_room_goes_on() {
    let now = Instant::now();
    let mut shard = Shard::new(now);
    let culprit = open(&mut shard, "culprit", now);
    open(&mut shard, "neighbour", now);
    outputs(&mut shard);

    shard.guarded(|shard| {
        shard.with_transport(culprit, now, |_, _| -> Result<(), str0m::RtcError> { panic!("a planted bug") });
    });

    let endpoint = PeerId::parse("culprit").unwrap();
    assert_eq!(
        outputs(&mut shard),
        [
            ("culprit".into(), SessionEvent::Closed { reason: CloseReason::Crashed }),
            ("neighbour".into(), SessionEvent::ToPeer { event: ServerEvent::EndpointRemoved { endpoint } }),
        ]
    );
    assert_eq!((shard.stats().crashes, shard.stats().sessions), (1, 1));
    open(&mut shard, "next", now);
    assert_eq!(shard.stats().sessions, 2);
}
