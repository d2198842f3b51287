//! From files to a configuration, or to everything that is wrong with it.

use model::Bundle;

use crate::check::{self, Report};
use crate::problem::{Path, Position, Problem, Warning};
use crate::raw;
use crate::schema::schema;
use crate::settings::Settings;
use crate::shape;
use crate::source::Source;
use crate::yaml::{self, Node};

/// Longest main file in bytes.
const MAX_MAIN: usize = 4 << 20;
/// Version of the bundle's format.
const BUNDLE_FORMAT: u32 = 1;

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Everything that decisions depend on: parties, models, policy texts. The policies are not compiled yet.
    pub bundle: Bundle,
    /// Everything else.
    pub settings: Settings,
}

impl Config {
    /// Reads and checks the main file, the policies and the secrets that it names.
    ///
    /// `env` looks an environment variable up; asked for are names in `${…}`, and those of proxies if `proxy: environment` stands
    /// in the file.
    ///
    /// # Errors
    /// Every problem, sorted by file and position. A problem never quotes a secret.
    pub fn load(source: &dyn Source, env: &dyn Fn(&str) -> Option<String>) -> Result<(Self, Vec<Warning>), Vec<Problem>> {
        let mut problems = Vec::new();
        let Some((node, file)) = read(source, &mut problems) else { return Err(sorted(problems)) };
        let mut report = Report::new(source.main().to_owned(), &node, problems);
        let registry = check::registry(&file, source, &mut report);
        let settings = check::settings(&file, source, env, &mut report);
        let policies = check::policies(&file, source, &mut report);
        let rules = check::rules(&file, source, &mut report);
        let (problems, mut warnings) = report.finish();
        match (registry, settings, policies) {
            (Some(registry), Some(settings), Some(policies)) if problems.is_empty() => {
                warnings.sort();
                Ok((Self { bundle: Bundle { format: BUNDLE_FORMAT, registry, policies, rules }, settings }, warnings))
            }
            _ => Err(sorted(problems)),
        }
    }
}

fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|left, right| (&left.file, left.position).cmp(&(&right.file, right.position)));
    problems.dedup();
    problems
}

/// The main file as a tree and as raw types; `None` if nothing of it can be used.
pub(crate) fn read(source: &dyn Source, problems: &mut Vec<Problem>) -> Option<(Node, raw::File)> {
    let name = source.main().to_owned();
    let mut problem = |position, message: String| {
        problems.push(Problem { file: name.clone(), position, field: String::new(), message });
    };
    let bytes = match source.read(&name, MAX_MAIN) {
        Ok(bytes) => bytes,
        Err(error) => {
            problem(Position::START, format!("cannot be read: {error}"));
            return None;
        }
    };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            problem(position_after(before), "not valid UTF-8".to_owned());
            return None;
        }
    };
    let Some(node) = yaml::read(&name, text, problems) else {
        if problems.is_empty() {
            problems.push(Problem {
                file: name,
                position: Position::START,
                field: String::new(),
                message: "the file is empty".to_owned(),
            });
        }
        return None;
    };
    let fitting = shape::fit(&name, &schema(), &node, problems)?;
    match serde_json::from_value(fitting) {
        Ok(file) => Some((node, file)),
        // The shape was held against the schema of the very same types; a test holds that this does not happen.
        Err(error) => {
            let message = format!("the schema and the reader disagree, please report this: {error}");
            let field = Path::default().to_string();
            problems.push(Problem { file: name, position: Position::START, field, message });
            None
        }
    }
}

/// The position behind `text`, which is valid UTF-8.
fn position_after(text: &[u8]) -> Position {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
    let line = number(text.matches('\n').count());
    let column = number(text.rsplit('\n').next().unwrap_or_default().chars().count());
    Position { line, column }
}
