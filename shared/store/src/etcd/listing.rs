//! Everything under a prefix, page by page at one revision.

use etcd_client::{Client, Error, GetOptions, GetResponse};

use super::fault::is_compacted;
use super::members::Members;
use super::{revision, versioned};
use crate::{Listing, Revision, StoreError, VALUE_BYTES_MAX};

/// Keys in one answer.
const PAGE_KEYS_MAX: i64 = 500;

/// The largest answer: as many keys, each as large as it may be.
const PAGE_BYTES_MAX: usize = 500 * (VALUE_BYTES_MAX + 64 * 1024);

/// Beginnings, when the revision of the first page is forgotten before the last page is read.
const STARTS_MAX: usize = 3;

pub(super) async fn list(members: &Members, prefix: &str) -> Result<Listing, StoreError> {
    for _ in 0..STARTS_MAX {
        if let Some(listing) = list_once(members, prefix, None).await? {
            return Ok(listing);
        }
    }
    Err(StoreError::Down(format!("etcd compacts faster than {prefix} can be listed")))
}

/// As of an earlier revision.
pub(super) async fn list_at(members: &Members, prefix: &str, at: Revision) -> Result<Listing, StoreError> {
    list_once(members, prefix, Some(at)).await?.ok_or(StoreError::Compacted(at))
}

/// As of `at`, or of the first page; `None` when that revision is forgotten.
async fn list_once(members: &Members, prefix: &str, at: Option<Revision>) -> Result<Option<Listing>, StoreError> {
    let (mut from, end) = range(prefix);
    let mut listing: Option<Listing> = None;
    loop {
        let mut options = GetOptions::new().with_range(end.clone()).with_limit(PAGE_KEYS_MAX);
        if let Some(at) = listing.as_ref().map(|listing| listing.revision).or(at) {
            options = options.with_revision(super::signed(at));
        }
        let Some(page) = members.call(|client| page(client, from.clone(), options.clone())).await? else {
            return Ok(None);
        };
        let listing_so_far = listing.get_or_insert_with(|| Listing {
            // The header tells the newest revision, whichever was asked for.
            revision: at.unwrap_or_else(|| revision(page.header().map_or(0, |header| header.revision()))),
            ..Listing::default()
        });
        for entry in page.kvs() {
            match entry.key_str() {
                Ok(key) => listing_so_far.entries.push((key.to_owned(), versioned(entry))),
                Err(error) => tracing::warn!(%error, prefix, "a key of somebody else"),
            }
        }
        match page.kvs().last() {
            // The smallest key behind the last one.
            Some(last) if page.more() => from = [last.key(), &[0]].concat(),
            Some(_) | None => return Ok(listing),
        }
    }
}

async fn page(client: Client, from: Vec<u8>, options: GetOptions) -> Result<Option<GetResponse>, Error> {
    let mut kv = client.kv_client().max_decoding_message_size(PAGE_BYTES_MAX);
    match kv.get(from, Some(options)).await {
        Ok(page) => Ok(Some(page)),
        Err(error) if is_compacted(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first key and the end of those that start with `prefix`, as etcd spells ranges.
fn range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.as_bytes().to_vec();
    match end.last_mut() {
        // No byte of UTF-8 is the largest one.
        Some(last) => *last += 1,
        None => return (vec![0], vec![0]),
    }
    (prefix.as_bytes().to_vec(), end)
}
