//! `portcullis policy prove`: what holds for every request that there can be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cedar_policy::{Effect, Policy, PolicySet, Schema};
use model::PolicyRef;
use prove::{Proof, Prover, Solver, Subject};
use serde_json::{Value, json};

use super::Ready;
use crate::bring::Problems;
use crate::cli::{Cli, Prove};
use crate::commands::Exit;
use crate::files;
use crate::output;

/// Most bytes of one file of invariants.
const MAX_FILE: usize = 1 << 20;

/// Proves, or finds out what is wrong.
pub(super) async fn prove(cli: &Cli, ready: &Ready, options: &Prove) -> anyhow::Result<Exit> {
    let claims = match claims(ready, options) {
        Ok(claims) => claims,
        Err(problems) => {
            problems.iter().for_each(|problem| output::note(problem));
            return Ok(Exit::Invalid);
        }
    };
    let schema = &claims.schema;
    let mut prover = Prover::new(solver(options));
    let subject = Subject { schema, policies: &claims.policies };
    let mut told = Told { rows: Vec::new(), n_open: 0, n_refuted: 0, is_json: cli.json };
    if options.against.is_none() {
        for (place, policy) in &claims.own {
            told.tell("never errs", place, prover.never_errs(schema, policy).await);
        }
        for (place, claim) in &claims.invariants {
            let (what, proof) = match claim.effect() {
                Effect::Forbid => ("never allowed", prover.never_allowed(subject, claim).await),
                Effect::Permit => ("always allowed", prover.always_allowed(subject, claim).await),
            };
            told.tell(what, place, proof);
        }
    }
    if let (Some(folder), Some((before_schema, before))) = (&options.against, &claims.before) {
        let place = |id: &str| PolicyRef { id: id.to_owned(), file: folder.display().to_string(), line: 1 };
        let narrower = prover.implies(schema, &claims.policies, before).await;
        told.tell("allows nothing that was not allowed", &place("narrower"), narrower);
        if options.equal {
            // Of what could be asked then, also in words that are gone.
            let wider = prover.implies(before_schema, before, &claims.policies).await;
            told.tell("allows all that was allowed", &place("wider"), wider);
        }
    }
    Ok(told.end())
}

struct Claims {
    own: Vec<(PolicyRef, Policy)>,
    policies: PolicySet,
    invariants: Vec<(PolicyRef, Policy)>,
    before: Option<(Schema, PolicySet)>,
    schema: Schema,
}

fn claims(ready: &Ready, options: &Prove) -> Result<Claims, Problems> {
    let (schema, own) = read(ready)?;
    let before = match &options.against {
        Some(folder) => {
            let (schema, policies) = read(&Ready::read(folder)?)?;
            Some((schema, set(&policies)?))
        }
        None => None,
    };
    let mut invariants = Vec::new();
    for path in invariant_files(&ready.folder) {
        let text = files::read_text(&path, MAX_FILE).map_err(|error| vec![format!("{}: {error}", path.display())])?;
        let name = path.strip_prefix(&ready.folder).unwrap_or(&path).display().to_string();
        invariants.extend(policy::parse_file(&name, &text, &schema).map_err(|problems| lines(&problems))?);
    }
    Ok(Claims { policies: set(&own)?, own, invariants, before, schema })
}

fn read(ready: &Ready) -> Result<(Schema, Vec<(PolicyRef, Policy)>), Problems> {
    let schema = policy::schema(&ready.bundle).map_err(|problems| lines(&problems))?;
    let policies = policy::parse_bundle(&ready.bundle, &schema).map_err(|problems| lines(&problems))?;
    Ok((schema, policies))
}

fn lines(problems: &[policy::PolicyProblem]) -> Problems {
    problems.iter().map(ToString::to_string).collect()
}

fn set(policies: &[(PolicyRef, Policy)]) -> Result<PolicySet, Problems> {
    let mut set = PolicySet::new();
    for (_, policy) in policies {
        set.add(policy.clone()).map_err(|error| vec![error.to_string()])?;
    }
    Ok(set)
}

fn invariant_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("invariants")).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "cedar")).collect();
    files.sort();
    files
}

/// The solver that was named, or cvc5.
fn solver(options: &Prove) -> Solver {
    let named = options.solver.clone().or_else(|| std::env::var("CVC5").ok());
    let patience = Duration::from_secs(options.timeout);
    match named {
        Some(program) => Solver { program, arguments: Vec::new(), patience },
        None => {
            let arguments = ["--lang", "smt"].map(ToOwned::to_owned).to_vec();
            Solver { program: "cvc5".to_owned(), arguments, patience }
        }
    }
}

/// What was told so far.
struct Told {
    rows: Vec<Value>,
    n_open: usize,
    n_refuted: usize,
    is_json: bool,
}

impl Told {
    /// Tells of one claim as soon as it is known: proofs may take their time.
    fn tell(&mut self, what: &str, place: &PolicyRef, proof: Proof) {
        let (word, detail, case) = match proof {
            Proof::Proved => ("proved", None, None),
            Proof::Refuted(case) => {
                self.n_refuted = self.n_refuted.saturating_add(1);
                ("refuted", Some(case.to_string()), Some(json!({"context": case.context, "entities": case.entities})))
            }
            Proof::Open(why) => {
                self.n_open = self.n_open.saturating_add(1);
                ("not proved", Some(why), None)
            }
        };
        if self.is_json {
            self.rows.push(json!({"claim": what, "policy": place, "result": word, "detail": detail, "counterexample": case}));
            return;
        }
        output::line(&format!("{word:<11} {what}: {place}"));
        for line in detail.iter().flat_map(|detail| detail.lines()) {
            output::line(&format!("            {line}"));
        }
    }

    fn end(self) -> Exit {
        let Self { rows, n_open, n_refuted, is_json } = self;
        if is_json {
            output::line(&json!({"refuted": n_refuted, "open": n_open, "claims": rows}).to_string());
        } else {
            output::line(&format!("{n_refuted} refuted, {n_open} not proved"));
        }
        if n_open == 0 && n_refuted == 0 { Exit::Ok } else { Exit::Failure }
    }
}
