//! Duties: what a permit obliges the gate to do with what it finds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{FindingGroup, FindingKind, Side};

/// What to do with a finding. The order is total and later is stricter; between duties the strictest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// Pass it on.
    Allow,
    /// Replace all but the last four characters.
    Mask,
    /// Replace all of it by `[redacted:<kind>]`.
    Redact,
    /// Refuse the call, or cut the stream.
    Deny,
}

/// Which way a duty looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DutySide {
    /// Client to upstream.
    Request,
    /// Upstream to client.
    Response,
    /// Both ways.
    Both,
}

/// One duty, written `{request|response|both}:{allow|mask|redact|deny}:<finding kind or group>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duty {
    /// Which way it looks.
    pub side: DutySide,
    /// What it demands.
    pub act: Act,
    /// The kind or group that it speaks of.
    pub target: String,
}

/// Why a text is not a duty.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a duty: expected `request|response|both`, `allow|mask|redact|deny` and a finding kind or group, joined by `:`"
)]
pub struct DutyError(String);

impl FromStr for Duty {
    type Err = DutyError;
    fn from_str(text: &str) -> Result<Self, DutyError> {
        let wrong = || DutyError(text.chars().take(128).flat_map(char::escape_default).collect());
        let mut parts = text.splitn(3, ':');
        let side = match parts.next() {
            Some("request") => DutySide::Request,
            Some("response") => DutySide::Response,
            Some("both") => DutySide::Both,
            _ => return Err(wrong()),
        };
        let act = match parts.next() {
            Some("allow") => Act::Allow,
            Some("mask") => Act::Mask,
            Some("redact") => Act::Redact,
            Some("deny") => Act::Deny,
            _ => return Err(wrong()),
        };
        let target = parts.next().filter(|target| !target.is_empty() && target.len() <= 64).ok_or_else(wrong)?;
        Ok(Self { side, act, target: target.to_owned() })
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            DutySide::Request => "request",
            DutySide::Response => "response",
            DutySide::Both => "both",
        };
        let act = match self.act {
            Act::Allow => "allow",
            Act::Mask => "mask",
            Act::Redact => "redact",
            Act::Deny => "deny",
        };
        write!(formatter, "{side}:{act}:{}", self.target)
    }
}

impl TryFrom<String> for Duty {
    type Error = DutyError;
    fn try_from(text: String) -> Result<Self, DutyError> {
        text.parse()
    }
}

impl From<Duty> for String {
    fn from(duty: Duty) -> Self {
        duty.to_string()
    }
}

impl Duty {
    fn speaks_of(&self, side: Side, kind: &FindingKind, group: FindingGroup) -> bool {
        let looks = match self.side {
            DutySide::Both => true,
            DutySide::Request => side == Side::Request,
            DutySide::Response => side == Side::Response,
        };
        looks && (self.target == kind.as_str() || self.target == group.as_str())
    }
}

/// The duties of every link of a chain (and of every effect that was decided beside the call).
///
/// Kept apart per link: a link that says nothing falls back to its own default, so one link's `allow` can never loosen
/// what another link left at the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duties {
    links: Vec<Vec<Duty>>,
}

impl Duties {
    /// Duties of the links, in any order.
    #[must_use]
    pub const fn new(links: Vec<Vec<Duty>>) -> Self {
        Self { links }
    }

    /// The duties per link.
    #[must_use]
    pub fn links(&self) -> &[Vec<Duty>] {
        &self.links
    }

    /// What to do with a finding: the strictest answer over all links; without any link, the default.
    #[must_use]
    pub fn act(&self, side: Side, kind: &FindingKind, group: FindingGroup) -> Act {
        let default = default_act(group);
        self.links
            .iter()
            .map(|link| {
                let spoken = link.iter().filter(|duty| duty.speaks_of(side, kind, group)).map(|duty| duty.act).max();
                spoken.unwrap_or(default)
            })
            .max()
            .unwrap_or(default)
    }
}

/// What happens to a finding that no duty names: secrets are redacted, the rest passes and is recorded.
const fn default_act(group: FindingGroup) -> Act {
    match group {
        FindingGroup::Secret => Act::Redact,
        FindingGroup::Pii | FindingGroup::Uninspected => Act::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, Duties, Duty};
    use crate::{FindingGroup, FindingKind, Side};

    fn duties(links: &[&[&str]]) -> Duties {
        Duties::new(links.iter().map(|link| link.iter().filter_map(|duty| duty.parse().ok()).collect()).collect())
    }

    #[test]
    fn the_strictest_wins_and_silence_is_the_default() {
        let key = FindingKind::known("aws-access-token");
        let facts: [(&[&[&str]], Act); 6] = [
            (&[], Act::Redact),
            (&[&[]], Act::Redact),
            (&[&["both:allow:secret"]], Act::Allow),
            (&[&["both:allow:secret"], &[]], Act::Redact),
            (&[&["both:allow:secret", "request:deny:aws-access-token"]], Act::Deny),
            (&[&["response:deny:secret", "both:mask:secret"]], Act::Mask),
        ];
        for (links, expected) in facts {
            assert_eq!(duties(links).act(Side::Request, &key, FindingGroup::Secret), expected, "{links:?}");
        }
        assert_eq!(duties(&[&[]]).act(Side::Request, &FindingKind::known("EMAIL_ADDRESS"), FindingGroup::Pii), Act::Allow);
    }

    #[test]
    fn malformed_duties_are_refused() {
        for text in ["", "redact:pii", "both:redact", "both:redact:", "both:drop:pii", "Both:redact:pii"] {
            assert!(text.parse::<Duty>().is_err(), "{text}");
        }
    }
}
