//! How a store is opened.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::UnixMillis;

use crate::keys::KeyProvider;
use crate::port::FilePort;

/// The wall clock.
pub type Clock = Arc<dyn Fn() -> UnixMillis + Send + Sync>;

/// Options of [`crate::Store::open`]; the default is right for a gate.
#[derive(Clone)]
pub struct Options {
    /// Where keys come from; `None`: the files in `DIR/keys`.
    pub keys: Option<Arc<dyn KeyProvider>>,
    /// What the log is written to; `None`: the files in `DIR/log`.
    pub port: Option<Arc<dyn FilePort>>,
    /// The wall clock.
    pub clock: Clock,
    /// Free bytes below which only acts of administration, and outcomes of what has happened, are recorded.
    pub reserve: u64,
    /// Entries that may wait for the writer; who comes later waits for room.
    pub queue: usize,
    /// Time between two checkpoints.
    pub seal_every: Duration,
    /// The gate's version, for the entry of the start.
    pub version: String,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Options").field("reserve", &self.reserve).field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keys: None,
            port: None,
            clock: Arc::new(system_time),
            reserve: 64 * 1024 * 1024,
            queue: 4096,
            seal_every: Duration::from_millis(300),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn system_time() -> UnixMillis {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}
