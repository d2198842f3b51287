//! Lists of several tools by chains of one to three links, and lists of documents.

use std::collections::{BTreeMap, BTreeSet};

use model::{Action, Ask, Bundle, DecisionInput, Resource, Tool, ToolEffect};
use policy::{Could, Listable};
use serde_json::json;

use crate::listing::{Dice, is_found, lister, with_tool};
use crate::world::{bundle, compiled, input, name};

/// Atoms over the circumstances of a call; [`around`] has each constant and what lies beside it.
const CIRCUMSTANCES: [&str; 12] = [
    "context.now < datetime(\"2027-01-01\")",
    "context.now >= datetime(\"2027-01-01\")",
    "context.risk.user < 50",
    "context.risk.agent > 99",
    "context.network.segment == \"office\"",
    "context.usage.calls <= 10",
    "context.usage.calls > 10",
    "context.device.managed",
    "context.device.facts.contains(\"disk\")",
    "context.device.ageSeconds < 60",
    "context.input.n < 2",
    "context.input.s == \"a\"",
];
/// Of [`CIRCUMSTANCES`]: a word that a policy has if it reads a circumstance, and how many ways that has in the grid.
const WAYS: [(&str, usize); 7] =
    [("now", 2), ("risk", 4), ("network", 3), ("usage", 2), ("device", 9), ("input.n", 4), ("input.s", 2)];
const CHAINS: [&[&str]; 3] = [&["user:ada"], &["user:ada", "agent:bot"], &["user:ada", "agent:bot", "agent:sub"]];
const N_TOOLS: usize = 5;

/// Five tools `t0` to `t4` with different effects.
fn with_tools(policies: &str) -> Bundle {
    let mut bundle = with_tool(policies);
    let server = bundle.registry.tool_servers.get_mut(&name("s")).unwrap();
    let schema = server.tools["t"].input.clone();
    let effects = [ToolEffect::Read, ToolEffect::Write, ToolEffect::Egress, ToolEffect::Destructive, ToolEffect::Credential];
    let tool = |at: usize| {
        let effects = BTreeSet::from([effects[at]]);
        (format!("t{at}"), Tool { effects, input: schema.clone(), ..Tool::default() })
    };
    server.tools = (0..N_TOOLS).map(tool).collect();
    bundle
}

/// Policies over circumstances, each about one tool, one effect, or all tools.
fn about_circumstances(dice: &mut Dice) -> String {
    let mut text = String::new();
    for at in 0..(2 + dice.below(4)) {
        let effect = if at == 0 || dice.below(3) == 0 { "permit" } else { "forbid" };
        let principal = dice.of(&["principal", "principal", "principal is Portcullis::User", "principal is Portcullis::Agent"]);
        let tool = format!("action == s::Action::\"t{}\", resource", dice.below(N_TOOLS));
        let group = format!("action in Portcullis::Action::\"{}\", resource", dice.of(&["read", "write", "egress", "callTool"]));
        let is_one = dice.below(3) == 0;
        // Arguments have types where one tool is named.
        let atoms = if is_one { &CIRCUMSTANCES[..] } else { &CIRCUMSTANCES[..10] };
        let atom = |dice: &mut Dice| format!("{}({})", ["", "!"][dice.below(2)], dice.of(atoms));
        let (first, second) = (atom(dice), atom(dice));
        let condition = [first.clone(), format!("{first} && {second}"), format!("{first} || {second}")][dice.below(3)].clone();
        let scope = if is_one { tool } else { group };
        text.push_str(&format!("{effect} ({principal}, {scope}) when {{ {condition} }};\n"));
    }
    text
}

/// Every call of the grid over what `policies` read.
fn calls_around(policies: &str, links: &[&str], tool: &str) -> Vec<DecisionInput> {
    use model::{Around, Origin, Posture, Risk, Spent, UnixMillis};
    let ways = WAYS.map(|(word, n_ways)| if policies.contains(&format!("context.{word}")) { n_ways } else { 1 });
    let device = |managed: bool, facts: &[&str], age| Posture {
        device: name("laptop"),
        is_managed: managed,
        facts: facts.iter().map(ToString::to_string).collect(),
        age,
    };
    (0..ways.iter().product())
        .map(|mut at: usize| {
            let [now, risk, network, usage, posture, n, s] = ways.map(|n_ways| {
                let digit = at % n_ways;
                at /= n_ways;
                digit
            });
            let mut call = input(links, "small");
            call.asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool(format!("s/{tool}")) }];
            call.facts.dialect = None;
            call.facts.now = UnixMillis([1_767_268_800_000, 1_798_761_600_000][now]);
            let text = ["", "a"][s];
            call.facts.arguments = Some(json!({"n": n, "s": text, "l": []}).to_string());
            call.facts.answered = [model::Challenge::Approval, model::Challenge::StepUp, model::Challenge::Posture].into();
            let device = |at: usize| device(at & 1 == 0, &["disk"][..at >> 1 & 1], [0, 60][at >> 2]);
            call.facts.around = Around {
                risk: Some(Risk { user: [0, 50][risk & 1], agent: [99, 100][risk >> 1], task: 0 }),
                origin: [None, Some("office"), Some("home")][network]
                    .map(|segment| Origin { peer: "10.0.0.1".to_owned(), segment: Some(name(segment)) }),
                spent: Some(Spent { calls: [10, 11][usage], tokens: 0, micros: 0 }),
                posture: posture.checked_sub(1).map(device),
                ..Around::default()
            };
            call
        })
        .collect()
}

/// 900 pairs of a tool and a set of policies, by chains of one to three links: the list says what a search through calls finds.
#[test]
fn lists_of_several_tools_say_what_calls_find() {
    let mut dice = Dice(0x6172_6f75);
    let mut counts = [0_usize; 3];
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let policies = about_circumstances(&mut dice);
        seen.extend(WAYS.iter().filter(|(word, _)| policies.contains(&format!("context.{word}"))).map(|(word, _)| *word));
        let snapshot = compiled(&with_tools(&policies));
        for links in CHAINS {
            let list = snapshot.list(&lister(links), Listable::Tools);
            assert_eq!(list.len(), N_TOOLS);
            for listed in list.iter() {
                let tool = listed.ask.resource.id().trim_start_matches("s/");
                let found = is_found(&snapshot, &calls_around(&policies, links, tool));
                match listed.could {
                    Could::Yes => assert!(found, "{tool} is listed for {links:?}, but no call is allowed: {policies}"),
                    Could::No => assert!(!found, "{tool} is hidden from {links:?}, but a call is allowed: {policies}"),
                    Could::Unknown => {}
                }
                counts[[Could::Yes, Could::No, Could::Unknown].iter().position(|could| *could == listed.could).unwrap()] += 1;
            }
        }
    }
    assert_eq!(seen.len(), WAYS.len(), "{seen:?}");
    assert!(counts[0] > 150 && counts[1] > 150 && counts[2] <= 10, "{counts:?}");
}

/// Documents, and what else operators declare for other enforcement points.
#[test]
fn documents_that_could_be_used_at_all() {
    use model::{ResourceKind, Shape, Value as Attribute, Verb};
    let mut declared = bundle(
        "permit (principal in Portcullis::Group::\"staff\", action in [Access::Action::\"read\", Access::Action::\"edit\"], resource is Access::document)
             when { resource has team && resource.team == \"hr\" };
         forbid (principal is Portcullis::Agent, action == Access::Action::\"edit\", resource is Access::document) when { context.flow.level >= 0 };
         permit (principal in Portcullis::Group::\"bots\", action == Access::Action::\"read\", resource is Access::document)
             unless { context.flow.tainted };
         permit (principal, action == Access::Action::\"read\", resource is Access::folder) when { context has pep && context.pep.subject has role && context.pep.subject.role == \"owner\" };",
    );
    let access = &mut declared.registry.access;
    let document = |team: Option<&str>| {
        team.iter().map(|team| ("team".to_owned(), Attribute::Text((*team).to_owned()))).collect::<BTreeMap<_, _>>()
    };
    access.resources = BTreeMap::from([
        (
            "document".to_owned(),
            ResourceKind {
                attributes: BTreeMap::from([("team".to_owned(), Shape::Text)]),
                entities: [("bands", Some("hr")), ("plan", Some("it")), ("draft", None)]
                    .map(|(id, team)| (id.to_owned(), document(team)))
                    .into(),
                ..ResourceKind::default()
            },
        ),
        ("folder".to_owned(), ResourceKind { entities: [("top".to_owned(), BTreeMap::new())].into(), ..ResourceKind::default() }),
    ]);
    access.subject = BTreeMap::from([("role".to_owned(), Shape::Text)]);
    let verb = |kinds: &[&str]| Verb { resources: kinds.iter().map(ToString::to_string).collect(), properties: BTreeMap::new() };
    access.actions =
        BTreeMap::from([("read".to_owned(), verb(&["document", "folder"])), ("edit".to_owned(), verb(&["document"]))]);
    let snapshot = compiled(&declared);
    let could = |links: &[&str]| -> Vec<String> {
        let list = snapshot.list(&lister(links), Listable::Documents);
        assert_eq!(list.len(), 7, "every action on every listed resource");
        let open = list.iter().filter(|listed| listed.could != Could::No);
        open.map(|listed| format!("{:?} {} {}", listed.could, listed.ask.verb(), listed.ask.resource.id())).collect()
    };
    assert_eq!(could(&["user:ada"]), ["Yes edit bands", "Yes read bands", "Unknown read top"]);
    assert_eq!(could(&["user:ada", "agent:bot"]), ["Yes read bands", "Unknown read top"]);
    assert_eq!(could(&["user:eve"]), ["Unknown read top"], "what the enforcement point would say is not guessed");
    assert!(snapshot.list(&lister(&["user:nobody"]), Listable::Documents).iter().all(|listed| listed.could == Could::No));
}
