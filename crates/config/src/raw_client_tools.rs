//! Tools that models ask for, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of functions that a request offers to a model, and of calls of them in its answer, that no `tool_servers` section
/// declares for the agent; and how the refusal of a call looks. Without this key it is `enforce` as soon as a section has
/// `runs: client` or `model_names`; otherwise nobody looks at them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTools {
    /// Whether what is not declared passes. Calls of what is declared are decided on by policies in both.
    pub(crate) mode: Mode,
    /// What becomes of a refused call in an answer.
    #[serde(default)]
    pub(crate) refused: Refused,
}

/// What becomes of what is not declared.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Requests that offer it pass, and the log names it with its digest: for `portcullis tools propose`.
    Observe,
    /// Requests that offer it are refused, and so are calls of it.
    Enforce,
}

/// What becomes of a refused call.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Refused {
    /// It is taken out of the answer, as if the model had not asked.
    Strip,
    /// A sentence says in its place that it was refused, and why.
    #[default]
    Replace,
    /// It passes all the same, and the refusal is only recorded.
    Annotate,
}

/// Where the tools of a section run.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runs {
    /// In the client: the gate sees only that a model asks for a call.
    Client,
}
