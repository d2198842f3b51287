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
    let read: Value = serde_json::from_str(&std::fs::read_to_string(&path)?).context("what was written is no JSON")?;
    let problems = problems(&read);
    problems.iter().for_each(|problem| println!("WRONG: {problem}"));
    let n_components = document.get("components").and_then(Value::as_array).map_or(0, Vec::len);
    println!("wrote {}: {n_components} components, {} wrong", path.display(), problems.len());
    Ok(problems.is_empty())
}

/// What the standard's schema would object to in a document of this kind, and what makes it useless: a component without version,
/// licence or checksum, a reference to nothing, nothing at all.
fn problems(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (key, wanted) in [("bomFormat", "CycloneDX"), ("specVersion", "1.6")] {
        if text(document, key) != wanted {
            found.push(format!("`{key}` is `{}`, expected `{wanted}`", text(document, key)));
        }
    }
    if document.get("version").and_then(Value::as_u64).is_none_or(|version| version == 0) {
        found.push("`version` is no number from 1".to_owned());
    }
    let known = ["bomFormat", "specVersion", "version", "metadata", "components", "dependencies"];
    let strange = document.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| !known.contains(&key.as_str()));
    found.extend(strange.map(|key| format!("`{key}` is not of the standard, or not made here")));
    let empty = Value::Null;
    let own = document.get("metadata").and_then(|metadata| metadata.get("component")).unwrap_or(&empty);
    let list = |key: &str| document.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list("components").is_empty() {
        found.push("no component".to_owned());
    }
    let mut references = BTreeSet::new();
    for (component, kind) in std::iter::once((own, "application")).chain(list("components").iter().map(|one| (one, "library"))) {
        found.extend(problems_of(component, kind));
        if !references.insert(text(component, "bom-ref")) {
            found.push(format!("`{}` stands twice", text(component, "bom-ref")));
        }
    }
    let mut told = BTreeSet::new();
    for dependency in list("dependencies") {
        let below = dependency.get("dependsOn").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let named = below.iter().map(|one| one.as_str().unwrap_or_default().to_owned());
        let nowhere = named.chain([text(dependency, "ref")]).filter(|name| !references.contains(name));
        found.extend(nowhere.map(|name| format!("`{name}` is depended on and is no component")));
        told.insert(text(dependency, "ref"));
    }
    found.extend(references.difference(&told).map(|name| format!("`{name}` does not say what it depends on")));
    found
}

/// The same of one component.
fn problems_of(component: &Value, kind: &str) -> Vec<String> {
    let text = |key: &str| component.get(key).and_then(Value::as_str).unwrap_or_default();
    let first = |key: &str| component.get(key).and_then(Value::as_array).and_then(|list| list.first());
    let within =
        |key: &str, inner: &str| first(key).and_then(|first| first.get(inner)).and_then(Value::as_str).unwrap_or_default();
    let purl = format!("pkg:cargo/{}@{}", text("name"), text("version").replace('+', "%2B"));
    let is_own = text("name") == BINARY || text("name").starts_with("portcullis-");
    let is_hash =
        |hash: &str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let holds = [
        ("type", text("type") == kind),
        ("name", !text("name").is_empty()),
        ("version", cargo_metadata::semver::Version::parse(text("version")).is_ok()),
        ("purl", text("purl") == purl && text("bom-ref") == purl),
        ("licenses", !within("licenses", "expression").is_empty()),
        ("hashes", is_own || (within("hashes", "alg") == "SHA-256" && is_hash(within("hashes", "content")))),
    ];
    let wrong = holds.into_iter().filter(|(_, holds)| !holds);
    wrong.map(|(what, _)| format!("`{}`: `{what}` is missing or not of its form", text("name"))).collect()
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

    use serde_json::{Value, json};

    use super::{checksums, document, problems};

    fn text<'a>(value: &'a Value, key: &str) -> &'a str {
        value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no `{key}` in {value}"))
    }

    /// The requirements of the CycloneDX 1.6 schema on the parts that are used; each is missed where it does not hold.
    #[test]
    fn the_document_has_the_shape_of_its_standard() {
        let document = document().unwrap();
        assert_eq!(problems(&document), Vec::<String>::new());
        let changes: [(&str, Value, &str); 14] = [
            ("/bomFormat", json!("SPDX"), "`bomFormat` is `SPDX`"),
            ("/specVersion", json!("1.5"), "`specVersion` is `1.5`"),
            ("/version", json!(0), "`version` is no number"),
            ("/components", json!([]), "no component"),
            ("/metadata/component/type", json!("library"), "`portcullis`: `type`"),
            ("/components/0/name", json!(""), "`name` is missing"),
            ("/components/0/version", json!("1"), "`version` is missing"),
            ("/components/0/purl", json!("pkg:cargo/other@1.0.0"), "`purl` is missing"),
            ("/components/0/licenses", json!([]), "`licenses` is missing"),
            ("/components/0/hashes/0/alg", json!("MD5"), "`hashes` is missing"),
            ("/components/0/hashes/0/content", json!("ff"), "`hashes` is missing"),
            ("/components/0/bom-ref", document["components"][1]["bom-ref"].clone(), "stands twice"),
            ("/dependencies/0/dependsOn", json!(["pkg:cargo/none@1.0.0"]), "is no component"),
            ("/dependencies/0/ref", document["dependencies"][1]["ref"].clone(), "does not say what it depends on"),
        ];
        for (place, value, told) in changes {
            let mut changed = document.clone();
            *changed.pointer_mut(place).unwrap() = value;
            let found = problems(&changed);
            assert!(found.iter().any(|problem| problem.contains(told)), "{place}: {found:?}");
        }
        let mut more = document;
        more.as_object_mut().unwrap().insert("bomFormats".to_owned(), Value::Null);
        assert_eq!(problems(&more), ["`bomFormats` is not of the standard, or not made here"]);
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
