//! L4, the doors that people and programs knock at: HTTP and WebSocket. Asynchronous; talks to a
//! worker through its one bounded queue and never reads a clock of its own.

mod address;
mod admin;
mod admission;
mod dev;
mod doors;
mod join;
mod limit;
mod listen;
mod openapi;
mod paging;
mod preflight;
mod problem;
mod recordings;
mod router;
mod sessions;
mod ws;

pub use admin::{Admin, admin_router};
pub use dev::{DEV_WEBHOOK_NAME, DEV_WEBHOOK_PATH, DEV_WEBHOOK_SECRET, Dev};
pub use doors::{Answer, Counters, Doors, Happening, Limits, Reply, ToWorker, WorkerDoor};
pub use limit::{Addresses, Rate};
pub use listen::{Listening, Tls, serve};
pub use preflight::{PreflightLimits, Preflighted, Preflights};
pub use recordings::{
    Answering, CHUNK_BYTES, File, Kept, Later, Piece, Progress, RecordingFilter, Recordings, Said,
    Standing,
};
pub use router::router;
pub use sessions::{Filter, Known, Ledger, Read, Request, Unreadable, Work, Write, lapse};
pub use ws::Sink;
