//! Builds connections, off the media threads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::{Candidate, IceCreds};
use velella_model::wire::command::{Assignment, Client, OpenSession};
use velella_worker_core::{Admission, Entrance, rtc_config};

use crate::dtls;
use crate::strays;

/// Random characters of an ICE password; RFC 8445 asks for at least 22.
const PASSWORD_CHARACTERS: usize = 24;
/// Random characters of an ICE user name fragment, besides the shard.
const UFRAG_CHARACTERS: usize = 8;

/// What all connections of a worker share.
pub(crate) struct Engine {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
    candidates: Vec<Candidate>,
}

impl Engine {
    /// Connections that can be reached at these addresses.
    pub(crate) fn new(advertised: &[SocketAddr]) -> anyhow::Result<Self> {
        let crypto = Arc::new(dtls::crypto_provider());
        let certificate = crypto.dtls_provider.generate_certificate().context("cannot make a DTLS certificate")?;
        let candidate = |address: &SocketAddr| {
            Candidate::host(*address, "udp").with_context(|| format!("{address} cannot be advertised to clients"))
        };
        let candidates = advertised.iter().map(candidate).collect::<anyhow::Result<_>>()?;
        Ok(Self { crypto, certificate, candidates })
    }

    /// Lets a session in on a shard.
    pub(crate) fn admit(&self, session: OpenSession, shard: usize, now: Instant) -> anyhow::Result<Admission> {
        let entrance = match session.client {
            Client::Agent { output } => Entrance::Agent { output },
            Client::Webrtc | Client::OneOffer | Client::Listener { .. } => {
                self.connection(&session.assignment, shard, now)?
            }
        };
        Ok(Admission { session, entrance })
    }

    /// A connection. Candidates are inside from the start: they stand in the answer, since published
    /// clients lose those that come before it.
    fn connection(&self, assignment: &Assignment, shard: usize, now: Instant) -> anyhow::Result<Entrance> {
        let ufrag = format!("{}{}", strays::shard_prefix(shard), random_text(UFRAG_CHARACTERS)?);
        let credentials = IceCreds { ufrag: ufrag.clone(), pass: random_text(PASSWORD_CHARACTERS)? };
        let mut rtc = rtc_config(assignment)
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone())
            .set_local_ice_credentials(credentials)
            .build(now);
        for candidate in &self.candidates {
            rtc.add_local_candidate(candidate.clone());
        }
        Ok(Entrance::Webrtc { rtc: Box::new(rtc), ufrag })
    }
}

/// Characters of ICE credentials: letters and digits (RFC 8839 section 5.4), 5 bits each.
fn random_text(characters: usize) -> anyhow::Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = vec![0u8; characters];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no random numbers: {e}"))?;
    Ok(bytes.iter().filter_map(|b| ALPHABET.get(usize::from(b % 32)).map(|c| char::from(*c))).collect())
}
