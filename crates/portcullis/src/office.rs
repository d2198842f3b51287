//! The policy administrator: what the admin API does to the running gate.

use std::sync::Arc;

use gateway::admin::{Administrator, ApplySpec, CredentialOrder, KeySpec, LogQuery, Operator, ToolsOrder, UsageQuery};
use identity::ENTROPY;
use model::{
    AdminAct, ApprovalAnswer, Chain, Credential, Holder, LockKind, LockTarget, Name, OperatorRole, PrincipalId, PrincipalKind,
    ReasonCode, Refusal, Registry, RequestId, UnixMillis,
};
use serde_json::{Value, json};
use store::{AdminError, Administered, By, Draft, Filter};

use crate::explain;
use crate::gate::{Gate, now, random};
use crate::graph;
use crate::retention;
use crate::tokens;
use crate::usage;

/// Longest life of a credential: ten years.
const MAX_LIFE: u64 = 10 * 366 * 86_400;
/// Most rows of one query.
const MAX_ROWS: u32 = 1000;

impl Gate {
    /// Reading content is an act of its own, and stands in the log before anything is shown.
    async fn read_by(&self, by: &Operator, what: &str) -> Result<(), Refusal> {
        let mut header = evidence::Header::new(evidence::EntryKind::Admin, now());
        header.operator = Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone()));
        header.credential = Some(by.credential.clone());
        header.notes.push(format!("read: {what}"));
        let accepted = self.store.log.accept(Draft::plain(header)).await;
        accepted.map(|_| ()).map_err(|_| Refusal::new(ReasonCode::EvidenceUnavailable))
    }
}

impl Administrator for Gate {
    fn role(&self, operator: &Name) -> Option<OperatorRole> {
        self.in_force.load().config.bundle.registry.operators.get(operator).copied()
    }

    fn status(&self) -> Value {
        let in_force = self.in_force.load();
        let log = self.store.log.status();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "bundle": in_force.snapshot.digest,
            "policies": in_force.snapshot.policy.n_policies(),
            "models": in_force.snapshot.routes.keys().collect::<Vec<_>>(),
            "danger": in_force.config.settings.danger.names(),
            "retention": {"content_days": in_force.config.settings.retention.content_days},
            "rules": {"files": in_force.config.bundle.rules.files, "active": in_force.snapshot.scanners.ready().is_ok()},
            "tls": self.certificates.status(),
            "tools": self.tools_status(),
            "epoch": self.store.epoch().version(),
            "log": {"accepted": log.accepted, "durable": log.durable, "sealed": log.sealed, "broken": log.broken,
                "space_low": log.is_space_low},
        })
    }

    fn is_ready(&self) -> bool {
        let log = self.store.log.status();
        log.broken.is_none() && !log.is_space_low && self.in_force.load().snapshot.scanners.ready().is_ok()
    }

    fn metrics(&self) -> String {
        let mut text = self.metrics.render();
        let log = self.store.log.status();
        let in_force = self.in_force.load();
        let danger = in_force.config.settings.danger.names();
        for (name, value) in [
            ("portcullis_interactions_running", u64::try_from(self.running.count()).unwrap_or(u64::MAX)),
            ("portcullis_log_accepted", log.accepted),
            ("portcullis_log_durable", log.durable),
            ("portcullis_log_sealed", log.sealed),
            ("portcullis_log_broken", u64::from(log.broken.is_some())),
            ("portcullis_log_space_low", u64::from(log.is_space_low)),
            ("portcullis_rules_pending", u64::from(in_force.snapshot.scanners.ready().is_err())),
            ("portcullis_epoch", self.store.epoch().version()),
            ("portcullis_budget_parts", u64::try_from(self.counters.n_keys()).unwrap_or(u64::MAX)),
            ("portcullis_approvals_pending", u64::try_from(self.n_approvals_pending()).unwrap_or(u64::MAX)),
            ("portcullis_calls_held", u64::try_from(self.n_calls_held()).unwrap_or(u64::MAX)),
            ("portcullis_controls_off", u64::try_from(danger.len()).unwrap_or(u64::MAX)),
        ] {
            text.push_str(&format!("# TYPE {name} gauge\n{name} {value}\n"));
        }
        text.push_str(&self.certificates.metrics());
        text.push_str(&self.desk.notices.metrics());
        text.push_str(&self.tools_metrics());
        if let Some(telemetry) = &self.telemetry {
            text.push_str(&telemetry.metrics());
        }
        text
    }

    fn list_locks(&self) -> Value {
        let locks = self.store.epoch().locks();
        let rows: Vec<Value> = locks.iter().map(|(target, kind)| json!({"target": target, "kind": kind})).collect();
        json!({"epoch": locks.version(), "locks": rows})
    }

    fn list_keys(&self) -> Value {
        let locks = self.store.epoch().locks();
        let rows: Vec<Value> = self.store.credentials().list().iter().map(|credential| row(credential, &locks)).collect();
        json!({"keys": rows})
    }

    async fn stop(&self, by: &Operator, target: LockTarget, kind: LockKind) -> Result<Value, Refusal> {
        let until = tokens::ends(&target, now());
        let done = self.act(by, AdminAct::Locked { target: target.clone(), kind, until }).await?;
        let known = self.is_known(&target);
        Ok(json!({"target": target, "kind": kind, "in_force": true, "recorded": done.recorded.is_some(), "known": known}))
    }

    fn approvals(&self) -> Value {
        self.list_approvals()
    }

    fn signed(&self, headers: &http::HeaderMap, body: &[u8]) -> Result<(Operator, ApprovalAnswer), Refusal> {
        self.open_signed(headers, body)
    }

    async fn approval(&self, by: &Operator, id: &str) -> Result<Value, Refusal> {
        self.show_approval(by, id).await
    }

    async fn answer(&self, by: &Operator, answer: ApprovalAnswer) -> Result<Value, Refusal> {
        self.answer_approval(by, answer).await
    }

    async fn unlock(&self, by: &Operator, target: LockTarget) -> Result<Value, Refusal> {
        self.act(by, AdminAct::Unlocked { target: target.clone() }).await?;
        Ok(json!({"target": target, "in_force": false}))
    }

    async fn create_key(&self, by: &Operator, spec: KeySpec) -> Result<Value, Refusal> {
        let holder = holder(&self.in_force.load().config.bundle.registry, &spec)?;
        let expires = expiry(spec.expires_in)?;
        let issued = identity::issue(random::<ENTROPY>()?, holder, now(), expires);
        self.act(by, AdminAct::CredentialCreated { credential: issued.credential.clone() }).await?;
        Ok(json!({"id": issued.credential.id, "secret": issued.secret.expose(), "expires": issued.credential.expires}))
    }

    async fn rotate_key(&self, by: &Operator, id: Name, overlap: u64) -> Result<Value, Refusal> {
        let previous = self.store.credentials().by_id(&id).ok_or_else(|| no_key(&id))?;
        Self::may_touch(by, &previous)?;
        if self.store.epoch().locks().kind(&LockTarget::Credential(id.clone())).is_some() {
            return Err(Refusal::because(ReasonCode::CredentialRevoked, "a stopped credential is not rotated"));
        }
        let life = previous.expires.map(|end| end.since(previous.created) / 1000);
        let rotated = identity::rotate(random::<ENTROPY>()?, &previous, now(), overlap, expiry(life)?)
            .map_err(|error| Refusal::because(ReasonCode::CredentialExpired, error.to_string()))?;
        let credential = rotated.issued.credential.clone();
        self.act(by, AdminAct::CredentialCreated { credential: credential.clone() }).await?;
        self.act(by, AdminAct::CredentialExpires { id: id.clone(), at: rotated.previous_expires }).await?;
        let secret = rotated.issued.secret.expose();
        Ok(
            json!({"id": credential.id, "secret": secret, "expires": credential.expires, "previous": id, "previous_expires": rotated.previous_expires}),
        )
    }

    async fn expire_key(&self, by: &Operator, id: Name, in_seconds: u64) -> Result<Value, Refusal> {
        let credential = self.store.credentials().by_id(&id).ok_or_else(|| no_key(&id))?;
        Self::may_touch(by, &credential)?;
        let at = now().plus_seconds(in_seconds.min(MAX_LIFE));
        self.act(by, AdminAct::CredentialExpires { id: id.clone(), at }).await?;
        Ok(json!({"id": id, "expires": at}))
    }

    async fn rotate_token_key(&self, by: &Operator) -> Result<Value, Refusal> {
        let made = tokio::task::block_in_place(|| {
            if self.issuing.load().is_none() {
                return Err(anyhow::anyhow!("`tokens` is not configured, so there is no key to rotate"));
            }
            self.store.add_token_key()?;
            let handles = identity::Handles::new(&self.store.token_seeds()?);
            Ok((tokens::issuing(&self.in_force.load().config.settings, &self.store)?, handles))
        });
        let (issuing, handles) = made.map_err(|error| Refusal::because(ReasonCode::FieldType, format!("{error:#}")))?;
        let id = issuing.as_ref().map_or("", |issuing| issuing.signer.key_id()).to_owned();
        let name = Name::new(&id).map_err(|_| ReasonCode::Internal)?;
        // Recorded before it signs: whoever reads the log knows every key that ever did.
        self.act(by, AdminAct::TokenKeyMade { id: name }).await?;
        self.issuing.store(issuing);
        self.handles.store(Arc::new(handles));
        Ok(json!({"id": id}))
    }

    async fn credentials(&self, by: &Operator, order: CredentialOrder) -> Result<Value, Refusal> {
        self.order(by, order).await
    }

    async fn tools(&self, by: &Operator, order: ToolsOrder) -> Result<Value, Refusal> {
        self.order_tools(by, order).await
    }

    async fn apply(&self, by: &Operator, spec: &ApplySpec) -> Result<Value, Refusal> {
        let by = By {
            operator: Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone())),
            credential: Some(by.credential.clone()),
        };
        self.bring_in_force(by, spec).await.map_err(|problems| Refusal::because(ReasonCode::FieldType, problems.join("\n")))
    }

    fn bundles(&self) -> Result<Value, Refusal> {
        tokio::task::block_in_place(|| self.bundles())
            .map_err(|problems| Refusal::because(ReasonCode::Internal, problems.join("\n")))
    }

    async fn explain(&self, by: &Operator, request: &str) -> Result<Value, Refusal> {
        let request: RequestId =
            request.parse().map_err(|error: model::IdError| Refusal::because(ReasonCode::FieldType, error.to_string()))?;
        self.read_by(by, &request.to_string()).await?;
        tokio::task::block_in_place(|| explain::request(self, request))
    }

    async fn flow(&self, by: &Operator, task: &str) -> Result<Value, Refusal> {
        let name = Name::new(task).map_err(|error| Refusal::because(ReasonCode::FieldType, error.to_string()))?;
        self.read_by(by, name.as_str()).await?;
        let graph = tokio::task::block_in_place(|| graph::of(self, name.as_str()))?;
        serde_json::to_value(graph).map_err(|_| ReasonCode::Internal.into())
    }

    async fn backup(&self, by: &Operator, keys: bool) -> Result<Value, Refusal> {
        let mut header = evidence::Header::new(evidence::EntryKind::Admin, now());
        header.operator = Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone()));
        header.credential = Some(by.credential.clone());
        header.notes.push(format!("backup: {}", if keys { "with keys" } else { "without keys" }));
        self.store.log.durable(Draft::plain(header)).await.map_err(|_| Refusal::new(ReasonCode::EvidenceUnavailable))?;
        if !tokio::task::block_in_place(|| self.store.seal()) {
            return Err(Refusal::because(ReasonCode::EvidenceUnavailable, "the log could not be sealed in time"));
        }
        Ok(json!({"sealed": self.store.log.status().sealed}))
    }

    async fn retain(&self, by: &Operator, dry_run: bool) -> Result<Value, Refusal> {
        let by = By {
            operator: Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone())),
            credential: Some(by.credential.clone()),
        };
        retention::retain(self, by, dry_run).await
    }

    async fn erase(&self, by: &Operator, subject: &str, dry_run: bool) -> Result<Value, Refusal> {
        let by = By {
            operator: Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone())),
            credential: Some(by.credential.clone()),
        };
        retention::erase(self, by, subject, dry_run).await
    }

    async fn usage(&self, _by: &Operator, query: UsageQuery) -> Result<Value, Refusal> {
        tokio::task::block_in_place(|| usage::report(self, &query))
    }

    async fn query(&self, _by: &Operator, query: LogQuery) -> Result<Value, Refusal> {
        let request = query.request.as_deref().map(str::parse::<RequestId>).transpose();
        let filter = Filter {
            request: request.map_err(|error| Refusal::because(ReasonCode::FieldType, error.to_string()))?,
            principal: query.principal,
            verdict: query.verdict,
            reason: query.reason,
            since: query.since.map(UnixMillis),
            limit: usize::try_from(query.limit.unwrap_or(100).clamp(1, MAX_ROWS)).unwrap_or(100),
            ..Filter::default()
        };
        let rows = tokio::task::block_in_place(|| self.store.query(&filter));
        let rows = rows.map_err(|_| Refusal::because(ReasonCode::Internal, "the index of the log cannot be read"))?;
        Ok(json!({"rows": rows}))
    }
}

impl Gate {
    pub(crate) async fn act(&self, by: &Operator, act: AdminAct) -> Result<Administered, Refusal> {
        let operator = PrincipalId::new(PrincipalKind::Operator, by.name.clone());
        let by = By { operator: Some(operator), credential: Some(by.credential.clone()) };
        self.store.administer(act, by).await.map_err(|error| {
            let code = match &error {
                AdminError::Record(_) => ReasonCode::EvidenceUnavailable,
                AdminError::Bundle(_) => ReasonCode::Internal,
                AdminError::UnknownCredential(_)
                | AdminError::CredentialExists(_)
                | AdminError::NotLocked(_)
                | AdminError::NotQuarantined(_)
                | AdminError::Revoked(_) => ReasonCode::FieldType,
            };
            Refusal::because(code, error.to_string())
        })
    }

    /// Who may not make operators' credentials may not touch them either.
    fn may_touch(by: &Operator, credential: &Credential) -> Result<(), Refusal> {
        let is_operators = matches!(credential.holder, Holder::Admin { .. });
        if is_operators && by.role != OperatorRole::Admin {
            return Err(Refusal::because(ReasonCode::RoleInsufficient, "an operator's credential is for role `admin`"));
        }
        Ok(())
    }

    /// Whether a lock's target exists; a lock on what does not exist yet is allowed, and worth a word.
    pub(crate) fn is_known(&self, target: &LockTarget) -> bool {
        let in_force = self.in_force.load();
        let registry = &in_force.config.bundle.registry;
        // Parties of issuers are not declared: `user:ISSUER:SUBJECT`.
        let is_vouched_for = |name: &Name| {
            name.as_str()
                .split_once(':')
                .is_some_and(|(issuer, _)| Name::new(issuer).is_ok_and(|issuer| self.issuers.named(&issuer).is_some()))
        };
        match target {
            LockTarget::All => true,
            LockTarget::Credential(id) => self.store.credentials().by_id(id).is_some(),
            // Tasks are not listed: their tokens say all that there is to know.
            LockTarget::Task(_) => true,
            LockTarget::Model(name) => registry.models.contains_key(name),
            LockTarget::Server(name) => registry.tool_servers.contains_key(name),
            LockTarget::Tool(id) => id.split_once('/').is_some_and(|(server, tool)| {
                let server = Name::new(server).ok().and_then(|server| registry.tool_servers.get(&server));
                server.is_some_and(|server| server.tools.contains_key(tool))
            }),
            LockTarget::Principal(id) => match id.kind {
                PrincipalKind::User => registry.users.contains_key(&id.name) || is_vouched_for(&id.name),
                PrincipalKind::Agent => registry.agents.contains_key(&id.name) || registry.remote_agents.contains_key(&id.name),
                PrincipalKind::Service => registry.services.contains_key(&id.name) || is_vouched_for(&id.name),
                PrincipalKind::Operator => registry.operators.contains_key(&id.name),
                PrincipalKind::Pep => registry.access.points.contains_key(&id.name),
            },
        }
    }
}

fn row(credential: &Credential, locks: &model::LockSet) -> Value {
    let holder = match &credential.holder {
        Holder::Data { chain } => json!({"chain": chain}),
        Holder::Admin { operator, role } => json!({"operator": operator, "role": role}),
    };
    let state = match locks.kind(&LockTarget::Credential(credential.id.clone())) {
        Some(LockKind::Revoke) => "revoked",
        Some(LockKind::Kill) => "locked",
        None if credential.is_expired(now()) => "expired",
        None => "valid",
    };
    json!({
        "id": credential.id, "holder": holder, "ledger": credential.ledger, "state": state,
        "created": credential.created, "expires": credential.expires,
    })
}

fn no_key(id: &Name) -> Refusal {
    Refusal::because(ReasonCode::FieldType, format!("no credential has the id `{id}`"))
}

fn expiry(seconds: Option<u64>) -> Result<Option<UnixMillis>, Refusal> {
    match seconds {
        None => Ok(None),
        Some(0) => Err(Refusal::because(ReasonCode::FieldType, "`expires_in` is at least 1 second")),
        Some(seconds) if seconds > MAX_LIFE => Err(Refusal::because(ReasonCode::FieldType, "`expires_in` is at most ten years")),
        Some(seconds) => Ok(Some(now().plus_seconds(seconds))),
    }
}

/// Whom a new credential stands for; the party has to be declared.
pub(crate) fn holder(registry: &Registry, spec: &KeySpec) -> Result<Holder, Refusal> {
    let wrong = |detail: String| Refusal::because(ReasonCode::FieldType, detail);
    let principal: PrincipalId = spec.principal.parse().map_err(|error: model::IdError| wrong(error.to_string()))?;
    let undeclared = || wrong(format!("`{principal}` is not declared in portcullis.yaml"));
    let is_declared = match principal.kind {
        PrincipalKind::User => registry.users.contains_key(&principal.name),
        PrincipalKind::Agent => registry.agents.contains_key(&principal.name),
        PrincipalKind::Service => registry.services.contains_key(&principal.name),
        PrincipalKind::Operator => registry.operators.contains_key(&principal.name),
        PrincipalKind::Pep => registry.access.points.contains_key(&principal.name),
    };
    if !is_declared {
        return Err(undeclared());
    }
    if principal.kind == PrincipalKind::Operator {
        if spec.on_behalf_of.is_some() {
            return Err(wrong("an operator acts on nobody's behalf".to_owned()));
        }
        let role = registry.operators.get(&principal.name).copied().ok_or_else(undeclared)?;
        return Ok(Holder::Admin { operator: principal.name, role });
    }
    let mut links = Vec::new();
    if let Some(user) = &spec.on_behalf_of {
        let text = if user.contains(':') { user.clone() } else { format!("user:{user}") };
        let user: PrincipalId = text.parse().map_err(|error: model::IdError| wrong(error.to_string()))?;
        if user.kind != PrincipalKind::User || !registry.users.contains_key(&user.name) {
            return Err(wrong(format!("`{user}` is not a declared user")));
        }
        links.push(user);
    }
    links.push(principal);
    Chain::new(links).map(|chain| Holder::Data { chain }).map_err(|error| wrong(error.to_string()))
}
