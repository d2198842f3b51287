//! The gate's and Cedar's part of `cargo xtask bench policy`.
//!
//! `bench FOLDER SECONDS [load]` writes for each size of store `FOLDER/N/policy-*.rego`, `FOLDER/N/evaluate.jsonl` and, where decisions
//! are measured, `FOLDER/N/decide-LINKS.jsonl` (`{"inputs", "allow"}`, an input per link) for a peer to read, measures, and prints one line of JSON per figure
//! (`{"case","system","metric","value","unit"}`); with `load` or `list` it measures that alone, with `store` it only writes the store of `load`. It ends with a failure if the two answer differently.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures and prints; no part of the gate"
)]

mod rego;
mod store;
mod tools;

use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, Policy as CedarPolicy, PolicyId, PolicySet, Request, Schema, SlotId,
    Template,
};
use model::{
    Action, Ask, Chain, DecisionInput, Dialect, Facts, FindingCount, FindingGroup, Label, PrincipalId, Resource, UnixMillis,
    Verdict,
};
use policy::{Could, IndexedSet, Listable, PolicySnapshot};
use serde_json::{Value, json};
use store::{Dice, Form, SEED, Scope, Size, Store, name};

/// Requests of a case, evenly over all users and models.
const REQUESTS: usize = 4_096;
/// Of those, the ones that are asked again and again: what a gate's busy callers ask.
const BUSY: usize = 64;
/// Most measured calls of a case.
const MOST: usize = 40_000;

/// Who asks for what; the links of a chain are the first one, two or three.
struct Question {
    links: [String; 3],
    model: String,
    /// A credential per user, so that most contexts are new ones.
    credential: String,
    has_card: bool,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let only = arguments.next();
    let large = Size { policies: 5_000, users: 10_000, agents: 2_000, groups: 1_000, models: 200 };
    if only.as_deref() == Some("store") {
        write_store(&Store::new(large), &folder);
        return;
    }
    let sizes: &[usize] = if only.is_some() { &[] } else { &[200, 2_000, 20_000] };
    for n_policies in sizes.iter().copied() {
        let store = Store::new(Size::of(n_policies));
        let questions = questions(store.size);
        evaluate(&store, &questions, &folder.join(n_policies.to_string()), seconds);
        if n_policies <= 2_000 {
            decide(&store, &questions, &folder.join(n_policies.to_string()), seconds);
        }
    }
    if only.as_deref() != Some("load") {
        list();
    }
    if only.as_deref() == Some("list") {
        return;
    }
    load(&Store::new(large));
}

fn questions(size: Size) -> Vec<Question> {
    let mut dice = Dice::new(SEED + 1);
    let mut question = || {
        let (agent, user) = (dice.below(size.agents), dice.below(size.users));
        Question {
            links: [
                format!("user:u{user}"),
                format!("agent:a{agent}"),
                format!("agent:a{}", (agent + 1 + dice.below(size.agents - 1)) % size.agents),
            ],
            model: format!("m{}", dice.below(size.models)),
            credential: format!("pk_{user}"),
            has_card: dice.below(10) == 0,
        }
    };
    (0..REQUESTS).map(|_| question()).collect()
}

impl Question {
    fn input(&self, n_links: usize) -> DecisionInput {
        let links: Vec<PrincipalId> = self.links.iter().take(n_links).map(|link| link.parse().unwrap()).collect();
        let card = ("CREDIT_CARD".to_owned(), FindingCount { group: FindingGroup::Pii, count: 1 });
        DecisionInput {
            chain: Chain::new(links).unwrap(),
            asks: vec![Ask { action: Action::CallModel, resource: Resource::Model(name(&self.model)) }],
            facts: Facts {
                now: UnixMillis(1_795_000_000_000),
                credential: name(&self.credential),
                credential_age: 86_400,
                dialect: Some(Dialect::Openai),
                stream: true,
                findings: self.has_card.then_some(card).into_iter().collect(),
                label: Label::default(),
                ledger_version: 3,
                answered: BTreeSet::new(),
                mandate: Default::default(),
                arguments: None,
                around: Default::default(),
            },
        }
    }

    /// The context as JSON, for Cedar and for a peer.
    fn context(&self, n_links: usize) -> Value {
        let (kinds, groups) = if self.has_card { (json!(["CREDIT_CARD"]), json!(["pii"])) } else { (json!([]), json!([])) };
        json!({
            "credential": {"id": self.credential, "ageSeconds": 86_400},
            "chain": {"kind": if n_links > 1 { "delegated" } else { "direct" }, "depth": n_links, "missing": []},
            "request": {"dialect": "openai", "stream": true},
            "content": {"kinds": kinds, "groups": groups},
            "flow": {"level": 0, "compartments": [], "integrity": 3, "version": 3, "tainted": false, "untrusted": []},
            "answered": {"approval": false, "stepUp": false, "posture": false},
            "task": {"id": "", "purpose": "", "grant": [], "mayAct": false},
            "auth": {"acr": "", "amr": [], "ageSeconds": i64::MAX},
            "device": {"id": "", "managed": false, "facts": [], "ageSeconds": i64::MAX},
            "risk": {"user": 100, "agent": 100, "task": 100},
            "network": {"peer": "", "segment": ""},
            "usage": {"calls": i64::MAX, "tokens": i64::MAX, "micros": i64::MAX},
            "now": {"__extn": {"fn": "datetime", "arg": "2026-11-18T11:06:40Z"}},
        })
    }

    fn uids(&self, link: usize) -> (EntityUid, EntityUid, EntityUid) {
        let uid = |kind: &str, id: &str| -> EntityUid { format!("Portcullis::{kind}::\"{id}\"").parse().unwrap() };
        let (kind, id) = self.links.get(link).and_then(|link| link.split_once(':')).unwrap();
        let kind = if kind == "user" { "User" } else { "Agent" };
        (uid(kind, id), uid("Action", "callModel"), uid("Model", &self.model))
    }
}

/// Requests that are built already: the index and Cedar, against Cedar's scan.
fn evaluate(store: &Store, questions: &[Question], folder: &Path, seconds: f64) {
    let case = format!("evaluate/{}", store.size.policies);
    let schema = Schema::from_cedarschema_str(policy::SCHEMA).unwrap().0;
    let entities = entities(store, &schema);
    let whole = with_links(store);
    let indexed = IndexedSet::new(whole.clone());
    let requests: Vec<Request> = questions.iter().map(|question| request(question, 0, 1, &schema)).collect();
    let mut n_candidates: Vec<f64> = requests.iter().map(|request| as_f64(indexed.n_candidates(request, &entities))).collect();
    n_candidates.sort_by(f64::total_cmp);
    print(&case, "portcullis", "candidates_p50", percentile(&n_candidates, 50), "policies");
    print(&case, "portcullis", "candidates_p99", percentile(&n_candidates, 99), "policies");
    // Without any kept set: each request once, over an index of its own.
    let fresh = IndexedSet::new(whole.clone());
    let mut cold = Vec::new();
    for request in &requests {
        timed(&mut cold, || fresh.is_authorized(request, &entities));
    }
    summary(&case, "portcullis-first-time", cold);
    let busy = &requests[..BUSY];
    summary(&case, "portcullis-wide", rounds(seconds, &requests, |request| indexed.is_authorized(request, &entities)));
    summary(&case, "portcullis", rounds(seconds, busy, |request| indexed.is_authorized(request, &entities)));
    let authorizer = Authorizer::new();
    summary(&case, "cedar", rounds(seconds, busy, |request| authorizer.is_authorized(request, &whole, &entities)));
    // The same answers, and what a peer is asked.
    std::fs::create_dir_all(folder).unwrap();
    let mut lines = std::io::BufWriter::new(std::fs::File::create(folder.join("evaluate.jsonl")).unwrap());
    for (question, request) in questions.iter().zip(&requests).take(512) {
        let (ours, theirs) = (indexed.is_authorized(request, &entities), authorizer.is_authorized(request, &whole, &entities));
        assert_eq!(ours.decision(), theirs.decision());
        let inputs = [rego::input(store, question, 0, 1)];
        writeln!(lines, "{}", json!({"inputs": inputs, "allow": ours.decision() == Decision::Allow})).unwrap();
    }
    lines.flush().unwrap();
    for (at, text) in rego::files(store).into_iter().enumerate() {
        std::fs::write(folder.join(format!("policy-{at}.rego")), text).unwrap();
    }
}

/// Decisions from the model's types: for Cedar, context and requests from JSON and a scan per link.
fn decide(store: &Store, questions: &[Question], folder: &Path, seconds: f64) {
    let snapshot = PolicySnapshot::load(&store.bundle(), &BTreeSet::new()).unwrap();
    let schema = Schema::from_cedarschema_str(policy::SCHEMA).unwrap().0;
    let (whole, entities) = (with_links(store), entities(store, &schema));
    let authorizer = Authorizer::new();
    for n_links in [1, 3] {
        let case = format!("decide/{}/{n_links}", store.size.policies);
        let inputs: Vec<DecisionInput> = questions.iter().map(|question| question.input(n_links)).collect();
        summary(&case, "portcullis-wide", rounds(seconds, &inputs, |input| snapshot.decide(input)));
        summary(&case, "portcullis", rounds(seconds, &inputs[..BUSY], |input| snapshot.decide(input)));
        let by_cedar = |question: &Question| {
            (0..n_links).all(|link| {
                let request = request(question, link, n_links, &schema);
                authorizer.is_authorized(&request, &whole, &entities).decision() == Decision::Allow
            })
        };
        summary(&case, "cedar", rounds(seconds, &questions[..BUSY], by_cedar));
        let mut lines = std::io::BufWriter::new(std::fs::File::create(folder.join(format!("decide-{n_links}.jsonl"))).unwrap());
        for (question, input) in questions.iter().zip(&inputs).take(200) {
            let is_allowed = snapshot.decide(input).verdict == Verdict::Permit;
            assert_eq!(is_allowed, by_cedar(question), "{input:?}");
            let inputs: Vec<Value> = (0..n_links).map(|link| rego::input(store, question, link, n_links)).collect();
            writeln!(lines, "{}", json!({"inputs": inputs, "allow": is_allowed})).unwrap();
        }
        lines.flush().unwrap();
    }
}

/// What a chain of three links could do with 500 tools under 2,000 policies.
fn list() {
    let size = Size::of(2_000);
    let bundle = tools::bundle(size);
    let listers = tools::listers(size, 24);
    let (mut first, mut cold, mut kept, mut counts) = (Vec::new(), Vec::new(), Vec::new(), [0_usize; 3]);
    for round in 0..3 {
        let snapshot = PolicySnapshot::load(&bundle, &BTreeSet::new()).unwrap();
        assert_eq!(snapshot.tool_reports(), []);
        for (at, lister) in listers.iter().enumerate() {
            timed(if at == 0 { &mut first } else { &mut cold }, || snapshot.list(lister, Listable::Tools));
            timed(&mut kept, || snapshot.list(lister, Listable::Tools));
            if round == 0 {
                for listed in snapshot.list(lister, Listable::Tools).iter() {
                    counts[match listed.could {
                        Could::Yes => 0,
                        Could::No => 1,
                        Could::Unknown => 2,
                    }] += 1;
                }
            }
        }
    }
    summary("list/2000/3", "portcullis-first-time", first);
    summary("list/2000/3", "portcullis-cold", cold);
    summary("list/2000/3", "portcullis", kept);
    for (name, count) in ["listed", "hidden", "unknown"].into_iter().zip(counts) {
        print("list/2000/3", "portcullis", name, as_f64(count), "tools");
    }
}

/// The large organisation as an operator writes it: policies, and the parties below their headings in `portcullis.yaml`.
fn write_store(store: &Store, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("bench.cedar"), store.cedar()).unwrap();
    let groups = |groups: &BTreeSet<model::Name>| groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let write = |file: &str, lines: Vec<String>| std::fs::write(folder.join(file), lines.concat()).unwrap();
    let line = |name: &model::Name, of: &BTreeSet<model::Name>| format!("  {name}: {{groups: [{}]}}\n", groups(of));
    write("groups.yaml", store.registry.groups.iter().map(|(name, of)| line(name, &of.groups)).collect());
    write("users.yaml", store.registry.users.iter().map(|(name, of)| line(name, &of.groups)).collect());
    write("agents.yaml", store.registry.agents.iter().map(|(name, of)| line(name, &of.groups)).collect());
}

/// Loading and validating a large organisation.
fn load(store: &Store) {
    let bundle = store.bundle();
    let (mut took, mut on_cpu) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (begun, before) = (Instant::now(), cpu());
        black_box(PolicySnapshot::load(&bundle, &BTreeSet::new()).unwrap());
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        on_cpu.push((cpu() - before) / 1e6);
    }
    took.sort_by(f64::total_cmp);
    on_cpu.sort_by(f64::total_cmp);
    print("load/5000", "portcullis", "p50_ms", percentile(&took, 50), "ms");
    print("load/5000", "portcullis", "p50_cpu_ms", percentile(&on_cpu, 50), "ms");
}

/// Nanoseconds that this thread has run, as Linux counts them; unknown elsewhere.
fn cpu() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(f64::NAN)
}

fn request(question: &Question, link: usize, n_links: usize, schema: &Schema) -> Request {
    let (principal, action, resource) = question.uids(link);
    let context = Context::from_json_value(question.context(n_links), Some((schema, &action))).unwrap();
    Request::new(principal, action, resource, context, None).unwrap()
}

/// The policies, links of templates as links.
fn with_links(store: &Store) -> PolicySet {
    let mut set = PolicySet::new();
    let mut templates: HashMap<String, PolicyId> = HashMap::new();
    for (at, policy) in store.policies.iter().enumerate() {
        let (id, text) = (PolicyId::new(format!("p{at}")), policy.cedar());
        if policy.form != Form::Link {
            set.add(CedarPolicy::parse(Some(id), text).unwrap()).unwrap();
            continue;
        }
        let mut text = text;
        let mut slots = HashMap::new();
        for (slot, name, scope) in
            [(SlotId::principal(), "?principal", &policy.principal), (SlotId::resource(), "?resource", &policy.resource)]
        {
            let (Scope::Equal(kind, entity) | Scope::In(kind, entity)) = scope else { continue };
            let uid = format!("Portcullis::{kind}::\"{entity}\"");
            text = text.replace(&uid, name);
            slots.insert(slot, uid.parse().unwrap());
        }
        let next = PolicyId::new(format!("t{}", templates.len()));
        let template = templates.entry(text.clone()).or_insert_with(|| {
            set.add_template(Template::parse(Some(next.clone()), &text).unwrap()).unwrap();
            next
        });
        set.link(template.clone(), id, slots).unwrap();
    }
    set
}

fn entities(store: &Store, schema: &Schema) -> Entities {
    let entity = |kind: &str, id: &str, parent: &str, groups: &BTreeSet<model::Name>, attrs: Value| {
        let parents: Vec<Value> =
            groups.iter().map(|group| json!({"type": format!("Portcullis::{parent}"), "id": group})).collect();
        json!({"uid": {"type": format!("Portcullis::{kind}"), "id": id}, "attrs": attrs, "parents": parents})
    };
    let registry = &store.registry;
    let mut all = Vec::new();
    all.extend(registry.groups.iter().map(|(id, group)| entity("Group", id.as_str(), "Group", &group.groups, json!({}))));
    all.extend(
        registry.model_groups.iter().map(|(id, group)| entity("ModelGroup", id.as_str(), "ModelGroup", &group.groups, json!({}))),
    );
    all.extend(registry.users.iter().map(|(id, user)| entity("User", id.as_str(), "Group", &user.groups, json!({}))));
    let agent = json!({"autonomous": [], "userText": "mixed"});
    all.extend(registry.agents.iter().map(|(id, one)| entity("Agent", id.as_str(), "Group", &one.groups, agent.clone())));
    let model = json!({"dialects": ["openai"], "clearance": 3});
    all.extend(registry.models.iter().map(|(id, one)| entity("Model", id.as_str(), "ModelGroup", &one.groups, model.clone())));
    Entities::from_json_value(Value::Array(all), Some(schema)).unwrap()
}

fn timed<T>(took: &mut Vec<f64>, call: impl FnOnce() -> T) {
    let begun = Instant::now();
    black_box(call());
    took.push(begun.elapsed().as_secs_f64() * 1e6);
}

/// Microseconds of each call, for about `seconds`; the first pass over all requests does not count, if there is time for it.
fn rounds<'a, A, T>(seconds: f64, all: &'a [A], call: impl Fn(&'a A) -> T) -> Vec<f64> {
    let warm = Instant::now();
    for one in all {
        black_box(call(one));
        if warm.elapsed().as_secs_f64() > seconds / 2.0 {
            break;
        }
    }
    let (begun, mut took) = (Instant::now(), Vec::new());
    for one in all.iter().cycle().take(MOST) {
        timed(&mut took, || call(one));
        if begun.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    took
}

fn summary(case: &str, system: &str, mut took: Vec<f64>) {
    took.sort_by(f64::total_cmp);
    print(case, system, "p50_us", percentile(&took, 50), "us");
    print(case, system, "p99_us", percentile(&took, 99), "us");
}

fn percentile(sorted: &[f64], share: usize) -> f64 {
    sorted.get(sorted.len() * share / 100).copied().unwrap_or(f64::NAN)
}

fn as_f64(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn print(case: &str, system: &str, metric: &str, value: f64, unit: &str) {
    println!("{}", json!({"case": case, "system": system, "metric": metric, "value": value, "unit": unit}));
}
