//! What a chat completion may hold, by the parameter classes of the official Python package (3.52).

use model::ReasonCode;

use crate::dialect::table::{
    Class, Consequence, Holds, Row, Shape, classed, effect, fields, inert, is, says, stateful, union, union_or,
};

/// The request's body.
pub(super) static REQUEST: Shape = fields("request", &[CALL, SAMPLING, KEPT, TOLD, PREVIOUS, ELSEWHERE, PROMPT]);

const CALL: &[Row] = &[
    inert("model", Holds::Text),
    says("messages", Holds::Many(&MESSAGE)),
    inert("stream", Holds::Boolean),
    inert("stream_options", Holds::One(&STREAM_OPTIONS)),
    says("tools", Holds::Many(&TOOL)),
    inert("tool_choice", Holds::TextOrOne(&TOOL_CHOICE)),
    inert("parallel_tool_calls", Holds::Boolean),
    says("functions", Holds::Many(&FUNCTION)),
    inert("function_call", Holds::TextOrOne(&NAMED)),
    says("response_format", Holds::One(&RESPONSE_FORMAT)),
    says("prediction", Holds::One(&PREDICTION)),
    inert("modalities", Holds::Texts),
    // What is asked to be spoken comes back as sound, and no scanner listens.
    Row { name: "audio", class: Class::Uninspected("audio"), holds: Holds::One(&SPEECH) },
    effect("web_search_options", Consequence::HostedTool("openai/web_search"), Holds::One(&WEB_SEARCH)),
    effect("moderation", Consequence::HostedTool("openai/moderation"), Holds::One(&MODERATION)),
];

const SAMPLING: &[Row] = &[
    inert("frequency_penalty", Holds::Number),
    inert("logit_bias", Holds::Free),
    inert("logprobs", Holds::Boolean),
    inert("max_completion_tokens", Holds::Integer),
    inert("max_tokens", Holds::Integer),
    inert("n", Holds::Integer),
    inert("presence_penalty", Holds::Number),
    inert("reasoning_effort", Holds::Text),
    inert("seed", Holds::Integer),
    inert("service_tier", Holds::Text),
    says("stop", Holds::TextOrTexts),
    inert("temperature", Holds::Number),
    inert("top_logprobs", Holds::Integer),
    inert("top_p", Holds::Number),
    inert("verbosity", Holds::Text),
];

pub(super) const KEPT: &[Row] = &[effect("store", Consequence::Store, Holds::Boolean)];

/// What the provider is told of whom it answers, and of what it may answer from memory.
pub(super) const TOLD: &[Row] = &[
    says("metadata", Holds::Free),
    says("user", Holds::Text),
    says("safety_identifier", Holds::Text),
    says("prompt_cache_key", Holds::Text),
    inert("prompt_cache_options", Holds::One(&CACHE)),
    inert("prompt_cache_retention", Holds::Text),
];

/// Of the Responses API alone.
pub(super) const PREVIOUS: &[Row] = &[stateful("previous_response_id")];

/// Not of these APIs, but strings that a compatible server could take for what they are elsewhere.
pub(super) const ELSEWHERE: &[Row] = &[
    stateful("conversation"),
    stateful("conversation_id"),
    stateful("container"),
    stateful("cached_content"),
    stateful("thread_id"),
    stateful("assistant_id"),
    stateful("file_ids"),
    stateful("mcp_servers"),
];

/// As above; the name means something else where prompts are text.
pub(super) const PROMPT: &[Row] = &[stateful("prompt")];

pub(super) static STREAM_OPTIONS: Shape =
    fields("stream_options", &[&[inert("include_obfuscation", Holds::Boolean), inert("include_usage", Holds::Boolean)]]);
pub(super) static CACHE: Shape = fields("cache", &[&[inert("mode", Holds::Text), inert("ttl", Holds::Text)]]);
static NAMED: Shape = fields("named", &[&[inert("name", Holds::Text)]]);

static MESSAGE: Shape = fields(
    "message",
    &[&[
        inert("role", Holds::Text),
        says("content", Holds::TextOrMany(&PART)),
        says("name", Holds::Text),
        says("refusal", Holds::Text),
        inert("tool_call_id", Holds::Text),
        says("tool_calls", Holds::Many(&TOOL_CALL)),
        says("function_call", Holds::One(&CALLED)),
        inert("audio", Holds::One(&SPOKEN)),
        // Answers carry it, and clients send their answers back.
        says("annotations", Holds::Many(&ANNOTATION)),
    ]],
);

static SPOKEN: Shape = fields("spoken", &[&[stateful("id")]]);
static CALLED: Shape = fields("called", &[&[says("arguments", Holds::Text), inert("name", Holds::Text)]]);
static CALLED_CUSTOM: Shape = fields("called_custom", &[&[says("input", Holds::Text), inert("name", Holds::Text)]]);
static ANNOTATION: Shape =
    union("annotation", ReasonCode::PartUnknown, &[is("url_citation", &[&[says("url_citation", Holds::One(&CITATION))]])]);
static CITATION: Shape = fields(
    "citation",
    &[&[
        inert("end_index", Holds::Integer),
        inert("start_index", Holds::Integer),
        says("title", Holds::Text),
        says("url", Holds::Text),
    ]],
);

static TOOL_CALL: Shape = union_or(
    "tool_call",
    ReasonCode::ToolTypeUnknown,
    "function",
    &[
        is("function", &[&[inert("id", Holds::Text), says("function", Holds::One(&CALLED))]]),
        is("custom", &[&[inert("id", Holds::Text), says("custom", Holds::One(&CALLED_CUSTOM))]]),
    ],
);

const BREAKPOINT: &[Row] = &[inert("prompt_cache_breakpoint", Holds::One(&CACHE))];

static PART: Shape = union(
    "part",
    ReasonCode::PartUnknown,
    &[
        is("text", &[&[says("text", Holds::Text)], BREAKPOINT]),
        is("refusal", &[&[says("refusal", Holds::Text)], BREAKPOINT]),
        classed("image_url", Class::Uninspected("image"), &[&[says("image_url", Holds::One(&IMAGE_URL))], BREAKPOINT]),
        classed("input_audio", Class::Uninspected("audio"), &[&[says("input_audio", Holds::One(&INPUT_AUDIO))], BREAKPOINT]),
        classed("file", Class::Uninspected("file"), &[&[says("file", Holds::One(&FILE))], BREAKPOINT]),
    ],
);

static IMAGE_URL: Shape =
    fields("image_url", &[&[effect("url", Consequence::Remote, Holds::Text), inert("detail", Holds::Text)]]);
static INPUT_AUDIO: Shape = fields("input_audio", &[&[says("data", Holds::Text), inert("format", Holds::Text)]]);
static FILE: Shape = fields(
    "file",
    &[&[
        says("file_data", Holds::Text),
        stateful("file_id"),
        says("filename", Holds::Text),
        // Known from the Responses API.
        effect("file_url", Consequence::Remote, Holds::Text),
    ]],
);

static TOOL: Shape = union(
    "tool",
    ReasonCode::ToolTypeUnknown,
    &[is("function", &[&[says("function", Holds::One(&FUNCTION))]]), is("custom", &[&[says("custom", Holds::One(&CUSTOM))]])],
);

static FUNCTION: Shape = fields(
    "function",
    &[&[
        inert("name", Holds::Text),
        says("description", Holds::Text),
        says("parameters", Holds::Free),
        inert("strict", Holds::Boolean),
    ]],
);

static CUSTOM: Shape = fields(
    "custom",
    &[&[inert("name", Holds::Text), says("description", Holds::Text), says("format", Holds::One(&CUSTOM_FORMAT))]],
);
static CUSTOM_FORMAT: Shape = union(
    "custom_format",
    ReasonCode::FieldUnknown,
    &[is("text", &[]), is("grammar", &[&[says("grammar", Holds::One(&GRAMMAR))]])],
);
static GRAMMAR: Shape = fields("grammar", &[&[says("definition", Holds::Text), inert("syntax", Holds::Text)]]);

static TOOL_CHOICE: Shape = union(
    "tool_choice",
    ReasonCode::ToolTypeUnknown,
    &[
        is("function", &[&[inert("function", Holds::One(&NAMED))]]),
        is("custom", &[&[inert("custom", Holds::One(&NAMED))]]),
        is("allowed_tools", &[&[inert("allowed_tools", Holds::One(&ALLOWED_TOOLS))]]),
    ],
);
static ALLOWED_TOOLS: Shape =
    fields("allowed_tools", &[&[inert("mode", Holds::Text), inert("tools", Holds::Many(&TOOL_CHOSEN))]]);
static TOOL_CHOSEN: Shape = union(
    "tool_chosen",
    ReasonCode::ToolTypeUnknown,
    &[is("function", &[&[inert("function", Holds::One(&NAMED))]]), is("custom", &[&[inert("custom", Holds::One(&NAMED))]])],
);

static RESPONSE_FORMAT: Shape = union(
    "response_format",
    ReasonCode::FieldUnknown,
    &[is("text", &[]), is("json_object", &[]), is("json_schema", &[&[says("json_schema", Holds::One(&JSON_SCHEMA))]])],
);
static JSON_SCHEMA: Shape = fields("json_schema", &[JSON_SCHEMA_ROWS]);
pub(super) const JSON_SCHEMA_ROWS: &[Row] =
    &[inert("name", Holds::Text), says("description", Holds::Text), says("schema", Holds::Free), inert("strict", Holds::Boolean)];

static PREDICTION: Shape =
    union("prediction", ReasonCode::PartUnknown, &[is("content", &[&[says("content", Holds::TextOrMany(&PART))]])]);

static SPEECH: Shape = fields("speech", &[&[inert("format", Holds::Text), inert("voice", Holds::TextOrOne(&VOICE))]]);
static VOICE: Shape = fields("voice", &[&[stateful("id")]]);

static WEB_SEARCH: Shape =
    fields("web_search", &[&[inert("search_context_size", Holds::Text), says("user_location", Holds::One(&LOCATION))]]);
static LOCATION: Shape =
    union("location", ReasonCode::FieldUnknown, &[is("approximate", &[&[says("approximate", Holds::One(&PLACE))]])]);
static PLACE: Shape = fields("place", &[LOCATION_ROWS]);
pub(super) const LOCATION_ROWS: &[Row] =
    &[says("city", Holds::Text), says("country", Holds::Text), says("region", Holds::Text), says("timezone", Holds::Text)];

pub(super) static MODERATION: Shape =
    fields("moderation", &[&[inert("model", Holds::Text), inert("policy", Holds::One(&MODERATION_POLICY))]]);
static MODERATION_POLICY: Shape = fields(
    "moderation_policy",
    &[&[inert("input", Holds::One(&MODERATION_MODE)), inert("output", Holds::One(&MODERATION_MODE))]],
);
static MODERATION_MODE: Shape = fields("moderation_mode", &[&[inert("mode", Holds::Text)]]);
