//! Answers that operators sign with a key of their own, in place of a credential: read strictly, fresh, and each once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use gateway::admin::Operator;
use http::HeaderMap;
use identity::webhook::{FRESH, Message, WebhookError};
use model::{ApprovalAnswer, CredentialId, Digest, Name, ReasonCode, Refusal};
use serde::Deserialize;

use crate::gate::{Gate, now};

/// Most messages that are remembered: only who has a key can add one, and each is forgotten when it is too old to be taken.
const MAX_SEEN: usize = 4096;
/// What the name of a key for signed answers begins with, in the log and in locks.
const KEY: &str = "wk_";

/// The messages that were taken lately, and when each can be forgotten, in seconds since 1970 UTC.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<String, u64>>);

impl Seen {
    /// Notes a message.
    ///
    /// # Errors
    /// It was taken before, or too many were.
    fn take(&self, key: &str, message: &Message<'_>, now: u64) -> Result<(), Refusal> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, forget| *forget > now);
        let name = format!("{key} {}", message.id);
        if seen.contains_key(&name) {
            return Err(Refusal::because(ReasonCode::ApprovalClosed, "a message of this `webhook-id` was taken before"));
        }
        if seen.len() >= MAX_SEEN {
            return Err(Refusal::because(ReasonCode::ApprovalLimit, "too many signed answers within ten minutes"));
        }
        // A clock that is set back takes nothing twice that it took by its old time.
        seen.insert(name, message.at.max(now).saturating_add(2 * FRESH));
        Ok(())
    }
}

/// What stands in a signed answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedAnswer {
    /// The request.
    request: Name,
    /// Which of its things, counted from 1; all, if absent.
    #[serde(default)]
    item: Option<u8>,
    /// The commitments that were shown.
    #[serde(default)]
    shown: Vec<Digest>,
    verdict: SignedVerdict,
    /// The operator who answers.
    by: Name,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SignedVerdict {
    Approve,
    Refuse,
}

/// Whether a credential is a key for signed answers.
pub(super) fn is_key(credential: &CredentialId) -> bool {
    credential.as_str().starts_with(KEY)
}

impl Gate {
    /// Whether the configuration in force has this key for an operator's answers.
    pub(super) fn signs(&self, operator: &Name, credential: &CredentialId) -> bool {
        let in_force = self.in_force.load();
        let key = in_force.config.settings.approving.signers.get(operator);
        key.is_some_and(|key| credential.as_str().strip_prefix(KEY) == Some(&*key.name()))
    }

    /// Who says what in a signed message. What stands in it is not read before it is known who has signed.
    ///
    /// # Errors
    /// [`ReasonCode::CredentialUnknown`] for what nobody has signed, [`ReasonCode::CredentialExpired`] for what is not fresh,
    /// [`ReasonCode::ApprovalClosed`] for what was taken before, [`ReasonCode::FieldType`] for what is no answer.
    pub(crate) fn open_signed(&self, headers: &HeaderMap, body: &[u8]) -> Result<(Operator, ApprovalAnswer), Refusal> {
        let values = |name: &str| headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect::<Vec<_>>();
        let (id, at, signatures) = (values("webhook-id"), values("webhook-timestamp"), values("webhook-signature"));
        let refused = |error: WebhookError| {
            let code = match error {
                WebhookError::Malformed => ReasonCode::CredentialMissing,
                WebhookError::Stale => ReasonCode::CredentialExpired,
                WebhookError::Forged => ReasonCode::CredentialUnknown,
            };
            Refusal::because(code, error.to_string())
        };
        let message = Message::read(&id, &at, &signatures, body).map_err(refused)?;
        let in_force = self.in_force.load();
        let (name, key) = message.signer(in_force.config.settings.approving.signers.iter(), now()).map_err(refused)?;
        let credential = Name::new(&format!("{KEY}{}", key.name())).map_err(|_| ReasonCode::Internal)?;
        self.desk.signed.take(credential.as_str(), &message, now().seconds())?;
        let answer: SignedAnswer = serde_json::from_slice(body).map_err(|error| {
            let what = "expected `{\"request\", \"shown\": [COMMITMENT…], \"verdict\": \"approve\" or \"refuse\", \"by\"}`";
            Refusal::because(ReasonCode::FieldType, format!("{what}: {error}"))
        })?;
        if answer.by != *name {
            return Err(Refusal::because(
                ReasonCode::CredentialUnknown,
                "/by is another operator than the one whose key has signed",
            ));
        }
        let item = match answer.item {
            Some(0) => return Err(Refusal::because(ReasonCode::FieldType, "/item: things are counted from 1")),
            item => item.map(|item| item.saturating_sub(1)),
        };
        let role = in_force.config.bundle.registry.operators.get(name).copied().ok_or(ReasonCode::PrincipalUnknown)?;
        let by = Operator { name: name.clone(), role, credential };
        let is_approved = answer.verdict == SignedVerdict::Approve;
        Ok((by, ApprovalAnswer { id: answer.request, item, shown: answer.shown, is_approved }))
    }
}
