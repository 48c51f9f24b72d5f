//! What the driver tells a job.

use std::net::SocketAddr;

use velella_model::record::Subscriptions;
use velella_model::wire::command::Assignment;
use velella_model::wire::signal::ToHolder;
use velella_model::{Incarnation, WorkerId};

/// Letters to one job; signals of its worker, mostly.
pub(crate) const MAIL_MAX: usize = 256;

/// What the driver tells a job.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Its room lives there; nowhere while it is being placed.
    Homed(Option<Lodging>),
    /// Whether somebody is there to see it.
    Wanted(bool),
    /// Whom it receives of, from now on.
    Chosen(Subscriptions),
    /// Its worker said something.
    Said(ToHolder),
}

/// Where a room lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lodging {
    pub(crate) worker: WorkerId,
    pub(crate) incarnation: Incarnation,
    pub(crate) assignment: Assignment,
    /// Of the worker.
    pub(crate) endpoint: Option<SocketAddr>,
}
