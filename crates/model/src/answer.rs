//! The answer of a decision: data that can be shown, recorded and compared. What proves it is a type of `engine`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Action, Duties, Duty, PrincipalId, ReasonCode, Resource};

/// What may lift a refusal: an act that the caller or somebody else can still perform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// Somebody else has to approve this exact call.
    Approval,
    /// The user has to authenticate again, or more strongly.
    StepUp,
    /// The device has to prove its state.
    Posture,
}

impl Challenge {
    /// The challenge as written in `@challenge("…")`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::StepUp => "step-up",
            Self::Posture => "posture",
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Challenge {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "approval" => Ok(Self::Approval),
            "step-up" => Ok(Self::StepUp),
            "posture" => Ok(Self::Posture),
            _ => Err(()),
        }
    }
}

/// The verdict. The order is Permit < Challenge < Deny; over several links the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every link may.
    Permit,
    /// Not now; a named act would lift it.
    Challenge,
    /// No.
    Deny,
}

/// A policy that took part: its id and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyRef {
    /// The `@id` annotation, or `file#n`.
    pub id: String,
    /// The file, relative to the bundle.
    pub file: String,
    /// The line on which the policy begins, from 1.
    pub line: u32,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({}:{})", self.id, self.file, self.line)
    }
}

/// The answer for one link of the chain and one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkAnswer {
    /// Whose link.
    pub principal: PrincipalId,
    /// What was asked.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// The verdict for this link alone.
    pub verdict: Verdict,
    /// Why.
    pub reason: ReasonCode,
    /// The policies that determined it, sorted.
    pub policies: Vec<PolicyRef>,
    /// Policies that failed to evaluate, with Cedar's message; any entry means Deny.
    pub errors: Vec<String>,
    /// What would lift a challenge, sorted.
    pub challenges: Vec<Challenge>,
    /// Duties of the satisfied permits, sorted.
    pub duties: Vec<Duty>,
}

/// The answer for the whole chain and every action of one interaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The meet over all links and actions.
    pub verdict: Verdict,
    /// Why; of the strictest link.
    pub reason: ReasonCode,
    /// One per link and action, in the order of evaluation.
    pub links: Vec<LinkAnswer>,
}

impl Answer {
    /// The meet of link answers: the strictest verdict, and the reason of the first link that gave it.
    /// No link at all is a Deny.
    #[must_use]
    pub fn meet(links: Vec<LinkAnswer>) -> Self {
        let mut verdict = Verdict::Deny;
        let mut reason = ReasonCode::PolicyDenied;
        if let Some(strictest) = links.iter().map(|link| link.verdict).max() {
            verdict = strictest;
            reason = links.iter().find(|link| link.verdict == strictest).map_or(reason, |link| link.reason);
        }
        Self { verdict, reason, links }
    }

    /// The answer when an operator has switched policy off: permit, with no link that was asked.
    #[must_use]
    pub const fn unasked() -> Self {
        Self { verdict: Verdict::Permit, reason: ReasonCode::Permitted, links: Vec::new() }
    }

    /// The duties of all links.
    #[must_use]
    pub fn duties(&self) -> Duties {
        Duties::new(self.links.iter().map(|link| link.duties.clone()).collect())
    }

    /// Everything that would lift a challenge, sorted, each once.
    #[must_use]
    pub fn challenges(&self) -> Vec<Challenge> {
        let mut challenges: Vec<Challenge> = self.links.iter().flat_map(|link| link.challenges.iter().copied()).collect();
        challenges.sort_unstable();
        challenges.dedup();
        challenges
    }
}

/// What the answer would be, were every shadow policy enforced beside the others. Nothing of it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowAnswer {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: ReasonCode,
    /// The shadow policies behind it, sorted: where it differs those that make it differ, else those that take part. At most 64.
    pub policies: Vec<PolicyRef>,
    /// Policies that would fail to evaluate, with Cedar's message; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Whether verdict, reason, challenges or duties would be others than those that were given.
    pub differs: bool,
}

impl fmt::Display for ShadowAnswer {
    /// `would be denied (policy-forbidden) by policy no-nights (policies/a.cedar:3)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Permit => "permitted",
            Verdict::Challenge => "challenged",
            Verdict::Deny => "denied",
        };
        let policies: Vec<String> = self.policies.iter().map(ToString::to_string).collect();
        let noun = if policies.len() == 1 { "policy" } else { "policies" };
        match (self.differs, policies.is_empty()) {
            (true, true) => write!(formatter, "would be {verdict} ({})", self.reason),
            (true, false) => write!(formatter, "would be {verdict} ({}) by {noun} {}", self.reason, policies.join(", ")),
            (false, true) => write!(formatter, "would be answered as it was"),
            (false, false) => write!(formatter, "would be answered as it was, with {noun} {}", policies.join(", ")),
        }
    }
}
