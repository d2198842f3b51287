//! Operators: who runs the gate, and what each role may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatorRole {
    /// Sees state, no content.
    Viewer,
    /// Locks, revokes, applies bundles, manages data-plane keys.
    Operator,
    /// Answers approvals.
    Approver,
    /// Reads the log with its content.
    Auditor,
    /// Everything, and operators' own credentials.
    Admin,
}

impl OperatorRole {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Approver, Self::Auditor, Self::Admin];

    /// The role as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// Whether this role may perform `act`. One table, deny by default.
    #[must_use]
    pub const fn may(self, act: OperatorAct) -> bool {
        use OperatorAct::{AnswerApprovals, Apply, ManageKeys, ReadContent, ReadState, Stop, Unlock};
        matches!(
            (self, act),
            (Self::Admin, _)
                | (Self::Viewer | Self::Operator | Self::Approver | Self::Auditor, ReadState)
                | (Self::Operator, Apply | ManageKeys | Stop | Unlock)
                | (Self::Auditor, ReadContent)
                | (Self::Approver, AnswerApprovals)
        )
    }
}

impl fmt::Display for OperatorRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for OperatorRole {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is not a role: expected viewer, operator, approver, auditor or admin"))
    }
}

/// What an operator asks of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorAct {
    /// List keys, locks, models; query log headers.
    ReadState,
    /// Read recorded content and explanations.
    ReadContent,
    /// Revoke or kill.
    Stop,
    /// Take a kill back.
    Unlock,
    /// Apply a bundle.
    Apply,
    /// Create, rotate, expire data-plane keys.
    ManageKeys,
    /// Create, rotate, expire operators' credentials.
    ManageOperators,
    /// Copy the data folder into an archive.
    Backup,
    /// Destroy the keys of content that is older than it may become.
    EraseContent,
    /// See what is to be approved, approve, refuse.
    AnswerApprovals,
    /// End the quarantine of a tool without approving what its server says.
    ReleaseTool,
}

impl OperatorAct {
    /// Every act.
    pub const ALL: [Self; 11] = [
        Self::ReadState,
        Self::ReadContent,
        Self::Stop,
        Self::Unlock,
        Self::Apply,
        Self::ManageKeys,
        Self::ManageOperators,
        Self::Backup,
        Self::EraseContent,
        Self::AnswerApprovals,
        Self::ReleaseTool,
    ];

    /// Whether the act only ever makes the gate stricter; it then acts first and is recorded at once after.
    #[must_use]
    pub const fn tightens(self) -> bool {
        matches!(self, Self::Stop)
    }

    /// The act as written in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadState => "read-state",
            Self::ReadContent => "read-content",
            Self::Stop => "stop",
            Self::Unlock => "unlock",
            Self::Apply => "apply",
            Self::ManageKeys => "manage-keys",
            Self::ManageOperators => "manage-operators",
            Self::Backup => "backup",
            Self::EraseContent => "erase-content",
            Self::AnswerApprovals => "answer-approvals",
            Self::ReleaseTool => "release-tool",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OperatorAct, OperatorRole};

    #[test]
    fn who_may_what() {
        let mut table = String::new();
        for role in OperatorRole::ALL {
            let acts: Vec<&str> = OperatorAct::ALL.into_iter().filter(|act| role.may(*act)).map(OperatorAct::as_str).collect();
            table.push_str(&format!("{role}: {}\n", acts.join(" ")));
        }
        let expected = "viewer: read-state
operator: read-state stop unlock apply manage-keys
approver: read-state answer-approvals
auditor: read-state read-content
admin: read-state read-content stop unlock apply manage-keys manage-operators backup erase-content answer-approvals release-tool
";
        assert_eq!(table, expected);
    }
}
