//! The HTTP side of a broadcast.
//!
//! An [`Edge`] serves any room's stream. It fetches each object once, from the job that packages the stream here
//! ([`Question`]) or from the gateway that has that job, keeps it as long as it may be kept, and gives it to everybody
//! who asks. It knows neither rooms nor clusters: a [`Directory`] tells where a stream comes from.

#![warn(missing_docs)]

mod body;
mod cache;
mod connection;
mod directory;
mod edge;
mod fetch;
mod held;
mod limits;
mod metrics;
mod object;
mod pace;
mod pass;
mod question;
mod range;
mod reason;
mod remote;
mod response;
mod service;
mod wish;

pub use directory::{Directory, Origin};
pub use edge::Edge;
pub use limits::Limits;
pub use object::{Content, Object};
pub use pass::{NoPass, Passes};
pub use question::{Asked, Question};
pub use reason::Reason;
