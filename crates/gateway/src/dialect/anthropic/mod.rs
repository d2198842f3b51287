//! Anthropic messages.

mod answer;
mod betas;
mod content;
mod request;
mod tools;

use super::table::{Accept, HeaderClass, HeaderRow, Table};

pub(super) use answer::view;

/// Everything that a message request may hold.
pub(super) static MESSAGES: Table = Table { request: &request::REQUEST, headers: HEADERS, betas: betas::BETAS };
/// Everything that a count of tokens may hold: what the message would.
pub(super) static COUNT_TOKENS: Table = Table { request: &request::COUNT, headers: HEADERS, betas: betas::BETAS };

/// An idempotency key is left out on purpose, see the other dialect.
const HEADERS: &[HeaderRow] = &[
    HeaderRow { name: "accept", class: HeaderClass::Inert(Accept::MediaRange) },
    HeaderRow { name: "anthropic-version", class: HeaderClass::Inert(Accept::Date) },
    HeaderRow { name: "anthropic-beta", class: HeaderClass::Betas },
];
