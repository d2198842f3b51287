//! Configurations in the shape of LiteLLM's documented examples, and what becomes of them.

use std::collections::BTreeSet;

use crate::litellm::{Fate, Imported, import};
use crate::source::Texts;
use crate::{Config, Settings};

/// What a team runs: several providers, balancing, fallbacks, secrets in the file, and much that has no counterpart.
const FULL: &str = include_str!("../../tests/litellm/full.yaml");

fn imported(text: &str) -> Imported {
    import("config.yaml", text).unwrap()
}

/// Loads the result as `portcullis check` does, with a value for every variable that it says it needs.
fn loaded(imported: &Imported) -> Settings {
    let source = imported.files.iter().fold(Texts::new(), |source, (path, text)| source.with(path, text.as_str()));
    let env = |name: &str| {
        let value = if name.contains("BASE") { "https://models.example/openai" } else { "k9-tR4mVw8zQx2bLp6n" };
        imported.variables.contains(name).then(|| value.to_owned())
    };
    Config::load(&source, &env)
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{}", imported.files["portcullis.yaml"]))
        .0
        .settings
}

/// The routes of a model as text.
fn routes(settings: &Settings, model: &str) -> Vec<String> {
    let routes = settings.routes.iter().find(|(name, _)| name.as_str() == model).map(|(_, routes)| routes).unwrap();
    let address = |route: &crate::Route| settings.upstreams[&route.upstream].base_url.to_string();
    routes.iter().map(|route| format!("{} at {}", route.model, address(route))).collect()
}

#[test]
fn a_real_configuration_is_taken_over_and_loads() {
    let full = imported(FULL);
    let settings = loaded(&full);
    let facts: [(&str, &[&str]); 6] = [
        (
            "gpt-4o",
            &[
                "gpt-4o at https://api.openai.com",
                "my-gpt-4o at https://acme-eu.openai.azure.com/openai",
                "claude-sonnet-4-5 at https://api.anthropic.com",
            ],
        ),
        ("sonnet", &["claude-sonnet-4-5 at https://api.anthropic.com"]),
        ("local", &["meta-llama/Llama-3.1-8B at http://127.0.0.1:8000"]),
        ("fast", &["llama-3.3-70b-versatile at https://api.groq.com/openai"]),
        ("embed", &["text-embedding-3-small at https://api.openai.com"]),
        ("gpt-4", &["gpt-4o at https://api.openai.com", "my-gpt-4o at https://acme-eu.openai.azure.com/openai"]),
    ];
    for (model, expected) in facts {
        assert_eq!(routes(&settings, model), expected, "{model}");
    }
    assert_eq!(settings.routes.len(), facts.len());
    let variables: Vec<&str> = full.variables.iter().map(String::as_str).collect();
    assert_eq!(variables, ["ANTHROPIC_API_KEY", "AZURE_API_KEY", "GROQ_API_KEY", "IMPORTED_OPENAI_KEY_1"]);
}

#[test]
fn no_secret_of_the_source_is_anywhere_in_the_result() {
    let full = imported(FULL);
    let whole = format!("{full:?}{:?}", full.files);
    for secret in ["sk-proj-R7vQm2Xc9LkT4wZp", "sk-master-8Hq3Vn5Yd2", "postgresql://", "hunter2", "xoxb-"] {
        assert!(FULL.contains(secret), "{secret} stands in the source");
        assert!(!whole.contains(secret), "{secret}");
    }
}

/// Every key of the source is named, or is one of those that were read.
#[test]
fn nothing_is_dropped_in_silence() {
    let full = imported(FULL);
    let told: BTreeSet<u32> = full.remarks.iter().map(|remark| remark.line).collect();
    let read = [
        "model_list:",
        "router_settings:",
        "litellm_settings:",
        "general_settings:",
        "environment_variables:",
        "litellm_params:",
        "model_info:",
        "fallbacks:",
        "model_group_alias:",
        "cache_params:",
        "guardrails:",
        "gpt-4o:",
    ];
    for (line, text) in (1_u32..).zip(FULL.lines()) {
        let key = text.trim().trim_start_matches("- ");
        let is_structure = key.is_empty() || key.starts_with('#') || read.contains(&key);
        let is_read = ["model:", "api_base: https://api", "api_base: \"http://127", "api_key: os.environ/"]
            .iter()
            .any(|read| key.starts_with(read));
        assert!(is_structure || is_read || told.contains(&line), "line {line} is not told of: {text}");
    }
}

#[test]
fn remarks_name_line_and_key() {
    let full = imported(FULL);
    let lines: Vec<String> = full
        .remarks
        .iter()
        .filter(|remark| ["rpm", "master_key", "gpt-4o", "api_key"].iter().any(|word| remark.field.contains(word)))
        .map(|remark| format!("{} {} {}", remark.line, remark.fate.as_str(), remark.field))
        .collect();
    let line_of = |text: &str| FULL.lines().position(|line| line.contains(text)).unwrap() + 1;
    assert!(lines.contains(&format!("{} left model_list[0].litellm_params.rpm", line_of("rpm: 480"))), "{lines:#?}");
    assert!(lines.contains(&format!("{} left general_settings.master_key", line_of("master_key"))), "{lines:#?}");
    assert!(lines.contains(&format!("{} changed model_list[0].litellm_params.api_key", line_of("sk-proj-"))), "{lines:#?}");
}

#[test]
fn deployments_that_cannot_be_served_are_left_with_the_reason() {
    let one = |parameters: &str| format!("model_list:\n  - model_name: m\n    litellm_params: {{{parameters}}}\n");
    let facts = [
        ("model: bedrock/anthropic.claude-3", "the gate does not speak to `bedrock`"),
        ("model: gemini/gemini-2.0-flash", "the gate does not speak to `gemini`"),
        ("model: my-model", "no provider is named"),
        ("model: azure/gpt", "`azure` needs an `api_base`"),
        ("model: hosted_vllm/llama, api_base: 'http://10.0.0.5:8000/v1'", "`http` to another machine"),
        ("model: openai/x, api_base: 'https://user:pass@host/v1'", "a user or password is not allowed"),
        ("model: openai/*", "expected the name of one model"),
        ("api_key: os.environ/X", "no `model`"),
        ("model: [openai/x]", "expected a text"),
        ("model: openai/x, litellm_credential_name: shared", "its key is not known"),
    ];
    for (parameters, expected) in facts {
        let result = imported(&one(parameters));
        assert_eq!(result.n_models, 0, "{parameters}");
        let is_told = result.remarks.iter().any(|remark| remark.fate == Fate::Left && remark.message.contains(expected));
        assert!(is_told, "{parameters}: {:#?}", result.remarks);
        assert!(!format!("{result:?}").contains("user:pass"));
        loaded(&result);
    }
    for name in ["'*'", "'openai/*'", "'with space'", "''"] {
        let result = imported(&format!("model_list:\n  - model_name: {name}\n    litellm_params: {{model: openai/gpt-4o}}\n"));
        assert_eq!(result.n_models, 0, "{name}");
        assert!(result.remarks.iter().any(|remark| remark.line == 2 && remark.fate == Fate::Left), "{name}");
    }
}

#[test]
fn limits_become_budgets_of_models() {
    use budget::Measure::{Concurrent, Requests, Tokens};
    let deployment = |name: &str, more: &str| format!("  - model_name: {name}\n    litellm_params: {{model: openai/x{more}}}\n");
    let file = |deployments: &[String]| format!("model_list:\n{}", deployments.concat());
    let rules = |text: &str| {
        let imported = imported(text);
        let rules = loaded(&imported).budgets.rules;
        let rows = rules.all().iter().map(|rule| {
            let models: Vec<String> = rule.models.iter().flatten().map(ToString::to_string).collect();
            assert!(rule.per.is_empty() && rule.period == budget::Period::Minute && rule.parties.is_none());
            (rule.measure, rule.most, models.join(" "))
        });
        (rows.collect::<Vec<_>>(), imported.remarks)
    };
    let (found, remarks) = rules(&file(&[deployment("m", ", rpm: 480, tpm: 100000, max_parallel_requests: 7")]));
    let m = "m".to_owned();
    assert_eq!(found, [(Requests, 480, m.clone()), (Tokens, 100_000, m.clone()), (Concurrent, 7, m)]);
    assert_eq!(remarks.iter().filter(|remark| remark.fate == Fate::Changed && remark.message.contains("budget `m`")).count(), 3);
    // Of two deployments the sum, if both have it; an alias takes from the same.
    let aliased = "router_settings: {model_group_alias: {n: m}}\n";
    let two = file(&[deployment("m", ", rpm: 5, tpm: 10"), deployment("m", ", rpm: 6")]);
    let (found, remarks) = rules(&format!("{two}{aliased}"));
    assert_eq!(found, [(Requests, 11, "m n".to_owned())]);
    assert!(remarks.iter().any(|remark| remark.fate == Fate::Left && remark.field.ends_with(".tpm")), "{remarks:#?}");
    // What is no limit is named; what belongs to nothing is left with it.
    for more in [", rpm: 0", ", rpm: -1", ", rpm: 1.5", ", rpm: '7'", ", rpm: 99999999999999999999"] {
        let (found, remarks) = rules(&file(&[deployment("m", more)]));
        assert!(
            found.is_empty() && remarks.iter().any(|remark| remark.message.contains("expected a number")),
            "{more}: {found:?}"
        );
    }
    let (found, remarks) = rules("model_list:\n  - model_name: m\n    litellm_params: {model: bedrock/x, rpm: 3}\n");
    assert!(found.is_empty() && remarks.iter().any(|remark| remark.field.ends_with(".rpm")), "{remarks:#?}");
}

#[test]
fn keys_become_placeholders() {
    let one = |key: &str| {
        format!(
            "model_list:\n  - model_name: m\n    litellm_params: {{model: openai/x, api_base: 'https://models.example/v1', api_key: {key}}}\n"
        )
    };
    let facts = [
        ("os.environ/MY_KEY", Some("api_key: \"${MY_KEY}\"")),
        ("sk-k3T9vXw2Lq8Zr5Nb", Some("api_key: \"${IMPORTED_OPENAI_KEY_1}\"")),
        ("EMPTY", None),
        ("sk-1234567890", None),
        ("'os.environ/NOT A NAME'", None),
    ];
    for (key, expected) in facts {
        let text = &imported(&one(key)).files["portcullis.yaml"];
        match expected {
            Some(line) => assert!(text.contains(line), "{key}: {text}"),
            None => assert!(!text.contains("api_key:"), "{key}: {text}"),
        }
    }
}

#[test]
fn what_reads_two_ways_is_refused_with_its_place() {
    for text in ["", "model_list: &a []\nother: *a\n", "a: 1\na: 2\n", "a: [\n"] {
        assert!(import("config.yaml", text).is_err(), "{text}");
    }
    for text in ["[]", "x", "model_list: 3\nrouter_settings: []\n", "model_list: [3, {}, {model_name: 4}]\n"] {
        let result = imported(text);
        assert!(!result.remarks.is_empty(), "{text}");
        loaded(&result);
    }
}

/// Every list in it as long as it can be, and each names everything else.
#[test]
fn a_file_that_multiplies_is_bounded() {
    let deployment = |name: &str, number: usize| {
        format!(
            "- model_name: {name}\n  litellm_params: {{model: openai/m{number}, api_base: \"https://h{number}.example\", rpm: 5}}\n"
        )
    };
    let many: String = (0..3000).map(|number| deployment(&format!("m{number}"), number)).collect();
    let same: String = (0..3000).map(|number| deployment("all", number)).collect();
    let fallbacks = "all, ".repeat(3000);
    let text = format!("model_list:\n{many}{same}router_settings:\n  fallbacks: [{{m0: [{fallbacks}]}}]\n");
    let began = std::time::Instant::now();
    let imported = imported(&text);
    assert_eq!(imported.n_models, 3001);
    let all: Vec<&str> = imported.files["portcullis.yaml"].lines().filter(|line| line.contains("- {name:")).collect();
    assert_eq!(all.len(), 3000 + 64, "64 destinations of one model, and none of a list that has no room");
    let left = imported.remarks.iter().filter(|remark| remark.message.contains("64 destinations")).count();
    assert!(left > 2936, "{left}");
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}
