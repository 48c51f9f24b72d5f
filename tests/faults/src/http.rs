//! As much of HTTP as the tests need: one request on one connection, with a deadline.

use std::io::{Error, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any request should take that is answered at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

pub(crate) async fn get(ip: Ipv4Addr, port: u16, path: &str, patience: Duration) -> std::io::Result<Answer> {
    send(SocketAddr::from((ip, port)), "GET", path, "", patience).await
}

/// `lines` are further headers and, after an empty line, the body.
pub(crate) async fn send(
    at: SocketAddr,
    method: &str,
    path: &str,
    lines: &str,
    patience: Duration,
) -> std::io::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(at).await?;
        let end = if lines.is_empty() { "\r\n" } else { lines };
        stream.write_all(format!("{method} {path} HTTP/1.0\r\nhost: {at}\r\n{end}").as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        parse(&text).ok_or_else(|| Error::new(ErrorKind::InvalidData, "no answer in HTTP"))
    };
    tokio::time::timeout(patience, exchange).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
}

/// A JSON body with its headers, for [`send`].
pub(crate) fn body(token: Option<&str>, json: &Value) -> String {
    let body = json.to_string();
    let token = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    format!("{token}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
