//! What a scanner saw: a kind, a place, never the value.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Which way content flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// The group a kind belongs to; duties can name a group instead of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingGroup {
    /// A credential. Without a duty it is redacted.
    Secret,
    /// Structured personal data.
    Pii,
    /// A content part that no scanner understands.
    Uninspected,
}

impl FindingGroup {
    /// The group as written in duties and policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Pii => "pii",
            Self::Uninspected => "uninspected",
        }
    }
}

/// What was found: `aws-access-token`, `CREDIT_CARD`, `uninspected:image`. Named as in the public data sets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingKind(Cow<'static, str>);

impl FindingKind {
    /// A kind known when the program was built.
    #[must_use]
    pub const fn known(kind: &'static str) -> Self {
        Self(Cow::Borrowed(kind))
    }

    /// A kind made at run time, such as `uninspected:` and a part's type.
    #[must_use]
    pub const fn made(kind: String) -> Self {
        Self(Cow::Owned(kind))
    }

    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A half-open range of byte offsets in one inspected text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// One thing a scanner saw. Holds no content: the value itself is never copied into a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The group that duties may name.
    pub group: FindingGroup,
    /// Which way the content flowed.
    pub side: Side,
    /// Where in the document: a JSON Pointer (RFC 6901) to the leaf, or the lane's name in a stream.
    pub place: String,
    /// Where in the decoded text of that leaf or lane, in bytes.
    pub span: Span,
}
