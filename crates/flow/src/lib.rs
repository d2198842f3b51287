//! Labels of running tasks: grow-only ledgers and their effective label; pure.
//!
//! A ledger is a set of observations. The effective label is a pure function of the set, so copies of a ledger can be merged
//! in any order. Nothing is ever taken out; at a bound a ledger collapses upwards: taint stays, grounding is lost.
//!
//! This crate does not decide, reads no clock and keeps nothing on disk.

mod ledger;

pub use ledger::{Ledger, MAX_OBSERVATIONS, Observation};
