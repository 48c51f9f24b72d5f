//! Whole dialogues with a coordinator: input → exact outputs.

mod joining;
mod placing;
mod removal;
mod signalling;
mod world;
