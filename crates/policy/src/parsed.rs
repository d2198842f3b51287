//! Policies as Cedar has them, for those who ask more of them than a decision: proofs.

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use model::{Bundle, PolicyRef};

use crate::annotation::is_shadow;
use crate::foreign::Words;
use crate::problem::PolicyProblem;
use crate::statement::{Statement, split};
use crate::tools::Tools;
use crate::vocabulary::{BASELINE, BASELINE_FILE};

/// The policies of one file, each with its place; an id is its `@id`, else `file#n`.
///
/// # Errors
/// What is no policy, or does not fit `schema`.
pub fn parse_file(file: &str, text: &str, schema: &Schema) -> Result<Vec<(PolicyRef, Policy)>, Vec<PolicyProblem>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (number, statement) in (1_usize..).zip(split(text)) {
        if let Some(problem) = excess_of(file, &statement) {
            problems.push(problem);
            continue;
        }
        let line = statement.line;
        let problem = |message: String| PolicyProblem { file: file.to_owned(), line, column: 1, message, help: None };
        match Policy::parse(Some(PolicyId::new(format!("{file}#{number}"))), statement.text) {
            Ok(policy) => {
                let id = policy.annotation("id").map_or_else(|| format!("{file}#{number}"), ToOwned::to_owned);
                problems.extend(misfit(&policy, schema).map(problem));
                found.push((PolicyRef { id, file: file.to_owned(), line }, policy));
            }
            Err(error) => problems.push(problem(error.to_string())),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// What of a file is too intricate for Cedar's parser, which is recursive without a bound: whoever hands text to it asks first.
#[must_use]
pub fn excess(file: &str, text: &str) -> Vec<PolicyProblem> {
    split(text).iter().filter_map(|statement| excess_of(file, statement)).collect()
}

fn excess_of(file: &str, statement: &Statement<'_>) -> Option<PolicyProblem> {
    let (offset, message) = statement.excess()?;
    let (line, column) = statement.position(offset);
    let help = Some("split the policy, or use a group or a set".to_owned());
    Some(PolicyProblem { file: file.to_owned(), line, column, message, help })
}

/// Every policy of a bundle that is enforced, with its place, and those that are compiled in.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_bundle(bundle: &Bundle, schema: &Schema) -> Result<Vec<(PolicyRef, Policy)>, Vec<PolicyProblem>> {
    let own = bundle.policies.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let mut found = Vec::new();
    for (file, text) in std::iter::once((BASELINE_FILE, BASELINE)).chain(own) {
        found.extend(parse_file(file, text, schema)?);
    }
    found.retain(|(_, policy)| !is_shadow(policy));
    Ok(found)
}

/// The schema of every request that there can be under a bundle: the gate's own words, those of operators, tools.
///
/// # Errors
/// Operators' words that no schema can be made of.
pub fn schema(bundle: &Bundle) -> Result<Schema, Vec<PolicyProblem>> {
    let of_registry = |message| vec![PolicyProblem::of_registry(message)];
    let words = Words::of(&bundle.registry.access).map_err(of_registry)?;
    let tools = Tools::new(&bundle.registry, words.text());
    let schema = tools.schema.or_else(|| words.schema().cloned());
    schema.ok_or_else(|| of_registry("the schema cannot be read".to_owned()))
}

fn misfit(policy: &Policy, schema: &Schema) -> Option<String> {
    let mut alone = PolicySet::new();
    alone.add(policy.clone()).err().map(|error| error.to_string()).or_else(|| {
        let result = Validator::new(schema.clone()).validate(&alone, ValidationMode::Strict);
        result.validation_errors().next().map(ToString::to_string)
    })
}
