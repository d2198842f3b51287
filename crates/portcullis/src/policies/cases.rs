//! Cases of decisions in a table that people read: Markdown, beside the policies.
//!
//! ```text
//! | who                     | does      | to          | given                   | expect                 | because  |
//! |-------------------------|-----------|-------------|-------------------------|------------------------|----------|
//! | user:ada → agent:desk   | callModel | Model:small | findings.CREDIT_CARD=1  | deny policy-forbidden  | no-cards |
//! ```
//! What stands outside of such tables is for people. A table is one of cases if its heading has `who`, `does`, `to` and `expect`.

mod around;
mod ask;
mod given;

use std::collections::BTreeMap;

use model::{Access, Ask, Chain, DecisionInput, Duty, FindingGroup, ReasonCode, Verdict};

use ask::ask;
pub(super) use ask::chain;

use super::shadow;

/// Most cases of one file.
const MAX_CASES: usize = 100_000;

/// What the words of a case can mean beside the gate's own.
pub(super) struct Known<'a> {
    /// The group of a kind of finding, if there is such a kind.
    pub(super) group_of: &'a dyn Fn(&str) -> Option<FindingGroup>,
    /// What operators declare for other enforcement points.
    pub(super) access: &'a Access,
}

/// One line of a table.
#[derive(Debug)]
pub(super) struct Case {
    /// From 1.
    pub(super) line: usize,
    pub(super) input: DecisionInput,
    pub(super) expect: Expect,
}

/// What is expected of a decision.
#[derive(Debug, Default)]
pub(super) struct Expect {
    pub(super) verdict: Option<Verdict>,
    pub(super) reason: Option<ReasonCode>,
    /// All of these, and maybe more.
    pub(super) duties: Vec<Duty>,
    /// Ids of policies, each of which takes part.
    pub(super) because: Vec<String>,
    /// What shadow policies would make of it, where that is said.
    pub(super) shadow: Option<shadow::Expected>,
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads every table of cases in `text`.
pub(super) fn parse(text: &str, known: &Known<'_>) -> Result<Vec<Case>, Vec<Wrong>> {
    let (mut cases, mut wrong) = (Vec::new(), Vec::new());
    let mut columns: Option<Vec<String>> = None;
    for (number, line) in (1_usize..).zip(text.lines()) {
        let Some(cells) = cells(line) else {
            columns = None;
            continue;
        };
        let Some(names) = &columns else {
            let names: Vec<String> = cells.iter().map(|cell| cell.to_lowercase()).collect();
            let is_ours = ["who", "does", "to", "expect"].iter().all(|wanted| names.iter().any(|name| name == wanted));
            columns = Some(if is_ours { names } else { Vec::new() });
            continue;
        };
        let is_rule = cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|letter| matches!(letter, '-' | ':')));
        if names.is_empty() || is_rule {
            continue;
        }
        if cases.len() >= MAX_CASES {
            wrong.push(Wrong { line: number, message: format!("more than {MAX_CASES} cases in one file") });
            break;
        }
        match case(number, names, &cells, known) {
            Ok(case) => cases.push(case),
            Err(message) => wrong.push(Wrong { line: number, message }),
        }
    }
    if wrong.is_empty() { Ok(cases) } else { Err(wrong) }
}

/// The cells of a line of a table; none if it is no such line. `\|` is a bar within a cell.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.trim().strip_prefix('|')?;
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let mut cells = vec![String::new()];
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, letters.peek()) {
            ('\\', Some('|')) => {
                letters.next();
                cells.last_mut()?.push('|');
            }
            ('|', _) => cells.push(String::new()),
            _ => cells.last_mut()?.push(letter),
        }
    }
    Some(cells.iter().map(|cell| cell.trim().trim_matches('`').trim().to_owned()).collect())
}

fn case(line: usize, names: &[String], cells: &[String], known: &Known<'_>) -> Result<Case, String> {
    if cells.len() != names.len() {
        return Err(format!("{} cells, and the heading has {}", cells.len(), names.len()));
    }
    let mut row: BTreeMap<&str, &str> = names.iter().map(String::as_str).zip(cells.iter().map(String::as_str)).collect();
    let mut take = |name: &str| row.remove(name).unwrap_or_default();
    let input = input(&[take("who"), take("does"), take("to"), take("given")], known)?;
    let shadow = shadow::expected(take("shadow"))?;
    let expect = Expect { because: words(take("because")), shadow, ..expect(take("expect"))? };
    take("note");
    match row.keys().next() {
        None => Ok(Case { line, input, expect }),
        Some(other) => {
            Err(format!("the column `{other}` is not known: expected who, does, to, given, expect, because, shadow, note"))
        }
    }
}

/// The call that four cells describe: who, does, to, given.
pub(super) fn input([who, does, to, given]: &[&str; 4], known: &Known<'_>) -> Result<DecisionInput, String> {
    call(chain(who)?, ask(does, to, known.access)?, given, known)
}

/// The call of a chain and an ask, with what is given.
pub(super) fn call(chain: Chain, ask: Ask, given: &str, known: &Known<'_>) -> Result<DecisionInput, String> {
    let facts = given::facts(given, &chain, &ask, known)?;
    Ok(DecisionInput { chain, asks: vec![ask], facts })
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ']).map(|word| word.trim_matches('`')).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
}

fn expect(text: &str) -> Result<Expect, String> {
    let mut words = words(text).into_iter();
    let verdict = match words.next().as_deref() {
        Some("permit") => Verdict::Permit,
        Some("challenge") => Verdict::Challenge,
        Some("deny") => Verdict::Deny,
        other => return Err(format!("`{}`: expected permit, challenge or deny first", other.unwrap_or_default())),
    };
    let mut expect = Expect { verdict: Some(verdict), ..Expect::default() };
    for word in words {
        if word.contains(':') {
            expect.duties.push(word.parse().map_err(|error: model::DutyError| format!("`{word}`: {error}"))?);
        } else {
            expect.reason = Some(word.parse().map_err(|_| format!("`{word}` is neither a reason code nor a duty"))?);
        }
    }
    Ok(expect)
}

#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod tests;
