//! The plain part of an entry: ids, kinds, counts, versions. No content, no secret, nothing that a client wrote freely.

use std::collections::BTreeMap;

use model::{
    AdminAct, Ask, Chain, Charge, CredentialId, Digest, Finding, Label, Name, PrincipalId, ReasonCode, RequestId, UnixMillis,
    Verdict,
};
use serde::{Deserialize, Serialize};

/// Most asks that a header names; the complete list stands in the encrypted decision input.
pub const MAX_HEADER_ASKS: usize = 16;

/// The note of an intent that only lists what may be called.
pub const LIST_NOTE: &str = "list";
/// Beside [`LIST_NOTE`]: what was decided is whether some call of each ask could be allowed, not whether one with the recorded facts
/// would be.
pub const COULD_NOTE: &str = "could";

/// The note of a decision that somebody else enforces: the answer is all that comes of it here.
pub const QUESTION_NOTE: &str = "question";

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// What was asked and how it was decided; written before any effect.
    Intent,
    /// How it ended.
    Outcome,
    /// A redaction or a cut in a stream.
    Edit,
    /// An act of administration.
    Admin,
    /// Refusals, counted: of a party that is not known, or that had many of them.
    Noise,
}

impl EntryKind {
    /// Every kind, for tests of coverage.
    pub const ALL: [Self; 5] = [Self::Intent, Self::Outcome, Self::Edit, Self::Admin, Self::Noise];

    /// The kind as written in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Edit => "edit",
            Self::Admin => "admin",
            Self::Noise => "noise",
        }
    }
}

/// How an interaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeResult {
    /// It happened, completely.
    Executed,
    /// It did not happen: the gate refused.
    Refused,
    /// It was tried and failed.
    Failed,
    /// The gate stopped before it could say: the effect may have happened.
    Unknown,
    /// It was broken off in the middle.
    Cut,
}

impl OutcomeResult {
    /// The result as written in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Cut => "cut",
        }
    }
}

/// Refusals that are counted: of parties that are not known, within one second; of a known one that had many, within some seconds.
/// Whose they are then stands in the header as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noise {
    /// The peer's address without its port, the id of a known party's key, or who showed tokens; `*` where there were too many
    /// to name.
    pub peer: String,
    /// Why it was refused.
    pub reason: ReasonCode,
    /// The second (since 1970, UTC) in which it was refused.
    pub second: u64,
    /// How often; at least 1.
    pub count: u64,
    /// The last second that is counted, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// The link to the encrypted part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// The id of the subject's key. After erasure no key has this id.
    pub subject_key: String,
    /// Length of the plaintext in bytes.
    pub length: u64,
    /// HMAC-SHA-256 over the plaintext under a key derived from the subject's key.
    pub commitment: Digest,
}

/// What an entry adds to the ledger of a task. The ledgers of a restarted gate are the join of these, over the whole log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// The ledger.
    pub ledger: Name,
    /// Where it came from: `request`, or `model:` with the model's name.
    pub origin: String,
    /// What is joined.
    pub label: Label,
}

/// The plain header of an entry. Field order is the order on disk; absent fields are omitted; unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// What the entry tells.
    pub kind: EntryKind,
    /// When it was drafted.
    pub at: UnixMillis,
    /// The interaction; joins intent, edits and outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The credential that was presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
    /// On whose behalf who acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// The task, where a task token was presented or made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Name>,
    /// The operator who acted; absent where the gate acted by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<PrincipalId>,
    /// What was asked, at most [`MAX_HEADER_ASKS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// How many asks are left off.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_asks: u64,
    /// The decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonCode>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<OutcomeResult>,
    /// What was found, counted by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, u64>,
    /// Digest of the bundle that was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Digest>,
    /// Version of the locks that were in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Version of the ledger that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_version: Option<u64>,
    /// What is added to ledgers at [`Header::at`]; written before what it speaks of leaves the gate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Observed>,
    /// In a permitted intent what is reserved, in an outcome what was used; absent there where nothing left the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
    /// Remarks of the stages, such as controls that an operator has switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The act, in an entry of administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<AdminAct>,
    /// The count, in an entry of noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// The link to the encrypted part; filled in by whoever seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Sealed>,
}

impl Header {
    /// A header with nothing but its kind and time.
    #[must_use]
    pub const fn new(kind: EntryKind, at: UnixMillis) -> Self {
        Self {
            kind,
            at,
            request: None,
            credential: None,
            chain: None,
            task: None,
            operator: None,
            asks: Vec::new(),
            more_asks: 0,
            verdict: None,
            reason: None,
            result: None,
            findings: BTreeMap::new(),
            snapshot: None,
            epoch: None,
            ledger_version: None,
            observed: Vec::new(),
            charge: None,
            notes: Vec::new(),
            admin: None,
            noise: None,
            content: None,
        }
    }

    /// An entry of administration.
    #[must_use]
    pub fn admin(at: UnixMillis, act: AdminAct, operator: Option<PrincipalId>) -> Self {
        Self { admin: Some(act), operator, ..Self::new(EntryKind::Admin, at) }
    }

    /// An entry of noise.
    #[must_use]
    pub fn noise(at: UnixMillis, noise: Noise) -> Self {
        Self { noise: Some(noise), ..Self::new(EntryKind::Noise, at) }
    }

    /// Names the asks: the first [`MAX_HEADER_ASKS`], and how many are left off.
    #[must_use]
    pub fn with_asks(mut self, asks: &[Ask]) -> Self {
        self.asks = asks.iter().take(MAX_HEADER_ASKS).cloned().collect();
        self.more_asks = u64::try_from(asks.len().saturating_sub(MAX_HEADER_ASKS)).unwrap_or(u64::MAX);
        self
    }

    /// Whether an outcome must follow: a permitted call. What was refused ends with its intent, and so do a list of models and the
    /// answer to an enforcement point, which have no effect here that could be unknown.
    #[must_use]
    pub fn expects_outcome(&self) -> bool {
        is_awaited(self.kind, self.verdict, &self.notes)
    }

    /// Counts findings by kind.
    #[must_use]
    pub fn with_findings(mut self, findings: &[Finding]) -> Self {
        self.findings.clear();
        for finding in findings {
            let count = self.findings.entry(finding.kind.as_str().to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        self
    }
}

pub(crate) fn is_awaited(kind: EntryKind, verdict: Option<Verdict>, notes: &[String]) -> bool {
    kind == EntryKind::Intent
        && verdict == Some(Verdict::Permit)
        && !notes.iter().any(|note| note == LIST_NOTE || note == QUESTION_NOTE)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why an entry was not recorded. Whatever it is, the interaction must not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The log cannot be written.
    #[error("the log cannot be written: {0}")]
    Unavailable(String),
    /// Free space is below the reserve, which is kept for acts of administration.
    #[error("free disk space is below the reserve that is kept for locks")]
    Reserve,
    /// The entry is longer than a leaf may be.
    #[error("the entry has {found} bytes, a leaf holds at most {limit}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The content could not be sealed.
    #[error("the content cannot be sealed: {0}")]
    Seal(String),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}
