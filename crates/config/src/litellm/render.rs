//! The files of an import.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::litellm::limits::Budget;
use crate::litellm::route::{Route, Upstreams};
use crate::raw::Kind;
use crate::schema::json_schema;

/// Nobody is in the group: whoever may call models is declared by hand.
const POLICY: &str = r#"// Made by `portcullis import litellm`. There, a key may call every model unless somebody has restricted it; those keys are in
// LiteLLM's database and were not taken over. Here nobody may call anything until users, agents or services are declared in
// portcullis.yaml and put into the group `imported`, or a policy of your own says otherwise.
@id("imported-models")
permit (
    principal in Portcullis::Group::"imported",
    action == Portcullis::Action::"callModel",
    resource in Portcullis::ModelGroup::"imported"
);
"#;

const HEAD: &str = "# yaml-language-server: $schema=portcullis.schema.json
#
# Made by `portcullis import litellm`; the report beside it says what was not taken over. Then `portcullis check`.
listen:
  data: 127.0.0.1:7700
  admin: 127.0.0.1:7701

# Keys come from the environment or from files, never from here.
";

const TAIL: &str = "
model_groups:
  imported: {}

groups:
  # Who may call the imported models; see policies/imported.cedar.
  imported: {}

users: {}
#  ada: {groups: [imported]}

agents: {}

services: {}

operators:
  root: admin

refusals: hide

logging:
  format: json
  level: info
";

pub(super) fn files(
    upstreams: &Upstreams,
    used: &BTreeSet<&str>,
    models: &BTreeMap<String, Vec<Route>>,
    budgets: &BTreeMap<String, Budget>,
) -> BTreeMap<String, String> {
    let mut text = HEAD.to_owned();
    text.push_str(if used.is_empty() { "upstreams: {}\n" } else { "upstreams:\n" });
    for upstream in upstreams.all.iter().filter(|upstream| used.contains(upstream.name.as_str())) {
        let kind = match upstream.kind {
            Kind::Openai => "openai",
            Kind::Anthropic => "anthropic",
            Kind::Mcp => "mcp",
            Kind::A2a => "a2a",
        };
        let lines = [
            Some(format!("  {}:", upstream.name)),
            Some(format!("    kind: {kind}")),
            Some(format!("    base_url: {}", quoted(&upstream.base_url))),
            upstream.key.as_ref().map(|name| format!("    api_key: {}", quoted(&format!("${{{name}}}")))),
            upstream.is_azure.then(|| "    key_header: api-key".to_owned()),
        ];
        lines.into_iter().flatten().for_each(|line| writeln!(text, "{line}").unwrap_or_default());
    }
    text.push_str(if models.is_empty() { "\nmodels: {}\n" } else { "\nmodels:\n" });
    for (name, routes) in models {
        writeln!(text, "  {}:\n    upstreams:", quoted(name)).unwrap_or_default();
        for route in routes {
            writeln!(text, "      - {{name: {}, model: {}}}", quoted(&route.upstream), quoted(&route.model)).unwrap_or_default();
        }
        text.push_str("    groups: [imported]\n");
    }
    text.push_str(&written(budgets));
    text.push_str(TAIL);
    BTreeMap::from([
        ("portcullis.yaml".to_owned(), text),
        ("portcullis.schema.json".to_owned(), json_schema()),
        ("policies/imported.cedar".to_owned(), POLICY.to_owned()),
    ])
}

/// Budgets of models: all callers share one.
fn written(budgets: &BTreeMap<String, Budget>) -> String {
    if budgets.is_empty() {
        return String::new();
    }
    let mut text = "\n# Of all callers together; `per: [principal]` gives each one a part of its own.\nbudgets:\n".to_owned();
    for (name, Budget { amounts, models }) in budgets {
        let amounts: String = amounts.iter().map(|(measure, amount)| format!("{measure}: {amount}, ")).collect();
        let models: Vec<String> = models.iter().map(|model| quoted(model)).collect();
        let models = models.join(", ");
        writeln!(text, "  {}: {{per: [], every: minute, {amounts}models: [{models}]}}", quoted(name)).unwrap_or_default();
    }
    text
}

/// A JSON string, which YAML reads alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
