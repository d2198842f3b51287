//! The providers that LiteLLM knows by a prefix and that the gate can speak to.

use crate::raw::Kind;

/// How a provider is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Provider {
    /// What upstreams at it are called.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Its address if none is written; `None` where one has to be.
    pub(super) base: Option<&'static str>,
    /// The variable that LiteLLM takes its key from if none is written.
    pub(super) key: Option<&'static str>,
}

impl Provider {
    /// Whether keys go into `api-key` and addresses end in `/openai`.
    pub(super) fn is_azure(&self) -> bool {
        self.name == "azure"
    }
}

const fn openai(name: &'static str, base: &'static str, key: &'static str) -> Provider {
    Provider { name, kind: Kind::Openai, base: Some(base), key: Some(key) }
}

/// A server of one's own that speaks the `OpenAI` API.
const fn server(name: &'static str) -> Provider {
    Provider { name, kind: Kind::Openai, base: None, key: None }
}

const OPENAI: Provider = openai("openai", "https://api.openai.com", "OPENAI_API_KEY");
const ANTHROPIC: Provider = Provider {
    name: "anthropic",
    kind: Kind::Anthropic,
    base: Some("https://api.anthropic.com"),
    key: Some("ANTHROPIC_API_KEY"),
};

/// Prefixes of `model`, from LiteLLM's list of providers; addresses from the providers' own documentation. Only those that answer
/// `/v1/chat/completions` below their address.
const PREFIXES: [(&str, Provider); 16] = [
    ("openai", OPENAI),
    ("text-completion-openai", OPENAI),
    ("anthropic", ANTHROPIC),
    ("azure", Provider { name: "azure", kind: Kind::Openai, base: None, key: Some("AZURE_API_KEY") }),
    ("groq", openai("groq", "https://api.groq.com/openai", "GROQ_API_KEY")),
    ("mistral", openai("mistral", "https://api.mistral.ai", "MISTRAL_API_KEY")),
    ("deepseek", openai("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY")),
    ("openrouter", openai("openrouter", "https://openrouter.ai/api", "OPENROUTER_API_KEY")),
    ("together_ai", openai("together", "https://api.together.xyz", "TOGETHERAI_API_KEY")),
    ("fireworks_ai", openai("fireworks", "https://api.fireworks.ai/inference", "FIREWORKS_AI_API_KEY")),
    ("xai", openai("xai", "https://api.x.ai", "XAI_API_KEY")),
    ("hosted_vllm", server("vllm")),
    ("openai_like", server("server")),
    ("custom_openai", server("server")),
    ("lm_studio", server("lm-studio")),
    ("llamafile", server("llamafile")),
];

/// The provider of a `model` and what it calls the model; `named` is `custom_llm_provider`. The error is the second half of a
/// message.
pub(super) fn provider<'a>(model: &'a str, named: Option<&str>) -> Result<(Provider, &'a str), String> {
    let by_prefix = |prefix: &str| PREFIXES.iter().find(|(known, _)| *known == prefix).map(|(_, provider)| *provider);
    if let Some(named) = named {
        let found = by_prefix(named).ok_or_else(|| unknown(named))?;
        let bare = model.strip_prefix(named).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model);
        return Ok((found, bare));
    }
    match model.split_once('/') {
        Some((prefix, bare)) if !bare.is_empty() => {
            by_prefix(prefix).map(|provider| (provider, bare)).ok_or_else(|| unknown(prefix))
        }
        _ if model.starts_with("claude-") => Ok((ANTHROPIC, model)),
        _ if ["gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-"].iter().any(|start| model.starts_with(start)) => {
            Ok((OPENAI, model))
        }
        _ => Err("no provider is named: expected such as `openai/NAME`".to_owned()),
    }
}

fn unknown(prefix: &str) -> String {
    let known: Vec<&str> = PREFIXES.iter().map(|(known, _)| *known).collect();
    format!("the gate does not speak to `{}`; it does to {}", crate::problem::shown(prefix), known.join(", "))
}
