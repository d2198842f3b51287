//! What stands in the input: messages, and the items of earlier answers that clients send back.

use model::ReasonCode;

use super::tools::TOOL;
use super::{REASONING, TEXT};
use crate::dialect::openai::request::CACHE;
use crate::dialect::table::{
    Class, Consequence, Holds, Row, Shape, Variant, classed, effect, fields, inert, is, says, stateful, union, union_or, whole,
};

/// One item. An object that names no type is a message, or a reference to a stored item: so it may not have an id.
pub(super) static ITEM: Shape = union_or("item", ReasonCode::PartUnknown, "untyped", ITEMS);

static ITEMS: &[Variant] = &[
    is("untyped", &[SAID, &[stateful("id")]]),
    whole("message", "content", &[SAID, ID]),
    is("function_call", &[ID, CALL, &[says("arguments", Holds::Text), inert("name", Holds::Text)]]),
    is("function_call_output", &[ID, CALL, &[says("output", Holds::TextOrMany(&PART)), inert("name", Holds::Text)]]),
    is("custom_tool_call", &[ID, CALL, &[says("input", Holds::Text), inert("name", Holds::Text)]]),
    is("custom_tool_call_output", &[ID, CALL, &[says("output", Holds::TextOrMany(&PART))]]),
    // Without its content the id makes the provider look up what it keeps.
    whole(
        "reasoning",
        "encrypted_content",
        &[ID, &[says("summary", Holds::Many(&SAYING)), says("content", Holds::Many(&SAYING))], SEALED],
    ),
    whole("compaction", "encrypted_content", &[ID, SEALED]),
    is("compaction_trigger", &[ID]),
    is("configuration_update", &[ID, &[inert("reasoning", Holds::One(&REASONING)), says("text", Holds::One(&TEXT))]]),
    is("additional_tools", &[ID, &[inert("role", Holds::Text), says("tools", Holds::Many(&TOOL))]]),
    is("tool_search_call", &[ID, CALL, &[says("arguments", Holds::Free), inert("execution", Holds::Text)]]),
    is("tool_search_output", &[ID, CALL, &[says("tools", Holds::Many(&TOOL)), inert("execution", Holds::Text)]]),
    whole("file_search_call", "results", &[ID, &[says("queries", Holds::Texts), says("results", Holds::Free)]]),
    whole("web_search_call", "action", &[ID, &[says("action", Holds::Free)]]),
    is("code_interpreter_call", &[ID, &[says("code", Holds::Text), says("outputs", Holds::Free), stateful("container_id")]]),
    whole("image_generation_call", "result", &[ID, GENERATED]),
    is(
        "computer_call",
        &[ID, CALL, &[says("action", Holds::Free), says("actions", Holds::Free), says("pending_safety_checks", Holds::Free)]],
    ),
    is(
        "computer_call_output",
        &[ID, CALL, &[says("output", Holds::One(&SCREEN)), says("acknowledged_safety_checks", Holds::Free)]],
    ),
    is("local_shell_call", &[ID, CALL, &[says("action", Holds::Free)]]),
    is("local_shell_call_output", &[ID, CALL, &[says("output", Holds::Text)]]),
    is("shell_call", &[ID, CALL, &[says("action", Holds::Free), stateful("environment")]]),
    is("shell_call_output", &[ID, CALL, &[says("output", Holds::Free), inert("max_output_length", Holds::Integer)]]),
    is("apply_patch_call", &[ID, CALL, &[says("operation", Holds::Free)]]),
    is("apply_patch_call_output", &[ID, CALL, &[says("output", Holds::Text)]]),
    is("mcp_list_tools", &[ID, LABEL, &[says("tools", Holds::Free), says("error", Holds::Text)]]),
    is("mcp_approval_request", &[ID, LABEL, &[says("arguments", Holds::Text), inert("name", Holds::Text)]]),
    is("mcp_approval_response", &[ID, APPROVAL, &[inert("approve", Holds::Boolean), says("reason", Holds::Text)]]),
    whole(
        "mcp_call",
        "arguments",
        &[
            ID,
            LABEL,
            APPROVAL,
            &[
                says("arguments", Holds::Text),
                inert("name", Holds::Text),
                says("output", Holds::Text),
                says("error", Holds::Free),
            ],
        ],
    ),
    is("program", &[ID, CALL, &[says("code", Holds::Text), inert("fingerprint", Holds::Text)]]),
    is("program_output", &[ID, CALL, &[says("result", Holds::Text)]]),
    classed("item_reference", Class::Refused(ReasonCode::StatefulIdRefused), &[ID]),
];

const SAID: &[Row] = &[inert("role", Holds::Text), says("content", Holds::TextOrMany(&PART)), inert("phase", Holds::Text)];
const ID: &[Row] = &[inert("id", Holds::Text), inert("status", Holds::Text)];
const CALL: &[Row] = &[
    inert("call_id", Holds::Text),
    inert("caller", Holds::Free),
    inert("namespace", Holds::Text),
    inert("async", Holds::Boolean),
];
const LABEL: &[Row] = &[inert("server_label", Holds::Text)];
const APPROVAL: &[Row] = &[inert("approval_request_id", Holds::Text)];
/// What only the provider can read.
const SEALED: &[Row] = &[Row { name: "encrypted_content", class: Class::Uninspected("encrypted"), holds: Holds::Text }];
const GENERATED: &[Row] = &[
    Row { name: "result", class: Class::Uninspected("image"), holds: Holds::Text },
    says("revised_prompt", Holds::Text),
    inert("action", Holds::Text),
    inert("background", Holds::Text),
    inert("output_format", Holds::Text),
    inert("quality", Holds::Text),
    inert("size", Holds::Text),
    says("error", Holds::Free),
    inert("svg_usage", Holds::Free),
];

const BREAKPOINT: &[Row] = &[inert("prompt_cache_breakpoint", Holds::One(&CACHE))];

static PART: Shape = union(
    "part",
    ReasonCode::PartUnknown,
    &[
        is("input_text", &[&[says("text", Holds::Text)], BREAKPOINT]),
        is("output_text", &[&[says("text", Holds::Text), says("annotations", Holds::Free), says("logprobs", Holds::Free)]]),
        is("refusal", &[&[says("refusal", Holds::Text)]]),
        classed("input_image", Class::Uninspected("image"), &[LOOK, &[inert("detail", Holds::Text)], BREAKPOINT]),
        classed(
            "input_file",
            Class::Uninspected("file"),
            &[
                &[
                    says("file_data", Holds::Text),
                    stateful("file_id"),
                    effect("file_url", Consequence::Remote, Holds::Text),
                    says("filename", Holds::Text),
                    inert("detail", Holds::Text),
                ],
                BREAKPOINT,
            ],
        ),
    ],
);

const LOOK: &[Row] = &[effect("image_url", Consequence::Remote, Holds::Text), stateful("file_id")];

static SCREEN: Shape =
    union("screen", ReasonCode::PartUnknown, &[classed("computer_screenshot", Class::Uninspected("image"), &[LOOK])]);

static SAYING: Shape = union(
    "saying",
    ReasonCode::PartUnknown,
    &[is("summary_text", &[&[says("text", Holds::Text)]]), is("reasoning_text", &[&[says("text", Holds::Text)]])],
);

/// Attachments of tools that the provider keeps.
pub(super) static MASK: Shape = fields("mask", &[LOOK]);
