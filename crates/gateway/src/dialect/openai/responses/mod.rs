//! The Responses API: what a request may hold, by the parameter classes of the official Python package (3.52), and how its
//! answers are read.

mod answer;
mod items;
mod tools;

use super::request::{ELSEWHERE, JSON_SCHEMA_ROWS, MODERATION, PROMPT, TOLD};
use crate::dialect::table::{Consequence, Holds, Row, Shape, effect, fields, handle, inert, is, refused, says, union};
use items::ITEM;
use model::ReasonCode;
use tools::{TOOL, TOOL_CHOICE};

pub(in crate::dialect) use answer::view;

/// The request's body.
pub(in crate::dialect) static RESPONSE: Shape = fields("response", &[CALL, SETTINGS, KEPT, TOLD, ELSEWHERE, PROMPT]);

const CALL: &[Row] = &[
    inert("model", Holds::Text),
    says("input", Holds::TextOrMany(&ITEM)),
    says("instructions", Holds::Text),
    inert("stream", Holds::Boolean),
    inert("stream_options", Holds::One(&STREAM_OPTIONS)),
    says("tools", Holds::Many(&TOOL)),
    inert("tool_choice", Holds::TextOrOne(&TOOL_CHOICE)),
    inert("parallel_tool_calls", Holds::Boolean),
    inert("max_tool_calls", Holds::Integer),
    says("text", Holds::One(&TEXT)),
    inert("include", Holds::Texts),
    effect("moderation", Consequence::HostedTool("openai/moderation"), Holds::One(&MODERATION)),
];

const SETTINGS: &[Row] = &[
    inert("context_management", Holds::Many(&MANAGEMENT)),
    inert("image", Holds::One(&IMAGE)),
    inert("max_output_tokens", Holds::Integer),
    inert("reasoning", Holds::One(&REASONING)),
    inert("service_tier", Holds::Text),
    inert("temperature", Holds::Number),
    inert("top_logprobs", Holds::Integer),
    inert("top_p", Holds::Number),
    inert("truncation", Holds::Text),
];

/// What the provider keeps, and what names something that it keeps.
const KEPT: &[Row] = &[
    effect("store", Consequence::StoreUnlessFalse, Holds::Boolean),
    // The answer is fetched later, by its id: until then it is kept, whatever `store` says.
    effect("background", Consequence::Store, Holds::Boolean),
    handle("previous_response_id"),
    refused("access_programs", ReasonCode::BetaRefused),
];

static STREAM_OPTIONS: Shape = fields("stream_options", &[&[inert("include_obfuscation", Holds::Boolean)]]);
static MANAGEMENT: Shape =
    union("management", ReasonCode::FieldUnknown, &[is("compaction", &[&[inert("compact_threshold", Holds::Integer)]])]);
static IMAGE: Shape = fields("image", &[&[inert("context_compression", Holds::Text)]]);
pub(super) static REASONING: Shape = fields(
    "reasoning",
    &[&[
        inert("context", Holds::Text),
        inert("effort", Holds::Text),
        inert("generate_summary", Holds::Text),
        inert("mode", Holds::Text),
        inert("summary", Holds::Text),
    ]],
);
pub(super) static TEXT: Shape = fields("text", &[&[says("format", Holds::One(&FORMAT)), inert("verbosity", Holds::Text)]]);
static FORMAT: Shape =
    union("format", ReasonCode::FieldUnknown, &[is("text", &[]), is("json_object", &[]), is("json_schema", &[JSON_SCHEMA_ROWS])]);
