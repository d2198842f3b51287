//! Configurations to begin with, as texts: the sample organisation of `quickstart` and the empty one of `init`.
//!
//! Whoever writes them to a folder decides where; both hold the schema, so that editors help from the first minute.

use std::collections::BTreeMap;

use crate::schema::json_schema;

/// Where the models of the sample organisation are served.
#[derive(Debug, Clone)]
pub struct SampleUpstream {
    /// `openai` or `anthropic`.
    pub kind: String,
    /// Its address, or `${NAME}` for one that the environment holds.
    pub base_url: String,
    /// The environment variable that holds its key, without `${}`; none if it asks for none.
    pub key_variable: Option<String>,
    /// What it calls the model that stands behind both aliases.
    pub model: String,
}

/// The sample organisation, by path: two groups, two users, two agents, two models, and policies that show an allowed and a
/// denied model, redaction, a secret that is refused, an agent on behalf of a user and one that acts alone.
///
/// Principals: `user:alice` (`small` only), `user:bob` (both), `agent:assistant` (for a user), `agent:nightly` (alone);
/// `operator:olivia` (admin), `operator:victor` (viewer).
#[must_use]
pub fn quickstart(upstream: &SampleUpstream) -> BTreeMap<String, String> {
    let main = include_str!("../templates/quickstart/portcullis.yaml")
        .replace("@UPSTREAM@", &section(upstream))
        .replace("@MODEL@", &quoted(&upstream.model));
    files([
        ("portcullis.yaml", main),
        ("portcullis.schema.json", json_schema()),
        ("policies/models.cedar", include_str!("../templates/quickstart/policies/models.cedar").to_owned()),
        ("policies/agents.cedar", include_str!("../templates/quickstart/policies/agents.cedar").to_owned()),
    ])
}

/// The beginning of a real organisation, by path: one operator, nobody else, no policy that permits anything.
#[must_use]
pub fn init(operator: &str) -> BTreeMap<String, String> {
    let main = include_str!("../templates/init/portcullis.yaml").replace("@OPERATOR@", &quoted(operator));
    files([
        ("portcullis.yaml", main),
        ("portcullis.schema.json", json_schema()),
        ("policies/baseline.cedar", include_str!("../templates/init/policies/baseline.cedar").to_owned()),
    ])
}

fn files<const N: usize>(files: [(&str, String); N]) -> BTreeMap<String, String> {
    files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect()
}

fn section(upstream: &SampleUpstream) -> String {
    let mut text = format!("  provider:\n    kind: {}\n", quoted(&upstream.kind));
    let is_local = ["${", "http://"].iter().any(|start| upstream.base_url.starts_with(start));
    if is_local {
        text.push_str("    # llama.cpp, vLLM and the built-in sample answer both APIs; take out what yours does not.\n");
        text.push_str("    dialects: [openai, anthropic]\n");
    }
    text.push_str(&format!("    base_url: {}\n", quoted(&upstream.base_url)));
    if let Some(variable) = &upstream.key_variable {
        text.push_str(&format!("    api_key: {}\n", quoted(&format!("${{{variable}}}"))));
    }
    text
}

/// A JSON string, which YAML reads alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
