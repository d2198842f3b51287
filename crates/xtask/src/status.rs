//! `examples/STATUS.md`: sentence by sentence what of each situation is enforced, decided only, or missing.
//!
//! The source is `examples/NAME/situation.md`, a title and a table of `sentence | state | by`. What it names has to exist: the test
//! that runs a sentence through the gate, the table of cases that decides it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;

const FILE: &str = "examples/STATUS.md";
const HEAD: &str = "\
# What of the situations is enforced

Written by `cargo xtask status` from `examples/*/situation.md`; `cargo xtask check` fails where it is out of date, or names a test or a
table of cases that is not there.

- **enforced**: the named test runs it through the gate. It supplies credentials and requests as the situation's own parties send them,
  and no fact. What is said of data and records holds as far as the system that keeps them asks the gate and obeys.
- **decided**: the named table of cases tests what policies decide. Nothing brings the facts, or the calls, to the gate yet.
- **missing**: what has to come first.

";

/// How far a sentence is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Enforced,
    Decided,
    Missing,
}

impl State {
    const ALL: [(&'static str, Self); 3] = [("enforced", Self::Enforced), ("decided", Self::Decided), ("missing", Self::Missing)];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, state)| *state == self).map_or("", |(word, _)| word)
    }
}

/// One sentence.
#[derive(Debug, PartialEq, Eq)]
struct Sentence {
    /// From 1.
    line: usize,
    text: String,
    state: State,
    by: String,
}

/// One example with a situation.
#[derive(Debug)]
struct Situation {
    /// The folder's name.
    name: String,
    title: String,
    sentences: Vec<Sentence>,
}

/// Writes the page, or with `only_compare` says whether the one in the tree is right. `false` if something that is named is not
/// there.
pub(crate) fn status(only_compare: bool) -> Result<bool> {
    let root = run::root()?;
    let (mut situations, mut wrong) = (Vec::new(), Vec::new());
    for folder in folders(&root.join("examples"))? {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(text) = std::fs::read_to_string(folder.join("situation.md")) else { continue };
        let file = format!("examples/{name}/situation.md");
        match read(&name, &text) {
            Ok(situation) => {
                let checks =
                    situation.sentences.iter().filter_map(|sentence| Some((sentence, absent(&root, &folder, sentence)?)));
                wrong.extend(checks.map(|(sentence, what)| format!("{file}:{}: {what}", sentence.line)));
                situations.push(situation);
            }
            Err(what) => wrong.push(format!("{file}:{what}")),
        }
    }
    if !wrong.is_empty() {
        wrong.iter().for_each(|line| println!("{line}"));
        return Ok(false);
    }
    let page = page(&situations);
    let path = root.join(FILE);
    if std::fs::read_to_string(&path).unwrap_or_default() == page {
        println!("{FILE} is up to date: {} situations", situations.len());
        return Ok(true);
    }
    if only_compare {
        println!("{FILE} is out of date: run `cargo xtask status` and commit the result");
        return Ok(false);
    }
    std::fs::write(&path, &page).with_context(|| format!("cannot write {FILE}"))?;
    println!("wrote {FILE}");
    Ok(true)
}

fn folders(examples: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(examples).context("cannot list examples")?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

/// Reads a situation; an error begins with the line.
fn read(name: &str, text: &str) -> Result<Situation, String> {
    let title = text.lines().find_map(|line| line.strip_prefix("# ")).ok_or("1: expected a title, `# …`")?.to_owned();
    let mut sentences: Vec<Sentence> = Vec::new();
    let rows = (1_usize..).zip(text.lines()).filter(|(_, line)| line.starts_with('|'));
    for (line, row) in rows.skip(2) {
        let cells: Vec<&str> = row.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [sentence, word, by] = cells.as_slice() else { return Err(format!("{line}: expected `| sentence | state | by |`")) };
        let Some((_, state)) = State::ALL.iter().find(|(known, _)| known == word) else {
            return Err(format!("{line}: `{word}` is no state: expected enforced, decided or missing"));
        };
        if sentence.is_empty() || by.is_empty() || sentences.iter().any(|earlier| earlier.text == *sentence) {
            return Err(format!("{line}: a sentence is empty, stands twice, or names nothing"));
        }
        sentences.push(Sentence { line, text: (*sentence).to_owned(), state: *state, by: (*by).to_owned() });
    }
    if sentences.is_empty() {
        return Err("1: expected a table of `sentence | state | by`".to_owned());
    }
    Ok(Situation { name: name.to_owned(), title, sentences })
}

/// What a sentence names and is not there.
fn absent(root: &Path, folder: &Path, sentence: &Sentence) -> Option<String> {
    let by = &sentence.by;
    match sentence.state {
        State::Missing => None,
        State::Enforced => {
            let Some((file, test)) = by.split_once("::") else {
                return Some(format!("`{by}` names no test: expected `FILE::TEST`"));
            };
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
            let is_there = text.lines().any(|line| line.starts_with(&format!("def {test}(")));
            (!is_there).then(|| format!("there is no test `{by}`"))
        }
        State::Decided => {
            let Some((file, heading)) = by.split_once('#') else {
                return Some(format!("`{by}` names no table of cases: expected `FILE#HEADING`"));
            };
            let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            (!has_cases(&text, heading)).then(|| format!("there is no table of cases `{by}`"))
        }
    }
}

/// Whether a table of cases with at least one case stands under a heading.
fn has_cases(text: &str, heading: &str) -> bool {
    let below = text.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading || !line.starts_with('#'));
    let section = below.skip(1).take_while(|line| !line.starts_with('#'));
    section.filter(|line| line.starts_with('|')).count() > 2
}

fn page(situations: &[Situation]) -> String {
    let mut page = format!("{HEAD}| situation | enforced | decided | missing |\n|---|---|---|---|\n");
    for situation in situations {
        let count = |state| situation.sentences.iter().filter(|sentence| sentence.state == state).count();
        let [enforced, decided, missing] = [State::Enforced, State::Decided, State::Missing].map(count);
        _ = writeln!(page, "| [{}]({}/README.md) | {enforced} | {decided} | {missing} |", situation.title, situation.name);
    }
    for situation in situations {
        _ = write!(page, "\n## {}\n\n| sentence | state | by |\n|---|---|---|\n", situation.title);
        for sentence in &situation.sentences {
            let by = match sentence.state {
                State::Enforced => format!("`{}`", sentence.by),
                State::Decided => format!("`examples/{}/{}`", situation.name, sentence.by),
                State::Missing => sentence.by.clone(),
            };
            _ = writeln!(page, "| {} | {} | {by} |", sentence.text, sentence.state.word());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::{State, has_cases, page, read};

    const TEXT: &str =
        "# Bank\n\n| sentence | state | by |\n|---|---|---|\n| One | enforced | tests/a.py::b |\n| Two | missing | tools |\n";

    #[test]
    fn a_situation_is_read() {
        let bank = read("bank", TEXT).unwrap();
        let states: Vec<State> = bank.sentences.iter().map(|sentence| sentence.state).collect();
        assert_eq!((bank.title.as_str(), states, bank.sentences[1].line), ("Bank", vec![State::Enforced, State::Missing], 6));
        let page = page(&[bank]);
        assert!(page.contains("| [Bank](bank/README.md) | 1 | 0 | 1 |") && page.contains("| One | enforced | `tests/a.py::b` |"));
    }

    #[test]
    fn what_is_no_situation_is_told() {
        let facts = [
            (TEXT.replace("# Bank", "Bank"), "1: "),
            (TEXT.replace("missing", "done"), "6: `done` is no state"),
            (TEXT.replace("| tools", ""), "6: expected"),
            (TEXT.replace("tools", ""), "6: a sentence is empty"),
            (TEXT.replace("Two", "One"), "6: a sentence is empty, stands twice"),
            ("# Bank\n".to_owned(), "1: expected a table"),
        ];
        for (text, expected) in facts {
            let told = read("bank", &text).unwrap_err();
            assert!(told.starts_with(expected), "{text}: {told}");
        }
    }

    #[test]
    fn cases_stand_under_their_heading() {
        let text = "# All\n\n## One\n\n| who | does |\n|--|--|\n| a | b |\n\n## Two\n\n| who | does |\n|--|--|\n";
        assert!(has_cases(text, "One") && !has_cases(text, "Two") && !has_cases(text, "Three") && !has_cases(text, "who"));
    }
}
