//! Streams as their viewers see them.
//!
//! [`world`] makes sources and their clock, [`parse`] reads playlists back, without anything of what writes them, and
//! [`laws`] says what has to hold of a playlist and from one reload to the next, whatever happens.

mod answers;
mod goldens;
mod laws;
mod parse;
mod stories;
mod weather;
mod world;
