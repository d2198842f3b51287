//! Remarks on definitions, for people and as documents.

use mcp::{Definition, Known, Remark, remarks};
use serde_json::{Value, json};

use super::shown::{grouped, plain};

/// What to look at in a definition.
pub(super) fn on(server: &str, definition: &Definition, known: &Known) -> Vec<Remark> {
    remarks(server, definition, known)
}

/// A remark in one line of plain ASCII.
pub(super) fn line(remark: &Remark) -> String {
    let place = |at: &str| if at.is_empty() { "the whole".to_owned() } else { at.to_owned() };
    let line = match remark {
        Remark::Hidden { at, kind, count } => {
            let times = if *count == 1 { String::new() } else { format!(", {} times", grouped(*count)) };
            format!("{}: {kind}, which people do not see{times}", place(at))
        }
        Remark::Disguised { at } => format!("{}: can be read in another way: encoded, disguised or in look-alikes", place(at)),
        Remark::Unread { at } => format!("{}: has more ways to be read than were looked at", place(at)),
        Remark::Mentions { at, tool, is_foreign: true } => format!("{}: speaks of another server's tool `{tool}`", place(at)),
        Remark::Mentions { at, tool, is_foreign: false } => format!("{}: speaks of the tool `{tool}`", place(at)),
        Remark::Shadows { tool } => format!("is called as another server's tool, or nearly: `{tool}`"),
        Remark::Long { at, bytes } => format!("{}: {} bytes long, which nobody reads", place(at), grouped(*bytes)),
    };
    plain(&line)
}

/// A remark as a document.
pub(super) fn document(remark: &Remark) -> Value {
    match remark {
        Remark::Hidden { at, kind, count } => json!({"remark": "hidden", "at": at, "kind": kind, "count": count}),
        Remark::Disguised { at } => json!({"remark": "disguised", "at": at}),
        Remark::Unread { at } => json!({"remark": "unread", "at": at}),
        Remark::Mentions { at, tool, is_foreign } => json!({"remark": "mentions", "at": at, "tool": tool, "foreign": is_foreign}),
        Remark::Shadows { tool } => json!({"remark": "shadows", "tool": tool}),
        Remark::Long { at, bytes } => json!({"remark": "long", "at": at, "bytes": bytes}),
    }
}

/// Remarks as documents.
pub(super) fn documents(remarks: &[Remark]) -> Vec<Value> {
    remarks.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use mcp::Remark;

    use super::line;

    #[test]
    fn remarks_read_so() {
        let at = || "/description".to_owned();
        let facts = [
            (
                Remark::Hidden { at: at(), kind: "tag characters", count: 2 },
                "/description: tag characters, which people do not see, 2 times",
            ),
            (
                Remark::Mentions { at: at(), tool: "mail/send".to_owned(), is_foreign: true },
                "/description: speaks of another server's tool `mail/send`",
            ),
            (
                Remark::Mentions { at: at(), tool: "a/b\u{1b}".to_owned(), is_foreign: false },
                "/description: speaks of the tool `a/b\\u{1b}`",
            ),
            (Remark::Shadows { tool: "mail/send".to_owned() }, "is called as another server's tool, or nearly: `mail/send`"),
            (Remark::Long { at: at(), bytes: 4500 }, "/description: 4,500 bytes long, which nobody reads"),
        ];
        for (remark, expected) in facts {
            assert_eq!(line(&remark), expected);
        }
    }
}
