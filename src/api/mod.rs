//! L4, the doors that people and programs knock at: HTTP and WebSocket. Asynchronous; talks to a
//! worker through its one bounded queue and never reads a clock of its own.

mod address;
mod admin;
mod caller;
mod dev;
mod events;
mod gate;
mod headers;
mod idempotency;
mod limits;
mod listen;
mod livekit;
mod locks;
mod lost_sessions;
mod openapi;
mod pages;
mod paging;
mod ports;
mod preflights;
mod problem;
mod reached;
mod recordings;
mod refusals;
mod router;
mod sessions;
mod site;
mod sockets;
mod state;
mod webhooks;
mod words;

pub use admin::{Admin, Reloaded, admin_router};
pub use dev::receiver::{DEV_WEBHOOK_NAME, DEV_WEBHOOK_PATH, DEV_WEBHOOK_SECRET, Dev};
pub use events::{ApiEvent, Counters, Crowded, Preflighted, Repeated};
pub use gate::{IsTrusted, Rules};
pub use limits::{Limits, PreflightLimits, Rate};
pub use listen::{Listener, Listening, Tls, serve};
pub use lost_sessions::LostSession;
pub use ports::clock::ReadClock;
pub use ports::ledger::{
    Answer, KeptAnswer, KeyFound, KeyLookup, Known, Ledger, REMEMBERED, Read, Replay, Request,
    SessionFilter, Unreadable, Within, Work, Write,
};
pub use ports::recordings::{
    Answering, CHUNK_BYTES, DeleteRefusal, FinishedFile, Later, MakingProgress, Piece,
    ReadProgress, RecordingFilter, Recordings, Standing, StatedConsent,
};
pub use ports::sink::Sink;
pub use ports::webhooks::{
    Configuration, Configured, DeadLetter, DeadLetterFilter, Enable, EndpointTally, Webhooks,
};
pub use ports::worker::{CommandAnswer, CommandReply, ToWorker, WorkerDoor, Workers};
pub use reached::base_of;
pub use router::router;
pub use site::Site;
pub use sockets::Sockets;
pub use state::{AppParts, AppState};
pub use webhooks::hooks::Hooks;
