//! Commands to workers, and their answers.

use std::collections::BTreeSet;

use velella_model::record::{AgentOutput, Subscriptions};
use velella_model::wire::command::{
    Assignment, Client, Command, CommandReply, Holder, OpenSession, Order, Refusal, Rights, SubscribeMode,
};
use velella_model::{
    CoordinatorId, GatewayId, Generation, Incarnation, Json, PeerId, RoomId, RoomType, SessionId, TrackId, Variant,
    VideoCodec,
};

const LISTENER: Client = Client::Listener { audio: true, video: Some(Variant::Medium) };

#[test]
fn commands_keep_their_form() {
    let orders = [
        Order::AssignRoom { assignment: assignment(RoomType::AudioOnlyLivestream, VideoCodec::Av1) },
        Order::CloseRoom { room: RoomId::parse("r1").unwrap(), generation: Generation(7) },
        Order::OpenSession { session: browser() },
        Order::OpenSession { session: agent() },
        Order::OpenSession { session: camera() },
        Order::OpenSession { session: OpenSession { job: Some(Generation(9)), ..camera() } },
        Order::OpenSession { session: OpenSession { client: Client::OneOffer, ..browser() } },
        Order::OpenSession { session: OpenSession { client: LISTENER, ..camera() } },
        Order::CloseSession { session: SessionId::parse("s1").unwrap() },
        Order::AdoptSession {
            session: SessionId::parse("s1").unwrap(),
            holder: CoordinatorId::parse("c2").unwrap().into(),
        },
        Order::Ping,
    ];
    let examples = orders.map(|order| (name(&order), Command { incarnation: Incarnation(1), order }));
    crate::holds("command", &examples);
}

#[test]
fn answers_keep_their_form() {
    let reasons = [
        Refusal::WrongIncarnation,
        Refusal::StaleGeneration,
        Refusal::Draining,
        Refusal::Fenced,
        Refusal::Full,
        Refusal::NoSession,
        Refusal::Malformed,
    ];
    let refused = reasons.map(|reason| (reason_name(reason), CommandReply::Refused { reason }));
    let examples: Vec<_> = [("done", CommandReply::Done)].into_iter().chain(refused).collect();
    crate::holds("command_reply", &examples);
}

/// A new order fails to compile here: it needs an example too.
fn name(order: &Order) -> &'static str {
    match order {
        Order::AssignRoom { .. } => "assign_room",
        Order::CloseRoom { .. } => "close_room",
        Order::OpenSession { session } => match (&session.client, &session.holder) {
            (Client::Webrtc, Holder::Coordinator { .. }) => "open_session of a browser",
            (Client::Webrtc, Holder::Gateway { .. }) if session.job.is_some() => "open_session of a job",
            (Client::Webrtc, Holder::Gateway { .. }) => "open_session of a camera",
            (Client::Agent { .. }, _) => "open_session of an agent",
            (Client::OneOffer, _) => "open_session of one offer",
            (Client::Listener { .. }, _) => "open_session of a listener",
        },
        Order::CloseSession { .. } => "close_session",
        Order::AdoptSession { .. } => "adopt_session",
        Order::Ping => "ping",
    }
}

/// A new reason fails to compile here: it needs an example too.
fn reason_name(reason: Refusal) -> &'static str {
    match reason {
        Refusal::WrongIncarnation => "refused: wrong incarnation",
        Refusal::StaleGeneration => "refused: stale generation",
        Refusal::Draining => "refused: draining",
        Refusal::Fenced => "refused: fenced",
        Refusal::Full => "refused: full",
        Refusal::NoSession => "refused: no session",
        Refusal::Malformed => "refused: malformed",
    }
}

fn assignment(room_type: RoomType, video_codec: VideoCodec) -> Assignment {
    Assignment { room: RoomId::parse("r1").unwrap(), generation: Generation(7), room_type, video_codec }
}

fn browser() -> OpenSession {
    OpenSession {
        assignment: assignment(RoomType::Conference, VideoCodec::H264),
        session: SessionId::parse("s1").unwrap(),
        peer: PeerId::parse("p1").unwrap(),
        holder: CoordinatorId::parse("c1").unwrap().into(),
        metadata: Json::parse(r#"{"peer":{"name":"Ada"},"server":null}"#).unwrap(),
        subscribe_mode: SubscribeMode::Auto,
        subscriptions: Subscriptions::default(),
        rights: Rights::default(),
        client: Client::Webrtc,
        job: None,
    }
}

fn camera() -> OpenSession {
    OpenSession { holder: GatewayId::parse("g1").unwrap().into(), ..browser() }
}

fn agent() -> OpenSession {
    OpenSession {
        subscribe_mode: SubscribeMode::Manual,
        subscriptions: Subscriptions {
            peers: BTreeSet::from([PeerId::parse("p2").unwrap()]),
            tracks: BTreeSet::from([TrackId::parse("p3:t1").unwrap()]),
        },
        rights: Rights { publish: true, subscribe: false },
        client: Client::Agent { output: Some(AgentOutput { sample_rate_hz: 16_000 }) },
        ..browser()
    }
}
