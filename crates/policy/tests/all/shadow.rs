//! Shadow policies: what they would do is told, and what is done is as if they were not there.

use std::collections::BTreeSet;

use model::{Answer, Bundle, DecisionInput, LinkAnswer, ReasonCode, Verdict};
use policy::PolicySnapshot;
use proptest::prelude::*;

use crate::random::{self, Reads};
use crate::world::{compiled, input, load};

/// `bundle` with `texts` as further policies of `mode`; their ids are `s<n>`.
fn with(bundle: &Bundle, texts: &[String], mode: &str) -> PolicySnapshot {
    let mut bundle = bundle.clone();
    let policies = texts.iter().enumerate().map(|(number, text)| format!("@id(\"s{number}\") @mode(\"{mode}\") {text}\n"));
    bundle.policies.insert("policies/zz.cedar".to_owned(), policies.collect());
    compiled(&bundle)
}

/// What somebody would notice of an answer.
fn substance(answer: &Answer) -> impl PartialEq + use<> {
    let of_link = |link: &LinkAnswer| (link.verdict, link.reason, link.challenges.clone(), link.duties.clone());
    (answer.verdict, answer.reason, answer.links.iter().map(of_link).collect::<Vec<_>>())
}

/// Holds everything that is said of shadow policies against the same policies, enforced. Whether they would make a difference.
fn check(base: &PolicySnapshot, shadowed: &PolicySnapshot, enforced: &PolicySnapshot, input: &DecisionInput) -> Option<bool> {
    let answer = shadowed.decide(input);
    assert_eq!(answer, base.decide(input), "what is enforced is as if they were not there");
    let would = enforced.decide(input);
    let ids: BTreeSet<String> = shadowed.shadow_policies().into_iter().map(|policy| policy.id).collect();
    assert_eq!(shadowed.decide_enforcing(input, &ids), would, "enforcing all of them by hand is the same");
    assert_eq!(shadowed.decide_enforcing(input, &BTreeSet::new()), answer, "and none of them, too");
    let differs = substance(&answer) != substance(&would);
    let Some(shadow) = shadowed.shadow(input, &answer) else {
        assert_eq!(answer, would, "none of them concerns the call, so none of them changes anything");
        return None;
    };
    assert_eq!((shadow.verdict, shadow.reason, shadow.differs), (would.verdict, would.reason, differs));
    let errors: BTreeSet<&String> = would.links.iter().flat_map(|link| &link.errors).collect();
    assert_eq!(shadow.errors.iter().collect::<BTreeSet<_>>(), errors);
    assert!(shadow.policies.iter().all(|policy| ids.contains(&policy.id)), "{shadow:?}");
    assert!(!differs || !shadow.policies.is_empty(), "a difference has a cause: {shadow:?}");
    Some(differs)
}

/// A bundle and shadow policies, half of them with a permit for everything, or with a shadow forbid of much.
fn stores() -> impl Strategy<Value = (Bundle, Vec<String>)> {
    let texts = proptest::collection::vec(random::policy(Reads::Anything), 1..6);
    (random::bundle(Reads::Anything, 15), texts, any::<bool>(), any::<bool>()).prop_map(
        |(mut bundle, mut texts, is_open, is_strict)| {
            if is_open {
                bundle.policies.insert("policies/aa.cedar".to_owned(), "permit (principal, action, resource);".to_owned());
            }
            texts.extend(is_strict.then(|| "forbid (principal, action, resource) when { context.request.stream };".to_owned()));
            (bundle, texts)
        },
    )
}

proptest! {
    #![proptest_config(random::config(150))]

    #[test]
    fn they_change_nothing_and_tell_what_they_would(
        (bundle, texts) in stores(),
        inputs in proptest::collection::vec(random::input(), 8),
    ) {
        let (base, shadowed, enforced) = (compiled(&bundle), with(&bundle, &texts, "shadow"), with(&bundle, &texts, "enforce"));
        for input in &inputs {
            check(&base, &shadowed, &enforced, input);
        }
    }
}

/// The property above is worth what its cases reach.
#[test]
fn the_cases_reach_every_outcome() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let mut reached = BTreeSet::new();
    for _ in 0..60 {
        let (bundle, texts) = stores().new_tree(&mut runner).unwrap().current();
        let (base, shadowed, enforced) = (compiled(&bundle), with(&bundle, &texts, "shadow"), with(&bundle, &texts, "enforce"));
        for _ in 0..8 {
            let input = random::input().new_tree(&mut runner).unwrap().current();
            let outcome = check(&base, &shadowed, &enforced, &input);
            reached.insert((outcome, shadowed.decide(&input).verdict));
        }
    }
    for outcome in [None, Some(false), Some(true)] {
        for verdict in [Verdict::Permit, Verdict::Deny] {
            assert!(reached.contains(&(outcome, verdict)), "{outcome:?} {verdict:?} in {reached:?}");
        }
    }
}

const TEXT: &str = r#"
@id("staff") permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource);
@id("no-streams") @mode("shadow") forbid (principal, action, resource is Portcullis::Model) when { context.request.stream };
@id("eve-too") @mode("shadow") @obligation("both:redact:pii")
permit (principal == Portcullis::User::"eve", action == Portcullis::Action::"callModel", resource);
@id("masks") @mode("shadow") @obligation("both:redact:pii")
permit (principal == Portcullis::User::"ada", action == Portcullis::Action::"callModel", resource == Portcullis::Model::"large");
@id("ask-first") @mode("shadow") @challenge("approval")
forbid (principal == Portcullis::User::"deep", action, resource) unless { context.answered.approval };
@id("errs") @mode("shadow")
permit (principal == Portcullis::User::"deep", action, resource == Portcullis::Model::"small")
when { context.credential.ageSeconds + 9223372036854775807 > 0 };
@id("plain") @mode("enforce") forbid (principal == Portcullis::Service::"cron", action, resource);
"#;

#[test]
fn what_would_be_told() {
    let snapshot = load(TEXT);
    let ids: Vec<String> = snapshot.shadow_policies().into_iter().map(|policy| policy.id).collect();
    assert_eq!(ids, ["no-streams", "eve-too", "masks", "ask-first", "errs"]);
    let facts: [(&str, &str, bool, Verdict, &str); 7] = [
        ("user:ada", "small", false, Verdict::Permit, "would be answered as it was"),
        (
            "user:ada",
            "small",
            true,
            Verdict::Permit,
            "would be denied (policy-forbidden) by policy no-streams (policies/p.cedar:3)",
        ),
        ("user:ada", "large", false, Verdict::Permit, "would be permitted (permitted) by policy masks (policies/p.cedar:6)"),
        ("user:eve", "large", false, Verdict::Deny, "would be permitted (permitted) by policy eve-too (policies/p.cedar:4)"),
        (
            "user:deep",
            "large",
            false,
            Verdict::Permit,
            "would be challenged (approval-required) by policy ask-first (policies/p.cedar:8)",
        ),
        (
            "user:deep",
            "small",
            false,
            Verdict::Permit,
            "would be denied (policy-error) by policies ask-first (policies/p.cedar:8), errs (policies/p.cedar:10)",
        ),
        (
            "service:cron",
            "small",
            true,
            Verdict::Deny,
            "would be answered as it was, with policy no-streams (policies/p.cedar:3)",
        ),
    ];
    for (who, model, is_stream, verdict, expected) in facts {
        let mut asked = input(&[who], model);
        asked.facts.stream = is_stream;
        let answer = snapshot.decide(&asked);
        assert_eq!(answer.verdict, verdict, "{who} {model}");
        let shadow = snapshot.shadow(&asked, &answer).unwrap();
        assert_eq!(shadow.to_string(), expected, "{who} {model}");
    }
    let unknown = input(&["user:ghost"], "small");
    assert_eq!(snapshot.shadow(&unknown, &snapshot.decide(&unknown)), None, "no policy is asked about nobody");
    let none = load("permit (principal, action, resource);");
    assert_eq!(none.shadow(&unknown, &none.decide(&unknown)), None);
}

/// An enforcement's own answer never names a shadow policy: callers are told those names.
#[test]
fn what_is_enforced_names_none_of_them() {
    let snapshot = load(TEXT);
    for who in ["user:ada", "user:eve", "user:deep", "service:cron"] {
        let mut asked = input(&[who], "small");
        asked.facts.stream = true;
        let answer = snapshot.decide(&asked);
        let named: Vec<&str> = answer.links.iter().flat_map(|link| &link.policies).map(|policy| policy.id.as_str()).collect();
        assert!(named.iter().all(|id| ["staff", "plain"].contains(id)), "{named:?}");
        assert!(answer.reason != ReasonCode::PolicyError);
    }
}
