//! How much a call has used: counts that a provider told, or that were estimated in their place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ModelName, Name, UnixMillis};

/// Tokens of one call, by kind. No token is counted twice but those of `reasoning`, which are among those of `output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Read anew.
    #[serde(skip_serializing_if = "is_zero")]
    pub input: u64,
    /// Read from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached: u64,
    /// Read anew and written to the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Written.
    #[serde(skip_serializing_if = "is_zero")]
    pub output: u64,
    /// Written, and not shown or shown as thoughts.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

/// Most tokens of one kind that are believed, 2^40. What an upstream says above it counts as this.
pub const MAX_TOKENS: u64 = 1 << 40;

impl Usage {
    /// Everything that was read.
    #[must_use]
    pub const fn read(&self) -> u64 {
        self.input.saturating_add(self.cached).saturating_add(self.cache_write)
    }

    /// Everything that was read and written.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.read().saturating_add(self.output)
    }

    /// Of each kind the greater count: providers tell sums that only grow.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
        }
    }

    /// Each count, at most [`MAX_TOKENS`].
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            input: self.input.min(MAX_TOKENS),
            cached: self.cached.min(MAX_TOKENS),
            cache_write: self.cache_write.min(MAX_TOKENS),
            output: self.output.min(MAX_TOKENS),
            reasoning: self.reasoning.min(MAX_TOKENS),
        }
    }
}

/// What one call is charged with, as it stands in the log: in an intent what is reserved, in an outcome what was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// When it was reserved: the windows of this moment are charged.
    pub at: UnixMillis,
    /// The model that was called; of what is none, what it was, as locks name it: `tool:SERVER/NAME`, `server:NAME`.
    pub model: ModelName,
    /// The task: the ledger of the credential.
    pub task: Name,
    /// The tokens.
    pub usage: Usage,
    /// What they cost, in millionths of the price file's currency; absent where the model has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u64>,
    /// What its tool is counted in, by the names of operators, in thousandths; absent where in nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counted: BTreeMap<Name, u64>,
    /// Whether the provider did not tell, or not to the end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_estimate: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
