//! Recordings on real disks, in a real bucket, torn off and read back by ffmpeg.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod bucket;
mod crash;
mod disk;
mod finished;
mod keeper;
mod retention;
mod room;
mod server;
