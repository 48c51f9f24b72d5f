//! What a coordinator has counted since it started; the shell turns it into metrics.

/// Totals since the start, and a few present numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rooms placed for the first time.
    pub rooms_placed: u64,
    /// Rooms placed again because their worker was gone.
    pub rooms_moved: u64,
    /// Assignments that a worker refused or did not answer.
    pub assignments_failed: u64,
    /// Rooms that nobody could take.
    pub no_worker: u64,
    /// Writes that lost a race and were tried again.
    pub write_conflicts: u64,
    /// Writes given up.
    pub writes_lost: u64,
    /// Sessions closed because a message between coordinator and worker was lost.
    pub signal_gaps: u64,
    /// Messages of workers about sessions that are not here.
    pub signals_stray: u64,
    /// Announcements out of order, or of a worker too many.
    pub announcements_ignored: u64,
    /// Sockets closed because the same peer came by another one.
    pub takeovers: u64,
    /// Rooms and peers removed by their purge timeouts.
    pub purged: u64,
    /// Samples of workers that were one too many for the history.
    pub history_skipped: u64,
    /// Commands given up.
    pub commands_lost: u64,
    /// Workers that this coordinator declared dead.
    pub workers_declared_dead: u64,
    /// Peers disconnected because their coordinator was gone.
    pub orphans_disconnected: u64,
    /// Sessions taken over from coordinators that were gone.
    pub adoptions: u64,
    /// Rooms closed at workers that should not hold them any more.
    pub strays_closed: u64,
    /// Components that no gateway could take.
    pub no_gateway: u64,
    /// Components given to another gateway.
    pub jobs_moved: u64,
    /// Gateways that this coordinator declared dead.
    pub gateways_declared_dead: u64,
    /// Components removed because their room was gone.
    pub components_swept: u64,
    /// Whether this coordinator leads.
    pub leads: bool,
    /// Sockets of this coordinator now.
    pub sessions: u64,
    /// Sessions that wait for a worker now.
    pub sessions_opening: u64,
    /// Known workers now.
    pub workers: u64,
    /// Known rooms now.
    pub rooms: u64,
    /// Known peers now.
    pub peers: u64,
}
