//! An etcd server, and a cluster of them.

use std::net::Ipv4Addr;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::Server;
use crate::{Ca, Port};

/// One member.
#[derive(Debug)]
pub struct EtcdServer {
    server: Server,
    client: Port,
    /// Health is asked for here, without TLS.
    metrics: Port,
    _peer: Port,
    scheme: &'static str,
}

impl EtcdServer {
    /// A cluster of one, plain, for everybody.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A cluster of one with TLS; clients have to show a certificate of the same authority.
    pub async fn start_tls(ca: &Ca) -> Self {
        let identity = ca.issue("etcd");
        let arguments = [
            format!("--trusted-ca-file={}", ca.certificate().display()),
            format!("--cert-file={}", identity.certificate.display()),
            format!("--key-file={}", identity.key.display()),
            "--client-cert-auth".to_owned(),
        ];
        Self::alone("https", &arguments).await
    }

    /// A cluster of one with more arguments.
    pub async fn start_with(more: &[&str]) -> Self {
        let more: Vec<String> = more.iter().map(|argument| (*argument).to_owned()).collect();
        Self::alone("http", &more).await
    }

    async fn alone(scheme: &'static str, more: &[String]) -> Self {
        let peer = Port::take();
        let members = format!("m0={}", peer_url(&peer));
        let mut etcd = Self::member(0, peer, &members, scheme, more);
        etcd.restart().await;
        etcd
    }

    fn member(index: usize, peer: Port, members: &str, scheme: &'static str, more: &[String]) -> Self {
        let (client, metrics) = (Port::take(), Port::take());
        let client_url = format!("{scheme}://127.0.0.1:{}", client.number());
        let server = Server::new("etcd", |dir| {
            let mut arguments = vec![
                format!("--name=m{index}"),
                format!("--data-dir={}", dir.join("data").display()),
                format!("--listen-client-urls={client_url}"),
                format!("--advertise-client-urls={client_url}"),
                format!("--listen-peer-urls={}", peer_url(&peer)),
                format!("--initial-advertise-peer-urls={}", peer_url(&peer)),
                format!("--initial-cluster={members}"),
                format!("--listen-metrics-urls=http://127.0.0.1:{}", metrics.number()),
            ];
            arguments.extend_from_slice(more);
            arguments
        });
        Self { server, client, metrics, _peer: peer, scheme }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.client.number())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, on the same ports and data; kills it first if it runs.
    pub async fn restart(&mut self) {
        self.spawn();
        self.ready().await;
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

    /// Whether it leads its cluster.
    pub async fn leads(&self) -> bool {
        answer(self.metrics.number(), "/metrics")
            .await
            .is_ok_and(|metrics| metrics.contains("\netcd_server_is_leader 1"))
    }

    fn spawn(&mut self) {
        self.server.kill();
        self.server.spawn();
    }

    async fn ready(&mut self) {
        let metrics = self.metrics.number();
        let healthy = async || answer(metrics, "/health").await.is_ok_and(|health| health.contains("\"true\""));
        self.server.until(healthy).await;
    }
}

/// Several members.
#[derive(Debug)]
pub struct EtcdCluster {
    /// The members, in no particular order.
    pub members: Vec<EtcdServer>,
}

impl EtcdCluster {
    /// A cluster of `count`, plain, with every member ready.
    pub async fn start(count: usize) -> Self {
        let peers: Vec<Port> = (0..count).map(|_| Port::take()).collect();
        let names: Vec<String> = peers.iter().enumerate().map(|(n, peer)| format!("m{n}={}", peer_url(peer))).collect();
        let names = names.join(",");
        let mut members: Vec<_> = peers
            .into_iter()
            .enumerate()
            .map(|(index, peer)| EtcdServer::member(index, peer, &names, "http", &[]))
            .collect();
        // All of them before one is waited for: none is ready alone.
        members.iter_mut().for_each(EtcdServer::spawn);
        for member in &mut members {
            member.ready().await;
        }
        Self { members }
    }

    /// Where clients connect.
    pub fn urls(&self) -> Vec<String> {
        self.members.iter().map(EtcdServer::url).collect()
    }

    /// The member that leads now.
    pub async fn leader(&mut self) -> &mut EtcdServer {
        for member in &mut self.members {
            if member.leads().await {
                return member;
            }
        }
        panic!("nobody leads");
    }
}

fn peer_url(port: &Port) -> String {
    format!("http://127.0.0.1:{}", port.number())
}

async fn answer(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
