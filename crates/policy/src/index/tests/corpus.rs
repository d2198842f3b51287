//! Cedar's own corpus, all of it: 7,809 generated cases with 62,472 requests, and the tests written by hand.
//!
//! Each case is asked alone and among the policies of its neighbours, so that an index has something to leave out. Answers are
//! held against a full scan and against what the corpus says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cedar_policy::{Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request, Schema};
use serde_json::Value;

use super::{Index, Said};
use crate::outcome::Outcome;

/// Policies of this many cases are put together.
const NEIGHBOURS: usize = 12;

struct Case {
    name: String,
    policies: String,
    schema: Schema,
    entities: Entities,
    requests: Vec<Value>,
}

#[expect(clippy::disallowed_methods, reason = "a test that is told where published cases are")]
fn named() -> Option<std::ffi::OsString> {
    std::env::var_os("PORTCULLIS_SHARED")
}

/// The folder with material that projects share: named by the environment, or a sibling on the way up.
fn shared() -> PathBuf {
    if let Some(named) = named() {
        return PathBuf::from(named).join("vectors/cedar");
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = here.ancestors().map(|folder| folder.join("shared/vectors/cedar")).find(|folder| folder.is_dir());
    found.expect("no folder `shared` beside or above the project: set PORTCULLIS_SHARED to the folder that holds `vectors`")
}

#[expect(clippy::disallowed_methods, reason = "a test that reads published cases")]
fn bytes(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every file of the archive, by its path in it.
fn archive() -> BTreeMap<String, String> {
    let packed = bytes(&shared().join("corpus-tests.tar.gz"));
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(path, text);
        }
    }
    files
}

/// The hand-written tests and what they name.
fn by_hand() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![shared().join("tests"), shared().join("sample-data")];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(shared()).unwrap().to_string_lossy().into_owned();
            files.insert(name, String::from_utf8(bytes(&path)).unwrap());
        }
    }
    files
}

fn case(files: &BTreeMap<String, String>, name: &str) -> Case {
    let told: Value = serde_json::from_str(&files[name]).unwrap();
    let file = |key: &str| &files[told[key].as_str().unwrap()];
    let schema = Schema::from_cedarschema_str(file("schema")).unwrap().0;
    let entities = Entities::from_json_str(file("entities"), Some(&schema)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let requests = told["requests"].as_array().unwrap().clone();
    Case { name: name.to_owned(), policies: file("policies").clone(), schema, entities, requests }
}

impl Case {
    fn request(&self, told: &Value) -> Request {
        let uid = |key: &str| EntityUid::from_json(told[key].clone()).unwrap();
        let context = Context::from_json_value(told["context"].clone(), Some((&self.schema, &uid("action")))).unwrap();
        Request::new(uid("principal"), uid("action"), uid("resource"), context, None).unwrap()
    }

    /// Asks everything of `index`; how many requests there were, and how often it left policies out.
    fn ask(&self, index: &Index, policies: &PolicySet) -> (usize, usize) {
        let mut n_fewer = 0;
        for told in &self.requests {
            let request = self.request(told);
            let said = index.answer(&request, &self.entities);
            assert_eq!(said, Said::by_scan(&request, policies, &self.entities), "{}: {}", self.name, told["description"]);
            let (principal, action, resource) = (request.principal(), request.action(), request.resource());
            let candidates = index.candidates(&self.entities, principal.unwrap(), action.unwrap(), resource.unwrap());
            n_fewer += usize::from(candidates.len() < policies.num_of_policies());
        }
        (self.requests.len(), n_fewer)
    }

    /// Asks everything of an index over this case alone, and compares with what the corpus says.
    fn ask_alone(&self) {
        let policies: PolicySet = self.policies.parse().unwrap();
        let index = Index::new(&policies);
        self.ask(&index, &policies);
        for told in &self.requests {
            let request = self.request(told);
            let candidates = index.candidates(
                &self.entities,
                request.principal().unwrap(),
                request.action().unwrap(),
                request.resource().unwrap(),
            );
            let response = Outcome::of(candidates, &request, &self.entities).response();
            let ids = |value: &Value| -> BTreeSet<String> {
                value.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
            };
            let expected = if told["decision"] == "allow" { Decision::Allow } else { Decision::Deny };
            let reason: BTreeSet<String> = response.diagnostics().reason().map(ToString::to_string).collect();
            let errors = response.diagnostics().errors().map(|error| match error {
                cedar_policy::AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
            });
            let found = (response.decision(), reason, errors.collect::<BTreeSet<String>>());
            assert_eq!(found, (expected, ids(&told["reason"]), ids(&told["errors"])), "{}: {}", self.name, told["description"]);
        }
    }
}

/// The policies of all cases in one set, each under a name of its own.
fn together(cases: &[Case]) -> PolicySet {
    let mut set = PolicySet::new();
    for (number, case) in cases.iter().enumerate() {
        let policies: PolicySet = case.policies.parse().unwrap();
        for policy in policies.policies() {
            set.add(policy.new_id(PolicyId::new(format!("{number}-{}", policy.id())))).unwrap();
        }
    }
    set
}

fn ask_all(files: &BTreeMap<String, String>, names: &[&String]) -> (usize, usize) {
    let (mut n_requests, mut n_fewer) = (0, 0);
    for names in names.chunks(NEIGHBOURS) {
        let cases: Vec<Case> = names.iter().map(|name| case(files, name)).collect();
        let set = together(&cases);
        let index = Index::new(&set);
        for case in &cases {
            case.ask_alone();
            let (requests, fewer) = case.ask(&index, &set);
            n_requests += requests;
            n_fewer += fewer;
        }
    }
    (n_requests, n_fewer)
}

#[test]
fn the_corpus_is_answered_as_cedar_answers_it() {
    let files = archive();
    let names: Vec<&String> = files.keys().filter(|name| name.ends_with(".json") && !name.ends_with(".entities.json")).collect();
    assert_eq!(names.len(), 7_809);
    // Two threads, as a case asks nothing of another but of its neighbours.
    let halves = names.split_at(NEIGHBOURS * (names.len() / NEIGHBOURS / 2));
    let (n_requests, n_fewer) = std::thread::scope(|scope| {
        let other = scope.spawn(|| ask_all(&files, halves.1));
        let (first, second) = (ask_all(&files, halves.0), other.join().unwrap());
        (first.0 + second.0, first.1 + second.1)
    });
    assert_eq!(n_requests, 62_472);
    assert!(n_fewer > 40_000, "the index left something out for {n_fewer} requests only");
}

#[test]
fn the_tests_written_by_hand_are_answered_as_they_say() {
    let files = by_hand();
    let names: Vec<&String> = files.keys().filter(|name| name.starts_with("tests/") && name.ends_with(".json")).collect();
    assert_eq!(names.len(), 22);
    for name in names {
        case(&files, name).ask_alone();
    }
}
