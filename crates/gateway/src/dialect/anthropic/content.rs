//! Content blocks.
//!
//! What a tool of the provider returned earlier comes back as part of the conversation: its text is inspected like any other.
//! Its encrypted parts are opaque to everybody but the provider, which made them and checks them.

use model::ReasonCode;

use super::tools::{TOOL, TOOL_REFERENCE};
use crate::dialect::table::{Class, Consequence, Holds, Row, Shape, classed, effect, fields, inert, is, says, stateful, union};

pub(super) const CACHED: &[Row] = &[inert("cache_control", Holds::One(&CACHE_CONTROL))];
static CACHE_CONTROL: Shape = fields("cache_control", &[&[inert("type", Holds::Text), inert("ttl", Holds::Text)]]);

const STATEFUL: Class = Class::Refused(ReasonCode::StatefulIdRefused);
const CALLED: &[Row] = &[
    inert("id", Holds::Text),
    inert("name", Holds::Text),
    says("input", Holds::Free),
    inert("caller", Holds::One(&CALLER)),
    inert("toolset_name", Holds::Text),
    inert("server_name", Holds::Text),
];
const RETURNED: &[Row] = &[
    inert("tool_use_id", Holds::Text),
    inert("is_error", Holds::Boolean),
    inert("caller", Holds::One(&CALLER)),
    inert("toolset_name", Holds::Text),
];
static CALLER: Shape = fields("caller", &[&[inert("type", Holds::Text), inert("tool_id", Holds::Text)]]);

/// One block of a message, of the system prompt or of a tool's result.
pub(super) static PART: Shape = union(
    "part",
    ReasonCode::PartUnknown,
    &[
        is("text", &[&[says("text", Holds::Text), says("citations", Holds::Many(&CITATION))], CACHED]),
        is("image", &[&[says("source", Holds::One(&IMAGE)), inert("transformations", Holds::One(&TRANSFORMATIONS))], CACHED]),
        is(
            "document",
            &[
                &[
                    says("source", Holds::One(&DOCUMENT)),
                    inert("citations", Holds::One(&CITED)),
                    says("context", Holds::Text),
                    says("title", Holds::Text),
                ],
                CACHED,
            ],
        ),
        is(
            "search_result",
            &[
                &[
                    says("content", Holds::Many(&PART)),
                    says("source", Holds::Text),
                    says("title", Holds::Text),
                    inert("citations", Holds::One(&CITED)),
                ],
                CACHED,
            ],
        ),
        is("thinking", &[&[says("thinking", Holds::Text), inert("signature", Holds::Text)]]),
        is("redacted_thinking", &[&[inert("data", Holds::Text)]]),
        is("tool_use", &[CALLED, CACHED]),
        is("server_tool_use", &[CALLED, CACHED]),
        is("mcp_tool_use", &[CALLED, CACHED]),
        is("tool_result", &[&[says("content", Holds::TextOrMany(&PART))], RETURNED, CACHED]),
        is("mcp_tool_result", &[&[says("content", Holds::TextOrMany(&PART))], RETURNED, CACHED]),
        is("mcp_tool_listing", &[&[inert("mcp_server_name", Holds::Text), says("tools", Holds::Free)]]),
        is("web_search_tool_result", &[&[says("content", Holds::OneOrMany(&RESULT))], RETURNED, CACHED]),
        is("web_fetch_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("code_execution_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("bash_code_execution_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("text_editor_code_execution_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("tool_search_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("advisor_tool_result", &[&[says("content", Holds::One(&RESULT))], RETURNED, CACHED]),
        is("tool_reference", &[&[inert("tool_name", Holds::Text)], CACHED]),
        is("browser_state", &[&[says("tabs", Holds::Many(&TAB)), says("state_changes", Holds::Many(&TAB_CHANGE))], CACHED]),
        classed("container_upload", STATEFUL, &[&[stateful("file_id")], CACHED]),
        is(
            "compaction",
            &[
                &[
                    says("content", Holds::Text),
                    inert("encrypted_content", Holds::Text),
                    inert("signature", Holds::Text),
                    says("tool_changes", Holds::Many(&PART)),
                ],
                CACHED,
            ],
        ),
        is("tool_addition", &[&[says("tool", Holds::One(&TOOL_CHANGE))], CACHED]),
        is("tool_removal", &[&[says("tool", Holds::One(&TOOL_CHANGE))], CACHED]),
        is("fallback", &[&[inert("from", Holds::One(&FALLEN)), inert("to", Holds::One(&FALLEN)), inert("trigger", Holds::Free)]]),
    ],
);

static FALLEN: Shape = fields("fallen", &[&[inert("model", Holds::Text)]]);
static CITED: Shape = fields("cited", &[&[inert("enabled", Holds::Boolean)]]);
static TRANSFORMATIONS: Shape = fields("transformations", &[&[inert("oversized_image", Holds::Text)]]);

static IMAGE: Shape = union(
    "image",
    ReasonCode::PartUnknown,
    &[
        classed("base64", Class::Uninspected("image"), &[BYTES]),
        classed("url", Class::Uninspected("image"), &[&[effect("url", Consequence::Remote, Holds::Text)]]),
        classed("file", STATEFUL, &[&[stateful("file_id")]]),
    ],
);
static DOCUMENT: Shape = union(
    "document",
    ReasonCode::PartUnknown,
    &[
        classed("base64", Class::Uninspected("document"), &[BYTES]),
        classed("url", Class::Uninspected("document"), &[&[effect("url", Consequence::Remote, Holds::Text)]]),
        classed("file", STATEFUL, &[&[stateful("file_id")]]),
        is("text", &[BYTES]),
        is("content", &[&[says("content", Holds::TextOrMany(&PART))]]),
    ],
);
const BYTES: &[Row] = &[says("data", Holds::Text), inert("media_type", Holds::Text)];

static CITATION: Shape = fields(
    "citation",
    &[&[
        inert("type", Holds::Text),
        says("cited_text", Holds::Text),
        says("document_title", Holds::Text),
        says("title", Holds::Text),
        says("source", Holds::Text),
        says("url", Holds::Text),
        inert("encrypted_index", Holds::Text),
        inert("document_index", Holds::Integer),
        inert("search_result_index", Holds::Integer),
        inert("start_char_index", Holds::Integer),
        inert("end_char_index", Holds::Integer),
        inert("start_page_number", Holds::Integer),
        inert("end_page_number", Holds::Integer),
        inert("start_block_index", Holds::Integer),
        inert("end_block_index", Holds::Integer),
        stateful("file_id"),
    ]],
);

const FAILED: &[Row] = &[inert("error_code", Holds::Text), says("error_message", Holds::Text)];
const RAN: &[Row] = &[
    says("content", Holds::Many(&OUTPUT)),
    inert("return_code", Holds::Integer),
    says("stderr", Holds::Text),
    says("stdout", Holds::Text),
    inert("encrypted_stdout", Holds::Text),
];

/// What a tool of the provider returned.
static RESULT: Shape = union(
    "result",
    ReasonCode::PartUnknown,
    &[
        is(
            "web_search_result",
            &[&[
                says("title", Holds::Text),
                says("url", Holds::Text),
                inert("encrypted_content", Holds::Text),
                inert("page_age", Holds::Text),
            ]],
        ),
        is("web_search_tool_result_error", &[FAILED]),
        is(
            "web_fetch_result",
            &[&[says("content", Holds::One(&PART)), says("url", Holds::Text), inert("retrieved_at", Holds::Text)]],
        ),
        is("web_fetch_tool_result_error", &[FAILED]),
        is("code_execution_result", &[RAN]),
        is("encrypted_code_execution_result", &[RAN]),
        is("code_execution_tool_result_error", &[FAILED]),
        is("bash_code_execution_result", &[RAN]),
        is("bash_code_execution_tool_result_error", &[FAILED]),
        is(
            "text_editor_code_execution_view_result",
            &[&[
                says("content", Holds::Text),
                inert("file_type", Holds::Text),
                inert("num_lines", Holds::Integer),
                inert("start_line", Holds::Integer),
                inert("total_lines", Holds::Integer),
            ]],
        ),
        is("text_editor_code_execution_create_result", &[&[inert("is_file_update", Holds::Boolean)]]),
        is(
            "text_editor_code_execution_str_replace_result",
            &[&[
                says("lines", Holds::Texts),
                inert("new_lines", Holds::Integer),
                inert("new_start", Holds::Integer),
                inert("old_lines", Holds::Integer),
                inert("old_start", Holds::Integer),
            ]],
        ),
        is("text_editor_code_execution_tool_result_error", &[FAILED]),
        is("tool_search_tool_search_result", &[&[says("tool_references", Holds::Many(&PART))]]),
        is("tool_search_tool_result_error", &[FAILED]),
        is("advisor_result", &[&[says("text", Holds::Text), inert("stop_reason", Holds::Text)]]),
        is("advisor_redacted_result", &[&[inert("encrypted_content", Holds::Text), inert("stop_reason", Holds::Text)]]),
        is("advisor_tool_result_error", &[FAILED]),
    ],
);
static OUTPUT: Shape = fields("output", &[&[inert("type", Holds::Text), stateful("file_id")]]);

static TAB: Shape = fields(
    "tab",
    &[&[inert("tab_id", Holds::Text), says("title", Holds::Text), says("url", Holds::Text), inert("active", Holds::Boolean)]],
);
static TAB_CHANGE: Shape = fields(
    "tab_change",
    &[&[
        inert("type", Holds::Text),
        inert("tab_id", Holds::Text),
        inert("download_id", Holds::Text),
        says("url", Holds::Text),
        says("path", Holds::Text),
        inert("size_bytes", Holds::Integer),
        says("error", Holds::Text),
    ]],
);

/// A tool that joins or leaves in the middle of a conversation; a definition is read like one in the list of tools.
static TOOL_CHANGE: Shape = union(
    "tool_change",
    ReasonCode::ToolTypeUnknown,
    &[
        is("tool_reference", &[TOOL_REFERENCE]),
        is("tool_definition", &[&[says("definition", Holds::One(&TOOL))]]),
        classed("mcp_tool_reference", STATEFUL, &[]),
        classed("mcp_toolset_reference", STATEFUL, &[]),
    ],
);
