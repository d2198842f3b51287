//! A proposal of what operators say of an approved tool: its effects, what its arguments decide, how far its results can be trusted.
//!
//! Everything that it is guessed from is the server's own word, and each guess says from which. A server's hints about itself are
//! suggestions: they add, and are told apart.

use std::collections::BTreeMap;

use model::{Sink, ToolEffect};
use text::{Document, Kind, NodeId};

use crate::definition::Definition;
use crate::propose::{Reason, is_one_of, reasons, words};

/// Longest description that is looked at for words, in bytes.
const MAX_DESCRIPTION: usize = 2048;

/// What is proposed for one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its effects, and why.
    pub effects: BTreeMap<ToolEffect, Reason>,
    /// What its arguments decide, and why. The names are the server's.
    pub sinks: BTreeMap<String, (Sink, String)>,
    /// Fields of its results in which anybody may write what they like, where a schema of results names fields.
    pub free: Vec<String>,
    /// Fields in which somebody stands by a name or number, likewise.
    pub ident: Vec<String>,
}

/// Words of a name or a description, in the order in which they are looked for.
struct Clue {
    decides: Sink,
    words: &'static [&'static str],
    /// Whether a description that holds one of them says as much as a name.
    counts_in_description: bool,
}

const CLUES: [Clue; 6] = [
    Clue {
        decides: Sink::Credential,
        words: &["password", "passwd", "passphrase", "secret", "credential", "apikey", "pin", "otp"],
        counts_in_description: true,
    },
    Clue {
        decides: Sink::Payee,
        words: &["payee", "iban", "bic", "beneficiary", "creditor", "account", "wallet"],
        counts_in_description: true,
    },
    Clue {
        decides: Sink::Destination,
        words: &[
            "to",
            "cc",
            "bcc",
            "recipient",
            "receiver",
            "email",
            "mail",
            "phone",
            "channel",
            "webhook",
            "callback",
            "host",
            "hostname",
            "endpoint",
            "destination",
            "invitee",
            "participant",
            "attendee",
            "member",
            "assignee",
            "reviewer",
        ],
        counts_in_description: false,
    },
    Clue { decides: Sink::Fetch, words: &["url", "uri", "link", "href", "website"], counts_in_description: false },
    Clue {
        decides: Sink::Target,
        words: &[
            "id",
            "path",
            "file",
            "filename",
            "folder",
            "directory",
            "target",
            "table",
            "repository",
            "repo",
            "branch",
            "issue",
            "record",
            "key",
            "command",
            "cmd",
            "script",
            "code",
            "query",
            "sql",
        ],
        counts_in_description: false,
    },
    Clue {
        decides: Sink::Content,
        words: &["body", "text", "message", "content", "subject", "comment", "html", "markdown", "description", "title"],
        counts_in_description: false,
    },
];
/// Words of a description that say where something goes.
const DESTINATIONS: [&str; 3] = ["recipient", "receiver", "webhook"];
/// Words of fields in which people write.
const FREE: [&str; 14] = [
    "body",
    "text",
    "message",
    "content",
    "subject",
    "comment",
    "html",
    "markdown",
    "description",
    "title",
    "summary",
    "note",
    "snippet",
    "question",
];
/// Words of fields by which somebody or something stands.
const IDENT: [&str; 13] =
    ["id", "name", "email", "sender", "from", "to", "author", "user", "owner", "login", "number", "uuid", "phone"];

/// What is proposed for a tool, from what its server says of it.
#[must_use]
pub fn annotate(definition: &Definition) -> Annotation {
    let mut effects = BTreeMap::new();
    for reason in reasons(definition) {
        effects.entry(reason.effect).or_insert(reason);
    }
    let document = definition.document();
    let (mut sinks, mut free, mut ident) = (BTreeMap::new(), Vec::new(), Vec::new());
    if let Some(document) = &document {
        let has = |effect: ToolEffect| effects.contains_key(&effect);
        let changes = has(ToolEffect::Write) || has(ToolEffect::Destructive) || has(ToolEffect::Egress);
        for (name, property) in properties(document, "inputSchema") {
            if let Some(found) = sink(document, &name, property, changes) {
                sinks.insert(name, found);
            }
        }
        for (name, property) in properties(document, "outputSchema") {
            let words = words(&name);
            let is = |list: &[&str]| words.iter().any(|word| is_one_of(word, list));
            if is(&FREE) && may_be(document, property, "string") {
                free.push(name);
            } else if is(&IDENT) {
                ident.push(name);
            }
        }
    }
    Annotation { effects, sinks, free, ident }
}

fn properties(document: &Document<'_>, schema: &str) -> Vec<(String, NodeId)> {
    let properties = document.get(document.root(), schema).and_then(|schema| document.get(schema, "properties"));
    let members = properties.into_iter().flat_map(|properties| document.children(properties));
    members.filter_map(|member| Some((document.key(member)?.into_owned(), member))).collect()
}

/// Whether values of this type fit: a schema that says no type takes them all.
fn may_be(document: &Document<'_>, property: NodeId, kind: &str) -> bool {
    let is_named = |node: NodeId| document.text(node).as_deref() == Some(kind);
    match document.get(property, "type") {
        None => true,
        Some(told) if document.kind(told) == Kind::Array => document.children(told).any(is_named),
        Some(told) => is_named(told),
    }
}

/// What one argument decides; none for one that nothing is known of. `changes`: the tool does more than read.
fn sink(document: &Document<'_>, name: &str, property: NodeId, changes: bool) -> Option<(Sink, String)> {
    let is_text = may_be(document, property, "string") || may_be(document, property, "array");
    let is_number = may_be(document, property, "integer") || may_be(document, property, "number");
    let read = |key: &str| document.get(property, key).and_then(|value| document.text(value));
    let format = read("format");
    let own = words(name);
    let (mut decides, because) = match format.as_deref() {
        Some(format @ ("email" | "idn-email" | "hostname" | "idn-hostname")) => {
            (Sink::Destination, format!("its format is `{format}`"))
        }
        Some(format @ ("uri" | "url" | "uri-reference" | "iri")) => (Sink::Fetch, format!("its format is `{format}`")),
        Some("password") => (Sink::Credential, "its format is `password`".to_owned()),
        _ => named(&own).or_else(|| described(&read("description")?))?,
    };
    // What is no text names nobody; numbers and ids do.
    let is_of_type = match decides {
        Sink::Payee | Sink::Target => is_text || is_number,
        _ => is_text,
    };
    // What leads to the next page opens nothing.
    let is_paging = own.iter().any(|word| matches!(word.as_str(), "page" | "next" | "cursor" | "sort" | "order" | "limit"));
    if decides == Sink::Fetch && changes {
        decides = Sink::Destination;
    }
    let concerns = changes || !matches!(decides, Sink::Target | Sink::Content);
    (is_of_type && !is_paging && concerns).then_some((decides, because))
}

fn named(own: &[String]) -> Option<(Sink, String)> {
    let pair = own
        .windows(2)
        .any(|pair| matches!(pair, [one, key] if key == "key" && matches!(one.as_str(), "api" | "private" | "access")));
    let token = own.iter().any(|word| is_one_of(word, &["token"]));
    if pair || token {
        return Some((Sink::Credential, "its name is that of a key or token".to_owned()));
    }
    let found = |clue: &Clue| Some((clue.decides, own.iter().find(|word| is_one_of(word, clue.words))?.clone()));
    let (decides, word) = CLUES.iter().find_map(found)?;
    Some((decides, format!("its name holds `{word}`")))
}

fn described(description: &str) -> Option<(Sink, String)> {
    let front: String = description.chars().take(MAX_DESCRIPTION).collect();
    let said = words(&front);
    let clues = CLUES.iter().filter(|clue| clue.counts_in_description).map(|clue| (clue.decides, clue.words));
    let mut clues = clues.chain([(Sink::Destination, DESTINATIONS.as_slice())]);
    let (decides, word) = clues.find_map(|(decides, list)| Some((decides, said.iter().find(|word| is_one_of(word, list))?)))?;
    Some((decides, format!("its description speaks of `{word}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use text::{Document, Limits};

    use super::{Annotation, annotate};
    use crate::definition::Definition;

    fn of(name: &str, more: &Value) -> Annotation {
        let mut said = json!({"name": name, "inputSchema": {"type": "object"}});
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = said.to_string();
        let document = Document::parse(said.as_bytes(), &Limits::default()).unwrap();
        annotate(&Definition::read(&document, document.root()).unwrap())
    }

    fn sink(tool: &str, argument: &str, schema: &Value) -> String {
        let more = json!({"inputSchema": {"type": "object", "properties": {argument: schema}}});
        let found = of(tool, &more).sinks;
        found.get(argument).map_or_else(|| "-".to_owned(), |(decides, because)| format!("{}: {because}", decides.as_str()))
    }

    #[test]
    fn arguments_decide_by_name_type_format_and_description() {
        let text = json!({"type": "string"});
        let facts = [
            ("send_mail", "to", text.clone(), "destination: its name holds `to`"),
            ("send_mail", "recipients", json!({"type": "array"}), "destination: its name holds `recipients`"),
            ("send_mail", "body", text.clone(), "content: its name holds `body`"),
            ("send_mail", "x", json!({"format": "email"}), "destination: its format is `email`"),
            (
                "send_mail",
                "x",
                json!({"description": "Who: the recipient."}),
                "destination: its description speaks of `recipient`",
            ),
            ("pay", "iban", text.clone(), "payee: its name holds `iban`"),
            ("pay", "accountNumber", json!({"type": "integer"}), "payee: its name holds `account`"),
            ("login", "password", text.clone(), "credential: its name holds `password`"),
            ("login", "api_key", text.clone(), "credential: its name is that of a key or token"),
            ("list_files", "page_token", text.clone(), "-"),
            ("read_page", "url", text.clone(), "fetch: its name holds `url`"),
            ("post_hook", "url", text.clone(), "destination: its name holds `url`"),
            ("delete_file", "path", text.clone(), "target: its name holds `path`"),
            ("read_file", "path", text, "-"),
            ("delete_item", "id", json!({"type": ["integer", "null"]}), "target: its name holds `id`"),
            ("send_mail", "to", json!({"type": "boolean"}), "-"),
            ("send_mail", "quantity", json!({"type": "integer"}), "-"),
            ("send_mail", "title", json!({"type": "number"}), "-"),
        ];
        for (tool, argument, schema, expected) in facts {
            assert_eq!(sink(tool, argument, &schema), expected, "{tool} {argument} {schema}");
        }
    }

    #[test]
    fn a_hint_is_told_apart_and_only_adds() {
        let found = of("frobnicate", &json!({"annotations": {"readOnlyHint": true, "openWorldHint": true}}));
        let told: Vec<_> = found.effects.values().map(|reason| (reason.effect.as_str(), reason.is_hint)).collect();
        assert_eq!(told, [("read", true), ("write", false), ("egress", true)]);
        let found = of("delete_all", &json!({"annotations": {"readOnlyHint": true, "destructiveHint": false}}));
        assert!(found.effects.values().any(|reason| reason.effect.as_str() == "destructive" && !reason.is_hint));
    }

    #[test]
    fn fields_of_results_are_free_or_stand_for_somebody() {
        let fields =
            json!({"subject": {"type": "string"}, "sender": {}, "total": {"type": "integer"}, "title": {"type": "integer"}});
        let found = of("read_mail", &json!({"outputSchema": {"type": "object", "properties": fields}}));
        assert_eq!((found.free, found.ident), (vec!["subject".to_owned()], vec!["sender".to_owned()]));
    }
}
