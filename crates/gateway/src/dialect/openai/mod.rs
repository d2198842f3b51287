//! OpenAI chat completions.

mod answer;
mod request;

use model::ReasonCode;

use super::table::{Accept, HeaderClass, HeaderRow, Table};

pub(super) use answer::view;

/// Everything that a chat completion may hold.
pub(super) static TABLE: Table = Table { request: &request::REQUEST, headers: HEADERS, betas: &[] };

/// An idempotency key is left out on purpose: the provider sees one account for all callers, so one caller could ask for the
/// answer to another's key. Organisation and project belong to the gate's own credential.
const HEADERS: &[HeaderRow] = &[
    HeaderRow { name: "accept", class: HeaderClass::Inert(Accept::MediaRange) },
    HeaderRow { name: "openai-beta", class: HeaderClass::Refused(ReasonCode::BetaRefused) },
];
