//! The shell of the SFU: UDP, shard threads, announcements, commands.
