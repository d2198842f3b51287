//! What the binary is made of, as a CycloneDX 1.6 document (ECMA-424): every crate that is linked into it or takes part in its
//! build, with version, licence and the checksum of `Cargo.lock`, and who depends on whom. No time and no random number stand in
//! it: the same lock file gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Map, Value, json};

use crate::run;

/// The crate whose binary is shipped.
const BINARY: &str = "portcullis";

/// Writes the document.
pub(crate) fn sbom(file: Option<&str>) -> Result<bool> {
    let path =
        file.map_or_else(|| run::target().map(|target| target.join("portcullis.cdx.json")), |file| Ok(PathBuf::from(file)))?;
    let document = document()?;
    let text = serde_json::to_string_pretty(&document)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    let n_components = document.get("components").and_then(Value::as_array).map_or(0, Vec::len);
    println!("wrote {}: {n_components} components", path.display());
    Ok(true)
}

fn document() -> Result<Value> {
    let root = run::root()?;
    let metadata = MetadataCommand::new().current_dir(&root).other_options(vec!["--locked".to_owned()]).exec()?;
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).context("no Cargo.lock")?;
    made_of(&metadata, &checksums(&lock))
}

/// The checksum of each package by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for part in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = part.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        if let (Some(name), Some(version), Some(checksum)) = (field("name"), field("version"), field("checksum")) {
            found.insert((name, version), checksum);
        }
    }
    found
}

fn made_of(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let packages: BTreeMap<&PackageId, &Package> = metadata.packages.iter().map(|package| (&package.id, package)).collect();
    let resolve = metadata.resolve.as_ref().context("cargo metadata gave no dependency graph")?;
    let needed: BTreeMap<&PackageId, BTreeSet<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let is_shipped =
                |kinds: &[cargo_metadata::DepKindInfo]| kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            (&node.id, node.deps.iter().filter(|dep| is_shipped(&dep.dep_kinds)).map(|dep| &dep.pkg).collect())
        })
        .collect();
    let binary = metadata.packages.iter().find(|package| package.name.as_str() == BINARY).context("no binary crate")?;
    let mut reached = BTreeSet::from([&binary.id]);
    let mut open = vec![&binary.id];
    while let Some(id) = open.pop() {
        open.extend(needed.get(id).into_iter().flatten().copied().filter(|next| reached.insert(next)));
    }
    let reference = |id: &PackageId| packages.get(id).map(|package| purl(package));
    let mut components: BTreeMap<String, Value> = BTreeMap::new();
    let mut dependencies: BTreeMap<String, Value> = BTreeMap::new();
    for id in &reached {
        let package = packages.get(id).context("a package that cargo metadata does not describe")?;
        let below: BTreeSet<String> = needed.get(id).into_iter().flatten().filter_map(|id| reference(id)).collect();
        dependencies.insert(purl(package), json!({"ref": purl(package), "dependsOn": below}));
        if package.id != binary.id {
            components.insert(purl(package), component(package, "library", checksums));
        }
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(binary, "application", checksums)},
        "components": components.into_values().collect::<Vec<_>>(),
        "dependencies": dependencies.into_values().collect::<Vec<_>>(),
    }))
}

/// Package URL of a crate.
fn purl(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version.to_string().replace('+', "%2B"))
}

fn component(package: &Package, kind: &str, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = Map::new();
    component.insert("type".to_owned(), json!(kind));
    component.insert("bom-ref".to_owned(), json!(purl(package)));
    component.insert("name".to_owned(), json!(package.name));
    component.insert("version".to_owned(), json!(package.version.to_string()));
    component.insert("purl".to_owned(), json!(purl(package)));
    if let Some(licence) = &package.license {
        // `MIT/Apache-2.0` is how crates wrote `MIT OR Apache-2.0` before SPDX expressions.
        let expression = licence.replace('/', " OR ");
        component.insert("licenses".to_owned(), json!([{"expression": expression}]));
    }
    let checksum = checksums.get(&(package.name.to_string(), package.version.to_string()));
    if let Some(checksum) = checksum {
        component.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": checksum}]));
    }
    Value::Object(component)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::{checksums, document};

    fn text<'a>(value: &'a Value, key: &str) -> &'a str {
        value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no `{key}` in {value}"))
    }

    /// The requirements of the CycloneDX 1.6 schema on the parts that are used.
    #[test]
    fn the_document_has_the_shape_of_its_standard() {
        let document = document().unwrap();
        assert_eq!((text(&document, "bomFormat"), text(&document, "specVersion")), ("CycloneDX", "1.6"));
        assert!(document["version"].as_u64().is_some_and(|version| version >= 1));
        let binary = &document["metadata"]["component"];
        assert_eq!((text(binary, "type"), text(binary, "name")), ("application", "portcullis"));
        let components = document["components"].as_array().unwrap();
        let mut references = BTreeSet::from([text(binary, "bom-ref")]);
        for component in components {
            assert_eq!(text(component, "type"), "library");
            assert!(references.insert(text(component, "bom-ref")), "{component} stands twice");
            assert_eq!(
                text(component, "purl"),
                format!("pkg:cargo/{}@{}", text(component, "name"), text(component, "version").replace('+', "%2B"))
            );
            assert!(!text(&component["licenses"][0], "expression").is_empty());
            let is_own = text(component, "name").starts_with("portcullis-");
            match component["hashes"].get(0) {
                Some(hash) => {
                    assert_eq!(text(hash, "alg"), "SHA-256");
                    assert!(
                        text(hash, "content").len() == 64 && text(hash, "content").bytes().all(|byte| byte.is_ascii_hexdigit())
                    );
                }
                None => assert!(is_own, "{component} has no checksum"),
            }
        }
        let dependencies = document["dependencies"].as_array().unwrap();
        let told: BTreeSet<&str> = dependencies.iter().map(|dependency| text(dependency, "ref")).collect();
        assert_eq!(told, references, "everybody says whom he depends on");
        for dependency in dependencies {
            let below = dependency["dependsOn"].as_array().unwrap();
            assert!(below.iter().all(|one| references.contains(one.as_str().unwrap())), "{dependency}");
        }
    }

    #[test]
    fn it_names_what_is_shipped_and_nothing_that_only_tests_use() {
        let document = document().unwrap();
        let names: BTreeSet<&str> = document["components"].as_array().unwrap().iter().map(|one| text(one, "name")).collect();
        for name in ["aws-lc-rs", "aws-lc-sys", "cedar-policy", "hyper", "rusqlite", "portcullis-store"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["proptest", "expect-test", "xtask", "portcullis-testkit"] {
            assert!(!names.contains(name), "{name}");
        }
        assert_eq!(document, self::document().unwrap(), "the same again");
    }

    #[test]
    fn checksums_are_read_per_package() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"x\"\nchecksum = \"ff\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        assert_eq!(found[&("a".to_owned(), "1.0.0".to_owned())], "ff");
    }
}
