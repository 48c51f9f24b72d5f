//! What an error of etcd means to a caller.

use std::error::Error;

use etcd_client::Error as Fault;
use tonic::{Code, ConnectError, Status};

use crate::StoreError;

/// Parts of messages about a login that come with other codes.
const LOGIN: [&str; 3] = ["authentication failed", "authentication is not enabled", "user name is empty"];

/// As callers see it.
pub(super) fn fault(error: &Fault) -> StoreError {
    match error {
        Fault::GRpcStatus(status) => of_status(status),
        Fault::LeaseKeepAliveError(_) => StoreError::LeaseGone,
        Fault::InvalidArgs(_) | Fault::InvalidUri(_) | Fault::InvalidMetadataValue(_) => {
            StoreError::Denied(error.to_string())
        }
        Fault::IoError(_)
        | Fault::TransportError(_)
        | Fault::WatchError(_)
        | Fault::Utf8Error(_)
        | Fault::ElectError(_)
        | Fault::EndpointError(_)
        | Fault::EndpointsNotManaged
        | Fault::Internal(_) => StoreError::Down(error.to_string()),
    }
}

/// The messages are part of etcd's interface (`api/v3rpc/rpctypes/error.go`).
fn of_status(status: &Status) -> StoreError {
    let says = |code: Code, part: &str| status.code() == code && status.message().contains(part);
    if says(Code::NotFound, "requested lease not found") {
        StoreError::LeaseGone
    } else if says(Code::ResourceExhausted, "database space exceeded") {
        StoreError::Full
    } else if is_denial(status) {
        StoreError::Denied(status.message().to_owned())
    } else {
        StoreError::Down(deepest(status))
    }
}

fn is_denial(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
        || LOGIN.iter().any(|part| status.message().contains(part))
}

/// Whether etcd cannot have seen the call.
pub(super) fn never_sent(error: &Fault) -> bool {
    let Fault::GRpcStatus(status) = error else { return false };
    causes(status).any(|cause| cause.is::<ConnectError>())
}

/// Whether the revision that was asked for is forgotten, or has not come yet.
pub(super) fn is_compacted(error: &Fault) -> bool {
    let unknown = |message: &str| message.contains("compacted") || message.contains("future revision");
    matches!(error, Fault::GRpcStatus(status) if status.code() == Code::OutOfRange && unknown(status.message()))
}

/// Whether an answer was over the limit of this client.
pub(super) fn is_too_long(error: &Fault) -> bool {
    matches!(error, Fault::GRpcStatus(status)
        if status.code() == Code::OutOfRange && status.message().contains("decoded message length too large"))
}

/// The status and what lies beneath: `transport error` alone helps nobody.
fn deepest(status: &Status) -> String {
    match causes(status).last() {
        Some(cause) => format!("{}: {cause}", status.message()),
        None => status.message().to_owned(),
    }
}

fn causes<'a>(status: &'a Status) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(status.source(), |cause: &&'a (dyn Error + 'static)| (**cause).source())
}
