//! Tools and how one is chosen.
//!
//! Some tools have a type of the provider but run at the client (bash, editor, computer, browser, memory): the provider only
//! describes them to the model, so they are no effect. The others run at the provider and each is decided.

use model::ReasonCode;

use super::content::CACHED;
use crate::dialect::table::{Class, Consequence, Holds, Row, Shape, Variant, classed, fields, inert, is, says, union, union_or};

const COMMON: &[Row] = &[
    inert("name", Holds::Text),
    inert("allowed_callers", Holds::Texts),
    inert("defer_loading", Holds::Boolean),
    inert("strict", Holds::Boolean),
];
const EXAMPLES: &[Row] = &[says("input_examples", Holds::Free)];
const DISPLAY: &[Row] = &[
    inert("display_height_px", Holds::Integer),
    inert("display_width_px", Holds::Integer),
    inert("display_number", Holds::Integer),
    inert("enable_zoom", Holds::Boolean),
];
const TOOLSET: &[Row] = &[inert("configs", Holds::Free)];
const DOMAINS: &[Row] = &[
    says("allowed_domains", Holds::Texts),
    says("blocked_domains", Holds::Texts),
    inert("max_uses", Holds::Integer),
    inert("response_inclusion", Holds::Text),
];
const SEARCH: &[Row] = &[says("user_location", Holds::One(&LOCATION))];
const FETCH: &[Row] = &[
    inert("citations", Holds::One(&CITED)),
    inert("max_content_tokens", Holds::Integer),
    inert("url_sources", Holds::One(&URL_SOURCES)),
    inert("use_cache", Holds::Boolean),
];

const fn client(value: &'static str, rows: &'static [&'static [Row]]) -> Variant {
    is(value, rows)
}

const fn hosted(value: &'static str, tool: &'static str, rows: &'static [&'static [Row]]) -> Variant {
    classed(value, Class::Effect(Consequence::HostedTool(tool)), rows)
}

const EXECUTES: &[&[Row]] = &[COMMON, CACHED];
const EDITS: &[&[Row]] = &[COMMON, EXAMPLES, &[inert("max_characters", Holds::Integer)], CACHED];
const COMPUTES: &[&[Row]] = &[COMMON, EXAMPLES, DISPLAY, CACHED];
const SEARCHES: &[&[Row]] = &[COMMON, DOMAINS, SEARCH, CACHED];
const FETCHES: &[&[Row]] = &[COMMON, DOMAINS, FETCH, CACHED];

/// One tool.
pub(super) static TOOL: Shape = union_or(
    "tool",
    ReasonCode::ToolTypeUnknown,
    "custom",
    &[
        client(
            "custom",
            &[
                COMMON,
                EXAMPLES,
                &[
                    says("description", Holds::Text),
                    says("input_schema", Holds::Free),
                    inert("eager_input_streaming", Holds::Boolean),
                ],
                CACHED,
            ],
        ),
        client("bash_20241022", EDITS),
        client("bash_20250124", EDITS),
        client("text_editor_20241022", EDITS),
        client("text_editor_20250124", EDITS),
        client("text_editor_20250429", EDITS),
        client("text_editor_20250728", EDITS),
        client("memory_20250818", EDITS),
        client("computer_20241022", COMPUTES),
        client("computer_20250124", COMPUTES),
        client("computer_20251124", COMPUTES),
        client("computer_toolset_20260801", &[TOOLSET, CACHED]),
        client("browser_toolset_20260801", &[TOOLSET, CACHED]),
        hosted("code_execution_20250522", "anthropic/code_execution_20250522", EXECUTES),
        hosted("code_execution_20250825", "anthropic/code_execution_20250825", EXECUTES),
        hosted("code_execution_20260120", "anthropic/code_execution_20260120", EXECUTES),
        hosted("code_execution_20260521", "anthropic/code_execution_20260521", EXECUTES),
        hosted("web_search_20250305", "anthropic/web_search_20250305", SEARCHES),
        hosted("web_search_20260209", "anthropic/web_search_20260209", SEARCHES),
        hosted("web_search_20260318", "anthropic/web_search_20260318", SEARCHES),
        hosted("web_fetch_20250910", "anthropic/web_fetch_20250910", FETCHES),
        hosted("web_fetch_20260209", "anthropic/web_fetch_20260209", FETCHES),
        hosted("web_fetch_20260309", "anthropic/web_fetch_20260309", FETCHES),
        hosted("web_fetch_20260318", "anthropic/web_fetch_20260318", FETCHES),
        hosted("tool_search_tool_bm25", "anthropic/tool_search_tool_bm25", EXECUTES),
        hosted("tool_search_tool_bm25_20251119", "anthropic/tool_search_tool_bm25_20251119", EXECUTES),
        hosted("tool_search_tool_regex", "anthropic/tool_search_tool_regex", EXECUTES),
        hosted("tool_search_tool_regex_20251119", "anthropic/tool_search_tool_regex_20251119", EXECUTES),
        // Asks a second model, which nobody has decided on.
        classed("advisor_20260301", Class::Refused(ReasonCode::ToolTypeUnknown), EXECUTES),
        // Stands for servers that the provider connects to; those are refused.
        classed("mcp_toolset", Class::Refused(ReasonCode::StatefulIdRefused), EXECUTES),
    ],
);

static CITED: Shape = fields("cited", &[&[inert("enabled", Holds::Boolean)]]);
static LOCATION: Shape = fields(
    "location",
    &[&[
        inert("type", Holds::Text),
        says("city", Holds::Text),
        says("country", Holds::Text),
        says("region", Holds::Text),
        says("timezone", Holds::Text),
    ]],
);
static URL_SOURCES: Shape = fields(
    "url_sources",
    &[&[
        inert("client_tool_results", Holds::One(&URL_SOURCE)),
        inert("server_tool_results", Holds::One(&URL_SOURCE)),
        inert("user_input", Holds::One(&URL_SOURCE)),
    ]],
);
static URL_SOURCE: Shape = union(
    "url_source",
    ReasonCode::FieldUnknown,
    &[is("all", &[]), is("none", &[]), is("only", &[CHOSEN]), is("except", &[CHOSEN])],
);
const CHOSEN: &[Row] = &[inert("tools", Holds::Many(&CHOSEN_TOOL))];
static CHOSEN_TOOL: Shape = union("chosen_tool", ReasonCode::ToolTypeUnknown, &[is("tool_reference", &[TOOL_REFERENCE])]);
pub(super) const TOOL_REFERENCE: &[Row] = &[inert("name", Holds::Text)];

const PARALLEL: &[Row] = &[inert("disable_parallel_tool_use", Holds::Boolean)];

/// How a tool is chosen.
pub(super) static TOOL_CHOICE: Shape = union(
    "tool_choice",
    ReasonCode::ToolTypeUnknown,
    &[is("auto", &[PARALLEL]), is("any", &[PARALLEL]), is("tool", &[PARALLEL, TOOL_REFERENCE]), is("none", &[])],
);
