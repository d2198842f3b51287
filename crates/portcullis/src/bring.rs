//! From files to what is in force: read the configuration, compile the policies, build the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use config::{Config, Control, Refusals, Settings, Source as _, SourceError};
use engine::ports::StepUp;
use engine::{
    Budgets, Candour, ClientMode, ClientTool, ClientTools, Limits, Off, RefusedCall, RemoteAgent, Route, Scanning, Server,
    ServerScopes, Snapshot,
};
use gateway::connect::{Proxy, Trust, client_config};
use gateway::telemetry::{Collector, Exporter, Signals, Telemetry};
use gateway::upstream::{KeyHeader, Reach, Upstream, UpstreamTable};
use http::{HeaderMap, HeaderName, HeaderValue};
use inspect::Scanners;
use model::Bundle;
use policy::PolicySnapshot;
use rulefile::Rule;
use store::Bundles;
use zeroize::Zeroizing;

use crate::files::{Folder, Noting};
use crate::gate::now;
use crate::wallet;

/// Everything that is wrong, one line each.
pub(crate) type Problems = Vec<String>;

/// Reads and checks the configuration in `data`; warnings are lines for the operator.
pub(crate) fn read(data: &Path, environment: &BTreeMap<String, String>) -> Result<(Config, Vec<String>), Problems> {
    load(&Folder::new(data.to_owned()), environment)
}

/// As [`read`], for a start: where nothing but files of policies is wrong, what is wrong comes beside a configuration without them.
pub(crate) fn read_at_start(
    data: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<(Config, Vec<String>, Problems), Problems> {
    match read(data, environment) {
        Ok((config, warnings)) => Ok((config, warnings, Problems::new())),
        Err(problems) => match load(&Unread(Folder::new(data.to_owned())), environment) {
            Ok((config, warnings)) => Ok((config, warnings, problems)),
            Err(_) => Err(problems),
        },
    }
}

/// A configuration's folder whose policies are left unread: what `policies` names, as the file itself says.
#[derive(Debug)]
struct Unread(Folder);

impl config::Source for Unread {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        if path.ends_with(".cedar") { Ok(Vec::new()) } else { self.0.read(path, limit) }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        self.0.list(folder)
    }

    fn read_secret(&self, path: &str, limit: usize) -> Result<Vec<u8>, SourceError> {
        self.0.read_secret(path, limit)
    }
}

fn load(source: &dyn config::Source, environment: &BTreeMap<String, String>) -> Result<(Config, Vec<String>), Problems> {
    let lookup = |name: &str| environment.get(name).cloned().or_else(|| std::env::var(name).ok());
    Config::load(source, &lookup)
        .map(|(config, warnings)| {
            let warnings = warnings.iter().map(ToString::to_string).chain(stale_prices(&config.settings)).collect();
            (config, warnings)
        })
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The files that a configuration is made of; never one with a secret.
#[derive(Debug, Default)]
pub(crate) struct ConfigFiles {
    /// Relative to the folder, in one form.
    pub(crate) inside: Vec<String>,
    /// As they are written: elsewhere on this machine, or where the folder keeps its own files.
    pub(crate) outside: Vec<String>,
}

/// The files that the configuration in `data` is made of; as many as can be read.
pub(crate) fn config_files(data: &Path) -> ConfigFiles {
    let source = Noting::new(data.to_owned());
    // Wrong or right, what was read until then is what belongs to it.
    drop(Config::load(&source, &|name| std::env::var(name).ok()));
    let mut files = source.noted();
    let policies = Folder::new(data.to_owned()).list("policies").unwrap_or_default();
    files.extend(policies.into_iter().filter(|name| belongs(name)).map(|name| format!("policies/{name}")));
    files.extend(data.join("portcullis.schema.json").is_file().then(|| "portcullis.schema.json".to_owned()));
    let mut found = ConfigFiles::default();
    for file in files {
        match plain(&file).filter(|path| store::holds(path)) {
            Some(path) => found.inside.push(path),
            None => found.outside.push(file),
        }
    }
    found.inside.sort();
    found.inside.dedup();
    found
}

/// Whether a file in `policies/` is one of policies, of their cases, or the golden matrix.
fn belongs(name: &str) -> bool {
    [".cedar", ".cases.md", "matrix.golden"].iter().any(|ending| name.ends_with(ending))
}

/// A path without `.`; `None` for one that is absolute or goes up.
fn plain(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    Some(parts.join("/"))
}

/// The finding kinds and groups that duties may name.
fn targets(rules: &[Rule]) -> BTreeSet<String> {
    let kinds = Scanners::kinds();
    let own = kinds.iter().flat_map(|(kind, group)| [kind.as_str(), group.as_str()]);
    own.chain(rules.iter().map(Rule::kind)).map(ToOwned::to_owned).collect()
}

/// The operators' own rules of a bundle, not compiled yet.
pub(crate) fn rules(bundle: &Bundle) -> Result<Vec<Rule>, Problems> {
    let texts = &bundle.rules.texts;
    let mut read = |name: &str| texts.get(name).cloned().ok_or_else(|| "the bundle does not hold it".to_owned());
    let loaded = inspect::load_rules(&bundle.rules.files, &mut read);
    loaded.map(|loaded| loaded.rules).map_err(|problems| lines(&problems))
}

/// Compiles the policies of a bundle. Its rules are read, for policies may name what they find, and not compiled.
pub(crate) fn compile(bundle: &Bundle) -> Result<PolicySnapshot, Problems> {
    policies(bundle, &rules(bundle)?)
}

fn policies(bundle: &Bundle, rules: &[Rule]) -> Result<PolicySnapshot, Problems> {
    PolicySnapshot::load(bundle, &targets(rules)).map_err(|problems| lines(&problems))
}

fn lines<P: ToString>(problems: &[P]) -> Problems {
    problems.iter().map(ToString::to_string).collect()
}

/// Builds what is in force from a bundle and settings.
pub(crate) fn snapshot(bundle: &Bundle, settings: &Settings) -> Result<(Arc<Snapshot>, UpstreamTable), Problems> {
    let rules = rules(bundle)?;
    let scanners = scanners(settings, &rules)?;
    build(bundle, settings, &rules, Scanning::Ready(Arc::new(scanners)))
}

/// What is in force at the start: without scanners if there are rules to compile, which come back too. See [`crate::rules`].
pub(crate) fn at_start(bundle: &Bundle, settings: &Settings) -> Result<(Arc<Snapshot>, UpstreamTable, Vec<Rule>), Problems> {
    let rules = rules(bundle)?;
    let scanning = if rules.is_empty() { Scanning::Ready(Arc::new(scanners(settings, &[])?)) } else { Scanning::Pending };
    let (snapshot, table) = build(bundle, settings, &rules, scanning)?;
    Ok((snapshot, table, rules))
}

fn build(
    bundle: &Bundle,
    settings: &Settings,
    rules: &[Rule],
    scanners: Scanning,
) -> Result<(Arc<Snapshot>, UpstreamTable), Problems> {
    let policy = Arc::new(policies(bundle, rules)?);
    let (_, digest) = Bundles::canonical(bundle).map_err(|error| vec![error.to_string()])?;
    let off = off(settings);
    let snapshot = Snapshot {
        digest,
        policy,
        routes: routes(settings),
        servers: servers(bundle, settings),
        client_tools: Arc::new(client_tools(bundle, settings)),
        agents: agents(bundle, settings),
        scanners,
        admitted: settings.fields.clone(),
        limits: limits(settings),
        budgets: budgets(settings),
        access_url: settings.access_url.as_deref().map(Arc::from),
        approvals: settings.approvals,
        step_up: settings.step_up.clone().map(|config::StepUp { acr, amr }| Arc::new(StepUp { acr, amr })),
        refusals: match settings.refusals {
            Refusals::Hide => Candour::Hide,
            Refusals::ExplainUsers => Candour::ExplainUsers,
            Refusals::Explain => Candour::Explain,
        },
        off,
    };
    Ok((Arc::new(snapshot), table(settings)?))
}

fn budgets(settings: &Settings) -> Budgets {
    let config::Budgets { rules, prices, caps, priced: _ } = settings.budgets.clone();
    Budgets { rules, prices, caps }
}

/// What an operator has to know of prices that nobody has looked up for long.
fn stale_prices(settings: &Settings) -> Option<String> {
    let priced = settings.budgets.priced.as_ref()?;
    let age = (now().0 / 86_400_000).saturating_sub(priced.day);
    let config::Priced { file, source, stale_after_days, .. } = priced;
    (age > *stale_after_days)
        .then(|| format!("{file}: the prices are {age} days old, above {stale_after_days}; look them up anew: {source}"))
}

fn off(settings: &Settings) -> Off {
    let is_off = |control| settings.danger.off.contains(&control);
    Off { inspection: is_off(Control::Inspection), policy: is_off(Control::Policy), evidence: is_off(Control::Evidence) }
}

/// The scanners that settings leave on, with the operators' own rules: compiling those is what takes time.
pub(crate) fn scanners(settings: &Settings, rules: &[Rule]) -> Result<Scanners, Problems> {
    let is_off = off(settings).inspection;
    let kinds = Scanners::kinds();
    let is_out = |kind: &str| is_off || settings.danger.scanners_off.contains(kind);
    let out: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).filter(|kind| is_out(kind)).collect();
    let scanners = Scanners::all().without(&out);
    if is_off || rules.is_empty() {
        return Ok(scanners);
    }
    let rules = rulefile::Rules::compile(rules).map_err(|problems| lines(&problems))?;
    Ok(scanners.with(Arc::new(rules)))
}

fn routes(settings: &Settings) -> BTreeMap<model::ModelName, Vec<Route>> {
    let route = |route: &config::Route| {
        let upstream = settings.upstreams.get(&route.upstream);
        Route {
            upstream: route.upstream.clone(),
            model: route.model.clone(),
            dialects: upstream.map(|found| found.dialects.clone()).unwrap_or_default(),
            declines_store: upstream.is_some_and(|found| found.declines_store),
        }
    };
    settings.routes.iter().map(|(model, places)| (model.clone(), places.iter().map(route).collect())).collect()
}

/// Where an upstream is, for those who approve what goes there; what a program reads in its sandbox by a digest.
fn place(upstream: &config::Upstream) -> String {
    match &upstream.exec {
        None => upstream.base_url.to_string(),
        Some(exec) => {
            let digest = hex::encode(identity::digest_of(&["profile", &format!("{:?}", exec.profile)]));
            format!("{:?} under {} ({digest})", exec.command, exec.file)
        }
    }
}

/// The tool servers that can be spoken to, with what callers may be shown of them.
fn servers(bundle: &Bundle, settings: &Settings) -> BTreeMap<model::Name, Arc<Server>> {
    let server = |(name, upstream): (&model::Name, &model::Name)| {
        let declared = bundle.registry.tool_servers.get(name)?;
        // What was checked when it was applied reads again; what does not is not called.
        let pinned = |tool_name: &str, tool: &model::Tool| match mcp::Pinned::of_canonical(&tool.definition) {
            Ok(pinned) => Some(Arc::new(pinned)),
            Err(error) => {
                tracing::warn!(server = %name, tool = tool_name, error, "a tool cannot be called: its definition no longer reads");
                None
            }
        };
        let tools = declared.tools.iter().filter(|(_, tool)| !tool.is_withdrawn);
        let tools: BTreeMap<String, Arc<mcp::Pinned>> =
            tools.filter_map(|(name, tool)| Some((name.clone(), pinned(name, tool)?))).collect();
        let mut order: Vec<String> = tools.keys().cloned().collect();
        order.sort_by_key(|name| declared.tools.get(name).map(|tool| tool.position));
        let document = |(of, declared): (&model::Name, &model::Document)| {
            let read = engine::Document::of(declared);
            if read.is_none() {
                tracing::warn!(server = %name, document = %of, "documents cannot be read: their pattern no longer reads");
            }
            Some((of.clone(), read?))
        };
        let documents = declared.documents.iter().filter_map(document);
        let (documents, features) = (documents.collect(), declared.features.clone());
        let counted = declared.tools.iter().filter(|(_, tool)| !tool.counts.is_empty());
        let counts = counted.map(|(name, tool)| (name.clone(), tool.counts.clone())).collect();
        let annotated = declared.tools.iter().filter(|(_, tool)| !tool.annotation.is_silent());
        let annotations = annotated.map(|(name, tool)| (name.clone(), tool.annotation.clone())).collect();
        let revision = settings.tool_revisions.get(name).copied();
        let place = settings.upstreams.get(upstream).map(place).unwrap_or_default();
        let upstream = upstream.clone();
        let scopes = settings.tool_scopes.get(name).map(|scopes| needed(scopes, declared)).unwrap_or_default();
        let members = None;
        let server =
            Server { upstream, place, tools, order, counts, annotations, documents, features, revision, members, scopes };
        Some((name.clone(), Arc::new(server)))
    };
    let mut servers: BTreeMap<model::Name, Arc<Server>> = settings.tool_upstreams.iter().filter_map(server).collect();
    let joined: Vec<_> = settings
        .virtual_servers
        .iter()
        .map(|(name, tools)| (name.clone(), Arc::new(Server::joined(name.clone(), tools, &servers))))
        .collect();
    servers.extend(joined);
    servers
}

/// Tools that models ask for. One whose definition no longer reads is not declared.
fn client_tools(bundle: &Bundle, settings: &Settings) -> ClientTools {
    let tool = |name: &str, declared: &config::ClientTool| {
        let tool = bundle.registry.tool_servers.get(&declared.server)?.tools.get(&declared.tool)?;
        let pinned = Arc::new(mcp::Pinned::of_canonical(&tool.definition).ok()?);
        let place = (declared.server.clone(), declared.tool.clone());
        let acts = tool.effects.iter().any(|effect| *effect != model::ToolEffect::Read);
        let client = ClientTool::new(name, place, pinned, declared.agents.clone(), declared.runs_at_client);
        Some(Arc::new(client.annotated(tool.annotation.clone(), acts)))
    };
    let verbatim = bundle.registry.agents.iter().filter(|(_, agent)| agent.user_text == model::UserText::Verbatim);
    let config::ClientTools { mode, refused, tools } = &settings.client_tools;
    let tools = tools.iter().map(|(name, of_name)| (name.clone(), of_name.iter().filter_map(|one| tool(name, one)).collect()));
    ClientTools {
        mode: match mode {
            config::ClientMode::Off => ClientMode::Off,
            config::ClientMode::Observe => ClientMode::Observe,
            config::ClientMode::Enforce => ClientMode::Enforce,
        },
        refused: match refused {
            config::RefusedCall::Strip => RefusedCall::Strip,
            config::RefusedCall::Replace => RefusedCall::Replace,
            config::RefusedCall::Annotate => RefusedCall::Annotate,
        },
        tools: tools.collect(),
        verbatim: verbatim.map(|(name, _)| name.clone()).collect(),
    }
}

/// The agents outside that can be spoken to.
fn agents(bundle: &Bundle, settings: &Settings) -> BTreeMap<model::Name, Arc<RemoteAgent>> {
    let agent = |(name, upstream): (&model::Name, &model::Name)| {
        let declared = bundle.registry.remote_agents.get(name)?;
        // What was checked when it was applied reads again; who has no card is not spoken to.
        let card = a2a::Card::read(declared.card.as_bytes());
        let card = card
            .inspect_err(|error| tracing::warn!(agent = %name, %error, "an agent cannot be spoken to: its card no longer reads"));
        let agent = RemoteAgent { upstream: upstream.clone(), card: card.ok()?, skills: declared.skills.clone() };
        Some((name.clone(), Arc::new(agent)))
    };
    settings.agent_upstreams.iter().filter_map(agent).collect()
}

/// What each tool needs: by what it does, and by its name.
fn needed(scopes: &config::ToolScopes, declared: &model::ToolServer) -> ServerScopes {
    let of = |(name, tool): (&String, &model::Tool)| {
        let by_effect = tool.effects.iter().filter_map(|effect| scopes.effects.get(effect)).flatten();
        let needed = by_effect.chain(scopes.tools.get(name).into_iter().flatten()).cloned().collect();
        (name.clone(), needed)
    };
    ServerScopes {
        all: scopes.all.clone(),
        read: scopes.effects.get(&model::ToolEffect::Read).cloned().unwrap_or_default(),
        tools: declared.tools.iter().map(of).collect(),
    }
}

fn table(settings: &Settings) -> Result<UpstreamTable, Problems> {
    let mut table = UpstreamTable::new();
    for (name, upstream) in &settings.upstreams {
        let form = match upstream.key_header {
            config::KeyHeader::Bearer => KeyHeader::Bearer,
            config::KeyHeader::XApiKey => KeyHeader::XApiKey,
            config::KeyHeader::ApiKey => KeyHeader::ApiKey,
        };
        let key = upstream.api_key.as_ref().map(|key| (key.expose(), form));
        let proxy = upstream.proxy.as_deref().map(proxy).transpose().map_err(|problem| vec![format!("proxy.{problem}")])?;
        let reach = Reach { trust: trust(&upstream.trust), proxy, connect: upstream.connect };
        let told = |problem: String| vec![format!("upstreams.{name}.{problem}")];
        let made = Upstream::new(&upstream.base_url.to_string(), key, reach).map_err(|problem| told(problem.to_string()))?;
        if let Some(lending) = &upstream.lending {
            wallet::check(lending, settings).map_err(|problem| told(format!("credential.{problem}")))?;
            table.insert(name.clone(), made.lending(form));
        } else {
            table.insert(name.clone(), made);
        }
    }
    Ok(table)
}

fn trust(trust: &config::Trust) -> Trust<'_> {
    let client = trust.client.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.expose().as_bytes()));
    Trust { ca: trust.ca.as_deref(), client, server_name: trust.server_name.as_deref() }
}

pub(crate) fn proxy(proxy: &config::Proxy) -> Result<Proxy, String> {
    let url = config::BaseUrl { is_tls: proxy.is_tls, host: proxy.host.clone(), port: proxy.port, prefix: String::new() };
    let uri = url.to_string().parse().map_err(|_| "url: it is not an address".to_owned())?;
    let ca = proxy.ca.clone();
    let tls = client_config(&Trust { ca: ca.as_deref(), ..Trust::default() }).map_err(|problem| problem.to_string())?;
    let authorization = proxy.credentials.as_ref().map(|(user, password)| basic(user, password)).transpose()?;
    Ok(Proxy { uri, authorization, ca, tls })
}

//= https://www.rfc-editor.org/rfc/rfc7617#section-2
//# constructs the user-pass by concatenating the user-id, a single colon (":") character, and the password
fn basic(user: &str, password: &identity::Secret) -> Result<HeaderValue, String> {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
        .map_err(|_| "password: it holds characters that no header can".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The queue for telemetry and what empties it, if there is a collector.
pub(crate) fn telemetry(settings: &Settings) -> Result<Option<(Telemetry, Exporter)>, Problems> {
    let Some(telemetry) = &settings.telemetry else { return Ok(None) };
    let told = |problem: String| vec![format!("telemetry.{problem}")];
    let mut headers = HeaderMap::new();
    for (name, secret) in &telemetry.headers {
        let unusable = || told(format!("headers.{name}: it holds characters that no header can"));
        let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?, value);
    }
    let has = |signal| telemetry.signals.contains(&signal);
    let collector = Collector {
        base_url: telemetry.endpoint.to_string(),
        headers,
        trust: Trust { ca: telemetry.ca.as_deref(), ..Trust::default() },
        proxy: telemetry.proxy.as_deref().map(proxy).transpose().map_err(|problem| vec![format!("proxy.{problem}")])?,
        signals: Signals {
            traces: has(config::Signal::Traces),
            metrics: has(config::Signal::Metrics),
            logs: has(config::Signal::Logs),
        },
        interval: telemetry.interval,
    };
    Telemetry::new(collector).map(Some).map_err(|problem| told(problem.to_string()))
}

fn limits(settings: &Settings) -> Limits {
    let limits = &settings.limits;
    Limits {
        body_bytes: limits.body_bytes,
        depth: limits.depth,
        nodes: limits.nodes,
        answer_bytes: limits.answer_bytes,
        stream_bytes: limits.stream_bytes,
        event_bytes: limits.event_bytes,
        held_bytes: limits.held_bytes,
        content_bytes: settings.evidence.content_cap,
        body: limits.body,
        first_byte: limits.first_byte,
        idle: limits.idle,
        total: limits.total,
        client_write: limits.client_write,
        held: settings.approving.held,
        n_held: settings.approving.n_held,
    }
}
