//! Who may depend on whom, as `docs/ARCHITECTURE.md` says, over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::{proofs, run};

/// The crates and their layers. A crate depends only on crates of lower layers.
const LAYERS: &[(&str, Layer)] = &[
    ("portcullis-model", Layer::Vocabulary),
    ("portcullis-text", Layer::Vocabulary),
    ("portcullis-rulefile", Layer::Vocabulary),
    ("portcullis-identity", Layer::Rules),
    ("portcullis-policy", Layer::Rules),
    ("portcullis-inspect", Layer::Rules),
    ("portcullis-flow", Layer::Rules),
    ("portcullis-budget", Layer::Rules),
    ("portcullis-behavior", Layer::Rules),
    ("portcullis-mcp", Layer::Rules),
    ("portcullis-a2a", Layer::Rules),
    ("portcullis-response", Layer::Rules),
    ("portcullis-evidence", Layer::Rules),
    ("portcullis-engine", Layer::Pipeline),
    ("portcullis-config", Layer::Pipeline),
    ("portcullis-store", Layer::Adapters),
    ("portcullis-prove", Layer::Adapters),
    ("portcullis-sandbox", Layer::Adapters),
    ("portcullis-bridge", Layer::Adapters),
    ("portcullis-gateway", Layer::Adapters),
    ("portcullis-fleet", Layer::Adapters),
    ("portcullis-console", Layer::Adapters),
    ("portcullis", Layer::Binary),
    ("portcullis-fuzz", Layer::Development),
    ("portcullis-testkit", Layer::Development),
    ("xtask", Layer::Development),
];

/// What L0 and L1 must not reach, directly or through others: sockets, files, databases, runtimes.
const IO_CRATES: &[&str] = &[
    "async-io",
    "async-std",
    "axum",
    "curl",
    "h2",
    "hyper",
    "hyper-util",
    "libsqlite3-sys",
    "memmap2",
    "mio",
    "notify",
    "polling",
    "quinn",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "ureq",
    "walkdir",
];

/// What L0 and L1 must not name themselves: clocks and randomness are parameters.
const AMBIENT_CRATES: &[&str] = &["chrono", "fastrand", "getrandom", "jiff", "log", "rand", "time", "tracing", "uuid"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Vocabulary,
    Rules,
    Pipeline,
    Adapters,
    Binary,
    Development,
}

impl Layer {
    const fn name(self) -> &'static str {
        match self {
            Self::Vocabulary => "L0",
            Self::Rules => "L1",
            Self::Pipeline => "L2",
            Self::Adapters => "L3",
            Self::Binary => "L4",
            Self::Development => "dev",
        }
    }

    const fn is_pure(self) -> bool {
        matches!(self, Self::Vocabulary | Self::Rules)
    }
}

/// One crate and the workspace crates it names.
#[derive(Debug)]
struct Node {
    name: String,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

/// Checks edges, IO crates and proof types; prints what it found.
pub(crate) fn layers() -> Result<bool> {
    let metadata = MetadataCommand::new().current_dir(run::root()?).exec().context("cargo metadata failed")?;
    let nodes = nodes(&metadata);
    let mut wrongs = edges(&nodes);
    wrongs.extend(impure(&metadata));
    for (layer, name) in sorted(&nodes) {
        let below = nodes.iter().find(|node| node.name == name).map(|node| &node.normal);
        let below: Vec<&str> = below.into_iter().flatten().map(|name| short(name)).collect();
        println!("{layer:4} {:9} <- {}", short(name), below.join(" "));
    }
    println!();
    let (report, proof_wrongs) = proofs::proofs(&run::root()?.join("crates"))?;
    print!("{report}");
    wrongs.extend(proof_wrongs);
    for wrong in &wrongs {
        println!("WRONG: {wrong}");
    }
    println!("layers: {} crates, {} wrong", nodes.len(), wrongs.len());
    Ok(wrongs.is_empty())
}

fn short(name: &str) -> &str {
    name.strip_prefix("portcullis-").unwrap_or(name)
}

fn layer(name: &str) -> Option<Layer> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

fn sorted(nodes: &[Node]) -> Vec<(&'static str, &str)> {
    let mut names: Vec<(Option<Layer>, &str)> = nodes.iter().map(|node| (layer(&node.name), node.name.as_str())).collect();
    names.sort();
    names.into_iter().map(|(layer, name)| (layer.map_or("?", Layer::name), name)).collect()
}

fn nodes(metadata: &Metadata) -> Vec<Node> {
    let packages = metadata.workspace_packages();
    let members: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let named = |package: &cargo_metadata::Package, is_dev: bool| {
        let kinds = package.dependencies.iter().filter(|edge| (edge.kind == DependencyKind::Development) == is_dev);
        kinds.filter(|edge| members.contains(edge.name.as_str())).map(|edge| edge.name.clone()).collect()
    };
    packages
        .iter()
        .map(|package| Node { name: package.name.to_string(), normal: named(package, false), dev: named(package, true) })
        .collect()
}

/// Upward, sideways and unknown edges.
fn edges(nodes: &[Node]) -> Vec<String> {
    let mut wrongs = Vec::new();
    for node in nodes {
        let Some(own) = layer(&node.name) else {
            wrongs.push(format!("`{}` has no layer: add it to LAYERS in crates/xtask/src/layers.rs", node.name));
            continue;
        };
        let normal = node.normal.iter().map(|name| (name, false));
        for (name, is_dev) in normal.chain(node.dev.iter().map(|name| (name, true))) {
            let Some(other) = layer(name) else { continue };
            // Tests may use the testkit, and a crate may use itself in its own doc tests.
            let is_fine = other < own || (is_dev && (other == Layer::Development || name == &node.name));
            if !is_fine {
                let way = if other == own { "sideways" } else { "upward" };
                let kind = if is_dev { "dev-dependency" } else { "dependency" };
                wrongs.push(format!("`{}` ({}) has a {way} {kind} on `{name}` ({})", node.name, own.name(), other.name()));
            }
        }
    }
    wrongs
}

/// IO crates that a pure crate reaches through normal edges, with the way to them.
fn impure(metadata: &Metadata) -> Vec<String> {
    let Some(resolve) = &metadata.resolve else { return vec!["cargo metadata gave no dependency graph".to_owned()] };
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let mut edges: BTreeMap<&PackageId, Vec<&PackageId>> = BTreeMap::new();
    for node in &resolve.nodes {
        let normal = node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        edges.insert(&node.id, normal.map(|dep| &dep.pkg).collect());
    }
    let mut wrongs = Vec::new();
    for package in metadata.workspace_packages() {
        if !layer(package.name.as_str()).is_some_and(Layer::is_pure) {
            continue;
        }
        let ambient = package.dependencies.iter().filter(|edge| edge.kind == DependencyKind::Normal);
        for edge in ambient.filter(|edge| AMBIENT_CRATES.contains(&edge.name.as_str())) {
            wrongs.push(format!("pure crate `{}` names `{}`: take its values as parameters", package.name, edge.name));
        }
        for way in ways_to_io(&package.id, &edges, &names) {
            wrongs.push(format!("pure crate `{}` reaches IO: {}", package.name, way.join(" -> ")));
        }
    }
    wrongs
}

fn ways_to_io<'a>(
    from: &'a PackageId,
    edges: &BTreeMap<&'a PackageId, Vec<&'a PackageId>>,
    names: &BTreeMap<&'a PackageId, &'a str>,
) -> Vec<Vec<&'a str>> {
    let mut ways = Vec::new();
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![(from, Vec::new())];
    while let Some((id, mut way)) = open.pop() {
        let name = names.get(id).copied().unwrap_or("?");
        way.push(name);
        if IO_CRATES.contains(&name) {
            ways.push(way);
            continue;
        }
        for next in edges.get(id).into_iter().flatten() {
            if seen.insert(next) {
                open.push((next, way.clone()));
            }
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::{Node, edges};

    fn node(name: &str, normal: &[&str], dev: &[&str]) -> Node {
        let names = |list: &[&str]| list.iter().map(|name| format!("portcullis-{name}")).collect();
        Node { name: format!("portcullis-{name}"), normal: names(normal), dev: names(dev) }
    }

    #[test]
    fn only_downward_edges_pass() {
        let facts = [
            (node("engine", &["inspect", "model"], &[]), 0),
            (node("inspect", &["engine"], &[]), 1),
            (node("inspect", &["flow"], &[]), 1),
            (node("gateway", &["store"], &[]), 1),
            (node("engine", &[], &["testkit"]), 0),
            (node("engine", &["testkit"], &[]), 1),
            (node("inspect", &[], &["engine"]), 1),
            (node("nowhere", &[], &[]), 1),
        ];
        for (node, n_wrong) in facts {
            let text = format!("{node:?}");
            assert_eq!(edges(&[node]).len(), n_wrong, "{text}");
        }
    }
}
