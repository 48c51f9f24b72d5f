//! What the tests have in common.

mod client;
mod job;
mod served;

pub(crate) use client::{Answer, Client};
pub(crate) use job::Job;
pub(crate) use served::Served;
