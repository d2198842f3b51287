//! What of a call could be otherwise, by the facts that policies read: each value that a condition holds a fact against is one
//! to try, and so is what is most in the caller's favour.

use std::collections::BTreeSet;

use model::{
    Challenge, DecisionInput, Dialect, FindingGroup, Integrity, Label, Level, Name, Origin, Posture, Remaining, Risk, SignIn,
    Spent, TaskBudget, UnixMillis,
};

use super::reads::{Literal, Path, Reads};
use super::trial::{By, Candidate, Edit};
use crate::context;
use crate::vocabulary::answered;

const LEVELS: [(Level, &str); 4] = [
    (Level::Restricted, "restricted"),
    (Level::Confidential, "confidential"),
    (Level::Internal, "internal"),
    (Level::Public, "public"),
];
const HOUR: u64 = 3_600_000;

/// What could be otherwise, for every place that is read.
pub(super) fn of(reads: &Reads, input: &DecisionInput) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (path, literals) in &reads.0 {
        found.extend(of_place(path, literals, input));
    }
    found
}

fn of_place(path: &Path, literals: &BTreeSet<Literal>, input: &DecisionInput) -> Vec<Candidate> {
    let Some(names) = path.in_context() else { return Vec::new() };
    let texts =
        || literals.iter().filter_map(|literal| if let Literal::Text(text) = literal { Some(text.as_str()) } else { None });
    match names.as_slice() {
        ["request", "stream"] => stream(input),
        ["request", "dialect"] => dialects(input),
        ["content", ..] => findings(input),
        ["answered", fact] => {
            challenges(input).into_iter().filter(|(challenge, _)| answered(*challenge) == *fact).map(|(_, one)| one).collect()
        }
        ["flow", ..] => flow(input),
        ["credential", "ageSeconds"] => {
            vec![caller("credential", "the credential were new", |input| input.facts.credential_age = 0)]
        }
        ["task", "purpose"] => texts().filter_map(purpose).collect(),
        ["task", "mayAct"] => vec![circumstance("may-act", "the subject's own token named the agent (`may_act`)", |input| {
            input.facts.mandate.may_act = true;
        })],
        ["task", "budget", ..] => vec![circumstance("budget", "nothing of the task's budgets had been used", |input| {
            for (_, part) in input.facts.around.budget.iter_mut().flat_map(TaskBudget::parts) {
                *part = part.map(|budget| Remaining { left: budget.most, ..budget });
            }
        })],
        ["auth", what] => sign_in(what, texts()),
        ["device", what] => posture(what, texts()),
        ["risk", ..] => vec![circumstance("risk", "user, agent and task were of no risk", |input| {
            input.facts.around.risk = Some(Risk { user: 0, agent: 0, task: 0 });
        })],
        ["network", "segment"] => texts().filter_map(segment).collect(),
        ["usage", ..] => vec![circumstance("usage", "the task had used nothing yet", |input| {
            input.facts.around.spent = Some(Spent { calls: 0, tokens: 0, micros: 0 });
        })],
        ["now"] => times(input, texts()),
        _ => Vec::new(),
    }
}

fn candidate(by: By, topic: &str, text: String, edit: impl Fn(&mut DecisionInput) + 'static) -> Candidate {
    Candidate { by, topic: topic.to_owned(), text, edit: Edit::Input(Box::new(edit)) }
}

fn caller(topic: &str, text: &str, edit: impl Fn(&mut DecisionInput) + 'static) -> Candidate {
    candidate(By::Caller, topic, text.to_owned(), edit)
}

fn circumstance(topic: &str, text: &str, edit: impl Fn(&mut DecisionInput) + 'static) -> Candidate {
    candidate(By::Circumstances, topic, text.to_owned(), edit)
}

fn stream(input: &DecisionInput) -> Vec<Candidate> {
    let is_stream = input.facts.stream;
    let text = if is_stream { "the answer were not streamed" } else { "the answer were streamed" };
    vec![caller("stream", text, move |input| input.facts.stream = !is_stream)]
}

fn dialects(input: &DecisionInput) -> Vec<Candidate> {
    let others = [Dialect::Openai, Dialect::Anthropic].into_iter().filter(|dialect| Some(*dialect) != input.facts.dialect);
    let one = |dialect: Dialect| {
        let text = format!("the call were in the dialect `{}`", dialect.as_str());
        candidate(By::Caller, "dialect", text, move |input| input.facts.dialect = Some(dialect))
    };
    others.map(one).collect()
}

/// The challenges that were not answered, each as answered.
pub(super) fn challenges(input: &DecisionInput) -> Vec<(Challenge, Candidate)> {
    let all = [
        (Challenge::Approval, "the caller had somebody approve this call"),
        (Challenge::StepUp, "the user signed in once more, or more strongly (step-up)"),
        (Challenge::Posture, "the device proved its state (posture)"),
    ];
    let open = all.into_iter().filter(|(challenge, _)| !input.facts.answered.contains(challenge));
    let one = |(challenge, text): (Challenge, &str)| {
        let answer = caller(challenge.as_str(), text, move |input| {
            input.facts.answered.insert(challenge);
        });
        (challenge, answer)
    };
    open.map(one).collect()
}

/// The request without one kind of what was found in it, or without all of it.
pub(super) fn findings(input: &DecisionInput) -> Vec<Candidate> {
    let kinds: Vec<(String, FindingGroup)> =
        input.facts.findings.iter().map(|(kind, count)| (kind.clone(), count.group)).collect();
    let one = |(kind, group): &(String, FindingGroup)| {
        let what = if *group == FindingGroup::Uninspected { "part that no scanner reads: " } else { "" };
        let text = format!("the request held no {what}`{}`", kind.escape_debug());
        let kind = kind.clone();
        candidate(By::Caller, &format!("finding {kind}"), text, move |input| {
            input.facts.findings.remove(&kind);
        })
    };
    let mut found: Vec<Candidate> = kinds.iter().take(16).map(one).collect();
    if kinds.len() > 1 {
        found.push(caller("findings", "nothing were found in the request", |input| input.facts.findings.clear()));
    }
    found
}

/// A task that has seen less.
pub(super) fn flow(input: &DecisionInput) -> Vec<Candidate> {
    let label = &input.facts.label;
    let mut found = Vec::new();
    for (level, word) in LEVELS.into_iter().filter(|(level, _)| *level < label.level) {
        let text = format!("the task had seen nothing above `{word}`");
        found.push(candidate(By::Circumstances, "level", text, move |input| input.facts.label.level = level));
    }
    if label.integrity < Integrity::User {
        found.push(circumstance("integrity", "nothing untrusted had flowed into the task", |input| {
            input.facts.label.integrity = Integrity::User;
            input.facts.around.untrusted.clear();
        }));
    }
    for compartment in label.compartments.iter().take(16) {
        let text = format!("the task had seen nothing of compartment `{compartment}`");
        let compartment = compartment.clone();
        found.push(candidate(By::Circumstances, "compartment", text, move |input| {
            input.facts.label.compartments.remove(&compartment);
        }));
    }
    let is_new = *label == Label::default() && input.facts.ledger_version == 0 && input.facts.around.untrusted.is_empty();
    if !is_new {
        found.push(circumstance("task", "the task were a new one that has seen nothing", |input| {
            input.facts.label = Label::default();
            input.facts.ledger_version = 0;
            input.facts.around.untrusted.clear();
        }));
    }
    found
}

fn purpose(word: &str) -> Option<Candidate> {
    let purpose = Name::new(word).ok()?;
    Some(candidate(By::Circumstances, "purpose", format!("the task had the purpose `{purpose}`"), move |input| {
        if let Some(task) = &mut input.facts.mandate.task {
            task.purpose = Some(purpose.clone());
        }
    }))
}

fn sign_in<'t>(what: &str, texts: impl Iterator<Item = &'t str>) -> Vec<Candidate> {
    let known = |input: &mut DecisionInput, edit: &dyn Fn(&mut SignIn)| {
        let unknown = || SignIn { class: String::new(), means: BTreeSet::new(), age: u64::MAX };
        edit(input.facts.around.sign_in.get_or_insert_with(unknown));
    };
    match what {
        "acr" => texts
            .map(|class| {
                let class = class.to_owned();
                let text = format!("the user had signed in with acr \"{}\"", class.escape_debug());
                candidate(By::Caller, "acr", text, move |input| known(input, &|known| known.class.clone_from(&class)))
            })
            .collect(),
        "amr" => texts
            .map(|means| {
                let means = means.to_owned();
                let text = format!("the user had signed in by \"{}\" (amr)", means.escape_debug());
                candidate(By::Caller, "amr", text, move |input| {
                    known(input, &|known| {
                        known.means.insert(means.clone());
                    });
                })
            })
            .collect(),
        "ageSeconds" => {
            vec![caller("sign-in", "the user had just signed in", move |input| known(input, &|known| known.age = 0))]
        }
        _ => Vec::new(),
    }
}

fn posture<'t>(what: &str, texts: impl Iterator<Item = &'t str>) -> Vec<Candidate> {
    let known = |input: &mut DecisionInput, edit: &dyn Fn(&mut Posture)| {
        if input.facts.around.posture.is_none() {
            let Ok(device) = Name::new("some-device") else { return };
            input.facts.around.posture = Some(Posture { device, is_managed: false, facts: BTreeSet::new(), age: u64::MAX });
        }
        if let Some(posture) = &mut input.facts.around.posture {
            edit(posture);
        }
    };
    match what {
        "managed" => vec![caller("managed", "the call came from a managed device", move |input| {
            known(input, &|posture| posture.is_managed = true);
        })],
        "facts" => texts
            .map(|fact| {
                let fact = fact.to_owned();
                let text = format!("the device had proven \"{}\"", fact.escape_debug());
                candidate(By::Caller, "device-fact", text, move |input| {
                    known(input, &|posture| {
                        posture.facts.insert(fact.clone());
                    });
                })
            })
            .collect(),
        "ageSeconds" => vec![caller("posture-age", "the device had just proven its state", move |input| {
            known(input, &|posture| posture.age = 0);
        })],
        _ => Vec::new(),
    }
}

fn segment(word: &str) -> Option<Candidate> {
    let segment = Name::new(word).ok()?;
    Some(candidate(By::Caller, "segment", format!("the call came from the network segment `{segment}`"), move |input| {
        let peer = input.facts.around.origin.as_ref().map(|origin| origin.peer.clone()).unwrap_or_default();
        input.facts.around.origin = Some(Origin { peer, segment: Some(segment.clone()) });
    }))
}

/// The next full hours of a day, the next days of a week, and the dates that are written out, if they are still to come.
fn times<'t>(input: &DecisionInput, texts: impl Iterator<Item = &'t str>) -> Vec<Candidate> {
    let now = input.facts.now.0;
    let hour = now / HOUR * HOUR;
    let hours = (1..=24_u64).map(|count| hour.saturating_add(count * HOUR));
    let days = (2..=7_u64).map(|count| hour.saturating_add(count * 24 * HOUR));
    let written = texts.filter_map(context::parse_instant).flat_map(|at| [at, at.saturating_add(1000)]);
    let all: BTreeSet<u64> = hours.chain(days).chain(written).filter(|at| *at > now).collect();
    let one = |at: u64| {
        let text = format!("it were {}", context::instant(UnixMillis(at)));
        candidate(By::Circumstances, "time", text, move |input| input.facts.now = UnixMillis(at))
    };
    all.into_iter().map(one).collect()
}
