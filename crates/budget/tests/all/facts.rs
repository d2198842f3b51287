//! Facts about single budgets.

use std::collections::BTreeMap;

use budget::{Amounts, Caller, Counters, Dimension as D, Exceeded, Measure as M, Past, Period as P, Rule, Rules};
use model::{ReasonCode, Usage};

use crate::common::{NOON, Someone, after, name, only, rule, tokens};

fn refused(counters: &Counters, rules: &Rules, who: &Someone, wanted: &Amounts, millis: u64) -> Option<Box<Exceeded>> {
    counters.reserve(rules, who.caller(), wanted, after(NOON, millis)).err()
}

#[test]
fn each_party_has_its_own_part() {
    // (per, calls in order with whether there is room); one request per hour each.
    type Fact = (&'static [D], &'static [(&'static str, bool)]);
    let facts: [Fact; 6] = [
        (&[], &[("user:a", true), ("user:b", false)]),
        (&[D::Principal], &[("user:a", true), ("service:a", true), ("user:a", false), ("user:a agent:x", false)]),
        (&[D::User], &[("user:a", true), ("user:a", false), ("service:s", true), ("service:s", true)]),
        (&[D::Agent], &[("user:a agent:x", true), ("user:b agent:x", false), ("user:a", true), ("user:a", true)]),
        // A sub-agent is no way round its parent's budget, nor round its own.
        (&[D::Agent], &[("user:a agent:x agent:y", true), ("user:b agent:x", false), ("user:b agent:y", false)]),
        (&[D::Model, D::Task], &[("user:a", true), ("user:b", false)]),
    ];
    for (per, calls) in facts {
        let counters = Counters::default();
        let rules = Rules::new(vec![rule("r", M::Requests, 1, P::Hour, per)]);
        for (links, has_room) in calls {
            let refused = refused(&counters, &rules, &Someone::new(links), &tokens(1, 1), 0);
            assert_eq!(refused.is_none(), *has_room, "{per:?} {links}");
        }
    }
}

#[test]
fn each_value_of_a_dimension_has_a_part_of_its_own() {
    let someone = |links, task, model| Someone { task: name(task), model: name(model), ..Someone::new(links) };
    let first = || someone("user:a agent:x", "one", "small");
    // Somebody who is other in one dimension alone. A principal at the head of a chain with a user is that user.
    let facts: [(&[D], Someone); 4] = [
        (&[D::Principal, D::User], someone("user:b agent:x", "one", "small")),
        (&[D::Agent], someone("user:a agent:y", "one", "small")),
        (&[D::Task], someone("user:a agent:x", "two", "small")),
        (&[D::Model], someone("user:a agent:x", "one", "large")),
    ];
    for per in [D::Principal, D::User, D::Agent, D::Task, D::Model] {
        let rules = Rules::new(vec![rule("r", M::Requests, 1, P::Hour, &[per])]);
        for (differs_in, second) in &facts {
            let counters = Counters::default();
            let calls = [(&first(), true), (&first(), false), (second, differs_in.contains(&per)), (second, false)];
            for (who, has_room) in calls {
                let refused = refused(&counters, &rules, who, &tokens(1, 1), 0);
                assert_eq!(refused.is_none(), has_room, "per {per:?}, other in {differs_in:?}: {} {}", who.task, who.model);
            }
            // A start counts what stands in the log for the same part.
            let counters = Counters::default();
            let Someone { chain, task, model } = first();
            let past =
                Past { chain, task, model, at: NOON, requests: 1, usage: Usage::default(), cost: 0, counted: BTreeMap::new() };
            counters.restore(&rules, &past, NOON, |_| true);
            let has_room = refused(&counters, &rules, second, &tokens(1, 1), 0).is_none();
            assert_eq!(has_room, differs_in.contains(&per), "after a start, per {per:?}, other in {differs_in:?}");
            assert!(refused(&counters, &rules, &first(), &tokens(1, 1), 0).is_some(), "after a start, per {per:?}");
        }
    }
}

#[test]
fn combined_dimensions_have_a_part_for_every_pair() {
    let rules = Rules::new(vec![rule("r", M::Requests, 1, P::Hour, &[D::Model, D::Task])]);
    let counters = Counters::default();
    for (task, model) in [("one", "small"), ("one", "large"), ("two", "small"), ("two", "large")] {
        let who = Someone { task: name(task), model: name(model), ..Someone::new("user:a") };
        for has_room in [true, false] {
            assert_eq!(refused(&counters, &rules, &who, &tokens(1, 1), 0).is_none(), has_room, "{task} {model}");
        }
    }
}

#[test]
fn a_budget_is_only_for_whom_it_names() {
    let counters = Counters::default();
    let rules = only(rule("r", M::Requests, 1, P::Day, &[]), &["user:a", "agent:x"]);
    for (links, has_room) in [("user:b", true), ("user:a", true), ("user:b", true), ("user:b agent:x", false), ("user:a", false)]
    {
        assert_eq!(refused(&counters, &rules, &Someone::new(links), &tokens(1, 1), 0).is_none(), has_room, "{links}");
    }
}

#[test]
fn what_is_asked_of_the_gate_itself_counts_as_a_call_alone() {
    let rules = Rules::new(vec![
        rule("calls", M::Requests, 2, P::Hour, &[D::Agent]),
        rule("words", M::Tokens, 1, P::Hour, &[D::Agent]),
        rule("models", M::Requests, 1, P::Hour, &[D::Model]),
        Rule { models: Some([name("small")].into()), ..rule("small", M::Requests, 1, P::Hour, &[]) },
    ]);
    let counters = Counters::default();
    let agent = Someone::new("agent:x");
    let ask = |caller| counters.reserve(&rules, caller, &Amounts { requests: 1, ..Amounts::default() }, NOON);
    for has_room in [true, true, false] {
        let refused = ask(Caller { model: None, ..agent.caller() }).err().map(|exceeded| exceeded.rule);
        assert_eq!(refused, (!has_room).then(|| name("calls")));
    }
    // The same budget as that of its calls of models.
    assert_eq!(ask(agent.caller()).err().map(|exceeded| exceeded.rule), Some(name("calls")));
}

#[test]
fn reasons_and_waits() {
    let minute = 60_000;
    // (measure, most, period, used at noon, wanted then, at, reason, wait).
    let facts = [
        (M::Requests, 1, P::Minute, tokens(0, 0), tokens(0, 0), 0, ReasonCode::RequestLimit, Some(2 * minute)),
        (M::Requests, 1, P::Second, tokens(0, 0), tokens(0, 0), 500, ReasonCode::RequestLimit, Some(1500)),
        (M::Tokens, 100, P::Minute, tokens(40, 60), tokens(10, 40), 30_000, ReasonCode::TokenLimit, Some(minute)),
        (M::Tokens, 100, P::Minute, tokens(40, 60), tokens(10, 0), 30_000, ReasonCode::TokenLimit, Some(36_000)),
        (M::Tokens, 100, P::Minute, tokens(0, 0), tokens(101, 0), 0, ReasonCode::TokenLimit, None),
        (M::InputTokens, 100, P::Hour, tokens(100, 0), tokens(50, 0), 0, ReasonCode::TokenLimit, Some(90 * minute)),
        (M::OutputTokens, 100, P::Day, tokens(9, 100), tokens(9, 1), minute, ReasonCode::BudgetSpent, Some(719 * minute)),
        (M::Requests, 1, P::Month, tokens(0, 0), tokens(0, 0), 0, ReasonCode::BudgetSpent, Some((9 * 24 + 12) * 60 * minute)),
    ];
    for (measure, most, period, used, wanted, at, reason, wait) in facts {
        let counters = Counters::default();
        let rules = Rules::new(vec![rule("r", measure, most, period, &[D::Principal])]);
        let who = Someone::new("user:a");
        if used.get(measure, None) > Some(0) {
            counters.reserve(&rules, who.caller(), &used, NOON).unwrap().settle(&used);
        }
        let exceeded = refused(&counters, &rules, &who, &wanted, at).unwrap();
        assert_eq!((exceeded.reason(), exceeded.allowance.retry_after), (reason, wait), "{measure:?} {period:?} {wanted:?}");
        // There is room then, and not a moment before.
        if let Some(wait) = wait {
            let early = Counters::default();
            early.reserve(&rules, who.caller(), &used, NOON).unwrap().settle(&used);
            assert!(refused(&early, &rules, &who, &wanted, at + wait - 2).is_some(), "{measure:?} {period:?}");
            assert!(refused(&early, &rules, &who, &wanted, at + wait).is_none(), "{measure:?} {period:?} {wanted:?}");
        }
    }
}

#[test]
fn other_budgets_begin_with_what_was_used_and_count_nothing_twice() {
    let who = Someone::new("user:a");
    let calls = |text: &str, most: u64, per: &[D]| rule(text, M::Requests, most, P::Day, per);
    let running = || rule("run", M::Concurrent, 1, P::Day, &[D::User]);
    let used = |counters: &Counters, rules: &Rules| counters.lines(rules, NOON).iter().map(|line| line.used).collect::<Vec<_>>();
    let first = Rules::new(vec![calls("calls", 9, &[D::User]), running()]);
    let counters = Counters::default();
    for _ in 0..3 {
        counters.reserve(&first, who.caller(), &tokens(1, 1), NOON).unwrap().settle(&tokens(1, 1));
    }
    let past = [Past {
        chain: who.chain.clone(),
        task: who.task.clone(),
        model: who.model.clone(),
        at: NOON,
        requests: 3,
        usage: Usage { input: 3, output: 3, ..Usage::default() },
        cost: 0,
        counted: BTreeMap::new(),
    }];
    // A call that runs through all of it.
    let held = counters.reserve(&first, who.caller(), &tokens(1, 1), NOON).unwrap();
    let steps = [
        (Rules::new(vec![calls("calls", 5, &[D::User]), running()]), vec![4, 1], "another most"),
        (Rules::new(vec![calls("other", 9, &[D::User]), running()]), vec![3, 1], "another name"),
        (first.clone(), vec![3, 1], "the old one again"),
        (Rules::new(vec![calls("calls", 9, &[D::Principal]), running()]), vec![3, 1], "another part, with the same key"),
        (Rules::default(), vec![], "none"),
        (first.clone(), vec![3, 1], "all again"),
        (only(calls("calls", 9, &[D::User]), &["user:b"]), vec![], "of somebody else"),
        (first.clone(), vec![3, 1], "of everybody"),
    ];
    let mut before = first;
    for (after, expected, what) in steps {
        counters.change(&before, &after, &past, NOON);
        assert_eq!(used(&counters, &after), expected, "{what}");
        before = after;
    }
    held.settle(&tokens(1, 1));
    assert_eq!(used(&counters, &before), [3], "what runs has left its place");
}

#[test]
fn money_needs_a_price() {
    let counters = Counters::default();
    let rules = Rules::new(vec![rule("r", M::Cost, 1000, P::Month, &[])]);
    let who = Someone::new("user:a");
    assert_eq!(refused(&counters, &rules, &who, &tokens(1, 1), 0).unwrap().reason(), ReasonCode::PriceUnknown);
    let wanted = Amounts { cost: Some(600), ..tokens(1, 1) };
    assert!(refused(&counters, &rules, &who, &wanted, 0).is_none());
    assert_eq!(refused(&counters, &rules, &who, &wanted, 0).unwrap().reason(), ReasonCode::BudgetSpent);
}

#[test]
fn the_strictest_wins_and_what_one_refuses_no_other_keeps() {
    let counters = Counters::default();
    let wide = rule("wide", M::Requests, 10, P::Minute, &[]);
    let narrow = rule("narrow", M::Requests, 2, P::Hour, &[D::Principal]);
    let rules = Rules::new(vec![wide, narrow]);
    let (first, second) = (Someone::new("user:a"), Someone::new("user:b"));
    for _ in 0..2 {
        assert!(refused(&counters, &rules, &first, &tokens(0, 0), 0).is_none());
    }
    let exceeded = refused(&counters, &rules, &first, &tokens(0, 0), 0).unwrap();
    assert_eq!((exceeded.rule.as_str(), exceeded.used, exceeded.most), ("narrow", 2, 2));
    for _ in 0..100 {
        assert!(refused(&counters, &rules, &first, &tokens(0, 0), 0).is_some());
    }
    let reserved = counters.reserve(&rules, second.caller(), &tokens(0, 0), NOON).unwrap();
    let level = reserved.allowance().requests.unwrap();
    assert_eq!((level.most, level.left), (2, 1), "the one with less left is told");
    assert_eq!(counters.lines(&rules, NOON)[0].used, 3, "a hundred refusals cost nothing");
}

#[test]
fn what_runs_gives_its_place_back_however_it_ends() {
    let counters = Counters::default();
    let rules = Rules::new(vec![rule("r", M::Concurrent, 2, P::Second, &[D::Principal])]);
    let who = Someone::new("user:a");
    let reserve = || counters.reserve(&rules, who.caller(), &tokens(1, 1), NOON);
    let (first, second) = (reserve().unwrap(), reserve().unwrap());
    assert_eq!(reserve().unwrap_err().reason(), ReasonCode::ConcurrencyLimit);
    drop(first);
    let third = reserve().unwrap();
    second.settle(&tokens(1, 1));
    third.release();
    let both = (reserve().unwrap(), reserve().unwrap());
    assert!(reserve().is_err());
    drop(both);
    assert!(counters.lines(&rules, NOON).is_empty());
}

#[test]
fn a_dropped_reservation_stays_charged() {
    let counters = Counters::default();
    let rules = Rules::new(vec![rule("r", M::Tokens, 100, P::Day, &[])]);
    let who = Someone::new("user:a");
    drop(counters.reserve(&rules, who.caller(), &tokens(40, 50), NOON).unwrap());
    assert!(refused(&counters, &rules, &who, &tokens(11, 0), 0).is_some());
    assert!(refused(&counters, &rules, &who, &tokens(10, 0), 0).is_none());
}

#[test]
fn a_restart_refills_nothing() {
    let rules = || {
        Rules::new(vec![
            rule("minute", M::Requests, 10, P::Minute, &[D::Principal]),
            rule("day", M::Tokens, 1000, P::Day, &[D::User]),
            rule("month", M::Cost, 1000, P::Month, &[]),
        ])
    };
    let who = Someone::new("user:a");
    let past = |before: u64, requests, input| Past {
        chain: who.chain.clone(),
        task: name("task"),
        model: name("small"),
        at: model::UnixMillis(NOON.0 - before),
        requests,
        usage: Usage { input, output: 10, ..Usage::default() },
        cost: 100,
        counted: BTreeMap::new(),
    };
    let day = 86_400_000;
    // The minute before counts still, at its beginning as a whole; yesterday for the month only; last month for nothing.
    let all = [past(1, 3, 90), past(day, 5, 500), past(30 * day, 7, 800), past(3_600_000, 2, 0)];
    let mut orders = vec![all.to_vec(), all.to_vec(), all.to_vec()];
    orders[1].reverse();
    orders[2].swap(0, 2);
    for past in orders {
        let counters = Counters::default();
        past.iter().for_each(|past| counters.restore(&rules(), past, NOON, |_| true));
        let lines = counters.lines(&rules(), NOON);
        let used: Vec<(&str, u64)> = lines.iter().map(|line| (line.rule.name.as_str(), line.used)).collect();
        assert_eq!(used, [("minute", 3), ("day", 110), ("month", 300)]);
    }
}

#[test]
fn beyond_the_bound_all_share_one_part() {
    let counters = Counters::new(1);
    let rules = Rules::new(vec![rule("r", M::Requests, 3, P::Day, &[D::Principal])]);
    let n_allowed = (0..10_000)
        .filter(|number| refused(&counters, &rules, &Someone::new(&format!("user:u{number}")), &tokens(0, 0), 0).is_none())
        .count();
    // 256 shards with one place each; everybody else shares three requests.
    assert_eq!((counters.n_keys(), n_allowed), (256, 259));
    // The next day nothing of today counts, and the places are free for others.
    let tomorrow = 86_400_000;
    let who = Someone::new("user:somebody-new");
    for has_room in [true, true, true, false] {
        assert_eq!(refused(&counters, &rules, &who, &tokens(0, 0), tomorrow).is_none(), has_room);
    }
    assert_eq!(counters.n_keys(), 256);
}

#[test]
fn a_clock_that_goes_back_opens_nothing() {
    let counters = Counters::default();
    let rules = Rules::new(vec![rule("r", M::Requests, 2, P::Second, &[])]);
    let who = Someone::new("user:a");
    assert!(refused(&counters, &rules, &who, &tokens(0, 0), 10_000).is_none());
    assert!(refused(&counters, &rules, &who, &tokens(0, 0), 8000).is_none());
    for at in [8000, 10_000, 6000] {
        assert!(refused(&counters, &rules, &who, &tokens(0, 0), at).is_some(), "{at}");
    }
}
