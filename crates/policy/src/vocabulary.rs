//! The names that policies use: schema, entity uids, and which action goes with which resource.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};
use model::{Action, Challenge, PrincipalId, PrincipalKind, Resource};

/// The schema as text: a public format, see `docs/decisions/0005-cedar-vocabulary.md`.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The vocabulary as it was first released. A policy that conforms to it is taken, also where what was added since stands in its
/// way: what was applied or recorded once can be loaded again. What it then cannot evaluate is an error, so a deny.
pub(crate) const FIRST_SCHEMA: &str = include_str!("schema-1.cedarschema");

/// Policies that no configuration takes out.
pub(crate) const BASELINE: &str = include_str!("baseline.cedar");

/// The file name under which the baseline shows in explanations; no file of a bundle may have it.
pub(crate) const BASELINE_FILE: &str = "baseline.cedar";

/// The parsed schema; a test parses it, so it cannot fail later.
pub(crate) static PARSED: LazyLock<Option<Schema>> =
    LazyLock::new(|| Schema::from_cedarschema_str(SCHEMA).ok().map(|(schema, _)| schema));

/// Parsing a type's name costs more than a whole evaluation, so each is parsed once.
static TYPES: LazyLock<HashMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
    let kinds = [
        "User",
        "Agent",
        "Service",
        "Group",
        "Model",
        "ModelGroup",
        "HostedTool",
        "Destination",
        "Segment",
        "Beta",
        "Tool",
        "ToolServer",
        "Document",
        "Collection",
        "Dataset",
        "Gate",
        "Action",
    ];
    let parse = |kind| EntityTypeName::from_str(&format!("Portcullis::{kind}")).ok().map(|name| (kind, name));
    kinds.into_iter().filter_map(parse).collect()
});

/// The uid of an entity `Portcullis::<kind>::"<id>"`. `None` for a kind that the vocabulary does not have.
pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    TYPES.get(kind).map(|name| EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id)))
}

pub(crate) fn principal_uid(principal: &PrincipalId) -> Option<EntityUid> {
    let kind = match principal.kind {
        PrincipalKind::User => "User",
        PrincipalKind::Agent => "Agent",
        PrincipalKind::Service => "Service",
        PrincipalKind::Operator | PrincipalKind::Pep => return None,
    };
    uid(kind, principal.name.as_str())
}

/// An action of ours as schemas write it.
pub(crate) fn action_group(name: &str) -> String {
    format!("Portcullis::Action::\"{name}\"")
}

pub(crate) fn action_uid(action: Action) -> Option<EntityUid> {
    uid("Action", action.as_str())
}

pub(crate) fn resource_uid(resource: &Resource) -> Option<EntityUid> {
    uid(resource.type_name(), resource.id())
}

/// Whether the schema knows `action` on `resource`. Cedar would evaluate any pair, and a permit that names no resource would
/// permit it; a test holds this table against the schema.
pub(crate) const fn applies(action: Action, resource: &Resource) -> bool {
    match action {
        Action::CallModel | Action::StoreRemotely | Action::ReleaseKey => matches!(resource, Resource::Model(_)),
        Action::UseHostedTool => matches!(resource, Resource::HostedTool(_)),
        Action::FetchRemote | Action::Connect => matches!(resource, Resource::Destination(_)),
        Action::UseBeta => matches!(resource, Resource::Beta(_)),
        Action::IssueToken | Action::SendMessage => matches!(resource, Resource::Agent(_)),
        Action::CallTool => matches!(resource, Resource::Tool(_)),
        Action::ListTools | Action::AnswerServer => matches!(resource, Resource::ToolServer(_)),
        Action::ReadResource | Action::GetPrompt => matches!(resource, Resource::Document(_)),
        Action::Retrieve => matches!(resource, Resource::Collection(_)),
        Action::StartTraining => matches!(resource, Resource::Dataset(_)),
        // Said in words that operators declare, see `foreign`.
        Action::Access => matches!(resource, Resource::Foreign(_)),
        // An enforcement point's right to search stands in its registration; administration is decided by the operator's role.
        Action::Search | Action::Administer => false,
    }
}

/// The fact below `context.answered` that resolves a challenge.
pub(crate) const fn answered(challenge: Challenge) -> &'static str {
    match challenge {
        Challenge::Approval => "approval",
        Challenge::StepUp => "stepUp",
        Challenge::Posture => "posture",
    }
}
