//! How much: what a call reserves, what it settles on however it ends, and what is recorded.

use std::sync::Arc;

use budget::{Dimension, Measure, Period, Price, Prices, Rule, Rules};
use engine::{Budgets, Snapshot};
use evidence::EntryKind;
use model::{Charge, ReasonCode, Usage};

use crate::world::{Happened, NOW, Scripted, Step};
use crate::{PERMIT, answering, ask, was_sent, written};

/// A world in which a day has so many tokens, and tokens a price.
fn world(most: u64, steps: &[Step]) -> Scripted {
    world_of(PERMIT, most, steps)
}

fn rule(name: &str, measure: Measure, most: u64) -> Rule {
    let name = name.parse().unwrap();
    Rule {
        name,
        measure,
        quantity: None,
        most,
        period: Period::Day,
        per: [Dimension::User].into(),
        parties: None,
        models: None,
        tools: None,
    }
}

fn world_of(policies: &str, most: u64, steps: &[Step]) -> Scripted {
    let mut world = answering(policies, steps);
    let rules = Rules::new(vec![rule("tokens", Measure::Tokens, most), rule("running", Measure::Concurrent, 1)]);
    let price = Price { input: 1_000_000, cached: 500_000, cache_write: 1_000_000, output: 2_000_000 };
    let models = [("small".parse().unwrap(), price)].into();
    let snapshot = Arc::get_mut(&mut world.snapshot).unwrap();
    snapshot.budgets = Budgets { rules, prices: Prices { currency: "XTS".to_owned(), models }, ..Budgets::default() };
    world
}

fn charges(world: &Scripted, kind: EntryKind) -> Vec<Option<Charge>> {
    let script = world.script.lock().unwrap();
    script.headers.iter().filter(|header| header.kind == kind).map(|header| header.charge.clone()).collect()
}

fn left(world: &Scripted) -> u64 {
    let snapshot: &Snapshot = &world.snapshot;
    let lines = world.counters.lines(&snapshot.budgets.rules, NOW);
    assert!(lines.iter().all(|line| line.rule.measure != Measure::Concurrent), "nothing runs any more");
    lines.first().map_or(1000, |line| line.left)
}

const STREAM: &str = "{\"model\":\"small\",\"stream\":true,\"input\":100,\"cap\":50}";
const WHOLE: &str = "{\"model\":\"small\",\"input\":100,\"cap\":50}";

/// How a call ended: content type, status, request, steps; and what it used: input, output, whether that is estimated.
type Ended = (&'static str, u16, &'static str, Vec<Step>, Option<(u64, u64, bool)>);
/// What stops a call before it leaves.
type Stopped = (&'static str, fn(&Scripted), &'static str);

#[test]
fn a_call_settles_on_what_it_used() {
    let lost = |text: &'static str| vec![Step::Piece(text), Step::Break];
    let facts: Vec<Ended> = vec![
        ("application/json", 200, WHOLE, vec![Step::Piece("{\"read\":90,\"wrote\":20}")], Some((90, 20, false))),
        // Usage above the reservation counts.
        ("application/json", 200, WHOLE, vec![Step::Piece("{\"read\":400,\"wrote\":300}")], Some((400, 300, false))),
        // Nothing is said: what was sent by the estimate, what came by another.
        ("application/json", 200, WHOLE, vec![Step::Piece("{\"text\":\"abc\"}")], Some((100, 10, true))),
        // A document that never came whole: all that was reserved.
        ("application/json", 200, WHOLE, lost("{\"te"), Some((100, 50, true))),
        ("application/json", 200, WHOLE, vec![Step::Lock("agent:bot")], Some((100, 50, true))),
        // What fails at the upstream costs nothing there.
        ("application/json", 429, WHOLE, vec![Step::Piece("{}")], Some((0, 0, false))),
        (
            "text/event-stream",
            200,
            STREAM,
            vec![Step::Piece("{\"text\":\"abcdef\"}\n{\"read\":9,\"wrote\":7}\nEND\n")],
            Some((9, 7, false)),
        ),
        // A stream that breaks off, is cut, or says nothing: what arrived.
        ("text/event-stream", 200, STREAM, lost("{\"text\":\"abcdef\"}\n{\"text\":\"abc\"}\n"), Some((100, 3, true))),
        (
            "text/event-stream",
            200,
            STREAM,
            vec![Step::Piece("{\"text\":\"abcdef\"}\n"), Step::Lock("agent:bot")],
            Some((100, 2, true)),
        ),
        ("text/event-stream", 200, STREAM, vec![Step::Piece("{\"text\":\"abcdef\"}\nEND\n")], Some((100, 2, true))),
        // Never above the reservation, unless the upstream says so.
        (
            "text/event-stream",
            200,
            STREAM,
            lost(concat!("{\"text\":\"1234567890123456789012345678901234567890123456789012345678901234\"}", "\n")),
            Some((100, 50, true)),
        ),
    ];
    for (content_type, status, request, steps, used) in facts {
        let world = world(1000, &steps);
        {
            let mut script = world.script.lock().unwrap();
            (script.content_type, script.status) = (content_type, status);
        }
        ask(&world, request);
        let reserved = charges(&world, EntryKind::Intent);
        let usage = Usage { input: 100, output: 50, ..Usage::default() };
        let charge = Charge {
            at: NOW,
            model: "small".parse().unwrap(),
            task: world.credential.ledger.clone(),
            usage,
            cost: Some(200),
            counted: std::collections::BTreeMap::new(),
            is_estimate: true,
        };
        assert_eq!(reserved, [Some(charge)], "{steps:?}");
        let settled = charges(&world, EntryKind::Outcome);
        let [settled] = settled.as_slice() else { panic!("one outcome: {settled:?}") };
        let found = settled.as_ref().map(|charge| (charge.usage.input, charge.usage.output, charge.is_estimate));
        assert_eq!(found, used, "{steps:?}");
        let (input, output, _) = used.unwrap_or_default();
        assert_eq!(settled.as_ref().and_then(|charge| charge.cost), Some(input + 2 * output), "{steps:?}");
        assert_eq!(left(&world), 1000 - input - output, "{steps:?}");
    }
}

#[test]
fn what_never_left_costs_nothing() {
    // The record fails, a lock is set while it is written, a policy says no, nobody can be reached.
    let scripts: [Stopped; 4] = [
        ("no record", |world| world.script.lock().unwrap().fail_records = true, WHOLE),
        ("locked", |world| world.script.lock().unwrap().lock_after_record = Some("user:ada"), WHOLE),
        ("policy", |_| {}, "{\"model\":\"large\",\"input\":100,\"cap\":50}"),
        ("unreachable", |world| world.script.lock().unwrap().unreachable = ["first", "second"].into(), WHOLE),
    ];
    for (title, prepare, request) in scripts {
        let world = world(1000, &[]);
        prepare(&world);
        ask(&world, request);
        assert_eq!(left(&world), 1000, "{title}");
    }
}

#[test]
fn without_room_nothing_is_sent_and_the_refusal_is_recorded() {
    let world = world(149, &[Step::Piece("{}")]);
    let happened = ask(&world, WHOLE);
    assert!(!was_sent(&happened));
    assert_eq!(written(&happened), "budget-spent");
    let recorded = happened.contains(&Happened::Recorded(EntryKind::Intent, Some(ReasonCode::BudgetSpent)));
    assert!(recorded, "{happened:#?}");
    let script = world.script.lock().unwrap();
    let note = script.headers[0].notes.join(" ");
    assert!(note.contains("budget `tokens` allows 149 tokens per day, 149 left, this request may use 150"), "{note}");
    assert_eq!(script.headers[0].charge, None);
}

#[test]
fn a_call_that_is_judged_again_is_charged_once() {
    let world = world(1000, &[Step::Piece("{\"read\":90,\"wrote\":20}")]);
    let budgets = world.snapshot.budgets.clone();
    let mut other = crate::world::scripted(PERMIT, engine::Off::default());
    Arc::get_mut(&mut other.snapshot).unwrap().budgets = budgets;
    world.script.lock().unwrap().apply_after_record = Some(Arc::clone(&other.snapshot));
    ask(&world, WHOLE);
    assert_eq!(charges(&world, EntryKind::Intent).len(), 2);
    assert_eq!(left(&world), 890);
}

/// Most and left of tokens, by recorded decision.
fn recorded_budget(world: &Scripted) -> Vec<(u64, u64)> {
    let script = world.script.lock().unwrap();
    let tokens = script.inputs.iter().filter_map(|input| input.facts.around.budget?.tokens);
    tokens.map(|tokens| (tokens.most, tokens.left)).collect()
}

/// A policy reads what is left: nothing is taken by reading, and where no budget applies the fact is absent.
#[test]
fn policies_see_what_is_left() {
    let policy =
        "permit (principal, action, resource) when { context.task has budget.tokens && context.task.budget.tokens.left > 500
        && context.task.budget.tokens.most == 1000 && context.task.budget has micros && !(context.task.budget has requests) };";
    // What was written to clients before stands in front.
    let answered = |world: &Scripted| !written(&ask(world, WHOLE)).ends_with("model-not-found");
    let steps = || [Step::Piece("{\"read\":300,\"wrote\":200}")];
    let mut world = world_of(policy, 1000, &steps());
    let cost = Rule { name: "money".parse().unwrap(), measure: Measure::Cost, ..rule("tokens", Measure::Tokens, 5_000) };
    let snapshot = Arc::get_mut(&mut world.snapshot).unwrap();
    let rules = snapshot.budgets.rules.all().iter().cloned().chain([cost]).collect();
    snapshot.budgets.rules = Rules::new(rules);
    assert!(answered(&world), "1000 are left");
    assert_eq!(left(&world), 500);
    world.script.lock().unwrap().steps = steps().into();
    assert!(!answered(&world), "500 are left");
    assert_eq!(left(&world), 500, "a refusal costs nothing");
    let input = recorded_budget(&world);
    assert_eq!(input, [(1000, 1000), (1000, 500)]);
    let without = answering(policy, &steps());
    assert!(!answered(&without), "no budget applies");
    // Where no policy names a budget, nobody looks.
    let silent = world_of(PERMIT, 1000, &steps());
    assert!(answered(&silent) && recorded_budget(&silent).is_empty());
}
