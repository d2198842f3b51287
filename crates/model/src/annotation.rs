//! What operators say of a tool: how far its results can be trusted, and which arguments decide where something goes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::Integrity;

/// How far the results of a tool can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// Anybody may have written any of it. What nobody has annotated is this.
    #[default]
    Untrusted,
    /// An operator vouches for all of it: nobody outside can set any part.
    Trusted,
    /// An operator vouches for it but for these fields, by name. What is no readable structure is as [`Output::Untrusted`].
    Mixed {
        /// Fields in which outsiders write what they like.
        free: BTreeSet<String>,
        /// Fields in which outsiders stand by a name or number of theirs. What is not shaped like one there is untrusted.
        ident: BTreeSet<String>,
    },
    /// Every field is one in which outsiders stand by a name or number, such as a list of members.
    Identifiers,
}

/// What an argument decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sink {
    /// Who is paid.
    Payee,
    /// What opens something afterwards: a password, a key.
    Credential,
    /// Where something goes, or who gets access: a recipient, a channel, an address.
    Destination,
    /// What is changed or deleted.
    Target,
    /// An address that is read and nothing more.
    Fetch,
    /// What others will read: links in it lead them somewhere.
    Content,
}

/// The annotation of one tool. `Default` is a tool that nobody has annotated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Annotation {
    /// Its results.
    #[serde(default)]
    pub output: Output,
    /// Its arguments, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, Sink>,
}

/// Where one value of a call comes from, for whoever has to approve it. It holds no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentOrigin {
    /// The value's place in the arguments, as a JSON Pointer.
    pub at: String,
    /// What the argument decides, if operators have said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<Sink>,
    /// How far it can be trusted.
    pub integrity: Integrity,
    /// Who has said it: `user`, `system`, or `tool:` and its name; none if it stands nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its line there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The field, where the source has fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Annotation {
    /// Whether nobody has said anything.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        *self == Self::default()
    }
}

impl Sink {
    /// Every kind, as configurations and policies name it.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Payee, "payee"),
        (Self::Credential, "credential"),
        (Self::Destination, "destination"),
        (Self::Target, "target"),
        (Self::Fetch, "fetch"),
        (Self::Content, "content"),
    ];

    /// As configurations and policies name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(sink, _)| *sink == self).map_or("", |(_, name)| name)
    }
}
