//! Parties that an issuer vouches for, and the grants of tasks.

use std::collections::BTreeSet;

use model::{Action, Answer, Ask, DecisionInput, Federated, Grant, Mandate, Reach, ReasonCode, Resource, Task, Verdict};
use policy::PolicySnapshot;
use proptest::prelude::*;

use crate::random::{self, Reads};
use crate::world::{call, chain, compiled, input, load, name, names};

const POLICIES: &str = "permit (principal in Portcullis::Group::\"staff\", action, resource);
forbid (principal in Portcullis::Group::\"bots\", action, resource) when { principal is Portcullis::User };
permit (principal is Portcullis::Agent, action, resource);
permit (principal == Portcullis::User::\"okta:vip\", action, resource);";

fn vouched(links: &[&str], groups: &[&str]) -> DecisionInput {
    let mut input = input(links, "small");
    let guest = Federated { principal: links[0].parse().unwrap(), groups: names(groups) };
    input.facts.mandate = Mandate { federated: Some(guest), ..Mandate::default() };
    input
}

fn grant(parts: &[(Action, &str)]) -> Grant {
    let mut grant = Grant::nothing();
    for (action, id) in parts {
        grant.add(*action, Reach::new([(*id).to_owned()]).unwrap()).unwrap();
    }
    grant
}

fn task(grant: Grant) -> Task {
    Task { id: name("tsk_1"), purpose: Some(name("summary")), grant }
}

#[test]
fn a_guest_is_in_the_groups_of_its_token_and_in_no_others() {
    let snapshot = load(POLICIES);
    let denied = Err(ReasonCode::PolicyDenied);
    type Fact<'a> = (&'a [&'a str], &'a [&'a str], Result<(), ReasonCode>);
    let facts: [Fact<'_>; 9] = [
        (&["user:okta:ada"], &["staff"], Ok(())),
        (&["user:okta:ada"], &["deep2"], Ok(())),
        (&["user:okta:ada"], &[], denied),
        // The same party again, with other groups: each call by its own token.
        (&["user:okta:ada"], &["staff"], Ok(())),
        (&["user:okta:ada"], &["staff", "bots"], Err(ReasonCode::PolicyForbidden)),
        (&["user:okta:vip"], &[], Ok(())),
        (&["service:okta:cron"], &["staff"], Ok(())),
        (&["user:okta:ada", "agent:bot"], &["staff"], Ok(())),
        (&["user:okta:ada", "agent:bot"], &[], denied),
    ];
    for (links, groups, expected) in facts {
        let answer = snapshot.decide(&vouched(links, groups));
        let told = if answer.verdict == Verdict::Permit { Ok(()) } else { Err(answer.reason) };
        assert_eq!(told, expected, "{links:?} {groups:?}");
    }
}

#[test]
fn nobody_is_vouched_for_who_is_declared_or_who_is_no_subject() {
    let snapshot = load("permit (principal, action, resource);");
    let reason = |links: &[&str], groups: &[&str]| snapshot.decide(&vouched(links, groups)).reason;
    assert_eq!(reason(&["user:ada"], &["staff"]), ReasonCode::PolicyError);
    assert_eq!(reason(&["user:okta:ada"], &["ghosts"]), ReasonCode::PolicyError);
    assert_eq!(reason(&["agent:okta:ada"], &["staff"]), ReasonCode::PrincipalUnknown);
    // Vouching for one does not make another known.
    let mut other = vouched(&["user:okta:ada"], &["staff"]);
    other.chain = chain(&["user:okta:eve"]);
    assert_eq!(snapshot.decide(&other).reason, ReasonCode::PrincipalUnknown);
    let mut nobody = vouched(&["user:okta:ada"], &["staff"]);
    nobody.facts.mandate = Mandate::default();
    assert_eq!(snapshot.decide(&nobody).reason, ReasonCode::PrincipalUnknown);
}

/// How many guests a snapshot keeps, as its `Debug` tells.
fn n_kept(snapshot: &PolicySnapshot) -> usize {
    let text = format!("{snapshot:?}");
    let (_, rest) = text.split_once("n_guests: ").unwrap();
    rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// At 1,024 of them all are forgotten, and each is answered as before.
#[test]
fn many_guests_come_and_go() {
    let snapshot = load(POLICIES);
    for number in 0..1_100 {
        let n_before = match number {
            0 => Some(0),
            1_023 => Some(1_023),
            1_024 => Some(1_024),
            1_025 => Some(1),
            _ => None,
        };
        if let Some(n_before) = n_before {
            assert_eq!(n_kept(&snapshot), n_before, "before guest {number}");
        }
        let user = format!("user:okta:u{number}");
        let groups: &[&str] = if number % 2 == 0 { &["staff"] } else { &[] };
        let is_permitted = snapshot.decide(&vouched(&[&user], groups)).verdict == Verdict::Permit;
        assert_eq!(is_permitted, number % 2 == 0, "{user}");
    }
    assert_eq!(snapshot.decide(&vouched(&["user:okta:u0"], &["staff"])).verdict, Verdict::Permit);
    assert_eq!(n_kept(&snapshot), 77, "the last 76, and the first once more");
}

#[test]
fn a_grant_is_a_link_of_the_chain() {
    let snapshot = load("permit (principal, action, resource);");
    let answer = |grant: Grant, asks: Vec<Ask>| -> Answer {
        let mut input = input(&["user:ada", "agent:bot"], "small");
        input.asks = asks;
        input.facts.mandate.task = Some(task(grant));
        snapshot.decide(&input)
    };
    let store = Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) };
    let delegate = Ask { action: Action::IssueToken, resource: Resource::Agent(name("sub")) };
    let small = || grant(&[(Action::CallModel, "small")]);
    let facts = [
        (small(), vec![call("small")], Verdict::Permit),
        (small(), vec![call("large")], Verdict::Deny),
        (small(), vec![call("small"), store], Verdict::Deny),
        (small(), vec![delegate.clone()], Verdict::Deny),
        (grant(&[(Action::IssueToken, "sub")]), vec![delegate], Verdict::Permit),
        (grant(&[(Action::CallModel, "*")]), vec![call("large")], Verdict::Permit),
        (Grant::nothing(), vec![call("small")], Verdict::Deny),
    ];
    for (grant, asks, expected) in facts {
        let answer = answer(grant.clone(), asks.clone());
        assert_eq!(answer.verdict, expected, "{grant:?} {asks:?}");
        assert_eq!(answer.links.iter().any(|link| link.reason == ReasonCode::GrantExceeded), expected == Verdict::Deny);
    }
}

#[test]
fn policies_see_the_task() {
    let when = "permit (principal, action, resource) when { context.task.purpose == \"summary\" && context.task.grant.contains(\"callModel:small\") };";
    let snapshot = load(when);
    let mut asked = input(&["user:ada", "agent:bot"], "small");
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Deny);
    asked.facts.mandate.task = Some(task(grant(&[(Action::CallModel, "small")])));
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Permit);
}

#[test]
fn who_may_be_handed_a_token() {
    let asked = |may_act| {
        let mut asked = input(&["user:ada", "agent:bot"], "small");
        asked.asks = vec![Ask { action: Action::IssueToken, resource: Resource::Agent(name("bot")) }];
        asked.facts.mandate.may_act = may_act;
        asked
    };
    let forbid = "forbid (principal, action == Portcullis::Action::\"issueToken\", resource);";
    let permit = "permit (principal, action == Portcullis::Action::\"issueToken\", resource == Portcullis::Agent::\"bot\");";
    let facts = [
        ("", false, Verdict::Deny),
        ("", true, Verdict::Permit),
        (permit, false, Verdict::Permit),
        (forbid, true, Verdict::Deny),
    ];
    for (policies, may_act, expected) in facts {
        assert_eq!(load(policies).decide(&asked(may_act)).verdict, expected, "{policies} {may_act}");
    }
    let purposeful = "permit (principal, action, resource) when { context.task.purpose == \"summary\" };";
    let mut opened = asked(false);
    opened.facts.mandate.asked = Some(task(grant(&[(Action::CallModel, "small")])));
    assert_eq!(load(purposeful).decide(&opened).verdict, Verdict::Permit, "the task that is asked for");
    assert_eq!(load(purposeful).decide(&asked(false)).verdict, Verdict::Deny);
    let mut unknown = asked(true);
    unknown.asks[0].resource = Resource::Agent(name("ghost"));
    assert_eq!(load(permit).decide(&unknown).reason, ReasonCode::PrincipalUnknown);
}

fn some_grant() -> impl Strategy<Value = Vec<(Action, &'static str)>> {
    let actions = vec![Action::CallModel, Action::StoreRemotely, Action::FetchRemote, Action::UseBeta, Action::IssueToken];
    let names = vec!["*", "m0", "m1", "host0", "anthropic/files", "a0"];
    prop::collection::vec((prop::sample::select(actions), prop::sample::select(names)), 0..4).prop_map(|parts| {
        // `*` stands alone; a later part of the same action would be lost in it.
        let mut seen = BTreeSet::new();
        parts.into_iter().filter(|(action, _)| seen.insert(*action)).collect()
    })
}

proptest! {
    #![proptest_config(random::config(200))]

    /// A task permits nothing that would be denied without it, and an entry less in its grant nothing that was denied with it.
    #[test]
    fn less_of_a_grant_never_widens(bundle in random::bundle(Reads::Little, 20), parts in some_grant(), inputs in prop::collection::vec(random::input(), 8)) {
        let snapshot = compiled(&bundle);
        for mut input in inputs {
            let without = snapshot.decide(&input).verdict;
            input.facts.mandate.task = Some(task(grant(&parts)));
            let with = snapshot.decide(&input).verdict;
            prop_assert!(with >= without, "a task widened {:?} to {:?}", without, with);
            for dropped in 0..parts.len() {
                let mut fewer = parts.clone();
                fewer.remove(dropped);
                input.facts.mandate.task = Some(task(grant(&fewer)));
                prop_assert!(snapshot.decide(&input).verdict >= with, "without {:?}", parts[dropped]);
            }
        }
    }
}
