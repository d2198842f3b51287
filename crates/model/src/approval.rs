//! Requests for somebody's approval, as the log keeps them.

use serde::{Deserialize, Serialize};

use crate::{Digest, Name, RequestId, UnixMillis};

/// One request: what is to be approved, and on which terms. What exactly stands in the encrypted part of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalAsk {
    /// Its name, which nobody can guess.
    pub id: Name,
    /// What is to be approved; 1 to 20.
    pub items: Vec<ApprovalItem>,
    /// Whether they were asked for as a list, and are answered as one.
    #[serde(default)]
    pub is_list: bool,
    /// Digest of the bundle by which it was asked for: an approval holds under that one only.
    pub policies: Digest,
    /// How many operators have to approve.
    pub quorum: u8,
    /// When nobody can approve it any more.
    pub ends: UnixMillis,
    /// How long an approval holds, in seconds.
    pub holds: u64,
    /// Whether an approval can be used once only, as those of calls through the gate.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_single_use: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One thing that is to be approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalItem {
    /// The name of its approval, which nobody can guess.
    pub approval: Name,
    /// SHA-256 of a salt and the canonical text of exactly what is asked for. Both are encrypted for the subject: once that is
    /// erased, nobody can tell by guessing what this was.
    pub commitment: Digest,
    /// The interaction that needed it.
    pub request: RequestId,
}

/// What somebody says to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalAnswer {
    /// The request.
    pub id: Name,
    /// Which of its things, from 0; all of them, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u8>,
    /// The commitments that were shown, of every thing that is meant: whoever approves, approves those.
    pub shown: Vec<Digest>,
    /// Yes or no. A no stays one, also after a yes.
    pub is_approved: bool,
}

/// What a refused call waits for, for its caller: the same call again in the same task finds out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Awaited {
    /// The request for approval.
    pub id: Name,
    /// When nobody can approve it any more.
    pub ends: UnixMillis,
    /// After so many seconds it is worth another try.
    pub retry_after: u64,
}
