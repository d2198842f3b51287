//! `portcullis approvals`: what waits for an operator, in full, and the answer to it.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;

use anyhow::bail;
use http::Method;
use serde_json::{Value, json};

use crate::admin_client::{self, AdminAnswer};
use crate::cli::{Approvals, Cli};
use crate::commands::{Exit, ask, show};
use crate::output;
use crate::scan::visible;

pub(crate) async fn command(cli: &Cli, data: &Path, command: &Approvals) -> anyhow::Result<Exit> {
    match command {
        Approvals::List { all } => {
            let answer = admin_client::call(data, Method::GET, "/admin/v1/approvals", None).await?;
            Ok(show(cli, answer, |value| list(value, *all)))
        }
        Approvals::Show { id } => Ok(show(cli, fetch(data, id).await?, text)),
        Approvals::Approve { id, item, yes } => approve(cli, data, id, *item, *yes).await,
        Approvals::Refuse { id, item } => {
            let answer = json!({"id": id, "item": index(*item)?, "shown": [], "is_approved": false});
            let told = ask(data, "/admin/v1/approvals", &answer).await?;
            let late = if is_recorded(&told) { "" } else { "\nin force, not recorded yet: the log cannot be written now" };
            Ok(show(cli, told, |value| format!("refused {id}: {}{late}", status(value))))
        }
    }
}

fn is_recorded(answer: &AdminAnswer) -> bool {
    let told = |value: &Value| value.get("recorded").and_then(Value::as_bool).unwrap_or(false);
    !matches!(answer, AdminAnswer::Done(value) if !told(value))
}

async fn fetch(data: &Path, id: &str) -> anyhow::Result<AdminAnswer> {
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        bail!("`{}` is no name of a request: `portcullis approvals list` shows them", visible(id));
    }
    admin_client::call(data, Method::GET, &format!("/admin/v1/approvals/{id}"), None).await
}

/// Shows what is asked for, asks for a yes, and approves exactly what was shown.
async fn approve(cli: &Cli, data: &Path, id: &str, item: Option<u8>, yes: bool) -> anyhow::Result<Exit> {
    let request = match fetch(data, id).await? {
        AdminAnswer::Done(request) => request,
        refused @ AdminAnswer::Refused { .. } => return Ok(show(cli, refused, |_| String::new())),
    };
    let item = index(item)?;
    let things = request.get("things").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_meant = |(index, _): &(usize, &Value)| item.is_none_or(|item| usize::from(item) == *index);
    let meant: Vec<&Value> = things.iter().enumerate().filter(is_meant).map(|(_, thing)| thing).collect();
    if let Some(thing) = meant.iter().find(|thing| thing.get("text").is_some_and(Value::is_string) && !is_committed(thing)) {
        bail!("the gate shows another text than `{}` stands for: do not approve it", field(thing, "commitment"));
    }
    let shown: Vec<Value> = meant.into_iter().filter_map(|thing| thing.get("commitment").cloned()).collect();
    if !yes {
        output::note(&text(&request));
        if !io::stdin().is_terminal() {
            bail!("nobody is there to say yes: look at it with `portcullis approvals show {id}`, then add --yes");
        }
        output::note("Approve this? Type `yes`:");
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if line.trim() != "yes" {
            output::note("not approved; it still waits");
            return Ok(Exit::Failure);
        }
    }
    let answer = json!({"id": id, "item": item, "shown": shown, "is_approved": true});
    let told = ask(data, "/admin/v1/approvals", &answer).await?;
    Ok(show(cli, told, |value| format!("approved {id}: {}", status(value))))
}

/// Whether the text that is shown is the one that is approved.
fn is_committed(thing: &Value) -> bool {
    let part = |key: &str| thing.get(key).and_then(Value::as_str).unwrap_or_default();
    evidence::sha256(format!("{}{}", part("salt"), part("text")).as_bytes()).to_string() == part("commitment")
}

/// People count from 1.
fn index(item: Option<u8>) -> anyhow::Result<Option<u8>> {
    match item {
        Some(0) => bail!("things are counted from 1"),
        item => Ok(item.map(|item| item.saturating_sub(1))),
    }
}

/// `approved until …`, or how many are still missing.
fn status(value: &Value) -> String {
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let status = field(value, "status");
    match (status.as_str(), value.get("holds_until").and_then(Value::as_u64)) {
        ("approved", Some(until)) => format!("approved until {}", output::time(until)),
        ("pending", _) => format!("pending, {} of {} have approved", number("approved"), number("quorum")),
        _ => status,
    }
}

fn list(value: &Value, all: bool) -> String {
    let rows = value.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    let n_rows = rows.len();
    let rows: Vec<Value> = rows.into_iter().filter(|row| all || field(row, "status") == "pending").map(with_party).collect();
    if rows.is_empty() && all {
        return "nothing was asked for lately".to_owned();
    }
    if rows.is_empty() {
        return format!("nothing waits ({n_rows} that are over: --all)");
    }
    output::table(Some(&Value::Array(rows)), &["id", "status", "who", "asked_by", "at", "expires", "items"])
}

fn with_party(mut row: Value) -> Value {
    let (who, ends) = (chain(&row), row.get("ends").cloned());
    if let Some(row) = row.as_object_mut() {
        row.insert("who".to_owned(), json!(who));
        row.insert("expires".to_owned(), json!(ends));
    }
    row
}

fn chain(value: &Value) -> String {
    let links = value.get("chain").and_then(Value::as_array);
    links.map(|links| links.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" → ")).unwrap_or_default()
}

/// Everything that is to be approved; nothing is cut, and nothing hides.
fn text(value: &Value) -> String {
    let number = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
    let is_single_use = value.get("is_single_use").and_then(Value::as_bool).unwrap_or(false);
    let uses = if is_single_use { "once" } else { "any number of times" };
    let mut lines = vec![
        format!("request  {}", field(value, "id")),
        format!("status   {}", status(value)),
        format!("who      {}", chain(value)),
        format!("asked by {}", field(value, "asked_by")),
        format!(
            "ends     {}; approved, it can be done {uses} within {} s",
            output::time(number("ends")),
            number("holds_seconds")
        ),
    ];
    if value.get("is_outdated").and_then(Value::as_bool).unwrap_or(false) {
        lines.push("         other policies are in force since it was asked for: approving it permits nothing".to_owned());
    }
    if let Some(used) = value.get("used").filter(|used| used.is_object()) {
        let at = used.get("at").and_then(Value::as_u64).unwrap_or(0);
        lines.push(format!("used     {} by {}", output::time(at), field(used, "request")));
    }
    if let Some(seen) = value.get("seen").filter(|seen| seen.is_object()) {
        lines.push(format!("seen     by this task before: {}", plain(&seen.to_string())));
    }
    let answers = value.get("answers").and_then(Value::as_array).into_iter().flatten();
    lines.extend(answers.map(|answer| {
        let is_yes = answer.get("approved").and_then(Value::as_bool).unwrap_or(false);
        format!("answer   {} by {}", if is_yes { "yes" } else { "no" }, field(answer, "by"))
    }));
    let things = value.get("things").and_then(Value::as_array).into_iter().flatten();
    for (index, thing) in things.enumerate() {
        lines.push(format!(
            "\nthing {} ({}), needed by {}",
            index.saturating_add(1),
            field(thing, "status"),
            field(thing, "request")
        ));
        let because = thing.get("because").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        lines.extend(because.map(|policy| format!("  asked for by policy {}", visible(policy))));
        match thing.get("text").and_then(Value::as_str) {
            Some(text) => lines.extend(canonical(text)),
            None => lines.push("  what exactly was erased: it cannot be approved".to_owned()),
        }
        lines.extend(origins(thing));
        lines.push(format!("  stands for this in the log: {}", field(thing, "commitment")));
    }
    if let Some(said) = value.get("said").and_then(Value::as_str).filter(|said| !said.is_empty()) {
        lines.push(format!("\nsaid by {} (nobody has checked it):\n  {}", field(value, "asked_by"), plain(said)));
    }
    lines.join("\n")
}

/// Where the values come from, those first that nobody vouches for. Nothing of it is approved: it is what the gate has seen.
fn origins(thing: &Value) -> Vec<String> {
    let mut origins: Vec<&Value> = thing.get("origins").and_then(Value::as_array).into_iter().flatten().collect();
    if origins.is_empty() {
        return Vec::new();
    }
    let text = |origin: &Value, key: &str| origin.get(key).and_then(Value::as_str).map(plain);
    let rank = |origin: &Value| match origin.get("integrity").and_then(Value::as_str) {
        Some("user") => 3,
        Some("trusted") => 2,
        Some("identifier") => 1,
        _ => 0,
    };
    origins.sort_by_key(|origin| (origin.get("sink").is_none_or(Value::is_null), rank(origin)));
    let width = origins.iter().filter_map(|origin| text(origin, "at")).map(|at| at.len()).max().unwrap_or(0).min(40);
    let line = |origin: &&Value| {
        let place = match (text(origin, "from"), origin.get("line").and_then(Value::as_u64), text(origin, "field")) {
            (None, ..) => "stands nowhere in what this task has seen: the model's own".to_owned(),
            (Some(from), Some(line), Some(field)) => format!("{from}, line {line}, field {field}"),
            (Some(from), None, Some(field)) => format!("{from}, field {field}"),
            (Some(from), Some(line), None) => format!("{from}, line {line}"),
            (Some(from), None, None) => from,
        };
        let says = match rank(origin) {
            3 => "the user's own words",
            2 if text(origin, "from").as_deref() == Some("approval") => "approved in this task before",
            2 => "somebody you vouch for",
            1 => "a name or number of somebody outside",
            _ if text(origin, "from").is_some() => "anybody may have written it",
            _ => "unvouched",
        };
        let sink = text(origin, "sink").map(|sink| format!(", decides the {sink}")).unwrap_or_default();
        format!("    {:width$}  {place} ({says}{sink})", text(origin, "at").unwrap_or_default())
    };
    let mut lines = vec!["  where its values come from:".to_owned()];
    lines.extend(origins.iter().map(line));
    lines
}

/// The canonical text as it was hashed, a member per line; what is not plain ASCII is written out, for it may be, or look like,
/// something else, and so are blanks behind blanks.
fn canonical(text: &str) -> Vec<String> {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return vec![format!("  {}", plain(text))] };
    let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
    let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
    let lines = pretty.lines().map(|line| {
        let (blank, rest) = line.split_at(indent(line));
        format!("  {blank}{}", plain(rest))
    });
    let mut lines: Vec<String> = lines.collect();
    if !text.is_ascii() {
        lines.push(format!("  as it may look to you, which may deceive:\n  {}", visible(text)));
    }
    lines
}

/// Nothing but plain ASCII, with single blanks.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        match character {
            ' ' if before == Some(' ') => shown.push_str("\\u{20}"),
            ' '..='~' => shown.push(character),
            other => shown.extend(other.escape_unicode()),
        }
        before = Some(character);
    }
    shown
}

fn field(value: &Value, key: &str) -> String {
    visible(value.get(key).and_then(Value::as_str).unwrap_or("-"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{canonical, is_committed, text};

    #[test]
    fn nothing_hides_in_what_is_shown() {
        let foreign: String = "\u{e9}".repeat(40);
        let lines = canonical(&format!("{{\"to\":\"b\u{430}nk\u{202e}\\u0007{foreign}a   b\u{2800}\u{3164}\u{a0}\"}}"));
        let expected = "    \"to\": \"b\\u{430}nk\\u{202e}\\u0007";
        assert!(lines[1].starts_with(expected), "{lines:?}");
        assert!(lines[1].ends_with("a \\u{20}\\u{20}b\\u{2800}\\u{3164}\\u{a0}\""), "{lines:?}");
        assert!(lines[..3].iter().all(|line| line.is_ascii()), "{lines:?}");
        assert!(lines[3].contains("may deceive"), "{lines:?}");
    }

    #[test]
    fn a_text_that_is_not_what_is_approved_is_noticed() {
        let commitment = evidence::sha256(b"saltandpepper").to_string();
        let thing = json!({"salt": "salt", "text": "andpepper", "commitment": commitment});
        assert!(is_committed(&thing));
        assert!(!is_committed(&json!({"salt": "salt", "text": "andpeppers", "commitment": commitment})));
        assert!(!is_committed(&json!({})));
    }

    #[test]
    fn a_request_reads_so() {
        let request = json!({
            "id": "arq_1", "status": "pending", "chain": ["user:ada", "agent:desk"], "asked_by": "pep:app", "ends": 0, "quorum": 2,
            "approved": 1, "holds_seconds": 900, "answers": [{"by": "operator:olga", "approved": true}], "said": "please\u{1b}[31m",
            "things": [{"commitment": "ab", "status": "pending", "request": "req_1", "text": "{\"a\":1}", "because": ["p (a.cedar:1)"]}],
        });
        let expected = "request  arq_1
status   pending, 1 of 2 have approved
who      user:ada → agent:desk
asked by pep:app
ends     1970-01-01 00:00:00Z; approved, it can be done any number of times within 900 s
answer   yes by operator:olga

thing 1 (pending), needed by req_1
  asked for by policy p (a.cedar:1)
  {
    \"a\": 1
  }
  stands for this in the log: ab

said by pep:app (nobody has checked it):
  please\\u{1b}[31m";
        assert_eq!(text(&request), expected);
    }
}
