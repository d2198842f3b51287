//! From policy files to a checked set: parsed, annotated, validated strictly; every problem at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use model::{Bundle, Challenge, Duty, PolicyRef};

use crate::annotation;
use crate::problem::PolicyProblem;
use crate::statement::{Statement, split};
use crate::vocabulary::{BASELINE, BASELINE_FILE};

/// Most policies in a bundle.
const MAX_POLICIES: usize = 100_000;

/// The format of bundles that this version reads.
const FORMAT: u32 = 1;

/// What a policy carries beside its condition.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    pub(crate) place: PolicyRef,
    pub(crate) duties: Vec<Duty>,
    pub(crate) challenge: Option<Challenge>,
}

/// A checked set.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) policies: Vec<Policy>,
    pub(crate) meanings: HashMap<PolicyId, Meaning>,
}

/// Loads the baseline and every file of the bundle.
pub(crate) fn load(bundle: &Bundle, targets: &BTreeSet<String>, schema: Option<&Schema>) -> Result<Loaded, Vec<PolicyProblem>> {
    let mut loaded = Loaded::default();
    let mut places = HashMap::new();
    let mut problems = foreign(bundle);
    let mut ids: BTreeMap<String, PolicyRef> = BTreeMap::new();
    let files = std::iter::once((BASELINE_FILE, BASELINE))
        .chain(bundle.policies.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    for (file, text) in files {
        for (number, statement) in split(text).into_iter().enumerate() {
            let place = Place { file, number: number.saturating_add(1), statement };
            let (read, found) = one(&place, targets);
            problems.extend(found);
            let Some((policy, meaning)) = read else { continue };
            // The first of two keeps the id; the second is validated all the same, under the name of its place.
            let id = match ids.get(&meaning.place.id) {
                Some(first) => {
                    let message = format!("policy id `{}` is taken: {}:{}", meaning.place.id, first.file, first.line);
                    problems.push(place.annotated("id", &message, Some("give each policy an `@id` of its own")));
                    PolicyId::new(place.default_id())
                }
                None => PolicyId::new(&meaning.place.id),
            };
            ids.entry(meaning.place.id.clone()).or_insert_with(|| meaning.place.clone());
            places.insert(id.clone(), place);
            loaded.policies.push(policy.new_id(id.clone()));
            loaded.meanings.insert(id, meaning);
        }
    }
    if loaded.policies.len() > MAX_POLICIES {
        let message = format!("a bundle holds at most {MAX_POLICIES} policies, found {}", loaded.policies.len());
        problems.push(whole(BASELINE_FILE, message, None));
    } else {
        problems.extend(validate(&loaded, &places, schema));
    }
    problems.sort();
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// A bundle of another version, or one that would pass a file off as the compiled-in baseline.
fn foreign(bundle: &Bundle) -> Vec<PolicyProblem> {
    let mut problems = Vec::new();
    if bundle.format != FORMAT {
        let message = format!("the bundle has format {}, expected {FORMAT}", bundle.format);
        problems.push(whole("portcullis.yaml", message, None));
    }
    if bundle.policies.contains_key(BASELINE_FILE) {
        let message = "this name belongs to the policies that are compiled in".to_owned();
        problems.push(whole(BASELINE_FILE, message, Some("rename the file, or keep policies in a folder".to_owned())));
    }
    problems
}

fn whole(file: &str, message: String, help: Option<String>) -> PolicyProblem {
    PolicyProblem { file: file.to_owned(), line: 1, column: 1, message, help }
}

/// Where a policy stands, and its text.
struct Place<'a> {
    file: &'a str,
    /// Among the policies of its file, from 1.
    number: usize,
    statement: Statement<'a>,
}

impl Place<'_> {
    fn default_id(&self) -> String {
        format!("{}#{}", self.file, self.number)
    }

    /// A problem at byte `offset` of the statement.
    fn at(&self, offset: usize, message: &str, help: Option<&str>) -> PolicyProblem {
        let (line, column) = self.statement.position(offset);
        PolicyProblem { file: self.file.to_owned(), line, column, message: one_line(message), help: help.map(one_line) }
    }

    /// A problem of an annotation.
    fn annotated(&self, name: &str, message: &str, help: Option<&str>) -> PolicyProblem {
        self.at(self.statement.text.find(&format!("@{name}")).unwrap_or(0), message, help)
    }

    /// What Cedar found, where Cedar says it is.
    fn diagnosed(&self, diagnostic: &dyn Diagnostic) -> PolicyProblem {
        let offset = diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset());
        let help = diagnostic.help().map(|help| help.to_string());
        self.at(offset, &diagnostic.to_string(), help.as_deref())
    }
}

/// Messages quote what the author wrote; a problem is one line all the same.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Parses one statement and reads its annotations. A policy with wrong annotations comes back all the same, to be validated.
fn one(place: &Place<'_>, targets: &BTreeSet<String>) -> (Option<(Policy, Meaning)>, Vec<PolicyProblem>) {
    if let Some((offset, message)) = place.statement.excess() {
        return (None, vec![place.at(offset, &message, Some("split the policy, or use a group or a set"))]);
    }
    let policy = match Policy::parse(Some(PolicyId::new(place.default_id())), place.statement.text) {
        Ok(policy) => policy,
        Err(errors) => return (None, errors.iter().map(|error| place.diagnosed(error)).collect()),
    };
    let (annotations, wrong) = annotation::read(&policy, targets);
    let problems = wrong.iter().map(|wrong| place.annotated(wrong.name, &wrong.message, wrong.help.as_deref())).collect();
    let id = annotations.id.unwrap_or_else(|| place.default_id());
    let reference = PolicyRef { id, file: place.file.to_owned(), line: place.statement.line };
    let meaning = Meaning { place: reference, duties: annotations.duties, challenge: annotations.challenge };
    (Some((policy, meaning)), problems)
}

/// Cedar's strict validation against the schema.
fn validate(loaded: &Loaded, places: &HashMap<PolicyId, Place<'_>>, schema: Option<&Schema>) -> Vec<PolicyProblem> {
    let Some(schema) = schema.cloned() else {
        return vec![whole(BASELINE_FILE, "the schema cannot be read".to_owned(), None)];
    };
    let mut problems = Vec::new();
    let mut set = PolicySet::new();
    for policy in &loaded.policies {
        if let Err(error) = set.add(policy.clone()) {
            problems.push(whole(BASELINE_FILE, error.to_string(), None));
        }
    }
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    problems.extend(result.validation_errors().map(|error| match places.get(error.policy_id()) {
        Some(place) => place.diagnosed(error),
        None => whole(BASELINE_FILE, error.to_string(), None),
    }));
    problems.sort();
    // Cedar tells the same fault once per action that the policy may concern.
    problems.dedup_by(|later, first| {
        (&later.file, later.line, later.column, &later.help) == (&first.file, first.line, first.column, &first.help)
    });
    problems
}
