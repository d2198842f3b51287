//! One deployment's parameters: where it is served, under which key. Upstreams that are the same are one.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::url;
use crate::litellm::limits::LIMITS;
use crate::litellm::provider::{Provider, provider};
use crate::litellm::{Fate, Import, reasons};
use crate::placeholder::objection;
use crate::problem::Path;
use crate::raw::Kind;
use crate::yaml::{Node, Value};

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Name of the upstream.
    pub(super) upstream: String,
    /// What it calls the model.
    pub(super) model: String,
}

/// An upstream as it will be written.
#[derive(Debug, Clone)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// An address, or `${NAME}`.
    pub(super) base_url: String,
    /// The variable with its key.
    pub(super) key: Option<String>,
    pub(super) is_azure: bool,
}

/// Every upstream so far.
#[derive(Default)]
pub(super) struct Upstreams {
    pub(super) all: Vec<Upstream>,
    /// Their names by what makes them the same: address, variable with the key, whether Azure's.
    names: BTreeMap<(String, Option<String>, bool), String>,
    /// How many there are of each provider.
    numbers: BTreeMap<&'static str, u32>,
    /// Plain keys of the source with the variables that stand for them; compared, never written.
    plain: BTreeMap<String, String>,
}

impl Upstreams {
    /// The variables that the upstreams in use need.
    pub(super) fn variables(&self, used: &BTreeSet<&str>) -> BTreeSet<String> {
        let used = self.all.iter().filter(|upstream| used.contains(upstream.name.as_str()));
        let name = |text: &str| text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).map(str::to_owned);
        used.flat_map(|upstream| upstream.key.clone().into_iter().chain(name(&upstream.base_url))).collect()
    }

    /// The name of the upstream that this is; a new one if there is none like it.
    fn name_of(&mut self, provider: &Provider, base_url: String, key: Option<String>) -> String {
        let is_azure = provider.is_azure();
        let same = (base_url.clone(), key.clone(), is_azure);
        if let Some(name) = self.names.get(&same) {
            return name.clone();
        }
        // No provider is called like another one with a number.
        let number = self.numbers.entry(provider.name).or_default();
        *number = number.saturating_add(1);
        let name = if *number == 1 { provider.name.to_owned() } else { format!("{}-{number}", provider.name) };
        self.names.insert(same, name.clone());
        self.all.push(Upstream { name: name.clone(), kind: provider.kind, base_url, key, is_azure });
        name
    }

    /// The variable for a key that stands in plain text.
    fn variable(&mut self, provider: &Provider, secret: &str) -> String {
        if let Some(variable) = self.plain.get(secret) {
            return variable.clone();
        }
        let stem = provider.name.to_ascii_uppercase().replace('-', "_");
        let number = self.plain.len().saturating_add(1);
        let variable = format!("IMPORTED_{stem}_KEY_{number}");
        self.plain.insert(secret.to_owned(), variable.clone());
        variable
    }
}

/// Keys that [`Import::route`] reads.
const READ: [&str; 5] = ["model", "api_base", "base_url", "api_key", "custom_llm_provider"];

impl Import {
    /// Where `litellm_params` says that a model is served; else remarks say why it cannot be here.
    pub(super) fn route(&mut self, parameters: &Node, path: &Path) -> Option<Route> {
        let is_read = |key: &str| READ.contains(&key) || LIMITS.iter().any(|(limit, ..)| *limit == key);
        for entry in parameters.entries().iter().filter(|entry| !is_read(&entry.key)) {
            self.leave(entry, &path.key(&entry.key), reasons::of("parameters", &entry.key));
        }
        let text = |key: &str| match parameters.entry(key).map(|entry| &entry.node.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        for entry in parameters.entries().iter().filter(|entry| READ.contains(&entry.key.as_str())) {
            if !matches!(entry.node.value, Value::Text(_)) {
                self.remark(
                    entry.position,
                    &path.key(&entry.key),
                    Fate::Left,
                    "expected a text; the deployment is not taken over",
                );
                return None;
            }
        }
        let Some(model) = text("model") else {
            self.remark(parameters.position, path, Fate::Left, "no `model`: the deployment is not taken over");
            return None;
        };
        let position = |key: &str| parameters.entry(key).map_or(parameters.position, |entry| entry.position);
        if parameters.entry("litellm_credential_name").is_some() {
            let why = "the deployment is not taken over, for its key is not known";
            self.remark(position("model"), &path.key("model"), Fate::Left, why);
            return None;
        }
        let (provider, bare) = match provider(&model, text("custom_llm_provider").as_deref()) {
            Ok(found) => found,
            Err(why) => {
                self.remark(
                    position("model"),
                    &path.key("model"),
                    Fate::Left,
                    format!("the deployment is not taken over: {why}"),
                );
                return None;
            }
        };
        if bare.is_empty() || bare.len() > 256 || bare.contains('*') {
            let why = "the deployment is not taken over: expected the name of one model";
            self.remark(position("model"), &path.key("model"), Fate::Left, why);
            return None;
        }
        let key = if parameters.entry("api_base").is_some() { "api_base" } else { "base_url" };
        let (written, at) = (text(key), path.key(key));
        let base_url = match Self::address(&provider, written.as_deref()) {
            Ok((url, None)) => url,
            Ok((url, Some(differs))) => {
                self.remark(position(key), &at, Fate::Changed, differs);
                url
            }
            Err(why) => {
                self.remark(position(key), &at, Fate::Left, format!("the deployment is not taken over: {why}"));
                return None;
            }
        };
        let variable = match self.key(&provider, text("api_key").as_deref(), written.is_some()) {
            (variable, None) => variable,
            (variable, Some(differs)) => {
                self.remark(position("api_key"), &path.key("api_key"), Fate::Changed, differs);
                variable
            }
        };
        let upstream = self.upstreams.name_of(&provider, base_url, variable);
        Some(Route { upstream, model: bare.to_owned() })
    }

    /// The address, and what differs; the error says why there is none.
    fn address(provider: &Provider, written: Option<&str>) -> Result<(String, Option<String>), String> {
        let Some(written) = written else {
            let base = provider.base.map(str::to_owned);
            return base.map(|base| (base, None)).ok_or_else(|| format!("`{}` needs an `api_base`", provider.name));
        };
        if let Some(name) = variable(written) {
            let differs = match (provider.is_azure(), provider.kind) {
                (true, _) => Some(format!("`{name}` has to end in `/openai` here: https://NAME.openai.azure.com/openai")),
                (false, Kind::Openai) => {
                    Some(format!("the gate calls `/v1/…` below `{name}`, whether or not that ends in `/v1`"))
                }
                (false, Kind::Anthropic | Kind::Mcp | Kind::A2a) => None,
            };
            return Ok((format!("${{{name}}}"), differs));
        }
        let url = url::base_url(written).map_err(str::to_owned)?;
        if !url.is_tls && !url.is_loopback() {
            let why = "`http` to another machine would show key and content to the network; use `https`, or write the upstream by \
                       hand with `danger.plaintext_upstreams`";
            return Err(why.to_owned());
        }
        let plain = url.to_string();
        let ends_in_version = written.trim_end_matches('/').ends_with("/v1");
        Ok(match provider.kind {
            Kind::Openai if provider.is_azure() => {
                let address = if plain.ends_with("/openai") { plain } else { format!("{plain}/openai") };
                (address, Some("called at `/openai/v1/…`, the deployment's name is the model's".to_owned()))
            }
            Kind::Openai if !ends_in_version => {
                (plain, Some("LiteLLM called `/chat/completions` below it, the gate calls `/v1/chat/completions`".to_owned()))
            }
            Kind::Openai | Kind::Anthropic | Kind::Mcp | Kind::A2a => (plain, None),
        })
    }

    /// The variable that holds the key, and what differs. Never tells a secret.
    fn key(&mut self, provider: &Provider, written: Option<&str>, has_address: bool) -> (Option<String>, Option<String>) {
        let Some(written) = written else {
            let variable = provider.key.filter(|_| !has_address || provider.is_azure());
            let differs = variable.map(|name| format!("none is written: `{name}`, as LiteLLM does"));
            return (variable.map(str::to_owned), differs);
        };
        if let Some(name) = variable(written) {
            return (Some(name.to_owned()), None);
        }
        if objection(written).is_some() {
            return (None, Some("a placeholder, left out: the gate sends no key there".to_owned()));
        }
        let name = self.upstreams.variable(provider, written);
        let differs =
            format!("a key in plain text, not copied: set `{name}`, and change the key at its provider, for it stood in a file");
        (Some(name), Some(differs))
    }
}

/// The name in `os.environ/NAME`.
fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix("os.environ/")?;
    let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let is_name = name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (starts_well && is_name).then_some(name)
}
