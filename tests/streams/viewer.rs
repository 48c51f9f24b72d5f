//! Whoever watches, in the simplest HTTP.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Gateway;

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Viewer {
    host: String,
}

/// What a playlist says.
#[derive(Debug)]
pub(crate) struct Playlist {
    pub(crate) sequence: u64,
    pub(crate) last_msn: u64,
    pub(crate) discontinuities: usize,
    /// Of the newest media.
    pub(crate) epoch: u64,
    /// Addresses, oldest first.
    pub(crate) media: Vec<String>,
}

impl Viewer {
    pub(crate) fn of(gateway: &Gateway) -> Self {
        Self { host: gateway.serves.public.strip_prefix("http://").unwrap().to_owned() }
    }

    pub(crate) async fn playlist(&self, name: &str) -> Playlist {
        Playlist::read(&self.text(&format!("{name}.m3u8")).await)
    }

    /// As soon as it lists that segment.
    pub(crate) async fn playlist_from(&self, name: &str, msn: u64) -> Playlist {
        Playlist::read(&self.text(&format!("{name}.m3u8?_HLS_msn={msn}")).await)
    }

    pub(crate) async fn text(&self, file: &str) -> String {
        String::from_utf8(self.content(file).await).unwrap()
    }

    pub(crate) async fn bytes(&self, file: &str) -> usize {
        self.content(file).await.len()
    }

    pub(crate) async fn status(&self, file: &str) -> u16 {
        self.request(file).await.0
    }

    async fn content(&self, file: &str) -> Vec<u8> {
        let (status, body) = self.request(file).await;
        assert_eq!(status, 200, "{file}: {}", String::from_utf8_lossy(&body));
        body
    }

    async fn request(&self, file: &str) -> (u16, Vec<u8>) {
        let asked = async {
            let mut stream = TcpStream::connect(&self.host).await.unwrap();
            let request = format!("GET /hls/r/{file} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.host);
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, asked).await.expect("in time");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let (head, body) = answer.split_at(end + 4);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        assert!(!head.contains("chunked"), "its length is known: {head}");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_vec())
    }
}

impl Playlist {
    fn read(text: &str) -> Self {
        let tag = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        let sequence: u64 = tag("#EXT-X-MEDIA-SEQUENCE:").unwrap().parse().unwrap();
        let segments = text.matches("#EXTINF").count() as u64;
        let media: Vec<String> =
            text.lines().filter(|line| line.ends_with(".m4s")).map(|line| line.trim().to_owned()).collect();
        let epoch = media.last().and_then(|last| last.split('/').next()?.parse().ok()).unwrap();
        let discontinuities = text.matches("#EXT-X-DISCONTINUITY\n").count();
        Self { sequence, last_msn: sequence + segments - 1, discontinuities, epoch, media }
    }
}
