//! What never widens: less proof of who asks, and more taint, never turn Deny into Challenge or Permit, nor Challenge into Permit.
//!
//! A policy can say the opposite in its own words (`permit … when { context.chain.depth == 1 }`,
//! `forbid … when { context.answered.approval }`); what it says so is its author's will. So these hold for policies that read
//! the changed fact nowhere, or answers only where they lift a challenge: the gate itself widens nothing.

use std::collections::BTreeMap;

use model::{Chain, FindingCount, FindingGroup, Level, LinkAnswer, PrincipalKind, ReasonCode, Verdict};
use proptest::prelude::*;

use crate::random::{self, Reads};
use crate::world::compiled;

/// Verdicts by link and ask, in order.
fn by_link(links: &[LinkAnswer]) -> BTreeMap<String, Vec<Verdict>> {
    let mut all: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for link in links {
        all.entry(link.principal.to_string()).or_default().push(link.verdict);
    }
    all
}

proptest! {
    #![proptest_config(random::config(200))]

    /// Over what is left of a chain nothing widens; so a shorter chain is allowed more only by what the missing link itself
    /// refused, and never if that link was the user of an agent that is not autonomous for the action.
    #[test]
    fn a_dropped_link_takes_only_its_own_refusal_with_it(bundle in random::bundle(Reads::Little, 20), inputs in proptest::collection::vec(random::input(), 8)) {
        let snapshot = compiled(&bundle);
        for input in inputs {
            let full = by_link(&snapshot.decide(&input).links);
            for dropped in input.chain.links() {
                let rest: Vec<_> = input.chain.links().iter().filter(|link| *link != dropped).cloned().collect();
                let Ok(rest) = Chain::new(rest) else { continue };
                let mut shorter = input.clone();
                shorter.chain = rest;
                let answer = snapshot.decide(&shorter);
                for (link, verdicts) in by_link(&answer.links) {
                    for (after, before) in verdicts.iter().zip(&full[&link]) {
                        prop_assert!(after >= before, "without {}, {} went from {:?} to {:?}", dropped, link, before, after);
                    }
                }
                let is_lone = |link: &LinkAnswer| {
                    let agent = bundle.registry.agents.get(&link.principal.name).filter(|_| link.principal.kind == PrincipalKind::Agent);
                    agent.is_some_and(|agent| !agent.autonomous.contains(&link.action))
                };
                if dropped.kind == PrincipalKind::User && answer.links.iter().any(is_lone) {
                    prop_assert_eq!(answer.verdict, Verdict::Deny);
                    prop_assert!(answer.links.iter().filter(|link| is_lone(link)).all(|link| matches!(link.reason, ReasonCode::AgentWithoutUser | ReasonCode::ModelNotFound)));
                }
            }
        }
    }

    #[test]
    fn less_autonomy_fewer_answers_and_more_taint_never_widen(bundle in random::bundle(Reads::Little, 20), inputs in proptest::collection::vec(random::input(), 8)) {
        let snapshot = compiled(&bundle);
        let mut stripped = bundle;
        for agent in stripped.registry.agents.values_mut() {
            agent.autonomous.pop_first();
        }
        let stripped = compiled(&stripped);
        for input in inputs {
            let before = snapshot.decide(&input);
            let is_stricter = |after: &[LinkAnswer]| after.iter().zip(&before.links).all(|(after, before)| after.verdict >= before.verdict);
            prop_assert!(is_stricter(&stripped.decide(&input).links), "autonomy was taken away");
            let mut unanswered = input.clone();
            unanswered.facts.answered.pop_first();
            prop_assert!(is_stricter(&snapshot.decide(&unanswered).links), "an answer was taken away");
            let mut secretive = input.clone();
            secretive.facts.label.level = Level::Restricted;
            prop_assert!(is_stricter(&snapshot.decide(&secretive).links), "the level was raised");
            let mut opaque = input.clone();
            opaque.facts.findings.insert("uninspected:audio".to_owned(), FindingCount { group: FindingGroup::Uninspected, count: 1 });
            prop_assert!(is_stricter(&snapshot.decide(&opaque).links), "a part was added that nothing looked into");
        }
    }

    #[test]
    fn one_forbid_more_never_widens(bundle in random::bundle(Reads::Anything, 20), forbid in random::policy(Reads::Anything), inputs in proptest::collection::vec(random::input(), 8)) {
        prop_assume!(forbid.contains("forbid ("));
        let snapshot = compiled(&bundle);
        let mut more = bundle;
        more.policies.insert("policies/more.cedar".to_owned(), forbid);
        let more = compiled(&more);
        for input in inputs {
            let (before, after) = (snapshot.decide(&input), more.decide(&input));
            prop_assert!(after.links.iter().zip(&before.links).all(|(after, before)| after.verdict >= before.verdict));
        }
    }
}
