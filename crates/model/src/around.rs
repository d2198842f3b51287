//! What is known of the circumstances of a call, by whoever can vouch for it: sign-in, device, risk, network, use.
//!
//! Nothing here comes from a caller's own words. What nobody vouched for is absent, and policies see the value that is least
//! in the caller's favour.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Name;

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
    /// The segment of the network that operators gave the address.
    pub segment: Name,
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
    /// Arguments whose value stems from what nobody trusts, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub untrusted: BTreeSet<String>,
}

impl Around {
    /// Whether nobody vouched for anything.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}
