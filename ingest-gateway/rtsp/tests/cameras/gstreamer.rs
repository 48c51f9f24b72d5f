//! GStreamer's RTSP server with its own encoders (`tests/fixtures/camera.py`).

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// One that runs, until it is dropped.
pub(crate) struct GstCamera {
    process: Child,
    port: u16,
}

impl GstCamera {
    /// With these arguments of the script.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/camera.py");
        let mut process = Command::new(script)
            .args(["--size", "320x180"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the camera starts; `make deps-test` installs what it needs");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output is piped");
        BufReader::new(output).read_line(&mut line).expect("the camera says its port");
        let port = line.trim().parse().expect("the camera says its port");
        Self { process, port }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.port)
    }

    /// With what stands before the host.
    pub(crate) fn url_as(&self, userinfo: &str, path: &str) -> String {
        format!("rtsp://{userinfo}@127.0.0.1:{}/{path}", self.port)
    }

    pub(crate) fn tls_url(&self, host: &str, path: &str) -> String {
        format!("rtsps://{host}:{}/{path}", self.port)
    }
}

impl Drop for GstCamera {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
