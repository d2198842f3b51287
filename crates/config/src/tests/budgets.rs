//! Budgets and prices: what they mean, and what is wrong with them.

use budget::{Dimension, Measure, Period, Price};

use super::{lines, load, load_with};
use crate::Texts;

const BASE: &str = "\
upstreams:
  local: {kind: openai, base_url: http://127.0.0.1:8080}
models:
  small: {upstreams: [{name: local, model: smol}], groups: [everyday], max_output_tokens: 512}
  large: {upstreams: [{name: local, model: big}, {name: local, model: bigger}]}
model_groups: {everyday: {}}
groups: {staff: {}, research: {groups: [staff]}, guests: {}}
users: {ada: {groups: [research]}, ben: {groups: [staff]}, eve: {groups: [guests]}}
agents: {desk: {groups: [staff]}}
services: {billing: {}}
operators: {root: admin}
";

const PRICES: &str = "\
date: 2026-11-01
source: made up for a test
currency: XTS
models:
  small: {input: '2.50', output: '10', cached_input: '1.25'}
  big: {input: '1', output: '2'}
  bigger: {input: '0.5', output: '3.000001'}
";

fn with_prices(prices: &str, main: &str) -> Result<(crate::Config, Vec<String>), Vec<String>> {
    let texts = Texts::new().with("policies/a.cedar", "permit(principal, action, resource);").with("prices.yaml", prices);
    let loaded = load_with(texts, &format!("{BASE}{main}"));
    loaded
        .map(|(config, warnings)| (config, warnings.iter().map(ToString::to_string).collect()))
        .map_err(|problems| lines(&problems))
}

#[test]
fn a_budget_is_one_rule_per_amount_and_knows_its_members() {
    let main = "budgets:\n  b: {per: [user, model], every: day, requests: 5, tokens: 100, groups: [staff], services: [billing]}\n  \
                a: {per: [], concurrent: 2, model_groups: [everyday]}\n";
    let (config, warnings) = with_prices(PRICES, main).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let budgets = &config.settings.budgets;
    let rules: Vec<_> =
        budgets.rules.all().iter().map(|rule| (rule.name.as_str(), rule.measure, rule.most, rule.period)).collect();
    assert_eq!(
        rules,
        [
            ("a", Measure::Concurrent, 2, Period::Second),
            ("b", Measure::Requests, 5, Period::Day),
            ("b", Measure::Tokens, 100, Period::Day),
        ]
    );
    let [first, second, _] = budgets.rules.all() else { panic!("three rules") };
    assert_eq!((first.per.len(), &first.parties), (0, &None));
    assert_eq!(first.models, Some(["small".parse().unwrap()].into()));
    assert_eq!(second.per, [Dimension::User, Dimension::Model].into());
    let parties: Vec<String> = second.parties.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(parties, ["user:ada", "user:ben", "agent:desk", "service:billing"]);
    assert_eq!(budgets.caps, [("small".parse().unwrap(), 512)].into());
}

#[test]
fn prices_are_by_alias_else_the_highest_of_what_serves_it() {
    let (config, warnings) = with_prices(PRICES, "prices: {file: prices.yaml}\n").unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let budgets = &config.settings.budgets;
    let price = |name: &str| budgets.prices.models.get(&name.parse().unwrap()).copied();
    assert_eq!(price("small"), Some(Price { input: 2_500_000, cached: 1_250_000, cache_write: 2_500_000, output: 10_000_000 }));
    assert_eq!(price("large"), Some(Price { input: 1_000_000, cached: 1_000_000, cache_write: 1_000_000, output: 3_000_001 }));
    let priced = budgets.priced.as_ref().unwrap();
    assert_eq!((budgets.prices.currency.as_str(), priced.day, priced.stale_after_days), ("XTS", 20_758, 90));
    let less = PRICES.replace("  bigger: {input: '0.5', output: '3.000001'}\n", "");
    let (config, warnings) =
        with_prices(&less, "prices: {file: prices.yaml}\nbudgets: {m: {per: [], every: month, cost: '5'}}\n").unwrap();
    assert_eq!(config.settings.budgets.prices.models.len(), 1, "half a price is none");
    assert_eq!(warnings, ["portcullis.yaml:13:38: budgets.m.cost: no price is known of `large`: their calls are refused"]);
}

#[test]
fn what_is_wrong_with_budgets() {
    let facts = [
        (
            "{per: []}",
            "portcullis.yaml:12:11: budgets.b: allows no amount: expected one of `requests`, `input_tokens`, `output_tokens`, `tokens`, `concurrent`, `cost`, `counted`",
        ),
        (
            "{per: [], tokens: 1}",
            "portcullis.yaml:12:11: budgets.b: the key `every` is missing: `second`, `minute`, `hour`, `day` or `month`",
        ),
        ("{every: day, tokens: 1}", "portcullis.yaml:12:14: budgets.b: the key `per` is missing"),
        (
            "{per: [user, user], every: day, tokens: 1}",
            "portcullis.yaml:12:27: budgets.b.per[1]: `user` stands twice in this list",
        ),
        (
            "{per: [], every: day, tokens: 0}",
            "portcullis.yaml:12:44: budgets.b.tokens: expected a number from 1 to 1000000000000, found 0",
        ),
        ("{per: [], every: day, cost: '0'}", "portcullis.yaml:12:42: budgets.b.cost: expected more than nothing, found `0`"),
        (
            "{per: [], every: day, cost: '1e3'}",
            "portcullis.yaml:12:42: budgets.b.cost: expected an amount such as `2.50`: digits, with at most six behind the point, found `1e3`",
        ),
        (
            "{per: [], every: day, cost: '1'}",
            "portcullis.yaml:12:42: budgets.b.cost: a budget of money needs prices: name a price file under `prices`",
        ),
        (
            "{per: [], every: day, tokens: 1, users: [adda]}",
            "portcullis.yaml:12:55: budgets.b.users[0]: no user is named `adda`, did you mean `ada`?",
        ),
    ];
    for (budget, expected) in facts {
        let problems = lines(&load(&format!("{BASE}budgets: {{b: {budget}}}\n")).unwrap_err());
        assert_eq!(problems, [expected], "{budget}");
    }
}

#[test]
fn what_is_wrong_with_prices() {
    let facts = [
        (
            "date: 2026-11-01",
            "date: 2026-02-29",
            "prices.yaml:1:7: date: expected a day such as `2026-11-21`, found `2026-02-29`",
        ),
        ("XTS", "euro", "prices.yaml:3:11: currency: expected three capital letters such as `USD`, found `euro`"),
        (
            "'2.50'",
            "'-1'",
            "prices.yaml:5:18: models.small.input: expected an amount such as `2.50`: digits, with at most six behind the point, found `-1`",
        ),
        ("source: made up for a test\n", "", "prices.yaml:1:1: the key `source` is missing"),
    ];
    for (old, new, expected) in facts {
        let problems = with_prices(&PRICES.replace(old, new), "prices: {file: prices.yaml}\n").unwrap_err();
        assert_eq!(problems, [expected], "{new}");
    }
    for (file, expected) in [
        ("other.yaml", "portcullis.yaml:12:16: prices.file: `other.yaml` cannot be read: no such file"),
        (
            "../prices.yaml",
            "portcullis.yaml:12:16: prices.file: `../prices.yaml` is not a path below this file: expected such as `prices.yaml`",
        ),
    ] {
        assert_eq!(with_prices(PRICES, &format!("prices: {{file: {file}}}\n")).unwrap_err(), [expected]);
    }
}

const TOOLS: &str = "\
tool_servers:
  bank:
    definitions: tools/bank.json
    tools:
      pay: {effects: [write, egress], counts: {money: {sum: /amount}}}
      drop: {effects: [destructive], counts: {entries: {entries: /ids, absent: 1}}}
      read: {effects: [read], counts: {rows: {rows: /rows, absent: 100}}}
      idle: {effects: [read]}
";
const BANK: &str = r#"{"tools": [
  {"name": "pay", "inputSchema": {"type": "object", "properties": {"amount": {"type": "string"}, "to": {"type": "string"}}}},
  {"name": "drop", "inputSchema": {"type": "object", "properties": {"ids": {"type": "array"}}}},
  {"name": "read", "inputSchema": {"type": "object"}},
  {"name": "idle", "inputSchema": {"type": "object"}}
]}"#;

fn with_tools(main: &str) -> Result<crate::Config, Vec<String>> {
    let texts = Texts::new().with("policies/a.cedar", "permit(principal, action, resource);").with("tools/bank.json", BANK);
    load_with(texts, &format!("{BASE}{main}")).map(|(config, _)| config).map_err(|problems| lines(&problems))
}

#[test]
fn budgets_of_tools_know_which_tools_and_what_they_are_counted_in() {
    let budgets = "budgets:\n  a: {per: [agent, tool], every: hour, requests: 5, effects: [destructive], tools: [bank/idle]}\n  \
                   b: {per: [task], every: day, counted: {money: '500.50', rows: '1000'}}\n  c: {per: [], concurrent: 1, tool_servers: [bank]}\n";
    let config = with_tools(&format!("{TOOLS}{budgets}")).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let rules = config.settings.budgets.rules;
    let [a, money, rows, c] = rules.all() else { panic!("four rules: {rules:?}") };
    let tools = |rule: &budget::Rule| rule.tools.iter().flatten().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(tools(a), ["tool:bank/drop", "tool:bank/idle"]);
    assert_eq!(a.per, [Dimension::Agent, Dimension::Tool].into());
    assert_eq!(
        (money.measure, money.quantity.as_ref().map(ToString::to_string), money.most),
        (Measure::Counted, Some("money".into()), 500_500)
    );
    assert_eq!(
        (rows.quantity.as_ref().map(ToString::to_string), rows.most, &rows.tools),
        (Some("rows".into()), 1_000_000, &None)
    );
    assert_eq!(tools(c).len(), 4);
    let tools = &config.bundle.registry.tool_servers[&"bank".parse().unwrap()].tools;
    let told = serde_json::to_string(&tools["drop"].counts).unwrap();
    assert_eq!(told, r#"{"entries":{"of":{"entries":"/ids"},"absent":1000}}"#);
    assert!(!serde_json::to_string(&tools["idle"]).unwrap().contains("counts"), "a bundle of before keeps its digest");
}

#[test]
fn tools_with_long_names_are_told_apart() {
    let [one, other] = ["a", "b"].map(|end| format!("{}{end}", "t".repeat(127)));
    let tools = format!(
        "tool_servers:\n  bank:\n    definitions: tools/long.json\n    tools:\n      {one}: {{effects: [read]}}\n      {other}: {{effects: [write]}}\n"
    );
    let definitions = format!(
        r#"{{"tools": [{{"name": "{one}", "inputSchema": {{"type": "object"}}}}, {{"name": "{other}", "inputSchema": {{"type": "object"}}}}]}}"#
    );
    let budgets = "budgets:\n  a: {per: [], every: hour, requests: 5, effects: [read]}\n  b: {per: [], every: hour, requests: 5, effects: [write]}\n";
    let texts =
        Texts::new().with("policies/a.cedar", "permit(principal, action, resource);").with("tools/long.json", definitions);
    let loaded = load_with(texts, &format!("{BASE}{tools}{budgets}"));
    let (config, _) = loaded.unwrap_or_else(|problems| panic!("{:#?}", lines(&problems)));
    let rules = config.settings.budgets.rules;
    let [a, b] = rules.all() else { panic!("two rules: {rules:?}") };
    assert_eq!(a.tools, Some([budget::charged(&format!("bank/{one}")).unwrap()].into()));
    assert_eq!(b.tools, Some([budget::charged(&format!("bank/{other}")).unwrap()].into()));
    assert_ne!(a.tools, b.tools);
}

#[test]
fn what_is_wrong_with_budgets_of_tools() {
    let b = |what: &str| format!("{TOOLS}budgets: {{b: {{per: [], every: day, {what}}}}}\n");
    let pay = |counts: &str| TOOLS.replace("{money: {sum: /amount}}", counts);
    let facts = [
        (
            b("counted: {mony: '5'}"),
            "no tool is counted in `mony`, did you mean `money`?: `tool_servers.NAME.tools.TOOL.counts` says so",
        ),
        (b("counted: {money: '0'}"), "expected a number above 0 and below 17,000,000,000, found `0`"),
        (b("counted: {money: '-5'}"), "expected a number above 0 and below 17,000,000,000, found `-5`"),
        (b("counted: {money: 'all'}"), "expected a number above 0 and below 17,000,000,000, found `all`"),
        (
            b("requests: 1, tools: [bank/pai]"),
            "`tool_servers` has no tool `bank/pai`, did you mean `bank/pay`?: expected `SERVER/TOOL`",
        ),
        (b("requests: 1, tools: [bank/pay, bank/pay]"), "`bank/pay` stands twice in this list"),
        (b("requests: 1, tool_servers: [bnk]"), "bnk"),
        (
            b("tokens: 1, tools: [bank/pay]"),
            "calls of tools use no tokens and have no price: expected `requests`, `concurrent` or `counted`",
        ),
        (pay("{money: {sum: /amont}}"), "the tool has no argument `amont`, did you mean `amount`?"),
        (pay("{money: {sum: amount}}"), "`amount` is no place: expected a JSON Pointer such as `/amount`"),
        (pay("{money: {sum: /amount, entries: /to}}"), "expected exactly one of `sum`, `entries` and `rows`"),
        (pay("{money: {absent: 1}}"), "expected exactly one of `sum`, `entries` and `rows`"),
        (
            pay("{rows: {rows: /rows}}"),
            "the key `absent` is missing: how many rows a call needs room for before they are counted",
        ),
        (
            pay("{rows: {rows: /rows, absent: 0}}"),
            "a call that needs no room passes when there is none, and counts as nothing where its result shows no rows: expected 1 or more",
        ),
        (pay("{money: {sum: /amount/*/*/*}}"), "`/amount/*/*/*` is no place: `*` stands in it more than twice"),
        (pay("{money: {sum: /amount//x}}"), "`/amount//x` is no place: a step is empty"),
        (pay("{'the money': {sum: /amount}}"), "the money"),
    ];
    for (main, expected) in facts {
        let problems = with_tools(&main).map(drop).unwrap_err();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:#?}");
    }
}
