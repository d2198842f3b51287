//! What a message request may hold, by the parameter classes of the official Python package (2.11), beta included.

use model::ReasonCode;

use super::content::{CACHED, PART};
use super::tools::{TOOL, TOOL_CHOICE};
use crate::dialect::table::{Holds, Row, Shape, fields, inert, is, refused, says, stateful, union};

/// The request's body.
pub(super) static REQUEST: Shape = fields("request", &[CALL, SETTINGS, ELSEWHERE, CACHED]);

/// The body of a count of tokens. It counts what the message would be, so clients send the message.
pub(super) static COUNT: Shape = fields("count", &[CALL, SETTINGS, ELSEWHERE, CACHED]);

const CALL: &[Row] = &[
    inert("model", Holds::Text),
    says("messages", Holds::Many(&MESSAGE)),
    says("system", Holds::TextOrMany(&PART)),
    inert("max_tokens", Holds::Integer),
    inert("stream", Holds::Boolean),
    says("tools", Holds::Many(&TOOL)),
    inert("tool_choice", Holds::One(&TOOL_CHOICE)),
    says("metadata", Holds::Free),
    says("stop_sequences", Holds::Texts),
    inert("thinking", Holds::One(&THINKING)),
    says("output_config", Holds::One(&OUTPUT_CONFIG)),
    says("context_management", Holds::One(&CONTEXT_MANAGEMENT)),
    says("compaction", Holds::One(&COMPACTION)),
];

const SETTINGS: &[Row] = &[
    inert("inference_geo", Holds::Text),
    inert("service_tier", Holds::Text),
    inert("speed", Holds::Text),
    inert("temperature", Holds::Number),
    inert("top_k", Holds::Integer),
    inert("top_p", Holds::Number),
];

/// State that the provider keeps, accounts that are not the gate's own, models that nobody decided on.
const ELSEWHERE: &[Row] = &[
    stateful("container"),
    stateful("mcp_servers"),
    inert("diagnostics", Holds::One(&DIAGNOSTICS)),
    stateful("thread"),
    stateful("user_profile_id"),
    stateful("workspace_id"),
    stateful("billing_policy"),
    stateful("fallback_credit_token"),
    refused("fallbacks", ReasonCode::BetaRefused),
    refused("betas", ReasonCode::BetaRefused),
    refused("anthropic_beta", ReasonCode::BetaRefused),
    stateful("previous_response_id"),
    stateful("conversation"),
    stateful("conversation_id"),
    stateful("cached_content"),
    stateful("file_ids"),
];

static DIAGNOSTICS: Shape = fields("diagnostics", &[&[stateful("previous_message_id")]]);

static MESSAGE: Shape = fields(
    "message",
    &[&[
        inert("role", Holds::Text),
        says("content", Holds::TextOrMany(&PART)),
        inert("clear_at", Holds::Text),
        inert("output_config", Holds::One(&OUTPUT_CONFIG)),
    ]],
);

const SHOWN: &[Row] = &[inert("display", Holds::Text), inert("block_binding", Holds::One(&BLOCK_BINDING))];

static THINKING: Shape = union(
    "thinking",
    ReasonCode::FieldUnknown,
    &[
        is("enabled", &[&[inert("budget_tokens", Holds::Integer)], SHOWN]),
        is("adaptive", &[SHOWN]),
        is("between_tools", &[]),
        is("disabled", &[]),
    ],
);
static BLOCK_BINDING: Shape = fields("block_binding", &[&[inert("prefix_mismatch_behavior", Holds::Text)]]);

static OUTPUT_CONFIG: Shape = fields(
    "output_config",
    &[&[
        inert("effort", Holds::Text),
        says("format", Holds::One(&OUTPUT_FORMAT)),
        inert("task_budget", Holds::One(&TASK_BUDGET)),
    ]],
);
static OUTPUT_FORMAT: Shape =
    union("output_format", ReasonCode::FieldUnknown, &[is("json_schema", &[&[says("schema", Holds::Free)]])]);
static TASK_BUDGET: Shape =
    fields("task_budget", &[&[inert("type", Holds::Text), inert("total", Holds::Integer), inert("remaining", Holds::Integer)]]);

static CONTEXT_MANAGEMENT: Shape = fields("context_management", &[&[says("edits", Holds::Many(&EDIT))]]);
static EDIT: Shape = union(
    "edit",
    ReasonCode::FieldUnknown,
    &[
        is(
            "clear_tool_uses_20250919",
            &[&[
                inert("clear_at_least", Holds::One(&AMOUNT)),
                inert("clear_tool_inputs", Holds::BooleanOrTexts),
                inert("exclude_tools", Holds::Texts),
                inert("keep", Holds::One(&AMOUNT)),
                inert("trigger", Holds::One(&AMOUNT)),
            ]],
        ),
        is("clear_thinking_20251015", &[&[inert("keep", Holds::TextOrOne(&AMOUNT))]]),
        is(
            "compact_20260112",
            &[&[
                says("instructions", Holds::Text),
                inert("pause_after_compaction", Holds::Boolean),
                inert("trigger", Holds::One(&AMOUNT)),
            ]],
        ),
    ],
);
static AMOUNT: Shape = fields("amount", &[&[inert("type", Holds::Text), inert("value", Holds::Integer)]]);
static COMPACTION: Shape =
    union("compaction", ReasonCode::FieldUnknown, &[is("summarize", &[&[says("instructions", Holds::Text)]])]);
