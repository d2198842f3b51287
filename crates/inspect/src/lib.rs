//! Scanners for secrets and structured personal data, redaction by duties, and the lane machine for streams.
//!
//! What is found is a function of the whole text alone; `docs/SCANNERS.md` states it rule by rule. [`Scanners::scan`] reads a
//! whole text, a [`Lane`] the same text in pieces, with the same outcome however it is cut. [`inspect_document`] and
//! [`redact_document`] do it for every leaf of a JSON document.
//!
//! What this crate does not do: it decides no duty, knows no protocol, file, socket or clock, keeps no copy of what it finds
//! ([`Hit`] and findings hold kinds and offsets), and uses no regular expression: those of operators' own rules are run by
//! `rulefile`.

mod alone;
mod bounded;
mod class;
mod clue;
mod context;
mod document;
mod email;
mod grounds;
mod index;
mod lane;
mod leet;
mod nested;
mod number;
mod own;
mod pii;
mod redact;
mod rules;
mod scan;
mod secrets;
pub mod signal;
mod stretch;
mod token;
mod tokens;
mod track;
mod unite;
mod views;
mod wordy;

pub use document::{Leaf, LeafHits, UNREAD, findings, inspect_document, inspect_document_but, redact_document};
pub use grounds::Grounds;
pub use lane::{Lane, MAX_DISGUISED, MAX_HELD, MAX_UNDECIDED, Piece};
pub use nested::Scan;
pub use own::load_rules;
pub use redact::{DeniedContent, MAX_MASKED, redact_text};
pub use scan::{Hit, Part, Scanners};
