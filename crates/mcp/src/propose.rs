//! A first proposal of what an operator says of a tool, to be looked at: how far it reaches, whether what it gives is trusted,
//! which arguments are sinks.
//!
//! From names, types and hints, each of which is the server's own word: so a hint only ever adds an effect, and what nothing is
//! known of is proposed as the worst that is usual.

use std::collections::BTreeSet;

use model::ToolEffect;
use text::{Document, Kind, NodeId};

use crate::definition::Definition;

/// What is proposed of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// How far it reaches.
    pub effects: BTreeSet<ToolEffect>,
    /// Arguments that decide where something goes or what is run, by name, sorted.
    pub sinks: Vec<String>,
    /// Whether what it gives may come from anybody: always, unless an operator knows better.
    pub is_output_untrusted: bool,
    /// Why, one line each, for people.
    pub because: Vec<String>,
}

/// Why an effect is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The effect.
    pub effect: ToolEffect,
    /// For people.
    pub why: String,
    /// Whether it is what the server says of itself: a suggestion.
    pub is_hint: bool,
}

/// Words of names and what they mean.
const VERBS: [(ToolEffect, &[&str]); 5] = [
    (
        ToolEffect::Read,
        &[
            "get", "list", "read", "search", "find", "query", "describe", "show", "lookup", "count", "check", "view", "stat",
            "diff", "log", "status", "tree", "info", "head", "tail", "grep", "echo", "fetch", "download", "convert", "compare",
            "validate",
        ],
    ),
    (
        ToolEffect::Write,
        &[
            "create", "update", "set", "write", "add", "edit", "insert", "put", "patch", "move", "rename", "copy", "save",
            "commit", "merge", "apply", "append", "assign", "close", "open", "start", "stop", "book", "order", "schedule",
            "approve", "enable", "disable", "init", "checkout", "reset", "store", "register", "upsert", "run", "execute", "exec",
            "deploy", "restart",
        ],
    ),
    (
        ToolEffect::Destructive,
        &[
            "delete",
            "remove",
            "drop",
            "destroy",
            "purge",
            "truncate",
            "wipe",
            "erase",
            "kill",
            "terminate",
            "revoke",
            "cancel",
            "uninstall",
            "format",
            "overwrite",
            "reset",
            "force",
            "exec",
            "execute",
            "run",
            "shell",
        ],
    ),
    (
        ToolEffect::Egress,
        &[
            "send", "post", "email", "mail", "upload", "publish", "share", "notify", "webhook", "push", "forward", "reply",
            "tweet", "message", "call", "pay", "transfer", "fetch", "http", "request", "browse", "navigate", "invite", "export",
            "exec", "execute", "run", "shell",
        ],
    ),
    (ToolEffect::Credential, &["token", "secret", "password", "credential", "key", "login", "auth", "oauth"]),
];

/// Words of arguments that say where something goes, or what is run.
const SINKS: [&str; 33] = [
    "to",
    "cc",
    "bcc",
    "recipient",
    "recipients",
    "email",
    "address",
    "url",
    "uri",
    "host",
    "hostname",
    "endpoint",
    "webhook",
    "callback",
    "channel",
    "destination",
    "target",
    "path",
    "file",
    "filename",
    "directory",
    "command",
    "cmd",
    "script",
    "code",
    "query",
    "sql",
    "amount",
    "account",
    "iban",
    "payee",
    "repository",
    "branch",
];

/// What is proposed for a tool, from what its server says of it.
#[must_use]
pub fn propose(definition: &Definition) -> Proposal {
    let reasons = reasons(definition);
    let document = definition.document();
    let schema = document.as_ref().and_then(|document| Some((document, document.get(document.root(), "inputSchema")?)));
    let sinks = schema.map_or_else(BTreeSet::new, |(document, schema)| sinks_of(document, schema));
    Proposal {
        effects: reasons.iter().map(|reason| reason.effect).collect(),
        sinks: sinks.into_iter().collect(),
        is_output_untrusted: true,
        because: reasons.iter().map(|reason| format!("{}: {}", reason.effect.as_str(), reason.why)).collect(),
    }
}

/// Each effect once, and why.
pub(crate) fn reasons(definition: &Definition) -> Vec<Reason> {
    let words = words(definition.name());
    let mut reasons = Vec::new();
    for (effect, verbs) in &VERBS {
        if let Some(word) = words.iter().find(|word| is_one_of(word, verbs)) {
            reasons.push(Reason { effect: *effect, why: format!("the name holds `{word}`"), is_hint: false });
        }
    }
    // Before the hints: that a server calls itself harmless makes nothing known of it.
    if reasons.is_empty() {
        let why = "nothing in its name says what it does".to_owned();
        reasons.push(Reason { effect: ToolEffect::Write, why, is_hint: false });
    }
    if let Some(document) = &definition.document() {
        hints(document, &mut reasons);
    }
    reasons
}

/// Hints add effects and take none: a server that calls itself harmless may be wrong, or lie.
fn hints(document: &Document<'_>, reasons: &mut Vec<Reason>) {
    let hints = document.get(document.root(), "annotations");
    let hint = |name: &str| hints.and_then(|hints| document.get(hints, name)).map(|hint| document.kind(hint));
    for (name, value, effect) in [
        ("destructiveHint", Kind::True, ToolEffect::Destructive),
        ("openWorldHint", Kind::True, ToolEffect::Egress),
        ("readOnlyHint", Kind::False, ToolEffect::Write),
        ("readOnlyHint", Kind::True, ToolEffect::Read),
    ] {
        if hint(name) == Some(value) && reasons.iter().all(|reason| reason.effect != effect) {
            let why = format!("the server says `{name}: {}`", value == Kind::True);
            reasons.push(Reason { effect, why, is_hint: true });
        }
    }
}

/// The properties, at any depth, that say where something goes or what is run: by their own names.
fn sinks_of(document: &Document<'_>, schema: NodeId) -> BTreeSet<String> {
    let mut sinks = BTreeSet::new();
    let mut todo = vec![schema];
    while let Some(schema) = todo.pop() {
        for member in document.children(schema) {
            if document.key(member).as_deref() == Some("properties") {
                let found = document.children(member).filter(|property| is_sink(document, *property));
                sinks.extend(found.map(|property| shown(&document.key(property).unwrap_or_default())));
                todo.extend(document.children(member));
            } else {
                todo.push(member);
            }
        }
    }
    sinks
}

/// A name for people: what could not be printed is escaped.
fn shown(name: &str) -> String {
    let escaped = name.chars().take(100).flat_map(|letter| {
        let is_plain = letter.is_alphanumeric() || letter.is_ascii_graphic() || letter == ' ';
        if is_plain { letter.to_string() } else { letter.escape_default().to_string() }.chars().collect::<Vec<_>>()
    });
    escaped.collect()
}

fn is_sink(document: &Document<'_>, property: NodeId) -> bool {
    let format = document.get(property, "format").and_then(|format| document.text(format));
    matches!(format.as_deref(), Some("email" | "uri" | "url" | "hostname" | "uri-reference"))
        || words(&document.key(property).unwrap_or_default()).iter().any(|word| is_one_of(word, &SINKS))
}

/// Whether a word is in a list, or is the plural of one that is.
pub(crate) fn is_one_of(word: &str, list: &[&str]) -> bool {
    let singular = word.strip_suffix('s').unwrap_or(word);
    list.contains(&word) || list.contains(&singular)
}

/// The words of a name: `sendMail`, `send_mail` and `mail.send-now` have them alike, in small letters.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::<String>::new();
    let mut was_small = false;
    for letter in name.chars() {
        let is_new = !letter.is_alphanumeric() || (letter.is_uppercase() && was_small);
        was_small = letter.is_lowercase() || letter.is_ascii_digit();
        if is_new || words.is_empty() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use model::ToolEffect;
    use serde_json::{Value, json};
    use text::{Document, Limits};

    use super::{Proposal, propose, words};
    use crate::definition::Definition;

    fn of(name: &str, annotations: &Value, properties: &Value) -> Proposal {
        let said = json!({"name": name, "annotations": annotations, "inputSchema": {"type": "object", "properties": properties}});
        let said = said.to_string();
        let document = Document::parse(said.as_bytes(), &Limits::default()).unwrap();
        propose(&Definition::read(&document, document.root()).unwrap())
    }

    fn effects(name: &str, annotations: &Value) -> String {
        let words: Vec<_> = of(name, annotations, &json!({})).effects.iter().map(|effect| effect.as_str()).collect();
        words.join(" ")
    }

    #[test]
    fn names_say_what_is_done() {
        let none = json!({});
        for (name, expected) in [
            ("read_file", "read"),
            ("write_file", "write"),
            ("deleteIssue", "destructive"),
            ("mail.send-now", "egress"),
            ("list-tokens", "read credential"),
            ("read_passwords", "read credential"),
            ("get_token", "read credential"),
            ("frobnicate", "write"),
            ("shell", "egress destructive"),
        ] {
            let found = effects(name, &none);
            assert!(expected.split(' ').all(|effect| found.split(' ').any(|other| other == effect)), "{name}: {found}");
        }
        assert!(of("read_file", &none, &none).is_output_untrusted);
    }

    #[test]
    fn hints_only_add() {
        assert!(effects("delete_all", &json!({"readOnlyHint": true, "destructiveHint": false})).contains("destructive"));
        assert_eq!(effects("read", &json!({"destructiveHint": true})), "read destructive");
        assert!(effects("frobnicate", &json!({"readOnlyHint": false, "openWorldHint": true})).contains("egress"));
        assert_eq!(effects("frobnicate", &json!({"readOnlyHint": true})), "read write");
        assert!(effects("web_search", &json!({"readOnlyHint": true, "openWorldHint": true})).contains("egress"));
        assert_eq!(effects("frobnicate", &json!({"readOnlyHint": "true"})), "write", "no hint");
    }

    #[test]
    fn sinks_are_where_something_goes() {
        let properties = json!({"to": {}, "replyTo": {}, "body": {}, "link": {"format": "uri"}, "dry_run": {}, "total": {}});
        assert_eq!(of("send", &json!({}), &properties).sinks, ["link", "replyTo", "to"]);
        let nested = json!({"message": {"properties": {"to": {}}}, "all": {"items": {"properties": {"urls": {}}}}, "x": {"anyOf": [{"properties": {"cc": {}}}]}, "a\nurl": {}});
        assert_eq!(of("send", &json!({}), &nested).sinks, ["a\\nurl", "cc", "to", "urls"]);
        assert!(of("send", &json!({}), &json!({})).effects.contains(&ToolEffect::Egress));
    }

    #[test]
    fn names_have_words() {
        for (name, expected) in [
            ("sendMail", "send mail"),
            ("mail.send-now", "mail send now"),
            ("HTTPGet", "httpget"),
            ("get2FACode", "get2 facode"),
            ("_a__b_", "a b"),
        ] {
            assert_eq!(words(name).join(" "), expected);
        }
    }
}
