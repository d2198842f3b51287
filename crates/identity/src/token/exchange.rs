//! Token exchange (RFC 8693): what may be derived from what. It never widens, and nothing outlives what it came from.

use model::{Chain, Credential, Grant, Holder, Name, PrincipalKind, ReasonCode, Refusal, Task, UnixMillis};

use super::Audience;
use super::access::Bearer;
use super::task::{Gate, MAX_PARENTS, TaskToken};

/// What an agent asks for.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// On whose behalf: the verified token of a subject, or the task token of the agent that delegates.
    pub subject: &'a Bearer,
    /// Who asks: the agent's own credential.
    pub actor: &'a Credential,
    /// What for, at most. Where a task token is exchanged, nothing means as much as that was granted.
    pub grant: Option<Grant>,
    /// A word for the task. A delegated task keeps its own.
    pub purpose: Option<Name>,
    /// For whom the token is to be; nothing means for whom the subject's is.
    pub audience: Option<Audience>,
    /// 32 fresh random bytes: for the ids of the token and the task.
    pub random: [u8; 32],
}

/// What the ids of task tokens begin with.
pub const TASK_TOKEN: &str = "tok_";
/// What the ids of tasks begin with.
pub const TASK: &str = "tsk_";

/// Why nothing can be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Only agents act on behalf of others here.
    #[error("the client is no agent with a key of its own, without a user behind it")]
    Actor,
    /// The agent stands in the chain already, before its end.
    #[error("the client stands in the chain already, or the chain is too long")]
    Chain,
    /// Nobody said what the task needs.
    #[error("authorization_details: say what the task needs; a token for everything is not made")]
    NoGrant,
    /// For somebody whom the parent is not for.
    #[error("resource: the subject token does not open it")]
    Target,
    /// More than the parent has.
    #[error("authorization_details: more than the subject token was granted")]
    Widened,
    /// A delegated task has the purpose that it was opened for.
    #[error("purpose: the task has one already")]
    Purpose,
    /// Derived too often.
    #[error("the token descends from too many others")]
    Descent,
    /// Nothing is left of its time.
    #[error("nothing is left of the time of the subject's token or of the client's key")]
    Expired,
}

impl ExchangeError {
    /// As a refusal with its stable code.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        let code = match self {
            Self::Actor | Self::Chain | Self::Purpose | Self::Descent | Self::Target => ReasonCode::ExchangeRefused,
            Self::NoGrant => ReasonCode::GrantMalformed,
            Self::Widened => ReasonCode::GrantExceeded,
            Self::Expired => ReasonCode::CredentialExpired,
        };
        Refusal::because(code, self.to_string())
    }
}

/// The token that may be made at `now`, if policy permits it too.
///
/// # Errors
/// [`ExchangeError`].
pub fn derive(asked: &Exchange<'_>, gate: &Gate, now: UnixMillis) -> Result<TaskToken, ExchangeError> {
    let chain = chain(asked)?;
    let task = task(asked)?;
    let audience = asked.audience.clone().unwrap_or_else(|| asked.subject.audience.clone());
    if !audience.is_within(&asked.subject.audience) {
        return Err(ExchangeError::Target);
    }
    let mut parents = asked.subject.parents.clone();
    parents.extend([asked.subject.credential.id.clone(), asked.actor.id.clone()]);
    parents.sort();
    parents.dedup();
    if parents.len() > MAX_PARENTS {
        return Err(ExchangeError::Descent);
    }
    let ends = [asked.subject.credential.expires, asked.actor.expires].into_iter().flatten();
    let end = ends.fold(now.plus_seconds(gate.lifetime), UnixMillis::min);
    // Whole seconds, rounded down: what is written never lies behind what was allowed.
    let expires = UnixMillis(0).plus_seconds(end.seconds());
    if expires <= now {
        return Err(ExchangeError::Expired);
    }
    let id = id(TASK_TOKEN, asked.random.iter().take(16)).ok_or(ExchangeError::Chain)?;
    let federated = asked.subject.mandate.federated.clone();
    let scopes = asked.subject.scopes.clone();
    let issued = UnixMillis(0).plus_seconds(now.seconds());
    Ok(TaskToken { id, chain, task, federated, audience, scopes, parents, issued, expires })
}

/// The subject's chain with the actor at its end. Who holds the parent may narrow it for itself.
fn chain(asked: &Exchange<'_>) -> Result<Chain, ExchangeError> {
    let Holder::Data { chain: actor } = &asked.actor.holder else { return Err(ExchangeError::Actor) };
    let [actor] = actor.links() else { return Err(ExchangeError::Actor) };
    if actor.kind != PrincipalKind::Agent {
        return Err(ExchangeError::Actor);
    }
    let Holder::Data { chain: before } = &asked.subject.credential.holder else { return Err(ExchangeError::Chain) };
    if before.actor() == Some(actor) && asked.subject.mandate.task.is_some() {
        return Ok(before.clone());
    }
    let links = before.links().iter().chain(std::iter::once(actor)).cloned().collect();
    Chain::new(links).map_err(|_| ExchangeError::Chain)
}

fn task(asked: &Exchange<'_>) -> Result<Task, ExchangeError> {
    let Some(parent) = &asked.subject.mandate.task else {
        let id = id(TASK, asked.random.iter().skip(16)).ok_or(ExchangeError::Chain)?;
        let grant = asked.grant.clone().ok_or(ExchangeError::NoGrant)?;
        return Ok(Task { id, purpose: asked.purpose.clone(), grant });
    };
    if asked.purpose.is_some() && asked.purpose != parent.purpose {
        return Err(ExchangeError::Purpose);
    }
    let grant = asked.grant.clone().unwrap_or_else(|| parent.grant.clone());
    if !grant.is_within(&parent.grant) {
        return Err(ExchangeError::Widened);
    }
    Ok(Task { id: parent.id.clone(), purpose: parent.purpose.clone(), grant })
}

fn id<'a>(prefix: &str, random: impl Iterator<Item = &'a u8>) -> Option<Name> {
    let bytes: Vec<u8> = random.copied().collect();
    Name::new(&format!("{prefix}{}", hex::encode(bytes))).ok()
}
