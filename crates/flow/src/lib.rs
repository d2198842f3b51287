//! Labels of running tasks, and where the values of a call come from; pure.
//!
//! A [`Ledger`] is a set of observations and of named acts. The effective label is a pure function of the set, so copies of a
//! ledger can be merged in any order. Nothing is ever taken out; at a bound a ledger collapses upwards: taint stays, grounding
//! is lost. [`Ledgers`] keeps one per task, bounded as well.
//!
//! # Join before release
//!
//! What an answer carries must be in the ledger before its first byte is released, and a later decision reads at or after that
//! version. The order of calls is therefore: read, decide, act, observe, release.
//!
//! ```
//! use flow::Ledgers;
//! use model::{Label, Level, Name, UnixMillis};
//!
//! # fn main() -> Result<(), model::IdError> {
//! let mut ledgers = Ledgers::new(100_000);
//! let task = Name::new("pk_7f3a")?;
//! let (label, read_at) = ledgers.effective(&task); // what the decision sees, and records
//! assert_eq!((label, read_at), (Label::default(), 0));
//! let learned = Label { level: Level::Confidential, ..Label::default() };
//! let written_at = ledgers.observe(&task, "model:large", &learned, Some(UnixMillis(1_795_000_000_000)));
//! // Only now may the first byte leave. Whatever is decided from here on sees it:
//! let (label, read_at) = ledgers.effective(&task);
//! assert!(label.level == Level::Confidential && read_at >= written_at);
//! # Ok(())
//! # }
//! ```
//!
//! This crate does not decide, reads no clock and keeps nothing on disk: a ledger is written to the log by its owner, as JSON.

mod act;
mod conversation;
pub mod fields;
mod ledger;
mod ledgers;
mod origin;

pub use act::{ActKind, MAX_ACTS, NamedAct};
pub use conversation::{Call, CallFacts, Conversation, Origin, declared};
pub use ledger::{Ledger, MAX_OBSERVATIONS, MAX_ORIGIN_BYTES, Observation};
pub use ledgers::Ledgers;
pub use origin::{Answered, Grounding, MAX_KEPT, MAX_OWN, MAX_PIECES, MIN_SEARCHED, Place, Provenance, Source, UserText};
