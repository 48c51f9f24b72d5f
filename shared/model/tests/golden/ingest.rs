//! What gateways say of ingests.

use velella_model::component::Trouble;
use velella_model::wire::ingest::{Flow, IngestReading, IngestReport, PastTrouble};
use velella_model::{ComponentId, GatewayId, Incarnation, RoomId};

#[test]
fn reports_of_ingests_keep_their_form() {
    let flow = Flow {
        bitrate_bps: 4_000_000,
        pictures_per_1000_s: 25_000,
        key_frame_interval_ms: Some(2_000),
        packets_lost: 7,
    };
    let trouble = Trouble { code: "b_frames".into(), sentence: "The stream holds B-frames.".into() };
    let last_trouble = Some(PastTrouble { trouble, at_ms: 1_790_000_000_000 });
    let examples = [
        ("live", reading(Some(flow), None)),
        ("just begun", reading(Some(Flow { key_frame_interval_ms: None, ..flow }), None)),
        ("sent away", reading(None, last_trouble)),
    ];
    crate::holds("ingest_report", &examples.map(|(name, reading)| (name, report(reading))));
}

fn reading(flow: Option<Flow>, last_trouble: Option<PastTrouble>) -> IngestReading {
    let (room, component) = (RoomId::parse("r1").unwrap(), ComponentId::parse("c1").unwrap());
    IngestReading { room, component, flow, last_trouble }
}

fn report(reading: IngestReading) -> IngestReport {
    IngestReport { gateway: GatewayId::parse("g1").unwrap(), incarnation: Incarnation(3), ingests: vec![reading] }
}
