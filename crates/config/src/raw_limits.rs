//! Bounds as they are written, with their defaults and their widest values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds of one interaction and of the gate. Exceeding one is a refusal, never a silent cut.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Longest request body, in bytes.
    #[schemars(range(min = 1024, max = 268_435_456))]
    pub(crate) body_bytes: u64,
    /// Longest head of a request (request line and headers), in bytes.
    #[schemars(range(min = 1024, max = 65536))]
    pub(crate) header_bytes: u64,
    /// Most headers in a request.
    #[schemars(range(min = 8, max = 256))]
    pub(crate) headers: u64,
    /// Deepest nesting of JSON, both ways.
    #[schemars(range(min = 8, max = 128))]
    pub(crate) depth: u64,
    /// Most values in one JSON document, both ways.
    #[schemars(range(min = 100, max = 5_000_000))]
    pub(crate) nodes: u64,
    /// Most interactions at once; one more is refused.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) concurrent: u64,
    /// Most open connections; one more waits.
    #[schemars(range(min = 1, max = 200_000))]
    pub(crate) connections: u64,
    /// Longest answer that is not a stream, in bytes.
    #[schemars(range(min = 1024, max = 268_435_456))]
    pub(crate) answer_bytes: u64,
    /// Longest stream, in bytes.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub(crate) stream_bytes: u64,
    /// Longest event of a stream, in bytes.
    #[schemars(range(min = 1024, max = 16_777_216))]
    pub(crate) event_bytes: u64,
    /// Most bytes of a stream that are held back while a scanner is undecided; above it the stream is cut.
    #[schemars(range(min = 65536, max = 67_108_864))]
    pub(crate) held_bytes: u64,
    /// Most TLS handshakes at once on one port; for one more, the oldest is given up.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) handshakes: u64,
    /// Longest time for a TLS handshake, in seconds.
    #[schemars(range(min = 1, max = 300))]
    pub(crate) handshake_seconds: u64,
    /// Longest time for a request's head to arrive, in seconds.
    #[schemars(range(min = 1, max = 300))]
    pub(crate) head_seconds: u64,
    /// Longest time for a request's body to arrive, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) body_seconds: u64,
    /// Longest wait for the first byte of an upstream's answer, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) first_byte_seconds: u64,
    /// Longest silence in the middle of an upstream's answer, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) idle_seconds: u64,
    /// Longest whole answer, in seconds.
    #[schemars(range(min = 1, max = 86400))]
    pub(crate) stream_seconds: u64,
    /// Longest wait for a client that does not read its answer, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) client_seconds: u64,
    /// Longest time that running interactions get when the gate stops, in seconds.
    #[schemars(range(min = 0, max = 3600))]
    pub(crate) drain_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 << 20,
            header_bytes: 32 << 10,
            headers: 100,
            depth: 64,
            nodes: 200_000,
            concurrent: 1024,
            connections: 4096,
            answer_bytes: 16 << 20,
            stream_bytes: 64 << 20,
            event_bytes: 1 << 20,
            held_bytes: 1 << 20,
            handshakes: 1024,
            handshake_seconds: 10,
            head_seconds: 10,
            body_seconds: 60,
            first_byte_seconds: 300,
            idle_seconds: 120,
            stream_seconds: 1800,
            client_seconds: 30,
            drain_seconds: 30,
        }
    }
}

/// The evidence log.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Evidence {
    /// Longest time that accepted entries wait for each other before they are made durable together, in milliseconds.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) fsync_ms: u64,
    /// Most bytes of content kept per entry; what is longer is kept cut, and the entry says so.
    #[schemars(range(min = 0, max = 16_777_216))]
    pub(crate) content_cap: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self { fsync_ms: 2, content_cap: 64 << 10 }
    }
}

/// How long the gate keeps what it has recorded. Headers, hashes and proofs of the log stay for ever.
#[derive(Deserialize, Serialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// How long the encrypted content of calls can be read, as a number of days such as `30d`, at most `36500d`. Its keys are
    /// then destroyed, at most an eighth of that time (rounded up to days) and a day later. Without it content is kept until its
    /// subject is erased.
    pub(crate) content: Option<String>,
}
