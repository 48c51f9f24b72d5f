//! Whole dialogues with a coordinator: input → exact outputs.

mod agents;
mod edits;
mod history;
mod joining;
mod placing;
mod removal;
mod signalling;
mod telling;
mod world;
