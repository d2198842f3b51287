//! The names that policies use: schema, entity uids, annotations.

use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use model::{Action, Challenge, PrincipalId, PrincipalKind, Resource};

/// The schema as text: a public format, see `docs/decisions/0005-cedar-vocabulary.md`.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// Policies that no configuration takes out.
pub(crate) const BASELINE: &str = include_str!("baseline.cedar");

/// The file name under which the baseline shows in explanations.
pub(crate) const BASELINE_FILE: &str = "baseline.cedar";

/// The parsed schema; a test parses it, so it cannot fail later.
pub(crate) static PARSED: LazyLock<Option<Schema>> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).ok().map(|(schema, _)| schema));

/// The uid of an entity `Portcullis::<kind>::"<id>"`. `None` only for a kind that is no Cedar name.
pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    let name = EntityTypeName::from_str(&format!("Portcullis::{kind}")).ok()?;
    Some(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

pub(crate) fn principal_uid(principal: &PrincipalId) -> Option<EntityUid> {
    let kind = match principal.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Agent => "Agent",
        PrincipalKind::Service => "Service",
        PrincipalKind::Operator => return None,
    };
    uid(kind, principal.name.as_str())
}

pub(crate) fn action_uid(action: Action) -> Option<EntityUid> {
    uid("Action", action.as_str())
}

pub(crate) fn resource_uid(resource: &Resource) -> Option<EntityUid> {
    uid(resource.type_name(), resource.id())
}

/// The fact below `context.answered` that resolves a challenge.
pub(crate) const fn answered(challenge: Challenge) -> &'static str {
    match challenge {
        Challenge::Approval => "approval",
        Challenge::StepUp => "stepUp",
        Challenge::Posture => "posture",
    }
}
