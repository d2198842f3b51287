//! From files to rules that hold together: what a file extends is merged in as gitleaks merges it, names are held against each
//! other and against those of the gate's own kinds, expressions are parsed. Nothing is compiled here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::allow::Allowlist;
use crate::pattern::{self, Pattern};
use crate::problem::{Place, Problem, shown, suggestion};
use crate::raw::{self, RawAllowlist, RawFile, RawRule};
use crate::reader::At;

/// Most rules of all files.
const MAX_RULES: usize = 2000;
/// Most files, those that are extended included.
const MAX_FILES: usize = 32;
/// How many files deep a file may extend others, as in gitleaks.
const MAX_DEPTH: usize = 2;
/// Longest id in bytes: a duty names the kind that is made of it.
const MAX_ID: usize = 64;

/// A kind that the gate's own scanners find.
#[derive(Debug, Clone, Copy)]
pub struct Kind<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it is a credential.
    pub is_secret: bool,
}

/// A checked rule, not compiled yet.
#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) place: Place,
    pub(crate) pattern: Pattern,
    /// The group that holds the secret; 0 for the first that is not empty.
    pub(crate) group: usize,
    /// A secret has more bits per character than this, if it is above 0.
    pub(crate) entropy: f64,
    pub(crate) keywords: Vec<String>,
    pub(crate) allowlists: Vec<Arc<Allowlist>>,
}

impl Rule {
    /// The rule's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The kind of what it finds.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// What rule files say.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules of all files, in order.
    pub rules: Vec<Rule>,
    /// What works and is worth a word.
    pub warnings: Vec<Problem>,
    /// Every file that was read, by name, with its text.
    pub texts: BTreeMap<String, String>,
}

/// The kind of what a rule finds: its id in capitals, with `_` for everything that is neither letter nor digit.
#[must_use]
pub fn kind_of(id: &str) -> String {
    id.chars().map(|character| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }).collect()
}

/// Reads `files` and what they extend. `read` gives the text of a file, or one line that says why it cannot; names are relative
/// to one folder, use `/` and never leave it. `own` are the kinds of the gate's own scanners.
///
/// # Errors
/// Everything that is wrong, sorted by place.
pub fn load(
    files: &[String],
    read: &mut dyn FnMut(&str) -> Result<String, String>,
    own: &[Kind<'_>],
) -> Result<Loaded, Vec<Problem>> {
    let mut loader = Loader { read, own, loaded: Loaded::default(), problems: Vec::new(), kinds: BTreeMap::new() };
    for file in files {
        loader.file(file);
    }
    let Loader { mut loaded, mut problems, .. } = loader;
    if loaded.rules.len() > MAX_RULES {
        let place = start(files.first().map_or("", String::as_str));
        problems.push(Problem { place, message: format!("{} rules in all, the most are {MAX_RULES}", loaded.rules.len()) });
    }
    if problems.is_empty() {
        loaded.warnings.sort();
        loaded.warnings.dedup();
        return Ok(loaded);
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}

fn start(file: &str) -> Place {
    Place { file: file.into(), line: 1, column: 1 }
}

struct Loader<'a> {
    read: &'a mut dyn FnMut(&str) -> Result<String, String>,
    own: &'a [Kind<'a>],
    loaded: Loaded,
    problems: Vec<Problem>,
    /// Kinds of the rules so far, with the place of the rule.
    kinds: BTreeMap<String, Place>,
}

impl Loader<'_> {
    /// One file that operators name, with what it extends.
    fn file(&mut self, file: &str) {
        let Some(raw) = self.merged(file, &start(file), 0) else { return };
        let ids: BTreeSet<&str> = raw.rules.iter().map(|rule| rule.id.as_str()).collect();
        let mut shared: Vec<(Arc<Allowlist>, BTreeSet<&str>)> = Vec::new();
        for list in &raw.allowlists {
            let unknown = list.rules.iter().filter(|(id, _)| !ids.contains(id.as_str()));
            let unknown = unknown.map(|(id, place)| {
                let near = suggestion(id, ids.iter().copied());
                Problem { place: place.clone(), message: format!("allowlist: no rule has the id `{}`{near}", shown(id)) }
            });
            self.problems.extend(unknown);
            if let Some(allowlist) = self.allowlist(list, "file") {
                shared.push((allowlist, list.rules.iter().map(|(id, _)| id.as_str()).collect()));
            }
        }
        for rule in &raw.rules {
            let fitting = shared.iter().filter(|(_, rules)| rules.is_empty() || rules.contains(rule.id.as_str()));
            let fitting = fitting.map(|(list, _)| Arc::clone(list)).collect();
            if let Some(rule) = self.rule(rule, fitting) {
                self.loaded.rules.push(rule);
            }
        }
    }

    /// A file with what it extends merged in; its own word counts where both have one.
    fn merged(&mut self, file: &str, said: &Place, depth: usize) -> Option<RawFile> {
        let text = self.text(file, said)?;
        let (mut raw, problems, warnings) = raw::read(file, &text);
        self.problems.extend(problems);
        self.loaded.warnings.extend(warnings);
        let Some((path, place)) = raw.extends.take() else { return Some(raw) };
        if depth >= MAX_DEPTH {
            let message = format!("extend: more than {MAX_DEPTH} files deep");
            self.problems.push(Problem { place, message });
            return None;
        }
        let Some(other) = beside(file, &path) else {
            let message = format!("extend: `{}` is not a path below this file's folder", shown(&path));
            self.problems.push(Problem { place, message });
            return None;
        };
        let base = self.merged(&other, &place, depth + 1)?;
        self.extend(&mut raw, base);
        Some(raw)
    }

    fn text(&mut self, file: &str, said: &Place) -> Option<String> {
        if let Some(text) = self.loaded.texts.get(file) {
            return Some(text.clone());
        }
        let read = if self.loaded.texts.len() < MAX_FILES {
            (self.read)(file)
        } else {
            Err(format!("there are more than {MAX_FILES} rule files"))
        };
        match read {
            Ok(text) => {
                self.loaded.texts.insert(file.to_owned(), text.clone());
                Some(text)
            }
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", shown(file));
                self.problems.push(Problem { place: said.clone(), message });
                None
            }
        }
    }

    fn extend(&mut self, raw: &mut RawFile, base: RawFile) {
        let known: Vec<&str> = base.rules.iter().map(|rule| rule.id.as_str()).collect();
        for (id, place) in raw.disabled.iter().filter(|(id, _)| !known.contains(&id.as_str())) {
            let near = suggestion(id, known.iter().copied());
            let message = format!("extend: `disabledRules`: no extended rule has the id `{}`{near}", shown(id));
            self.problems.push(Problem { place: place.clone(), message });
        }
        for mut rule in base.rules {
            if raw.disabled.iter().any(|(id, _)| *id == rule.id) {
                continue;
            }
            match raw.rules.iter_mut().find(|own| own.id == rule.id) {
                None => raw.rules.push(rule),
                Some(own) => {
                    own.regex = own.regex.take().or(rule.regex);
                    own.secret_group = if own.secret_group == 0 { rule.secret_group } else { own.secret_group };
                    own.entropy = if own.entropy > 0.0 { own.entropy } else { rule.entropy };
                    rule.keywords.append(&mut own.keywords);
                    rule.allowlists.append(&mut own.allowlists);
                    (own.keywords, own.allowlists) = (rule.keywords, rule.allowlists);
                }
            }
        }
        raw.allowlists.extend(base.allowlists);
    }

    fn rule(&mut self, raw: &RawRule, mut allowlists: Vec<Arc<Allowlist>>) -> Option<Rule> {
        let what = format!("rule `{}`", shown(&raw.id));
        let problem = |place: &Place, message: String| Problem { place: place.clone(), message: format!("{what}: {message}") };
        let kind = match self.kind(raw) {
            Ok(kind) => kind,
            Err(message) => {
                self.problems.push(problem(&raw.place, message));
                return None;
            }
        };
        let Some((regex, at)) = &raw.regex else {
            let message = "it has no `regex`: paths alone say nothing of what passes the gate".to_owned();
            self.problems.push(problem(&raw.place, message));
            return None;
        };
        let pattern = match pattern::parse(regex) {
            Ok(pattern) => pattern,
            Err(message) => {
                self.problems.push(problem(at, format!("`regex`: {message}")));
                return None;
            }
        };
        if pattern.least() == 0 {
            self.problems.push(problem(at, "`regex`: it matches the empty text, and so everywhere".to_owned()));
            return None;
        }
        if raw.secret_group > pattern.n_groups() {
            let message = format!("`secretGroup` is {}, and the expression has {} groups", raw.secret_group, pattern.n_groups());
            self.problems.push(problem(&raw.place, message));
            return None;
        }
        allowlists.extend(raw.allowlists.iter().filter_map(|list| self.allowlist(list, &what)));
        Some(Rule {
            id: raw.id.clone(),
            kind,
            place: raw.place.clone(),
            pattern,
            group: raw.secret_group,
            entropy: raw.entropy,
            keywords: raw.keywords.clone(),
            allowlists,
        })
    }

    /// What the rule's findings are called. A name of the gate's own is taken only where it means the same: a secret.
    fn kind(&mut self, raw: &RawRule) -> Result<String, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._/-".contains(&byte);
        let begins = raw.id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !begins || raw.id.len() > MAX_ID || !raw.id.bytes().all(is_plain) {
            return Err(format!(
                "an id has 1 to {MAX_ID} letters, digits, `.`, `_`, `-`, `/` and spaces, a letter or digit first"
            ));
        }
        let kind = kind_of(&raw.id);
        if let Some(first) = self.kinds.insert(kind.clone(), raw.place.clone()) {
            return Err(format!("the kind `{kind}` is taken by the rule at {}:{}", first.file, first.line));
        }
        match self.own.iter().find(|own| kind_of(own.name) == kind) {
            None => Ok(kind),
            Some(own) if own.is_secret => {
                let message = format!(
                    "rule `{}`: the gate has a scanner of this name; what the rule finds is called `{}` as well, and duties on it speak of both",
                    raw.id, own.name
                );
                self.loaded.warnings.push(Problem { place: raw.place.clone(), message });
                Ok(own.name.to_owned())
            }
            Some(own) => Err(format!("`{}` is a kind of personal data that the gate finds itself: choose another id", own.name)),
        }
    }

    fn allowlist(&mut self, raw: &RawAllowlist, what: &str) -> Option<Arc<Allowlist>> {
        let parsed = |(regex, place): &At<String>| {
            pattern::parse(regex)
                .map_err(|message| Problem { place: place.clone(), message: format!("{what}: allowlist: `regexes`: {message}") })
        };
        let mut patterns = Vec::new();
        for regex in &raw.regexes {
            match parsed(regex) {
                Ok(pattern) => patterns.push(pattern),
                Err(problem) => self.problems.push(problem),
            }
        }
        let is_whole = patterns.len() == raw.regexes.len();
        is_whole.then(|| Arc::new(Allowlist::new(raw, patterns)))
    }
}

/// The name of the file at `path`, as seen from `file`; `None` if it leaves the file's folder.
fn beside(file: &str, path: &str) -> Option<String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let leaves = path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains(['\\', ':', '\0']);
    if leaves {
        return None;
    }
    Some(match file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{path}"),
        None => path.to_owned(),
    })
}
