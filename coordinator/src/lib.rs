//! The front door: REST, peer sockets, placement of rooms on workers.
