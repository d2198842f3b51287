//! `portcullis.yaml`.

use ::config::{Config, Texts};

use super::{Outcome, Target, ensure, seen};

pub(super) const TARGET: Target = Target {
    name: "config",
    what: "portcullis.yaml of operators: a configuration, or problems that have a place in the file",
    seeds: || vec![include_bytes!("../../../config/templates/init/portcullis.yaml").to_vec(), b"version: 1\n".to_vec()],
    words: &[
        ": ",
        "- ",
        "\n",
        "\n  ",
        "{",
        "}",
        "[",
        "]",
        "'",
        "\"",
        "&a ",
        "*a",
        "!tag ",
        "|",
        ">",
        "? ",
        "#",
        "%",
        "${KEY}",
        "${",
        "true",
        "null",
        "~",
        "1e9",
        "0x10",
        "\t",
        "---\n",
        "...\n",
        "<<: ",
        "listen:",
        "upstreams:",
        "models:",
        "users:",
        "agents:",
        "danger:",
        "limits:",
    ],
    max_len: 6000,
    run,
    hostile: &["[", "{", "- ", "a: ", "? ", "'", "&a [", "*a ", "\n", "${A}", "a: [", "|\n"],
    floor: 100.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let source = Texts::new().with("policies/a.cedar", "").with("portcullis.yaml", bytes.to_vec());
    let environment = |name: &str| (name != "UNSET").then(|| "sk-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e".to_owned());
    let problems = match Config::load(&source, &environment) {
        Ok((_, warnings)) => return Ok(seen(("good", warnings.len()))),
        Err(problems) => problems,
    };
    ensure(!problems.is_empty(), || "refused without a word".to_owned())?;
    let n_lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for problem in &problems {
        let line = usize::try_from(problem.position.line).unwrap_or(usize::MAX);
        let is_inside = problem.file != "portcullis.yaml" || line <= n_lines;
        let said = problem.to_string();
        ensure(line >= 1 && is_inside && !said.contains('\n'), || format!("line {line} of {n_lines}: {said:?}"))?;
        ensure(!said.contains("please report this"), || said.clone())?;
        ensure(!said.contains("Zk3vT9qLw2Rb7YxN"), || "a problem repeats what a variable holds".to_owned())?;
    }
    let first = problems.first().map(|problem| problem.message.chars().take(24).collect::<String>());
    Ok(seen((first, problems.len().min(3))))
}
