//! Secrets without a mark of their own, as data: what their issuer calls them, and what they look like. `docs/SCANNERS.md` says the
//! same in a table; both change together.

use crate::class::Class;
use crate::context::{Clue, ContextRule, Form, form, run, some, text};

const fn assigned(kind: &'static str, words: &'static [&'static str], forms: &'static [Form]) -> ContextRule {
    ContextRule { kind, clue: Clue::Assigned(words), forms }
}

/// The rules in order: at one start the first that fits counts.
pub(crate) const SECRETS: &[ContextRule] = &[];
