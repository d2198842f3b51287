//! Locks: what an operator has stopped, checked at admit, before act, after every wait and at every release.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    Chain, CredentialId, Differing, IdError, ModelName, Name, PrincipalId, PrincipalKind, Quarantines, ReasonCode, Resource,
    UnixMillis,
};

/// What can be stopped, written `credential:ID`, `task:ID`, `user:NAME`, `agent:NAME`, `service:NAME`, `operator:NAME`,
/// `model:NAME`, `server:NAME`, `tool:SERVER/NAME` or `all`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LockTarget {
    /// One credential.
    Credential(CredentialId),
    /// One task, with every token that was derived for it.
    Task(Name),
    /// One party, with everything it takes part in.
    Principal(PrincipalId),
    /// One model alias.
    Model(ModelName),
    /// One tool server, with all of its tools.
    Server(Name),
    /// One tool, `SERVER/NAME`.
    Tool(String),
    /// Everything on the data plane.
    All,
}

impl fmt::Display for LockTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(id) => write!(formatter, "credential:{id}"),
            Self::Task(id) => write!(formatter, "task:{id}"),
            Self::Principal(id) => write!(formatter, "{id}"),
            Self::Model(name) => write!(formatter, "model:{name}"),
            Self::Server(name) => write!(formatter, "server:{name}"),
            Self::Tool(id) => write!(formatter, "tool:{id}"),
            Self::All => formatter.write_str("all"),
        }
    }
}

impl FromStr for LockTarget {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "all" {
            return Ok(Self::All);
        }
        match text.split_once(':') {
            Some(("credential", id)) => Ok(Self::Credential(Name::new(id)?)),
            Some(("task", id)) => Ok(Self::Task(Name::new(id)?)),
            Some(("model", name)) => Ok(Self::Model(Name::new(name)?)),
            Some(("server", name)) => Ok(Self::Server(Name::new(name)?)),
            Some(("tool", id)) => tool(id).map(Self::Tool),
            _ => Ok(Self::Principal(text.parse()?)),
        }
    }
}

/// A tool by its server and the name that it has there: 1 to 128 signs of ASCII without blanks.
fn tool(id: &str) -> Result<String, IdError> {
    let (server, name) = id.split_once('/').unwrap_or((id, ""));
    Name::new(server)?;
    let is_plain = (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_plain { Ok(id.to_owned()) } else { Err(Name::new(name).err().unwrap_or(IdError::Name(String::new()))) }
}

impl TryFrom<String> for LockTarget {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<LockTarget> for String {
    fn from(target: LockTarget) -> Self {
        target.to_string()
    }
}

/// How final a lock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockKind {
    /// Can be taken back with `unlock`.
    Kill,
    /// Final.
    Revoke,
}

/// How final a lock is, and for how long it has something to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lock {
    kind: LockKind,
    /// When what it stops has ended by itself; never, if absent.
    until: Option<UnixMillis>,
}

/// Everything that is stopped at one moment. Immutable where it is read; a change makes a new set with a higher version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockSet {
    version: u64,
    locks: BTreeMap<LockTarget, Lock>,
    quarantines: Quarantines,
}

impl LockSet {
    /// The epoch: grows by one with every change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// How many locks there are.
    #[must_use]
    pub fn n_locks(&self) -> usize {
        self.locks.len()
    }

    /// All locks, sorted by target.
    pub fn iter(&self) -> impl Iterator<Item = (&LockTarget, LockKind)> {
        self.locks.iter().map(|(target, lock)| (target, lock.kind))
    }

    /// Stops `target`. A revocation is never weakened to a kill, and no lock becomes shorter.
    pub fn stop(&mut self, target: LockTarget, kind: LockKind, until: Option<UnixMillis>) {
        let stricter = self.locks.get(&target).map_or(Lock { kind, until }, |earlier| Lock {
            kind: kind.max(earlier.kind),
            until: earlier.until.zip(until).map(|(one, other)| one.max(other)),
        });
        self.locks.insert(target, stricter);
        self.version = self.version.saturating_add(1);
    }

    /// A new set with `target` stopped without an end.
    #[must_use]
    pub fn with(&self, target: LockTarget, kind: LockKind) -> Self {
        let mut next = self.clone();
        next.stop(target, kind, None);
        next
    }

    /// Forgets locks that have nothing to stop any more at `now`. Not a change: the version stays, and nobody is woken.
    pub fn forget_ended(&mut self, now: UnixMillis) {
        self.locks.retain(|_, lock| lock.until.is_none_or(|until| until > now));
    }

    /// A new set with a killed `target` released, or `None` if it is not locked or is revoked.
    #[must_use]
    pub fn without(&self, target: &LockTarget) -> Option<Self> {
        if self.kind(target) != Some(LockKind::Kill) {
            return None;
        }
        let mut next = self.clone();
        next.locks.remove(target);
        next.version = self.version.saturating_add(1);
        Some(next)
    }

    /// The tools that are quarantined, and what was released of them.
    #[must_use]
    pub const fn quarantines(&self) -> &Quarantines {
        &self.quarantines
    }

    /// Quarantines a tool, `SERVER/NAME`: beside every lock, so that none lifts it.
    pub fn quarantine(&mut self, tool: String, differing: Differing) {
        self.quarantines.begin(tool, differing);
        self.version = self.version.saturating_add(1);
    }

    /// A new set with a quarantined tool released, or `None` if it is not quarantined. `tolerated`: what its server may go on to say.
    #[must_use]
    pub fn released(&self, tool: &str, tolerated: Option<Differing>) -> Option<Self> {
        let mut next = self.clone();
        next.version = self.version.saturating_add(1);
        next.quarantines.end(tool, tolerated).then_some(next)
    }

    /// How `target` itself is locked, if it is.
    #[must_use]
    pub fn kind(&self, target: &LockTarget) -> Option<LockKind> {
        self.locks.get(target).map(|lock| lock.kind)
    }

    /// The reason why this call must stop, or `None` if nothing that it touches is locked. `aim`: what it is aimed at, if that is
    /// known already.
    #[must_use]
    pub fn stops(&self, credential: &CredentialId, chain: &Chain, aim: Option<&Resource>) -> Option<ReasonCode> {
        // Most of the time nothing is locked, and this runs at every released chunk.
        if self.locks.is_empty() && self.quarantines.is_empty() {
            return None;
        }
        if self.locks.contains_key(&LockTarget::All) {
            return Some(ReasonCode::GateLocked);
        }
        if let Some(reason) = self.stops_credential(credential) {
            return Some(reason);
        }
        if chain.links().iter().any(|link| self.locks.contains_key(&LockTarget::Principal(link.clone()))) {
            return Some(ReasonCode::PrincipalLocked);
        }
        self.stops_aim(aim?)
    }

    fn stops_aim(&self, aim: &Resource) -> Option<ReasonCode> {
        let is_locked = |target: LockTarget| self.locks.contains_key(&target);
        let is_server_locked = |server: &str| Name::new(server).is_ok_and(|name| is_locked(LockTarget::Server(name)));
        match aim {
            Resource::Model(name) => is_locked(LockTarget::Model(name.clone())).then_some(ReasonCode::ModelLocked),
            Resource::ToolServer(name) => is_locked(LockTarget::Server(name.clone())).then_some(ReasonCode::ToolLocked),
            // Who is stopped is not spoken to either.
            Resource::Agent(name) => {
                let agent = PrincipalId::new(PrincipalKind::Agent, name.clone());
                is_locked(LockTarget::Principal(agent)).then_some(ReasonCode::PrincipalLocked)
            }
            Resource::Tool(id) => {
                let server = id.split_once('/').map_or(id.as_str(), |(server, _)| server);
                let is_locked = is_locked(LockTarget::Tool(id.clone())) || is_server_locked(server);
                // What an operator has stopped is told first.
                let is_quarantined = || self.quarantines.of(id).map(|_| ReasonCode::ToolQuarantined);
                is_locked.then_some(ReasonCode::ToolLocked).or_else(is_quarantined)
            }
            Resource::Document(id) => {
                let server = id.split_once('/').map_or(id.as_str(), |(server, _)| server);
                is_server_locked(server).then_some(ReasonCode::ToolLocked)
            }
            _ => None,
        }
    }

    /// The reason why a token must stop: one of the credentials that it descends from, or its task, is stopped. What is revoked
    /// takes everything with it that was derived from it.
    #[must_use]
    pub fn stops_descent(&self, parents: &[CredentialId], task: Option<&Name>) -> Option<ReasonCode> {
        if self.locks.is_empty() {
            return None;
        }
        let of_task = task.and_then(|task| self.kind(&LockTarget::Task(task.clone()))).map(of_kind);
        of_task.or_else(|| parents.iter().find_map(|parent| self.stops_credential(parent)))
    }

    fn stops_credential(&self, id: &CredentialId) -> Option<ReasonCode> {
        self.kind(&LockTarget::Credential(id.clone())).map(of_kind)
    }
}

const fn of_kind(kind: LockKind) -> ReasonCode {
    match kind {
        LockKind::Revoke => ReasonCode::CredentialRevoked,
        LockKind::Kill => ReasonCode::CredentialLocked,
    }
}

#[cfg(test)]
mod tests {
    use super::{LockKind, LockSet, LockTarget};
    use crate::{Chain, Name, PrincipalId, ReasonCode, Resource, UnixMillis};

    #[test]
    fn every_target_stops_the_call_that_touches_it() -> Result<(), Box<dyn std::error::Error>> {
        let credential = Name::new("pk_1")?;
        let model = Resource::Model(Name::new("small")?);
        let links: Result<Vec<PrincipalId>, _> = ["user:a", "agent:b"].iter().map(|link| link.parse()).collect();
        let chain = Chain::new(links?)?;
        let facts = [
            ("all", Some(ReasonCode::GateLocked)),
            ("credential:pk_1", Some(ReasonCode::CredentialLocked)),
            ("credential:pk_2", None),
            ("user:a", Some(ReasonCode::PrincipalLocked)),
            ("agent:b", Some(ReasonCode::PrincipalLocked)),
            ("service:a", None),
            ("model:small", Some(ReasonCode::ModelLocked)),
            ("model:large", None),
        ];
        for (target, expected) in facts {
            let target: LockTarget = target.parse()?;
            let locks = LockSet::default().with(target.clone(), LockKind::Kill);
            assert_eq!(locks.stops(&credential, &chain, Some(&model)), expected, "{target}");
            assert_eq!(locks.without(&target).and_then(|free| free.stops(&credential, &chain, Some(&model))), None);
        }
        Ok(())
    }

    #[test]
    fn who_is_stopped_is_not_spoken_to_either() -> Result<(), Box<dyn std::error::Error>> {
        let credential = Name::new("pk_1")?;
        let chain = Chain::new(vec!["user:a".parse()?])?;
        let travel = Resource::Agent(Name::new("travel")?);
        for (target, expected) in [
            ("agent:travel", Some(ReasonCode::PrincipalLocked)),
            ("agent:other", None),
            ("user:travel", None),
            ("server:travel", None),
        ] {
            let locks = LockSet::default().with(target.parse()?, LockKind::Kill);
            assert_eq!(locks.stops(&credential, &chain, Some(&travel)), expected, "{target}");
        }
        Ok(())
    }

    #[test]
    fn a_tool_stops_with_its_server() -> Result<(), Box<dyn std::error::Error>> {
        let credential = Name::new("pk_1")?;
        let chain = Chain::new(vec!["user:a".parse()?])?;
        let tool = Resource::Tool("kb/search".to_owned());
        let server = Resource::ToolServer(Name::new("kb")?);
        let facts = [
            ("tool:kb/search", true, false),
            ("tool:kb/write", false, false),
            ("server:kb", true, true),
            ("server:k", false, false),
            ("model:kb", false, false),
        ];
        for (target, stops_tool, stops_server) in facts {
            let locks = LockSet::default().with(target.parse()?, LockKind::Kill);
            assert_eq!(target.parse::<LockTarget>()?.to_string(), target);
            for (aim, stops) in [(&tool, stops_tool), (&server, stops_server)] {
                let expected = stops.then_some(ReasonCode::ToolLocked);
                assert_eq!(locks.stops(&credential, &chain, Some(aim)), expected, "{target} {aim:?}");
            }
        }
        for wrong in ["tool:kb", "tool:/search", "tool:kb/", "tool:k b/search", "server:"] {
            assert!(wrong.parse::<LockTarget>().is_err(), "{wrong}");
        }
        Ok(())
    }

    #[test]
    fn what_is_stopped_takes_its_descendants_with_it() -> Result<(), Box<dyn std::error::Error>> {
        let parents = [Name::new("at.okta.1")?, Name::new("pcl_1")?];
        let task = Name::new("task_1")?;
        let facts = [
            ("credential:at.okta.1", LockKind::Revoke, Some(ReasonCode::CredentialRevoked)),
            ("credential:pcl_1", LockKind::Kill, Some(ReasonCode::CredentialLocked)),
            ("task:task_1", LockKind::Revoke, Some(ReasonCode::CredentialRevoked)),
            ("task:task_2", LockKind::Revoke, None),
            ("credential:task_1", LockKind::Revoke, None),
        ];
        for (target, kind, expected) in facts {
            let locks = LockSet::default().with(target.parse()?, kind);
            assert_eq!(locks.stops_descent(&parents, Some(&task)), expected, "{target}");
        }
        Ok(())
    }

    #[test]
    fn what_has_ended_by_itself_is_forgotten() -> Result<(), Box<dyn std::error::Error>> {
        let token: LockTarget = "credential:tok_1".parse()?;
        // (locks in order, whether it is there before, at and behind 1,000).
        let facts: [(&[Option<u64>], [bool; 3]); 4] = [
            (&[Some(1000)], [true, false, false]),
            (&[Some(1000), Some(500)], [true, false, false]),
            (&[Some(1000), None], [true, true, true]),
            (&[None, Some(1000)], [true, true, true]),
        ];
        for (ends, expected) in facts {
            let mut locks = LockSet::default();
            ends.iter().for_each(|end| locks.stop(token.clone(), LockKind::Revoke, end.map(UnixMillis)));
            let version = locks.version();
            let seen = [999, 1000, 1001].map(|now| {
                locks.forget_ended(UnixMillis(now));
                locks.kind(&token).is_some()
            });
            assert_eq!((seen, locks.version()), (expected, version), "{ends:?}");
        }
        Ok(())
    }

    #[test]
    fn a_revocation_stays() {
        let locks = LockSet::default().with(LockTarget::All, LockKind::Revoke).with(LockTarget::All, LockKind::Kill);
        assert_eq!(locks.without(&LockTarget::All), None);
        assert_eq!(locks.version(), 2);
    }
}
