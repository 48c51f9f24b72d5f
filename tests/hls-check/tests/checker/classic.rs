//! A real run: what ffmpeg writes as a classic live stream, behind a plain static server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use url::Url;
use velella_hls_check::rule::Rule;
use velella_hls_check::watch::{Settings, watch};

/// ffmpeg, ended with the test.
struct Ffmpeg(Child);

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_classic_stream_of_ffmpeg_is_judged_and_low_latency_is_not_offered() {
    let directory = directory();
    let _ffmpeg = Ffmpeg(ffmpeg(&directory));
    let port = serve(directory.clone());
    let settings = Settings {
        url: Url::parse(&format!("http://127.0.0.1:{port}/live.m3u8")).unwrap(),
        duration: Duration::from_secs(20),
        slack: Duration::from_secs(1),
        http2_only: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(watch(&settings)).unwrap();
    let _ = std::fs::remove_dir_all(&directory);
    let report = &outcome.report;
    assert_eq!((report.musts(), outcome.failed), (0, 0), "{}{:?}", report.table(), outcome.last_failure);
    for rule in [Rule::Syntax, Rule::S1, Rule::S5, Rule::S7, Rule::S8, Rule::S9, Rule::S10, Rule::S18, Rule::M1] {
        assert!(report.row(rule).unwrap().row.checked > 0, "{rule:?} was never checked\n{}", report.table());
    }
    for rule in [Rule::S2, Rule::S3, Rule::S4, Rule::S11, Rule::S12, Rule::S14, Rule::S15] {
        assert_eq!(report.row(rule).unwrap().not_checked, Some("not offered"), "{rule:?}");
    }
}

fn directory() -> PathBuf {
    let path = std::env::temp_dir().join(format!("velella-hls-check-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Segments of one second, fragmented MP4, six in the playlist, the last ten kept.
fn ffmpeg(directory: &Path) -> Child {
    let arguments = "-hide_banner -loglevel error -re -f lavfi -i testsrc2=size=160x120:rate=25 -c:v libx264 \
        -preset ultrafast -g 25 -keyint_min 25 -sc_threshold 0 -f hls -hls_time 1 -hls_list_size 6 -hls_delete_threshold 10 \
        -hls_segment_type fmp4 -hls_flags delete_segments+program_date_time+independent_segments+temp_file live.m3u8";
    let mut command = Command::new("ffmpeg");
    command.args(arguments.split_whitespace()).current_dir(directory).stdin(Stdio::null());
    command.spawn().expect("ffmpeg is installed")
}

/// Serves the files of a directory on a free port, one request for each connection.
fn serve(directory: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A client that goes away is no matter.
            let _ = answer(stream, &directory);
        }
    });
    port
}

fn answer(mut stream: TcpStream, directory: &Path) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&request);
    let name = text.split(['/', '?', ' ']).nth(2).unwrap_or_default().to_owned();
    let (status, body) = match std::fs::read(directory.join(&name)) {
        Ok(body) if !name.is_empty() => ("200 OK", body),
        _ => ("404 Not Found", Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}
