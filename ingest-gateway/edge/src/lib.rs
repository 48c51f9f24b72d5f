//! The HTTP side of a broadcast.
//!
//! An [`Edge`] serves any room's stream. It fetches each object once, from the job that packages the stream here
//! ([`Question`]) or from the gateway that has that job, keeps it as long as it may be kept, and gives it to everybody
//! who asks. It knows neither rooms nor clusters: a [`Directory`] tells where a stream comes from.

#![warn(missing_docs)]

mod directory;
mod edge;
mod limits;
mod object;
mod question;
mod reason;

pub use directory::{Directory, Origin};
pub use edge::Edge;
pub use limits::Limits;
pub use object::{Content, Object};
pub use question::{Asked, Question};
pub use reason::Reason;
