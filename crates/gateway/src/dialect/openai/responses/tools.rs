//! Tools: those that the client runs are text, those that the provider runs are effects.

use model::ReasonCode;

use super::items::MASK;
use crate::dialect::openai::request::LOCATION_ROWS;
use crate::dialect::table::{
    Class, Consequence, Holds, Row, Shape, Variant, classed, effect, fields, inert, is, says, stateful, union,
};

pub(super) static TOOL: Shape = union("tool", ReasonCode::ToolTypeUnknown, TOOLS);

const fn hosted(tool: &'static str) -> Class {
    Class::Effect(Consequence::HostedTool(tool))
}

static TOOLS: &[Variant] = &[
    is("function", &[CALLABLE, FUNCTION]),
    is("custom", &[CALLABLE, CUSTOM]),
    is("namespace", &[&[inert("name", Holds::Text), says("description", Holds::Text), says("tools", Holds::Many(&NAMED_TOOL))]]),
    is("tool_search", &[&[says("description", Holds::Text), inert("execution", Holds::Text), says("parameters", Holds::Free)]]),
    // Run by the client; what it sends back is seen like every other input.
    is("computer", &[]),
    is(
        "computer_use_preview",
        &[&[inert("display_height", Holds::Integer), inert("display_width", Holds::Integer), inert("environment", Holds::Text)]],
    ),
    is("local_shell", &[]),
    is("apply_patch", &[ALLOWED]),
    classed("shell", hosted("openai/shell"), &[ALLOWED, &[inert("environment", Holds::One(&ENVIRONMENT))]]),
    classed("web_search", hosted("openai/web_search"), &[SEARCH]),
    classed("web_search_2025_08_26", hosted("openai/web_search"), &[SEARCH]),
    classed("web_search_preview", hosted("openai/web_search"), &[SEARCH]),
    classed("web_search_preview_2025_03_11", hosted("openai/web_search"), &[SEARCH]),
    classed("file_search", hosted("openai/file_search"), &[FILES]),
    classed("code_interpreter", hosted("openai/code_interpreter"), &[ALLOWED, &[inert("container", Holds::One(&CONTAINER))]]),
    classed("image_generation", hosted("openai/image_generation"), &[DRAWING]),
    classed("programmatic_tool_calling", hosted("openai/programmatic_tool_calling"), &[]),
    classed("mcp", hosted("openai/mcp"), &[ALLOWED, MCP]),
];

const ALLOWED: &[Row] = &[inert("allowed_callers", Holds::Texts)];
const CALLABLE: &[Row] = &[
    inert("name", Holds::Text),
    says("description", Holds::Text),
    inert("async", Holds::Boolean),
    inert("defer_loading", Holds::Boolean),
    inert("allowed_callers", Holds::Texts),
];
const FUNCTION: &[Row] = &[says("parameters", Holds::Free), says("output_schema", Holds::Free), inert("strict", Holds::Boolean)];
const CUSTOM: &[Row] = &[says("format", Holds::One(&CUSTOM_FORMAT))];

static NAMED_TOOL: Shape =
    union("named_tool", ReasonCode::ToolTypeUnknown, &[is("function", &[CALLABLE, FUNCTION]), is("custom", &[CALLABLE, CUSTOM])]);
static CUSTOM_FORMAT: Shape = union(
    "custom_format",
    ReasonCode::FieldUnknown,
    &[is("text", &[]), is("grammar", &[&[says("definition", Holds::Text), inert("syntax", Holds::Text)]])],
);

const SEARCH: &[Row] = &[
    inert("external_web_access", Holds::Boolean),
    says("filters", Holds::One(&DOMAINS)),
    inert("search_content_types", Holds::Texts),
    inert("search_context_size", Holds::Text),
    says("user_location", Holds::One(&LOCATION)),
];
static DOMAINS: Shape = fields("domains", &[&[says("allowed_domains", Holds::Texts)]]);
static LOCATION: Shape = union("location", ReasonCode::FieldUnknown, &[is("approximate", &[LOCATION_ROWS])]);

const FILES: &[Row] = &[
    stateful("vector_store_ids"),
    says("filters", Holds::Free),
    inert("max_num_results", Holds::Integer),
    inert("ranking_options", Holds::Free),
];

/// Where the provider runs code. One that is there already holds what somebody else left.
static CONTAINER: Shape = union("container", ReasonCode::FieldUnknown, &[is("auto", &[ROOM])]);
static ENVIRONMENT: Shape = union(
    "environment",
    ReasonCode::FieldUnknown,
    &[
        is("container_auto", &[ROOM, &[stateful("skills")]]),
        is("local", &[&[says("skills", Holds::Many(&SKILL))]]),
        classed("container_reference", Class::Refused(ReasonCode::StatefulIdRefused), &[&[stateful("container_id")]]),
    ],
);
const ROOM: &[Row] = &[stateful("file_ids"), inert("memory_limit", Holds::Text), says("network_policy", Holds::One(&NETWORK))];
static SKILL: Shape =
    fields("skill", &[&[says("description", Holds::Text), inert("name", Holds::Text), says("path", Holds::Text)]]);
static NETWORK: Shape = union(
    "network",
    ReasonCode::FieldUnknown,
    // Secrets for other machines are not handed to the provider.
    &[is("disabled", &[]), is("allowlist", &[&[says("allowed_domains", Holds::Texts), stateful("domain_secrets")]])],
);

const DRAWING: &[Row] = &[
    inert("action", Holds::Text),
    inert("background", Holds::Text),
    inert("complexity", Holds::Text),
    inert("frame_count", Holds::Integer),
    inert("frame_duration_ms", Holds::Integer),
    inert("input_fidelity", Holds::Text),
    says("input_image_mask", Holds::One(&MASK)),
    inert("model", Holds::Text),
    inert("moderation", Holds::Text),
    inert("output_compression", Holds::Integer),
    inert("output_format", Holds::Text),
    inert("partial_images", Holds::Integer),
    inert("quality", Holds::Text),
    inert("size", Holds::Text),
    inert("svg", Holds::Free),
];

/// A server that the provider talks to. Credentials for it, and accounts that are connected at the provider, are not the
/// caller's to use.
const MCP: &[Row] = &[
    inert("server_label", Holds::Text),
    says("server_description", Holds::Text),
    effect("server_url", Consequence::Remote, Holds::Text),
    inert("allowed_tools", Holds::Free),
    inert("require_approval", Holds::Free),
    inert("defer_loading", Holds::Boolean),
    stateful("authorization"),
    stateful("headers"),
    stateful("connector_id"),
    stateful("tunnel_id"),
];

pub(super) static TOOL_CHOICE: Shape = union(
    "tool_choice",
    ReasonCode::ToolTypeUnknown,
    &[
        is("function", &[&[inert("name", Holds::Text)]]),
        is("custom", &[&[inert("name", Holds::Text)]]),
        is("mcp", &[&[inert("name", Holds::Text), inert("server_label", Holds::Text)]]),
        is("allowed_tools", &[&[inert("mode", Holds::Text), inert("tools", Holds::Free)]]),
        is("apply_patch", &[]),
        is("shell", &[]),
        is("programmatic_tool_calling", &[]),
        is("computer", &[]),
        is("computer_use_preview", &[]),
        is("file_search", &[]),
        is("web_search_preview", &[]),
        is("web_search_preview_2025_03_11", &[]),
        is("image_generation", &[]),
        is("code_interpreter", &[]),
    ],
);
