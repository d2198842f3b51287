//! What is given: the facts of a call about which nothing is said, changed by `fact=value; fact=value`.

use std::collections::{BTreeMap, BTreeSet};

use engine::ports::Said;
use model::{
    Access, Action, Ask, Asked, Chain, CredentialId, Dialect, Facts, Federated, FindingCount, Foreign, Grant, Label, Mandate,
    Name, PrincipalKind, Reach, Resource, Shape, Task, UnixMillis,
};
use serde_json::{Value, json};

use super::{Known, around};

/// The time of a case that does not say another: 2026-01-01 12:00 UTC, a Thursday.
const NOON: UnixMillis = UnixMillis(1_767_268_800_000);

/// What is said beside the facts themselves.
#[derive(Default)]
struct More {
    /// The enforcement point that asks.
    pep: Option<Name>,
    /// What it says.
    said: Said,
    /// The groups that an issuer vouches for.
    groups: Option<BTreeSet<Name>>,
    /// The task: what it is for, and what it was granted.
    purpose: Option<Name>,
    grant: Option<Grant>,
}

/// The facts of a call: those about which nothing is said, changed by `text`.
pub(super) fn facts(text: &str, chain: &Chain, ask: &Ask, known: &Known<'_>) -> Result<Facts, String> {
    let mut facts = plain()?;
    let mut more = More::default();
    for pair in pairs(text) {
        let (path, value) = pair
            .split_once('=')
            .map(|(path, value)| (path.trim(), value.trim()))
            .ok_or_else(|| format!("`{pair}`: expected `fact=value`, with `;` between several"))?;
        facts = given(facts, &mut more, (path, value), known)?;
    }
    let is_foreign = matches!(ask.resource, Resource::Foreign(_));
    if is_foreign || more.pep.is_some() {
        facts.dialect = None;
    }
    facts.mandate.asked_by = asked_by(&more, chain, ask, known.access)?.map(Box::new);
    if let Some(groups) = more.groups {
        let principal = chain.subject().cloned().ok_or("`groups`: nobody is the subject")?;
        facts.mandate.federated = Some(Federated { principal, groups });
    }
    if more.purpose.is_some() || more.grant.is_some() {
        let id = Name::new("case").map_err(|error| error.to_string())?;
        let task = Some(Task { id, purpose: more.purpose, grant: more.grant.map_or_else(every, Ok)? });
        // While a token is asked for, policies see the task that it will be for.
        match ask.action {
            Action::IssueToken => facts.mandate.asked = task,
            _ => facts.mandate.task = task,
        }
    }
    Ok(facts)
}

fn plain() -> Result<Facts, String> {
    Ok(Facts {
        now: NOON,
        credential: CredentialId::new("case").map_err(|error| error.to_string())?,
        credential_age: 0,
        dialect: Some(Dialect::Openai),
        stream: false,
        findings: BTreeMap::new(),
        label: Label::default(),
        ledger_version: 0,
        answered: BTreeSet::new(),
        mandate: Mandate::default(),
        arguments: None,
        around: model::Around::default(),
    })
}

/// The parts between `;`, but for those that stand in JSON.
fn pairs(text: &str) -> Vec<&str> {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let between = move |letter: char| {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' if depth > 0 => in_string = !in_string,
            '{' | '[' if !in_string => depth = depth.saturating_add(1),
            '}' | ']' if !in_string => depth = depth.saturating_sub(1),
            ';' => return depth == 0,
            _ => {}
        }
        false
    };
    text.split(between).map(str::trim).filter(|pair| !pair.is_empty()).collect()
}

/// One fact.
fn given(mut facts: Facts, more: &mut More, (path, value): (&str, &str), known: &Known<'_>) -> Result<Facts, String> {
    let wrong = |wanted: &str| format!("`{path}={value}`: expected {wanted}");
    match path.split_once('.') {
        Some(("findings", kind)) => {
            let count = value.parse().map_err(|_| wrong("a count"))?;
            let group = (known.group_of)(kind)
                .ok_or_else(|| format!("`{kind}` is no kind of finding: see `portcullis scan`, docs/SCANNERS.md"))?;
            facts.findings.insert(kind.to_owned(), FindingCount { group, count });
        }
        Some(("pep", said)) => {
            let (place, name) = place(&mut more.said, said)
                .ok_or_else(|| wrong("pep.subject.NAME, pep.action.NAME, pep.resource.NAME or pep.context.NAME"))?;
            place.insert(name.to_owned(), json_or_text(value));
        }
        Some(("task", "purpose")) => more.purpose = Some(Name::new(value).map_err(|error| error.to_string())?),
        Some(("task", "grant")) => more.grant = Some(grant(value)?),
        Some(("task", "mayAct")) => facts.mandate.may_act = value.parse().map_err(|_| wrong("true or false"))?,
        _ if around::set(&mut facts.around, path, value)? => {}
        _ => match path {
            "answered" => {
                for word in super::words(value) {
                    let answer = word.parse();
                    let what = || format!("`{word}` is no challenge: expected approval, step-up or posture");
                    facts.answered.insert(answer.map_err(|()| what())?);
                }
            }
            "now" => facts.now = moment(value).ok_or_else(|| wrong("a time as 2026-01-31T12:00:00Z"))?,
            "arguments" => {
                let is_object = serde_json::from_str::<Value>(value).is_ok_and(|value| value.is_object());
                facts.arguments = Some(is_object.then(|| value.to_owned()).ok_or_else(|| wrong("a JSON object"))?);
            }
            "groups" => more.groups = Some(names(value)?),
            "pep" => more.pep = Some(Name::new(value).map_err(|error| error.to_string())?),
            _ => facts = set(&facts, path, value)?,
        },
    }
    Ok(facts)
}

fn moment(text: &str) -> Option<UnixMillis> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(timestamp.as_millisecond()).ok().map(UnixMillis)
}

pub(super) fn names(text: &str) -> Result<BTreeSet<Name>, String> {
    super::words(text).iter().map(|word| Name::new(word).map_err(|error| error.to_string())).collect()
}

/// What JSON, or else a text, `text` is.
fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// Of what an enforcement point says: the part that `subject.NAME`, `action.NAME`, `resource.NAME` or `context.NAME` names.
fn place<'s, 'p>(said: &'s mut Said, path: &'p str) -> Option<(&'s mut serde_json::Map<String, Value>, &'p str)> {
    let (part, name) = path.split_once('.')?;
    match part {
        "subject" => Some((&mut said.subject, name)),
        "action" => Some((&mut said.action, name)),
        "resource" => Some((&mut said.resource, name)),
        "context" => Some((&mut said.context, name)),
        _ => None,
    }
}

/// Who asks, and what of it policies see: as the gate has it, but that here a word which nobody declares is a mistake.
fn asked_by(more: &More, chain: &Chain, ask: &Ask, access: &Access) -> Result<Option<Asked>, String> {
    let foreign = if let Resource::Foreign(foreign) = &ask.resource { Some(foreign) } else { None };
    let said = [&more.said.subject, &more.said.action, &more.said.resource, &more.said.context];
    let (pep, claims) = match (foreign, &more.pep) {
        (None, None) if said.iter().all(|said| said.is_empty()) => return Ok(None),
        (None, None) => return Err("`pep.…`: nobody asks about this; name the enforcement point with `pep=NAME`".to_owned()),
        (None, Some(pep)) if said.iter().all(|said| said.is_empty()) => (pep.clone(), None),
        (None, Some(_)) => return Err("`pep.…`: of the gate's own words an enforcement point says nothing more".to_owned()),
        (Some(foreign), pep) => {
            let pep = pep.clone().map_or_else(|| only(access), Ok)?;
            undeclared(&more.said, foreign, access)?;
            let claims = engine::claims(access, foreign, &more.said);
            (pep, Some(claims.map_err(|refusal| refusal.detail.unwrap_or_else(|| refusal.code.to_string()))?))
        }
    };
    let subject = chain.subject().map_or(PrincipalKind::User, |subject| subject.kind);
    Ok(Some(Asked { subject: word(subject, access.points.get(&pep), access), pep, claims }))
}

/// The one enforcement point that there is.
fn only(access: &Access) -> Result<Name, String> {
    let mut points = access.points.keys();
    match (points.next(), points.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => Err("no enforcement point is registered that could ask this: see `enforcement_points`".to_owned()),
        (Some(_), Some(_)) => Err("several enforcement points could ask this: say which with `pep=NAME`".to_owned()),
    }
}

/// The word of a point for a kind of subject: the first that it may ask about.
fn word(kind: PrincipalKind, point: Option<&model::Point>, access: &Access) -> String {
    let own = kind.as_str();
    let others = access.subjects.iter().filter(|(_, of)| **of == kind).map(|(word, _)| word.as_str());
    let mut words = std::iter::once(own).chain(others);
    words.find(|word| point.is_some_and(|point| point.subjects.holds(word))).unwrap_or(own).to_owned()
}

fn undeclared(said: &Said, foreign: &Foreign, access: &Access) -> Result<(), String> {
    let nothing = BTreeMap::new();
    let action = access.actions.get(&foreign.action).map_or(&nothing, |verb| &verb.properties);
    let resource = access.resources.get(&foreign.kind).map_or(&nothing, |kind| &kind.properties);
    let places = [
        ("subject", &said.subject, &access.subject),
        ("action", &said.action, action),
        ("resource", &said.resource, resource),
        ("context", &said.context, &access.context),
    ];
    for (place, said, declared) in places {
        let declared: &BTreeMap<String, Shape> = declared;
        if let Some(name) = said.keys().find(|name| !declared.contains_key(*name)) {
            return Err(format!("`pep.{place}.{name}` is not declared under `access`: the gate would not see it"));
        }
    }
    Ok(())
}

/// `callModel:small, useBeta:*`
fn grant(text: &str) -> Result<Grant, String> {
    let mut grant = Grant::nothing();
    for word in super::words(text) {
        let (action, id) = word.split_once(':').ok_or_else(|| format!("`{word}`: expected such as `callModel:small`"))?;
        let known = Grant::TYPES.iter().find(|(_, known, _)| known.as_str() == action);
        let (_, action, _) = known.ok_or_else(|| format!("`{action}` is no action of a grant"))?;
        let reach = Reach::new([id.to_owned()]).map_err(|error| error.to_string())?;
        grant.add(*action, reach).map_err(|error| error.to_string())?;
    }
    Ok(grant)
}

/// Everything that can be granted.
fn every() -> Result<Grant, String> {
    let words: Vec<String> = Grant::TYPES.iter().map(|(_, action, _)| format!("{}:*", action.as_str())).collect();
    grant(&words.join(","))
}

/// `facts` with the fact at `path` set to what JSON, or else a string, `text` is.
fn set(facts: &Facts, path: &str, text: &str) -> Result<Facts, String> {
    let value = json_or_text(text);
    let mut whole = serde_json::to_value(facts).map_err(|error| error.to_string())?;
    if let (Some(whole), true) = (whole.as_object_mut(), path.starts_with("mandate.")) {
        whole.entry("mandate").or_insert_with(|| json!({}));
    }
    let pointer = format!("/{}", path.replace('.', "/"));
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", path));
    let unknown = || {
        format!(
            "`{path}` is no fact: expected one such as stream, dialect, credential_age, label.level, findings.KIND, answered, now, \
             arguments, groups, task.purpose, task.grant, pep, {}",
            around::WORDS.join(", ")
        )
    };
    let fields = whole.pointer_mut(parent).and_then(Value::as_object_mut).ok_or_else(unknown)?;
    fields.insert(key.to_owned(), value.clone());
    let read: Facts = serde_json::from_value(whole).map_err(|error| format!("`{path}={text}`: {error}"))?;
    // What a fact does not take in is a name that no fact has.
    let again = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    if again.pointer(&pointer) == Some(&value) { Ok(read) } else { Err(unknown()) }
}
