//! L4, the doors that people and programs knock at: HTTP and WebSocket. Asynchronous; talks to a
//! worker through its one bounded queue and never reads a clock of its own.

mod address;
mod admin;
mod caller;
mod dev;
mod limits;
mod listen;
mod livekit;
mod openapi;
mod paging;
mod ports;
mod preflights;
mod problem;
mod recordings;
mod router;
mod sessions;
mod state;
mod words;

pub use admin::{Admin, admin_router};
pub use dev::{DEV_WEBHOOK_NAME, DEV_WEBHOOK_PATH, DEV_WEBHOOK_SECRET, Dev};
pub use limits::{Addresses, Rate};
pub use listen::{Listening, Tls, serve};
pub use livekit::Sink;
pub use ports::ledger::{Filter, Known, Ledger, Read, Request, Unreadable, Work, Write};
pub use ports::recordings::{
    Answering, CHUNK_BYTES, File, Filter as RecordingFilter, Kept, Later, Piece, Progress,
    Recordings, Said, Standing,
};
pub use preflights::{PreflightLimits, Preflighted, Preflights};
pub use router::router;
pub use sessions::expire;
pub use state::{Answer, Counters, Doors, Happening, Limits, Reply, ToWorker, WorkerDoor};
