//! A NATS server.

use std::fs;
use std::net::Ipv4Addr;

use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::server::Server;
use crate::{Ca, Port};

/// One server without JetStream, configured as operations ask for.
#[derive(Debug)]
pub struct NatsServer {
    server: Server,
    port: Port,
}

impl NatsServer {
    /// Plain, for everybody.
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// With TLS; clients have to show a certificate of the same authority.
    pub async fn start_tls(ca: &Ca) -> Self {
        let identity = ca.issue("nats");
        let (ca, cert, key) = (ca.certificate(), &identity.certificate, &identity.key);
        Self::start_with(&format!(
            "tls {{ ca_file: {ca:?}, cert_file: {cert:?}, key_file: {key:?}, verify: true, timeout: 5 }}"
        ))
        .await
    }

    /// With more lines of its own configuration.
    pub async fn start_with(more: &str) -> Self {
        let port = Port::take();
        let config = format!(
            "listen: \"127.0.0.1:{}\"\nping_interval: \"5s\"\nping_max: 2\nwrite_deadline: \"2s\"\n{more}\n",
            port.number()
        );
        let server = Server::new("nats-server", |dir| {
            let path = dir.join("nats.conf");
            fs::write(&path, config).expect("a file for the configuration");
            vec!["--config".to_owned(), path.display().to_string()]
        });
        let mut nats = Self { server, port };
        nats.restart().await;
        nats
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port.number())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, on the same port; kills it first if it runs.
    pub async fn restart(&mut self) {
        self.server.kill();
        self.server.spawn();
        let port = self.port.number();
        self.server.until(async || greets(port).await.unwrap_or(false)).await;
    }

    /// Stops it in its tracks: connections stay and nobody answers.
    pub fn pause(&self) {
        self.server.signal(Signal::STOP);
    }

    /// Lets a paused one go on.
    pub fn resume(&self) {
        self.server.signal(Signal::CONT);
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// A server speaks first.
async fn greets(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let mut greeting = [0; 5];
    stream.read_exact(&mut greeting).await?;
    Ok(&greeting == b"INFO ")
}
