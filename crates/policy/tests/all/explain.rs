//! Answers as a person reads them.

use expect_test::{Expect, expect};
use model::{Action, Answer, Ask, Level, Resource};

use crate::world::{input, load, with_image};

const TEXT: &str = r#"
@id("staff-open") @obligation("both:redact:pii")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource in Portcullis::ModelGroup::"open");
@id("staff-large-by-day")
permit (principal in Portcullis::Group::"staff", action == Portcullis::Action::"callModel", resource == Portcullis::Model::"large")
when { context.flow.level > 2 };
@id("ada-asks")
@challenge("approval")
forbid (principal == Portcullis::User::"ada", action, resource) when { context.request.stream } unless { context.answered.approval };
@id("bots-open") permit (principal in Portcullis::Group::"bots", action == Portcullis::Action::"callModel", resource);
@id("cron-errs")
forbid (principal == Portcullis::Service::"cron", action, resource) when { context.credential.ageSeconds + 9223372036854775807 > 0 };
"#;

fn check(lines: &[String], expected: &Expect) {
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn lines_for_people() {
    let snapshot = load(TEXT);
    let explained = |answer: &Answer| snapshot.explain(answer);
    let mut asked = input(&["user:ada", "agent:bot"], "small");
    check(
        &explained(&snapshot.decide(&asked)),
        &expect![[r#"
        permit: user:ada may callModel Model "small", policy staff-open (policies/p.cedar:2); duties both:redact:pii
        permit: agent:bot may callModel Model "small", policy bots-open (policies/p.cedar:10)"#]],
    );
    asked.facts.stream = true;
    check(
        &explained(&snapshot.decide(&asked)),
        &expect![[r#"
        challenge: user:ada may not yet callModel Model "small" because somebody has to approve this call (approval-required), policy ada-asks (policies/p.cedar:7); would be lifted by approval; duties both:redact:pii
        permit: agent:bot may callModel Model "small", policy bots-open (policies/p.cedar:10)"#]],
    );
    check(
        &explained(&snapshot.decide(&input(&["user:ada", "agent:bot"], "large"))),
        &expect![[r#"
        deny: user:ada may not callModel Model "large" because no policy permits this (policy-denied)
          near: policy staff-large-by-day (policies/p.cedar:4) concerns this call, but its condition does not hold
          near: policy bots-open (policies/p.cedar:10) permits this to other parties
          near: policy staff-open (policies/p.cedar:2) permits this party other resources
        permit: agent:bot may callModel Model "large", policy bots-open (policies/p.cedar:10)"#]],
    );
    check(
        &explained(&snapshot.decide(&input(&["user:eve"], "large"))),
        &expect![[r#"
        deny: user:eve may not callModel Model "large" because no policy permits this (policy-denied)
          near: policy staff-large-by-day (policies/p.cedar:4) permits this to other parties
          near: policy bots-open (policies/p.cedar:10) permits this to other parties"#]],
    );
    check(
        &explained(&snapshot.decide(&input(&["service:cron"], "small"))),
        &expect![[
            r#"deny: service:cron may not callModel Model "small" because a policy could not be evaluated (policy-error); error while evaluating policy `cron-errs`: integer overflow while attempting to add the values `60` and `9223372036854775807`"#
        ]],
    );
    check(
        &explained(&snapshot.decide(&input(&["agent:sub"], "small"))),
        &expect![[
            r#"deny: agent:sub may not callModel Model "small" because an agent acts without a user and is not registered as autonomous for this (agent-without-user)"#
        ]],
    );
    check(
        &explained(&snapshot.decide(&with_image(input(&["user:ada"], "large"), Level::Restricted))),
        &expect![[
            r#"deny: user:ada may not callModel Model "large" because a content part cannot be inspected and no policy names it (uninspected-denied); the data is above `internal`, and no satisfied permit names `uninspected:image`"#
        ]],
    );
}

/// What a client chose cannot write to an operator's terminal.
#[test]
fn foreign_text_stays_on_its_line() {
    let snapshot = load("permit (principal, action == Portcullis::Action::\"callModel\", resource);");
    let mut asked = input(&["user:ada"], "small");
    let host = "evil\"\u{1b}[2J\n\u{202e}permit".to_owned();
    asked.asks = vec![Ask { action: Action::FetchRemote, resource: Resource::Destination(host) }];
    let lines = snapshot.explain(&snapshot.decide(&asked));
    check(
        &lines,
        &expect![[r#"
        deny: user:ada may not fetchRemote Destination "evil\"\u{1b}[2J\n\u{202e}permit" because the place is another port of a declared one, or not written as places are (place-undeclared)"#]],
    );
    assert_eq!(policy::explain(&snapshot.decide(&asked)), lines[..1], "the short form is the first line");
}

#[test]
fn near_misses_are_bounded() {
    let text = "permit (principal == Portcullis::User::\"eve\", action, resource);\n".repeat(100);
    let lines = load(&text).explain(&load(&text).decide(&input(&["user:ada"], "small")));
    check(
        &lines,
        &expect![[r#"
            deny: user:ada may not callModel Model "small" because no policy permits this (policy-denied)
              near: policy policies/p.cedar#1 (policies/p.cedar:1) permits this to other parties
              near: policy policies/p.cedar#2 (policies/p.cedar:2) permits this to other parties
              near: policy policies/p.cedar#3 (policies/p.cedar:3) permits this to other parties
              near: and 97 more like these"#]],
    );
}
