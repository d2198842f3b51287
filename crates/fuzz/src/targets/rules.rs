//! Operators' rule files.

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "rules",
    what: "rule files of operators, in the format of gitleaks: checked rules, or problems that have a place in the file",
    seeds: || {
        texts(&[
            "[[rules]]\nid = \"a\"\nregex = '''k=([a-z]{4})'''\nkeywords = [\"k\"]\n",
            "[extend]\npath = \"b.toml\"\n[[rules]]\nid = \"a\"\n[[rules.allowlists]]\nstopwords = [\"x\"]\nregexes = ['y']\n",
        ])
    },
    words: &[
        "[[rules]]\n",
        "[extend]\n",
        "[[allowlists]]\n",
        "[[rules.allowlists]]\n",
        "id = ",
        "regex = ",
        "secretGroup = ",
        "entropy = ",
        "keywords = ",
        "regexTarget = \"line\"\n",
        "condition = \"AND\"\n",
        "stopwords = ",
        "regexes = ",
        "targetRules = ",
        "path = \"b.toml\"\n",
        "disabledRules = ",
        "'''",
        "\"\"\"",
        "(?i)",
        "(?P<n>",
        "[^",
        "{2,5}",
        "\\b",
        "\\w",
        "|",
        "*",
        "\\<",
        "&&",
        "1e9",
        "[\"a\"]",
        "\n",
    ],
    max_len: 4000,
    run,
    hostile: &["[", "[[rules]]\n", "a = [", "a.", "'''", "{", "\"", "\\", "(", "a = 1\n", "# \n"],
    floor: 50.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let base = "[[rules]]\nid = \"b\"\nregex = 'b[0-9]{4}'\n";
    let mut read = |name: &str| match name {
        "own.toml" => Ok(text.to_owned()),
        "b.toml" => Ok(base.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let problems = match inspect::load_rules(&["own.toml".to_owned()], &mut read) {
        Ok(loaded) => return Ok(seen(("good", loaded.rules.len(), loaded.warnings.len()))),
        Err(problems) => problems,
    };
    ensure(!problems.is_empty(), || "refused without a word".to_owned())?;
    let n_lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    for problem in &problems {
        let line = usize::try_from(problem.place.line).unwrap_or(usize::MAX);
        let said = problem.to_string();
        ensure(line >= 1 && line <= n_lines.max(3) && !said.contains('\n'), || format!("line {line} of {n_lines}: {said:?}"))?;
    }
    let first = problems.first().map(|problem| problem.message.chars().take(24).collect::<String>());
    Ok(seen((first, problems.len().min(3))))
}
