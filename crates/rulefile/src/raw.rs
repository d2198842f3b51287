//! One file as it is written: every field of the format is known here, and either taken, or refused, or ignored with a word.

use toml::de::DeTable;

use crate::problem::{Place, Problem, shown, suggestion};
use crate::reader::{At, Reader, Table};

/// Most rules in one file.
const MAX_RULES: usize = 2000;

/// Longest keyword in bytes: what a lane keeps of released text.
const MAX_KEYWORD: usize = 128;

const FILE: &[&str] = &["title", "description", "minVersion", "extend", "rules", "allowlist", "allowlists"];
const EXTEND: &[&str] = &["useDefault", "path", "url", "disabledRules"];
const RULE: &[&str] = &[
    "id",
    "description",
    "regex",
    "path",
    "secretGroup",
    "entropy",
    "keywords",
    "tags",
    "allowlist",
    "allowlists",
    "required",
    "skipReport",
];
const ALLOWLIST: &[&str] =
    &["description", "condition", "commits", "paths", "regexTarget", "regexes", "stopwords", "targetRules"];

/// A file.
#[derive(Debug, Default)]
pub(crate) struct RawFile {
    pub(crate) extends: Option<At<String>>,
    pub(crate) disabled: Vec<At<String>>,
    pub(crate) rules: Vec<RawRule>,
    pub(crate) allowlists: Vec<RawAllowlist>,
}

/// A rule. One without a regular expression changes the rule of the same id in the file that its file extends.
#[derive(Debug, Clone)]
pub(crate) struct RawRule {
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) regex: Option<At<String>>,
    /// 0 if it is not said.
    pub(crate) secret_group: usize,
    /// In bits; 0 if it is not said.
    pub(crate) entropy: f64,
    pub(crate) keywords: Vec<String>,
    pub(crate) allowlists: Vec<RawAllowlist>,
}

/// What an allowlist's expressions are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Secret,
    Match,
    Line,
}

/// An allowlist.
#[derive(Debug, Clone)]
pub(crate) struct RawAllowlist {
    pub(crate) is_and: bool,
    pub(crate) target: Target,
    pub(crate) regexes: Vec<At<String>>,
    pub(crate) stopwords: Vec<String>,
    /// The rules that a file's allowlist is for; all if it is empty.
    pub(crate) rules: Vec<At<String>>,
}

/// Reads a file; problems come back beside what could be read.
pub(crate) fn read(file: &str, text: &str) -> (RawFile, Vec<Problem>, Vec<Problem>) {
    let parsed = DeTable::parse(text);
    let mut reader = Reader::new(file, text);
    let raw = match &parsed {
        Ok(table) => whole(&mut reader, Table { entries: table.get_ref(), offset: 0 }),
        Err(error) => {
            let message: Vec<&str> = error.message().lines().collect();
            reader.problem(error.span().map_or(0, |span| span.start), format!("not TOML: {}", message.join(", ")));
            RawFile::default()
        }
    };
    (raw, reader.problems, reader.warnings)
}

fn whole<'t>(reader: &mut Reader<'t>, table: Table<'t>) -> RawFile {
    reader.keys(table, "file", FILE);
    for key in ["title", "description", "minVersion"] {
        reader.text(table, key);
    }
    let (extends, disabled) = extend(reader, table);
    let tables = reader.tables(table, "rules");
    if tables.len() > MAX_RULES {
        reader.problem(0, format!("{} rules, the most are {MAX_RULES}", tables.len()));
        return RawFile::default();
    }
    let rules = tables.into_iter().filter_map(|table| rule(reader, table)).collect();
    let allowlists = allowlists(reader, table, "file", true);
    RawFile { extends, disabled, rules, allowlists }
}

fn extend<'t>(reader: &mut Reader<'t>, table: Table<'t>) -> (Option<At<String>>, Vec<At<String>>) {
    let Some(table) = reader.tables(table, "extend").into_iter().next() else { return (None, Vec::new()) };
    reader.keys(table, "extend", EXTEND);
    if reader.boolean(table, "useDefault") == Some(true) {
        reader.problem(
            table.offset,
            "extend: `useDefault` asks for rules that come with gitleaks, and none come with the gate; its own scanners run in any case. Copy the file and name it in `path`",
        );
    }
    if let Some((_, _)) = reader.text(table, "url") {
        reader.problem(table.offset, "extend: `url` is not supported: rules are taken from files alone");
    }
    (reader.text(table, "path"), reader.texts(table, "disabledRules"))
}

fn rule<'t>(reader: &mut Reader<'t>, table: Table<'t>) -> Option<RawRule> {
    let Some((id, _)) = reader.text(table, "id") else {
        reader.problem(table.offset, "a rule has no `id`");
        return None;
    };
    let what = format!("rule `{}`", shown(&id));
    reader.keys(table, &what, RULE);
    reader.text(table, "description");
    reader.texts(table, "tags");
    if Reader::value(table, "path").is_some() {
        reader.warn(table.offset, format!("{what}: `path` is ignored: what passes the gate has no path"));
    }
    if Reader::value(table, "required").is_some() {
        reader.problem(table.offset, format!("{what}: `required` is not supported: rules stand for themselves here"));
    }
    if reader.boolean(table, "skipReport") == Some(true) {
        reader.problem(
            table.offset,
            format!("{what}: `skipReport` is not supported: a rule that reports nothing does nothing here"),
        );
    }
    let keywords = reader.texts(table, "keywords");
    if let Some((_, place)) = keywords.iter().find(|(word, _)| word.is_empty() || word.len() > MAX_KEYWORD) {
        let message = format!("{what}: a keyword has 1 to {MAX_KEYWORD} bytes");
        reader.problems.push(Problem { place: place.clone(), message });
    }
    let regex = reader.text(table, "regex");
    let raw = RawRule {
        place: reader.place(table.offset),
        secret_group: reader.whole(table, "secretGroup").unwrap_or(0),
        entropy: reader.number(table, "entropy", 0.0..8.1).unwrap_or(0.0),
        keywords: keywords.into_iter().map(|(word, _)| word).collect(),
        allowlists: allowlists(reader, table, &what, false),
        id,
        regex,
    };
    // One that cannot be read is a problem already, and not one that is missing.
    (raw.regex.is_some() || Reader::value(table, "regex").is_none()).then_some(raw)
}

/// The allowlists of a rule or of a file, in either way of writing them.
fn allowlists<'t>(reader: &mut Reader<'t>, table: Table<'t>, what: &str, is_files: bool) -> Vec<RawAllowlist> {
    let (old, new) = (Reader::value(table, "allowlist").is_some(), Reader::value(table, "allowlists").is_some());
    if old && new {
        reader.problem(table.offset, format!("{what}: `allowlist` is the old way of writing `allowlists`: use one of them"));
    }
    let mut tables = reader.tables(table, "allowlist");
    tables.extend(reader.tables(table, "allowlists"));
    tables.into_iter().filter_map(|table| allowlist(reader, table, what, is_files)).collect()
}

fn allowlist<'t>(reader: &mut Reader<'t>, table: Table<'t>, what: &str, is_files: bool) -> Option<RawAllowlist> {
    let what = format!("{what}: allowlist");
    let known = if is_files { ALLOWLIST } else { ALLOWLIST.split_last().map(|(_, known)| known).unwrap_or_default() };
    reader.keys(table, &what, known);
    reader.text(table, "description");
    let is_and = match reader.text(table, "condition") {
        None => false,
        Some((word, place)) => match word.to_ascii_uppercase().as_str() {
            "AND" | "&&" => true,
            "OR" | "||" => false,
            _ => {
                let message = format!("{what}: `condition`: expected `AND` or `OR`, found `{}`", shown(&word));
                reader.problems.push(Problem { place, message });
                false
            }
        },
    };
    let target = target(reader, table, &what);
    let is_given = |key| Reader::value(table, key).is_some();
    let foreign: Vec<&str> = ["commits", "paths"].into_iter().filter(|key| is_given(key)).collect();
    for key in &foreign {
        reader.texts(table, key);
    }
    let raw = RawAllowlist {
        is_and,
        target,
        regexes: reader.texts(table, "regexes"),
        stopwords: reader.texts(table, "stopwords").into_iter().map(|(word, _)| word).collect(),
        rules: if is_files { reader.texts(table, "targetRules") } else { Vec::new() },
    };
    if raw.stopwords.iter().any(String::is_empty) {
        reader.problem(table.offset, format!("{what}: a stop word is empty, and would allow everything"));
        return None;
    }
    if raw.regexes.is_empty() && raw.stopwords.is_empty() && foreign.is_empty() {
        reader.problem(table.offset, format!("{what}: it allows nothing: expected `regexes` or `stopwords`"));
        return None;
    }
    if foreign.is_empty() {
        return Some(raw);
    }
    let keys = foreign.join("` and `");
    if is_and || (raw.regexes.is_empty() && raw.stopwords.is_empty()) {
        // A condition that cannot be known is not met: it never widens what is allowed.
        reader.warn(table.offset, format!("{what}: never holds, for what passes the gate has no `{keys}`"));
        return None;
    }
    reader.warn(table.offset, format!("{what}: `{keys}` is ignored: what passes the gate has none"));
    Some(raw)
}

fn target<'t>(reader: &mut Reader<'t>, table: Table<'t>, what: &str) -> Target {
    let Some((word, place)) = reader.text(table, "regexTarget") else { return Target::Secret };
    match word.as_str() {
        "" | "secret" => Target::Secret,
        "match" => Target::Match,
        "line" => Target::Line,
        _ => {
            let near = suggestion(&word, ["secret", "match", "line"]);
            let message = format!("{what}: `regexTarget`: expected `secret`, `match` or `line`, found `{}`{near}", shown(&word));
            reader.problems.push(Problem { place, message });
            Target::Secret
        }
    }
}
