//! Configurations to begin with, as texts: the sample organisation of `quickstart` and the empty one of `init`.
//!
//! Whoever writes them to a folder decides where; both hold the schema, so that editors help from the first minute.

use std::net::SocketAddr;

use model::Dialect;

use crate::schema::json_schema;

/// A file of a template: its path relative to the folder, and its text.
pub type TemplateFile = (&'static str, String);

/// An upstream of the sample organisation.
#[derive(Debug, Clone, Copy)]
pub struct SampleUpstream<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it takes its key.
    pub kind: Dialect,
    /// What it speaks; empty means what its kind says.
    pub dialects: &'a [Dialect],
    /// Its address.
    pub base_url: &'a str,
    /// The environment variable that holds its key, without `${}`; none if it asks for none.
    pub api_key_variable: Option<&'a str>,
    /// What it calls the model that staff may use.
    pub small: &'a str,
    /// What it calls the model that only research may use.
    pub large: &'a str,
}

/// The sample organisation: three groups, three users, three agents, one service, two models, policies that show an allowed and
/// a denied model, redaction, a secret that is refused, an autonomous agent, and an agent on behalf of a user.
#[must_use]
pub fn quickstart(upstreams: &[SampleUpstream<'_>], data: SocketAddr, admin: SocketAddr) -> Vec<TemplateFile> {
    let main = include_str!("../templates/quickstart/portcullis.yaml")
        .replace("@DATA@", &data.to_string())
        .replace("@ADMIN@", &admin.to_string())
        .replace("@UPSTREAMS@", &upstreams.iter().map(upstream).collect::<String>())
        .replace("@SMALL@", &routes(upstreams, |upstream| upstream.small))
        .replace("@LARGE@", &routes(upstreams, |upstream| upstream.large));
    vec![
        ("portcullis.yaml", main),
        ("portcullis.schema.json", json_schema()),
        ("policies/models.cedar", include_str!("../templates/quickstart/policies/models.cedar").to_owned()),
        ("policies/agents.cedar", include_str!("../templates/quickstart/policies/agents.cedar").to_owned()),
    ]
}

/// The beginning of a real organisation: one operator, nobody else, no policy that permits anything.
#[must_use]
pub fn init() -> Vec<TemplateFile> {
    vec![
        ("portcullis.yaml", include_str!("../templates/init/portcullis.yaml").to_owned()),
        ("portcullis.schema.json", json_schema()),
        ("policies/baseline.cedar", include_str!("../templates/init/policies/baseline.cedar").to_owned()),
    ]
}

fn upstream(upstream: &SampleUpstream<'_>) -> String {
    let mut text = format!("  {}:\n    kind: {}\n", quoted(upstream.name), upstream.kind.as_str());
    if !upstream.dialects.is_empty() {
        let dialects: Vec<&str> = upstream.dialects.iter().map(|dialect| dialect.as_str()).collect();
        text.push_str(&format!("    dialects: [{}]\n", dialects.join(", ")));
    }
    text.push_str(&format!("    base_url: {}\n", quoted(upstream.base_url)));
    if let Some(variable) = upstream.api_key_variable {
        text.push_str(&format!("    api_key: {}\n", quoted(&format!("${{{variable}}}"))));
    }
    text
}

fn routes<'a>(upstreams: &[SampleUpstream<'a>], model: impl Fn(&SampleUpstream<'a>) -> &'a str) -> String {
    let route = |upstream: &SampleUpstream<'a>| {
        format!("      - {{name: {}, model: {}}}\n", quoted(upstream.name), quoted(model(upstream)))
    };
    upstreams.iter().map(route).collect()
}

/// A JSON string, which YAML reads alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
