//! Tool servers over stdio as upstreams.
//!
//! One side is MCP's Streamable HTTP on a free loopback port, for whoever holds the token of 256 bits that is made at the start and
//! is written nowhere. The other side is a process per session, or one for all messages of the revision without sessions, that
//! speaks MCP's stdio transport: a message is a line.
//!
//! Ids and progress tokens are the bridge's own towards a process, so that two callers of one process cannot hear each other. What a
//! server asks of a client is answered here: `ping` with an empty result, everything else with an error, for the gate passes none on.
//!
//! This crate decides nothing and knows no policy, no gate and no sandbox: it is told which program to start.

mod answer;
mod line;
mod message;
mod serve;
mod server;
mod table;

use std::time::Duration;

pub use message::{Fault, Heard, heard, with};
pub use serve::Bridge;

/// How a server is started: a program that tells on its standard error, one JSON object a line, what happens to it (see
/// `portcullis exec --json`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
}

/// What a bridge is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How a server is started.
    pub start: Start,
    /// Most processes at the same time.
    pub children: usize,
    /// How long a session that nobody uses stays.
    pub idle: Duration,
    /// Longest message in bytes, both ways.
    pub message_bytes: usize,
    /// Longest time until a server says something about a call.
    pub call: Duration,
    /// How long a process may take to end when its input has ended; then it is ended.
    pub grace: Duration,
    /// What else has to be the same for a bridge to be the same, such as the content of files that the program reads.
    pub mark: String,
}
