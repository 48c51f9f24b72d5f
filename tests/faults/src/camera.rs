//! What is no peer: a picture that a gateway plays into the room with people, and an encoder.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use serde_json::{Value, json};

use crate::cluster::{RTMP, TOKEN, ask};
use crate::front::FRONT;
use crate::hosts::{Host, run};
use crate::http;

/// Where gateways find it, in the directory of the logs.
pub(crate) const CLIPS: &str = "clips";
const CLIP: &str = "moving.h264";

/// As small as the pictures of people; a key frame each second.
const PICTURES: &str = "testsrc2=size=320x180:rate=15";
const FRAMERATE: u32 = 15;
const SECONDS: &str = "4";

/// The only component of the room with people.
pub(crate) struct Camera {
    pub(crate) room: String,
    id: String,
}

impl Camera {
    /// Makes the clip.
    pub(crate) fn record(logs: &Path) -> anyhow::Result<()> {
        let clips = logs.join(CLIPS);
        std::fs::create_dir_all(&clips)?;
        let h264 = ["-c:v", "libx264", "-profile:v", "baseline", "-tune", "zerolatency", "-g", "15"];
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", PICTURES, "-t", SECONDS]).args(h264);
        run(ffmpeg.args(["-f", "h264"]).arg(clips.join(CLIP)))
    }

    /// Adds it to a room.
    pub(crate) async fn add(room: &str) -> anyhow::Result<Self> {
        let options = json!({ "filePath": CLIP, "framerate": FRAMERATE });
        let added = add_component(room, "file", options).await?;
        let id = added.get("id").and_then(Value::as_str).with_context(|| added.to_string())?;
        Ok(Self { room: room.to_owned(), id: id.to_owned() })
    }

    /// The gateway that has it in the room; none while it is on its way there.
    pub(crate) async fn gateway(&self) -> Option<String> {
        live_at(&self.room, &self.id).await
    }
}

/// Publishes a picture until it is sent away.
pub(crate) struct Encoder(Child);

impl Encoder {
    /// From `host`, to a gateway.
    pub(crate) fn start(host: &Host, gateway: Ipv4Addr, stream_key: &str) -> anyhow::Result<Self> {
        let mut ffmpeg = host.command("ffmpeg");
        ffmpeg.args(["-v", "error", "-re", "-f", "lavfi", "-i", PICTURES, "-c:v", "libx264", "-preset", "ultrafast"]);
        ffmpeg.args(["-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "15", "-f", "flv"]);
        ffmpeg.arg(format!("rtmp://{gateway}:{RTMP}/live/{stream_key}"));
        let child = ffmpeg.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self(child.context("ffmpeg does not start; `make deps-test` installs it")?))
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was added.
pub(crate) async fn add_component(room: &str, kind: &str, options: Value) -> anyhow::Result<Value> {
    let lines = http::body(Some(TOKEN), &json!({ "type": kind, "options": options }));
    let path = format!("/api/v1/connect/faults/room/{room}/component");
    let answer = http::send(FRONT, "POST", &path, &lines, http::PATIENCE).await?;
    answer.json().get("data").cloned().with_context(|| format!("no component: {} {}", answer.status, answer.body))
}

/// The gateway at which a component is live.
pub(crate) async fn live_at(room: &str, component: &str) -> Option<String> {
    let path = format!("/api/v1/connect/faults/room/{room}/component/{component}");
    let shown = ask(FRONT, &path).await.ok()?.json();
    let shown = shown.get("data").filter(|shown| shown.get("state").and_then(Value::as_str) == Some("live"))?;
    Some(shown.get("gateway")?.as_str()?.to_owned())
}
