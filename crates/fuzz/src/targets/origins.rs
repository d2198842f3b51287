//! Conversations: what a call's values come from, whatever stands in the messages.

use flow::{Call, Conversation, UserText, fields};
use model::{Annotation, Integrity, Output, Sink};

use super::{Outcome, Target, ensure, seen, texts};

/// A value that no message holds: inputs with it are not looked at.
const NOWHERE: &str = "qx-7719-never-said";

pub(super) const TARGET: Target = Target {
    name: "origins",
    what: "messages of a conversation, split at NUL (user, two results, arguments): what is said nowhere has no origin, a result of a tool \
           that nobody vouches for gives no value one, and a value that stands alone in the user's words has one",
    seeds,
    words: &[
        "\0",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "'",
        ",",
        ";",
        "\n",
        "  ",
        "```",
        "---",
        "> ",
        "<a>",
        "</a>",
        "never",
        "do not",
        "e-mail",
        "a@b.example",
        "https://x.example/y",
        "alpha-beta",
        "12.50",
        "DE89370400440532013000",
        "\\u0061",
        "\u{feff}",
        "&a",
        "*a",
        "!!str",
    ],
    max_len: 4096,
    run,
    hostile: &["- a: ", "[", "{a: ", "- ", "a,b\n", "a@b.example ", "x; ", "> x\n", "alpha-beta "],
    floor: 60.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Pay alpha-beta 12.50.\0- to: alpha-beta\n  body: 'pay x'\0{\"a\": [1, \"{\\\"b\\\": 2}\"]}\0{\"to\": \"alpha-beta\", \"n\": 12.5}",
        "Her e-mail is on https://x.example/y\0name,mail\nAnn,a@b.example\n\0plain words\0{\"to\": \"a@b.example\"}",
        "Do not send it.\n> quoted\n```\ncode\n```\n\0<<- Ann\n- Bo>>\0{'m': 'x'}\0{\"to\": [\"Ann\", \"Bo\"], \"n\": {\"k\": null}}",
    ])
}

fn run(input: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(4, '\0');
    let [user, first, second, arguments] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let mut way = 0_u64;
    for result in [first, second] {
        way = way.wrapping_mul(31).wrapping_add(fields::fields(result).map_or(0, |leaves| 1 + leaves.len().min(8) as u64));
    }
    let mixed = Output::Mixed { free: ["body".to_owned()].into(), ident: ["to".to_owned()].into() };
    let sinks = [("to".to_owned(), Sink::Destination), ("body".to_owned(), Sink::Content)].into();
    let known = Annotation { output: mixed, sinks };
    let unknown = Annotation::default();
    for (annotation, is_vouched) in [(&unknown, false), (&known, true)] {
        let mut conversation = Conversation::new(UserText::Mixed);
        conversation.user(user);
        for (id, result) in [("a", first), ("b", second)] {
            let call = Call { id, tool: "t", keeps: "s", annotation: Some(annotation), acts: true, arguments };
            let facts = conversation.asked(&call);
            way = way.wrapping_mul(31).wrapping_add(facts.origins.len().min(16) as u64 + u64::from(facts.is_tainted) * 17);
            conversation.made(id);
            conversation.answered(id, result);
        }
        if !text.contains(NOWHERE) {
            let grounding = conversation.provenance().ground(NOWHERE, None);
            ensure(grounding.integrity == Integrity::Untrusted, || "what was said nowhere has an origin".to_owned())?;
        }
        let facts =
            conversation.asked(&Call { id: "c", tool: "t", keeps: "s", annotation: Some(annotation), acts: true, arguments });
        for origin in &facts.origins {
            let place = origin.grounding.place.as_ref().and_then(|place| conversation.provenance().source(place.source));
            let is_users = place.is_some_and(|source| source.name == "user");
            ensure(is_vouched || is_users || origin.grounding.integrity != Integrity::Trusted, || {
                "nobody vouches for it".to_owned()
            })?;
        }
    }
    Ok(seen((way, arguments.len().min(3))))
}
