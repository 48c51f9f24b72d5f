//! Which worker serves a room, and what happens to rooms and peers: pure.
