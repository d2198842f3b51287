//! Cases of decisions in a table that people read: Markdown, beside the policies.
//!
//! ```text
//! | who                     | does      | to          | given                   | expect                 | because  |
//! |-------------------------|-----------|-------------|-------------------------|------------------------|----------|
//! | user:ada → agent:desk   | callModel | Model:small | findings.CREDIT_CARD=1  | deny policy-forbidden  | no-cards |
//! ```
//! What stands outside of such tables is for people. A table is one of cases if its heading has `who`, `does`, `to` and `expect`.

use std::collections::BTreeMap;

use model::{
    Action, Ask, Chain, CredentialId, DecisionInput, Dialect, Duty, Facts, FindingCount, FindingGroup, Label, ModelName, Name,
    PrincipalId, ReasonCode, Resource, UnixMillis, Verdict,
};
use serde_json::{Value, json};

/// Most cases of one file.
const MAX_CASES: usize = 100_000;
/// The time of a case that does not say another: 2026-01-01 12:00 UTC, a Thursday.
const NOON: UnixMillis = UnixMillis(1_767_268_800_000);

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
}

/// What is wrong with one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// From 1.
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads every table of cases in `text`. `group_of` knows the kinds of findings.
pub(super) fn parse(text: &str, group_of: &dyn Fn(&str) -> Option<FindingGroup>) -> Result<Vec<Case>, Vec<Wrong>> {
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
        match case(number, names, &cells, group_of) {
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

fn case(
    line: usize,
    names: &[String],
    cells: &[String],
    group_of: &dyn Fn(&str) -> Option<FindingGroup>,
) -> Result<Case, String> {
    if cells.len() != names.len() {
        return Err(format!("{} cells, and the heading has {}", cells.len(), names.len()));
    }
    let mut row: BTreeMap<&str, &str> = names.iter().map(String::as_str).zip(cells.iter().map(String::as_str)).collect();
    let mut take = |name: &str| row.remove(name).unwrap_or_default();
    let chain = chain(take("who"))?;
    let asks = vec![Ask { action: action(take("does"))?, resource: resource(take("to"))? }];
    let facts = facts(take("given"), group_of)?;
    let expect = Expect { because: words(take("because")), ..expect(take("expect"))? };
    take("note");
    match row.keys().next() {
        None => Ok(Case { line, input: DecisionInput { chain, asks, facts }, expect }),
        Some(other) => Err(format!("the column `{other}` is not known: expected who, does, to, given, expect, because, note")),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split([',', ' ']).map(|word| word.trim_matches('`')).filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect()
}

/// `user:ada → agent:desk`; `>` and `->` do as well.
pub(super) fn chain(text: &str) -> Result<Chain, String> {
    let links = text.replace("->", "→").replace('>', "→");
    let links: Result<Vec<PrincipalId>, String> = links
        .split('→')
        .map(|link| link.trim().parse().map_err(|error: model::IdError| format!("`{}`: {error}", link.trim())))
        .collect();
    Chain::new(links?).map_err(|error| error.to_string())
}

pub(super) fn action(text: &str) -> Result<Action, String> {
    let found = Action::ALL.into_iter().find(|action| action.as_str() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
        format!("`{text}` is no action: expected {}", known.join(", "))
    })
}

/// `Model:small`, `HostedTool:openai/web_search`, `Gate`.
pub(super) fn resource(text: &str) -> Result<Resource, String> {
    let (kind, id) = text.split_once(':').unwrap_or((text, ""));
    let name = || Name::new(id).map_err(|error| format!("`{text}`: {error}"));
    match kind.to_lowercase().as_str() {
        "model" => Ok(Resource::Model(ModelName::new(id).map_err(|error| format!("`{text}`: {error}"))?)),
        "agent" => Ok(Resource::Agent(name()?)),
        "hostedtool" if !id.is_empty() => Ok(Resource::HostedTool(id.to_owned())),
        "destination" if !id.is_empty() => Ok(Resource::Destination(id.to_owned())),
        "beta" if !id.is_empty() => Ok(Resource::Beta(id.to_owned())),
        "gate" if id.is_empty() => Ok(Resource::Gate),
        _ => Err(format!(
            "`{text}` is no resource: expected Model:NAME, Agent:NAME, HostedTool:ID, Destination:HOST, Beta:ID or Gate"
        )),
    }
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

/// The facts of a call about which nothing is said, changed by `path=value; path=value`.
pub(super) fn facts(text: &str, group_of: &dyn Fn(&str) -> Option<FindingGroup>) -> Result<Facts, String> {
    let mut facts = Facts {
        now: NOON,
        credential: CredentialId::new("case").map_err(|error| error.to_string())?,
        credential_age: 0,
        dialect: Some(Dialect::Openai),
        stream: false,
        findings: BTreeMap::new(),
        label: Label::default(),
        ledger_version: 0,
        answered: std::collections::BTreeSet::new(),
        mandate: model::Mandate::default(),
        arguments: None,
        around: model::Around::default(),
    };
    for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (path, value) = pair
            .split_once('=')
            .map(|(path, value)| (path.trim(), value.trim()))
            .ok_or_else(|| format!("`{pair}`: expected `fact=value`, with `;` between several"))?;
        match path.split_once('.') {
            Some(("findings", kind)) => {
                let count = value.parse().map_err(|_| format!("`{pair}`: expected a count"))?;
                let group = group_of(kind)
                    .ok_or_else(|| format!("`{kind}` is no kind of finding: see `portcullis scan`, docs/SCANNERS.md"))?;
                facts.findings.insert(kind.to_owned(), FindingCount { group, count });
            }
            _ if path == "answered" => {
                for word in words(value) {
                    facts.answered.insert(
                        word.parse().map_err(|()| format!("`{word}` is no challenge: expected approval, step-up or posture"))?,
                    );
                }
            }
            _ if path == "now" => {
                facts.now = moment(value).ok_or_else(|| format!("`{pair}`: expected a time as 2026-01-31T12:00:00Z"))?
            }
            _ => facts = set(&facts, path, value)?,
        }
    }
    Ok(facts)
}

fn moment(text: &str) -> Option<UnixMillis> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(timestamp.as_millisecond()).ok().map(UnixMillis)
}

/// `facts` with the fact at `path` set to what JSON, or else a string, `text` is.
fn set(facts: &Facts, path: &str, text: &str) -> Result<Facts, String> {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let mut whole = serde_json::to_value(facts).map_err(|error| error.to_string())?;
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", path));
    let unknown = || {
        format!(
            "`{path}` is no fact: expected one such as stream, dialect, credential_age, label.level, findings.KIND, answered, now, mandate.task"
        )
    };
    let fields = whole.pointer_mut(parent).and_then(Value::as_object_mut).ok_or_else(unknown)?;
    fields.insert(key.to_owned(), value.clone());
    let read: Facts = serde_json::from_value(whole).map_err(|error| format!("`{path}={text}`: {error}"))?;
    // What a fact does not take in is a name that no fact has.
    let again = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    if again.pointer(&pointer) == Some(&value) { Ok(read) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use model::{FindingGroup, Verdict};

    use super::{Case, parse};

    fn cards(kind: &str) -> Option<FindingGroup> {
        (kind == "CREDIT_CARD").then_some(FindingGroup::Pii)
    }

    fn read(rows: &str) -> Result<Vec<Case>, Vec<String>> {
        let text = format!(
            "# Text\n\n| Who | does | to | given | expect | because |\n|--|--|--|--|--|--|\n{rows}\n\n| not | ours |\n| a | b |\n"
        );
        parse(&text, &cards).map_err(|wrong| wrong.into_iter().map(|wrong| wrong.message).collect())
    }

    #[test]
    fn a_row_is_a_decision_and_what_is_expected_of_it() {
        let row = "| user:ada -> agent:desk | callModel | Model:small | stream=true; findings.CREDIT_CARD=2; label.level=confidential; answered=approval; now=2026-02-03T04:05:06Z | `deny policy-forbidden` | no-cards, two |";
        let cases = read(row).unwrap();
        let [case] = cases.as_slice() else { panic!("{cases:?}") };
        assert_eq!((case.line, case.input.chain.links().len(), case.input.asks.len()), (5, 2, 1));
        let facts = &case.input.facts;
        assert!(facts.stream && facts.findings["CREDIT_CARD"].count == 2 && facts.answered.len() == 1);
        assert_eq!((facts.label.level, facts.now.0), (model::Level::Confidential, 1_770_091_506_000));
        assert_eq!((case.expect.verdict, case.expect.because.len()), (Some(Verdict::Deny), 2));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let facts = [
            ("| user:ada | callModel | Model:small | | permit |", "5 cells, and the heading has 6"),
            ("| ada | callModel | Model:small | | permit | |", "`ada`:"),
            ("| user:ada | call | Model:small | | permit | |", "`call` is no action"),
            ("| user:ada | callModel | small | | permit | |", "`small` is no resource"),
            ("| user:ada | callModel | Model:small | | allow | |", "`allow`: expected permit"),
            ("| user:ada | callModel | Model:small | | deny because | |", "`because` is neither"),
            ("| user:ada | callModel | Model:small | label.lvl=public | permit | |", "`label.lvl` is no fact"),
            ("| user:ada | callModel | Model:small | label.level=secret | permit | |", "`label.level=secret`:"),
            ("| user:ada | callModel | Model:small | a.b.c=1 | permit | |", "`a.b.c` is no fact"),
            ("| user:ada | callModel | Model:small | findings.CARD=1 | permit | |", "`CARD` is no kind"),
            ("| user:ada | callModel | Model:small | stream | permit | |", "`stream`: expected `fact=value`"),
            ("| user:ada | callModel | Model:small | now=today | permit | |", "`now=today`: expected a time"),
        ];
        for (row, message) in facts {
            let wrong = read(row).unwrap_err();
            assert!(matches!(wrong.as_slice(), [only] if only.starts_with(message)), "{row}: {wrong:?}");
        }
        assert!(read("").unwrap().is_empty());
    }
}
