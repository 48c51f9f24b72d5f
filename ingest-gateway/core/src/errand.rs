//! What the shell does for a session at a worker, whichever way media goes on it.

use velella_model::wire::command::{OpenSession, Order};
use velella_model::wire::signal::ToWorker;
use velella_model::{Incarnation, SessionId, WorkerId};

use crate::leg::Packet;

/// One of these.
#[derive(Debug)]
pub enum Errand {
    /// Ask the worker for a session; answer with `Opened`.
    Open {
        /// Which.
        session: SessionId,
        /// Whom.
        worker: WorkerId,
        /// Its boot.
        incarnation: Incarnation,
        /// What to ask.
        order: Box<OpenSession>,
    },
    /// Tell the worker that a session is over; no answer is needed.
    Close {
        /// Whom.
        worker: WorkerId,
        /// Its boot.
        incarnation: Incarnation,
        /// What to tell.
        order: Order,
    },
    /// Publish a signal.
    Signal {
        /// To whom.
        worker: WorkerId,
        /// What.
        message: ToWorker,
    },
    /// Send a datagram.
    Send(Packet),
}
