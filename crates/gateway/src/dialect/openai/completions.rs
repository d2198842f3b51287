//! What the older completions and embeddings may hold, by the parameter classes of the official Python package (3.52).

use model::ReasonCode;

use super::request::{ELSEWHERE, KEPT, PREVIOUS, PROMPT, STREAM_OPTIONS, TOLD};
use crate::dialect::table::{Class, Holds, Row, Shape, fields, inert, refused, says};

/// The body of a completion.
pub(super) static COMPLETION: Shape = fields("completion", &[COMPLETION_ROWS, KEPT, TOLD, PREVIOUS, ELSEWHERE]);

/// Text, or numbers of tokens, which no scanner can read.
const fn prompt(name: &'static str) -> Row {
    Row { name, class: Class::Text, holds: Holds::TextOrTokens }
}

const COMPLETION_ROWS: &[Row] = &[
    inert("model", Holds::Text),
    prompt("prompt"),
    // A prompt as numbers that a compatible server takes in place of the text.
    refused("prompt_embeds", ReasonCode::PartUnknown),
    says("suffix", Holds::Text),
    inert("best_of", Holds::Integer),
    inert("echo", Holds::Boolean),
    inert("frequency_penalty", Holds::Number),
    inert("logit_bias", Holds::Free),
    inert("logprobs", Holds::Integer),
    inert("max_tokens", Holds::Integer),
    inert("n", Holds::Integer),
    inert("presence_penalty", Holds::Number),
    inert("seed", Holds::Integer),
    says("stop", Holds::TextOrTexts),
    inert("stream", Holds::Boolean),
    inert("stream_options", Holds::One(&STREAM_OPTIONS)),
    inert("temperature", Holds::Number),
    inert("top_p", Holds::Number),
];

/// The body of an embedding.
pub(super) static EMBEDDING: Shape = fields("embedding", &[EMBEDDING_ROWS, KEPT, TOLD, PREVIOUS, ELSEWHERE, PROMPT]);

const EMBEDDING_ROWS: &[Row] =
    &[inert("model", Holds::Text), prompt("input"), inert("dimensions", Holds::Integer), inert("encoding_format", Holds::Text)];
