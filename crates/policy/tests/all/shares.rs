//! What the bench's stores consist of: the shares that the bench's page states, counted.

use std::collections::BTreeSet;

use model::{Group, Name};

#[expect(dead_code, reason = "a part of the bench, of which the store is looked at")]
#[path = "../../examples/bench/store.rs"]
mod store;

use store::{Form, Scope, Size, Store};

/// How many groups stand above one.
fn depth(store: &Store, group: &str) -> usize {
    let groups = &store.registry.groups;
    let mut above: BTreeSet<&Name> = BTreeSet::new();
    let mut todo: Vec<&Group> = groups.get(&store::name(group)).into_iter().collect();
    while let Some(group) = todo.pop() {
        for parent in &group.groups {
            if above.insert(parent) {
                todo.extend(groups.get(parent));
            }
        }
    }
    above.len()
}

#[test]
fn the_benchs_stores_have_the_shares_that_are_stated() {
    let large = Size { policies: 5_000, users: 10_000, agents: 2_000, groups: 1_000, models: 200 };
    for size in [Size::of(200), Size::of(2_000), Size::of(20_000), large] {
        let store = Store::new(size);
        assert_eq!(store.policies.len(), size.policies);
        let percent = |is_one: &dyn Fn(&store::Policy) -> bool| {
            store.policies.iter().filter(|policy| is_one(policy)).count() * 100 / store.policies.len()
        };
        let unscoped = percent(&|policy| policy.form == Form::When);
        let by_type = percent(&|policy| {
            policy.form == Form::Scope
                && [&policy.principal, &policy.resource].into_iter().any(|scope| matches!(scope, Scope::Is(_) | Scope::IsIn(..)))
        });
        let deep = percent(&|policy| {
            let Scope::In("Group", group) = &policy.principal else { return false };
            policy.form == Form::Scope && depth(&store, group) >= 4
        });
        let links = percent(&|policy| policy.form == Form::Link);
        assert!(
            unscoped >= 10 && by_type >= 20 && deep >= 20 && links >= 10,
            "of {} policies {unscoped} % unscoped, {by_type} % by type, {deep} % deep, {links} % links",
            size.policies
        );
        // As they are written: nothing in the scope but the action.
        let text = store.cedar();
        let bare = text
            .lines()
            .filter(|line| line.contains("(principal, action == Portcullis::Action::\"callModel\", resource) when"))
            .count();
        assert!(bare * 10 >= size.policies, "{bare} of {}", size.policies);
    }
}
