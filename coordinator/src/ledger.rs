//! What was answered to requests that carry a key, in the store, so that any coordinator answers a
//! repetition the same, without doing anything again.
//!
//! A key is claimed by compare-and-swap before the work begins. A claim whose coordinator died runs
//! out by itself; so does an answer, much later.

mod leases;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;
use tokio::time::Instant;
use velella_model::record::{AnswerRecord, OnceRecord};
use velella_model::{key, wire};
use velella_ops::{Seal, Secret};
use velella_store::{Expect, Revision, Store, StoreError, Versioned, Written};

use self::leases::Leases;
use crate::effects::in_time;

/// Answers that one coordinator keeps in the store; its oldest goes for a new one.
const ANSWERS_MAX: usize = 4096;

/// How long an answer is kept at least. A client that still tries after this has given up long ago.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// How long a claim stands at least: longer than any request takes.
const CLAIMED_FOR: Duration = Duration::from_secs(35);

/// Claims and answers of this long share a lease, which costs them as much of its life.
const CLAIMS_SHARE: Duration = Duration::from_secs(10);
const ANSWERS_SHARE: Duration = Duration::from_secs(60);

/// Larger answers are not kept: none that creates something comes near.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What to do with a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry {
    /// Do it, then `finish`.
    New(Claim),
    /// It was done.
    Done(Answer),
    /// It is being done.
    Busy,
    /// The key was used for something else.
    Other,
}

/// The right to do a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claim {
    key: String,
    fingerprint: String,
    revision: Revision,
}

/// The keys and what became of them.
pub(crate) struct Ledger {
    store: Arc<dyn Store>,
    seal: Seal,
    claims: Leases,
    answers: Leases,
    /// Answers that this coordinator wrote, oldest first.
    kept: Mutex<VecDeque<(Instant, String)>>,
}

impl Ledger {
    pub(crate) fn new(store: Arc<dyn Store>, secret: &Secret) -> Self {
        Self {
            seal: Seal::new(secret),
            claims: Leases::new(store.clone(), CLAIMED_FOR, CLAIMS_SHARE),
            answers: Leases::new(store.clone(), KEPT_FOR, ANSWERS_SHARE),
            store,
            kept: Mutex::default(),
        }
    }

    /// Looks a request up and claims its key if it is new. The same key of somebody else is another.
    pub(crate) async fn enter(&self, credential: &str, key: &str, asked: &[&[u8]]) -> Result<Entry, StoreError> {
        let key = key::once(&self.seal.name(&[credential.as_bytes(), key.as_bytes()]));
        let fingerprint = self.seal.name(asked);
        let record = OnceRecord { fingerprint: fingerprint.clone(), answer: None };
        match self.put(&key, &record, Expect::Absent, &self.claims).await? {
            Written::Done(revision) => Ok(Entry::New(Claim { key, fingerprint, revision })),
            Written::Conflict(Some(standing)) => Ok(self.known(&key, &fingerprint, &standing)),
            // It ran out at this very moment.
            Written::Conflict(None) => Ok(Entry::Busy),
        }
    }

    fn known(&self, key: &str, fingerprint: &str, standing: &Versioned) -> Entry {
        let record = wire::decode::<OnceRecord>(&standing.value);
        match record.inspect_err(|error| tracing::warn!(%error, "a kept answer cannot be read")) {
            Ok(OnceRecord { fingerprint: known, .. }) if known != fingerprint => Entry::Other,
            Ok(OnceRecord { answer: Some(sealed), .. }) => {
                let record = self.seal.open(key, &sealed).and_then(|bytes| wire::decode(&bytes).ok());
                record.and_then(answer).map_or(Entry::Busy, Entry::Done)
            }
            Ok(OnceRecord { answer: None, .. }) | Err(_) => Entry::Busy,
        }
    }

    /// Keeps the answer to a claimed request; whether an older one had to go for it.
    pub(crate) async fn keep(&self, claim: &Claim, answer: &Answer) -> Result<bool, StoreError> {
        let Claim { key, fingerprint, revision } = claim;
        let sealed = self.seal.close(key, wire::encode(&record(answer)));
        let Some(sealed) = sealed else { return Err(StoreError::Denied("no randomness to seal with".into())) };
        let record = OnceRecord { fingerprint: fingerprint.clone(), answer: Some(sealed) };
        // A claim that ran out meanwhile is somebody else's now, with an answer of its own.
        if let Written::Conflict(_) = self.put(key, &record, Expect::Revision(*revision), &self.answers).await? {
            return Ok(false);
        }
        let Some(oldest) = self.note(key) else { return Ok(false) };
        in_time(self.store.delete(&oldest, Expect::Any)).await?;
        Ok(true)
    }

    /// Gives a claim back: the request may be tried again.
    pub(crate) async fn forget(&self, claim: &Claim) -> Result<(), StoreError> {
        in_time(self.store.delete(&claim.key, Expect::Revision(claim.revision))).await.map(drop)
    }

    /// Remembers that an answer is kept; returns the key of one that is too many.
    fn note(&self, key: &str) -> Option<String> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        while kept.front().is_some_and(|(since, _)| now.duration_since(*since) >= KEPT_FOR + ANSWERS_SHARE) {
            kept.pop_front();
        }
        let oldest = if kept.len() >= ANSWERS_MAX { kept.pop_front() } else { None };
        kept.push_back((now, key.to_owned()));
        oldest.map(|(_, key)| key)
    }

    async fn put(
        &self,
        key: &str,
        record: &OnceRecord,
        expect: Expect,
        leases: &Leases,
    ) -> Result<Written, StoreError> {
        let value = Bytes::from(wire::encode(record));
        let lease = leases.lease().await?;
        let written = in_time(self.store.put(key, value, expect, Some(lease))).await;
        if written == Err(StoreError::LeaseGone) {
            leases.forget(lease).await;
        }
        written
    }
}

fn record(Answer { status, headers, body }: &Answer) -> AnswerRecord {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes())));
    AnswerRecord { status: status.as_u16(), headers: headers.collect(), body: body.clone() }
}

fn answer(AnswerRecord { status, headers, body }: AnswerRecord) -> Option<Answer> {
    let header = |(name, value): (String, Bytes)| -> Option<(HeaderName, HeaderValue)> {
        Some((name.parse().ok()?, HeaderValue::from_maybe_shared(value).ok()?))
    };
    let headers = headers.into_iter().map(header).collect::<Option<HeaderMap>>()?;
    Some(Answer { status: StatusCode::from_u16(status).ok()?, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use velella_store::memory::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_done_once_and_answered_again_wherever_it_is_repeated() {
        let store = MemoryStore::new();
        let (here, there) = (ledger_over(&store), ledger_over(&store));
        let claim = claimed(&here, "k", "a").await;
        assert_eq!(there.enter("me", "k", &[b"a"]).await, Ok(Entry::Busy));
        here.keep(&claim, &created()).await.unwrap();
        assert_eq!(there.enter("me", "k", &[b"a"]).await, Ok(Entry::Done(created())));
        assert_eq!(there.enter("me", "k", &[b"b"]).await, Ok(Entry::Other));
        tokio::time::sleep(KEPT_FOR - Duration::from_secs(1)).await;
        assert_eq!(here.enter("me", "k", &[b"a"]).await, Ok(Entry::Done(created())));
        tokio::time::sleep(ANSWERS_SHARE + Duration::from_secs(1)).await;
        claimed(&there, "k", "a").await;
    }

    #[tokio::test]
    async fn what_failed_may_be_tried_again_and_somebody_elses_key_is_another() {
        let ledger = ledger_over(&MemoryStore::new());
        let claim = claimed(&ledger, "k", "a").await;
        assert!(matches!(ledger.enter("you", "k", &[b"b"]).await, Ok(Entry::New(_))));
        ledger.forget(&claim).await.unwrap();
        claimed(&ledger, "k", "b").await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_never_finished_frees_itself_and_its_late_answer_replaces_none() {
        let ledger = ledger_over(&MemoryStore::new());
        let late = claimed(&ledger, "k", "a").await;
        tokio::time::sleep(CLAIMED_FOR - Duration::from_secs(1)).await;
        assert_eq!(ledger.enter("me", "k", &[b"a"]).await, Ok(Entry::Busy));
        tokio::time::sleep(CLAIMS_SHARE + Duration::from_secs(1)).await;
        let claim = claimed(&ledger, "k", "a").await;
        ledger.keep(&claim, &created()).await.unwrap();
        ledger.keep(&late, &Answer { status: StatusCode::OK, ..created() }).await.unwrap();
        assert_eq!(ledger.enter("me", "k", &[b"a"]).await, Ok(Entry::Done(created())));
    }

    #[tokio::test]
    async fn the_oldest_answer_goes_when_there_are_too_many() {
        let ledger = ledger_over(&MemoryStore::new());
        for n in 0..=ANSWERS_MAX {
            let claim = claimed(&ledger, &n.to_string(), "a").await;
            assert_eq!(ledger.keep(&claim, &created()).await, Ok(n == ANSWERS_MAX));
        }
        claimed(&ledger, "0", "a").await;
        assert_eq!(ledger.enter("me", "1", &[b"a"]).await, Ok(Entry::Done(created())));
    }

    #[tokio::test]
    async fn neither_keys_nor_answers_stand_in_the_store_in_clear() {
        let store = MemoryStore::new();
        let ledger = ledger_over(&store);
        let claim = claimed(&ledger, "order-7", "a").await;
        ledger.keep(&claim, &created()).await.unwrap();
        let (name, versioned) = store.list(key::ONCE).await.unwrap().entries.remove(0);
        let bytes = [name.as_bytes(), &versioned.value[..]].concat();
        for secret in ["order-7", "a peer token", "application/json"] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
    }

    async fn claimed(ledger: &Ledger, key: &str, asked: &str) -> Claim {
        match ledger.enter("me", key, &[asked.as_bytes()]).await {
            Ok(Entry::New(claim)) => claim,
            other => panic!("{other:?}"),
        }
    }

    fn ledger_over(store: &MemoryStore) -> Ledger {
        Ledger::new(Arc::new(store.clone()), &"0123456789abcdef0123456789abcdef".parse().unwrap())
    }

    fn created() -> Answer {
        let headers = [(HeaderName::from_static("content-type"), HeaderValue::from_static("application/json"))];
        let body = Bytes::from_static(b"a peer token");
        Answer { status: StatusCode::CREATED, headers: headers.into_iter().collect(), body }
    }
}
