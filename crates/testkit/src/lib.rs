//! What measurements need on both ends of a proxy: reading HTTP/1.1 messages off a blocking socket, and fixed replies.
//!
//! Standard library only, one thread per connection: at 16 connections on loopback nothing is cheaper, and the numbers
//! of a bench then belong to the proxy between the two ends. Not a general HTTP implementation: it reads what the
//! proxies under test send, and calls anything else an error.

pub mod histogram;
pub mod replies;
pub mod wire;
