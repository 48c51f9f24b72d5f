//! A bucket of S3, or of a server that speaks it.

use std::fmt;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use velella_ops::Secret;
use velella_recording::RecordingId;

/// A server that does not answer a part for so long has lost it: 8 MiB over half a megabit a second.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A short hiccup of the server is none of the uploader's; longer ones wait between uploads.
const RETRIES_MAX: usize = 3;
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(2);
/// Longer than one request may take, so that one that timed out is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(180);

/// Which bucket, and as whom.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    /// Its name.
    pub bucket: String,
    /// Where it is, for example `eu-central-1`; servers of other makers mostly take any.
    pub region: String,
    /// The URL of a server that is not Amazon's.
    pub endpoint: Option<String>,
    /// Who uploads.
    pub access_key_id: String,
    /// … and proves it.
    pub secret_access_key: Secret,
    /// In front of the names of all objects; may be empty.
    pub prefix: String,
}

/// A bucket that can be uploaded to.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) store: AmazonS3,
    /// Tells it from another one.
    pub(crate) name: String,
    prefix: Path,
}

impl Bucket {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the endpoint or the prefix is none.
    pub fn new(config: &BucketConfig) -> Result<Self, BucketError> {
        let prefix = Path::parse(&config.prefix).map_err(|error| BucketError(error.to_string()))?;
        let client = ClientOptions::new()
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_content_type_for_suffix("mp4", "video/mp4")
            .with_content_type_for_suffix("m3u8", "application/vnd.apple.mpegurl");
        let backoff = BackoffConfig { init_backoff: RETRY_WAIT_MIN, max_backoff: RETRY_WAIT_MAX, base: 2.0 };
        let retry = RetryConfig { backoff, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retry)
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(config.secret_access_key.expose());
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| BucketError(error.to_string()))?;
        let endpoint = config.endpoint.as_deref().unwrap_or(&config.region);
        Ok(Self { store, name: format!("{endpoint}/{}/{prefix}", config.bucket), prefix })
    }

    pub(crate) fn key(&self, id: &RecordingId, file: &str) -> Path {
        self.prefix.clone().join(id.to_string()).join(file)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.name).finish()
    }
}

/// The config describes no bucket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("recordings cannot be uploaded: {0}")]
pub struct BucketError(String);
