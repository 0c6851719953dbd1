//! L4, the doors that people and programs knock at: HTTP and WebSocket. Asynchronous; talks to a
//! worker through its one bounded queue and never reads a clock of its own.

mod address;
mod admin;
mod dev;
mod doors;
mod join;
mod limit;
mod listen;
mod preflight;
mod router;
mod ws;

pub use admin::{Admin, admin_router};
pub use dev::{DEV_WEBHOOK_NAME, DEV_WEBHOOK_PATH, DEV_WEBHOOK_SECRET, Dev};
pub use doors::{Counters, Doors, Happening, Limits, ToWorker, WorkerDoor};
pub use limit::{Addresses, Rate};
pub use listen::{Listening, Tls, serve};
pub use preflight::{PreflightLimits, Preflighted, Preflights};
pub use router::router;
pub use ws::Sink;
