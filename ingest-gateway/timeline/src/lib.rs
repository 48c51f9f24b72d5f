//! The clocks of senders onto one time line that all tracks of a room share.
//!
//! A packet tells its time on the clock of its track, which starts anywhere and runs a little fast or slow. Sender
//! reports (RFC 3550, 6.4.1) tie the clocks of one sender's tracks together. A [`SenderClock`] makes of both the moment
//! of capture on the receiver's clock, so that sound and picture of a sender stay together for hours, and rooms of many
//! senders stay in order.
//!
//! The NTP times of reports are compared with each other only: whether a sender's wall clock is right does not matter.

#![warn(missing_docs)]

mod delay_floor;
mod reports;
mod sender;
mod track;
mod unwrapped;

pub use reports::Report;
pub use sender::{SenderClock, TrackKey};
pub use track::{Placed, Stats};
