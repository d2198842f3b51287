//! The index against Cedar's own full scan.

mod corpus;
mod memory;
mod mutants;
mod stores;

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision, Entities, EntityUid, PolicySet, Request, Response};

use super::shelf::Slot;
use super::{Facet, Index, Needs};
use crate::outcome::Outcome;

/// What a test can take out of an index: everything that is filed by one entity (principal 0, action 1, resource 2) in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket(usize, Way);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Any,
    Kind,
    Same,
    /// Of this and what is below it, asked for itself.
    Itself,
    /// Of this and what is below it, asked for something below.
    Below,
}

impl Bucket {
    /// Actions are filed by no type.
    fn all() -> Vec<Self> {
        let ways = [Way::Any, Way::Kind, Way::Same, Way::Itself, Way::Below];
        let all = (0..3).flat_map(|which| ways.map(|way| Self(which, way)));
        all.filter(|bucket| *bucket != Self(1, Way::Kind)).collect()
    }

    pub(super) fn of(which: usize, facet: &Facet, slot: Slot) -> Self {
        let way = match slot {
            Slot::Any => Way::Any,
            Slot::Kind(_) => Way::Kind,
            Slot::Same(_) => Way::Same,
            Slot::Within(number) if facet.this == Some(number) => Way::Itself,
            Slot::Within(_) => Way::Below,
        };
        Self(which, way)
    }
}

impl Index {
    fn answer(&self, request: &Request, entities: &Entities) -> Said {
        let (Some(principal), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource()) else {
            panic!("a request without unknowns has all three");
        };
        let candidates = self.candidates(entities, principal, action, resource);
        Said::new(&Outcome::of(candidates, request, entities).response())
    }
}

/// Everything that an answer says.
#[derive(Debug, PartialEq)]
struct Said {
    decision: Decision,
    reason: BTreeSet<String>,
    /// With the places in the policies that they point at.
    errors: BTreeSet<String>,
}

impl Said {
    fn new(response: &Response) -> Self {
        let diagnostics = response.diagnostics();
        Self {
            decision: response.decision(),
            reason: diagnostics.reason().map(ToString::to_string).collect(),
            errors: diagnostics.errors().map(|error| format!("{error}: {error:?}")).collect(),
        }
    }

    /// By a scan of all policies.
    fn by_scan(request: &Request, policies: &PolicySet, entities: &Entities) -> Self {
        Self::new(&Authorizer::new().is_authorized(request, policies, entities))
    }
}

fn uid(text: &str) -> EntityUid {
    text.parse().unwrap()
}

fn set(text: &str) -> PolicySet {
    text.parse().unwrap_or_else(|errors| panic!("{errors}: {text}"))
}

/// More candidates than needed, by what stands in conditions, would give the same answers, only later: so exactness has a test of
/// its own.
#[test]
fn candidates_are_those_that_lack_nothing() {
    let text = "@id(\"0\") permit (principal is User in Group::\"staff\", action, resource);
        @id(\"1\") permit (principal is Agent in Group::\"staff\", action, resource);
        @id(\"2\") permit (principal, action, resource is Model in Models::\"open\");
        @id(\"3\") permit (principal, action, resource is Host in Models::\"open\");
        @id(\"4\") permit (principal, action == Action::\"store\", resource);
        @id(\"5\") permit (principal in Group::\"other\", action, resource in Models::\"other\");
        @id(\"6\") permit (principal, action, resource) when { principal in Group::\"staff\" && context.size > 1 };
        @id(\"7\") permit (principal, action, resource) when { context has size } unless { context has wide } when { Models::\"open\" == resource || true } when { resource in [Models::\"open\", Models::\"shut\"] };
        @id(\"8\") permit (principal, action, resource) when { context.size > 1 && principal in Group::\"other\" };
        @id(\"9\") permit (principal, action, resource) unless { principal in Group::\"other\" };
        @id(\"10\") permit (principal is Nobody, action in [], resource);
        @id(\"11\") permit (principal is User, action, resource is Model) when { User::\"ada\" == principal };";
    let parsed = set(text);
    let named = parsed.policies().map(|policy| policy.new_id(policy.annotation("id").unwrap().parse().unwrap()));
    let index = Index::new(&PolicySet::from_policies(named).unwrap());
    let entities = |staff: &str| {
        let member = |uid: &str, above: &str| cedar_policy::Entity::new_no_attrs(self::uid(uid), [self::uid(above)].into());
        let all =
            [member("User::\"ada\"", staff), member("Agent::\"bot\"", staff), member("Model::\"small\"", "Models::\"open\"")];
        Entities::from_entities(all, None).unwrap()
    };
    let matching = |entities: &Entities, principal, action, resource| -> BTreeSet<u32> {
        let found = index.candidates(entities, &uid(principal), &uid(action), &uid(resource));
        found.iter().map(|candidate| candidate.policy.id().to_string().parse().unwrap()).collect()
    };
    let (call, store) = ("Action::\"call\"", "Action::\"store\"");
    let (ada, bot, eve) = ("User::\"ada\"", "Agent::\"bot\"", "User::\"eve\"");
    let (small, large) = ("Model::\"small\"", "Model::\"large\"");
    let staff = entities("Group::\"staff\"");
    assert_eq!(matching(&staff, ada, call, small), BTreeSet::from([0, 2, 6, 7, 8, 9, 11]));
    assert_eq!(matching(&staff, bot, call, small), BTreeSet::from([1, 2, 6, 7, 8, 9]));
    assert_eq!(matching(&staff, bot, store, large), BTreeSet::from([1, 4, 6, 8, 9]));
    assert_eq!(matching(&staff, eve, call, large), BTreeSet::from([8, 9]));
    // The same index, with entities that have moved.
    let other = entities("Group::\"other\"");
    assert_eq!(matching(&other, ada, call, small), BTreeSet::from([2, 7, 8, 9, 11]));
    assert_eq!(matching(&staff, ada, call, small), BTreeSet::from([0, 2, 6, 7, 8, 9, 11]));
}

/// What stands behind something that might err must not be read: the policy errs for every request.
#[test]
fn only_the_front_of_a_condition_is_read() {
    let facts = [
        ("when { principal == U::\"a\" }", 1),
        ("when { U::\"a\" == principal && resource == U::\"b\" }", 2),
        ("when { true && (principal in U::\"a\" && context.x) }", 1),
        ("when { context.x && principal == U::\"a\" }", 0),
        ("when { context.x } when { principal == U::\"a\" }", 0),
        ("unless { context.x } when { principal == U::\"a\" }", 0),
        ("unless { context has x } when { principal == U::\"a\" }", 1),
        ("when { context has x.y } when { principal == U::\"a\" }", 0),
        ("when { principal has x.y } when { principal == U::\"a\" }", 0),
        ("when { \"a\" like \"a\" && principal == U::\"a\" }", 0),
        ("when { principal in [U::\"a\", U::\"b\"] && resource is U in U::\"c\" }", 3),
        ("when { principal in [U::\"a\", \"b\"] && resource == U::\"c\" }", 0),
        ("when { principal in context.x && resource == U::\"c\" }", 0),
        ("when { resource is U in context.x && principal == U::\"c\" }", 1),
        ("when { context is U && principal == U::\"c\" }", 0),
        ("when { context in U::\"a\" && principal == U::\"c\" }", 0),
        ("when { principal == U::\"a\" || principal == U::\"b\" }", 0),
        ("when { !(principal == U::\"a\") && resource == U::\"b\" }", 1),
        ("when { (if true then context.x else true) && resource == U::\"b\" }", 0),
        ("when { 1 && resource == U::\"b\" }", 0),
        ("when { principal != U::\"a\" && resource == principal && action in U::\"g\" }", 1),
        ("unless { principal == U::\"a\" } unless { context.x } when { resource == U::\"b\" }", 0),
    ];
    for (condition, expected) in facts {
        let parsed = set(&format!("permit (principal, action, resource) {condition};"));
        let needs = Needs::of(parsed.policies().next().unwrap());
        assert_eq!(needs.principal.len() + needs.action.len() + needs.resource.len(), expected, "{condition}: {needs:?}");
    }
}

/// Long lists are found too, whether each of their members is a place to be filed in or not.
#[test]
fn long_lists_are_found() {
    let list = |letter: char, n: usize| (0..n).map(|at| format!("G::\"{letter}{at}\"")).collect::<Vec<_>>().join(", ");
    for (n_principals, n_resources) in [(3, 3), (100, 100), (2_000, 3), (3, 2_000), (2_000, 2_000)] {
        let (principals, resources) = (list('p', n_principals), list('r', n_resources));
        let text = format!(
            "permit (principal, action in [Action::\"a\", Action::\"b\"], resource)
               when {{ principal in [{principals}] && resource in [{resources}] }};"
        );
        let index = Index::new(&set(&text));
        let found = |principal: usize, action: &str, resource: usize| {
            let (principal, resource) = (format!("G::\"p{principal}\""), format!("G::\"r{resource}\""));
            index.candidates(&Entities::empty(), &uid(&principal), &uid(action), &uid(&resource)).len()
        };
        assert_eq!(found(n_principals - 1, "Action::\"b\"", n_resources - 1), 1);
        assert_eq!(found(n_principals, "Action::\"b\"", 0), 0);
        assert_eq!(found(0, "Action::\"b\"", n_resources), 0);
        assert_eq!(found(0, "Action::\"c\"", 0), 0);
    }
}
