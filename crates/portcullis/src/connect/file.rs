//! Entries in a client's file of JSON: brought in beside what stands there, taken out again, and nothing else touched.

use serde_json::Value;
use text::{Document, Kind, Limits, NodeId, Splices};

use super::form;
use super::{Client, Wanted};

/// The file with the entries of the gate, or without them; none if it is that already.
///
/// # Errors
/// What stands in the way, in words: it is not JSON (comments are not read), a section has another form, an entry of the same name leads
/// elsewhere.
pub(super) fn changed(client: Client, before: Option<&[u8]>, wanted: &Wanted, remove: bool) -> Result<Option<Vec<u8>>, String> {
    let Some(before) = before.filter(|before| !before.trim_ascii().is_empty()) else {
        return Ok((!remove).then(|| form::text(client, wanted).into_bytes()));
    };
    let unread = |error: text::JsonError| format!("it is not read as JSON ({error}); comments are not either");
    let document = Document::parse(before, &Limits::default()).map_err(unread)?;
    let root = document.root();
    if document.kind(root) != Kind::Object {
        return Err("expected an object".to_owned());
    }
    let mut splices = Splices::new();
    if remove {
        take_out(&document, client, wanted, &mut splices)?;
    } else {
        bring_in(&document, client, wanted, &mut splices)?;
    }
    if splices.is_empty() {
        return Ok(None);
    }
    splices.apply(before).map(Some).map_err(|error| format!("the edits do not go together: {error}"))
}

/// A member of the file, if it has the form that it has to have.
fn section(document: &Document<'_>, name: &str, kind: Kind) -> Result<Option<NodeId>, String> {
    match document.get(document.root(), name) {
        Some(node) if document.kind(node) == kind => Ok(Some(node)),
        Some(_) => Err(format!("`{name}` has another form than the client has for it")),
        None => Ok(None),
    }
}

/// Whether an entry leads to this gate's server.
fn leads_here(document: &Document<'_>, entry: NodeId, address: &str) -> bool {
    document.get(entry, "url").and_then(|url| document.text(url)).is_some_and(|url| url == address)
}

fn bring_in(document: &Document<'_>, client: Client, wanted: &Wanted, splices: &mut Splices) -> Result<(), String> {
    let name = form::section(client);
    let servers = section(document, name, Kind::Object)?;
    let mut new = Vec::new();
    for server in &wanted.servers {
        let entry = form::entry(client, wanted, server);
        match servers.and_then(|servers| document.get(servers, server)) {
            None => new.push(format!("{}: {}", text::quote(server), pretty(&entry, 4))),
            Some(there) if is_same(document, there, &entry) => {}
            Some(there) if leads_here(document, there, &wanted.address(server)) => {
                splices.replace(document.span(there), pretty(&entry, 4));
            }
            Some(_) => {
                return Err(format!(
                    "`{name}` has an entry `{server}` that leads elsewhere: take it out, or give yours another name"
                ));
            }
        }
    }
    // New members of the file itself are put in together.
    let mut members = Vec::new();
    match servers {
        Some(servers) => append(document, servers, &new, splices),
        None if new.is_empty() => {}
        None => members.push(format!("{}: {{\n    {}\n  }}", text::quote(name), new.join(",\n    "))),
    }
    if client == Client::Vscode {
        members.extend(ask(document, splices)?);
    }
    append(document, document.root(), &members, splices);
    Ok(())
}

/// Puts the question for the key where it is not asked yet; where there are no questions, gives the member for them.
fn ask(document: &Document<'_>, splices: &mut Splices) -> Result<Option<String>, String> {
    let question = pretty(&form::input(), 4);
    match section(document, "inputs", Kind::Array)? {
        Some(inputs) => {
            let is_it =
                |input: NodeId| document.get(input, "id").and_then(|id| document.text(id)).as_deref() == Some(form::INPUT);
            if !document.children(inputs).any(is_it) {
                append(document, inputs, &[question], splices);
            }
            Ok(None)
        }
        None => Ok(Some(format!("\"inputs\": [\n    {question}\n  ]"))),
    }
}

/// Puts items behind those of a container. Once for each: two edits at one place have no order.
fn append(document: &Document<'_>, container: NodeId, items: &[String], splices: &mut Splices) {
    if items.is_empty() {
        return;
    }
    let depth = if container == document.root() { 2 } else { 4 };
    let between = format!(",\n{}", " ".repeat(depth));
    let span = document.span(container);
    if let Some(last) = document.children(container).last() {
        let end = document.span(last).end;
        splices.replace(end..end, format!("{between}{}", items.join(&between)));
    } else {
        let inside = span.start.saturating_add(1)..span.end.saturating_sub(1);
        splices
            .replace(inside, format!("\n{}{}\n{}", " ".repeat(depth), items.join(&between), " ".repeat(depth.saturating_sub(2))));
    }
}

fn take_out(document: &Document<'_>, client: Client, wanted: &Wanted, splices: &mut Splices) -> Result<(), String> {
    let Some(servers) = section(document, form::section(client), Kind::Object)? else { return Ok(()) };
    let is_ours = |entry: NodeId| {
        let name = document.key(entry).unwrap_or_default();
        wanted.servers.iter().any(|server| *server == name) && leads_here(document, entry, &wanted.address(&name))
    };
    let kept: Vec<String> = document
        .children(servers)
        .filter(|entry| !is_ours(*entry))
        .map(|entry| format!("{}: {}", text::quote(&document.key(entry).unwrap_or_default()), document.lexeme(entry)))
        .collect();
    if kept.len() == document.count(servers) {
        return Ok(());
    }
    let whole = if kept.is_empty() { "{}".to_owned() } else { format!("{{\n    {}\n  }}", kept.join(",\n    ")) };
    splices.replace(document.span(servers), whole);
    Ok(())
}

fn is_same(document: &Document<'_>, there: NodeId, entry: &Value) -> bool {
    serde_json::from_str::<Value>(document.lexeme(there)).is_ok_and(|there| there == *entry)
}

/// JSON over several lines, all but the first further in.
fn pretty(value: &Value, depth: usize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default().replace('\n', &format!("\n{}", " ".repeat(depth)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Client, Wanted};
    use super::changed;

    fn wanted(servers: &[&str]) -> Wanted {
        let servers = servers.iter().map(|server| (*server).to_owned()).collect();
        Wanted { servers, url: "http://127.0.0.1:7700".to_owned(), key_env: "KEY".to_owned() }
    }

    fn json_of(bytes: Option<Vec<u8>>) -> Option<Value> {
        bytes.map(|bytes| {
            serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
        })
    }

    #[test]
    fn entries_come_and_go_and_the_rest_stays() {
        let files = [
            "",
            "{}",
            r#"{"other": [1, 2]}"#,
            r#"{"mcpServers": {}, "servers": {}}"#,
            "{\n  \"mcpServers\": {\"a\": {\"command\": \"x\"}},\n  \"servers\": {\"a\": {}},\n  \"inputs\": []\n}\n",
        ];
        for client in [Client::Claude, Client::Cursor, Client::Vscode] {
            for before in files {
                let with = changed(client, Some(before.as_bytes()), &wanted(&["kb", "shop"]), false).unwrap().unwrap();
                let read = json_of(Some(with.clone())).unwrap();
                let section = &read[super::form::section(client)];
                assert_eq!(section["kb"]["url"], "http://127.0.0.1:7700/mcp/kb", "{client:?} {before}");
                assert!(section["shop"]["headers"]["Authorization"].as_str().unwrap().starts_with("Bearer ${"));
                assert_eq!(
                    read["inputs"].as_array().is_some_and(|inputs| inputs.len() == 1),
                    client == Client::Vscode,
                    "{before}"
                );
                assert_eq!(changed(client, Some(&with), &wanted(&["kb", "shop"]), false), Ok(None), "twice is once");
                let without = json_of(changed(client, Some(&with), &wanted(&["kb", "shop"]), true).unwrap()).unwrap();
                let old: Value = if before.is_empty() { json!({}) } else { serde_json::from_str(before).unwrap() };
                for (name, value) in old.as_object().unwrap().iter().filter(|(name, _)| *name != "inputs") {
                    assert_eq!(&without[name], value, "{client:?} {before}");
                }
            }
        }
        assert_eq!(changed(Client::Claude, None, &wanted(&["kb"]), true), Ok(None));
    }

    #[test]
    fn what_is_somebody_elses_is_not_touched() {
        let elsewhere = br#"{"mcpServers": {"kb": {"url": "https://elsewhere.example/mcp"}}}"#;
        assert!(changed(Client::Claude, Some(elsewhere), &wanted(&["kb"]), false).unwrap_err().contains("leads elsewhere"));
        assert_eq!(changed(Client::Claude, Some(elsewhere), &wanted(&["kb"]), true), Ok(None));
        for wrong in ["[]", "{\"mcpServers\": []}", "{ // mine\n}", "{\"a\":1,\"a\":2}"] {
            assert!(changed(Client::Claude, Some(wrong.as_bytes()), &wanted(&["kb"]), false).is_err(), "{wrong}");
        }
        // An older entry of this gate is brought up to date.
        let older = br#"{"mcpServers": {"kb": {"url": "http://127.0.0.1:7700/mcp/kb"}}}"#;
        let now = json_of(changed(Client::Claude, Some(older), &wanted(&["kb"]), false).unwrap()).unwrap();
        assert_eq!(now["mcpServers"]["kb"]["type"], "http");
    }
}
