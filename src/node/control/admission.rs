//! What the node has to give, and why it gives no more.

/// Why a join is not let in: 503 with this text, 403 for a full room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node is shutting down.
    #[error("this node is shutting down and takes no new sessions; try another node")]
    Draining,
    /// As many sessions as configured.
    #[error("this node runs as many sessions as it may (limits.max_sessions); try again later")]
    Full,
    /// The ledger cannot be written.
    #[error(transparent)]
    Ledger(#[from] LedgerTrouble),
    /// The promised bandwidth is given away.
    #[error(
        "this node has promised its bandwidth to running sessions: {needed_bps} bit/s are needed, \
         {reserved_bps} of {capacity_bps} bit/s are reserved, {free_bps} are free \
         (node.egress_bps); try again when a session has ended, or another node"
    )]
    Reserved {
        /// What the join needs.
        needed_bps: u64,
        /// What is promised.
        reserved_bps: u64,
        /// What there is.
        capacity_bps: u64,
        /// What is left.
        free_bps: u64,
    },
    /// The machine is busy.
    #[error(
        "this node is busy: it used {short} % of its cores in the last seconds and {long} % in the \
         last minute, {most} % are allowed for new sessions (node.max_cpu); try again later"
    )]
    Busy {
        /// Of the last seconds.
        short: u8,
        /// Of the last minute.
        long: u8,
        /// What is allowed.
        most: u8,
    },
    /// As many participants as the policy allows.
    #[error("the room is full: the session's policy allows {most} participants at once")]
    RoomFull {
        /// How many.
        most: usize,
    },
}

/// Why the ledger takes no new sessions; those that run go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerTrouble {
    /// Its disk is full.
    #[error("the ledger's disk is full: no new sessions until there is room; running ones go on")]
    Full,
    /// Another process has locked the file.
    #[error(
        "another process has locked the ledger: no new sessions until it lets go; running ones go on"
    )]
    Locked,
    /// What lies there is not what was written.
    #[error("the ledger is damaged: no new sessions; running ones go on; see the node's log")]
    Damaged,
}

/// What a node may take on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Sessions at once.
    pub max_sessions: usize,
    /// Bits a second to clients; 0: not limited.
    pub egress_bps: u64,
    /// Percent of all cores above which no session starts.
    pub max_cpu: u8,
}

/// Percent of all cores that this process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Average of some seconds.
    pub short: u8,
    /// Average of a minute.
    pub long: u8,
}

/// What is promised, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Bits a second that are promised.
    pub egress_bps: u64,
    /// Bits a second that there are; 0: not limited.
    pub capacity_bps: u64,
    /// How busy the node is.
    pub cpu: Cpu,
    /// Sessions that are booked and have not begun.
    pub bookings: u64,
}

impl Capacity {
    /// Whether so much more can be promised beside what is.
    pub(in crate::node) const fn admits(
        self,
        needed_bps: u64,
        reserved_bps: u64,
    ) -> Result<(), Refusal> {
        let free_bps = self.egress_bps.saturating_sub(reserved_bps);
        if self.egress_bps == 0 || needed_bps <= free_bps {
            return Ok(());
        }
        Err(Refusal::Reserved {
            needed_bps,
            reserved_bps,
            capacity_bps: self.egress_bps,
            free_bps,
        })
    }

    /// Whether a session may start on a node that is so busy. Both averages must be above: a short
    /// burst refuses nobody, and when a long one is over the next session is let in at once.
    pub(in crate::node) const fn stands(self, cpu: Cpu) -> Result<(), Refusal> {
        if cpu.short <= self.max_cpu || cpu.long <= self.max_cpu {
            return Ok(());
        }
        Err(Refusal::Busy {
            short: cpu.short,
            long: cpu.long,
            most: self.max_cpu,
        })
    }
}
