//! What an author of policies reads when something is wrong.

use expect_test::{Expect, expect};
use model::Name;
use policy::PolicySnapshot;

use crate::world::{bundle, name, targets};

fn check(text: &str, expected: &Expect) {
    let problems = PolicySnapshot::load(&bundle(text), &targets()).expect_err(text);
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn all_problems_of_a_file_at_once() {
    check(
        r#"// Who may call what.
permit (principal, action == Portcullis::Action::"callModl", resource);

@id("night shift")
permit (principal, action, resource)
when { context.flow.levle > 1 };

@id("a")
permit (principal in Portcullis::Group::"staff", action, resource)
when { context.chain.depth > "1" };
@id("a") permit (principal, action, resource) when { context.request.streem };
permit (principal == Portcullis::Usr::"ada", action, resource)
"#,
        &expect![[r#"
            policies/p.cedar:2:30: for policy `policies/p.cedar#1`, unrecognized action `Portcullis::Action::"callModl"`; did you mean `Portcullis::Action::"callModel"`?
            policies/p.cedar:4:1: `night shift` is not a name: expected 1 to 128 of a-z, A-Z, 0-9, `.`, `_`, `-`, `@`, `:`, `/`, starting with a letter or digit
            policies/p.cedar:6:8: for policy `policies/p.cedar#2`, attribute `flow.levle` in context for Portcullis::Action::"administer" not found; did you mean `level`?
            policies/p.cedar:10:30: for policy `a`, unexpected type: expected Long but saw String
            policies/p.cedar:11:1: policy id `a` is taken: policies/p.cedar:8; give each policy an `@id` of its own
            policies/p.cedar:11:54: for policy `policies/p.cedar#4`, attribute `request.streem` in context for Portcullis::Action::"administer" not found; did you mean `stream`?
            policies/p.cedar:12:63: unexpected end of input"#]],
    );
}

/// Policies are parsed many at a time: what is wrong with one is told of its own place all the same, whatever stands before it.
#[test]
fn places_are_right_in_long_files() {
    let line = |at: usize| match at {
        130 => "permit (principal, action, resource) when { context.request.streem };",
        131 => "permit (principal in ?principal, action, resource);",
        200 => "permit (principal, action, resource) when;",
        210 => "permit (principal, action, resource) when { context.request.dialect == \"é; // \" && context.request.streem };",
        _ => "@description(\"é; //\") permit (principal, action, resource) when { context.request.stream }; // é;",
    };
    for (faults, lines) in [(vec![130, 210], 300), (vec![130, 131, 200, 210], 300), (vec![130], 131), (vec![210], 64 * 4)] {
        let written = |at: usize| if faults.contains(&at) { line(at) } else { line(0) };
        let text: Vec<&str> = (1..=lines).map(written).collect();
        let found = PolicySnapshot::load(&bundle(&text.join("\n")), &targets()).unwrap_err();
        let alone = faults.iter().flat_map(|at| {
            let problems = PolicySnapshot::load(&bundle(line(*at)), &targets()).unwrap_err();
            problems.into_iter().map(move |mut problem| {
                problem.line = u32::try_from(*at).unwrap();
                problem.message = problem.message.replace("p.cedar#1`", &format!("p.cedar#{at}`"));
                problem
            })
        });
        assert_eq!(found, alone.collect::<Vec<_>>(), "{faults:?} of {lines}");
    }
    let text: Vec<&str> = (1..=200).map(|_| line(0)).collect();
    let places = PolicySnapshot::load(&bundle(&text.join("\n")), &targets()).unwrap().places();
    let own = places.iter().filter(|place| place.file.ends_with("p.cedar"));
    assert!(own.clone().all(|place| place.id == format!("{}#{}", place.file, place.line)));
    assert_eq!(own.count(), 200);
}

#[test]
fn annotations_are_a_closed_vocabulary() {
    check(
        r#"@obligation("both:redact:dogs") permit (principal, action, resource);
@obligation("both:redact:Pii") permit (principal, action, resource);
@obligation("both:drop:pii") permit (principal, action, resource);
@obligation("both:redact:pii,") permit (principal, action, resource);
@obligation("both:redact:pii") forbid (principal, action, resource);
@obligations("both:redact:pii") permit (principal, action, resource);
@owner("me") permit (principal, action, resource);
@challenge("approval") permit (principal, action, resource);
@challenge("aproval") forbid (principal, action, resource) unless { context.answered.approval };
@challenge("prayer") forbid (principal, action, resource) unless { context.answered.approval };
@id("") permit (principal, action, resource);
@id("x") @id("y") permit (principal, action, resource);
@id("baseline-clearance") permit (principal, action, resource);
"#,
        &expect![[r#"
            policies/p.cedar:1:1: `dogs` is no finding kind or group
            policies/p.cedar:2:1: `Pii` is no finding kind or group; did you mean `pii`?
            policies/p.cedar:3:1: `both:drop:pii` is not a duty: expected `request|response|both`, `allow|mask|redact|deny` and a finding kind or group, joined by `:`
            policies/p.cedar:4:1: `` is not a duty: expected `request|response|both`, `allow|mask|redact|deny` and a finding kind or group, joined by `:`
            policies/p.cedar:5:1: `@obligation` belongs to a permit; a forbid obliges to nothing but refusing
            policies/p.cedar:6:1: annotation `@obligations` is not known; did you mean `@obligation`?
            policies/p.cedar:7:1: annotation `@owner` is not known; known: @id, @description, @mode, @obligation on permits, @challenge on forbids
            policies/p.cedar:8:1: `@challenge` belongs to a forbid; a challenge is what lifts a refusal
            policies/p.cedar:9:1: `aproval` is not a challenge: expected `approval`, `step-up` or `posture`; did you mean `approval`?
            policies/p.cedar:10:1: `prayer` is not a challenge: expected `approval`, `step-up` or `posture`
            policies/p.cedar:11:1: `` is not a name: expected 1 to 128 of a-z, A-Z, 0-9, `.`, `_`, `-`, `@`, `:`, `/`, starting with a letter or digit
            policies/p.cedar:12:10: duplicate annotation: @id
            policies/p.cedar:13:1: policy id `baseline-clearance` is taken: baseline.cedar:2; give each policy an `@id` of its own"#]],
    );
}

/// A challenge counts as one only if Cedar's own tree of the condition reads the fact, however it is written.
#[test]
fn a_challenge_must_be_liftable() {
    let read = [
        "unless { context.answered.approval }",
        "when { !context.answered.approval }",
        "when { context[\"answered\"][\"approval\"] == false }",
        "when { true } unless { if context.flow.level > 1 then context.answered.approval else true }",
        "unless { [context.answered.approval].contains(true) }",
    ];
    for condition in read {
        let text = format!("@challenge(\"approval\") forbid (principal, action, resource) {condition};");
        assert_eq!(PolicySnapshot::load(&bundle(&text), &targets()).err(), None, "{condition}");
    }
    let unread = [
        "",
        "unless { context.answered.stepUp }",
        "unless { \"context.answered.approval\" == \"x\" }",
        "// context.answered.approval\n when { true }",
        "unless { {approval: true}.approval }",
        "unless { {answered: {approval: true}}.answered.approval }",
        "when { context.answered == context.answered }",
    ];
    for condition in unread {
        let text = format!("@challenge(\"approval\") forbid (principal, action, resource) {condition};");
        let problems = PolicySnapshot::load(&bundle(&text), &targets()).expect_err(condition);
        assert!(problems[0].message.contains("could never be lifted"), "{condition}: {problems:?}");
    }
}

#[test]
fn templates_and_foreign_bundles_are_refused() {
    check(
        "permit (principal == ?principal, action, resource);",
        &expect![
            "policies/p.cedar:1:22: expected a static policy, got a template containing the slot ?principal; try removing the template slot(s) from this policy"
        ],
    );
    let mut foreign = bundle("permit (principal, action, resource);");
    foreign.format = 2;
    foreign.policies.insert("baseline.cedar".to_owned(), "permit (principal, action, resource);".to_owned());
    let problems = PolicySnapshot::load(&foreign, &targets()).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expect![[r#"
        baseline.cedar:1:1: this name belongs to the policies that are compiled in; rename the file, or keep policies in a folder
        portcullis.yaml:1:1: the bundle has format 2, expected 1"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn groups_in_a_circle_are_refused() {
    let mut circular = bundle("");
    circular.registry.groups.get_mut(&name("all")).unwrap().groups.insert(Name::new("staff").unwrap());
    let problems = PolicySnapshot::load(&circular, &targets()).unwrap_err();
    assert_eq!(problems[0].file, "portcullis.yaml");
    assert!(problems[0].message.contains("cycl"), "{problems:?}");
}

/// Deep and long policies: as deep as it gets, the last word is still checked; deeper is refused and never overflows the stack
/// of a thread of 2 MB.
#[test]
fn hostile_policies_end_in_an_answer() {
    let repeated = |head: &str, each: &str, tail: &str, end: &str, n: usize| {
        let (each, end) = (each.repeat(n), end.repeat(n));
        format!("permit (principal, action, resource) when {{ {head}{each}{tail}{end} }};")
    };
    // Shapes, and how often each can be repeated.
    let shapes: [(&str, &str, &str, &str, usize); 10] = [
        ("", "(", "context.oops", ")", 29),
        ("", "[", "context.oops", "]", 29),
        ("", "{a:", "context.oops", "}", 29),
        ("", "if true then ", "context.oops", " else true", 380),
        ("", "true && ", "context.oops", "", 380),
        ("false", " || context.request.stream", " || context.oops", "", 120),
        ("0", " + context.flow.level", " > context.oops", "", 120),
        ("context", ".a", "", "", 380),
        ("true } ", "when { true } ", "when { context.oops", "", 380),
        ("principal in [", "Portcullis::Group::\"a\", ", "Portcullis::Grup::\"a\"]", "", 5_000),
    ];
    for (head, each, tail, end, n) in shapes {
        let problems = PolicySnapshot::load(&bundle(&repeated(head, each, tail, end, n)), &targets()).expect_err(each);
        let shown = problems[0].to_string();
        assert!(
            ["oops", "Grup", "attribute `a`", "types", "expected"].iter().any(|word| shown.contains(word)),
            "{each}: {shown}"
        );
        if n < 5_000 {
            for n in [1_000, 100_000] {
                let problems = PolicySnapshot::load(&bundle(&repeated(head, each, tail, end, n)), &targets()).expect_err(each);
                let is_refused =
                    problems[0].message.contains("nested more than") || problems[0].message.contains("more than 400 operators");
                assert!(is_refused, "{each} {n}: {:?}", problems[0]);
            }
        }
    }
    // The worst of both bounds.
    let worst = repeated("", &("1 + ".repeat(12) + "("), "context.oops", ")", 29);
    let problems = PolicySnapshot::load(&bundle(&worst), &targets()).unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("oops")), "{problems:?}");
    for text in [
        format!("permit (principal, action, resource) when {{ \"{}", ";".repeat(1_000_000)),
        ";".repeat(2_000),
        "@".repeat(100_000),
    ] {
        assert!(PolicySnapshot::load(&bundle(&text), &targets()).is_err());
    }
}
