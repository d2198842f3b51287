//! How operators approve, as it is written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On which terms operators approve what a policy asks an approval for (`@challenge("approval")`). An operator approves nothing
/// in which a party of the same name acts.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Approvals {
    /// How many operators have to approve.
    #[schemars(range(min = 1, max = 10))]
    pub(crate) quorum: u8,
    /// How long a request waits for them, in seconds.
    #[schemars(range(min = 10, max = 604_800))]
    pub(crate) wait_seconds: u64,
    /// How long an approval can be used, in seconds. It ends earlier with the bundle under which it was asked for.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) hold_seconds: u64,
    /// Most requests of the same parties that wait at the same time.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) pending: u64,
    /// After so many refusals the same parties can no longer ask for the same action on the same thing, for as long as refusals are
    /// remembered: a day longer than a request waits and holds.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) refusals: u64,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { quorum: 1, wait_seconds: 3600, hold_seconds: 900, pending: 20, refusals: 3 }
    }
}
