//! Proofs about policies: for *every* request and *every* set of entities that the schema allows, not for the ones that somebody
//! has thought of.
//!
//! Policies are compiled to logic by `cedar-policy-symcc`, whose compilation is itself proven (in Lean), and a solver, cvc5, is asked
//! for a case in which the claim does not hold. `unsat` is a proof. A counterexample is evaluated by Cedar before anybody is told.
//! Whatever goes wrong on the way, be it a solver that is missing or one that gives up, ends as [`Proof::Open`]: never as proved.
//!
//! What is proved is about Cedar's own answer for one link. The gate is stricter (an error denies; every link must be allowed), so what
//! is proved never to be allowed never is; what is proved always to be allowed is for links that have no other duty or grant to meet.

mod counterexample;

use std::time::Duration;

use cedar_policy::{Authorizer, Decision, Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::solver::{Decision as Answer, LocalSolver, Solver as _, SolverError};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicy, CompiledPolicySet, Env, SmtLibScript as _};
use tokio::process::Command;

pub use counterexample::Counterexample;

/// What became of a claim.
#[derive(Debug)]
pub enum Proof {
    /// It holds in every case.
    Proved,
    /// Here is a case in which it does not; Cedar's own evaluation says so too.
    Refuted(Box<Counterexample>),
    /// Nobody knows, and why.
    Open(String),
}

/// How to start a solver that reads SMT-LIB from its standard input and answers on its standard output.
#[derive(Debug, Clone)]
pub struct Solver {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Longest time for one answer.
    pub patience: Duration,
}

/// What a claim is about: a set of policies, and what shapes requests have.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The policies.
    pub policies: &'a PolicySet,
}

/// Asks one solver after the other.
#[derive(Debug)]
pub struct Prover {
    solver: Solver,
    running: Option<CedarSymCompiler<LocalSolver>>,
}

/// A claim about one shape of requests, in which a solver looks for a counterexample.
enum Question {
    NeverErrors(Box<CompiledPolicy>),
    Disjoint(Box<CompiledPolicySet>, Box<CompiledPolicySet>),
    Implies(Box<CompiledPolicySet>, Box<CompiledPolicySet>),
}

impl Prover {
    /// Asks `solver`, which is started with the first question.
    #[must_use]
    pub const fn new(solver: Solver) -> Self {
        Self { solver, running: None }
    }

    /// Whether a policy can be evaluated in every case.
    pub async fn never_errs(&mut self, schema: &Schema, policy: &Policy) -> Proof {
        let envs: Vec<RequestEnv> = schema.request_envs().collect();
        for env in &envs {
            let question = match CompiledPolicy::compile(policy, env, schema) {
                Ok(compiled) => Question::NeverErrors(Box::new(compiled)),
                Err(error) => return Proof::Open(error.to_string()),
            };
            let errs = |case: &Env| {
                let mut alone = PolicySet::new();
                alone.add(policy.clone()).is_ok()
                    && Authorizer::new()
                        .is_authorized(&case.request, &alone, &case.entities)
                        .diagnostics()
                        .errors()
                        .next()
                        .is_some()
            };
            match self.ask(&question, errs).await {
                Proof::Proved => {}
                other => return other,
            }
        }
        Proof::Proved
    }

    /// Whether nothing that `claim`, a forbid, speaks of is ever allowed, whatever other policies say.
    pub async fn never_allowed(&mut self, subject: Subject<'_>, claim: &Policy) -> Proof {
        let Some(spoken_of) = as_permit(claim) else { return Proof::Open("the claim cannot be turned into a permit".to_owned()) };
        let envs: Vec<RequestEnv> = subject.schema.request_envs().collect();
        for env in &envs {
            let compiled = pair(subject.policies, &spoken_of, env, subject.schema);
            let question = match compiled {
                Ok((policies, spoken_of)) => Question::Disjoint(policies, spoken_of),
                Err(message) => return Proof::Open(message),
            };
            let both = |case: &Env| allows(subject.policies, case) && allows(&spoken_of, case);
            match self.ask(&question, both).await {
                Proof::Proved => {}
                other => return other,
            }
        }
        Proof::Proved
    }

    /// Whether everything that `claim`, a permit, speaks of is always allowed, whatever other policies say.
    pub async fn always_allowed(&mut self, subject: Subject<'_>, claim: &Policy) -> Proof {
        let Some(spoken_of) = as_permit(claim) else { return Proof::Open("the claim cannot be read".to_owned()) };
        self.implies(subject.schema, &spoken_of, subject.policies).await
    }

    /// Whether everything that `first` allows is allowed by `second`.
    pub async fn implies(&mut self, schema: &Schema, first: &PolicySet, second: &PolicySet) -> Proof {
        let envs: Vec<RequestEnv> = schema.request_envs().collect();
        for env in &envs {
            let question = match pair(first, second, env, schema) {
                Ok((first, second)) => Question::Implies(first, second),
                Err(message) => return Proof::Open(message),
            };
            let only_first = |case: &Env| allows(first, case) && !allows(second, case);
            match self.ask(&question, only_first).await {
                Proof::Proved => {}
                other => return other,
            }
        }
        Proof::Proved
    }

    /// One question to the solver. `holds` says whether a counterexample is one.
    async fn ask(&mut self, question: &Question, holds: impl Fn(&Env) -> bool) -> Proof {
        let running = match self.running.take() {
            Some(running) => Ok(running),
            None => self.start().await,
        };
        let mut running = match running {
            Ok(running) => running,
            Err(message) => return Proof::Open(message),
        };
        let answer = async {
            match question {
                Question::NeverErrors(policy) => running.check_never_errors_with_counterexample_opt(policy).await,
                Question::Disjoint(first, second) => running.check_disjoint_with_counterexample_opt(first, second).await,
                Question::Implies(first, second) => running.check_implies_with_counterexample_opt(first, second).await,
            }
        };
        let answer = match tokio::time::timeout(self.solver.patience, answer).await {
            Ok(Ok(answer)) => answer,
            // A solver that has failed once is in a state that nobody knows: the next question gets another one.
            Ok(Err(error)) => return Proof::Open(format!("the solver: {error}")),
            Err(_) => return Proof::Open(format!("the solver found nothing within {} s", self.solver.patience.as_secs())),
        };
        self.running = Some(running);
        match answer {
            None => Proof::Proved,
            Some(case) if holds(&case) => Proof::Refuted(Box::new(Counterexample::new(&case.request, &case.entities))),
            Some(_) => Proof::Open("the solver's counterexample is none by Cedar's own evaluation".to_owned()),
        }
    }

    /// Starts the solver and asks it two questions whose answers are known. Some claims are so plain that the compiler alone sees
    /// that they hold: without a solver that answers, not even those are proved.
    async fn start(&self) -> Result<CedarSymCompiler<LocalSolver>, String> {
        let Solver { program, arguments, patience } = &self.solver;
        let started = LocalSolver::from_command(Command::new(program).args(arguments).kill_on_drop(true));
        let mut started = started.map_err(|error| format!("the solver `{program}` cannot be started: {error}"))?;
        let known = tokio::time::timeout(*patience, known(&mut started)).await;
        match known {
            Ok(Ok(true)) => CedarSymCompiler::new(started).map_err(|error| error.to_string()),
            Ok(Ok(false)) => Err(format!("`{program}` answers wrongly: it is no solver")),
            Ok(Err(error)) => Err(format!("the solver `{program}`: {error}")),
            Err(_) => Err(format!("the solver `{program}` does not answer within {} s", patience.as_secs())),
        }
    }
}

/// Whether a solver knows that nothing contradicts nothing, and that what is false never holds.
async fn known(solver: &mut LocalSolver) -> Result<bool, SolverError> {
    solver.smtlib_input().set_logic("ALL").await?;
    let is_first = solver.check_sat().await? == Answer::Sat;
    solver.smtlib_input().assert("false").await?;
    let is_second = solver.check_sat().await? == Answer::Unsat;
    solver.smtlib_input().reset().await?;
    Ok(is_first && is_second)
}

type Pair = (Box<CompiledPolicySet>, Box<CompiledPolicySet>);

fn pair(first: &PolicySet, second: &PolicySet, env: &RequestEnv, schema: &Schema) -> Result<Pair, String> {
    let compile = |set| CompiledPolicySet::compile(set, env, schema).map(Box::new).map_err(|error| error.to_string());
    Ok((compile(first)?, compile(second)?))
}

fn allows(policies: &PolicySet, case: &Env) -> bool {
    Authorizer::new().is_authorized(&case.request, policies, &case.entities).decision() == Decision::Allow
}

/// A set of one permit that is satisfied exactly when `policy` is.
fn as_permit(policy: &Policy) -> Option<PolicySet> {
    let mut tree = policy.to_json().ok()?;
    let fields = tree.as_object_mut()?;
    fields.insert("effect".to_owned(), "permit".into());
    fields.remove("annotations");
    let mut set = PolicySet::new();
    set.add(Policy::from_json(Some(PolicyId::new("claim")), tree).ok()?).ok()?;
    Some(set)
}
