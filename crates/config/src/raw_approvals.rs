//! How operators approve, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::raw::Secret;

/// On which terms operators approve what a policy asks an approval for (`@challenge("approval")`). An operator approves nothing
/// in which a party of the same name acts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Approvals {
    /// How many operators have to approve.
    #[schemars(range(min = 1, max = 10))]
    pub(crate) quorum: u8,
    /// How long a request waits for them, in seconds.
    #[schemars(range(min = 10, max = 604_800))]
    pub(crate) wait_seconds: u64,
    /// How long an approval can be used, in seconds. It ends earlier with the bundle under which it was asked for. That of a call of a
    /// tool can be used once.
    #[schemars(range(min = 10, max = 86_400))]
    pub(crate) hold_seconds: u64,
    /// Most requests of the same parties that wait at the same time, and most of their calls that are held.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) pending: u64,
    /// After so many refusals the same parties can no longer ask for the same action on the same thing, for as long as refusals are
    /// remembered: a day longer than a request waits and holds.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) refusals: u64,
    /// How long a call of a tool that needs an approval is held until somebody answers, in seconds; then, and with 0 at once, the
    /// caller is told which request has to be answered, and makes the same call again.
    #[schemars(range(min = 0, max = 600))]
    pub(crate) hold_calls_seconds: u64,
    /// Most calls that are held at the same time. Each counts as one that runs (`limits.concurrent`).
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) held_calls: u64,
    /// Where it is told that something waits for an answer.
    pub(crate) webhook: Option<Webhook>,
    /// Keys by which operators with role `approver` or `admin` sign answers that are sent to the admin API without their credential,
    /// by the operator's name; as Standard Webhooks has them: `whsec_` and the base64 of 24 to 64 random bytes, each another one.
    pub(crate) signed_answers: BTreeMap<String, Secret>,
}

/// Whoever is told, by messages that are signed as Standard Webhooks has it (`approval.requested`). A message that is not taken with a
/// status of 200 to 299 is sent again, five times in all, within about three minutes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// The address that the messages are posted to. `http` only to this machine. `${NAME}` takes the whole address from an environment
    /// variable.
    pub(crate) url: String,
    /// The key that signs them: `whsec_` and the base64 of 24 to 64 random bytes.
    pub(crate) secret: Secret,
    /// Whether they hold what exactly is to be approved, for whom and why, and not only which request waits until when. That it was
    /// told is recorded first.
    #[serde(default)]
    pub(crate) content: bool,
    /// PEM file with the authorities that are trusted there, instead of Mozilla's list.
    #[serde(default)]
    pub(crate) ca: Option<String>,
}

impl Default for Approvals {
    fn default() -> Self {
        Self {
            quorum: 1,
            wait_seconds: 3600,
            hold_seconds: 900,
            pending: 20,
            refusals: 3,
            hold_calls_seconds: 0,
            held_calls: 64,
            webhook: None,
            signed_answers: BTreeMap::new(),
        }
    }
}
