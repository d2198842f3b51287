//! Policies as Cedar has them, for those who ask more of them than a decision: proofs.

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};
use model::{Bundle, PolicyRef};

use crate::problem::PolicyProblem;
use crate::statement::split;
use crate::vocabulary::{BASELINE, BASELINE_FILE, PARSED};

/// The policies of one file, each with its place; an id is its `@id`, else `file#n`.
///
/// # Errors
/// What is no policy, or does not fit the schema.
pub fn parse_file(file: &str, text: &str) -> Result<Vec<(PolicyRef, Policy)>, Vec<PolicyProblem>> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (number, statement) in (1_usize..).zip(split(text)) {
        let line = statement.line;
        let problem = |message: String| PolicyProblem { file: file.to_owned(), line, column: 1, message, help: None };
        match Policy::parse(Some(PolicyId::new(format!("{file}#{number}"))), statement.text) {
            Ok(policy) => {
                let id = policy.annotation("id").map_or_else(|| format!("{file}#{number}"), ToOwned::to_owned);
                problems.extend(misfit(&policy).map(problem));
                found.push((PolicyRef { id, file: file.to_owned(), line }, policy));
            }
            Err(error) => problems.push(problem(error.to_string())),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Every policy of a bundle with its place, and those that are compiled in.
///
/// # Errors
/// As [`parse_file`].
pub fn parse_bundle(bundle: &Bundle) -> Result<Vec<(PolicyRef, Policy)>, Vec<PolicyProblem>> {
    let own = bundle.policies.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    let mut found = Vec::new();
    for (file, text) in std::iter::once((BASELINE_FILE, BASELINE)).chain(own) {
        found.extend(parse_file(file, text)?);
    }
    Ok(found)
}

/// The schema of every request.
#[must_use]
pub fn schema() -> Option<&'static Schema> {
    PARSED.as_ref()
}

fn misfit(policy: &Policy) -> Option<String> {
    let mut alone = PolicySet::new();
    alone.add(policy.clone()).err().map(|error| error.to_string()).or_else(|| {
        let result = Validator::new(schema()?.clone()).validate(&alone, ValidationMode::Strict);
        result.validation_errors().next().map(ToString::to_string)
    })
}
