//! What holds for every sequence of calls, and for calls at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;

use budget::{Amounts, Counters, Dimension, Measure, Past, Period, Reservation, Rules};
use model::{UnixMillis, Usage};
use proptest::prelude::*;

use crate::common::{NOON, Someone, after, name, rule, tokens};

fn rules(most: u64) -> Rules {
    Rules::new(vec![
        rule("a", Measure::Tokens, most, Period::Day, &[Dimension::Principal]),
        rule("b", Measure::OutputTokens, most / 2, Period::Month, &[]),
        rule("c", Measure::Requests, 20, Period::Day, &[Dimension::Task]),
        rule("d", Measure::Concurrent, 3, Period::Second, &[]),
    ])
}

fn used(counters: &Counters, rules: &Rules, now: UnixMillis) -> Vec<(String, u64)> {
    counters.lines(rules, now).iter().map(|line| (line.rule.name.to_string(), line.used)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// What is reserved never exceeds a budget; what is settled is exactly what was used, whatever the order.
    #[test]
    fn reservations_and_settlements_balance(
        calls in prop::collection::vec((0_u64..200, 0_u64..200, 0_u64..200, 0_u64..200, any::<bool>()), 1..40),
        most in 1_u64..2000,
        rotate in 0_usize..40,
    ) {
        let (counters, rules) = (Counters::default(), rules(most));
        let who = Someone::new("user:a");
        let mut held: Vec<(Reservation, Amounts, bool)> = Vec::new();
        let mut expected = [0_u64; 3];
        for (input, output, real_input, real_output, leaves) in calls {
            let Ok(reservation) = counters.reserve(&rules, who.caller(), &tokens(input, output), NOON) else {
                // Settle one, so that something has room again.
                if !held.is_empty() {
                    let (reservation, real, leaves) = held.remove(rotate % held.len());
                    if leaves { reservation.settle(&real) } else { reservation.release() }
                }
                continue;
            };
            let real = tokens(real_input.min(input), real_output.min(output));
            if leaves {
                expected[0] += real.input + real.output;
                expected[1] += real.output;
                expected[2] += 1;
            }
            held.push((reservation, real, leaves));
            for line in counters.lines(&rules, NOON) {
                prop_assert!(line.used <= line.rule.most, "{line:?}");
            }
        }
        let turn = rotate % held.len().max(1);
        held.rotate_left(turn);
        for (reservation, real, leaves) in held {
            if leaves { reservation.settle(&real) } else { reservation.release() }
        }
        let expected: Vec<(String, u64)> = ["a", "b", "c"].iter().zip(expected).filter(|(_, used)| *used > 0)
            .map(|(name, used)| ((*name).to_owned(), used)).collect();
        prop_assert_eq!(used(&counters, &rules, NOON), expected);
    }

    /// Usage above the reservation counts as it is, below zero there is nothing, and a settlement never leaves its window.
    #[test]
    fn a_settlement_counts_what_was_used(
        reserved in 0_u64..1000, real in 0_u64..100_000, later in 0_u64..200_000, period in 0_usize..5,
    ) {
        let period = Period::ALL[period];
        let counters = Counters::default();
        let rules = Rules::new(vec![rule("r", Measure::Tokens, 1000, period, &[])]);
        let who = Someone::new("user:a");
        let reservation = counters.reserve(&rules, who.caller(), &tokens(reserved, 0), NOON).unwrap();
        // Something else is used meanwhile, perhaps in a later window.
        let between = counters.reserve(&rules, who.caller(), &tokens(0, 0), after(NOON, later)).unwrap();
        reservation.settle(&tokens(real, 0));
        between.settle(&tokens(5, 0));
        let now = after(NOON, later);
        let (then, present) = (period.window(NOON), period.window(now));
        let total = counters.lines(&rules, now).iter().map(|line| line.used).sum::<u64>();
        if then.number == present.number {
            prop_assert_eq!(total, real + 5);
        } else {
            prop_assert!(total >= 5 && total <= 5 + real);
        }
    }

    /// Whatever happened, in whatever order it is read, a gate that starts again counts the same.
    #[test]
    fn a_restart_counts_the_same(
        calls in prop::collection::vec((0_u64..100, 0_u64..100, 0_u64..50_000_000), 1..30), seed in any::<u64>(),
    ) {
        let (live, rules) = (Counters::default(), rules(1 << 40));
        let who = Someone::new("user:a");
        let mut past = Vec::new();
        for (input, output, before) in &calls {
            let at = UnixMillis(NOON.0 - before);
            let usage = Usage { input: *input, output: *output, ..Usage::default() };
            // One that was refused was not used.
            if let Ok(reservation) = live.reserve(&rules, who.caller(), &tokens(*input, *output), at) {
                reservation.settle(&Amounts::of(&usage, None));
                past.push(Past { chain: who.chain.clone(), task: name("task"), model: name("small"), at, requests: 1, usage, cost: 0, counted: BTreeMap::new() });
            }
        }
        let turn = usize::try_from(seed % 30).unwrap() % past.len().max(1);
        past.rotate_left(turn);
        let again = Counters::default();
        past.iter().for_each(|past| again.restore(&rules, past, NOON, |_| true));
        // Budgets of a day began at midnight: calls of yesterday do not count. The clock of `live` went back and forth, which
        // only ever makes it stricter, so only what is monotone is compared.
        let sum = |counters: &Counters| used(counters, &rules, NOON);
        if calls.iter().all(|(_, _, before)| *before < 12 * 3_600_000) {
            prop_assert_eq!(sum(&again), sum(&live));
        }
    }
}

/// A hundred threads' worth of calls: no more than fit are let in, and everything is given back.
#[test]
fn calls_at_the_same_time_never_overshoot() {
    let counters = Arc::new(Counters::default());
    let rules = Arc::new(Rules::new(vec![
        rule("t", Measure::Tokens, 1000, Period::Day, &[Dimension::Principal]),
        rule("n", Measure::Concurrent, 50, Period::Second, &[]),
    ]));
    let let_in: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (counters, rules) = (Arc::clone(&counters), Arc::clone(&rules));
                scope.spawn(move || {
                    let who = Someone::new("user:a");
                    let tries = (0..200).map(|_| counters.reserve(&rules, who.caller(), &tokens(3, 7), NOON));
                    tries.filter_map(Result::ok).map(|reservation| reservation.settle(&tokens(3, 7))).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(let_in, 100);
    assert_eq!(used(&counters, &rules, NOON), [("t".to_owned(), 1000)]);
}
