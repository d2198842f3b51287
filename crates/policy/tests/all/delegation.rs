//! Delegation and re-issue never widen: one more agent in the chain, a narrower grant, a grant narrowed again.

use model::{Action, Chain, Grant, Reach, Task, Verdict};
use proptest::prelude::*;

use crate::decide::{SAYS, says};
use crate::random::{self, Reads};
use crate::world::{compiled, input, load, name};

/// What a grant lists for one action; `*` is everything.
type Part = (Action, Vec<&'static str>);

const NAMES: [&str; 6] = ["m0", "m1", "m2", "host0", "anthropic/files", "a0"];

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let names = prop_oneof![
        1 => Just(vec!["*"]),
        2 => proptest::sample::subsequence(NAMES.to_vec(), 1..=4),
    ];
    let actions = proptest::sample::subsequence(
        vec![Action::CallModel, Action::StoreRemotely, Action::FetchRemote, Action::UseBeta, Action::IssueToken],
        0..=5,
    );
    (actions, proptest::collection::vec(names, 5)).prop_map(|(actions, names)| actions.into_iter().zip(names).collect())
}

fn grant(parts: &[Part]) -> Grant {
    let mut grant = Grant::nothing();
    for (action, names) in parts {
        grant.add(*action, Reach::new(names.iter().map(|name| (*name).to_owned())).unwrap()).unwrap();
    }
    grant
}

fn task(grant: Grant) -> Option<Task> {
    Some(Task { id: name("tsk_1"), purpose: None, grant })
}

/// Every grant that an exchange could make of this one in one step: an action less, a name less, names for everything.
fn narrower(parts: &[Part]) -> Vec<Vec<Part>> {
    let mut all = Vec::new();
    for at in 0..parts.len() {
        let mut fewer = parts.to_vec();
        let (action, names) = fewer.remove(at);
        all.push(fewer.clone());
        let narrowed = match names.as_slice() {
            ["*"] => vec!["m0", "host0"],
            [] | [_] => continue,
            [_, rest @ ..] => rest.to_vec(),
        };
        fewer.push((action, narrowed));
        all.push(fewer);
    }
    all
}

proptest! {
    #![proptest_config(random::config(150))]

    #[test]
    fn one_more_agent_never_widens(bundle in random::bundle(Reads::Little, 20), inputs in proptest::collection::vec(random::input(), 8)) {
        let snapshot = compiled(&bundle);
        for input in inputs {
            let before = snapshot.decide(&input);
            for agent in ["agent:a0", "agent:a1", "agent:a2", "agent:ghost"] {
                let links = input.chain.links().iter().cloned().chain([agent.parse().unwrap()]).collect();
                let Ok(chain) = Chain::new(links) else { continue };
                let mut delegated = input.clone();
                delegated.chain = chain;
                let after = snapshot.decide(&delegated);
                prop_assert!(after.verdict >= before.verdict, "with {}: {:?} after {:?}", agent, after.verdict, before.verdict);
                for link in &before.links {
                    let same = after.links.iter().find(|other| (&other.principal, other.action, &other.resource) == (&link.principal, link.action, &link.resource));
                    prop_assert!(same.is_some_and(|same| same.verdict >= link.verdict), "{} was allowed more by delegating", link.principal);
                }
            }
        }
    }

    /// A token that is exchanged for another, and that for a third: each grant within the one before.
    #[test]
    fn a_re_issued_grant_never_widens(bundle in random::bundle(Reads::Little, 20), parts in parts(), inputs in proptest::collection::vec(random::input(), 6)) {
        let snapshot = compiled(&bundle);
        let verdict = |input: &model::DecisionInput, grant: Grant| {
            let mut asked = input.clone();
            asked.facts.mandate.task = task(grant);
            snapshot.decide(&asked).verdict
        };
        for input in &inputs {
            let first = grant(&parts);
            let at_first = verdict(input, first.clone());
            prop_assert!(at_first >= snapshot.decide(input).verdict, "a grant widened what policy says");
            for second in narrower(&parts) {
                let reissued = grant(&second);
                prop_assert!(reissued.is_within(&first), "{:?} of {:?}", second, parts);
                let at_second = verdict(input, reissued.clone());
                prop_assert!(at_second >= at_first, "{:?} allows more than {:?}", second, parts);
                for third in narrower(&second) {
                    prop_assert!(grant(&third).is_within(&reissued));
                    prop_assert!(verdict(input, grant(&third)) >= at_second, "{:?} allows more than {:?}", third, second);
                }
            }
        }
    }
}

/// The truth table over three links, decided again with facts: an answer lifts what it answers, for every link, and nothing else.
#[test]
fn the_table_again_with_facts() {
    let links = ["user:ada", "agent:bot", "agent:sub"];
    for number in 0..6_usize.pow(3) {
        let rows: Vec<_> = (0..3).map(|link| SAYS[number / 6_usize.pow(link) % 6]).collect();
        let text: String = links.iter().zip(&rows).map(|(link, row)| says(link, row.1)).collect();
        let snapshot = load(&text);
        let shown: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let mut asked = input(&links, "small");
        let before = snapshot.decide(&asked);
        asked.facts.answered.insert(model::Challenge::StepUp);
        assert_eq!(snapshot.decide(&asked), before, "{shown:?}: an answer to what nobody asked");
        asked.facts.answered.insert(model::Challenge::Approval);
        let after = snapshot.decide(&asked);
        let lifted = rows.iter().map(|row| if row.0 == "challenge" { Verdict::Permit } else { row.2 }).max().unwrap();
        assert_eq!(after.verdict, lifted, "{shown:?}");
        assert!(after.links.iter().all(|link| link.challenges.is_empty()), "{shown:?}");
        // And taken away again.
        asked.facts.answered.clear();
        assert_eq!(snapshot.decide(&asked), before, "{shown:?}");
    }
}
