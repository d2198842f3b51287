//! Other enforcement points: what each may ask, and the words for it.
//!
//! INVARIANT: what passes here makes a schema that Cedar reads. Words are checked, references exist, and a property that two kinds
//! of resources of one action have in common has one shape.

use std::collections::{BTreeMap, BTreeSet};

use model::{Access, Name, Point, PrincipalId, PrincipalKind, Reach, ResourceKind, Shape, Value, Verb};

use crate::check::{Report, url as address};
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_access::{self, Kept, PartyKind, Told};
use crate::settings::StepUp;

/// Kinds of resources of the gate's own that can be asked about.
const OWN: [&str; 8] = ["Model", "HostedTool", "Destination", "Beta", "Agent", "Tool", "ToolServer", "Gate"];
/// Actions of the gate's own that can be asked about.
const OWN_ACTIONS: [&str; 12] = [
    "callModel",
    "storeRemotely",
    "releaseKey",
    "useHostedTool",
    "fetchRemote",
    "connect",
    "useBeta",
    "issueToken",
    "sendMessage",
    "callTool",
    "listTools",
    "answerServer",
];
/// Kinds of the gate's own that nobody can declare yet.
const LATER: [&str; 3] = ["Document", "Collection", "Dataset"];
/// Words of Cedar's language, which name nothing.
const RESERVED: [&str; 12] = ["if", "then", "else", "in", "is", "like", "has", "true", "false", "__cedar", "Action", "Access"];
/// Longest word, in bytes.
const MAX_WORD: usize = 128;
/// Longest id of a resource, in bytes.
const MAX_ID: usize = 1024;
/// Longest text of an attribute, in bytes.
const MAX_TEXT: usize = 4096;
/// Most methods of an authentication.
const MAX_METHODS: usize = 16;
/// The kind of resource that a path is.
const ROUTE: &str = "route";

/// The address by which enforcement points know the gate.
pub(super) fn url(file: &raw::File, report: &mut Report<'_>) -> Option<String> {
    let written = file.access.url.as_ref()?;
    let path = Path::of(&["access", "url"]);
    match address::base_url(written) {
        Err(what) => report.problem(&path, what),
        // AuthZEN 1.0, section 9.1.1: "a URL that uses the "https" scheme and has no query or fragment components".
        Ok(read) if !read.is_tls => report.problem(&path, "enforcement points find the gate by `https` only"),
        Ok(read) if read.to_string() != *written || !read.prefix.is_empty() => {
            report.problem(&path, "an address without a path is expected, and without a slash at its end");
        }
        Ok(_) => {}
    }
    Some(written.clone())
}

/// The authentication that they are told to ask for.
pub(super) fn step_up(file: &raw::File, report: &mut Report<'_>) -> Option<StepUp> {
    let raw_access::StepUp { acr, amr } = file.access.step_up.as_ref()?;
    let path = Path::of(&["access", "step_up"]);
    let mut check = |path: &Path, word: &str| {
        if word.is_empty() || word.len() > MAX_WORD || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
            report.problem(path, format!("expected 1 to {MAX_WORD} visible characters of ASCII, such as `phr` or `mfa`"));
        }
    };
    check(&path.key("acr"), acr);
    for (index, method) in amr.iter().enumerate() {
        check(&path.key("amr").index(index), method);
    }
    if amr.len() > MAX_METHODS {
        report.problem(&path.key("amr"), format!("at most {MAX_METHODS} methods"));
    }
    Some(StepUp { acr: acr.clone(), amr: amr.clone() })
}

/// Everything of it that takes part in decisions.
pub(super) fn access(file: &raw::File, report: &mut Report<'_>) -> Access {
    let raw = &file.access;
    let section = Path::of(&["access"]);
    let mut subjects = BTreeMap::new();
    for (word, kind) in &raw.subjects {
        let path = section.key("subjects").key(word);
        if ["user", "agent", "service"].contains(&word.as_str()) {
            report.key_problem(&path, format!("`{word}` is known already"));
        } else if word_of(word, &path, report) {
            subjects.insert(word.clone(), party_kind(*kind));
        }
    }
    let resources = resources(file, &section.key("resources"), report);
    let actions = actions(raw, &section.key("actions"), report);
    one_shape(&resources, &actions, &section.key("actions"), report);
    Access {
        points: points(file, report),
        subjects,
        resources,
        actions,
        subject: told(&raw.subject_properties, &section.key("subject_properties"), report),
        context: told(&raw.context, &section.key("context"), report),
        tags: tags(file, report),
    }
}

fn points(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<Name, Point> {
    report.look_alikes("enforcement_points");
    let mut points = BTreeMap::new();
    for (key, raw) in &file.enforcement_points {
        let path = Path::of(&["enforcement_points", key]);
        let known = ["user", "agent", "service"].into_iter().chain(file.access.subjects.keys().map(String::as_str));
        let subjects = reach(&raw.subjects, &known.collect(), &path.key("subjects"), report);
        let known = OWN_ACTIONS.into_iter().chain(file.access.actions.keys().map(String::as_str));
        let actions = reach(&raw.actions, &known.collect(), &path.key("actions"), report);
        let known = OWN.into_iter().chain(file.access.resources.keys().map(String::as_str));
        let resources = reach(&raw.resources, &known.collect(), &path.key("resources"), report);
        routes(raw, file, &path.key("routes"), report);
        let (Some(name), Some(subjects), Some(actions), Some(resources)) =
            (report.name(&path, key), subjects, actions, resources)
        else {
            continue;
        };
        let (agents, searches, routes) = (raw.agent_in_context, raw.searches_per_minute, raw.routes.clone());
        points.insert(name, Point { subjects, actions, resources, agents, searches, routes });
    }
    points
}

/// A list of declared words, or everything.
fn reach(written: &[String], known: &BTreeSet<&str>, path: &Path, report: &mut Report<'_>) -> Option<Reach> {
    for (index, word) in written.iter().enumerate() {
        if word != "*" && !known.contains(word.as_str()) {
            let near = crate::problem::suggestion(word, known.iter().copied());
            report.problem(&path.index(index), format!("`{}` is not declared{near}", shown(word)));
        }
    }
    match Reach::new(written.iter().cloned()) {
        Ok(reach) => Some(reach),
        Err(error) => {
            report.problem(path, error.to_string());
            None
        }
    }
}

fn routes(raw: &raw_access::EnforcementPoint, file: &raw::File, path: &Path, report: &mut Report<'_>) {
    if !raw.routes.is_empty() && !file.access.resources.contains_key(ROUTE) {
        report.problem(path, format!("a path is a resource of kind `{ROUTE}`: declare it under `access.resources`"));
    }
    for (index, template) in raw.routes.iter().enumerate() {
        let is_segment = |segment: &str| {
            let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(segment);
            inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte))
        };
        let is_path = template.starts_with('/') && template.len() <= MAX_ID && template.split('/').all(is_segment);
        if !is_path {
            let what = "expected such as `/todos/{id}`: a path whose parts are plain or a name in braces";
            report.problem(&path.index(index), format!("`{}` is no template, {what}", shown(template)));
        }
    }
}

fn resources(file: &raw::File, section: &Path, report: &mut Report<'_>) -> BTreeMap<String, ResourceKind> {
    let mut kinds = BTreeMap::new();
    for (word, raw) in &file.access.resources {
        let path = section.key(word);
        let is_identifier = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && word.len() <= MAX_WORD;
        if !is_identifier {
            let what = "expected letters, digits and `_`, beginning with a letter";
            report.key_problem(&path, format!("`{}` is no word for a kind: {what}", shown(word)));
        } else if OWN.iter().chain(&LATER).chain(&RESERVED).any(|taken| taken == word) {
            report.key_problem(&path, format!("the word `{word}` is taken, choose another"));
        }
        let attributes = raw.attributes.iter().filter(|(name, _)| word_of(name, &path.key("attributes").key(name), report));
        let attributes: BTreeMap<String, Shape> = attributes.map(|(name, kept)| (name.clone(), kept_shape(*kept))).collect();
        let entities = entities(raw, &attributes, &path.key("entities"), report);
        let properties = told(&raw.properties, &path.key("properties"), report);
        kinds.insert(word.clone(), ResourceKind { is_open: raw.open, attributes, properties, entities });
    }
    kinds
}

type Attributes = BTreeMap<String, Value>;

fn entities(
    raw: &raw_access::ResourceKind,
    shapes: &BTreeMap<String, Shape>,
    section: &Path,
    report: &mut Report<'_>,
) -> BTreeMap<String, Attributes> {
    let mut entities = BTreeMap::new();
    for (id, written) in &raw.entities {
        let path = section.key(id);
        if id.is_empty() || id.len() > MAX_ID {
            report.key_problem(&path, format!("expected an id of 1 to {MAX_ID} bytes"));
        }
        let mut attributes = Attributes::new();
        for (name, value) in written {
            let at = path.key(name);
            let Some(shape) = shapes.get(name) else {
                let near = crate::problem::suggestion(name, shapes.keys().map(String::as_str));
                report.key_problem(&at, format!("`{}` is not declared under `attributes`{near}", shown(name)));
                continue;
            };
            match of_shape(*shape, value, &at, report) {
                Some(value) => drop(attributes.insert(name.clone(), value)),
                None => report.problem(&at, format!("expected {}", expected(*shape))),
            }
        }
        entities.insert(id.clone(), attributes);
    }
    entities
}

fn of_shape(shape: Shape, value: &raw_access::Value, path: &Path, report: &mut Report<'_>) -> Option<Value> {
    use raw_access::Value as Raw;
    let is_short = |text: &String| text.len() <= MAX_TEXT;
    match (shape, value) {
        (Shape::Text, Raw::Text(text)) if is_short(text) => Some(Value::Text(text.clone())),
        (Shape::Number, Raw::Number(number)) => i64::try_from(*number).ok().map(Value::Number),
        (Shape::Flag, Raw::Flag(flag)) => Some(Value::Flag(*flag)),
        (Shape::Texts, Raw::Texts(texts)) if texts.iter().all(is_short) => Some(Value::Texts(texts.iter().cloned().collect())),
        (Shape::Party(kind), Raw::Text(name)) => {
            let (section, noun) = declared_in(kind);
            let name = report.reference(path, name, section, noun);
            // A name that nobody has is told already; the value is right in its form.
            Some(name.map_or_else(|| Value::Parties(BTreeSet::new()), |name| Value::Party(PrincipalId::new(kind, name))))
        }
        (Shape::Parties(kind), Raw::Texts(names)) => {
            let (section, noun) = declared_in(kind);
            let names = report.references(path, names, section, noun);
            Some(Value::Parties(names.into_iter().map(|name| PrincipalId::new(kind, name)).collect()))
        }
        _ => None,
    }
}

const fn declared_in(kind: PrincipalKind) -> (&'static str, &'static str) {
    match kind {
        PrincipalKind::Agent => ("agents", "agent"),
        PrincipalKind::Service => ("services", "service"),
        PrincipalKind::User | PrincipalKind::Operator | PrincipalKind::Pep => ("users", "user"),
    }
}

const fn expected(shape: Shape) -> &'static str {
    match shape {
        Shape::Text => "a text of at most 4096 bytes",
        Shape::Number => "a whole number",
        Shape::Flag => "`true` or `false`",
        Shape::Texts => "a list of texts of at most 4096 bytes",
        Shape::Party(_) => "the name of a party",
        Shape::Parties(_) => "a list of names of parties",
    }
}

fn actions(raw: &raw_access::Access, section: &Path, report: &mut Report<'_>) -> BTreeMap<String, Verb> {
    let mut verbs = BTreeMap::new();
    for (word, action) in &raw.actions {
        let path = section.key(word);
        word_of(word, &path, report);
        for (index, kind) in action.resources.iter().enumerate() {
            if !raw.resources.contains_key(kind) {
                let near = crate::problem::suggestion(kind, raw.resources.keys().map(String::as_str));
                let message = format!("`{}` is not declared under `access.resources`{near}", shown(kind));
                report.problem(&path.key("resources").index(index), message);
            }
        }
        let properties = told(&action.properties, &path.key("properties"), report);
        verbs.insert(word.clone(), Verb { resources: action.resources.iter().cloned().collect(), properties });
    }
    verbs
}

/// A context belongs to an action: what is said of any of its resources has to have one shape there.
fn one_shape(
    resources: &BTreeMap<String, ResourceKind>,
    actions: &BTreeMap<String, Verb>,
    section: &Path,
    report: &mut Report<'_>,
) {
    for (word, verb) in actions {
        let mut seen: BTreeMap<&str, (Shape, &str)> = BTreeMap::new();
        for kind in &verb.resources {
            for (name, shape) in resources.get(kind).into_iter().flat_map(|kind| &kind.properties) {
                let (first, other) = *seen.entry(name).or_insert((*shape, kind));
                if first != *shape {
                    let message = format!("the property `{name}` of `{kind}` has another kind of value than that of `{other}`");
                    report.key_problem(&section.key(word), message);
                }
            }
        }
    }
}

fn told(raw: &BTreeMap<String, Told>, path: &Path, report: &mut Report<'_>) -> BTreeMap<String, Shape> {
    let shape = |told: &Told| match told {
        Told::String => Shape::Text,
        Told::Integer => Shape::Number,
        Told::Boolean => Shape::Flag,
        Told::Strings => Shape::Texts,
    };
    let known = raw.iter().filter(|(name, _)| word_of(name, &path.key(name), report));
    known.map(|(name, told)| (name.clone(), shape(told))).collect()
}

fn tags(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<PrincipalId, BTreeMap<String, String>> {
    let users = file.users.iter().map(|(name, party)| (PrincipalKind::User, "users", name, &party.attributes));
    let services = file.services.iter().map(|(name, party)| (PrincipalKind::Service, "services", name, &party.attributes));
    let agents = file.agents.iter().map(|(name, agent)| (PrincipalKind::Agent, "agents", name, &agent.attributes));
    let mut tags = BTreeMap::new();
    for (kind, section, name, attributes) in users.chain(services).chain(agents).filter(|(.., attributes)| !attributes.is_empty())
    {
        let path = Path::of(&[section, name, "attributes"]);
        for (key, text) in attributes {
            word_of(key, &path.key(key), report);
            if text.len() > MAX_TEXT {
                report.problem(&path.key(key), format!("expected {}", expected(Shape::Text)));
            }
        }
        if let Ok(name) = Name::new(name) {
            tags.insert(PrincipalId::new(kind, name), attributes.clone());
        }
    }
    tags
}

/// Whether a word can stand in a schema and in a line: visible ASCII without quotes and backslashes. One that cannot is reported.
pub(super) fn word_of(word: &str, path: &Path, report: &mut Report<'_>) -> bool {
    let is_word = !word.is_empty()
        && word.len() <= MAX_WORD
        && word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'`'))
        && word != "*";
    if !is_word {
        let what = format!("expected 1 to {MAX_WORD} visible characters of ASCII, without quotes");
        report.key_problem(path, format!("`{}` is no word: {what}", shown(word)));
    }
    is_word
}

const fn party_kind(kind: PartyKind) -> PrincipalKind {
    match kind {
        PartyKind::User => PrincipalKind::User,
        PartyKind::Agent => PrincipalKind::Agent,
        PartyKind::Service => PrincipalKind::Service,
    }
}

const fn kept_shape(kept: Kept) -> Shape {
    match kept {
        Kept::String => Shape::Text,
        Kept::Integer => Shape::Number,
        Kept::Boolean => Shape::Flag,
        Kept::Strings => Shape::Texts,
        Kept::User => Shape::Party(PrincipalKind::User),
        Kept::Users => Shape::Parties(PrincipalKind::User),
        Kept::Agent => Shape::Party(PrincipalKind::Agent),
        Kept::Agents => Shape::Parties(PrincipalKind::Agent),
        Kept::Service => Shape::Party(PrincipalKind::Service),
        Kept::Services => Shape::Parties(PrincipalKind::Service),
    }
}
