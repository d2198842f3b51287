//! Tables of cases under mutated inputs.

use fuzz::{Outcome, Target, seen};

use super::tests::{access, cards};
use super::{Known, parse};

const CASES: Target = Target {
    name: "cases",
    what: "tables of cases: cases whose line is theirs, or what is wrong with a line",
    seeds: || {
        let heading = "| who | does | to | given | expect | because | shadow | note |\n|---|---|---|---|---|---|---|---|\n";
        let rows = [
            "| user:ada -> agent:desk | callModel | Model:small | stream=true; findings.CREDIT_CARD=2; label.level=confidential; answered=approval; now=2026-02-03T04:05:06Z | `deny policy-forbidden` | no-cards, two | | a \\| b |",
            "| user:ada → agent:desk | kb/search | Tool:kb/search | arguments={\"a\":[1,{\"b\":\"; |\"}]}; task.grant=callModel:small | permit both:redact:pii | | permit | |",
            "| user:ada | read | record:7 | pep=app; pep.resource.pages=3; pep.context.agent=\"x\"; groups=staff | challenge approval-required | | | |",
        ];
        rows.iter().map(|row| format!("# Text\n\n{heading}{row}\n\n| not | ours |\n| a | b |\n").into_bytes()).collect()
    },
    words: &[
        "|",
        "\\|",
        "\n",
        "|---|",
        "| who | does | to | expect |\n",
        "user:ada",
        "→",
        "->",
        "callModel",
        "Model:small",
        "Tool:",
        "permit",
        "deny ",
        "challenge",
        "both:deny:secret",
        "; ",
        "=",
        "findings.CREDIT_CARD=",
        "arguments={",
        "now=9999-12-31T23:59:60Z",
        "task.purpose=",
        "pep.subject.a=",
        "label.level=",
        "18446744073709551616",
        "{",
        "}",
        "\"",
        "`",
    ],
    max_len: 2000,
    run,
    hostile: &["|", "| a ", "| who | does | to | expect |\n", "\\|", "| user:a | b | c | permit |\n", "{"],
    floor: 100.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let n_lines = text.lines().count();
    let lines = match parse(text, &Known { group_of: &cards, access: &access() }) {
        Ok(cases) => cases.iter().map(|case| (case.line, format!("{:?}", case.expect.verdict))).collect::<Vec<_>>(),
        Err(wrong) if wrong.is_empty() => return Err("refused without a word".to_owned()),
        Err(wrong) => wrong
            .into_iter()
            .map(|wrong| (wrong.line, wrong.message.chars().filter(char::is_ascii_lowercase).take(16).collect()))
            .collect(),
    };
    if let Some((line, _)) = lines.iter().find(|(line, _)| !(1..=n_lines).contains(line)) {
        return Err(format!("line {line} of {n_lines}"));
    }
    Ok(seen((lines.len().min(4), lines.into_iter().map(|(_, what)| what).next())))
}

#[test]
fn cases_hold_under_mutated_inputs() {
    let seconds = std::env::var("PORTCULLIS_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    fuzz::smoke(&CASES, 3000, seconds).unwrap_or_else(|failure| panic!("{failure}"));
}
