//! The doors of `--dev`.

pub(in crate::api) mod receiver;
