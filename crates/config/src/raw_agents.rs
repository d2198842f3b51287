//! Agents outside, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::raw::Clearance;

/// An agent outside that messages go to (`Agent2Agent` protocol): callers reach it at `/a2a/{agent}`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteAgent {
    /// The upstream (`kind: a2a`) at which it is reached.
    pub(crate) upstream: String,
    /// JSON file with its agent card as it was when you approved it, relative to this file. What the agent says of itself later
    /// changes nothing.
    pub(crate) card: String,
    /// JWK Set file with the keys of which one has to have signed the card, relative to this file. What the card itself says of keys
    /// (`jku`) is never fetched. Without this key the card counts because you approved it.
    #[serde(default)]
    pub(crate) card_keys: Option<String>,
    /// The highest level of data that the agent may see.
    #[serde(default)]
    pub(crate) clearance: Clearance,
    /// The skills that are approved, by their ids in the card. One that is not listed is not shown, and no message names it.
    #[serde(default)]
    pub(crate) skills: Vec<String>,
}
