//! `quickstart`: a sample organisation, a running gate, working credentials, a tour, and then it stays up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use http::Method;
use serde_json::{Value, json};

use crate::admin_client::{self, AdminAnswer};
use crate::cli::Quickstart;
use crate::files;
use crate::output;
use crate::run::{self, Ports, Running, Signals};
use crate::sample;
use crate::tour::Tour;

/// The credentials of the sample organisation: variable, principal, on whose behalf.
const SAMPLE_KEYS: [(&str, &str, Option<&str>); 5] = [
    ("PORTCULLIS_KEY_ALICE", "user:alice", None),
    ("PORTCULLIS_KEY_BOB", "user:bob", None),
    ("PORTCULLIS_KEY_ASSISTANT", "agent:assistant", Some("user:alice")),
    ("PORTCULLIS_KEY_NIGHTLY", "agent:nightly", None),
    ("PORTCULLIS_OPERATOR", "operator:olivia", None),
];

/// Where model calls go.
struct Upstream {
    /// For people.
    name: String,
    url: String,
    /// `openai` or `anthropic`.
    kind: &'static str,
    /// The variable that holds the key, if one is needed.
    key_variable: Option<&'static str>,
    model: String,
    is_sample: bool,
}

/// Runs the command until a signal ends it.
pub(crate) async fn quickstart(data: &Path, options: &Quickstart) -> anyhow::Result<()> {
    let upstream = choose(options).await?;
    let is_new = !data.join("portcullis.yaml").exists();
    if is_new {
        output::line(&format!("making a sample organisation in {}", data.display()));
        let files = config::templates::quickstart(&template(&upstream));
        files::create_folder(data)?;
        files::write_new(data, &files)?;
        store::Store::init(data, run::now())?;
    }
    let ports =
        Ports { data: Some(options.port), admin: Some(if options.port == 0 { 0 } else { options.port.saturating_add(1) }) };
    let environment = BTreeMap::from([("PORTCULLIS_SAMPLE_URL".to_owned(), upstream.url.clone())]);
    let running = run::start(data, ports, environment).await?;
    let keys = sample_keys(data, &running).await?;
    output::line(&banner(data, &running, &upstream, &keys));
    let running = running.until_active().await?;
    if running.data_url().starts_with("https:") {
        output::note("no tour: it speaks no TLS");
    } else if !options.no_tour {
        take_tour(data, &running, &keys).await?;
    }
    let signals = Signals::listen()?;
    output::line("ready");
    if options.once {
        return running.stop().await;
    }
    running.until_signal(signals).await
}

/// The upstream by flag, by environment, or the built-in sample.
async fn choose(options: &Quickstart) -> anyhow::Result<Upstream> {
    let named = |name: &'static str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(|_| name);
    let model = |default: &str| options.upstream_model.clone().unwrap_or_else(|| default.to_owned());
    if let Some(url) = &options.upstream {
        let key_variable = named("OPENAI_API_KEY").or_else(|| named("ANTHROPIC_API_KEY"));
        return Ok(Upstream {
            name: url.clone(),
            url: url.clone(),
            kind: "openai",
            key_variable,
            model: model("default"),
            is_sample: false,
        });
    }
    if let Some(variable) = named("OPENAI_API_KEY") {
        let url = "https://api.openai.com".to_owned();
        return Ok(Upstream {
            name: "OpenAI".to_owned(),
            url,
            kind: "openai",
            key_variable: Some(variable),
            model: model("gpt-4o-mini"),
            is_sample: false,
        });
    }
    if let Some(variable) = named("ANTHROPIC_API_KEY") {
        let url = "https://api.anthropic.com".to_owned();
        let model = model("claude-3-5-haiku-latest");
        return Ok(Upstream {
            name: "Anthropic".to_owned(),
            url,
            kind: "anthropic",
            key_variable: Some(variable),
            model,
            is_sample: false,
        });
    }
    let address = sample::start().await.context("no loopback port is free for the sample upstream")?;
    let name =
        "the built-in sample (no model; set OPENAI_API_KEY, ANTHROPIC_API_KEY or --upstream URL for a real one)".to_owned();
    Ok(Upstream {
        name,
        url: format!("http://{address}"),
        kind: "openai",
        key_variable: None,
        model: model("sample"),
        is_sample: true,
    })
}

/// What the configuration template needs to know.
fn template(upstream: &Upstream) -> config::templates::SampleUpstream {
    config::templates::SampleUpstream {
        kind: upstream.kind.to_owned(),
        base_url: if upstream.is_sample { "${PORTCULLIS_SAMPLE_URL}".to_owned() } else { upstream.url.clone() },
        key_variable: upstream.key_variable.map(ToOwned::to_owned),
        model: upstream.model.clone(),
    }
}

/// The sample credentials: those of the last time if they still work, else new ones. Written to `quickstart.env`, 0600.
async fn sample_keys(data: &Path, running: &Running) -> anyhow::Result<BTreeMap<String, String>> {
    let path = data.join("quickstart.env");
    let mut keys = files::read_env(&path).unwrap_or_default();
    let mut is_changed = false;
    for (variable, principal, on_behalf_of) in SAMPLE_KEYS {
        if keys.get(variable).is_some_and(|key| running.gate.is_valid_now(key)) {
            continue;
        }
        let mut spec = json!({"principal": principal, "expires_in": 30 * 86_400});
        if let (Some(fields), Some(user)) = (spec.as_object_mut(), on_behalf_of) {
            fields.insert("on_behalf_of".to_owned(), json!(user));
        }
        let made = match admin_client::call_socket(data, Method::POST, "/admin/v1/keys", Some(&spec)).await? {
            AdminAnswer::Done(made) => made,
            AdminAnswer::Refused { code, message } => anyhow::bail!("no key for {principal}: {code}: {message}"),
        };
        let secret = made.get("secret").and_then(Value::as_str).context("the admin API showed no key")?;
        keys.insert(variable.to_owned(), secret.to_owned());
        is_changed = true;
    }
    let urls = [("PORTCULLIS_URL", running.data_url()), ("PORTCULLIS_ADMIN_URL", running.admin_url())];
    for (variable, url) in urls {
        is_changed |= keys.insert(variable.to_owned(), url.clone()) != Some(url);
    }
    if is_changed {
        let mut text = String::from(
            "# Written by `portcullis quickstart`: working credentials of the sample organisation. Keep it to yourself.\n",
        );
        for (variable, value) in &keys {
            writeln!(text, "{variable}={value}")?;
        }
        files::write_private(&path, text.as_bytes())?;
    }
    Ok(keys)
}

async fn take_tour(data: &Path, running: &Running, keys: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let url = running.data_url();
    let key = keys.get("PORTCULLIS_KEY_ALICE").context("no key for alice")?;
    output::line("a tour, by HTTP against the gate that runs now:");
    let tour = Tour { url: &url, data, key, model: "small", forbidden: "large" };
    tour.walk().await?;
    output::line("");
    Ok(())
}

fn banner(data: &Path, running: &Running, upstream: &Upstream, keys: &BTreeMap<String, String>) -> String {
    let (url, admin) = (running.data_url(), running.admin_url());
    let alice = keys.get("PORTCULLIS_KEY_ALICE").map_or("", String::as_str);
    let folder = data.display();
    let path = if upstream.kind == "anthropic" { "messages" } else { "chat/completions" };
    let sdk = if upstream.kind == "anthropic" {
        format!("anthropic.Anthropic(base_url=\"{url}\", api_key=os.environ[\"PORTCULLIS_KEY_ALICE\"])")
    } else {
        format!("openai.OpenAI(base_url=\"{url}/v1\", api_key=os.environ[\"PORTCULLIS_KEY_ALICE\"])")
    };
    let body = r#"{"model":"small","max_tokens":64,"messages":[{"role":"user","content":"Hello!"}]}"#;
    format!(
        "
  data plane   {url}
  admin        {admin}
  upstream     {}
  folder       {folder}   (portcullis.yaml, policies/, keys, log)
  keys         {folder}/quickstart.env   (alice, bob, an assistant on behalf of alice, a nightly job, an operator)

  curl {url}/v1/{path} -H 'content-type: application/json' \\
       -H 'authorization: Bearer {alice}' \\
       -d '{body}'

  Python       {sdk}

  next         portcullis --data {folder} explain REQUEST_ID | audit query | kill user:bob | apply --dry-run
",
        upstream.name
    )
}
