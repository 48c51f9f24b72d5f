//! What a load balancer does in front of the coordinators: looks which of them live, and passes new
//! connections to one that does. Connections that stand are left alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::cluster::{ADMIN, HTTP};
use crate::hosts::HERE;
use crate::http;

/// How often a coordinator is looked at, and how long it may take to answer.
const LOOK: Duration = Duration::from_millis(500);

/// Where clients connect.
pub(crate) const FRONT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(HERE), 8_000);

pub(crate) struct Front {
    living: Arc<Mutex<Vec<Ipv4Addr>>>,
    _running: JoinSet<()>,
}

impl Front {
    pub(crate) async fn start(coordinators: Vec<Ipv4Addr>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(FRONT).await.context("no front door")?;
        let living = Arc::new(Mutex::new(coordinators.clone()));
        let mut running = JoinSet::new();
        running.spawn(look(coordinators, Arc::clone(&living)));
        running.spawn(serve(listener, Arc::clone(&living)));
        Ok(Self { living, _running: running })
    }

    /// Where new connections go now.
    pub(crate) fn first(&self) -> Option<Ipv4Addr> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner).first().copied()
    }
}

async fn look(coordinators: Vec<Ipv4Addr>, living: Arc<Mutex<Vec<Ipv4Addr>>>) {
    loop {
        let mut found = Vec::new();
        for at in &coordinators {
            if http::get(*at, ADMIN, "/livez", LOOK).await.is_ok() {
                found.push(*at);
            }
        }
        *living.lock().unwrap_or_else(PoisonError::into_inner) = found;
        tokio::time::sleep(LOOK).await;
    }
}

async fn serve(listener: TcpListener, living: Arc<Mutex<Vec<Ipv4Addr>>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let first = living.lock().unwrap_or_else(PoisonError::into_inner).first().copied();
        connections.spawn(async move { pass(near, first).await });
        while connections.try_join_next().is_some() {}
    }
}

/// An end that breaks takes the other with it.
async fn pass(mut near: TcpStream, to: Option<Ipv4Addr>) {
    let Some(to) = to else { return };
    let Ok(Ok(mut far)) = tokio::time::timeout(LOOK, TcpStream::connect((to, HTTP))).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}
