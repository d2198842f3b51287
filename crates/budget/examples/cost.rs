//! What reserving and settling costs: `cargo run --release -p portcullis-budget --example cost`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, reason = "a measurement")]

use std::hint::black_box;
use std::time::Instant;

use budget::{Amounts, Caller, Counters, Dimension, Measure, Period, Rule, Rules};
use model::{Chain, Name, UnixMillis};

const N: u32 = 200_000;

fn main() {
    let name = |text: &str| Name::new(text).unwrap();
    let rule = |text: &str, measure, period, per: &[Dimension]| Rule {
        name: name(text),
        measure,
        most: 1 << 43,
        period,
        per: per.iter().copied().collect(),
        parties: None,
        models: None,
        quantity: None,
        tools: None,
    };
    let rules = Rules::new(vec![
        rule("requests", Measure::Requests, Period::Minute, &[Dimension::Principal]),
        rule("tokens", Measure::Tokens, Period::Hour, &[Dimension::User, Dimension::Model]),
        rule("cost", Measure::Cost, Period::Month, &[]),
        rule("agent", Measure::OutputTokens, Period::Day, &[Dimension::Agent]),
        rule("running", Measure::Concurrent, Period::Second, &[Dimension::Task]),
    ]);
    let counters = Counters::default();
    let chains: Vec<Chain> = (0..1000)
        .map(|user| Chain::new(vec![format!("user:u{user}").parse().unwrap(), "agent:desk".parse().unwrap()]).unwrap())
        .collect();
    let (task, model) = (name("k7Qm2x9Lp0aZ"), name("small"));
    let wanted = Amounts { requests: 1, input: 500, output: 4096, cost: Some(1000), ..Amounts::default() };
    let now = UnixMillis(1_795_262_400_000);
    for threads in [1, 2] {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for chain in chains.iter().cycle().take(usize::try_from(N).unwrap()) {
                        let caller = Caller { chain, task: &task, model: Some(&model), tool: None };
                        let reservation = counters.reserve(&rules, caller, black_box(&wanted), now).unwrap();
                        reservation.settle(black_box(&wanted));
                    }
                });
            }
        });
        let nanos = started.elapsed().as_nanos() / u128::from(N);
        println!("{threads} thread(s): {nanos} ns per call with 5 budgets (reserve and settle)");
    }
    let text = "A request of about two kilobytes, in plain words, as people write it. ".repeat(29);
    let started = Instant::now();
    for _ in 0..N {
        black_box(budget::tokens(black_box(text.as_bytes())));
    }
    println!("estimate of {} bytes: {} ns", text.len(), started.elapsed().as_nanos() / u128::from(N));
}
