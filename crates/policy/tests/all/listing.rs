//! List-time answers, held against a search through calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier};

use model::{
    Action, Ask, Bundle, DecisionInput, FindingCount, FindingGroup, Integrity, Level, Mandate, ReasonCode, Resource, Tool,
    ToolEffect, ToolServer, Verdict,
};
use policy::{Could, Listable, Listed, Lister, PolicySnapshot};
use serde_json::{Value, json};

use crate::world::{bundle, chain, compiled, input, name};

pub(crate) fn lister(links: &[&str]) -> Lister {
    Lister { chain: chain(links), credential: name("abc"), mandate: Mandate::default() }
}

/// One server `s` with one tool `t`.
pub(crate) fn with_tool(policies: &str) -> Bundle {
    let properties = json!({
        "n": {"type": "integer"}, "s": {"type": "string"}, "o": {"type": "integer"},
        "l": {"type": "array", "items": {"type": "string"}},
        "r": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
    });
    let schema = json!({"type": "object", "properties": properties, "required": ["n", "s", "l"]}).to_string();
    let tool = Tool { effects: BTreeSet::from([ToolEffect::Write]), input: schema, ..Tool::default() };
    let mut bundle = bundle(policies);
    let server =
        ToolServer { clearance: Level::Internal, tools: BTreeMap::from([("t".to_owned(), tool)]), ..ToolServer::default() };
    bundle.registry.tool_servers.insert(name("s"), server);
    bundle
}

fn could(policies: &str, links: &[&str]) -> Could {
    let snapshot = compiled(&with_tool(policies));
    let list = snapshot.list(&lister(links), Listable::Tools);
    assert_eq!(list.len(), 1);
    list[0].could
}

#[test]
fn what_could_be() {
    let facts = [
        ("", Could::No),
        ("permit (principal, action, resource);", Could::Yes),
        // By party, by tool, by group.
        ("permit (principal == Portcullis::User::\"ada\", action, resource);", Could::No),
        (
            "permit (principal in Portcullis::Group::\"staff\", action, resource);
             permit (principal is Portcullis::Agent, action in Portcullis::Action::\"write\", resource);",
            Could::Yes,
        ),
        ("permit (principal, action in Portcullis::Action::\"read\", resource);", Could::No),
        // By what a call says.
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.n > 5 && context.input.n < 7 };", Could::Yes),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.n > 5 && context.input.n < 6 };", Could::No),
        (
            "permit (principal, action, resource); forbid (principal, action == s::Action::\"t\", resource) when { context.input.s != \"a\" };",
            Could::Yes,
        ),
        (
            "permit (principal, action, resource); forbid (principal, action == s::Action::\"t\", resource) when { context.input.s != \"a\" };
             forbid (principal, action == s::Action::\"t\", resource) when { context.input.s == \"a\" };",
            Could::No,
        ),
        // Both links with the same arguments.
        (
            "permit (principal is Portcullis::User, action == s::Action::\"t\", resource) when { context.input.n < 10 };
             permit (principal is Portcullis::Agent, action == s::Action::\"t\", resource) when { context.input.n > 20 };",
            Could::No,
        ),
        // By what is known of parties and tools, whatever a call says.
        ("permit (principal, action, resource) when { principal is Portcullis::User || context.flow.level > 9 };", Could::No),
        ("permit (principal, action == s::Action::\"t\", resource) when { resource.clearance > 2 };", Could::No),
        ("permit (principal, action == s::Action::\"t\", resource) when { resource.effects.contains(\"write\") };", Could::Yes),
        ("permit (principal, action, resource); forbid (principal, action, resource) when { resource is Portcullis::Tool };", Could::No),
        // By what may be at another time.
        ("permit (principal, action, resource) when { context.now < datetime(\"2020-01-01\") };", Could::Yes),
        ("permit (principal, action, resource) when { context.flow.tainted };", Could::Yes),
        ("permit (principal, action, resource) when { context.content.kinds.contains(\"US_SSN\") };", Could::Yes),
        ("permit (principal, action, resource) when { context.risk.user > 100 };", Could::No),
        ("permit (principal, action, resource) when { context.network.segment == \"office\" };", Could::Yes),
        // By what is left to the task, if budgets apply.
        ("permit (principal, action, resource) when { context.task has budget.tokens.left && context.task.budget.tokens.left < 5 };", Could::Yes),
        ("permit (principal, action, resource) when { context.task has budget.tokens.left && context.task.budget.tokens.left < 0 };", Could::No),
        ("permit (principal, action, resource) unless { context.task has budget };", Could::Yes),
        ("permit (principal, action, resource) when { context.task has budget && !(context.task.budget has micros) };", Could::Yes),
        (
            "permit (principal, action, resource) when { context.task has budget.requests.left && context.task.budget.requests.left > 7 };
             forbid (principal, action, resource) when { context.task has budget.requests.most && context.task.budget.requests.most < 9 };",
            Could::Yes,
        ),
        (
            "permit (principal, action, resource) when { context.task has budget.requests.left && context.task.budget.requests.left > 7 };
             forbid (principal, action, resource) when { context.task has budget.requests.most && context.task.budget.requests.most > 6 };",
            Could::No,
        ),
        // By what no call of this chain can change.
        ("permit (principal, action, resource) when { context.chain.depth == 2 };", Could::Yes),
        ("permit (principal, action, resource) when { context.chain.depth == 3 };", Could::No),
        ("permit (principal, action, resource) when { context.task.purpose == \"x\" };", Could::No),
        ("permit (principal, action, resource) when { context.credential.id == \"other\" };", Could::No),
        // A challenge can be answered.
        (
            "permit (principal, action, resource);
             @challenge(\"approval\") forbid (principal, action, resource) unless { context.answered.approval };",
            Could::Yes,
        ),
        // Optional arguments, and what stands in them.
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input has r && context.input.r.to == \"x\" };", Could::Yes),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input has o && context.input.o > 3 };", Could::Yes),
        (
            "permit (principal, action == s::Action::\"t\", resource) when { context.input has o };
             forbid (principal, action == s::Action::\"t\", resource) when { context.input has o };",
            Could::No,
        ),
        (
            "permit (principal, action == s::Action::\"t\", resource) when { context.input has o && context.input.o < 1 || context.input.l.contains(\"x\") };
             forbid (principal, action == s::Action::\"t\", resource) when { context.input has o };",
            Could::Yes,
        ),
        // Patterns beside one another and beside texts are open, not refused.
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.s like \"/srv/*\" && !(context.input.s like \"*/\") };", Could::Unknown),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.s like \"a*\" && context.input.s like \"*b\" };", Could::Unknown),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.s like \"/srv/*\" && context.input.s != \"/srv/\" };", Could::Unknown),
        ("permit (principal, action == s::Action::\"t\", resource) unless { context.input.s == \"\" || context.input.s like \"*-*\" };", Could::Unknown),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.s like \"a*c\" };", Could::Yes),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.s like \"*\" };", Could::Yes),
        // Times are whole seconds.
        ("permit (principal, action, resource) when { context.now > datetime(\"2127-01-01\") };", Could::Yes),
        ("permit (principal, action, resource); forbid (principal, action, resource) when { context.now <= datetime(\"2127-01-01T00:00:00.500Z\") };", Could::Yes),
        ("permit (principal, action, resource) when { context.now == datetime(\"2127-01-01T00:00:00.500Z\") };", Could::No),
        // A tool is called in no dialect; a device may be unknown; what is no name is in no set.
        ("permit (principal, action, resource) when { context.request.dialect == \"openai\" };", Could::No),
        ("permit (principal, action, resource) when { context.request.dialect != \"openai\" };", Could::Yes),
        ("permit (principal, action, resource) when { context.device.id == \"\" };", Could::Yes),
        ("permit (principal, action, resource) when { !context.flow.compartments.contains(\"Cust Data\") };", Could::Yes),
        ("permit (principal, action, resource) when { context.flow.compartments.contains(\"Cust Data\") };", Could::Unknown),
        ("permit (principal, action, resource) unless { context.content.groups.isEmpty() };", Could::Yes),
        // What has no type may not be written with.
        ("permit (principal, action == s::Action::\"t\", resource) when { context.unmodelled.contains(\"x\") };", Could::No),
        // One argument against another: found where it is near, else open.
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.n == context.input.n + 1 };", Could::Unknown),
        ("permit (principal, action == s::Action::\"t\", resource) when { context.input.n + 1 == 1 };", Could::Yes),
    ];
    for (policies, wanted) in facts {
        assert_eq!(could(policies, &["user:ada", "agent:bot"]), wanted, "{policies}");
    }
}

#[test]
fn parties_and_grants_that_no_call_changes() {
    let everything = "permit (principal, action, resource);";
    assert_eq!(could(everything, &["agent:bot"]), Could::No, "an agent on its own");
    assert_eq!(could(everything, &["user:nobody"]), Could::No);
    let snapshot = compiled(&with_tool(everything));
    let models = snapshot.list(&lister(&["user:ada"]), Listable::Models);
    let names: Vec<_> = models.iter().map(|listed| (listed.ask.resource.id().to_owned(), listed.could)).collect();
    assert_eq!(names, [("large".to_owned(), Could::Yes), ("small".to_owned(), Could::Yes)]);
    let one = "permit (principal, action == Portcullis::Action::\"callModel\", resource == Portcullis::Model::\"small\");";
    let anthropic = "permit (principal, action, resource); forbid (principal, action == Portcullis::Action::\"callModel\", resource) when { context.request.dialect == \"openai\" };";
    let models = compiled(&with_tool(anthropic)).list(&lister(&["user:ada"]), Listable::Models);
    assert!(models.iter().all(|listed| listed.could == Could::Yes), "{models:?}");
    let models = compiled(&with_tool(one)).list(&lister(&["user:ada"]), Listable::Models);
    let found: Vec<_> = models.iter().map(|listed| (listed.could, listed.reason)).collect();
    assert_eq!(found, [(Could::No, Some(ReasonCode::PolicyDenied)), (Could::Yes, None)]);
}

#[test]
fn what_a_task_was_granted_tells_look_alikes_apart() {
    let mut bundle = with_tool("permit (principal, action == Portcullis::Action::\"callModel\", resource);");
    let model = bundle.registry.models[&name("small")].clone();
    bundle.registry.models = ["a", "b", "c"].map(|id| (name(id), model.clone())).into();
    let snapshot = compiled(&bundle);
    for granted in ["a", "b", "c"] {
        let mut grant = model::Grant::nothing();
        grant.add(Action::CallModel, model::Reach::new([granted.to_owned()]).unwrap()).unwrap();
        let task = model::Task { id: name("t"), purpose: None, grant };
        let of = Lister { mandate: Mandate { task: Some(task), ..Mandate::default() }, ..lister(&["user:ada"]) };
        let list = snapshot.list(&of, Listable::Models);
        let listed: Vec<&str> =
            list.iter().filter(|listed| listed.could == Could::Yes).map(|listed| listed.ask.resource.id()).collect();
        assert_eq!(listed, [granted], "{list:?}");
    }
}

/// Everybody asks before there is a list; all get the same one. That no second one is made is held where lists are kept.
#[test]
fn a_list_is_made_once_however_many_ask() {
    for _ in 0..20 {
        let snapshot = compiled(&with_tool("permit (principal, action, resource);"));
        let of = lister(&["user:ada"]);
        assert!(snapshot.list_if_kept(&of, Listable::Tools).is_none());
        let together = Barrier::new(8);
        let lists: Vec<Arc<[Listed]>> = std::thread::scope(|scope| {
            let ask = || {
                together.wait();
                snapshot.list(&of, Listable::Tools)
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(lists.iter().all(|list| Arc::ptr_eq(list, &lists[0])), "made more than once");
        assert!(snapshot.list_if_kept(&of, Listable::Models).is_none());
        assert!(snapshot.list_if_kept(&Lister { credential: name("other"), ..of }, Listable::Tools).is_none());
    }
}

/// Random numbers: `SplitMix64`.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }

    pub(crate) fn of(&mut self, all: &[&str]) -> String {
        all[self.below(all.len())].to_owned()
    }

    /// A test of one value against constants that the grid of [`calls`] has on both sides.
    fn atom(&mut self) -> String {
        match self.below(12) {
            0..=2 => {
                let (operator, limit) = (self.of(&["<", "<=", "==", "!=", ">", ">="]), 1 + self.below(4));
                format!("context.input.n {operator} {limit}")
            }
            3 | 4 => format!("context.input.s {} \"{}\"", self.of(&["==", "!="]), self.of(&["a", "ab"])),
            5 => format!("context.input.s like \"{}\"", self.of(&["a*", "*b", "*", "a*b", "ab"])),
            6 => "context.input has o".to_owned(),
            7 => format!("(context.input has o && context.input.o {} 1)", self.of(&["<", "==", ">"])),
            8 => format!("context.input.l.contains(\"{}\")", self.of(&["x", "y"])),
            9 => format!("context.flow.level {} 1", self.of(&["<", ">"])),
            10 => self.of(&["context.flow.tainted", "context.content.kinds.contains(\"US_SSN\")", "context.answered.approval"]),
            _ => self.of(&[
                "principal is Portcullis::User",
                "principal in Portcullis::Group::\"bots\"",
                "resource.clearance > 2",
                "context.chain.depth == 2",
            ]),
        }
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.atom();
        }
        match self.below(6) {
            0 | 1 => format!("({} && {})", self.condition(depth - 1), self.condition(depth - 1)),
            2 => format!("({} || {})", self.condition(depth - 1), self.condition(depth - 1)),
            3 => format!("!({})", self.condition(depth - 1)),
            4 => format!(
                "(if {} then {} else {})",
                self.condition(depth - 1),
                self.condition(depth - 1),
                self.condition(depth - 1)
            ),
            _ => self.atom(),
        }
    }

    fn policies(&mut self) -> String {
        let n_policies = 1 + self.below(4);
        let mut text = String::new();
        for at in 0..n_policies {
            let effect = if at == 0 || self.below(3) == 0 { "permit" } else { "forbid" };
            let principal =
                self.of(&["principal", "principal", "principal is Portcullis::User", "principal is Portcullis::Agent"]);
            let depth = self.below(3);
            text.push_str(&format!(
                "{effect} ({principal}, action == s::Action::\"t\", resource) {} {{ {} }};\n",
                self.of(&["when", "when", "unless"]),
                self.condition(depth)
            ));
        }
        text
    }
}

/// Every call of a grid that has each constant of [`Dice::atom`], what lies beside it, and what is absent; of what `policies` do not
/// mention, one value.
fn calls(policies: &str) -> Vec<DecisionInput> {
    let ways = |mentioned: &str, n_ways: usize| if policies.contains(mentioned) { n_ways } else { 1 };
    let (numbers, texts, others) = (ways("input.n", 6), ways("input.s", 5), ways("has o", 4));
    let (labels, levels, taints) = (ways("input.l", 4), ways("flow.level", 2), ways("tainted", 2));
    let (findings, answers) = (ways("US_SSN", 2), ways("answered", 2));
    let mut calls = Vec::new();
    for mut at in 0..numbers * texts * others * labels * levels * taints * findings * answers {
        let mut digit = |n_ways: usize| {
            let digit = at % n_ways;
            at /= n_ways;
            digit
        };
        let mut call = input(&["user:ada", "agent:bot"], "small");
        call.asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool("s/t".to_owned()) }];
        let n = digit(numbers);
        let s = ["", "a", "ab", "b", "cc"][digit(texts)];
        let o = [None, Some(0), Some(1), Some(2)][digit(others)];
        let l = [&[][..], &["x"], &["y"], &["x", "y"]][digit(labels)];
        let mut arguments = json!({"n": n, "s": s, "l": l});
        if let Some(o) = o {
            arguments["o"] = Value::from(o);
        }
        call.facts.arguments = Some(arguments.to_string());
        // The baseline forbids higher levels for a tool of this clearance.
        call.facts.label.level = [Level::Public, Level::Internal][digit(levels)];
        call.facts.label.integrity = [Integrity::User, Integrity::Untrusted][digit(taints)];
        if digit(findings) == 1 {
            call.facts.findings.insert("US_SSN".to_owned(), FindingCount { group: FindingGroup::Pii, count: 1 });
        }
        if digit(answers) == 1 {
            call.facts.answered = BTreeSet::from([model::Challenge::Approval]);
        }
        calls.push(call);
    }
    calls
}

pub(crate) fn is_found(snapshot: &PolicySnapshot, calls: &[DecisionInput]) -> bool {
    calls.iter().any(|call| snapshot.decide(call).verdict == Verdict::Permit)
}

#[test]
fn listed_exactly_where_a_search_finds_an_allowed_call() {
    let mut dice = Dice(0x6c69_7374);
    let mut counts = [0_usize; 3];
    for _ in 0..500 {
        let policies = dice.policies();
        let snapshot = compiled(&with_tool(&policies));
        let list = snapshot.list(&lister(&["user:ada", "agent:bot"]), Listable::Tools);
        let found = is_found(&snapshot, &calls(&policies));
        match list[0].could {
            Could::Yes => assert!(found, "listed, but no call is allowed: {policies}"),
            Could::No => assert!(!found, "hidden, but a call is allowed: {policies}"),
            Could::Unknown => {}
        }
        counts[match list[0].could {
            Could::Yes => 0,
            Could::No => 1,
            Could::Unknown => 2,
        }] += 1;
    }
    // The bounds are met by few of them, several patterns for one text stand in few, and both answers are frequent.
    assert!(counts[0] > 100 && counts[1] > 100 && counts[2] <= 10, "{counts:?}");
}

#[test]
fn tools_that_look_alike_are_answered_as_each_alone() {
    let schema =
        json!({"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["n", "s"]});
    let tool = |at: usize| {
        let effect = [ToolEffect::Read, ToolEffect::Write][at % 2];
        (format!("t{at}"), Tool { effects: BTreeSet::from([effect]), input: schema.to_string(), ..Tool::default() })
    };
    let mut dice = Dice(0x616c_696b);
    for _ in 0..60 {
        let mut text = String::new();
        for _ in 0..(2 + dice.below(4)) {
            let effect = dice.of(&["permit", "permit", "forbid"]);
            let principal = dice.of(&["principal", "principal is Portcullis::User", "principal in Portcullis::Group::\"bots\""]);
            let (scope, condition) = match dice.below(4) {
                0 => ("action == s::Action::\"t1\", resource", "context.input.n < 3"),
                1 => ("action in Portcullis::Action::\"write\", resource", "context.flow.level < 1"),
                2 => (
                    "action in Portcullis::Action::\"callTool\", resource in Portcullis::ToolServer::\"s\"",
                    "resource.effects.contains(\"read\") || context.flow.tainted",
                ),
                _ => ("action, resource", "resource is Portcullis::Tool && resource == Portcullis::Tool::\"s/t2\""),
            };
            text.push_str(&format!("{effect} ({principal}, {scope}) when {{ {condition} }};\n"));
        }
        let with = |tools: &[usize]| {
            let mut bundle = with_tool(&text);
            // What no policy of a store names has to be declared all the same.
            let tools = (0..4).map(tool).map(|(id, one)| {
                let is_kept = tools.iter().any(|at| format!("t{at}") == id);
                (id, Tool { is_withdrawn: !is_kept, ..one })
            });
            bundle
                .registry
                .tool_servers
                .insert(name("s"), ToolServer { clearance: Level::Internal, tools: tools.collect(), ..ToolServer::default() });
            compiled(&bundle)
        };
        let of = lister(&["user:ada", "agent:bot"]);
        let together = with(&[0, 1, 2, 3]).list(&of, Listable::Tools);
        for (at, listed) in together.iter().enumerate() {
            let alone = with(&[at]).list(&of, Listable::Tools);
            assert_eq!(alone.as_ref(), std::slice::from_ref(listed), "{text}");
        }
    }
}
