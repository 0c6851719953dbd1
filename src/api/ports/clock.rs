//! The clocks, as the host reads them.

use crate::base::Now;
use std::sync::Arc;

/// Reads both clocks.
pub type ReadClock = Arc<dyn Fn() -> Now + Send + Sync>;
