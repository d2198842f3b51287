//! What differs between two definitions, member by member.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mcp::Definition;
use serde_json::{Value, json};
use text::{Document, Kind, NodeId};

use super::shown::{grouped, name, plain};

/// Longest value that is shown, in characters.
const MAX_VALUE: usize = 400;
/// How much of what two values have alike is shown before they differ.
const LEAD: usize = 40;
/// What two values may have alike before it is left out.
const ALIKE: usize = 80;

/// A member that one of two definitions has otherwise, or has alone. Values are canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// JSON Pointer.
    pub(super) at: String,
    /// What was approved.
    pub(super) old: Option<String>,
    /// What is said now.
    pub(super) new: Option<String>,
}

/// The two texts of one definition, as they are walked.
struct Pair<'d> {
    old: &'d Document<'d>,
    new: &'d Document<'d>,
}

/// What differs, in the order of keys. None if the definitions are the same.
pub(super) fn changes(old: &Definition, new: &Definition) -> Vec<Change> {
    let (Some(old), Some(new)) = (old.document(), new.document()) else { return Vec::new() };
    between(&old, &new)
}

/// What differs between two canonical texts, likewise.
pub(super) fn between(old: &Document<'_>, new: &Document<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    Pair { old, new }.compare(old.root(), new.root(), &mut changes);
    changes
}

impl Pair<'_> {
    /// As deep as a definition may be: 32 levels.
    fn compare(&self, old: NodeId, new: NodeId, changes: &mut Vec<Change>) {
        // Canonical: what means the same is written alike.
        if self.old.lexeme(old) == self.new.lexeme(new) {
            return;
        }
        match (self.old.kind(old), self.new.kind(new)) {
            (Kind::Object, Kind::Object) => {
                let mut members = BTreeMap::<Cow<'_, str>, (Option<NodeId>, Option<NodeId>)>::new();
                for member in self.old.children(old) {
                    members.entry(self.old.key(member).unwrap_or_default()).or_default().0 = Some(member);
                }
                for member in self.new.children(new) {
                    members.entry(self.new.key(member).unwrap_or_default()).or_default().1 = Some(member);
                }
                members.into_values().for_each(|(old, new)| self.member(old, new, changes));
            }
            (Kind::Array, Kind::Array) => {
                let (mut olds, mut news) = (self.old.children(old), self.new.children(new));
                loop {
                    match (olds.next(), news.next()) {
                        (None, None) => break,
                        (old, new) => self.member(old, new, changes),
                    }
                }
            }
            _ => changes.push(self.change(Some(old), Some(new))),
        }
    }

    fn member(&self, old: Option<NodeId>, new: Option<NodeId>, changes: &mut Vec<Change>) {
        match (old, new) {
            (Some(old), Some(new)) => self.compare(old, new, changes),
            (old, new) => changes.push(self.change(old, new)),
        }
    }

    fn change(&self, old: Option<NodeId>, new: Option<NodeId>) -> Change {
        let at = old.map(|old| self.old.pointer(old)).or_else(|| new.map(|new| self.new.pointer(new)));
        Change {
            at: at.unwrap_or_default(),
            old: old.map(|old| self.old.lexeme(old).to_owned()),
            new: new.map(|new| self.new.lexeme(new).to_owned()),
        }
    }
}

impl Change {
    /// The change for people: the place, what was, what is. Plain ASCII but for marks of ours.
    pub(super) fn lines(&self) -> Vec<String> {
        let (old, new) = (self.old.as_deref(), self.new.as_deref());
        let (front, back) = match (old, new) {
            (Some(old), Some(new)) => alike(old, new),
            _ => (0, 0),
        };
        let mut lines = vec![format!("    {}", name(&self.at))];
        lines.extend(old.map(|value| format!("      - {}", excerpt(value, front, back))));
        lines.extend(new.map(|value| format!("      + {}", excerpt(value, front, back))));
        lines
    }

    /// The change as a document, whole.
    pub(super) fn document(&self) -> Value {
        let value = |json: &String| serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.clone()));
        json!({"at": self.at, "old": self.old.as_ref().map(value), "new": self.new.as_ref().map(value)})
    }
}

/// How many characters two texts have alike in front and at the back, the same ones not counted twice.
fn alike(old: &str, new: &str) -> (usize, usize) {
    let front = old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count();
    let rest = |text: &str| text.chars().count().saturating_sub(front);
    let most = rest(old).min(rest(new));
    let back = old.chars().rev().zip(new.chars().rev()).take(most).take_while(|(old, new)| old == new).count();
    (front, back)
}

/// What differs of a long value, with a little of what stands around it, and marks that say what is left out.
fn excerpt(value: &str, front: usize, back: usize) -> String {
    let n_characters = value.chars().count();
    let skipped = if front > ALIKE { front.saturating_sub(LEAD) } else { 0 };
    let dropped = if back > ALIKE { back.saturating_sub(LEAD) } else { 0 };
    let wanted = n_characters.saturating_sub(skipped).saturating_sub(dropped);
    let part: String = value.chars().skip(skipped).take(wanted.min(MAX_VALUE)).collect();
    let before = if skipped > 0 { format!("[{} characters alike] …", grouped(skipped)) } else { String::new() };
    let behind = match (wanted > MAX_VALUE, dropped > 0) {
        (true, _) => format!("… [cut: {} characters in all]", grouped(n_characters)),
        (false, true) => format!("… [{} characters alike]", grouped(dropped)),
        (false, false) => String::new(),
    };
    format!("{before}{}{behind}", plain(&part))
}

#[cfg(test)]
mod tests {
    use mcp::Definition;
    use serde_json::{Value, json};
    use text::{Document, Limits};

    use super::{Change, changes};

    fn definition(members: &Value) -> Definition {
        let mut tool = json!({"name": "send", "inputSchema": {"type": "object"}});
        tool.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let said = tool.to_string();
        let document = Document::parse(said.as_bytes(), &Limits::default()).unwrap();
        Definition::read(&document, document.root()).unwrap()
    }

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let changes = changes(&definition(old), &definition(new));
        changes.iter().flat_map(Change::lines).map(|line| line.trim_start().to_owned()).collect()
    }

    #[test]
    fn changes_have_places_and_both_values() {
        let schema = |properties: Value| json!({"inputSchema": {"properties": properties}});
        let facts = [
            (json!({"description": "a"}), json!({"description": "a"}), vec![]),
            (json!({"description": "a"}), json!({"description": "b"}), vec!["/description", r#"- "a""#, r#"+ "b""#]),
            (json!({}), json!({"title": "T"}), vec!["/title", r#"+ "T""#]),
            (json!({"title": "T"}), json!({}), vec!["/title", r#"- "T""#]),
            (
                schema(json!({"a": {"type": "string"}, "c": {}})),
                schema(json!({"a": {"type": "integer"}, "b/~": {}})),
                vec![
                    "/inputSchema/properties/a/type",
                    r#"- "string""#,
                    r#"+ "integer""#,
                    "/inputSchema/properties/b~1~0",
                    "+ {}",
                    "/inputSchema/properties/c",
                    "- {}",
                ],
            ),
            (json!({"_meta": [1, 2, 3]}), json!({"_meta": [1, 4]}), vec!["/_meta/1", "- 2", "+ 4", "/_meta/2", "- 3"]),
            (json!({"_meta": 1}), json!({"_meta": 1.5}), vec!["/_meta", "- 1", "+ 1.5"]),
            (json!({"_meta": {}}), json!({"_meta": []}), vec!["/_meta", "- {}", "+ []"]),
        ];
        for (old, new, expected) in facts {
            assert_eq!(told(&old, &new), expected, "{old} {new}");
        }
    }

    #[test]
    fn nothing_hides() {
        let facts = [
            ("Sends.\u{200b}", "Sends.\\u{200b}"),
            ("Sends.\u{e0041}", "Sends.\\u{e0041}"),
            ("S\u{435}nds.", "S\\u{435}nds."),
            ("\u{1b}[2J\u{7}Sends.\u{85}", "\\u001b[2J\\u0007Sends.\\u{85}"),
            ("Sends.  \u{a0}", "Sends. \\u{20}\\u{a0}"),
            ("\\u{200b}", "\\\\u{200b}"),
            ("a\nb", "a\\nb"),
        ];
        for (now, expected) in facts {
            let lines = told(&json!({"description": "Sends."}), &json!({"description": now}));
            assert_eq!(lines.last().unwrap(), &format!("+ \"{expected}\""), "{now:?}");
        }
        let key = told(&json!({}), &json!({"\u{1b}]0;x\u{202e}": 1}));
        assert_eq!(key, ["/\\u{1b}]0;x\\u{202e}", "+ 1"]);
    }

    #[test]
    fn the_difference_in_a_long_value_is_shown_and_what_is_left_out_is_counted() {
        let long = "word ".repeat(200);
        let description = |text: String| json!({"description": text});
        let lines = told(&description(format!("{long}end. {long}")), &description(format!("{long}end, then `send`. {long}")));
        assert!(lines[1].starts_with("- [964 characters alike] …") && lines[1].contains("end. word"), "{lines:?}");
        assert!(lines[2].contains("end, then `send`. word") && lines[2].ends_with("characters alike]"), "{lines:?}");
        let lines = told(&description("a".to_owned()), &description(format!("b{}", "x".repeat(5000))));
        assert_eq!(lines[1], r#"- "a""#);
        assert!(lines[2].ends_with("xx… [cut: 5,003 characters in all]") && lines[2].len() < 450, "{lines:?}");
        // Two places far apart: what lies between is not dropped without a word.
        let lines = told(&description(format!("a{long}a")), &description(format!("b{long}b")));
        assert!(lines[1..].iter().all(|line| line.ends_with("… [cut: 1,004 characters in all]")), "{lines:?}");
        // One is a part of the other.
        let lines = told(&description("x".repeat(300)), &description("x".repeat(301)));
        assert!(lines[1].len() < 200 && lines[2].len() == lines[1].len() + 1, "{lines:?}");
    }
}
