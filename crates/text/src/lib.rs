//! Strict JSON documents with byte spans, and byte-span splices over them.
//!
//! [`Document::parse`] reads one RFC 8259 value into a flat table of nodes that point back into the bytes they came from;
//! [`Splices`] change chosen byte ranges and leave every other byte as it was; [`quote`] writes a string literal.
//!
//! [`values()`] finds what means one thing however it is written (numbers, dates, accounts, addresses), [`normal_form`] reads one.
//!
//! [`normalise`] gives the ways in which a text can be read: unseen characters, look-alikes, escapes, markup, encoded blocks.
//!
//! Stricter than RFC 8259 where two readers could disagree: duplicate keys (compared decoded), unpaired surrogate escapes, a
//! byte order mark, bytes after the value, and more depth or values than the [`Limits`] allow are errors.
//!
//! What this crate does not do: it turns no number into a float, repairs nothing, and knows no protocol, file, socket or clock.

mod document;
mod escape;
#[cfg(any(test, feature = "evasion"))]
pub mod evasion;
mod lenient;
mod normal;
mod parse;
mod splice;
mod values;

pub use document::{Document, Kind, NodeId};
pub use escape::quote;
pub use lenient::lenient_escape;
pub use normal::{
    Guesses, Hidden, HiddenKind, Look, Normal, NormalLimits, ScalarIndex, Step, View, is_plain, may_be_encoded, normalise,
    normalise_around,
};
pub use parse::{JsonError, Limits};
pub use splice::{SpliceError, Splices};
pub use values::{MAX_VALUES, Value, ValueKind, normal_form, values};
