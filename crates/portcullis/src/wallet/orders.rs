//! What operators do with credentials for upstreams that are somebody's own. Whatever gives is recorded before it is done, whatever
//! takes away is done first.

use std::sync::Arc;

use config::{Lending, LendingSource, Per, Upstream};
use evidence::{EntryKind, Header};
use gateway::admin::{ConnectSpec, CredentialOrder, KeepSpec, Operator, RemoveSpec};
use gateway::outgoing::is_sendable;
use model::{LockTarget, Name, PrincipalId, PrincipalKind, ReasonCode, Refusal};
use serde_json::{Value, json};
use store::{Draft, KeptCredential};
use zeroize::Zeroizing;

use crate::gate::{Gate, InForce, now};
use crate::wallet::connecting::What;
use crate::wallet::{Held, place, unreadable};

fn wrong(what: impl Into<String>) -> Refusal {
    Refusal::because(ReasonCode::FieldType, what)
}

impl Gate {
    /// Performs an order.
    pub(crate) async fn order(&self, by: &Operator, order: CredentialOrder) -> Result<Value, Refusal> {
        match order {
            CredentialOrder::List => Ok(self.list_credentials()),
            CredentialOrder::Keep(spec) => self.keep_fixed(by, spec).await,
            CredentialOrder::Connect(spec) => self.connect_somebody(by, &spec),
            CredentialOrder::Look(id) => self.wallet.look(&id).ok_or_else(|| wrong("no connection of this name is on its way")),
            CredentialOrder::Remove(spec) => self.remove_credential(by, &spec).await,
        }
    }

    fn list_credentials(&self) -> Value {
        let in_force = self.in_force.load_full();
        let rows: Vec<Value> = self.wallet.secrets.list().iter().map(|told| self.row(&in_force, told)).collect();
        json!({"credentials": rows})
    }

    fn row(&self, in_force: &InForce, told: &KeptCredential) -> Value {
        let declared = in_force.config.settings.upstreams.get(&told.upstream);
        let here = declared.and_then(|declared| Some(place(declared, declared.lending.as_ref()?)));
        let held = if told.kind == "oauth" {
            let found = self.wallet.secrets.find(&told.upstream, &told.holder).ok().flatten();
            found.and_then(|(_, bytes)| Held::read(&bytes).ok())
        } else {
            None
        };
        let is_over = held.as_ref().is_some_and(|held| held.ended || (held.refresh.is_none() && !held.is_fresh(now())));
        let state = match here {
            Some(here) if here == told.place && is_over => "ended",
            Some(here) if here == told.place => "valid",
            Some(_) => "elsewhere",
            None => "unused",
        };
        json!({
            "id": told.id, "upstream": told.upstream, "holder": told.holder, "kind": told.kind, "state": state,
            "made": told.made, "changed": told.changed, "expires": held.as_ref().and_then(|held| held.expires),
        })
    }

    /// The upstream, what it lends, and the party that a text names.
    fn whose<'i>(
        &self,
        in_force: &'i InForce,
        upstream: &Name,
        holder: &str,
    ) -> Result<(&'i Upstream, &'i Lending, PrincipalId), Refusal> {
        let declared = in_force.config.settings.upstreams.get(upstream);
        let declared = declared.ok_or_else(|| wrong(format!("no upstream is named `{upstream}`")))?;
        let none = || wrong(format!("`{upstream}` takes no credential of somebody's own: see `upstreams.{upstream}.credential`"));
        let lending = declared.lending.as_ref().ok_or_else(none)?;
        let kind = if lending.per == Per::User { PrincipalKind::User } else { PrincipalKind::Agent };
        let named = holder.parse::<PrincipalId>().ok();
        let own = || Name::new(holder).ok().map(|name| PrincipalId::new(kind, name));
        let holder = named.or_else(own).ok_or_else(|| wrong("this is no name of a party"))?;
        if holder.kind != kind {
            return Err(wrong(format!("`{upstream}` takes a credential of each {}, and `{holder}` is none", kind.as_str())));
        }
        if !self.is_known(&LockTarget::Principal(holder.clone())) {
            return Err(wrong(format!("`{holder}` is not declared in portcullis.yaml, nor one of `issuers`")));
        }
        Ok((declared, lending, holder))
    }

    async fn keep_fixed(&self, by: &Operator, spec: KeepSpec) -> Result<Value, Refusal> {
        let in_force = self.in_force.load_full();
        let (declared, lending, holder) = self.whose(&in_force, &spec.upstream, &spec.holder)?;
        if !matches!(lending.source, LendingSource::Static) {
            return Err(wrong(format!("`{}` takes no fixed credential: connect `{holder}` instead", spec.upstream)));
        }
        if !is_sendable(spec.secret.expose()) {
            return Err(wrong("the secret is not of visible characters of ASCII, at most 8192, on one line"));
        }
        let told = KeptCredential {
            id: KeptCredential::new_id().map_err(|error| unreadable(&error))?,
            upstream: spec.upstream,
            holder,
            kind: "static".to_owned(),
            place: place(declared, lending),
            made: now(),
            changed: now(),
        };
        self.keep_credential(by, told.clone(), Zeroizing::new(spec.secret.expose().as_bytes().to_vec())).await?;
        Ok(json!({"id": told.id, "upstream": told.upstream, "holder": told.holder}))
    }

    /// Records it durably, then keeps it.
    pub(super) async fn keep_credential(
        &self,
        by: &Operator,
        told: KeptCredential,
        secret: Zeroizing<Vec<u8>>,
    ) -> Result<(), Refusal> {
        let KeptCredential { id, upstream, holder, kind, .. } = &told;
        self.noted(by, format!("upstream credential kept: {kind} {id} of {holder} at {upstream}")).await?;
        let secrets = Arc::clone(&self.wallet.secrets);
        let keeping = tokio::task::spawn_blocking(move || secrets.keep(told, &secret)).await;
        keeping.map_err(|_| Refusal::new(ReasonCode::Internal))?.map_err(|error| unreadable(&error))
    }

    async fn remove_credential(&self, by: &Operator, spec: &RemoveSpec) -> Result<Value, Refusal> {
        let (secrets, id) = (Arc::clone(&self.wallet.secrets), spec.id.clone());
        let removing = tokio::task::spawn_blocking(move || secrets.remove(&id)).await;
        let was_there = removing.map_err(|_| Refusal::new(ReasonCode::Internal))?.map_err(|error| unreadable(&error))?;
        if !was_there {
            return Err(wrong(format!("no credential for an upstream has the id `{}`", spec.id)));
        }
        let recorded = self.noted(by, format!("upstream credential taken away: {}", spec.id)).await.is_ok();
        Ok(json!({"id": spec.id, "removed": true, "recorded": recorded}))
    }

    fn connect_somebody(&self, by: &Operator, spec: &ConnectSpec) -> Result<Value, Refusal> {
        let in_force = self.in_force.load_full();
        let settings = &in_force.config.settings;
        let (declared, lending, holder) = self.whose(&in_force, &spec.upstream, &spec.holder)?;
        let LendingSource::Oauth(oauth) = &lending.source else {
            return Err(wrong(format!("`{}` is not connected at an authorization server", spec.upstream)));
        };
        let own = settings.access_url.clone().or_else(|| settings.tokens.as_ref().map(|gate| gate.url.clone()));
        let base = own.ok_or_else(|| wrong("people come back to `access.url`, or `tokens.url`: neither is set"))?;
        let place = place(declared, lending);
        let client = self.wallet.client(&place, oauth, settings)?;
        self.wallet.begin(What { upstream: spec.upstream.clone(), holder, place, client, by: by.clone(), base })
    }

    async fn noted(&self, by: &Operator, note: String) -> Result<(), Refusal> {
        let mut header = Header::new(EntryKind::Admin, now());
        header.operator = Some(PrincipalId::new(PrincipalKind::Operator, by.name.clone()));
        header.credential = Some(by.credential.clone());
        header.notes.push(note);
        let recorded = self.store.log.durable(Draft::plain(header)).await;
        recorded.map(|_| ()).map_err(|_| Refusal::new(ReasonCode::EvidenceUnavailable))
    }
}
