//! The path of one interaction, over ports.
//!
//! [`interaction()`] reads top to bottom: admit, understand, inspect, label, decide, record, act, inspect, label, release,
//! record the outcome. Each stage that proves something returns a type that owns what it proves and that only its own
//! module can make: [`Identified`], [`Inspected`], [`Permit`], [`Recorded`], [`Released`].
//!
//! This crate knows no runtime, no socket, no file and no clock but its ports; it spawns nothing. Whatever decides is a
//! synchronous function or a push machine.

mod access;
mod account;
mod act;
mod admit;
mod approval;
mod asked;
mod connecting;
mod counted;
mod decide;
mod endorsed;
mod event;
mod guard;
mod inspection;
mod interaction;
mod joined;
mod label;
mod lending;
mod meet;
mod models;
mod oauth;
mod origins;
pub mod ports;
mod record;
mod release;
mod remote;
mod respond;
mod scopes;
mod seams;
mod seen;
mod snapshot;
mod stored;
mod streams;
mod tools;
mod verified;

pub use access::{answer_questions, claims, publish_access, request_access, search};
pub use act::Attempt;
pub use admit::Identified;
pub use asked::{ClientMode, ClientTool, ClientTools, RefusedCall, Trial, trial};
pub use connecting::connect;
pub use counted::{Counts, rows};
pub use decide::{Judgement, Permit};
pub use event::{Event, Facts, Timings};
pub use inspection::Inspected;
pub use interaction::{interaction, list_models, show_model, turn_away};
pub use oauth::{Base, Endpoint, MAIN, Opening, Publication, RESOURCE_METADATA, is_here, issuer, path_of, publish_resource};
pub use origins::Origins;
pub use record::Recorded;
pub use release::Released;
pub use scopes::ServerScopes;
pub use snapshot::{
    Budgets, Candour, Document, DocumentPlace, Limits, Member, Members, Off, RemoteAgent, Route, Scanning, Server, Snapshot,
};
pub use streams::Sessions;
pub use verified::VerifiedTokens;
