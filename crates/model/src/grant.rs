//! What a task was granted: a closed set of types with a total order. A grant only ever narrows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Action, Ask, Asked, Foreign, Name, PrincipalId, Resource};

/// Most names that one kind of a grant lists.
pub const MAX_GRANT_NAMES: usize = 64;
/// Longest name in a grant, in bytes.
pub const MAX_GRANT_NAME: usize = 256;
/// How everything of a kind is written.
const EVERY: &str = "*";

/// How far a grant reaches within one action. Written as a list of names; `["*"]` is everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum Reach {
    /// Everything that policy permits.
    Every,
    /// These resources, by their ids; never empty in a [`Grant`].
    These(BTreeSet<String>),
}

/// Why a list is not a reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nothing is named; what grants nothing is left out.
    #[error("a grant names at least one resource")]
    Empty,
    /// Too much is named.
    #[error("a grant names at most {MAX_GRANT_NAMES} resources of a kind")]
    TooMany,
    /// A name is empty, too long, or has a character that no resource has.
    #[error("a name in a grant has 1 to {MAX_GRANT_NAME} visible ASCII characters")]
    Name,
    /// `*` beside names could be read in two ways.
    #[error("`*` stands alone")]
    Mixed,
    /// No question of another enforcement point has such a name.
    #[error("a question is named `KIND:ACTION`, or `KIND:ACTION#ID` for one resource")]
    Question,
}

impl Reach {
    /// Reads the written form.
    ///
    /// # Errors
    /// [`GrantError`] for an empty list, too long a list, a name that no resource has, and `*` beside names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, GrantError> {
        let mut these = BTreeSet::new();
        for name in names {
            if name.is_empty() || name.len() > MAX_GRANT_NAME || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(GrantError::Name);
            }
            these.insert(name);
            if these.len() > MAX_GRANT_NAMES {
                return Err(GrantError::TooMany);
            }
        }
        match (these.contains(EVERY), these.len()) {
            (_, 0) => Err(GrantError::Empty),
            (true, 1) => Ok(Self::Every),
            (true, _) => Err(GrantError::Mixed),
            (false, _) => Ok(Self::These(these)),
        }
    }

    fn is_within(&self, wider: &Self, action: Action) -> bool {
        match (self, wider) {
            (_, Self::Every) => true,
            (Self::Every, Self::These(_)) => false,
            (Self::These(some), Self::These(all)) => some.iter().all(|name| is_among(name, all, action)),
        }
    }

    /// Whether it reaches `id`.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        match self {
            Self::Every => true,
            Self::These(names) => names.contains(id),
        }
    }

    /// Leaves out what another name holds already: a reach has one written form.
    fn normal(mut self, action: Action) -> Self {
        if let (Self::These(names), Action::Access) = (&mut self, action) {
            let wide: BTreeSet<String> = names.iter().filter(|name| !name.contains(ONE)).cloned().collect();
            names.retain(|name| name.split_once(ONE).is_none_or(|(question, _)| !wide.contains(question)));
        }
        self
    }

    /// The names as written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (every, these) = match self {
            Self::Every => (Some(EVERY), None),
            Self::These(names) => (None, Some(names.iter().map(String::as_str))),
        };
        every.into_iter().chain(these.into_iter().flatten())
    }
}

impl TryFrom<Vec<String>> for Reach {
    type Error = GrantError;
    fn try_from(names: Vec<String>) -> Result<Self, GrantError> {
        Self::new(names)
    }
}

impl From<Reach> for Vec<String> {
    fn from(reach: Reach) -> Self {
        reach.names().map(ToOwned::to_owned).collect()
    }
}

/// Stands between a question and the one resource that it is granted for.
const ONE: char = '#';

/// Whether a name, or the question without its one resource, is among `names`.
fn is_among(name: &str, names: &BTreeSet<String>, action: Action) -> bool {
    let question = name.split_once(ONE).map(|(question, _)| question).filter(|_| action == Action::Access);
    names.contains(name) || question.is_some_and(|question| names.contains(question))
}

/// Whether `name` names questions: a kind of resources, which is letters, digits and `_`, and an action.
fn is_question(name: &str) -> bool {
    let question = name.split_once(ONE).map_or(name, |(question, _)| question);
    let is_kind = |kind: &str| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // `*` is everything where it stands alone, and nothing as a part: who writes it means more than it would grant.
    let id = name.split_once(ONE).map(|(_, id)| id);
    question.split_once(':').is_some_and(|(kind, action)| is_kind(kind) && !action.is_empty() && action != "*") && id != Some("*")
}

/// How a grant names what is asked. A question of another enforcement point is `KIND:ACTION#ID`; one whose words could be read in
/// two ways has no name, and nothing but `*` grants it.
fn name_of(ask: &Ask) -> Option<String> {
    match &ask.resource {
        Resource::Foreign(Foreign { action, kind, id }) => {
            let name = format!("{kind}:{action}");
            (!action.contains(ONE) && !kind.contains(':') && is_question(&name)).then(|| format!("{name}{ONE}{id}"))
        }
        resource => Some(resource.id().to_owned()),
    }
}

/// What a task may do at most: per action the resources it may be aimed at. What is not named is not granted; an empty grant
/// grants nothing. Policy decides within it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grant(BTreeMap<Action, Reach>);

impl Grant {
    /// The types of `authorization_details` (RFC 9396), with the action each grants and the member that lists its resources.
    pub const TYPES: [(&'static str, Action, &'static str); 17] = [
        ("call_model", Action::CallModel, "models"),
        ("store_remotely", Action::StoreRemotely, "models"),
        ("use_hosted_tool", Action::UseHostedTool, "tools"),
        ("fetch_remote", Action::FetchRemote, "destinations"),
        ("use_beta", Action::UseBeta, "betas"),
        ("delegate", Action::IssueToken, "agents"),
        ("call_tool", Action::CallTool, "tools"),
        ("list_tools", Action::ListTools, "servers"),
        ("answer_server", Action::AnswerServer, "servers"),
        ("get_prompt", Action::GetPrompt, "documents"),
        ("read_resource", Action::ReadResource, "documents"),
        ("retrieve", Action::Retrieve, "collections"),
        ("send_message", Action::SendMessage, "agents"),
        ("connect", Action::Connect, "destinations"),
        ("release_key", Action::ReleaseKey, "models"),
        ("start_training", Action::StartTraining, "datasets"),
        ("access", Action::Access, "actions"),
    ];

    /// Nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds `reach` to what `action` reaches already.
    ///
    /// # Errors
    /// [`GrantError::TooMany`] when the two together name too much, [`GrantError::Question`] for a name that no question has.
    pub fn add(&mut self, action: Action, reach: Reach) -> Result<(), GrantError> {
        if let (Action::Access, Reach::These(names)) = (action, &reach)
            && !names.iter().all(|name| is_question(name))
        {
            return Err(GrantError::Question);
        }
        let joined = match (self.0.remove(&action), reach) {
            (None, reach) => reach,
            (Some(Reach::Every), _) | (Some(_), Reach::Every) => Reach::Every,
            (Some(Reach::These(mut names)), Reach::These(more)) => {
                names.extend(more);
                if names.len() > MAX_GRANT_NAMES {
                    return Err(GrantError::TooMany);
                }
                Reach::These(names)
            }
        };
        self.0.insert(action, joined.normal(action));
        Ok(())
    }

    /// Whether everything that this grants is granted by `wider` too: reflexive, transitive, antisymmetric, total.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        self.0.iter().all(|(action, reach)| wider.0.get(action).is_some_and(|other| reach.is_within(other, *action)))
    }

    /// Whether `ask` is granted.
    #[must_use]
    pub fn covers(&self, ask: &Ask) -> bool {
        self.0.get(&ask.action).is_some_and(|reach| match (reach, name_of(ask)) {
            (Reach::Every, _) => true,
            (Reach::These(names), Some(name)) => is_among(&name, names, ask.action),
            (Reach::These(_), None) => false,
        })
    }

    /// What covers `ask` and no more; none if only a grant of everything does.
    #[must_use]
    pub fn exactly(ask: &Ask) -> Option<Reach> {
        name_of(ask).and_then(|name| Reach::new([name]).ok())
    }

    /// Per type of `authorization_details`: its name, the member that lists resources, and what it reaches.
    pub fn details(&self) -> impl Iterator<Item = (&'static str, &'static str, &Reach)> {
        let of = |action: Action| Self::TYPES.into_iter().find(move |(_, granted, _)| *granted == action);
        self.0.iter().filter_map(move |(action, reach)| of(*action).map(|(name, _, member)| (name, member, reach)))
    }

    /// What is granted, as policies see it: `callModel:small`, `useBeta:*`.
    #[must_use]
    pub fn lines(&self) -> BTreeSet<String> {
        let lines = |(action, reach): (&Action, &Reach)| -> Vec<String> {
            reach.names().map(|name| format!("{}:{name}", action.as_str())).collect()
        };
        self.0.iter().flat_map(lines).collect()
    }
}

/// The task that a call belongs to, as its token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id: the same in every token that was derived for it.
    pub id: Name,
    /// What it is for, in one word of whoever opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Name>,
    /// What it may do at most.
    pub grant: Grant,
}

/// A party that no configuration declares, vouched for by an issuer of tokens: `user:ISSUER:SUBJECT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federated {
    /// Who.
    pub principal: PrincipalId,
    /// The declared groups that the issuer's claims are mapped to.
    pub groups: BTreeSet<Name>,
}

/// What is said of a call beside its chain: by a token, or by an enforcement point that asks. Empty where a key was presented.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mandate {
    /// The subject, where an issuer vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated: Option<Federated>,
    /// The task, where a task token was presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The task that a token is asked for: what policies see of it while they decide on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Task>,
    /// Whether the subject's token itself names the actor who asks for a token (RFC 8693, section 4.4).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_act: bool,
    /// Who asks, where somebody else enforces the answer, and what it says of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<Box<Asked>>,
}

impl Mandate {
    /// Whether it says nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.federated.is_none() && self.task.is_none() && self.asked.is_none() && !self.may_act && self.asked_by.is_none()
    }
}

#[cfg(test)]
mod tests;
