//! Files beside `portcullis.yaml`, and one that comes from elsewhere: prices, definitions of tools, a `LiteLLM` configuration.

use config::litellm::import;
use config::{Config, Problem, Texts};

use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const PRICES: Target = Target {
    name: "prices",
    what: "price files: prices that are numbers, or problems that have a place in the file",
    seeds: || {
        texts(&[
            "date: 2026-11-01\nsource: made up for a test\ncurrency: XTS\nmodels:\n  small: {input: '2.50', output: '10', cached_input: '1.25', cache_write: '3'}\n  big: {input: '1', output: '2'}\n",
            "date: 2026-02-30\ncurrency: usd\nmodels: {}\n",
        ])
    },
    words: &[
        "date: ",
        "currency: ",
        "models:\n",
        "input: ",
        "output: ",
        "cached_input: ",
        "'",
        "\"",
        "\n",
        "\n  ",
        ": ",
        "{",
        "}",
        "2026-11-01",
        "9999-99-99",
        "0000-00-00",
        "1e9",
        "-1",
        "0.0000001",
        "18446744073709551616",
        "1.",
        ".1",
        "+1",
        "&a ",
        "*a",
        "- ",
    ],
    max_len: 3000,
    run: |bytes| besides("prices.yaml", "prices: {file: prices.yaml, stale_after_days: 90}\n", bytes),
    hostile: &["a: {input: '1', output: '1'}\n", "{", "[", "a: ", "'", "&a ", "1"],
    floor: 100.0,
};

pub(super) const DEFINITIONS: Target = Target {
    name: "definitions",
    what: "definitions of tools as a server lists them: each read in one way, or a problem in the file",
    seeds: || {
        texts(&[
            r#"{"tools": [{"name": "search", "description": "text", "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}}}}, {"name": "publish", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}]}"#,
            r#"{"tools": []}"#,
        ])
    },
    words: &[
        "\"tools\":[",
        "\"name\":",
        "\"inputSchema\":{",
        "\"type\":\"object\"",
        "search",
        "publish",
        "\"a\":",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0000",
        "\\ud800",
        "1e9",
    ],
    max_len: 3000,
    run: |bytes| {
        let main = "tool_servers: {kb: {definitions: tools/kb.json, clearance: internal, tools: {search: {effects: [read]}}}}\n";
        besides("tools/kb.json", main, bytes)
    },
    hostile: &["{\"tools\":[", "{\"name\":\"a\",\"inputSchema\":{}},", "[", "{\"a\":"],
    floor: 100.0,
};

pub(super) const LITELLM: Target = Target {
    name: "litellm",
    what: "LiteLLM configurations: what is taken over loads, every remark has a line, no secret is copied",
    seeds: || {
        vec![
            include_bytes!("../../../config/tests/litellm/full.yaml").to_vec(),
            b"model_list:\n  - model_name: a\n    litellm_params: {model: openai/gpt-4o, api_key: os.environ/KEY, rpm: 3}\nrouter_settings:\n  model_group_alias: {b: a}\n  fallbacks: [{a: [b]}]\n".to_vec(),
        ]
    },
    words: &[
        "model_list:\n",
        "  - model_name: ",
        "litellm_params: ",
        "model: openai/",
        "model: azure/",
        "model: anthropic/",
        "api_base: ",
        "api_key: ",
        "os.environ/",
        "rpm: ",
        "tpm: ",
        "max_budget: ",
        "budget_duration: 30d",
        "router_settings:\n",
        "fallbacks: ",
        "model_group_alias: ",
        "general_settings:\n",
        "*",
        "http://[",
        "${A}",
        "\n",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        "'",
        "&a ",
        "null",
        "1e308",
        "-1",
    ],
    max_len: 6000,
    run: litellm,
    hostile: &["- ", "a: ", "{", "[", "model_list:\n", "- model_name: a\n", "'"],
    floor: 50.0,
};

const MAIN: &str = "operators: {root: admin}\n";

/// Loads a configuration with one file beside it.
fn besides(file: &str, main: &str, bytes: &[u8]) -> Outcome {
    let source =
        Texts::new().with("policies/a.cedar", "").with("portcullis.yaml", format!("{MAIN}{main}")).with(file, bytes.to_vec());
    match Config::load(&source, &|_| None) {
        Ok((config, warnings)) => {
            let n_tools: usize = config.bundle.registry.tool_servers.values().map(|server| server.tools.len()).sum();
            Ok(seen(("good", magnitude(config.settings.budgets.prices.models.len()), n_tools, warnings.len())))
        }
        Err(problems) => placed(&problems, file, bytes),
    }
}

fn placed(problems: &[Problem], file: &str, bytes: &[u8]) -> Outcome {
    ensure(!problems.is_empty(), || "refused without a word".to_owned())?;
    let n_lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for problem in problems {
        let line = usize::try_from(problem.position.line).unwrap_or(usize::MAX);
        let said = problem.to_string();
        let is_inside = problem.file != file || (1..=n_lines).contains(&line);
        ensure(is_inside && !said.contains(['\n', '\r']), || format!("line {line} of {n_lines}: {said:?}"))?;
        ensure(!said.contains("please report this") && said.len() < 8192, || said.clone())?;
    }
    let first = problems.first().map(|problem| problem.message.chars().take(24).collect::<String>());
    Ok(seen((first, problems.len().min(3))))
}

fn litellm(bytes: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(seen("not text")) };
    let imported = match import("config.yaml", text) {
        Ok(imported) => imported,
        Err(problems) => return placed(&problems, "config.yaml", bytes),
    };
    let n_lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    for remark in &imported.remarks {
        let line = usize::try_from(remark.line).unwrap_or(usize::MAX);
        ensure((1..=n_lines).contains(&line), || format!("line {line} of {n_lines}: {}", remark.message))?;
        ensure(!remark.message.contains('\n'), || format!("a remark of two lines: {:?}", remark.message))?;
    }
    let source = imported.files.iter().fold(Texts::new(), |source, (path, text)| source.with(path, text.as_str()));
    let environment = |name: &str| {
        let value = if name.contains("BASE") { "https://models.example/openai" } else { "k9-tR4mVw8zQx2bLp6n" };
        imported.variables.contains(name).then(|| value.to_owned())
    };
    if let Err(problems) = Config::load(&source, &environment) {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        return Err(format!("what was written does not load: {}", said.join("; ")));
    }
    let fates: std::collections::BTreeSet<_> =
        imported.remarks.iter().map(|remark| (remark.fate, remark.message.chars().take(12).collect::<String>())).collect();
    Ok(seen((magnitude(imported.n_models), magnitude(imported.variables.len()), fates.len())))
}
