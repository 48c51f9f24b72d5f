//! How an ingest begins.

use std::time::{Duration, Instant};

use tracing::Instrument;
use velella_gateway_core::{Counts, Ingest, Name, Task};
use velella_model::component::ComponentSpec;
use velella_model::key;

use super::{Beginning, Driver, Place, Reins, Wiring};
use crate::courier::Courier;
use crate::job::Job;

/// Longest wait between attempts to open a file.
const FILE_WAIT_MAX: Duration = Duration::from_secs(15);

impl Driver {
    pub(super) fn begin_ingest(
        &mut self,
        (room, component): &Place,
        task: &Task,
        beginning: Beginning,
        reins: Reins,
        now: Instant,
    ) {
        let spec = task.record.spec.clone();
        let span = tracing::error_span!("ingest", %room, %component, kind = spec.kind().name());
        let Reins { numbers, mail, progress, reading } = reins;
        let Wiring { gateway, incarnation, bus, means, metrics, .. } = &self.wiring;
        let number = numbers.start;
        let name = Name::new(gateway.clone(), *incarnation, number, task.generation, room.clone(), component);
        let (metadata, transcoding) = (metadata(task), means.transcoding(task.record.transcode));
        let (ingest, source) = match beginning {
            Beginning::Assigned => {
                let wanted = !is_on_demand(&spec) || self.board.is_peopled(room);
                (Ingest::fetched(name, metadata, wait_max(&spec), wanted, transcoding, now), None)
            }
            Beginning::Published(source) => (Ingest::published(name, metadata, transcoding, now), Some(source)),
        };
        let job = Job {
            ingest,
            spec,
            key: key::component(room, component),
            means: means.clone(),
            metrics: metrics.clone(),
            counted: Counts::default(),
            courier: Courier::new(bus.clone()),
            mail,
            progress,
            reading,
            source,
            transcoder: None,
        };
        tracing::info!(parent: &span, generation = task.generation.0, "an ingest begins");
        self.tasks.spawn(job.run().instrument(span));
    }
}

/// As published clients see a peer's metadata: what its server attached to it.
fn metadata(task: &Task) -> velella_model::Json {
    let server = &task.record.metadata;
    velella_model::Json::parse(&format!(r#"{{"peer":{{}},"server":{}}}"#, server.as_str()))
        .unwrap_or_else(|_| velella_model::Json::null())
}

pub(super) fn is_on_demand(spec: &ComponentSpec) -> bool {
    match spec {
        ComponentSpec::Rtsp(spec) => spec.on_demand,
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) | ComponentSpec::Hls(_) => false,
    }
}

fn wait_max(spec: &ComponentSpec) -> Duration {
    match spec {
        ComponentSpec::Rtsp(spec) => Duration::from_millis(spec.reconnect_delay_ms.into()),
        ComponentSpec::File(_) | ComponentSpec::Rtmp(_) | ComponentSpec::Srt(_) | ComponentSpec::Hls(_) => {
            FILE_WAIT_MAX
        }
    }
}
