//! Budgets of calls of tools.

use std::collections::{BTreeMap, BTreeSet};

use budget::{Amounts, Caller, Counters, Dimension as D, Exceeded, Measure as M, Past, Period as P, Rule, Rules};
use model::{Chain, Name, ReasonCode, Usage};

use crate::common::{NOON, after, chain, name, rule};

fn of_tools(rule: Rule, tools: &[&str]) -> Rule {
    Rule { tools: Some(tools.iter().map(|tool| name(tool)).collect::<BTreeSet<_>>()), ..rule }
}

fn counted(quantity: &str, most: u64, per: &[D]) -> Rule {
    Rule { quantity: Some(name(quantity)), ..rule("sums", M::Counted, most, P::Day, per) }
}

fn amounts(counted: &[(&str, Option<u64>)]) -> Amounts {
    let counted = counted.iter().map(|(quantity, amount)| (name(quantity), *amount)).collect();
    Amounts { requests: 1, cost: Some(0), counted, ..Amounts::default() }
}

struct Call {
    chain: Chain,
    task: Name,
    tool: Name,
}

fn call(links: &str, tool: &str) -> Call {
    Call { chain: chain(links), task: name("task"), tool: name(tool) }
}

impl Call {
    fn caller(&self) -> Caller<'_> {
        Caller { chain: &self.chain, task: &self.task, model: None, tool: Some(&self.tool) }
    }

    fn ask(&self, counters: &Counters, rules: &Rules, wanted: &Amounts) -> Result<budget::Reservation, Box<Exceeded>> {
        counters.reserve(rules, self.caller(), wanted, NOON)
    }
}

#[test]
fn a_budget_is_for_the_tools_that_it_names_and_for_no_model_then() {
    let rules = Rules::new(vec![of_tools(rule("pay", M::Requests, 1, P::Hour, &[]), &["tool:bank/pay", "tool:bank/drop"])]);
    let counters = Counters::default();
    let ask = |tool| call("user:a agent:x", tool).ask(&counters, &rules, &amounts(&[])).is_ok();
    let told: Vec<bool> = ["tool:bank/read", "tool:bank/pay", "tool:bank/drop", "tool:bank/read"].into_iter().map(ask).collect();
    assert_eq!(told, [true, true, false, true]);
    let model = name("bank/pay");
    let who = call("user:a", "tool:bank/pay");
    let of_model = Caller { model: Some(&model), tool: None, ..who.caller() };
    assert!(counters.reserve(&rules, of_model, &amounts(&[]), NOON).unwrap().is_empty());
}

#[test]
fn a_budget_of_models_and_tools_is_for_both_and_one_of_models_for_no_tool() {
    let model = name("small");
    let both =
        of_tools(Rule { models: Some([model.clone()].into()), ..rule("both", M::Requests, 1, P::Hour, &[]) }, &["tool:b/p"]);
    let only = Rule { models: Some([model.clone()].into()), ..rule("only", M::Requests, 1, P::Hour, &[]) };
    let per_model = rule("each", M::Requests, 1, P::Hour, &[D::Model]);
    let who = call("user:a", "tool:b/p");
    let of_model = Caller { model: Some(&model), tool: None, ..who.caller() };
    for (rule, shares) in [(both, true), (only, false), (per_model, false)] {
        let (rules, counters) = (Rules::new(vec![rule]), Counters::default());
        counters.reserve(&rules, of_model, &amounts(&[]), NOON).unwrap().settle(&amounts(&[]));
        assert_eq!(who.ask(&counters, &rules, &amounts(&[])).is_err(), shares, "{:?}", rules.all());
    }
}

#[test]
fn each_tool_has_a_part_where_a_budget_says_so() {
    let rules = Rules::new(vec![rule("calls", M::Requests, 1, P::Hour, &[D::Agent, D::Tool])]);
    let counters = Counters::default();
    let told: Vec<bool> = [
        ("user:a agent:x", "tool:b/p"),
        ("user:a agent:x", "tool:b/p"),
        ("user:a agent:x", "tool:b/q"),
        ("user:a agent:y", "tool:b/p"),
        ("user:b agent:y", "tool:b/p"),
    ]
    .into_iter()
    .map(|(links, tool)| call(links, tool).ask(&counters, &rules, &amounts(&[])).is_ok())
    .collect();
    assert_eq!(told, [true, false, true, true, false]);
    assert_eq!(
        counters.lines(&rules, NOON).iter().map(|line| line.whose.as_str()).collect::<Vec<_>>(),
        ["agent:x, tool:b/p", "agent:x, tool:b/q", "agent:y, tool:b/p",]
    );
}

#[test]
fn what_tools_are_counted_in_is_reserved_and_settled_each_for_itself() {
    let rules = Rules::new(vec![counted("money", 500_000, &[D::Agent]), counted("rows", 10_000, &[D::Agent])]);
    let counters = Counters::default();
    let who = call("user:a agent:x", "tool:bank/pay");
    let first = who.ask(&counters, &rules, &amounts(&[("money", Some(480_000)), ("rows", Some(10_000))])).unwrap();
    let full = who.ask(&counters, &rules, &amounts(&[("money", Some(20_001))])).unwrap_err();
    assert_eq!((full.reason(), full.quantity.clone(), full.used), (ReasonCode::AmountLimit, Some(name("money")), 480_000));
    assert!(full.allowance.retry_after.is_some(), "there is room tomorrow");
    who.ask(&counters, &rules, &amounts(&[("money", Some(20_000))])).unwrap().release();
    assert!(who.ask(&counters, &rules, &amounts(&[("rows", Some(1))])).is_err());
    // Fewer rows came than there was room for.
    first.settle(&amounts(&[("money", Some(480_000)), ("rows", Some(4_000))]));
    who.ask(&counters, &rules, &amounts(&[("rows", Some(6_000))])).unwrap().release();
    // A tool that is not counted in either of them needs no room; one of which it is not known how much gets none.
    who.ask(&counters, &rules, &amounts(&[])).unwrap().release();
    let unknown = who.ask(&counters, &rules, &amounts(&[("money", None)])).unwrap_err();
    assert_eq!(unknown.reason(), ReasonCode::AmountUnknown);
    assert_eq!(unknown.allowance.retry_after, None);
    let never = who.ask(&counters, &rules, &amounts(&[("money", Some(u64::MAX))])).unwrap_err();
    assert_eq!((never.reason(), never.allowance.retry_after), (ReasonCode::AmountLimit, None));
    // What nobody counts may be unknown.
    who.ask(&counters, &rules, &amounts(&[("letters", None)])).unwrap().release();
}

#[test]
fn a_start_counts_what_tools_have_used() {
    let rules = Rules::new(vec![
        counted("money", 500_000, &[D::Tool]),
        of_tools(rule("pay", M::Requests, 3, P::Day, &[D::Tool]), &["tool:bank/pay"]),
        rule("models", M::Requests, 3, P::Day, &[D::Model]),
    ]);
    let counters = Counters::default();
    let past = |model: &str, requests, money| Past {
        chain: chain("user:a agent:x"),
        task: name("task"),
        model: name(model),
        at: NOON,
        requests,
        usage: Usage::default(),
        cost: 0,
        counted: BTreeMap::from([(name("money"), money)]),
    };
    // The projection tells calls and what they add up to in rows of their own.
    for past in [past("tool:bank/pay", 2, 0), past("tool:bank/pay", 0, 480_000), past("server:bank", 5, 0), past("small", 1, 0)] {
        counters.restore(&rules, &past, NOON, |_| true);
    }
    let used: Vec<(String, String, u64)> = counters
        .lines(&rules, after(NOON, 1))
        .into_iter()
        .map(|line| (line.rule.name.to_string(), line.whose, line.used))
        .collect();
    let row = |rule: &str, whose: &str, used| (rule.to_owned(), whose.to_owned(), used);
    assert_eq!(used, [row("sums", "tool:bank/pay", 480_000), row("pay", "tool:bank/pay", 2), row("models", "model small", 1)]);
}
