//! What never widens: less proof of who asks, and more taint, never turn Deny into Challenge or Permit, nor Challenge into Permit.
//!
//! A policy can say the opposite in its own words (`permit … when { context.chain.depth == 1 }`,
//! `forbid … when { context.answered.approval }`); what it says so is its author's will. So these hold for policies that read
//! the changed fact nowhere, or answers only where they lift a challenge: the gate itself widens nothing.

use std::collections::BTreeMap;

use model::{
    Chain, DecisionInput, FindingCount, FindingGroup, Grant, Level, LinkAnswer, Mandate, PrincipalKind, ReasonCode, Task, Verdict,
};
use proptest::prelude::*;

use crate::random::{self, Reads};
use crate::world::{bundle, compiled, input, name};

/// Verdicts by link and ask, in order.
fn by_link(links: &[LinkAnswer]) -> BTreeMap<String, Vec<Verdict>> {
    let mut all: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
    for link in links {
        all.entry(link.principal.to_string()).or_default().push(link.verdict);
    }
    all
}

/// The same call with one link less; none where nobody would be left.
fn without(input: &DecisionInput, dropped: &model::PrincipalId) -> Option<DecisionInput> {
    let rest = input.chain.links().iter().filter(|link| *link != dropped).cloned().collect();
    Some(DecisionInput { chain: Chain::new(rest).ok()?, ..input.clone() })
}

/// Registers every agent of a chain to act below the agent in front of it, and nothing on its own.
fn bound_to(registry: &mut model::Registry, chain: &Chain) {
    for link in chain.links() {
        let before = chain.before(link).filter(|before| before.kind == PrincipalKind::Agent);
        let Some(agent) = registry.agents.get_mut(&link.name).filter(|_| link.kind == PrincipalKind::Agent) else { continue };
        agent.below = before.iter().map(|before| before.name.clone()).collect();
        agent.autonomous.clear();
    }
}

/// Each way to drop a link, where the link that is dropped is the one that refuses: the user, an agent in the middle, both. What
/// registrations demand is missed; without such a registration a shorter chain is another chain, and its links alone answer.
#[test]
fn who_refuses_cannot_be_left_out() {
    let all = "permit (principal, action, resource);";
    let forbid = |who: &str| format!("{all} forbid (principal == Portcullis::{who}, action, resource);");
    let challenge = |who: &str| {
        format!(
            "{all} @challenge(\"approval\") forbid (principal == Portcullis::{who}, action, resource) unless {{ context.answered.approval }};"
        )
    };
    let (ada, bot) = ("User::\"ada\"", "Agent::\"bot\"");
    let whole: &[&str] = &["user:ada", "agent:bot", "agent:sub"];
    let facts: [(&str, &[&str], ReasonCode, ReasonCode); 5] = [
        (ada, &["agent:bot", "agent:sub"], ReasonCode::AgentWithoutUser, ReasonCode::AgentWithoutUser),
        (bot, &["user:ada", "agent:sub"], ReasonCode::LinkMissing, ReasonCode::Permitted),
        (bot, &["agent:sub"], ReasonCode::AgentWithoutUser, ReasonCode::AgentWithoutUser),
        (ada, &["agent:sub"], ReasonCode::AgentWithoutUser, ReasonCode::AgentWithoutUser),
        // In the other order it is not behind it either.
        (ada, &["agent:sub", "agent:bot"], ReasonCode::AgentWithoutUser, ReasonCode::AgentWithoutUser),
    ];
    for (who, shorter, registered, unregistered) in facts {
        for policies in [forbid(who), challenge(who)] {
            let mut strict = bundle(&policies);
            strict.registry.agents.get_mut(&name("sub")).unwrap().below = [name("bot")].into();
            assert_ne!(compiled(&strict).decide(&input(whole, "small")).verdict, Verdict::Permit, "{policies}");
            assert_eq!(compiled(&strict).decide(&input(shorter, "small")).reason, registered, "{policies} {shorter:?}");
            assert_eq!(
                compiled(&bundle(&policies)).decide(&input(shorter, "small")).reason,
                unregistered,
                "{policies} {shorter:?}"
            );
        }
    }
    // Who is registered below another has no right of its own either.
    let mut strict = bundle(all);
    strict.registry.agents.get_mut(&name("free")).unwrap().below = [name("bot")].into();
    let strict = compiled(&strict);
    assert_eq!(strict.decide(&input(&["agent:free"], "small")).reason, ReasonCode::LinkMissing);
    assert_eq!(strict.decide(&input(&["user:ada", "agent:bot", "agent:free"], "small")).reason, ReasonCode::Permitted);
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
                    prop_assert!(answer.links.iter().filter(|link| is_lone(link)).all(|link| matches!(link.reason, ReasonCode::AgentWithoutUser | ReasonCode::ModelNotFound | ReasonCode::PlaceUndeclared)));
                }
            }
        }
    }

    /// DESIGN 2.2, as it can hold: where registrations say on whose word agents act, no chain that lacks a link in front of the one
    /// that holds the connection is permitted or challenged, whatever the policies are. So none turns a refusal into more.
    #[test]
    fn without_a_link_that_is_demanded_nothing_is_allowed(bundle in random::bundle(Reads::Anything, 20), inputs in proptest::collection::vec(random::input(), 8)) {
        for input in inputs {
            let mut strict = bundle.clone();
            bound_to(&mut strict.registry, &input.chain);
            let snapshot = compiled(&strict);
            let n_links = input.chain.links().len();
            for dropped in input.chain.links().iter().take(n_links.saturating_sub(1)) {
                let Some(shorter) = without(&input, dropped) else { continue };
                // A service in front of an agent is no user: the agent is refused with it too.
                let answer = snapshot.decide(&shorter);
                let is_agent = shorter.chain.actor().is_some_and(|actor| actor.kind == PrincipalKind::Agent);
                prop_assert!(!is_agent || answer.verdict == Verdict::Deny, "without {}: {:?}", dropped, answer);
            }
        }
    }

    /// A grant less, or an entry of one, is a narrower mandate; a mandate without a task at all is no narrower one, and no token
    /// says so (`tests/test_tokens.py`).
    #[test]
    fn an_entry_of_a_grant_less_never_widens(bundle in random::bundle(Reads::Little, 20), inputs in proptest::collection::vec(random::input(), 8), kept in 0..4_usize) {
        let snapshot = compiled(&bundle);
        for input in inputs {
            let granted = |n_kept: usize| {
                let mut grant = Grant::nothing();
                for ask in input.asks.iter().take(n_kept) {
                    // What is no name can be granted to nobody.
                    if let Ok(reach) = model::Reach::new([ask.resource.id().to_owned()]) {
                        grant.add(ask.action, reach).ok();
                    }
                }
                let task = Task { id: name("t"), purpose: None, grant };
                let mandate = Mandate { task: Some(task), ..input.facts.mandate.clone() };
                snapshot.decide(&DecisionInput { facts: model::Facts { mandate, ..input.facts.clone() }, ..input.clone() })
            };
            let (fewer, all) = (granted(kept), granted(kept + 1));
            prop_assert!(fewer.verdict >= all.verdict, "{:?} with fewer, {:?} with one more", fewer.verdict, all.verdict);
            prop_assert!(granted(0).verdict == Verdict::Deny);
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
