//! Random stores: policies, links of templates, entities before and after a move, and requests.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Context, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet, Request, SlotId, Template};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use super::{Index, Said, uid};

/// Groups `G::"g0"` to `G::"g6"`: each may stand in those of lower number, so there are chains of seven and diamonds.
const N_GROUPS: usize = 7;
const PEOPLE: [&str; 5] = ["U::\"u0\"", "U::\"u1\"", "A::\"a0\"", "A::\"a1\"", "U::\"ghost\""];
const THINGS: [&str; 5] = ["M::\"m0\"", "M::\"m1\"", "D::\"d0\"", "M::\"ghost\"", "X::\"unheard\""];
const ACTIONS: [&str; 5] =
    ["Action::\"read\"", "Action::\"list\"", "Action::\"write\"", "Action::\"reading\"", "Action::\"ghost\""];

/// Who or what a policy names: one of those, or a group.
fn named(among: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(among).prop_map(ToOwned::to_owned),
        5 => (0..N_GROUPS).prop_map(|group| format!("G::\"g{group}\"")),
        1 => Just("G::\"ghosts\"".to_owned()),
    ]
}

/// A scope of `var`; `?` where a template has its slot.
fn scope(var: &'static str, among: &'static [&'static str], kinds: &'static [&'static str]) -> impl Strategy<Value = String> {
    let slot = move |text: String| text.replace('?', &format!("?{var}"));
    let named = || named(among);
    prop_oneof![
        4 => Just(var.to_owned()),
        2 => named().prop_map(move |uid| format!("{var} == {uid}")),
        3 => named().prop_map(move |uid| format!("{var} in {uid}")),
        4 => select(kinds).prop_map(move |kind| format!("{var} is {kind}")),
        2 => (select(kinds), named()).prop_map(move |(kind, uid)| format!("{var} is {kind} in {uid}")),
        1 => Just(slot(format!("{var} == ?"))),
        1 => Just(slot(format!("{var} in ?"))),
        1 => select(kinds).prop_map(move |kind| slot(format!("{var} is {kind} in ?"))),
    ]
}

fn action() -> impl Strategy<Value = String> {
    let uid = || select(&ACTIONS).prop_map(ToOwned::to_owned);
    let groups = prop_oneof![uid(), Just("Action::\"all\"".to_owned())];
    prop_oneof![
        4 => Just("action".to_owned()),
        2 => uid().prop_map(|uid| format!("action == {uid}")),
        2 => groups.prop_map(|uid| format!("action in {uid}")),
        2 => proptest::collection::vec(uid(), 0..3).prop_map(|uids| format!("action in [{}]", uids.join(", "))),
    ]
}

/// Tests of other kinds: some cannot err, some may, some must.
const OTHERS: [&str; 15] = [
    "true",
    "context has size",
    "context.size > 1",
    "context.size + 9223372036854775807 > 0",
    "principal.age > 20",
    "principal has age",
    "resource in principal",
    "principal in [G::\"g1\", 1]",
    "action in Action::\"all\"",
    "action == Action::\"read\"",
    "principal is A",
    "resource is M in G::\"g2\"",
    "!(principal in G::\"g3\")",
    "context has size.unit",
    "(principal == U::\"u0\" || context has wide)",
];

/// What may stand in a condition, alone or joined: tests of the scope's kind, what cannot err, what may, what must.
fn part() -> impl Strategy<Value = String> {
    let (person, thing) = (|| named(&PEOPLE), || named(&THINGS));
    prop_oneof![
        2 => person().prop_map(|uid| format!("principal == {uid}")),
        2 => person().prop_map(|uid| format!("{uid} == principal")),
        3 => person().prop_map(|uid| format!("principal in {uid}")),
        2 => (person(), person()).prop_map(|(one, two)| format!("principal in [{one}, {two}]")),
        2 => thing().prop_map(|uid| format!("resource == {uid}")),
        3 => thing().prop_map(|uid| format!("resource in {uid}")),
        10 => select(&OTHERS).prop_map(ToOwned::to_owned),
    ]
}

fn clause() -> impl Strategy<Value = String> {
    let joined = proptest::collection::vec(part(), 1..4).prop_map(|parts| parts.join(" && "));
    prop_oneof![4 => joined.prop_map(|text| format!("when {{ {text} }}")), 1 => part().prop_map(|text| format!("unless {{ {text} }}"))]
}

/// A policy or a template, and what fills its slots.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    principal: String,
    resource: String,
}

fn written() -> impl Strategy<Value = Written> {
    let head = (select(&["permit", "permit", "forbid"]), scope("principal", &PEOPLE, &["U", "A"]), action());
    let rest =
        (scope("resource", &THINGS, &["M", "D"]), prop_oneof![Just(Vec::new()), proptest::collection::vec(clause(), 1..3)]);
    (head, rest, named(&PEOPLE), named(&THINGS)).prop_map(|((effect, who, how), (what, clauses), principal, resource)| Written {
        text: format!("{effect} ({who}, {how}, {what}) {};", clauses.join(" ")),
        principal,
        resource,
    })
}

/// A store.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) policies: PolicySet,
    /// The same policies, with other groups.
    worlds: [Entities; 2],
    requests: Vec<Request>,
}

impl Store {
    /// Where the answers of `index` differ from those of a full scan.
    pub(super) fn differences(&self, index: &Index) -> Vec<String> {
        let mut differences = Vec::new();
        for (world, entities) in self.worlds.iter().enumerate() {
            for request in &self.requests {
                let (found, scanned) = (index.answer(request, entities), Said::by_scan(request, &self.policies, entities));
                if found != scanned {
                    differences.push(format!("world {world}, {request}: {found:?}, by scan {scanned:?}"));
                }
            }
        }
        differences
    }

    /// The policies as they were written.
    pub(super) fn texts(&self) -> Vec<String> {
        let templates = self.policies.templates().map(Template::to_cedar);
        self.policies.policies().filter_map(Policy::to_cedar).chain(templates).collect()
    }

    /// The longest chain of groups, each below the one before.
    pub(super) fn depth(&self) -> usize {
        let group = |number: usize| uid(&format!("G::\"g{number}\""));
        let mut depths: Vec<usize> = Vec::new();
        for number in 0..N_GROUPS {
            let above = (0..number).filter(|above| self.worlds[0].is_ancestor_of(&group(*above), &group(number)));
            depths.push(1 + above.map(|above| depths[above]).max().unwrap_or_default());
        }
        depths.into_iter().max().unwrap_or_default()
    }

    /// Whether one group stands over another by two ways that part and meet again.
    pub(super) fn has_diamond(&self) -> bool {
        let group = |number: usize| uid(&format!("G::\"g{number}\""));
        let parents = |of: usize| -> Vec<usize> {
            let written = self.worlds[0].get(&group(of)).unwrap().to_json_value().unwrap();
            (0..of).filter(|above| written["parents"].to_string().contains(&format!("\"g{above}\""))).collect()
        };
        let is_over = |above: usize, below: usize| above == below || self.worlds[0].is_ancestor_of(&group(above), &group(below));
        (0..N_GROUPS).any(|below| {
            let ways = parents(below);
            // Two parents, neither over the other, with one group over both.
            ways.iter().any(|left| {
                ways.iter().any(|right| {
                    left < right && !is_over(*left, *right) && (0..*left).any(|top| is_over(top, *left) && is_over(top, *right))
                })
            })
        })
    }

    /// How many requests name a principal, an action, a resource that is in no world.
    pub(super) fn absent(&self) -> [usize; 3] {
        let is_absent = |uid: Option<&EntityUid>| self.worlds.iter().all(|world| uid.is_some_and(|uid| world.get(uid).is_none()));
        let count =
            |which: fn(&Request) -> Option<&EntityUid>| self.requests.iter().filter(|request| is_absent(which(request))).count();
        [count(Request::principal), count(Request::action), count(Request::resource)]
    }

    /// Whether some request's principal has other groups in the second world.
    pub(super) fn moves(&self) -> bool {
        let above = |world: &Entities, uid: &EntityUid| -> Vec<String> {
            let mut above: Vec<String> = world.ancestors(uid).into_iter().flatten().map(ToString::to_string).collect();
            above.sort();
            above
        };
        let [before, after] = &self.worlds;
        self.requests.iter().filter_map(Request::principal).any(|uid| above(before, uid) != above(after, uid))
    }

    /// Whether a policy errs for any of the requests.
    pub(super) fn errs(&self) -> bool {
        self.requests.iter().any(|request| !Said::by_scan(request, &self.policies, &self.worlds[0]).errors.is_empty())
    }
}

fn world() -> impl Strategy<Value = Entities> {
    let masks = || proptest::collection::vec(any::<u8>(), N_GROUPS + PEOPLE.len() + THINGS.len());
    masks().prop_map(|masks| {
        let mut masks = masks.into_iter();
        let mut entity = |uid: EntityUid, limit: usize, attributes: HashMap<_, _>| {
            let mask = masks.next().unwrap();
            let above = (0..limit).filter(|bit| mask >> bit & 1 == 1).map(|bit| self::uid(&format!("G::\"g{bit}\"")));
            Entity::new(uid, attributes, above.collect()).unwrap()
        };
        let mut all: Vec<Entity> = Vec::new();
        for group in 0..N_GROUPS {
            all.push(entity(uid(&format!("G::\"g{group}\"")), group, HashMap::new()));
        }
        let age = |years| HashMap::from([("age".to_owned(), cedar_policy::RestrictedExpression::new_long(years))]);
        for (number, person) in PEOPLE.into_iter().filter(|uid| !uid.contains("ghost")).enumerate() {
            let attributes = if number % 2 == 0 { age(30) } else { HashMap::new() };
            all.push(entity(uid(person), N_GROUPS, attributes));
        }
        for thing in THINGS.into_iter().filter(|uid| !uid.contains("ghost") && !uid.contains("unheard")) {
            all.push(entity(uid(thing), N_GROUPS, HashMap::new()));
        }
        let action = |name: &str, above: &[&str]| Entity::new_no_attrs(uid(name), above.iter().map(|above| uid(above)).collect());
        all.extend([
            action("Action::\"all\"", &[]),
            action("Action::\"reading\"", &["Action::\"all\""]),
            action("Action::\"read\"", &["Action::\"reading\""]),
            action("Action::\"list\"", &["Action::\"reading\"", "Action::\"all\""]),
            action("Action::\"write\"", &["Action::\"all\""]),
        ]);
        Entities::from_entities(all, None).unwrap()
    })
}

fn request() -> impl Strategy<Value = Request> {
    let people = prop_oneof![4 => named(&PEOPLE), 1 => Just("N::\"nobody\"".to_owned())];
    let contexts = select(&["{}", "{\"size\": 1}", "{\"size\": 2, \"wide\": true}", "{\"size\": \"a\"}"]);
    (people, select(&ACTIONS), named(&THINGS), contexts).prop_map(|(principal, action, resource, context)| {
        let context = Context::from_json_str(context, None).unwrap();
        Request::new(uid(&principal), uid(action), uid(&resource), context, None).unwrap()
    })
}

fn policies(written: &[Written]) -> PolicySet {
    let mut set = PolicySet::new();
    for (number, Written { text, principal, resource }) in written.iter().enumerate() {
        let id = PolicyId::new(format!("p{number}"));
        let slots = [("?principal", SlotId::principal(), principal), ("?resource", SlotId::resource(), resource)];
        let slots: HashMap<SlotId, EntityUid> =
            slots.into_iter().filter(|(slot, ..)| text.contains(slot)).map(|(_, slot, value)| (slot, uid(value))).collect();
        if slots.is_empty() {
            set.add(Policy::parse(Some(id), text).unwrap()).unwrap();
        } else {
            let template = PolicyId::new(format!("t{number}"));
            set.add_template(Template::parse(Some(template.clone()), text).unwrap()).unwrap();
            set.link(template, id, slots).unwrap();
        }
    }
    set
}

pub(super) fn store() -> impl Strategy<Value = Store> {
    let written = proptest::collection::vec(written(), 1..24);
    (written, world(), world(), proptest::collection::vec(request(), 16)).prop_map(|(written, before, after, requests)| Store {
        policies: policies(&written),
        worlds: [before, after],
        requests,
    })
}

/// The same cases at every run.
pub(super) fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(0x706f_7274), failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(600))]

    /// In both worlds.
    #[test]
    fn a_full_scan_says_the_same(store in store()) {
        prop_assert_eq!(store.differences(&Index::new(&store.policies)), Vec::<String>::new());
    }
}

/// The same under load.
#[test]
fn threads_share_an_index() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(config(1));
    for _ in 0..20 {
        let store = Arc::new(store().new_tree(&mut runner).unwrap().current());
        let index = Index::new(&store.policies);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| store.differences(&index))).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), Vec::<String>::new());
            }
        });
    }
}
