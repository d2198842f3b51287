//! Budgets and prices as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::raw_tools::Effect;

/// How much may be used. A call needs room in every budget that applies to it. Several amounts in one budget are counted each
/// for itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    /// Who has a part of its own: `[principal]` for each party that calls, `[user, model]` for each user and model. `[]`: all
    /// share one.
    pub(crate) per: Vec<Per>,
    /// Until when it lasts. Seconds, minutes and hours slide; days and months begin at midnight UTC. Says nothing for
    /// `concurrent`.
    #[serde(default)]
    pub(crate) every: Option<Every>,
    /// Most calls.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub(crate) requests: Option<u64>,
    /// Most tokens that models read, cached ones too.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub(crate) input_tokens: Option<u64>,
    /// Most tokens that models write.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub(crate) output_tokens: Option<u64>,
    /// Most tokens that models read and write.
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_000_000_000_000_u64))]
    pub(crate) tokens: Option<u64>,
    /// Most calls that run at the same time.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) concurrent: Option<u64>,
    /// Most money, in the currency of the price file, in quotes: `"25.00"`.
    #[serde(default)]
    pub(crate) cost: Option<String>,
    /// Most of what tools are counted in, by the names under `tool_servers.NAME.tools.TOOL.counts`, in quotes: `{money: "500.00"}`.
    #[serde(default)]
    pub(crate) counted: BTreeMap<String, String>,
    /// Only calls of these users. Lists of parties are added up; without any the budget is everybody's.
    #[serde(default)]
    pub(crate) users: Vec<String>,
    /// Only calls in which these agents take part.
    #[serde(default)]
    pub(crate) agents: Vec<String>,
    /// Only calls of these services.
    #[serde(default)]
    pub(crate) services: Vec<String>,
    /// Only calls of members of these groups.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Only calls of these models.
    #[serde(default)]
    pub(crate) models: Vec<String>,
    /// Only calls of models of these groups.
    #[serde(default)]
    pub(crate) model_groups: Vec<String>,
    /// Only calls of these tools, `SERVER/TOOL` each. Lists of tools are added up, and to those of models.
    #[serde(default)]
    pub(crate) tools: Vec<String>,
    /// Only calls of tools of these servers.
    #[serde(default)]
    pub(crate) tool_servers: Vec<String>,
    /// Only calls of tools with one of these effects: `[destructive]`.
    #[serde(default)]
    pub(crate) effects: Vec<Effect>,
}

/// Who has a part of a budget of its own.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    /// The party on whose behalf everything happens, whoever it is.
    Principal,
    /// The user. Calls without one are not counted.
    User,
    /// Each agent that takes part. Calls without one are not counted.
    Agent,
    /// The task, by its ledger: a credential over its rotations; every task token of an agent for a subject.
    Task,
    /// The model.
    Model,
    /// The tool. Calls of none are not counted.
    Tool,
}

/// How long a budget lasts.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Every {
    /// Slides.
    Second,
    /// Slides.
    Minute,
    /// Slides.
    Hour,
    /// From midnight to midnight, UTC.
    Day,
    /// A month of the calendar, UTC.
    Month,
}

/// Where prices stand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// The price file, relative to this file.
    pub(crate) file: String,
    /// `portcullis check` warns of a price file that is older, in days.
    #[serde(default = "ninety")]
    #[schemars(range(min = 1, max = 3650))]
    pub(crate) stale_after_days: u64,
}

const fn ninety() -> u64 {
    90
}

/// A price file: what models cost, as of a day.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "prices")]
pub(crate) struct PriceFile {
    /// The day on which the prices were looked up, `2026-11-21`.
    pub(crate) date: String,
    /// Where they were looked up.
    #[schemars(length(min = 1, max = 1000))]
    pub(crate) source: String,
    /// The currency of all amounts, as ISO 4217 writes it: `USD`.
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub(crate) currency: String,
    /// By the name that clients ask with, or by what the provider calls the model; the former counts where both are there.
    pub(crate) models: BTreeMap<String, Price>,
}

/// What a million tokens cost, in quotes: `"2.50"`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// Read.
    pub(crate) input: String,
    /// Written, reasoning too.
    pub(crate) output: String,
    /// Read from the provider's cache; as `input` if left out.
    #[serde(default)]
    pub(crate) cached_input: Option<String>,
    /// Written to the provider's cache; as `input` if left out.
    #[serde(default)]
    pub(crate) cache_write: Option<String>,
}
