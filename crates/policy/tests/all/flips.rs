//! Denials, and what would have to be otherwise: as a new user reads it.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use model::{
    Action, Ask, Bundle, Challenge, DecisionInput, FindingCount, FindingGroup, Grant, Integrity, Level, Mandate, PrincipalId,
    PrincipalKind, Reach, Resource, Task, Verdict,
};
use policy::PolicySnapshot;
use proptest::prelude::*;

use crate::random::{self, Reads};
use crate::world::{call, compiled, input, load, name, with_image};

const TEXT: &str = r#"
@id("staff-open") permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource in Portcullis::ModelGroup::"open");
@id("bots") permit (principal in Portcullis::Group::"bots", action == Portcullis::Action::"callModel", resource);
@id("by-day") permit (principal == Portcullis::User::"eve", action == Portcullis::Action::"callModel", resource == Portcullis::Model::"large")
when { context.now.toTime() >= duration("8h") && context.now.toTime() < duration("18h") };
@id("no-cards") forbid (principal, action, resource is Portcullis::Model) when { context.content.kinds.contains("CREDIT_CARD") };
@id("ask-first") @challenge("approval") forbid (principal is Portcullis::User, action, resource)
when { context.request.stream } unless { context.answered.approval };
@id("cron-errs") forbid (principal == Portcullis::Service::"cron", action, resource) when { context.credential.ageSeconds + 9223372036854775807 > 0 };
@id("cron") permit (principal == Portcullis::Service::"cron", action, resource);
@id("not-bare") forbid (principal, action == Portcullis::Action::"storeRemotely", resource);
@id("beta-soon") @mode("shadow") permit (principal == Portcullis::User::"ada", action == Portcullis::Action::"useBeta", resource);
@id("night") forbid (principal == Portcullis::Agent::"free", action, resource) when { context.flow.tainted && context.auth.acr != "gold" };
"#;

fn check(snapshot: &PolicySnapshot, input: &DecisionInput, expected: &Expect) {
    expected.assert_eq(&snapshot.explanation(input).text().join("\n"));
}

/// A call, with something else in it.
fn with(links: &[&str], model: &str, edit: impl Fn(&mut DecisionInput)) -> DecisionInput {
    let mut asked = input(links, model);
    edit(&mut asked);
    asked
}

fn plain(_: &mut DecisionInput) {}

fn card(asked: &mut DecisionInput) {
    asked.facts.findings.insert("CREDIT_CARD".to_owned(), FindingCount { group: FindingGroup::Pii, count: 1 });
}

/// Names that nobody declares, and permits that do not reach.
#[test]
fn who_and_what_is_declared() {
    let snapshot = load(TEXT);
    // An unknown party.
    check(
        &snapshot,
        &with(&["user:adaa"], "small", plain),
        &expect![[r#"
        deny: user:adaa may not callModel Model "small" because the credential's principal is not declared in the configuration (principal-unknown)
        would be permitted if user:ada were meant, not user:adaa (caller)
        would be permitted if user:adaa were declared, in group `staff` (operators)"#]],
    );
    // An unknown party with no name like it.
    check(
        &snapshot,
        &with(&["user:zoe"], "small", plain),
        &expect![[r#"
        deny: user:zoe may not callModel Model "small" because the credential's principal is not declared in the configuration (principal-unknown)
        would be permitted if user:zoe were declared, in group `staff` (operators)"#]],
    );
    // An unknown model.
    check(
        &snapshot,
        &with(&["user:ada"], "smal", plain),
        &expect![[r#"
            deny: user:ada may not callModel Model "smal" because the model does not exist or may not be used (model-not-found)
            would be permitted if the call asked for Model `small` instead (caller)"#]],
    );
    // No permit, and none that comes near.
    check(
        &snapshot,
        &with(&["user:eve"], "small", |asked| {
            asked.asks = vec![Ask { action: Action::UseBeta, resource: Resource::Beta("anthropic/files".to_owned()) }];
        }),
        &expect![[r#"
            deny: user:eve may not useBeta Beta "anthropic/files" because no policy permits this (policy-denied)
              near: policy cron (policies/p.cedar:10) permits this to other parties
            no change of one or two things was found that would flip this (2 tried)"#]],
    );
    // The wrong group.
    check(
        &snapshot,
        &with(&["user:eve"], "small", plain),
        &expect![[r#"
            deny: user:eve may not callModel Model "small" because no policy permits this (policy-denied)
              near: policy staff-open (policies/p.cedar:2) permits this to other parties
              near: policy bots (policies/p.cedar:3) permits this to other parties
              near: policy cron (policies/p.cedar:10) permits this to other parties
              near: policy by-day (policies/p.cedar:4) permits this party other resources
            would be permitted if user:eve were in group `staff` (operators)
            would be permitted if the call asked for Model `large` instead (caller)"#]],
    );
}

/// What a forbid reads, and what stands beside policies.
#[test]
fn what_forbids() {
    let snapshot = load(TEXT);
    // A finding.
    check(
        &snapshot,
        &with(&["user:ada"], "small", card),
        &expect![[r#"
        deny: user:ada may not callModel Model "small" because a policy forbids this (policy-forbidden), policy no-cards (policies/p.cedar:6)
        read by no-cards (policies/p.cedar:6) for user:ada: context.content.kinds = ["CREDIT_CARD"]
        would be permitted if the request held no `CREDIT_CARD` (caller)
        would be permitted if policy no-cards (policies/p.cedar:6) were gone (operators)"#]],
    );
    // Clearance.
    check(
        &snapshot,
        &with(&["user:ada"], "small", |asked| asked.facts.label.level = Level::Restricted),
        &expect![[r#"
        deny: user:ada may not callModel Model "small" because a policy forbids this (policy-forbidden), policy baseline-clearance (baseline.cedar:2)
        read by baseline-clearance (baseline.cedar:2) for user:ada: context.flow.level = 3, resource.clearance = 1
        would be permitted if the task had seen nothing above `internal` (task or time)
        would be permitted if the task were a new one that has seen nothing (task or time)
        would be permitted if Model `small` were cleared for `restricted` (operators)"#]],
    );
    // No user behind the agent.
    check(
        &snapshot,
        &with(&["agent:sub"], "small", plain),
        &expect![[r#"
        deny: agent:sub may not callModel Model "small" because an agent acts without a user and is not registered as autonomous for this (agent-without-user)
        would be permitted if agent:sub acted on behalf of a user, such as user:ada (caller)
        would be permitted if agent:sub were registered as autonomous for callModel (operators)"#]],
    );
    // Beyond the grant of a task.
    check(
        &snapshot,
        &with(&["user:ada", "agent:bot"], "small", |asked| {
            let mut grant = Grant::nothing();
            grant.add(Action::CallModel, Reach::new(["large".to_owned()]).unwrap()).unwrap();
            asked.facts.mandate = Mandate { task: Some(Task { id: name("t1"), purpose: None, grant }), ..Mandate::default() };
        }),
        &expect![[r#"
            deny: agent:bot may not callModel Model "small" because the task was not granted this (grant-exceeded)
            permit: user:ada may callModel Model "small", policy staff-open (policies/p.cedar:2)
            permit: agent:bot may callModel Model "small", policy bots (policies/p.cedar:3)
            would be permitted if the task token granted callModel:small (task or time)"#]],
    );
    // A policy that errs.
    check(
        &snapshot,
        &with(&["service:cron"], "small", plain),
        &expect![[r#"
        deny: service:cron may not callModel Model "small" because a policy could not be evaluated (policy-error), policy cron (policies/p.cedar:10); error while evaluating policy `cron-errs`: integer overflow while attempting to add the values `60` and `9223372036854775807`
        read by cron-errs (policies/p.cedar:9) for service:cron: context.credential.ageSeconds = 60
        would be permitted if policy cron-errs (policies/p.cedar:9) were mended, or gone (operators)"#]],
    );
    // A challenge that was not answered.
    check(
        &snapshot,
        &with(&["user:ada"], "small", |asked| asked.facts.stream = true),
        &expect![[r#"
            challenge: user:ada may not yet callModel Model "small" because somebody has to approve this call (approval-required), policy ask-first (policies/p.cedar:7); would be lifted by approval
            read by ask-first (policies/p.cedar:7) for user:ada: context.answered.approval = false, context.request.stream = true
            would be permitted if the caller had somebody approve this call (caller)
            would be permitted if the answer were not streamed (caller)
            would be permitted if policy ask-first (policies/p.cedar:7) were gone (operators)"#]],
    );
}

/// Time, two things at once, what rides along, what is not enforced yet, what flowed in.
#[test]
fn when_and_what_else() {
    let snapshot = load(TEXT);
    // The wrong time.
    check(
        &snapshot,
        &with(&["user:eve"], "large", |asked| asked.facts.now.0 += 12 * 3_600_000),
        &expect![[r#"
        deny: user:eve may not callModel Model "large" because no policy permits this (policy-denied)
          near: policy by-day (policies/p.cedar:4) concerns this call, but its condition does not hold
          near: policy bots (policies/p.cedar:3) permits this to other parties
          near: policy cron (policies/p.cedar:10) permits this to other parties
        read by by-day (policies/p.cedar:4) for user:eve: context.now = 2026-11-18T23:06:40Z
        would be permitted if it were 2026-11-19T08:00:00Z (task or time)"#]],
    );
    // Two things at once.
    check(
        &snapshot,
        &with(&["user:eve", "agent:bot"], "small", card),
        &expect![[r#"
        deny: user:eve may not callModel Model "small" because a policy forbids this (policy-forbidden), policy no-cards (policies/p.cedar:6)
        deny: agent:bot may not callModel Model "small" because a policy forbids this (policy-forbidden), policy no-cards (policies/p.cedar:6)
        read by no-cards (policies/p.cedar:6) for user:eve, agent:bot: context.content.kinds = ["CREDIT_CARD"]
        no single change would flip this; two together would:
        would be permitted if the request held no `CREDIT_CARD` (caller) and user:eve were in group `staff` (operators)"#]],
    );
    // What rides along.
    check(
        &snapshot,
        &with(&["user:ada"], "small", |asked| {
            asked.asks.push(Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) });
        }),
        &expect![[r#"
            deny: user:ada may not storeRemotely Model "small" because a policy forbids this (policy-forbidden), policy not-bare (policies/p.cedar:11)
            permit: user:ada may callModel Model "small", policy staff-open (policies/p.cedar:2)
            would be permitted if the call did not also ask for storeRemotely Model `small` (caller)"#]],
    );
    // A permit that is not enforced yet.
    check(
        &snapshot,
        &with(&["user:ada"], "small", |asked| {
            asked.asks = vec![Ask { action: Action::UseBeta, resource: Resource::Beta("anthropic/files".to_owned()) }];
        }),
        &expect![[r#"
            deny: user:ada may not useBeta Beta "anthropic/files" because no policy permits this (policy-denied)
              near: policy cron (policies/p.cedar:10) permits this to other parties
            would be permitted if shadow policy beta-soon (policies/p.cedar:12) were enforced (operators)"#]],
    );
    // What flowed into the task.
    check(
        &snapshot,
        &with(&["agent:free"], "small", |asked| asked.facts.label.integrity = Integrity::Untrusted),
        &expect![[r#"
        deny: agent:free may not callModel Model "small" because a policy forbids this (policy-forbidden), policy night (policies/p.cedar:13)
        read by night (policies/p.cedar:13) for agent:free: context.auth.acr = "", context.flow.tainted = true
        would be permitted if the user had signed in with acr "gold" (caller)
        would be permitted if nothing untrusted had flowed into the task (task or time)
        would be permitted if the task were a new one that has seen nothing (task or time)"#]],
    );
    // A part that nothing looked into.
    check(
        &snapshot,
        &with_image(input(&["agent:free"], "large"), Level::Restricted),
        &expect![[r#"
        deny: agent:free may not callModel Model "large" because a content part cannot be inspected and no policy names it (uninspected-denied); the data is above `internal`, and no satisfied permit names `uninspected:image`
        would be permitted if the request held no part that no scanner reads: `uninspected:image` (caller)
        would be permitted if the task had seen nothing above `internal` (task or time)
        would be permitted if the task were a new one that has seen nothing (task or time)"#]],
    );
}

#[test]
fn a_permit_needs_no_change() {
    let snapshot = load(TEXT);
    let explanation = snapshot.explanation(&input(&["user:ada"], "small"));
    assert_eq!((explanation.answer.verdict, explanation.changes.n_tried), (Verdict::Permit, 0));
}

/// What a call says is not repeated, and what comes from outside moves no terminal.
#[test]
fn values_are_short_and_tame() {
    let snapshot = load(
        "@id(\"p\") permit (principal, action == Portcullis::Action::\"callModel\", resource) when { context.task.grant.contains(\"x\") && context.content.kinds.contains(\"x\") };",
    );
    let mut asked = input(&["user:ada"], "small");
    for number in 0..40 {
        let kind = format!("uninspected:\u{1b}[2J{number}{}", "x".repeat(500));
        asked.facts.findings.insert(kind, FindingCount { group: FindingGroup::Uninspected, count: 1 });
    }
    let text = snapshot.explanation(&asked).text();
    assert!(text.iter().all(|line| line.chars().all(|letter| !letter.is_control())), "{text:?}");
    let [facts] = text.iter().filter(|line| line.starts_with("read by p")).collect::<Vec<_>>()[..] else { panic!("{text:?}") };
    assert!(facts.len() < 2_000 && facts.contains("and 32 more"), "{facts}");
}

proptest! {
    #![proptest_config(random::config(60))]

    /// Whatever is told flips the verdict, and the work is bounded.
    #[test]
    fn what_is_told_is_less_strict(bundle in random::bundle(Reads::Anything, 15), inputs in proptest::collection::vec(random::input(), 6)) {
        let snapshot = compiled(&bundle);
        for input in &inputs {
            let explanation = snapshot.explanation(input);
            prop_assert_eq!(&explanation.answer, &snapshot.decide(input));
            let changes = &explanation.changes;
            prop_assert!(changes.found.len() <= 3 && changes.n_tried <= 200);
            prop_assert!(changes.found.iter().all(|change| change.verdict < explanation.answer.verdict && (1..=2).contains(&change.parts.len())));
            prop_assert_eq!(&explanation, &snapshot.explanation(input), "the same twice");
        }
    }
}

/// Policies may be long, and a call may hold much: an explanation stays short, and comes soon.
#[test]
fn long_policies_are_explained_in_bounds() {
    let words: Vec<String> = (0..20_000).map(|number| format!("\"w{number}\"")).collect();
    let groups: Vec<String> = (0..5_000).map(|number| format!("Portcullis::Group::\"g{number}\"")).collect();
    let text = format!(
        "@id(\"p\") permit (principal, action, resource) when {{ [{}].contains(context.auth.acr) && principal in [{}] && context.request.stream }};",
        words.join(", "),
        groups.join(", ")
    );
    let snapshot = load(&text);
    let explanation = snapshot.explanation(&input(&["user:ada"], "small"));
    assert!(explanation.changes.n_tried <= 200);
    assert!(explanation.text().iter().map(String::len).sum::<usize>() < 4_000, "{:?}", explanation.text());
}

/// The bundle and the call after what a text tells was done, by hand; none for what is not read here.
fn followed(bundle: &Bundle, input: &DecisionInput, text: &str) -> Option<(&'static str, Bundle, DecisionInput)> {
    let (mut bundle, mut input) = (bundle.clone(), input.clone());
    let quoted = || text.split('`').nth(1);
    let kind = if text.contains(" were in group ") {
        let party: PrincipalId = text.split(' ').next()?.parse().ok()?;
        let registry = &mut bundle.registry;
        let groups = match party.kind {
            PrincipalKind::User => &mut registry.users.get_mut(&party.name)?.groups,
            PrincipalKind::Agent => &mut registry.agents.get_mut(&party.name)?.groups,
            _ => &mut registry.services.get_mut(&party.name)?.groups,
        };
        groups.insert(name(quoted()?));
        "group"
    } else if text.starts_with("policy ") {
        let id = format!("@id(\"{}\")", text.split(' ').nth(1)?);
        for file in bundle.policies.values_mut() {
            *file = file.lines().filter(|line| !line.starts_with(&id)).map(|line| format!("{line}\n")).collect();
        }
        "policy"
    } else if text.starts_with("the request held no ") {
        input.facts.findings.remove(quoted()?)?;
        "finding"
    } else if text.starts_with("the answer were ") {
        input.facts.stream = !text.contains("not streamed");
        "stream"
    } else if text.starts_with("the call asked for Model ") {
        let was = input.asks.iter().map(|ask| ask.resource.clone()).collect::<Vec<_>>();
        let [Resource::Model(_)] = was[..] else { return None };
        input.asks[0].resource = Resource::Model(name(quoted()?));
        "model"
    } else if text.contains("in model group ") {
        let mut words = text.split('`').skip(1).step_by(2);
        let (model, group) = (name(words.next()?), name(words.next()?));
        bundle.registry.models.get_mut(&model)?.groups.insert(group);
        "model group"
    } else {
        return None;
    };
    Some((kind, bundle, input))
}

/// What is told is so: done by hand and decided by a bundle that is compiled anew, the verdict is the one that was told.
#[test]
fn whoever_does_what_is_told_gets_the_verdict_that_is_told() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let mut n_followed: BTreeMap<&str, u32> = BTreeMap::new();
    // Some kinds are rare: until each was followed, within a bound.
    for round in 0..1_000 {
        if round >= 80 && n_followed.len() == 6 {
            break;
        }
        let bundle = random::bundle(Reads::Anything, 20).new_tree(&mut runner).unwrap().current();
        let snapshot = compiled(&bundle);
        for _ in 0..6 {
            let input = random::input().new_tree(&mut runner).unwrap().current();
            for change in snapshot.explanation(&input).changes.found {
                let [(_, text)] = change.parts.as_slice() else { continue };
                let Some((kind, bundle, input)) = followed(&bundle, &input, text) else { continue };
                *n_followed.entry(kind).or_default() += 1;
                assert_eq!(compiled(&bundle).decide(&input).verdict, change.verdict, "{text}");
            }
        }
    }
    let kinds: Vec<&str> = n_followed.keys().copied().collect();
    assert_eq!(kinds, ["finding", "group", "model", "model group", "policy", "stream"], "{n_followed:?}");
}

/// The smallest: what is told in two parts is not had by either alone, and where something single is told, nothing is told in two.
#[test]
fn no_part_of_what_is_told_would_do() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let (mut n_pairs, mut n_alone) = (0, 0);
    for _ in 0..1_500 {
        if n_pairs >= 8 {
            break;
        }
        let bundle = random::bundle(Reads::Anything, 12).new_tree(&mut runner).unwrap().current();
        let snapshot = compiled(&bundle);
        for _ in 0..6 {
            let input = random::input().new_tree(&mut runner).unwrap().current();
            let before = snapshot.decide(&input).verdict;
            let found = snapshot.explanation(&input).changes.found;
            let sizes: BTreeSet<usize> = found.iter().map(|change| change.parts.len()).collect();
            assert!(sizes.len() <= 1 && sizes.iter().all(|size| (1..=2).contains(size)), "{sizes:?}");
            for change in &found {
                assert!(change.verdict < before, "the empty change is none");
                let [(_, first), (_, second)] = change.parts.as_slice() else { continue };
                // Both together, by hand, do it; each alone does not.
                let step = |(bundle, input): (&Bundle, &DecisionInput), text: &str| {
                    followed(bundle, input, text).map(|(_, bundle, input)| (bundle, input))
                };
                let alone: Vec<_> = [first, second].iter().filter_map(|text| step((&bundle, &input), text)).collect();
                for (bundle, input) in &alone {
                    n_alone += 1;
                    assert!(compiled(bundle).decide(input).verdict >= before, "one of `{first}` and `{second}` is enough");
                }
                let Some((bundle, input)) = alone.first().and_then(|(bundle, input)| step((bundle, input), second)) else {
                    continue;
                };
                if alone.len() == 2 {
                    n_pairs += 1;
                    assert_eq!(compiled(&bundle).decide(&input).verdict, change.verdict, "{first}, and {second}");
                }
            }
        }
    }
    assert!(n_pairs >= 8 && n_alone >= 16, "{n_pairs} pairs, {n_alone} parts");
}

/// Answering the challenge that is told is what lifts it.
#[test]
fn a_change_can_be_followed() {
    let snapshot = load(TEXT);
    let mut asked = input(&["user:ada"], "small");
    asked.facts.stream = true;
    let told = snapshot.explanation(&asked).changes.found;
    assert_eq!(told[0].parts[0].1, "the caller had somebody approve this call");
    asked.facts.answered.insert(Challenge::Approval);
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Permit);
    asked.asks = vec![call("large")];
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Deny);
}
