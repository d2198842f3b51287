//! The delegation chain: on whose behalf who acts.

use serde::{Deserialize, Serialize};

use crate::{PrincipalId, PrincipalKind};

/// Most links a chain may have: subject, agent, and six sub-agents.
pub const MAX_LINKS: usize = 8;

/// Why links do not make a chain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// No link, or more than [`MAX_LINKS`].
    #[error("a chain has 1 to {MAX_LINKS} links, found {0}")]
    Length(usize),
    /// A user stands behind another party; a human is never delegated to by a program.
    #[error("`{0}` cannot act on behalf of another party")]
    UserNotFirst(PrincipalId),
    /// An operator's credential does not work on the data plane.
    #[error("`{0}` is an operator and cannot stand in a chain")]
    Operator(PrincipalId),
    /// An enforcement point asks about others; it acts on nobody's behalf, and nobody acts through it.
    #[error("`{0}` is an enforcement point and stands alone")]
    Pep(PrincipalId),
    /// The same party twice would let it approve or widen itself.
    #[error("`{0}` stands twice in the chain")]
    Repeated(PrincipalId),
}

/// Who acts, from the subject (first) to the party that holds the connection (last). 1 to [`MAX_LINKS`] links.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<PrincipalId>", into = "Vec<PrincipalId>")]
pub struct Chain(Vec<PrincipalId>);

/// What shape a chain has; part of every decision, so that a dropped link never widens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainShape {
    /// Direct, delegated or without a human.
    pub kind: ChainKind,
    /// Number of links, 1 to [`MAX_LINKS`].
    pub depth: u8,
    /// Links one would expect and that are not there, e.g. `user`.
    pub missing: Vec<String>,
}

/// Whether a human stands at the head of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainKind {
    /// A user or a service with its own credential.
    Direct,
    /// An agent on behalf of a user or a service.
    Delegated,
    /// An agent with nobody behind it.
    Autonomous,
}

impl ChainKind {
    /// The kind as Cedar sees it in `context.chain.kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Delegated => "delegated",
            Self::Autonomous => "autonomous",
        }
    }
}

impl Chain {
    /// Checks the order of the links.
    ///
    /// # Errors
    /// [`ChainError`] for a wrong length, an operator, an enforcement point that is not alone, a user behind another party, or
    /// a repeated link.
    pub fn new(links: Vec<PrincipalId>) -> Result<Self, ChainError> {
        if links.is_empty() || links.len() > MAX_LINKS {
            return Err(ChainError::Length(links.len()));
        }
        for (position, link) in links.iter().enumerate() {
            match link.kind {
                PrincipalKind::Operator => return Err(ChainError::Operator(link.clone())),
                PrincipalKind::Pep if links.len() > 1 => return Err(ChainError::Pep(link.clone())),
                PrincipalKind::User if position > 0 => return Err(ChainError::UserNotFirst(link.clone())),
                PrincipalKind::User | PrincipalKind::Agent | PrincipalKind::Service | PrincipalKind::Pep => {}
            }
            if links.iter().take(position).any(|earlier| earlier == link) {
                return Err(ChainError::Repeated(link.clone()));
            }
        }
        Ok(Self(links))
    }

    /// The links, subject first.
    #[must_use]
    pub fn links(&self) -> &[PrincipalId] {
        &self.0
    }

    /// The subject: the party on whose behalf everything happens.
    #[must_use]
    pub fn subject(&self) -> Option<&PrincipalId> {
        self.0.first()
    }

    /// The human at the head, if there is one.
    #[must_use]
    pub fn user(&self) -> Option<&PrincipalId> {
        self.subject().filter(|link| link.kind == PrincipalKind::User)
    }

    /// The party that holds the connection.
    #[must_use]
    pub fn actor(&self) -> Option<&PrincipalId> {
        self.0.last()
    }

    /// The link directly in front of another one: on whose word that acts.
    #[must_use]
    pub fn before(&self, link: &PrincipalId) -> Option<&PrincipalId> {
        self.0.windows(2).find_map(|pair| if let [before, after] = pair { (after == link).then_some(before) } else { None })
    }

    /// The shape; computed from the links alone, never from what a client says.
    #[must_use]
    pub fn shape(&self) -> ChainShape {
        let has_agent = self.0.iter().any(|link| link.kind == PrincipalKind::Agent);
        let starts_with_agent = self.subject().is_some_and(|link| link.kind == PrincipalKind::Agent);
        let kind = match (has_agent, starts_with_agent) {
            (_, true) => ChainKind::Autonomous,
            (true, false) => ChainKind::Delegated,
            (false, false) if self.0.len() > 1 => ChainKind::Delegated,
            (false, false) => ChainKind::Direct,
        };
        let missing = if has_agent && self.user().is_none() { vec!["user".to_owned()] } else { Vec::new() };
        ChainShape { kind, depth: u8::try_from(self.0.len()).unwrap_or(u8::MAX), missing }
    }
}

impl TryFrom<Vec<PrincipalId>> for Chain {
    type Error = ChainError;
    fn try_from(links: Vec<PrincipalId>) -> Result<Self, ChainError> {
        Self::new(links)
    }
}

impl From<Chain> for Vec<PrincipalId> {
    fn from(chain: Chain) -> Self {
        chain.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, ChainKind};
    use crate::PrincipalId;

    fn chain(links: &[&str]) -> Option<Chain> {
        let links: Option<Vec<PrincipalId>> = links.iter().map(|link| link.parse().ok()).collect();
        Chain::new(links?).ok()
    }

    #[test]
    fn shapes() {
        let facts: [(&[&str], ChainKind, usize); 5] = [
            (&["user:a"], ChainKind::Direct, 0),
            (&["service:a"], ChainKind::Direct, 0),
            (&["user:a", "agent:b"], ChainKind::Delegated, 0),
            (&["service:a", "agent:b"], ChainKind::Delegated, 1),
            (&["agent:b"], ChainKind::Autonomous, 1),
        ];
        for (links, kind, n_missing) in facts {
            let shape = chain(links).map(|chain| chain.shape());
            assert_eq!(shape.as_ref().map(|shape| shape.kind), Some(kind), "{links:?}");
            assert_eq!(shape.map(|shape| shape.missing.len()), Some(n_missing), "{links:?}");
        }
    }

    #[test]
    fn wrong_orders_are_refused() {
        for links in [
            &[][..],
            &["agent:b", "user:a"],
            &["operator:o"],
            &["agent:b", "agent:b"],
            &["user:a", "pep:p"],
            &["pep:p", "agent:b"],
        ] {
            assert_eq!(chain(links), None, "{links:?}");
        }
    }
}
