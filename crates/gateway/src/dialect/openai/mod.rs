//! OpenAI: chat completions, responses, completions, embeddings.

mod answer;
mod completions;
mod embeddings;
mod request;
mod responses;

use model::ReasonCode;

use super::table::{Accept, HeaderClass, HeaderRow, Table};

pub(super) use answer::view;
pub(super) use embeddings::view as view_embeddings;
pub(super) use responses::view as view_response;

/// Everything that a chat completion may hold.
pub(super) static CHAT: Table = Table { request: &request::REQUEST, headers: HEADERS, betas: &[] };
/// Everything that a completion may hold.
pub(super) static COMPLETIONS: Table = Table { request: &completions::COMPLETION, headers: HEADERS, betas: &[] };
/// Everything that a response may be asked for with.
pub(super) static RESPONSES: Table = Table { request: &responses::RESPONSE, headers: HEADERS, betas: &[] };
/// Everything that an embedding may hold.
pub(super) static EMBEDDINGS: Table = Table { request: &completions::EMBEDDING, headers: HEADERS, betas: &[] };

/// An idempotency key is left out on purpose: the provider sees one account for all callers, so one caller could ask for the
/// answer to another's key. Organisation and project belong to the gate's own credential.
const HEADERS: &[HeaderRow] = &[
    HeaderRow { name: "accept", class: HeaderClass::Inert(Accept::MediaRange) },
    HeaderRow { name: "openai-beta", class: HeaderClass::Refused(ReasonCode::BetaRefused) },
];
