//! What a policy needs of a request before it can matter: read from its scope and from the front of its conditions.
//!
//! Cedar evaluates `scope && (first condition && (second && …))` from left to right and stops at the first `false`. A test of
//! principal, action or resource against entities that are written out cannot err. So if such a test stands in the scope, or
//! in a condition behind nothing but what cannot err, a request that fails it neither satisfies the policy nor makes it err.

use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};

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
        // Not where the scope names what to look under: it would be checked twice.
        if let Some(conditions) = policy.as_ref().non_scope_constraints().filter(|_| !needs.is_named()) {
            needs.read(conditions);
        }
        needs
    }

    /// Whether a single principal, resource, or group of either is named.
    fn is_named(&self) -> bool {
        self.principal.iter().chain(&self.resource).any(|need| !matches!(need, Need::Kind(_)))
    }

    /// Adds the tests of a conjunction, from the left, up to the first part that might err. Whether there is none such.
    fn read(&mut self, condition: &Expr) -> bool {
        match condition.expr_kind() {
            ExprKind::And { left, right } => self.read(left) && self.read(right),
            _ => {
                self.test(condition);
                cannot_err(condition)
            }
        }
    }

    fn test(&mut self, condition: &Expr) {
        let (tested, need) = match condition.expr_kind() {
            ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => match (entity(arg1), entity(arg2)) {
                (Some(uid), None) => (arg2, Need::Same(uid)),
                (None, Some(uid)) => (arg1, Need::Same(uid)),
                _ => return,
            },
            ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => match entities(arg2) {
                Some(groups) => (arg1, Need::Within(groups)),
                None => return,
            },
            ExprKind::Is { expr, entity_type } => (expr, Need::Kind(entity_type.clone().into())),
            _ => return,
        };
        match tested.expr_kind() {
            ExprKind::Var(Var::Principal) => self.principal.push(need),
            ExprKind::Var(Var::Action) => self.action.push(need),
            ExprKind::Var(Var::Resource) => self.resource.push(need),
            _ => {}
        }
    }
}

/// Whether evaluating `condition` gives true or false for every request whatsoever.
fn cannot_err(condition: &Expr) -> bool {
    match condition.expr_kind() {
        ExprKind::Lit(Literal::Bool(_)) => true,
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } => cannot_err(arg),
        ExprKind::And { left, right } | ExprKind::Or { left, right } => cannot_err(left) && cannot_err(right),
        ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } => is_plain(arg1) && is_plain(arg2),
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => is_entity(arg1) && entities(arg2).is_some(),
        ExprKind::Is { expr, .. } => is_entity(expr),
        // A longer path reads what might be no record: it is an expression of another kind.
        ExprKind::HasAttr { expr, .. } => matches!(expr.expr_kind(), ExprKind::Var(_)),
        _ => false,
    }
}

/// A value that is there.
fn is_plain(expression: &Expr) -> bool {
    matches!(expression.expr_kind(), ExprKind::Lit(_) | ExprKind::Var(_))
}

fn is_entity(expression: &Expr) -> bool {
    matches!(
        expression.expr_kind(),
        ExprKind::Var(Var::Principal | Var::Action | Var::Resource) | ExprKind::Lit(Literal::EntityUID(_))
    )
}

/// The entity that is written here.
fn entity(expression: &Expr) -> Option<EntityUid> {
    let ExprKind::Lit(Literal::EntityUID(uid)) = expression.expr_kind() else { return None };
    Some(uid.as_ref().clone().into())
}

/// The entity, or the entities of the set, that are written here.
fn entities(expression: &Expr) -> Option<Vec<EntityUid>> {
    match expression.expr_kind() {
        ExprKind::Set(members) => members.iter().map(entity).collect(),
        _ => entity(expression).map(|uid| vec![uid]),
    }
}
