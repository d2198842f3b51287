//! Bad input: what is wrong is told with its place, and nothing is permitted by it.

use std::collections::BTreeMap;

use expect_test::expect;
use model::{Ask, Bundle, Resource, Verdict};
use policy::PolicySnapshot;

use crate::world::{bundle, compiled, input, load, targets};

fn problems(bundle: &Bundle) -> Vec<String> {
    PolicySnapshot::load(bundle, &targets()).expect_err("it loads").iter().map(ToString::to_string).collect()
}

#[test]
fn names_that_nobody_declared_are_told() {
    let snapshot = load(
        "permit (principal, action, resource);
@id(\"contractors\") forbid (principal in Portcullis::Group::\"staf\", action, resource);
forbid (principal, action, resource) when { resource == Portcullis::Model::\"smal\" || principal == Portcullis::Agent::\"x\" };
forbid (principal == Portcullis::User::\"okta:eve\", action, resource in Portcullis::ModelGroup::\"open\");",
    );
    let told: Vec<String> = snapshot.warnings().iter().map(ToString::to_string).collect();
    expect![[r#"
        policies/p.cedar:2:1: policy `contractors` names group `staf`, which nobody declares; did you mean `staff`?
        policies/p.cedar:3:1: policy `policies/p.cedar#3` names agent `x`, which nobody declares
        policies/p.cedar:3:1: policy `policies/p.cedar#3` names model `smal`, which nobody declares; did you mean `small`?"#]]
    .assert_eq(&told.join("\n"));
    assert_eq!(load("permit (principal in Portcullis::Group::\"staff\", action, resource);").warnings(), []);
}

/// A missing attribute is found at load; one that is only found at a decision denies, and says which policy erred.
#[test]
fn an_attribute_that_is_missing_and_a_policy_that_errs() {
    expect![
        "policies/p.cedar:2:8: for policy `policies/p.cedar#1`, attribute `agee` on entity type `Portcullis::User` not found"
    ]
    .assert_eq(&problems(&bundle("permit (principal is Portcullis::User, action, resource)\nwhen { principal.agee > 1 };"))[0]);
    let snapshot = load(
        "permit (principal, action, resource);
@id(\"sum\") forbid (principal, action, resource) when { context.credential.ageSeconds + 9223372036854775807 < 0 };",
    );
    let answer = snapshot.decide(&input(&["user:ada"], "small"));
    assert_eq!(answer.verdict, Verdict::Deny);
    assert!(answer.links[0].errors[0].contains("`sum`"), "{answer:?}");
    assert!(policy::explain(&answer)[0].contains("`sum`"));
}

/// Ten megabytes: policies are read or refused with the file's name, comments and text are harmless.
#[test]
fn ten_megabytes() {
    let of = |text: String| {
        let mut bundle = bundle("permit (principal, action, resource);");
        bundle.policies.insert("policies/large.cedar".to_owned(), text);
        bundle
    };
    const SIZE: usize = 10 << 20;
    let statement = "permit (principal, action, resource);\n";
    let told = problems(&of(statement.repeat(SIZE / statement.len())));
    assert_eq!(told, ["policies/large.cedar:1:1: a bundle holds at most 100000 policies; here are more"]);
    let told = problems(&of("a".repeat(4 * SIZE)));
    assert!(told[0].starts_with("policies/large.cedar:1:1: policy files have at most 33554432 bytes together"), "{told:?}");
    for junk in ["a", "(", "\"", "@", "permit ", "é"] {
        let told = problems(&of(junk.repeat(SIZE / junk.len())));
        assert!(told.iter().all(|line| line.starts_with("policies/large.cedar:1:")), "{junk}");
        assert!(told.iter().all(|line| line.len() < 20_000), "{junk}");
    }
    let comment = format!("// {}\n{statement}", "a".repeat(SIZE));
    assert_eq!(compiled(&of(comment)).decide(&input(&["user:ada"], "small")).verdict, Verdict::Permit);
}

/// What a client or a file calls a thing never becomes part of a policy, an entity or a line.
#[test]
fn hostile_names() {
    let snapshot = load("permit (principal, action, resource == Portcullis::HostedTool::\"ok.example\");");
    let hostile = [
        "ok.example\" || true",
        "ok.example\0",
        " ok.example",
        "OK.EXAMPLE",
        "ok.example\n",
        "\u{202e}ok",
        "é",
        "*",
        "",
        "Portcullis::HostedTool::\"ok.example\"",
        "__entity",
        &"a".repeat(1 << 20),
    ];
    for host in hostile {
        let mut asked = input(&["user:ada"], "small");
        let resource = Resource::HostedTool(host.to_owned());
        asked.asks = vec![Ask { action: model::Action::UseHostedTool, resource }];
        let answer = snapshot.decide(&asked);
        assert_eq!(answer.verdict, Verdict::Deny, "{host:?}");
        let lines = snapshot.explain(&answer);
        assert!(lines.iter().all(|line| !line.contains(['\n', '\0', '\u{202e}'])), "{lines:?}");
    }
    let files = ["../../etc/passwd", "a\nb.cedar", "\u{1b}[2J.cedar"];
    for file in files {
        let mut odd = bundle("");
        odd.policies = BTreeMap::from([(file.to_owned(), "permit (principal, action, resource) when { oops };".to_owned())]);
        assert_eq!(PolicySnapshot::load(&odd, &targets()).unwrap_err()[0].file, file, "told as it is called");
    }
}

/// Cedar's parser is recursive without a bound, and a stack that overflows ends the process: whoever hands text to it asks first.
/// One of these is asked by a running gate, of a bundle that nobody has compiled.
#[test]
fn every_reader_of_policies_refuses_what_is_nested_too_deep() {
    let schema = policy::schema(&bundle("")).unwrap();
    for (open, close) in [("(", ")"), ("[", "]"), ("{a:", "}"), ("!", ""), ("-", ""), ("if ", " then 1 else 1")] {
        let text =
            format!("forbid (principal, action, resource)\nwhen {{ {}1{} == 1 }};", open.repeat(20_000), close.repeat(20_000));
        let place = |problems: &[policy::PolicyProblem]| {
            problems.iter().map(|problem| (problem.line, problem.column > 8)).collect::<Vec<_>>()
        };
        assert_eq!(place(&policy::excess("p.cedar", &text)), [(2, true)], "{open}");
        assert_eq!(place(&policy::parse_file("p.cedar", &text, &schema).unwrap_err()), [(2, true)], "{open}");
        let lost = policy::lost_forbids(&bundle("forbid (principal, action, resource);"), &bundle(&text));
        assert_eq!(lost.len(), 1, "{open}: what cannot be read forbids nothing");
    }
    assert!(policy::excess("p.cedar", "permit (principal, action, resource);").is_empty());
}
