//! From files to what is in force: read the configuration, compile the policies, build the snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use config::{Config, Control, Refusals, Settings, Source as _};
use engine::{Candour, Limits, Off, Route, Snapshot};
use gateway::upstream::{KeyHeader, Upstream, UpstreamTable};
use inspect::Scanners;
use model::Bundle;
use policy::PolicySnapshot;
use store::Bundles;

use crate::files::{Folder, Noting};

/// Everything that is wrong, one line each.
pub(crate) type Problems = Vec<String>;

/// Reads and checks the configuration in `data`; warnings are lines for the operator.
pub(crate) fn read(data: &Path, environment: &BTreeMap<String, String>) -> Result<(Config, Vec<String>), Problems> {
    let lookup = |name: &str| environment.get(name).cloned().or_else(|| std::env::var(name).ok());
    let loaded = Config::load(&Folder::new(data.to_owned()), &lookup);
    let lines = |items: &[String]| items.to_vec();
    loaded
        .map(|(config, warnings)| (config, lines(&warnings.iter().map(ToString::to_string).collect::<Vec<_>>())))
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The files that the configuration in `data` is made of, relative to it; as many as can be read, and never one with a secret.
pub(crate) fn config_files(data: &Path) -> Vec<String> {
    let source = Noting::new(data.to_owned());
    // Wrong or right, what was read until then is what belongs to it.
    drop(Config::load(&source, &|name| std::env::var(name).ok()));
    let mut files = source.noted();
    let policies = Folder::new(data.to_owned()).list("policies").unwrap_or_default();
    files.extend(policies.into_iter().filter(|name| name.ends_with(".cedar")).map(|name| format!("policies/{name}")));
    files.extend(data.join("portcullis.schema.json").is_file().then(|| "portcullis.schema.json".to_owned()));
    files.into_iter().collect()
}

/// The finding kinds and groups that duties may name.
pub(crate) fn targets() -> BTreeSet<String> {
    let kinds = Scanners::kinds();
    kinds.iter().flat_map(|(kind, group)| [kind.as_str().to_owned(), group.as_str().to_owned()]).collect()
}

/// Compiles the policies of a bundle.
pub(crate) fn compile(bundle: &Bundle) -> Result<PolicySnapshot, Problems> {
    PolicySnapshot::load(bundle, &targets()).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// Builds what is in force from a bundle and settings.
pub(crate) fn snapshot(bundle: &Bundle, settings: &Settings) -> Result<(Arc<Snapshot>, UpstreamTable), Problems> {
    let policy = compile(bundle)?;
    let (_, digest) = Bundles::canonical(bundle).map_err(|error| vec![error.to_string()])?;
    let off = off(settings);
    let snapshot = Snapshot {
        digest,
        policy,
        routes: routes(settings),
        scanners: Arc::new(scanners(settings, off)),
        admitted: settings.fields.clone(),
        limits: limits(settings),
        refusals: match settings.refusals {
            Refusals::Hide => Candour::Hide,
            Refusals::ExplainUsers => Candour::ExplainUsers,
            Refusals::Explain => Candour::Explain,
        },
        off,
    };
    Ok((Arc::new(snapshot), table(settings)?))
}

fn off(settings: &Settings) -> Off {
    let is_off = |control| settings.danger.off.contains(&control);
    Off { inspection: is_off(Control::Inspection), policy: is_off(Control::Policy), evidence: is_off(Control::Evidence) }
}

fn scanners(settings: &Settings, off: Off) -> Scanners {
    let kinds = Scanners::kinds();
    let is_out = |kind: &str| off.inspection || settings.danger.scanners_off.contains(kind);
    let out: Vec<&str> = kinds.iter().map(|(kind, _)| kind.as_str()).filter(|kind| is_out(kind)).collect();
    Scanners::all().without(&out)
}

fn routes(settings: &Settings) -> BTreeMap<model::ModelName, Vec<Route>> {
    let dialects =
        |upstream: &model::Name| settings.upstreams.get(upstream).map(|found| found.dialects.clone()).unwrap_or_default();
    let route = |route: &config::Route| Route {
        upstream: route.upstream.clone(),
        model: route.model.clone(),
        dialects: dialects(&route.upstream),
    };
    settings.routes.iter().map(|(model, places)| (model.clone(), places.iter().map(route).collect())).collect()
}

fn table(settings: &Settings) -> Result<UpstreamTable, Problems> {
    let mut table = UpstreamTable::new();
    for (name, upstream) in &settings.upstreams {
        let form = match upstream.key_header {
            config::KeyHeader::Bearer => KeyHeader::Bearer,
            config::KeyHeader::XApiKey => KeyHeader::XApiKey,
            config::KeyHeader::ApiKey => KeyHeader::ApiKey,
        };
        let key = upstream.api_key.as_ref().map(identity::Secret::expose);
        let made = Upstream::new(&upstream.base_url.to_string(), key, form, upstream.connect);
        let made = made.map_err(|_| vec![format!("upstreams.{name}.api_key: holds characters that no header can")])?;
        table.insert(name.clone(), made);
    }
    Ok(table)
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
    }
}
