//! Harmless texts of our own: what people write to people, what programs answer, what manuals and articles on security say.
//!
//! The public sets have little harmless text that gives orders or speaks of attacks, and no harmless text in most languages in which
//! they have attacks. A model trained on them alone learns the topic and the language. Every line below is a template; rows of one
//! template stay in one fold.

use inspect::signal::TextKind;

use crate::data::Row;
use crate::random::Random;

#[path = "made_lists.rs"]
mod lists;

use lists::{ARTICLES, FIELDS, LANGUAGES, MANUALS, NOTES, QUESTIONS, REPLIES, SLOTS};

/// A template with its slots filled: `{name}` becomes one of the words of that slot, `{0}` to `{00000}` digits.
pub(crate) fn filled(template: &str, random: &mut Random) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let Some((slot, after)) = behind.split_once('}') else { break };
        rest = after;
        if slot.bytes().all(|byte| byte == b'0') {
            let first = char::from(b'1' + u8::try_from(random.below(9)).unwrap_or_default());
            text.push(first);
            (1..slot.len()).for_each(|_| text.push(char::from(b'0' + u8::try_from(random.below(10)).unwrap_or_default())));
        } else if let Some((_, words)) = SLOTS.iter().find(|(name, _)| *name == slot) {
            let words: &[&str] = words;
            text.push_str(random.pick::<&str>(words));
        } else {
            text.push_str(slot);
        }
    }
    text.push_str(rest);
    text
}

fn row(text: String, kind: TextKind, source: &str, group: &str) -> Row {
    Row { text, is_attack: false, kind, source: source.to_owned(), group: format!("made {group}"), place: None, weight: 1.0 }
}

/// How many carriers stand for themselves.
const CARRIERS: usize = 3000;

/// All of them.
pub(crate) fn rows() -> Vec<Row> {
    let mut random = Random(11);
    let mut rows = Vec::new();
    for (list, source, kind, times) in [
        (QUESTIONS, "made/questions", TextKind::User, 6),
        (LANGUAGES, "made/languages", TextKind::User, 4),
        (LANGUAGES, "made/languages-data", TextKind::Document, 2),
        (ARTICLES, "made/articles", TextKind::Document, 4),
        (ARTICLES, "made/articles-user", TextKind::User, 2),
        (MANUALS, "made/manuals", TextKind::Document, 4),
        (NOTES, "made/notes", TextKind::Document, 3),
        (REPLIES, "made/replies", TextKind::ToolOutput, 8),
    ] {
        for template in list {
            rows.extend((0..times).map(|_| row(filled(template, &mut random), kind, source, template)));
        }
    }
    // Notes, manuals and articles where they mostly stand: in a field, a mail, a page, a table.
    for (nth, template) in NOTES.iter().chain(MANUALS).chain(ARTICLES).chain(LANGUAGES).cycle().take(3000).enumerate() {
        let body = filled(template, &mut random);
        let (text, kind) = carried(nth, &body, &mut random);
        // What quotes attacks stands for itself elsewhere; here it would teach that attacks in fields are none.
        let weight = if ARTICLES.contains(template) { 0.2 } else { 1.0 };
        rows.push(Row { weight, ..row(text, kind, "made/carried", template) });
    }
    // What attacks are put into is harmless by itself, and has to be known as that.
    for nth in 0..CARRIERS {
        let (text, kind) = carrier(&mut random);
        rows.push(row(text, kind, "made/carriers", &nth.to_string()));
    }
    rows
}

/// Something harmless around a text, and what it is then.
fn carried(nth: usize, body: &str, random: &mut Random) -> (String, TextKind) {
    let mut fill = |template: &str| filled(template, random);
    let quoted = serde_json::to_string(body).unwrap_or_default();
    match nth % 8 {
        0 => {
            let head = fill(
                "From: {first} {last} <{first}@{company}.example>\nTo: {first}@{company}.example\nSubject: {subject}\nDate: {day}, {0} {month} 202{0}\n\n",
            );
            (format!("{head}Hi {},\n\n{body}\n\n{}", fill("{first}"), fill("{greeting},\n{first}")), TextKind::Document)
        }
        1 => (
            format!(
                "{{\"id\": \"{}\", \"{}\": {quoted}, \"created_at\": \"{}\"}}",
                fill("{00000}"),
                fill("{field}"),
                fill("202{0}-0{0}-1{0}T0{0}:2{0}:1{0}Z")
            ),
            TextKind::ToolOutput,
        ),
        2 => (
            format!(
                "[{{{}, \"{}\": {quoted}}}, {{{}, \"{}\": {}}}]",
                field(random),
                "message",
                field(random),
                "message",
                serde_json::to_string(&filled("{subject}", random)).unwrap_or_default()
            ),
            TextKind::ToolOutput,
        ),
        3 => (
            format!(
                "{}\n{}: \"{}\"\n{}\n",
                fill("id: {0000}\nowner: {first}"),
                fill("{field}"),
                body.replace('"', "'"),
                fill("status: {status}")
            ),
            TextKind::ToolOutput,
        ),
        4 => (
            format!(
                "{}\n{},{},\"{}\"\n{}",
                "id,name,note",
                fill("{000}"),
                fill("{first} {last}"),
                body.replace('"', "\"\""),
                fill("{000},{first} {last},\"{subject}\"")
            ),
            TextKind::ToolOutput,
        ),
        5 => (
            format!(
                "<html><head><title>{}</title></head><body><h1>{0}</h1><p>{body}</p><p>{}</p></body></html>",
                fill("{subject}"),
                fill("{company} · {city} · +49 30 {000000}")
            ),
            TextKind::Document,
        ),
        6 => (
            format!(
                "{{'{}': '{}', {}, {}}}",
                fill("{field}"),
                body,
                field(random).replace('"', "'"),
                field(random).replace('"', "'")
            ),
            TextKind::ToolOutput,
        ),
        _ => (format!("# {}\n\n{}\n\n{body}\n\n{}\n", fill("{subject}"), fill("{prose}"), fill("{prose}")), TextKind::Document),
    }
}

/// A name and a value, as JSON has them.
fn field(random: &mut Random) -> String {
    let template = *random.pick(FIELDS);
    filled(template, random)
}

/// A harmless document or answer of a program to put something into.
pub(crate) fn carrier(random: &mut Random) -> (String, TextKind) {
    match random.below(4) {
        0 => {
            let n_fields = 3 + random.below(6);
            let fields: Vec<String> = (0..n_fields).map(|_| field(random)).collect();
            (format!("{{{}}}", fields.join(", ")), TextKind::ToolOutput)
        }
        1 => {
            let n_rows = 2 + random.below(4);
            let rows: Vec<String> =
                (0..n_rows).map(|_| format!("  {{{}, {}, {}}}", field(random), field(random), field(random))).collect();
            (format!("[\n{}\n]", rows.join(",\n")), TextKind::ToolOutput)
        }
        2 => {
            let n_lines = 2 + random.below(6);
            let lines: Vec<String> = (0..n_lines).map(|_| filled("{prose}", random)).collect();
            (lines.join(if random.below(2) == 0 { " " } else { "\n\n" }), TextKind::Document)
        }
        _ => {
            let head = filled("From: {first}.{last}@{company}.example\nSubject: {subject}\n\nDear {first},\n", random);
            let n_lines = 1 + random.below(4);
            let lines: Vec<String> = (0..n_lines)
                .map(|_| {
                    let note = *random.pick(NOTES);
                    filled(note, random)
                })
                .collect();
            (
                format!("{head}{}\n\n{}\n{}", lines.join(" "), filled("{greeting}", random), filled("{first} {last}", random)),
                TextKind::Document,
            )
        }
    }
}

/// Harmless texts of users in every disguise: what is disguised is no attack for that alone. Only as they stand; what a reader makes of
/// them is read, and judged, by itself.
pub(crate) fn disguised(rows: &[Row], is_of_fold: &dyn Fn(&Row) -> bool, times: usize) -> Vec<Row> {
    let plain: Vec<&Row> =
        rows.iter().filter(|row| !row.is_attack && row.text.len() < 400 && row.text.len() > 20 && is_of_fold(row)).collect();
    let mut random = Random(51);
    let mut made = Vec::new();
    let (users, data): (Vec<&Row>, Vec<&Row>) = plain.into_iter().partition(|row| row.kind == TextKind::User);
    for (name, write) in text::evasion::all().iter().cycle().take(times * text::evasion::all().len()) {
        // What a user may ask for is an instruction elsewhere.
        let from = if random.below(3) == 0 { &users } else { &data };
        let source = *random.pick(from);
        let kind = source.kind;
        made.push(Row { group: String::new(), ..row(write(&source.text), kind, "made/disguised", name) });
    }
    made
}
