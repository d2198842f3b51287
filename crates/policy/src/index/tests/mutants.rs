//! The equality test is worth what it notices: an index that lacks any one of its buckets must not pass it.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::stores::{Store, config, store};
use super::{Bucket, Index};
use crate::index::Check;

/// As many stores, from the same seed, as the equality test has.
fn stores() -> Vec<Store> {
    let mut runner = TestRunner::new(config(1));
    (0..600).map(|_| store().new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn each_bucket_is_missed() {
    let stores = stores();
    for bucket in Bucket::all() {
        let noticed = stores.iter().filter(|store| {
            let mut index = Index::new(&store.policies);
            index.shelves.dropped = Some(bucket);
            !store.differences(&index).is_empty()
        });
        // Not by a single lucky case.
        assert!(noticed.take(5).count() == 5, "an index without {bucket:?} passes the test");
    }
}

/// What the scope of a policy tests is not tested again when its conditions are evaluated: an index that is blind to any one way
/// of naming a principal, an action or a resource must not pass either.
#[test]
fn each_test_of_a_scope_is_missed() {
    let stores = stores();
    let is_a = |way: &str, check: &Check| match check {
        Check::Same(_) => way == "==",
        Check::Within(_) => way == "in",
        Check::Kind(_) => way == "is",
    };
    // Actions have no types in a scope.
    let ways = (0..3).flat_map(|which| ["==", "in", "is"].map(|way| (which, way)));
    for (which, way) in ways.filter(|blind| *blind != (1, "is")) {
        let noticed = stores.iter().filter(|store| {
            let mut index = Index::new(&store.policies);
            for indexed in &mut index.policies {
                let checks = [&mut indexed.principal, &mut indexed.action, &mut indexed.resource];
                checks[which].retain(|check| !is_a(way, check));
            }
            index.file_all();
            !store.differences(&index).is_empty()
        });
        assert!(noticed.take(5).count() == 5, "an index that is blind to `{way}` of entity {which} passes the test");
    }
}

/// Which shapes the stores have, by the text of their policies and the depth of their groups.
#[test]
fn the_stores_have_every_shape() {
    let stores = stores();
    let texts: Vec<String> = stores.iter().flat_map(Store::texts).collect();
    let shapes = [
        "principal == ",
        "principal in ",
        "principal is U,",
        "principal is A in ",
        "principal == ?principal",
        "principal in ?principal",
        "principal is U in ?principal",
        "resource == ",
        "resource in ",
        "resource is M)",
        "resource is D in ",
        "resource == ?resource",
        "resource in ?resource",
        "resource is M in ?resource",
        "action == ",
        "action in Action::\"all\"",
        "action in []",
        "action in [Action::",
        // Lists of more than one.
        "\", Action::",
        "(principal, action, resource) when",
        "(principal, action, resource) unless",
        "U::\"ghost\"",
        "G::\"ghosts\"",
    ];
    for shape in shapes {
        let n_texts = texts.iter().filter(|text| text.contains(shape)).count();
        assert!(n_texts > 10, "{shape} in {n_texts} policies");
    }
    let both = texts.iter().filter(|text| text.contains("?principal") && text.contains("?resource")).count();
    assert!(both > 10, "both slots in {both} texts");
    let deep = stores.iter().filter(|store| store.depth() >= 4).count();
    assert!(deep > 300, "groups at least four deep in {deep} stores");
    let diamonds = stores.iter().filter(|store| store.has_diamond()).count();
    assert!(diamonds > 200, "one group over another by two ways in {diamonds} stores");
    let absent = stores.iter().fold([0; 3], |counts, store| {
        let of_store = store.absent();
        [0, 1, 2].map(|at| counts[at] + of_store[at])
    });
    assert!(absent.iter().all(|count| *count > 500), "principals, actions, resources that are in no store: {absent:?} requests");
    let moved = stores.iter().filter(|store| store.moves()).count();
    assert!(moved > 300, "entities that move in {moved} stores");
    let erring = stores.iter().filter(|store| store.errs()).count();
    assert!(erring > 100, "policies that err in {erring} stores");
}
