//! `velella gateways`: all of them, or one with what it does.

use serde_json::value::RawValue;

use crate::answer::{Flow, Gateway, Ingest};
use crate::coordinator::Coordinator;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::{self, Column, tenths};

const COLUMNS: [Column; 9] = [
    Column::Text("GATEWAY"),
    Column::Text("STATE"),
    Column::Text("REGION"),
    Column::Number("LOAD %"),
    Column::Number("JOBS"),
    Column::Text("KINDS"),
    Column::Text("LISTENS"),
    Column::Text("SERVES"),
    Column::Text("VERSION"),
];

const INGEST_COLUMNS: [Column; 10] = [
    Column::Text("ROOM"),
    Column::Text("COMPONENT"),
    Column::Text("KIND"),
    Column::Text("STATE"),
    Column::Number("KBIT/S"),
    Column::Number("PICTURES/S"),
    Column::Number("KEY FRAMES S"),
    Column::Number("LOST"),
    Column::Text("WARNINGS"),
    Column::Text("LAST TROUBLE"),
];

/// Lists all, or the one that is named.
pub(crate) fn show(coordinator: &Coordinator, output: Output, only: Option<&str>) -> Result<(), Failure> {
    let gateways = coordinator.gateways()?;
    let Some(id) = only else {
        return output.show_all(&gateways, || {
            let read = gateways.iter().map(|raw| coordinator.read(raw.get())).collect::<Result<Vec<_>, _>>()?;
            Ok(table(&read))
        });
    };
    let (raw, gateway) = find(coordinator, gateways, id)?;
    output.show(raw.get(), || {
        let ingests = gateway.ingests.iter().map(ingest_row).collect::<Vec<_>>();
        let ingests = if ingests.is_empty() { String::new() } else { table::render(INGEST_COLUMNS, &ingests) };
        Ok([table(&[gateway]), ingests].join("\n"))
    })
}

fn find(coordinator: &Coordinator, all: Vec<Box<RawValue>>, id: &str) -> Result<(Box<RawValue>, Gateway), Failure> {
    for raw in all {
        let gateway: Gateway = coordinator.read(raw.get())?;
        if gateway.gateway == id {
            return Ok((raw, gateway));
        }
    }
    Err(Failure::Denied(format!("Gateway {id} does not exist")))
}

fn table(gateways: &[Gateway]) -> String {
    table::render(COLUMNS, &gateways.iter().map(row).collect::<Vec<_>>())
}

fn row(gateway: &Gateway) -> [String; 9] {
    let kinds: Vec<&str> = gateway.offers.keys().map(String::as_str).collect();
    let listens: Vec<&str> =
        gateway.listens.values().chain(gateway.listens_encrypted.values()).map(String::as_str).collect();
    [
        gateway.gateway.clone(),
        state(gateway).to_owned(),
        gateway.region.clone(),
        share(gateway),
        gateway.jobs.to_string(),
        kinds.join(","),
        listens.join(","),
        gateway.serves.as_ref().map(|serves| serves.public.clone()).unwrap_or_default(),
        gateway.version.clone(),
    ]
}

fn ingest_row(ingest: &Ingest) -> [String; 10] {
    let of = |show: fn(&Flow) -> String| ingest.flow.as_ref().map(show).unwrap_or_default();
    [
        ingest.room.clone(),
        ingest.component.clone(),
        ingest.r#type.clone(),
        ingest.state.clone(),
        of(|flow| (flow.bitrate / 1_000).to_string()),
        of(|flow| format!("{:.1}", flow.frame_rate)),
        of(|flow| flow.key_frame_interval.map(|seconds| format!("{seconds:.1}")).unwrap_or_default()),
        of(|flow| flow.packets_lost.to_string()),
        ingest.warnings.join(","),
        ingest.last_trouble.as_ref().map(|trouble| trouble.code.clone()).unwrap_or_default(),
    ]
}

/// Of what it can carry.
fn share(gateway: &Gateway) -> String {
    tenths(gateway.effective_load_permille * 1000 / gateway.capacity_permille.max(1))
}

/// What keeps it from work, the worst first; else what it says of itself.
fn state(gateway: &Gateway) -> &str {
    match gateway {
        Gateway { alive: false, .. } => "dead",
        Gateway { suspect: true, .. } => "suspect",
        Gateway { state, .. } => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_what_a_gateway_does_and_how_much_of_it() {
        let text = r#"{"gateway":"g","state":"ready","alive":true,"suspect":false,"region":"eu","version":"1",
            "effective_load_permille":500,"capacity_permille":4000,"jobs":7,"offers":{"file":20,"rtsp":50},
            "listens":{"rtmp":"rtmp://g/live"},"listens_encrypted":{"rtmp":"rtmps://g/live"},
            "serves":{"public":"https://live","inner":"http://g"},"of_tomorrow":[]}"#;
        let cells = row(&serde_json::from_str(text).unwrap());
        assert_eq!(cells[..6], ["g", "ready", "eu", "12.5", "7", "file,rtsp"]);
        assert_eq!(cells[6..], ["rtmp://g/live,rtmps://g/live", "https://live", "1"]);
    }

    #[test]
    fn a_row_tells_how_an_ingest_goes() {
        let text = r#"{"room":"r","component":"c","type":"rtsp","state":"live","warnings":["key_frames_far_apart"],
            "flow":{"bitrate":4000000,"frameRate":29.97,"keyFrameInterval":5.0,"packetsLost":3},
            "lastTrouble":{"code":"unreachable","sentence":"It is.","atMs":1}}"#;
        let cells = ingest_row(&serde_json::from_str(text).unwrap());
        assert_eq!(cells[..4], ["r", "c", "rtsp", "live"]);
        assert_eq!(cells[4..], ["4000", "30.0", "5.0", "3", "key_frames_far_apart", "unreachable"]);
        let silent = ingest_row(&serde_json::from_str(r#"{"room":"r","component":"c","flow":null}"#).unwrap());
        assert_eq!(silent[4..], [""; 6]);
    }

    #[test]
    fn the_state_tells_what_keeps_a_gateway_from_work() {
        let ready = || Gateway { alive: true, state: "ready".into(), ..Gateway::default() };
        assert_eq!(state(&ready()), "ready");
        assert_eq!(state(&Gateway { suspect: true, ..ready() }), "suspect");
        assert_eq!(state(&Gateway { alive: false, suspect: true, ..ready() }), "dead");
        assert_eq!(share(&ready()), "0.0", "whatever it says it can carry");
    }
}
