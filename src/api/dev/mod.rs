//! The doors of `--dev`.

pub(in crate::api) mod receiver;

pub use receiver::{DEV_WEBHOOK_NAME, DEV_WEBHOOK_PATH, DEV_WEBHOOK_SECRET, Dev};
