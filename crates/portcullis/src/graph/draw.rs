//! A graph as text, for Graphviz, and as a picture. Names in it can be somebody else's: they are escaped in each form.

use std::fmt::Write as _;

use model::{ArgumentOrigin, Integrity, Verdict};

use super::{Call, Graph, integrity, source, verdict};
use crate::approve::plain;
use crate::output;

/// Pixels of a picture: of a row, and where its columns stand.
const ROW: usize = 22;
const LEFT: usize = 12;
const VALUES: usize = 300;
const CALLS: usize = 640;
const WIDTH: usize = 1000;
/// Most characters of a name in a picture.
const LONGEST: usize = 44;

/// For people: call by call, with where each value came from.
pub(crate) fn text(graph: &Graph) -> String {
    let mut lines = Vec::new();
    if graph.is_cut {
        lines.push("(there were more calls before)".to_owned());
    }
    for call in &graph.calls {
        let request = call.request.map(|request| request.to_string()).unwrap_or_default();
        let asked = if call.is_asked { ", asked for by a model" } else { "" };
        let (word, reason) = (verdict(call.verdict), call.reason.as_str());
        lines.push(format!("{}  {}  {word} ({reason}{asked})  {request}", output::time(call.at.0), plain(&call.tool)));
        let width = call.values.iter().map(|origin| plain(&origin.at).len()).max().unwrap_or(0).min(40);
        lines.extend(call.values.iter().map(|origin| {
            let sink = origin.sink.map(|sink| format!(", {}", sink.as_str())).unwrap_or_default();
            format!("    {:width$}  ◄─ {} ({}{sink})", plain(&origin.at), place(origin), integrity(origin.integrity))
        }));
        if call.values.is_empty() {
            lines.push("    no values are known: no model has asked for it here, or the content was erased".to_owned());
        }
    }
    lines.join("\n")
}

fn place(origin: &ArgumentOrigin) -> String {
    let line = origin.line.filter(|_| origin.from.is_some()).map(|line| format!(", line {line}")).unwrap_or_default();
    let field = origin.field.as_deref().map(|field| format!(", field {}", plain(field))).unwrap_or_default();
    format!("{}{line}{field}", plain(source(origin)))
}

/// What decides nothing may come from anywhere.
const fn colour(origin: &ArgumentOrigin) -> &'static str {
    match origin.integrity {
        Integrity::Untrusted if origin.sink.is_none() => "#909497",
        Integrity::Untrusted => "#c0392b",
        Integrity::Identifier => "#b9770e",
        Integrity::Trusted => "#2471a3",
        Integrity::User => "#1e8449",
    }
}

const fn fill(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Permit => "#e8f6ef",
        Verdict::Challenge => "#fef5e7",
        Verdict::Deny => "#fdedec",
    }
}

/// For Graphviz.
pub(crate) fn dot(graph: &Graph) -> String {
    let quoted = |text: &str| format!("\"{}\"", plain(text).replace('\\', "\\\\").replace('"', "\\\""));
    let mut out = String::from("digraph flow {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    for (number, name) in graph.sources.iter().enumerate() {
        writeln!(out, "  s{number} [label={}, style=rounded];", quoted(name)).ok();
    }
    for (number, call) in graph.calls.iter().enumerate() {
        let label = quoted(&format!("{}: {}", call.tool, verdict(call.verdict)));
        writeln!(out, "  c{number} [label={label}, style=filled, fillcolor=\"{}\"];", fill(call.verdict)).ok();
        for origin in &call.values {
            let Some(from) = graph.sources.iter().position(|name| name == source(origin)) else { continue };
            let (label, colour) = (quoted(&origin.at), colour(origin));
            writeln!(out, "  s{from} -> c{number} [label={label}, color=\"{colour}\", fontcolor=\"{colour}\"];").ok();
        }
    }
    out.push_str("}\n");
    out
}

/// A picture: sources on the left, values in the middle, calls on the right.
pub(crate) fn svg(graph: &Graph) -> String {
    let n_rows = |call: &Call| call.values.len().max(1);
    let rows: usize = graph.calls.iter().map(|call| n_rows(call).saturating_add(1)).sum();
    let height = rows.max(graph.sources.len().saturating_mul(2)).saturating_add(3).saturating_mul(ROW);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    for (x, head) in [(LEFT, "sources"), (VALUES, "values"), (CALLS, "calls")] {
        label(&mut out, (x, ROW), "#7b7d7d", head);
    }
    let top = ROW.saturating_mul(2);
    let step = height.saturating_sub(top) / graph.sources.len().max(1);
    let at_source = |number: usize| top.saturating_add(step / 2).saturating_add(step.saturating_mul(number));
    let mut y = top;
    for call in &graph.calls {
        let rows = n_rows(call);
        let (high, middle) = (rows.saturating_mul(ROW), y.saturating_add(rows.saturating_mul(ROW) / 2));
        writeln!(
            out,
            "<rect x=\"{CALLS}\" y=\"{y}\" width=\"{}\" height=\"{high}\" rx=\"4\" fill=\"{}\" stroke=\"#909497\"/>",
            WIDTH.saturating_sub(CALLS).saturating_sub(LEFT),
            fill(call.verdict)
        )
        .ok();
        let asked = if call.is_asked { " (asked)" } else { "" };
        let says = format!("{}: {}{asked}", call.tool, verdict(call.verdict));
        label(&mut out, (CALLS.saturating_add(8), middle.saturating_add(4)), "#17202a", &says);
        for (row, origin) in call.values.iter().enumerate() {
            let at = y.saturating_add(row.saturating_mul(ROW)).saturating_add(ROW / 2);
            let colour = colour(origin);
            if let Some(from) = graph.sources.iter().position(|name| name == source(origin)) {
                curve(&mut out, (LEFT.saturating_add(220), at_source(from)), (VALUES.saturating_sub(6), at), colour);
            }
            let sink = origin.sink.map(|sink| format!(" ({})", sink.as_str())).unwrap_or_default();
            label(&mut out, (VALUES, at.saturating_add(4)), colour, &format!("{}{sink}", origin.at));
            curve(&mut out, (VALUES.saturating_add(250), at), (CALLS, at), colour);
        }
        y = y.saturating_add(high).saturating_add(ROW);
    }
    for (number, name) in graph.sources.iter().enumerate() {
        label(&mut out, (LEFT, at_source(number).saturating_add(4)), "#17202a", name);
    }
    out.push_str("</svg>\n");
    out
}

fn label(out: &mut String, (x, y): (usize, usize), colour: &str, text: &str) {
    let text = plain(text);
    let shown: String = text.chars().take(LONGEST).collect();
    let shown = if shown.len() < text.len() { format!("{shown}…") } else { shown };
    let shown = shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(out, "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{shown}</text>").ok();
}

fn curve(out: &mut String, (x1, y1): (usize, usize), (x2, y2): (usize, usize), colour: &str) {
    let middle = x1.midpoint(x2);
    writeln!(
        out,
        "<path d=\"M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"0.6\"/>"
    )
    .ok();
}

#[cfg(test)]
mod tests {
    use model::{ArgumentOrigin, Integrity, ReasonCode, Sink, UnixMillis, Verdict};

    use super::{Call, Graph, dot, svg, text};

    fn graph() -> Graph {
        let origin = |at: &str, from: Option<&str>, integrity: Integrity, sink: Option<Sink>| ArgumentOrigin {
            at: at.to_owned(),
            sink,
            integrity,
            from: from.map(str::to_owned),
            line: from.map(|_| 9),
            field: None,
        };
        let evil = "tool:x/<script>\"\u{202e}\u{1b}[31m";
        let values = vec![
            origin("/to", Some("user"), Integrity::User, Some(Sink::Payee)),
            origin("/cc", Some(evil), Integrity::Untrusted, Some(Sink::Destination)),
            origin("/n", None, Integrity::Untrusted, None),
        ];
        let call = |values: Vec<ArgumentOrigin>| Call {
            request: None,
            at: UnixMillis(0),
            tool: "bank/pay".to_owned(),
            verdict: Verdict::Challenge,
            reason: ReasonCode::ApprovalRequired,
            is_asked: true,
            values,
        };
        let sources = ["user", evil, "nowhere"].map(str::to_owned).to_vec();
        Graph { task: "pk_1".to_owned(), sources, calls: vec![call(values), call(Vec::new())], is_cut: false }
    }

    #[test]
    fn nothing_hides_in_any_form() {
        let forms = [text(&graph()), dot(&graph()), svg(&graph())];
        for form in &forms {
            assert!(!form.contains("<script>\"\u{202e}") && !form.contains('\u{1b}') && !form.contains('\u{202e}'), "{form}");
            assert!(form.contains("bank/pay") && form.contains("/cc"), "{form}");
        }
        let [text, dot, svg] = &forms;
        assert!(text.contains("/to  ◄─ user, line 9 (user, payee)") && text.contains("/n   ◄─ nowhere (untrusted)"), "{text}");
        assert!(dot.contains("s0 -> c0 [label=\"/to\"") && dot.contains("s2 -> c0") && dot.contains("<script>\\\""), "{dot}");
        assert!(svg.contains("&lt;script&gt;") && svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
