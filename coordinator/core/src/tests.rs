//! Whole dialogues with a coordinator: input → exact outputs.

mod adoption;
mod agents;
mod broadcasts;
mod components;
mod edits;
mod failover;
mod handover;
mod history;
mod joining;
mod offers;
mod placing;
mod removal;
mod signalling;
mod steering;
mod telling;
mod world;
