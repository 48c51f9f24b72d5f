//! Bugs that can be planted, to see that each oracle finds what it looks for.

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Workers that lost their key go on admitting people.
    NoFence,
    /// Workers do not look after their rooms between two claims of their key.
    NoAudit,
    /// The store ignores what writes expect.
    NoCompare,
    /// The store loses the record of a room now and then.
    Forgetful,
    /// Deleted rooms are written once more by a replayed write.
    Replay,
    /// `CloseRoom` is never sent, and workers do not tell what they hold.
    NoCloses,
    /// `CloseRoom` is never carried out, and watches do not show rooms that moved.
    Unmoved,
    /// Nobody tells coordinators that they lead.
    NoLeader,
    /// Signals of workers are lost.
    Mute,
    /// Watches do not show cordons.
    DeafToCordons,
    /// Workers that lost their key do not announce themselves.
    Shy,
    /// Gateways go on with what was given to others.
    Unstopped,
    /// Operators go on moving rooms when all should be quiet.
    Restless,
}
