use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Grant, GrantError, MAX_GRANT_NAMES, Reach};
use crate::{Action, Ask, Foreign, Resource};

fn reach() -> impl Strategy<Value = Reach> {
    let these = prop::collection::btree_set("[a-d]", 1..4).prop_map(Reach::These);
    prop_oneof![1 => Just(Reach::Every), 4 => these]
}

/// Questions: two kinds, two actions, one resource or all of a kind.
fn questions() -> impl Strategy<Value = Reach> {
    let these = prop::collection::btree_set("[kl]:[rw](#[ab])?", 1..5).prop_map(Reach::These);
    prop_oneof![1 => Just(Reach::Every), 4 => these]
}

fn grant() -> impl Strategy<Value = Grant> {
    let kinds = Grant::TYPES.map(|(_, action, _)| action).into_iter().filter(|action| *action != Action::Access);
    let own = (prop::sample::select(kinds.collect::<Vec<_>>()), reach());
    let part = prop_oneof![2 => own, 1 => (Just(Action::Access), questions())];
    prop::collection::vec(part, 0..5).prop_map(|parts| {
        let mut grant = Grant::nothing();
        for (action, reach) in parts {
            grant.add(action, reach).unwrap();
        }
        grant
    })
}

fn asks() -> Vec<Ask> {
    let beta = |id: &str| Ask { action: Action::UseBeta, resource: Resource::Beta(id.to_owned()) };
    let tool = |id: &str| Ask { action: Action::UseHostedTool, resource: Resource::HostedTool(id.to_owned()) };
    let model = |id: &str| Ask { action: Action::CallModel, resource: Resource::Model(id.parse().unwrap()) };
    let store = |id: &str| Ask { action: Action::StoreRemotely, resource: Resource::Model(id.parse().unwrap()) };
    let called = |id: &str| Ask { action: Action::CallTool, resource: Resource::Tool(id.to_owned()) };
    let read = |id: &str| Ask { action: Action::ReadResource, resource: Resource::Document(id.to_owned()) };
    let own =
        ["a", "b", "c", "d", "e"].into_iter().flat_map(|id| [beta(id), tool(id), model(id), store(id), called(id), read(id)]);
    let elsewhere = ["k", "l"].into_iter().flat_map(|kind| ["r", "w"].map(|action| (kind, action)));
    let elsewhere = elsewhere.flat_map(|(kind, action)| ["a", "b", "c"].map(|id| question(action, kind, id)));
    own.chain(elsewhere).collect()
}

fn question(action: &str, kind: &str, id: &str) -> Ask {
    let foreign = Foreign { action: action.to_owned(), kind: kind.to_owned(), id: id.to_owned() };
    Ask { action: Action::Access, resource: Resource::Foreign(foreign) }
}

/// What a grant of these names says of a question.
fn may_be_asked(names: &[&str], action: &str, kind: &str, id: &str) -> bool {
    let mut grant = Grant::nothing();
    grant.add(Action::Access, Reach::new(names.iter().map(|name| (*name).to_owned())).unwrap()).unwrap();
    grant.covers(&question(action, kind, id))
}

#[test]
fn questions_of_other_enforcement_points() {
    let facts = [
        (&["record:read"][..], ("read", "record", "1"), true),
        (&["record:read"], ("read", "record", "any id at all"), true),
        (&["record:read"], ("write", "record", "1"), false),
        (&["record:read"], ("read", "route", "1"), false),
        (&["record:read#1"], ("read", "record", "1"), true),
        (&["record:read#1"], ("read", "record", "1#2"), false),
        (&["record:read#1"], ("read", "record", ""), false),
        (&["record:read#1#2"], ("read", "record", "1#2"), true),
        (&["route:GET#/todos/{id}"], ("GET", "route", "/todos/{id}"), true),
        (&["tool:tools/call"], ("tools/call", "tool", "x"), true),
        (&["*"], ("a#b", "c:d", "e"), true),
        // Words that could be read in two ways are granted by nothing else.
        (&["record:read#1"], ("read#1", "record", "2"), false),
        (&["record:read#1#2"], ("read#1", "record", "2"), false),
        (&["record:read:x"], ("x", "record:read", "1"), false),
        (&["record:read:x"], ("read:x", "record", "1"), true),
    ];
    for (names, (action, kind, id), expected) in facts {
        assert_eq!(may_be_asked(names, action, kind, id), expected, "{names:?} {action} {kind} {id}");
    }
    for odd in ["read", ":read", "record:", "record:#1", "re cord:read", "re-cord:read", "#1"] {
        let reach = Reach::These(BTreeSet::from([odd.to_owned()]));
        assert_eq!(Grant::nothing().add(Action::Access, reach), Err(GrantError::Question), "{odd}");
    }
}

#[test]
fn what_would_cover_a_question_covers_no_other() {
    for ask in asks() {
        let mut grant = Grant::nothing();
        grant.add(ask.action, Grant::exactly(&ask).unwrap()).unwrap();
        let covered: Vec<Ask> = asks().into_iter().filter(|other| grant.covers(other)).collect();
        assert_eq!(covered, [ask]);
    }
    assert_eq!(Grant::exactly(&question("a#b", "c", "d")), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn within_is_a_partial_order(a in grant(), b in grant(), c in grant()) {
        prop_assert!(a.is_within(&a));
        prop_assert!(Grant::nothing().is_within(&a));
        if a.is_within(&b) && b.is_within(&c) {
            prop_assert!(a.is_within(&c));
        }
        if a.is_within(&b) && b.is_within(&a) {
            prop_assert_eq!(&a, &b);
        }
    }

    /// Whatever a narrower grant covers, the wider one covers: so no exchange gives more than its parent had.
    #[test]
    fn what_is_within_covers_no_more(a in grant(), b in grant()) {
        let covers_no_more = asks().iter().all(|ask| !a.covers(ask) || b.covers(ask));
        if a.is_within(&b) {
            prop_assert!(covers_no_more);
        }
    }

    /// A part that is left out never adds anything.
    #[test]
    fn fewer_parts_grant_less(parts in prop::collection::vec((prop::sample::select(vec![Action::CallModel, Action::UseBeta]), reach()), 1..4), dropped in 0_usize..4) {
        let of = |parts: &[(Action, Reach)]| {
            let mut grant = Grant::nothing();
            for (action, reach) in parts {
                grant.add(*action, reach.clone()).unwrap();
            }
            grant
        };
        let mut fewer = parts.clone();
        fewer.remove(dropped % parts.len());
        prop_assert!(of(&fewer).is_within(&of(&parts)));
        for ask in asks() {
            prop_assert!(!of(&fewer).covers(&ask) || of(&parts).covers(&ask));
        }
    }

    #[test]
    fn the_log_holds_it_as_it_was(a in grant()) {
        let text = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), a);
    }
}

#[test]
fn what_is_no_reach() {
    let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let many: Vec<String> = (0..=MAX_GRANT_NAMES).map(|number| format!("m{number}")).collect();
    let facts = [
        (text(&[]), Err(GrantError::Empty)),
        (text(&[""]), Err(GrantError::Name)),
        (text(&["a b"]), Err(GrantError::Name)),
        (text(&["caf\u{e9}"]), Err(GrantError::Name)),
        (vec!["a".repeat(257)], Err(GrantError::Name)),
        (text(&["*", "a"]), Err(GrantError::Mixed)),
        (many, Err(GrantError::TooMany)),
        (text(&["*"]), Ok(Reach::Every)),
        (text(&["a", "a"]), Ok(Reach::These(BTreeSet::from(["a".to_owned()])))),
    ];
    for (names, expected) in facts {
        assert_eq!(Reach::new(names.clone()), expected, "{names:?}");
    }
}

#[test]
fn an_empty_grant_grants_nothing_and_every_type_has_an_action_of_its_own() {
    assert!(asks().iter().all(|ask| !Grant::nothing().covers(ask)));
    let actions: BTreeSet<Action> = Grant::TYPES.iter().map(|(_, action, _)| *action).collect();
    assert_eq!(actions.len(), Grant::TYPES.len());
    // Administration and searches of enforcement points are no part of a task.
    let rest: Vec<Action> = Action::ALL.into_iter().filter(|action| !actions.contains(action)).collect();
    assert_eq!(rest, [Action::Search, Action::Administer]);
}
