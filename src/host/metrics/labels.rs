//! All labels that occur.

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$why:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$why])* $variant,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[$name] = &[$($name::$variant,)+];
            /// All words on the page.
            pub(super) const WORDS: &[&str] = &[$($word,)+];

            /// The word on the page.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }
    )+};
}

labels! {
    /// To us or from us.
    Direction {
        /// To us.
        In = "in",
        /// From us.
        Out = "out",
    }

    /// What clients begin, and have to bring to an end.
    Expired {
        /// An announced track, which no section carried.
        Track = "track",
        /// A subscription to a track that did not come.
        Subscription = "subscription",
        /// An offer of ours, which was not answered.
        Offer = "offer",
    }

    /// Where a session stands that has not ended.
    LiveState {
        /// The two sides have not met.
        Waiting = "waiting",
        /// The billing clock runs.
        Live = "live",
        /// The billing clock stands.
        Paused = "paused",
    }

    /// What a video subscription gets.
    Layer {
        /// Nothing: its downlink does not carry it.
        Paused = "paused",
        /// Nothing flows: it is off, muted, or waits for a keyframe.
        Off = "off",
        /// The lowest layer.
        Low = "low",
        /// The middle layer.
        Medium = "medium",
        /// The best layer, or the only one.
        High = "high",
    }

    /// What keeps a video subscription from more.
    Limit {
        /// The publisher's link.
        Uplink = "uplink",
        /// The subscriber's link.
        Downlink = "downlink",
        /// The publisher sends no more.
        Source = "source",
        /// The subscriber asked for no more.
        Request = "request",
        /// The session's policy.
        Policy = "policy",
    }

    /// How the promised bandwidth stands.
    Floor {
        /// Too little is sent to know.
        Unproven = "unproven",
        /// It is there.
        Met = "met",
        /// Less, for a short while.
        Short = "short",
        /// Less, for long.
        Breached = "breached",
    }

    /// Why a packet was not forwarded to a subscriber.
    ForwardDrop {
        /// The subscriber cannot show anything before the next keyframe.
        AwaitingKeyframe = "awaiting_keyframe",
        /// The subscriber switched the track off.
        Disabled = "disabled",
        /// The layer was not allocated to this subscriber.
        NotAllocated = "not_allocated",
        /// The subscriber's transport is not up.
        NotConnected = "not_connected",
        /// The subscriber never agreed to this codec.
        NoCodec = "no_codec",
        /// The publisher announced no such track.
        NoTrack = "no_track",
        /// The subscriber was not heard for five seconds.
        Unheard = "unheard",
    }

    /// Why a datagram got no answer.
    DatagramDrop {
        /// STUN with a user name that nobody here has.
        UnknownUfrag = "unknown_ufrag",
        /// From an address that was never validated.
        UnknownAddress = "unknown_address",
        /// With a wrong integrity check or tag.
        Unauthenticated = "unauthenticated",
    }

    /// How an attempt to join ended.
    JoinOutcome {
        /// In the room.
        Ok = "ok",
        /// The token was refused (401).
        Unauthorized = "unauthorized",
        /// The request was malformed (400).
        BadRequest = "bad_request",
        /// The session's rules refuse it: its window, its size, its floor (403).
        Forbidden = "forbidden",
        /// The room is full.
        Full = "full",
        /// The node has reached a limit, or stops.
        Unavailable = "unavailable",
        /// Too many from one address.
        RateLimited = "rate_limited",
        /// Anything else.
        Failed = "failed",
    }

    /// How a measurement before a join ended.
    PreflightOutcome {
        /// Both floors are reached.
        Passed = "passed",
        /// One is not.
        Below = "below",
        /// It could not be measured.
        Failed = "failed",
        /// It did not begin.
        Refused = "refused",
    }

    /// What became of an idempotency key that was not simply taken.
    RepeatOutcome {
        /// It got the first answer.
        Answered = "answered",
        /// The first request was under way.
        UnderWay = "under_way",
        /// It was used with another request.
        OtherRequest = "other_request",
        /// Too many are kept.
        TooMany = "too_many",
    }

    /// Which limit a socket was refused by.
    SocketRefusal {
        /// That of one address.
        Address = "address",
        /// That of the node.
        Node = "node",
    }

    /// Why a WebSocket was closed for what came over it.
    SignalError {
        /// No frame of the protocol.
        Malformed = "malformed",
        /// A frame that is too long.
        TooLong = "too_long",
        /// Too many messages.
        RateLimited = "rate_limited",
        /// The client did not read.
        SlowReader = "slow_reader",
        /// The client was silent.
        Timeout = "timeout",
        /// Something that the participant may not do.
        NotAllowed = "not_allowed",
    }

    /// How one attempt to deliver a webhook ended.
    DeliveryOutcome {
        /// 2xx.
        Ok = "ok",
        /// 3xx, never followed.
        Redirect = "redirect",
        /// 4xx.
        ClientError = "client_error",
        /// 5xx.
        ServerError = "server_error",
        /// No answer in time.
        Timeout = "timeout",
        /// No connection, bad TLS, a broken answer.
        Network = "network",
        /// Not tried: the host is not on the public Internet.
        Refused = "refused",
    }

    /// How a recording stands that is not deleted.
    RecordingState {
        /// Someone is recorded.
        Recording = "recording",
        /// Its session runs, and nobody is recorded now.
        Stopped = "stopped",
        /// Its files are in the making.
        Finishing = "finishing",
        /// Its files may be fetched.
        Ready = "ready",
        /// It could not go on, or could not be finished: an alarm.
        Failed = "failed",
    }

    /// How a recording ended.
    RecordingOutcome {
        /// Its files may be fetched.
        Ready = "ready",
        /// It could not go on, or could not be finished.
        Failed = "failed",
        /// Its files are gone.
        Deleted = "deleted",
    }

    /// Why something is missing in a recording.
    RecordingDrop {
        /// A packet of someone who did not consent.
        NoConsent = "no_consent",
        /// A packet that came after its place was given up.
        Late = "late",
        /// A packet that never came.
        Lost = "lost",
        /// A packet whose payload made no sense.
        Malformed = "malformed",
        /// A frame that is damaged, or wants a keyframe.
        Frame = "frame",
        /// A recording was cut short: the disk is too slow.
        DiskSlow = "disk_slow",
        /// A recording was cut short: the disk is full or broken.
        DiskFailed = "disk_failed",
    }

    /// Why a client's data packet went nowhere.
    DataRefusal {
        /// Decoders would not agree on it.
        Malformed = "malformed",
        /// Its topic looks like one of the server's.
        Topic = "topic",
        /// It speaks for somebody else.
        Impersonation = "impersonation",
        /// Its sender may send none.
        NotAllowed = "not_allowed",
        /// It is larger than a client may send.
        TooLarge = "too_large",
    }

    /// What a full queue of reliable data has led to.
    DataWait {
        /// Whoever sends more waits.
        SenderPaused = "sender_paused",
        /// The receiver takes too little, and is told to join anew.
        ReceiverStalled = "receiver_stalled",
    }

    /// A bounded queue that drops when it is full.
    Queue {
        /// Data packets to a client.
        Data = "data",
        /// Messages to a client.
        Signal = "signal",
        /// Appends to the ledger.
        Ledger = "ledger",
        /// Datagrams to the socket.
        Udp = "udp",
    }
}
