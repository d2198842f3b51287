//! The complete input of a decision, as recorded: with the bundle it is enough to decide again, years later.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    Action, Around, Chain, Challenge, CredentialId, Dialect, FindingGroup, Label, LinkAnswer, Mandate, ReasonCode, Resource,
    UnixMillis, Verdict,
};

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ask {
    /// The verb.
    pub action: Action,
    /// The object.
    pub resource: Resource,
}

/// How often a kind was found on the request side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCount {
    /// The group of the kind.
    pub group: FindingGroup,
    /// How often; at least 1.
    pub count: u32,
}

/// What the gate knows about the call, beside who asks for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When the decision is made.
    pub now: UnixMillis,
    /// The credential presented.
    pub credential: CredentialId,
    /// Its age in seconds.
    pub credential_age: u64,
    /// The wire format.
    pub dialect: Option<Dialect>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What scanners found in the request, by kind.
    pub findings: BTreeMap<String, FindingCount>,
    /// The effective label of the task's ledger at version `ledger_version`, joined with the request's own.
    pub label: Label,
    /// The version of the ledger that was read.
    pub ledger_version: u64,
    /// Challenges that have been answered for this very call.
    pub answered: BTreeSet<Challenge>,
    /// What a token says beside the chain.
    #[serde(default, skip_serializing_if = "Mandate::is_empty")]
    pub mandate: Mandate,
    /// The arguments of the tool that is called, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// What others vouch for.
    #[serde(default, skip_serializing_if = "Around::is_unknown")]
    pub around: Around,
}

/// Who asks for what, under which circumstances. `asks` is not empty: the call itself first, then its effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionInput {
    /// On whose behalf who acts.
    pub chain: Chain,
    /// What is asked; every one must be permitted for every link.
    pub asks: Vec<Ask>,
    /// Under which circumstances.
    pub facts: Facts,
}

impl Ask {
    /// The verb as people read it: what is done elsewhere has its own.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.resource.verb(self.action)
    }
}

impl DecisionInput {
    /// A refusal for every ask that the task's grant does not cover: the grant is a link of the chain like any other, and no
    /// policy and no switch takes it out. Empty where no task token was presented, or everything is covered.
    #[must_use]
    pub fn beyond_grant(&self) -> Vec<LinkAnswer> {
        let (Some(task), Some(actor)) = (&self.facts.mandate.task, self.chain.actor()) else { return Vec::new() };
        let refused = |ask: &Ask| LinkAnswer {
            principal: actor.clone(),
            action: ask.action,
            resource: ask.resource.clone(),
            verdict: Verdict::Deny,
            reason: ReasonCode::GrantExceeded,
            policies: Vec::new(),
            errors: Vec::new(),
            challenges: Vec::new(),
            duties: Vec::new(),
        };
        self.asks.iter().filter(|ask| !task.grant.covers(ask)).map(refused).collect()
    }
}
