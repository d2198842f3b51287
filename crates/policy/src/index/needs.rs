//! What a policy needs of a request before it can matter: read from its scope and from the front of its conditions.
//!
//! Cedar evaluates `scope && (first condition && (second && …))` from left to right and stops at the first `false`. A test of
//! principal, action or resource against entities that are written out cannot err. So if such a test stands in the scope, or
//! in a condition behind nothing but what cannot err, a request that fails it neither satisfies the policy nor makes it err.

use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::pst::{BinaryOp, Clause, EntityType, EntityUID as WrittenUid, Expr, Literal, UnaryOp, Var};
use cedar_policy::{ActionConstraint, EntityId, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// One test of an entity of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// It is this one.
    Same(EntityUid),
    /// It is one of these, or below one of them; never, if there are none.
    Within(Vec<EntityUid>),
    /// It has this type.
    Kind(EntityTypeName),
}

/// All that must hold, per entity of the request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) principal: Vec<Need>,
    pub(super) action: Vec<Need>,
    pub(super) resource: Vec<Need>,
}

impl Needs {
    /// What `policy` needs.
    pub(super) fn of(policy: &Policy) -> Self {
        let mut needs = Self::default();
        match policy.principal_constraint() {
            PrincipalConstraint::Any => {}
            PrincipalConstraint::Eq(uid) => needs.principal.push(Need::Same(uid)),
            PrincipalConstraint::In(group) => needs.principal.push(Need::Within(vec![group])),
            PrincipalConstraint::Is(kind) => needs.principal.push(Need::Kind(kind)),
            PrincipalConstraint::IsIn(kind, group) => needs.principal.extend([Need::Kind(kind), Need::Within(vec![group])]),
        }
        match policy.action_constraint() {
            ActionConstraint::Any => {}
            ActionConstraint::Eq(uid) => needs.action.push(Need::Same(uid)),
            ActionConstraint::In(any) => needs.action.push(Need::Within(any)),
        }
        match policy.resource_constraint() {
            ResourceConstraint::Any => {}
            ResourceConstraint::Eq(uid) => needs.resource.push(Need::Same(uid)),
            ResourceConstraint::In(group) => needs.resource.push(Need::Within(vec![group])),
            ResourceConstraint::Is(kind) => needs.resource.push(Need::Kind(kind)),
            ResourceConstraint::IsIn(kind, group) => needs.resource.extend([Need::Kind(kind), Need::Within(vec![group])]),
        }
        // Reading a condition means parsing the text again: not where the scope names what to look under.
        if !needs.is_named() && policy.has_non_scope_constraint() {
            needs.read_conditions(policy);
        }
        needs
    }

    /// Whether a single principal, resource, or group of either is named.
    fn is_named(&self) -> bool {
        self.principal.iter().chain(&self.resource).any(|need| !matches!(need, Need::Kind(_)))
    }

    /// Conditions that cannot be read need nothing: the policy is then a candidate more often, never less.
    fn read_conditions(&mut self, policy: &Policy) {
        let Ok(written) = policy.to_pst() else { return };
        for clause in written.body().clauses() {
            let goes_on = match clause {
                Clause::When(condition) => self.read(condition),
                Clause::Unless(condition) => cannot_err(condition),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Adds the tests of a conjunction, from the left, up to the first part that might err. Whether there is none such.
    fn read(&mut self, condition: &Expr) -> bool {
        match condition {
            Expr::BinaryOp { op: BinaryOp::And, left, right } => self.read(left) && self.read(right),
            other => {
                self.test(other);
                cannot_err(other)
            }
        }
    }

    fn test(&mut self, condition: &Expr) {
        let (tested, needs) = match condition {
            Expr::BinaryOp { op: BinaryOp::Eq, left, right } => match (entity(left), entity(right)) {
                (Some(uid), None) => (right, vec![Need::Same(uid)]),
                (None, Some(uid)) => (left, vec![Need::Same(uid)]),
                _ => return,
            },
            Expr::BinaryOp { op: BinaryOp::In, left, right } => match entities(right) {
                Some(groups) => (left, vec![Need::Within(groups)]),
                None => return,
            },
            Expr::Is { expr, entity_type, in_expr } => {
                let Some(kind) = type_name(entity_type) else { return };
                let groups = in_expr.as_ref().and_then(|groups| entities(groups));
                (expr, std::iter::once(Need::Kind(kind)).chain(groups.map(Need::Within)).collect())
            }
            _ => return,
        };
        match tested.as_ref() {
            Expr::Var(Var::Principal) => self.principal.extend(needs),
            Expr::Var(Var::Action) => self.action.extend(needs),
            Expr::Var(Var::Resource) => self.resource.extend(needs),
            _ => {}
        }
    }
}

/// Whether evaluating `condition` gives true or false for every request whatsoever.
fn cannot_err(condition: &Expr) -> bool {
    match condition {
        Expr::Literal(Literal::Bool(_)) => true,
        Expr::UnaryOp { op: UnaryOp::Not, expr } => cannot_err(expr),
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => cannot_err(left) && cannot_err(right),
        Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => is_plain(left) && is_plain(right),
        Expr::BinaryOp { op: BinaryOp::In, left, right } => is_entity(left) && entities(right).is_some(),
        Expr::Is { expr, in_expr, .. } => is_entity(expr) && in_expr.as_ref().is_none_or(|groups| entities(groups).is_some()),
        // A longer path reads what might be no record.
        Expr::HasAttr { expr, attrs } => attrs.tail.is_empty() && matches!(expr.as_ref(), Expr::Var(_)),
        _ => false,
    }
}

/// A value that is there.
fn is_plain(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(_) | Expr::Var(_))
}

fn is_entity(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Principal | Var::Action | Var::Resource) | Expr::Literal(Literal::EntityUID(_)))
}

/// The entity that is written here.
fn entity(expression: &Expr) -> Option<EntityUid> {
    let Expr::Literal(Literal::EntityUID(written)) = expression else { return None };
    uid(written)
}

/// The entity, or the entities of the set, that are written here.
fn entities(expression: &Expr) -> Option<Vec<EntityUid>> {
    match expression {
        Expr::Set(members) => members.iter().map(Arc::as_ref).map(entity).collect(),
        one => entity(one).map(|uid| vec![uid]),
    }
}

fn uid(written: &WrittenUid) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(type_name(&written.ty)?, EntityId::new(written.eid.as_str())))
}

fn type_name(written: &EntityType) -> Option<EntityTypeName> {
    EntityTypeName::from_str(&written.to_string()).ok()
}
