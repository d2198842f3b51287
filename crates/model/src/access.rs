//! What other enforcement points may ask about: who they are, what each may ask, and the words that operators declare for it.
//!
//! The gate has words of its own for what passes through it. What is enforced elsewhere (a record of an application, a route
//! behind a proxy) has none here until an operator declares kinds of resources and actions; nothing else can be asked about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Name, PrincipalId, PrincipalKind, Reach};

/// Something elsewhere and what is to be done with it. Three texts as an enforcement point wrote them, bounded by who reads them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Foreign {
    /// The verb.
    pub action: String,
    /// What kind of thing.
    pub kind: String,
    /// Which one.
    pub id: String,
}

/// Everything about other enforcement points that takes part in decisions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Access {
    /// The enforcement points.
    pub points: BTreeMap<Name, Point>,
    /// Further words for kinds of subjects, beside `user`, `agent` and `service`.
    pub subjects: BTreeMap<String, PrincipalKind>,
    /// The kinds of resources, by the word for them: a Cedar identifier.
    pub resources: BTreeMap<String, ResourceKind>,
    /// The actions, by the word for them.
    pub actions: BTreeMap<String, Verb>,
    /// Which properties of a subject policies see, as an enforcement point tells them.
    pub subject: BTreeMap<String, Shape>,
    /// Which members of a request's `context` they see.
    pub context: BTreeMap<String, Shape>,
    /// What operators say of parties beside their groups.
    pub tags: BTreeMap<PrincipalId, BTreeMap<String, String>>,
}

impl Access {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The kind of party that a word for a kind of subject means.
    #[must_use]
    pub fn subject_kind(&self, word: &str) -> Option<PrincipalKind> {
        match word {
            "user" => Some(PrincipalKind::User),
            "agent" => Some(PrincipalKind::Agent),
            "service" => Some(PrincipalKind::Service),
            _ => self.subjects.get(word).copied(),
        }
    }

    /// Whether the vocabulary has this action on this kind of resource, and knows this very resource.
    #[must_use]
    pub fn knows(&self, foreign: &Foreign) -> bool {
        let applies = self.actions.get(&foreign.action).is_some_and(|verb| verb.resources.contains(&foreign.kind));
        let kind = self.resources.get(&foreign.kind);
        applies && kind.is_some_and(|kind| kind.is_open || kind.entities.contains_key(&foreign.id))
    }
}

/// What one enforcement point may ask. Policies decide on the answer, this on the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// About which kinds of subjects, in its own words.
    pub subjects: Reach,
    /// Which actions.
    pub actions: Reach,
    /// On which kinds of resources.
    pub resources: Reach,
    /// Whether `context.agent` of its questions names the agent that acts for the subject: a further link of the chain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agents: bool,
    /// How often a minute it may search; 0: it may not.
    pub searches: u32,
    /// Path templates such as `/todos/{id}`, where it enforces by path: the first that fits is the id of the resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
}

/// A kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResourceKind {
    /// Whether resources that nobody lists may be asked about too: they have no attributes.
    pub is_open: bool,
    /// What operators say of a resource, as `resource.NAME`; each may be absent.
    pub attributes: BTreeMap<String, Shape>,
    /// What enforcement points say of one, as `context.pep.resource.NAME`; each may be absent.
    pub properties: BTreeMap<String, Shape>,
    /// The resources that operators list, with their attributes.
    pub entities: BTreeMap<String, BTreeMap<String, Value>>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verb {
    /// The kinds of resources that it applies to.
    pub resources: BTreeSet<String>,
    /// What enforcement points say of it, as `context.pep.action.NAME`; each may be absent.
    pub properties: BTreeMap<String, Shape>,
}

/// What values an attribute or a property has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A text.
    Text,
    /// A whole number of 64 bits.
    Number,
    /// Yes or no.
    Flag,
    /// A set of texts.
    Texts,
    /// A party of one kind.
    Party(PrincipalKind),
    /// A set of parties of one kind.
    Parties(PrincipalKind),
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A set of texts.
    Texts(BTreeSet<String>),
    /// A party.
    Party(PrincipalId),
    /// A set of parties.
    Parties(BTreeSet<PrincipalId>),
}

/// What an enforcement point says of a call, as far as operators have declared it and with the values that they declared.
/// Policies see it as `context.pep` and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Claims {
    /// Of the subject.
    pub subject: BTreeMap<String, Value>,
    /// Of the action.
    pub action: BTreeMap<String, Value>,
    /// Of the resource.
    pub resource: BTreeMap<String, Value>,
    /// Of the circumstances.
    pub context: BTreeMap<String, Value>,
}

/// Who asks about a call that somebody else makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The enforcement point.
    pub pep: Name,
    /// The kind of the subject, in its words.
    pub subject: String,
    /// What it says of the call; nothing where the question is about the gate's own words, for which nothing else is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims>,
}
