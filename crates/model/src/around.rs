//! What is known of the circumstances of a call, by whoever can vouch for it: sign-in, device, risk, network, use.
//!
//! Nothing here comes from a caller's own words. What nobody vouched for is absent, and policies see the value that is least
//! in the caller's favour.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{ArgumentOrigin, Integrity, Name, Sink};

/// How the subject signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The class of it, as the issuer names it (`acr`).
    pub class: String,
    /// The means (`amr`): `pwd`, `hwk`, `mfa`…
    pub means: BTreeSet<String>,
    /// Seconds since then.
    pub age: u64,
}

/// What is known of the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posture {
    /// Which device.
    pub device: Name,
    /// Whether the organisation manages it.
    pub is_managed: bool,
    /// What was proven of it: `disk-encrypted`, `screen-lock`…
    pub facts: BTreeSet<String>,
    /// Seconds since that was proven.
    pub age: u64,
}

/// How far behaviour is from what is usual: 0 as always to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// Of the user.
    pub user: u8,
    /// Of the agent that acts.
    pub agent: u8,
    /// Of the task.
    pub task: u8,
}

/// Where the connection comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The peer's address, as text.
    pub peer: String,
    /// The segment of the network that operators gave the address, if they gave it one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Name>,
}

/// What the task has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Calls.
    pub calls: u64,
    /// Tokens, in and out.
    pub tokens: u64,
    /// Money, in millionths of the configured currency.
    pub micros: u64,
}

/// One budget, in the unit that it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remaining {
    /// The most in a window.
    pub most: u64,
    /// What is left of it.
    pub left: u64,
}

/// What is left to the task, this call not deducted: of each measure the budget of which least is left. Absent: no budget counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskBudget {
    /// Calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Remaining>,
    /// Tokens that models read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Remaining>,
    /// Tokens that models write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Remaining>,
    /// Both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Remaining>,
    /// Money, in millionths of the configured currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<Remaining>,
}

impl TaskBudget {
    /// Every measure by the name that policies have for it.
    pub fn parts(&mut self) -> [(&'static str, &mut Option<Remaining>); 5] {
        let Self { requests, input, output, tokens, micros } = self;
        [("requests", requests), ("inputTokens", input), ("outputTokens", output), ("tokens", tokens), ("micros", micros)]
    }

    /// The measure of that name.
    pub fn part(&mut self, name: &str) -> Option<&mut Option<Remaining>> {
        self.parts().into_iter().find(|(of, _)| *of == name).map(|(_, part)| part)
    }
}

/// The circumstances of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Around {
    /// How the subject signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posture: Option<Posture>,
    /// Risk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// Budgets: there only where one applies to the call, and some policy names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<TaskBudget>,
    /// Arguments whose value stems from what nobody trusts, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub untrusted: BTreeSet<String>,
    /// Where the least trustworthy value of each kind of argument comes from; of those kinds that the call has. Absent where nobody
    /// has said what the tool's arguments decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sinks: Option<BTreeMap<Sink, Integrity>>,
    /// Where each value of the arguments stands, for whoever approves or explains; policies do not see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traced: Vec<ArgumentOrigin>,
}

impl Around {
    /// Whether nobody vouched for anything.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
