//! From policy files to a checked set: parsed, annotated, validated strictly; every problem at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use model::{Action, Bundle, Challenge, Duty, PolicyRef};

use crate::annotation;
use crate::problem::{PolicyProblem, nearest};
use crate::statement::{Statement, split};
use crate::tools::Tools;
use crate::vocabulary::{BASELINE, BASELINE_FILE, FIRST_SCHEMA};

/// Most policies in a bundle.
const MAX_POLICIES: usize = 100_000;

/// Most bytes of all policy files.
const MAX_BYTES: usize = 32 << 20;

/// The format of bundles that this version reads.
const FORMAT: u32 = 1;

/// So many policies are parsed in one call: each call of Cedar's parser makes the tables of its lexer anew, which takes longer than
/// to read a policy. Not a whole file, for the syntax tree of what is parsed in one call takes some hundred times its length.
const TOGETHER: usize = 64;

/// What a policy carries beside its condition.
#[derive(Debug, Clone)]
pub(crate) struct Meaning {
    pub(crate) place: PolicyRef,
    pub(crate) duties: Vec<Duty>,
    pub(crate) challenge: Option<Challenge>,
    /// Whether it is evaluated and recorded, and not enforced.
    pub(crate) is_shadow: bool,
}

/// A checked set.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All of them, in whichever mode.
    pub(crate) policies: PolicySet,
    pub(crate) meanings: HashMap<PolicyId, Meaning>,
}

/// Loads the baseline and every file of the bundle.
///
/// Policies are held against `schema`, which is that of `tools` where there are tools.
pub(crate) fn load(
    bundle: &Bundle,
    targets: &BTreeSet<String>,
    schema: Option<&Schema>,
    tools: &Tools,
) -> Result<Loaded, Vec<PolicyProblem>> {
    let mut loaded = Loaded::default();
    let mut places = HashMap::new();
    let mut problems = foreign(bundle);
    if let Some(excess) = excess(bundle) {
        problems.push(excess);
        return Err(problems);
    }
    let mut ids: BTreeMap<String, PolicyRef> = BTreeMap::new();
    let files = std::iter::once((BASELINE_FILE, BASELINE))
        .chain(bundle.policies.iter().map(|(file, text)| (file.as_str(), text.as_str())));
    for (file, text) in files {
        let statements = split(text);
        let parsed = statements.chunks(TOGETHER).flat_map(|statements| together(text, statements));
        for ((number, statement), parsed) in statements.iter().enumerate().zip(parsed) {
            let (base, policy) = parsed.map_or((0, None), |(base, policy)| (base, Some(policy)));
            let place = Place { file, number: number.saturating_add(1), statement: statement.clone(), base };
            let (read, found) = one(&place, policy, targets);
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
            if let Err(error) = loaded.policies.add(policy.new_id(id.clone())) {
                problems.push(whole(file, error.to_string(), None));
            }
            loaded.meanings.insert(id, meaning);
        }
    }
    problems.extend(validate(&loaded.policies, &places, schema, tools));
    problems.sort();
    if problems.is_empty() { Ok(loaded) } else { Err(problems) }
}

/// More than is read at all; found before anything is parsed.
fn excess(bundle: &Bundle) -> Option<PolicyProblem> {
    let n_bytes: usize = bundle.policies.values().map(String::len).sum();
    if n_bytes > MAX_BYTES {
        let (file, text) = bundle.policies.iter().max_by_key(|(_, text)| text.len())?;
        let message =
            format!("policy files have at most {MAX_BYTES} bytes together, found {n_bytes}; this one has {}", text.len());
        return Some(whole(file, message, None));
    }
    let mut n_policies = 0_usize;
    for (file, text) in &bundle.policies {
        n_policies = n_policies.saturating_add(split(text).len());
        if n_policies > MAX_POLICIES {
            let message = format!("a bundle holds at most {MAX_POLICIES} policies; here are more");
            return Some(whole(file, message, None));
        }
    }
    None
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
    /// Where the statement begins in the text that Cedar parsed, in bytes.
    base: usize,
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
        let offset =
            diagnostic.labels().and_then(|mut labels| labels.next()).map_or(0, |label| label.offset().saturating_sub(self.base));
        let message = diagnostic.to_string();
        let help = nearest_action(&message).or_else(|| diagnostic.help().map(|help| help.to_string()));
        self.at(offset, &message, help.as_deref())
    }
}

/// Of our own actions the one that was probably meant; what Cedar proposes is often another.
fn nearest_action(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unrecognized action `Portcullis::Action::\"")?;
    let (written, _) = rest.split_once('"')?;
    // What is no word of policies is meant by none.
    let is_word = |action: &&Action| !matches!(action, Action::Access | Action::Search | Action::Administer);
    let names: Vec<&str> = Action::ALL.iter().filter(is_word).map(|action| action.as_str()).collect();
    nearest(written, names).map(|near| format!("did you mean `Portcullis::Action::\"{near}\"`?"))
}

/// Messages quote what the author wrote; a problem is one line all the same.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The policies that these statements of `text`, one behind the other, are, each with where it begins in what Cedar parsed. None
/// for all of them if one is too intricate or no policy: then each is parsed alone, which says what is wrong with it.
fn together(text: &str, statements: &[Statement<'_>]) -> Vec<Option<(usize, Policy)>> {
    let parsed = || -> Option<Vec<Option<(usize, Policy)>>> {
        let (first, last) = (statements.first()?, statements.last()?);
        if statements.iter().any(|statement| statement.excess().is_some()) {
            return None;
        }
        let set: PolicySet = text.get(first.start..last.start.checked_add(last.text.len())?)?.parse().ok()?;
        let policy = |(number, statement): (usize, &Statement<'_>)| {
            // So Cedar names them, in their order. That it is this statement, and nothing but it, is looked at all the same.
            let policy = set.policy(&PolicyId::new(format!("policy{number}")))?;
            let is_it = policy.to_cedar().as_deref() == Some(statement.text);
            is_it.then(|| Some((statement.start.saturating_sub(first.start), policy.clone())))
        };
        let found: Option<Vec<_>> = statements.iter().enumerate().map(policy).collect();
        found.filter(|found| found.len() == set.num_of_policies() && set.num_of_templates() == 0)
    };
    parsed().unwrap_or_else(|| vec![None; statements.len()])
}

/// Parses one statement, unless it was parsed with others, and reads its annotations. A policy with wrong annotations comes back all
/// the same, to be validated.
fn one(place: &Place<'_>, parsed: Option<Policy>, targets: &BTreeSet<String>) -> (Option<(Policy, Meaning)>, Vec<PolicyProblem>) {
    let policy = match parsed {
        Some(policy) => policy,
        None => match alone(place) {
            Ok(policy) => policy,
            Err(problems) => return (None, problems),
        },
    };
    let (annotations, wrong) = annotation::read(&policy, targets);
    let problems = wrong.iter().map(|wrong| place.annotated(wrong.name, &wrong.message, wrong.help.as_deref())).collect();
    let id = annotations.id.unwrap_or_else(|| place.default_id());
    let reference = PolicyRef { id, file: place.file.to_owned(), line: place.statement.line };
    let annotation::Annotations { duties, challenge, is_shadow, .. } = annotations;
    let meaning = Meaning { place: reference, duties, challenge, is_shadow };
    (Some((policy, meaning)), problems)
}

/// Parses one statement, with nothing around it.
fn alone(place: &Place<'_>) -> Result<Policy, Vec<PolicyProblem>> {
    if let Some((offset, message)) = place.statement.excess() {
        return Err(vec![place.at(offset, &message, Some("split the policy, or use a group or a set"))]);
    }
    let parsed = Policy::parse(Some(PolicyId::new(place.default_id())), place.statement.text);
    parsed.map_err(|errors| errors.iter().map(|error| place.diagnosed(error)).collect())
}

/// Cedar's strict validation against the schema.
fn validate(
    policies: &PolicySet,
    places: &HashMap<PolicyId, Place<'_>>,
    schema: Option<&Schema>,
    tools: &Tools,
) -> Vec<PolicyProblem> {
    let Some(schema) = schema else {
        return vec![whole(BASELINE_FILE, "the schema cannot be read".to_owned(), None)];
    };
    let result = Validator::new(schema.clone()).validate(policies, ValidationMode::Strict);
    let mut found: Vec<(PolicyId, PolicyProblem)> = Vec::new();
    for error in result.validation_errors() {
        let problem = match places.get(error.policy_id()) {
            Some(place) if names_disabled(place, tools) => continue,
            Some(place) => place.diagnosed(error),
            None => whole(BASELINE_FILE, error.to_string(), None),
        };
        found.push((error.policy_id().clone(), problem));
    }
    if !found.is_empty() {
        let conforming = conforming_to_the_first(policies, found.iter().map(|(id, _)| id));
        found.retain(|(id, _)| !conforming.contains(id));
    }
    let mut problems: Vec<PolicyProblem> = found.into_iter().map(|(_, problem)| problem).collect();
    problems.sort();
    // Cedar tells the same fault once per action that the policy may concern.
    problems.dedup_by(|later, first| {
        (&later.file, later.line, later.column, &later.help) == (&first.file, first.line, first.column, &first.help)
    });
    problems
}

/// Whether a policy names a tool server that is disabled: its actions are not declared, and all of them are denied. The policy
/// stays in the set as it is, as it may forbid other things too; whatever it cannot evaluate is an error, so a deny.
fn names_disabled(place: &Place<'_>, tools: &Tools) -> bool {
    let text = place.statement.text;
    // What is named as our own namespaces are is not the server's.
    tools.disabled().filter(|server| !["Portcullis", "Access"].contains(&server.as_str())).any(|server| {
        let named = format!("{server}::Action::");
        // The end of a longer name is another name: that of another server, or of operators' words.
        text.match_indices(&named).any(|(at, _)| text.get(..at).is_none_or(|before| !before.ends_with(is_of_name)))
    })
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':')
}

/// Those of `ids` that conform to the vocabulary as it was first released.
fn conforming_to_the_first<'a>(policies: &PolicySet, ids: impl Iterator<Item = &'a PolicyId>) -> BTreeSet<PolicyId> {
    let mut conforming: BTreeSet<PolicyId> = ids.cloned().collect();
    let Ok((schema, _)) = Schema::from_cedarschema_str(FIRST_SCHEMA) else { return BTreeSet::new() };
    let chosen = conforming.iter().filter_map(|id| policies.policy(id)).cloned();
    let Ok(set) = PolicySet::from_policies(chosen) else { return BTreeSet::new() };
    let result = Validator::new(schema).validate(&set, ValidationMode::Strict);
    for error in result.validation_errors() {
        conforming.remove(error.policy_id());
    }
    conforming
}
