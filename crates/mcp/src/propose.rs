//! A first proposal of what an operator says of a tool, to be looked at: how far it reaches, whether what it gives is trusted,
//! which arguments are sinks.
//!
//! From names, types and hints, each of which is the server's own word: so a hint only ever adds an effect, and what nothing is
//! known of is proposed as the worst that is usual.

use std::collections::BTreeSet;

use model::ToolEffect;
use serde_json::{Map, Value};

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
    (
        ToolEffect::Credential,
        &["token", "secret", "password", "credential", "credentials", "key", "keys", "login", "auth", "oauth"],
    ),
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
    let words = words(definition.name());
    let mut effects = BTreeSet::new();
    let mut because = Vec::new();
    for (effect, verbs) in &VERBS {
        if let Some(word) = words.iter().find(|word| verbs.contains(&word.as_str())) {
            effects.insert(*effect);
            because.push(format!("{}: the name holds `{word}`", effect.as_str()));
        }
    }
    hints(definition.hints(), &mut effects, &mut because);
    if effects.is_empty() {
        effects.insert(ToolEffect::Write);
        because.push("write: nothing in its name or hints says what it does".to_owned());
    }
    let properties = definition.input_schema().and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let mut sinks: Vec<String> =
        properties.into_iter().flatten().filter(|(name, schema)| is_sink(name, schema)).map(|(name, _)| name.clone()).collect();
    sinks.sort();
    Proposal { effects, sinks, is_output_untrusted: true, because }
}

/// Hints add effects and take none: a server that calls itself harmless may be wrong, or lie.
fn hints(hints: Option<&Map<String, Value>>, effects: &mut BTreeSet<ToolEffect>, because: &mut Vec<String>) {
    let says = |hint: &str, value: bool| hints.and_then(|hints| hints.get(hint)).and_then(Value::as_bool) == Some(value);
    let mut add = |effect: ToolEffect, why: &str| {
        if effects.insert(effect) {
            because.push(format!("{}: the server says {why}", effect.as_str()));
        }
    };
    if says("destructiveHint", true) && !says("readOnlyHint", true) {
        add(ToolEffect::Destructive, "`destructiveHint: true`");
    }
    if says("openWorldHint", true) && !says("readOnlyHint", true) {
        add(ToolEffect::Egress, "`openWorldHint: true`");
    }
    if says("readOnlyHint", false) {
        add(ToolEffect::Write, "`readOnlyHint: false`");
    }
    if says("readOnlyHint", true) {
        add(ToolEffect::Read, "`readOnlyHint: true`");
    }
}

fn is_sink(name: &str, schema: &Value) -> bool {
    let format = schema.get("format").and_then(Value::as_str);
    matches!(format, Some("email" | "uri" | "url" | "hostname" | "uri-reference"))
        || words(name).iter().any(|word| SINKS.contains(&word.as_str()))
}

/// The words of a name: `sendMail`, `send_mail` and `mail.send-now` have them alike, in small letters.
fn words(name: &str) -> Vec<String> {
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

    use super::{Proposal, propose, words};
    use crate::definition::Definition;

    fn of(name: &str, annotations: &Value, properties: &Value) -> Proposal {
        let said = json!({"name": name, "annotations": annotations, "inputSchema": {"type": "object", "properties": properties}});
        propose(&Definition::read(said).unwrap())
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
            ("list-tokens", "read"),
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
        assert_eq!(effects("frobnicate", &json!({"readOnlyHint": true})), "read");
        assert_eq!(effects("frobnicate", &json!({"readOnlyHint": "true"})), "write", "no hint");
    }

    #[test]
    fn sinks_are_where_something_goes() {
        let properties = json!({"to": {}, "replyTo": {}, "body": {}, "link": {"format": "uri"}, "dry_run": {}, "total": {}});
        assert_eq!(of("send", &json!({}), &properties).sinks, ["link", "replyTo", "to"]);
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
