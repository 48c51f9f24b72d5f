//! What a service is given, and does not choose.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use velella_bus::Bus;
use velella_store::Store;

use crate::process::Process;
use crate::{Inquiries, Readiness};

/// The outside of a service. Cloning shares it.
#[derive(Clone)]
pub struct Deps {
    /// The bus between processes.
    pub bus: Arc<dyn Bus>,
    /// The truth.
    pub store: Arc<dyn Store>,
    /// Where metrics are registered.
    pub registry: prometheus::Registry,
    /// Where the admin port is bound, if there is one: it refuses connections once the process is gone.
    pub admin: Option<SocketAddr>,
    /// What must happen before the process counts as ready.
    pub readiness: Readiness,
    /// Questions that come in by the admin port.
    pub inquiries: Inquiries,
    /// Cancelled when the process shall end.
    pub shutdown: CancellationToken,
}

impl Deps {
    /// A process's own things and the adapters that its `main` chose.
    pub fn new(bus: Arc<dyn Bus>, store: Arc<dyn Store>, process: Process) -> Self {
        let Process { registry, admin, readiness, inquiries, shutdown } = process;
        Self { bus, store, registry, admin, readiness, inquiries, shutdown }
    }
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}
