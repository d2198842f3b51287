//! Acts of administration as the log keeps them: the truth for credentials, locks and applied bundles.

use serde::{Deserialize, Serialize};

use crate::{
    ApprovalAnswer, ApprovalAsk, Credential, CredentialId, Differing, Digest, LockKind, LockTarget, Name, Release, UnixMillis,
};

/// One act that changes the gate. Replaying all of them in order gives the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum AdminAct {
    /// A data folder was made.
    Initialised {
        /// The gate's version.
        version: String,
    },
    /// The gate started; intents without an outcome before this entry are closed as unknown.
    Started {
        /// The gate's version.
        version: String,
    },
    /// The gate drained and stopped.
    Stopped,
    /// A credential was made. Holds its hash, never the credential.
    CredentialCreated {
        /// The credential.
        credential: Credential,
    },
    /// A credential ends at `at`; only ever earlier than before.
    CredentialExpires {
        /// Which.
        id: CredentialId,
        /// When.
        at: UnixMillis,
    },
    /// Something was stopped.
    Locked {
        /// What.
        target: LockTarget,
        /// How finally.
        kind: LockKind,
        /// When what it stops has ended by itself, with room for clocks: the lock is forgotten then. Absent: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<UnixMillis>,
    },
    /// A kill was taken back.
    Unlocked {
        /// What.
        target: LockTarget,
    },
    /// A new key signs the gate's own tokens; the one before it still verifies them.
    TokenKeyMade {
        /// Its id.
        id: Name,
    },
    /// A bundle came into force.
    BundleApplied {
        /// SHA-256 of its canonical form; kept content-addressed in the data folder.
        digest: Digest,
    },
    /// Somebody's approval is asked for. Who asks is the acting party, about whom is the chain, what stands in the content.
    ApprovalAsked {
        /// What is asked for.
        ask: ApprovalAsk,
    },
    /// An operator approves or refuses; or takes an approval back.
    ApprovalAnswered {
        /// What is said to which request.
        answer: ApprovalAnswer,
    },
    /// An approval that can be used once was used up; written before the effect of the interaction that the header names.
    ApprovalUsed {
        /// The request.
        id: Name,
        /// The approval.
        approval: Name,
    },
    /// A server says something else of a tool than was approved: nobody calls it any more.
    ToolQuarantined {
        /// `SERVER/NAME`, as it was approved.
        tool: String,
        /// What was approved, and what is said.
        differing: Differing,
    },
    /// A quarantine ended.
    ToolReleased {
        /// `SERVER/NAME`.
        tool: String,
        /// Why.
        because: Release,
        /// What the server may go on to say all the same; nothing, if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerated: Option<Differing>,
    },
    /// Whoever asked for an approval no longer wants it.
    ApprovalCancelled {
        /// The request.
        id: Name,
    },
}
