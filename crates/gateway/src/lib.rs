//! HTTP adapters: model APIs in, upstreams out, administration.
//!
//! This crate translates. It decides nothing (that is `policy`, asked by `engine`), keeps nothing on disk (that is `store`)
//! and has no way to send or to release bytes but those that the engine's proof types own.

pub mod a2a;
pub mod access;
pub mod admin;
pub mod announced;
pub mod client;
pub mod connect;
pub mod dialect;
pub mod forwarded;
pub mod framing;
mod health;
pub mod inflate;
pub mod issuers;
pub mod mcp;
pub mod metrics;
pub mod oauth;
pub mod outgoing;
pub mod protocols;
pub mod screen;
pub mod server;
pub mod sse;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod upstream;
pub mod web;
pub mod webhook;
mod workers;
