//! The search for a call that would be allowed: first where policies point to, then everywhere that makes a difference.
//!
//! A found call is a proof: it was decided as any other. That there is none is one too, where every policy that stood in the way
//! consists of tests of single values: the combinations of their values are all ways that a call can be in its eyes, and each
//! was tried. Where a policy is no such thing, or the combinations are too many, nothing is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Effect, PolicyId};
use model::{Answer, Ask, Chain, DecisionInput, LinkAnswer, ReasonCode, Verdict};

use super::Could;
use super::atoms::{OTHER, Path, Reading, Val, Var, matches};
use super::facts::Guess;
use crate::decide::PolicySnapshot;

/// Most combinations of permits that are aimed at.
const MAX_AIMS: usize = 4;
/// Most times that a guess is changed because of a forbid.
const MAX_REPAIRS: usize = 4;
/// Most combinations of values that are tried for one ask.
pub(super) const MAX_COMBINATIONS: usize = 2_048;
/// Most rounds, each of which takes in one more policy.
const MAX_ROUNDS: usize = 8;

/// How much may still be done for the whole list.
#[derive(Debug)]
pub(super) struct Effort {
    /// Decisions.
    pub(super) decisions: usize,
    /// Combinations that are told refused without one.
    pub(super) combinations: usize,
}

impl Effort {
    fn spend(&mut self) -> Option<()> {
        self.decisions = self.decisions.checked_sub(1)?;
        Some(())
    }

    fn look(&mut self) -> Option<()> {
        self.combinations = self.combinations.checked_sub(1)?;
        Some(())
    }
}

/// One search.
pub(super) struct Search<'a> {
    pub(super) snapshot: &'a PolicySnapshot,
    pub(super) chain: &'a Chain,
    pub(super) ask: &'a Ask,
    pub(super) base: Guess<'a>,
    /// By link of the chain, the permits that can concern the ask.
    pub(super) permits: Vec<Vec<PolicyId>>,
    /// Conditions that were read, of all searches of a list.
    pub(super) readings: &'a mut HashMap<PolicyId, Reading>,
    pub(super) effort: &'a mut Effort,
}

/// Values by what they are of; what is not in here is as in the first guess.
type Values = BTreeMap<Var, Val>;

impl Search<'_> {
    /// Searches.
    pub(super) fn run(&mut self) -> Could {
        match self.aimed() {
            Some(true) => Could::Yes,
            Some(false) => self.everywhere().unwrap_or(Could::Unknown),
            None => Could::Unknown,
        }
    }

    /// Tries what makes one permit of each link hold, and forbids fail. `None`: no effort is left.
    fn aimed(&mut self) -> Option<bool> {
        let n_aims = self.permits.iter().map(Vec::len).fold(1, usize::saturating_mul).min(MAX_AIMS);
        for aim in 0..n_aims {
            let mut values = Values::new();
            let mut rest = aim;
            let chosen: Vec<PolicyId> = self
                .permits
                .iter()
                .filter_map(|permits| {
                    let at = rest.checked_rem(permits.len())?;
                    rest = rest.checked_div(permits.len())?;
                    permits.get(at).cloned()
                })
                .collect();
            for permit in chosen {
                values.extend(self.read(&permit).wishes(true));
            }
            for _ in 0..MAX_REPAIRS {
                let answer = self.decide(&values)?;
                if answer.verdict != Verdict::Deny {
                    return Some(true);
                }
                let forbids: Vec<PolicyId> = forbidding(&answer).collect();
                let before = values.clone();
                for forbid in forbids {
                    values.extend(self.read(&forbid).wishes(false));
                }
                if values == before {
                    break;
                }
            }
        }
        Some(false)
    }

    /// Tries every combination of the values that make a difference to the policies that stand in the way, more of which may show
    /// on the way. `None`: nothing can be said.
    fn everywhere(&mut self) -> Option<Could> {
        let mut involved: BTreeSet<PolicyId> = BTreeSet::new();
        for _ in 0..MAX_ROUNDS {
            match self.round(&involved)? {
                Round::Found => return Some(Could::Yes),
                Round::Nowhere => return Some(Could::No),
                Round::Involves(more) => involved.extend(more),
            }
        }
        None
    }

    fn round(&mut self, involved: &BTreeSet<PolicyId>) -> Option<Round> {
        let mut vars: BTreeMap<Var, BTreeSet<Val>> = BTreeMap::new();
        let mut is_exact = true;
        for id in involved {
            let reading = self.read(id);
            is_exact &= reading.is_exact();
            for (var, values) in reading.vars() {
                vars.entry(var).or_default().extend(values);
            }
        }
        is_exact &= !is_entangled(&vars) && !self.has_patterns_beside(involved);
        let vars: Vec<(Var, Vec<Val>)> = vars.into_iter().map(|(var, values)| (var, values.into_iter().collect())).collect();
        let n_combinations = vars.iter().map(|(var, values)| n_ways(var, values)).fold(1, usize::saturating_mul);
        if n_combinations > MAX_COMBINATIONS {
            return None;
        }
        for combination in 0..n_combinations {
            let Some(values) = combined(&vars, combination) else { continue };
            if self.is_refused(&values, involved) {
                self.effort.look()?;
                continue;
            }
            let answer = match self.decide_if_possible(&values)? {
                Tried::Answer(answer) => answer,
                // No call is like that, or none that can be made up here.
                Tried::Impossible(is_certain) => {
                    is_exact &= is_certain;
                    continue;
                }
            };
            if answer.verdict != Verdict::Deny {
                return Some(Round::Found);
            }
            let more = self.unexplained(&answer, involved)?;
            if !more.is_empty() {
                return Some(Round::Involves(more));
            }
        }
        is_exact.then_some(Round::Nowhere)
    }

    /// Whether one link is refused already by what the policies in `involved` test: told without a decision. A forbid in there has
    /// refused a link before.
    fn is_refused(&self, values: &Values, involved: &BTreeSet<PolicyId>) -> bool {
        let reading = |id: &PolicyId| self.readings.get(id).filter(|_| involved.contains(id));
        let fails = |id: &PolicyId| reading(id).is_some_and(|reading| reading.holds(values) == Some(false));
        let is_hard = |id: &PolicyId| {
            self.snapshot.index.policy(id).is_some_and(|policy| policy.effect() == Effect::Forbid)
                && self.snapshot.meanings.get(id).is_some_and(|meaning| meaning.challenge.is_none())
        };
        let forbids = |id: &PolicyId| reading(id).is_some_and(|reading| reading.holds_again(values) == Some(true)) && is_hard(id);
        self.permits.iter().any(|permits| permits.iter().all(fails)) || involved.iter().any(forbids)
    }

    /// The policies because of which `answer` is a deny and that are not in `involved`; empty if those in there explain it.
    /// `None`: no policy explains it.
    fn unexplained(&mut self, answer: &Answer, involved: &BTreeSet<PolicyId>) -> Option<Vec<PolicyId>> {
        let mut least: Option<Vec<PolicyId>> = None;
        for link in answer.links.iter().filter(|link| link.verdict == Verdict::Deny) {
            let Some(because) = self.because(link) else { continue };
            let more: Vec<PolicyId> = because.into_iter().filter(|id| !involved.contains(id)).collect();
            if least.as_ref().is_none_or(|least| more.len() < least.len()) {
                least = Some(more);
            }
        }
        least
    }

    /// What refuses a link: one forbid that nothing lifts, else all permits, none of which holds.
    fn because(&self, link: &LinkAnswer) -> Option<Vec<PolicyId>> {
        if !matches!(link.reason, ReasonCode::PolicyForbidden | ReasonCode::PolicyDenied) {
            return None;
        }
        let ids = link.policies.iter().map(|policy| PolicyId::new(&policy.id));
        let is_hard = |id: &PolicyId| self.snapshot.meanings.get(id).is_some_and(|meaning| meaning.challenge.is_none());
        if link.reason == ReasonCode::PolicyForbidden
            && let Some(hard) = ids.into_iter().find(is_hard)
        {
            return Some(vec![hard]);
        }
        let at = self.chain.links().iter().position(|principal| *principal == link.principal)?;
        self.permits.get(at).cloned()
    }

    /// Decides a call; where it cannot be like that, one that is as near as possible.
    fn decide(&mut self, values: &Values) -> Option<Answer> {
        let mut guess = self.base.clone();
        for (var, value) in values {
            guess.set(var, value);
        }
        self.answer(&guess)
    }

    fn decide_if_possible(&mut self, values: &Values) -> Option<Tried> {
        let mut guess = self.base.clone();
        match values.iter().find(|(var, value)| guess.set(var, value).is_none()) {
            Some((var, value)) => Some(Tried::Impossible(is_closed(var, value))),
            None => self.answer(&guess).map(Tried::Answer),
        }
    }

    /// Whether a text is held against a pattern and against something else too: then there are ways to be that no value here is.
    fn has_patterns_beside(&self, involved: &BTreeSet<PolicyId>) -> bool {
        let held: BTreeSet<(&Path, Option<&[Option<String>]>)> =
            involved.iter().filter_map(|id| self.readings.get(id)).flat_map(Reading::patterns).collect();
        held.iter().any(|(path, pattern)| {
            let Some(pattern) = pattern else { return false };
            let n_held = held.iter().filter(|(other, _)| other == path).count();
            // The text that no policy names must be one that does not match.
            n_held > 1 || matches(pattern, OTHER)
        })
    }

    fn answer(&mut self, guess: &Guess<'_>) -> Option<Answer> {
        self.effort.spend()?;
        let input = DecisionInput { chain: self.chain.clone(), asks: vec![self.ask.clone()], facts: guess.facts() };
        Some(self.snapshot.decide(&input))
    }

    fn read(&mut self, id: &PolicyId) -> &Reading {
        let snapshot = self.snapshot;
        self.readings.entry(id.clone()).or_insert_with(|| snapshot.index.policy(id).map_or_else(Reading::opaque, Reading::of))
    }
}

/// A combination, tried.
enum Tried {
    Answer(Answer),
    /// No call is like that: for certain, or as far as calls can be made up here.
    Impossible(bool),
}

/// Whether a value that cannot be is one that no call can have: a number out of range, an argument that the tool has not or must
/// have.
fn is_closed(var: &Var, value: &Val) -> bool {
    match var {
        Var::Present(_) => true,
        Var::Value(path) if path.iter().eq(["request", "dialect"]) => true,
        Var::Value(path) | Var::Member(path, _) => {
            let root = path.first().map(String::as_str);
            matches!(value, Val::Long(_)) || matches!(root, Some("input" | "unmodelled"))
        }
    }
}

/// What a round comes to.
enum Round {
    /// A call that is allowed.
    Found,
    /// There is none.
    Nowhere,
    /// These stand in the way too.
    Involves(Vec<PolicyId>),
}

fn forbidding(answer: &Answer) -> impl Iterator<Item = PolicyId> {
    let links = answer.links.iter().filter(|link| link.reason == ReasonCode::PolicyForbidden);
    links.flat_map(|link| link.policies.iter().map(|policy| PolicyId::new(&policy.id)))
}

/// How many ways there are: its values, and to stay as it is where none of them may be possible.
fn n_ways(var: &Var, values: &[Val]) -> usize {
    let is_covered = match var {
        Var::Present(_) | Var::Member(..) => true,
        Var::Value(path) => path.first().is_some_and(|first| first == "input"),
    };
    values.len().saturating_add(usize::from(!is_covered))
}

/// The values of one combination. What stands in something absent has none, so of the combinations that differ in it alone all but
/// one are `None`.
fn combined(vars: &[(Var, Vec<Val>)], combination: usize) -> Option<Values> {
    let mut ways: Vec<(&Var, &Vec<Val>, usize)> = Vec::with_capacity(vars.len());
    let mut rest = combination;
    for (var, all) in vars {
        let n_ways = n_ways(var, all);
        ways.push((var, all, rest.checked_rem(n_ways)?));
        rest = rest.checked_div(n_ways)?;
    }
    let absent: Vec<&[String]> = ways
        .iter()
        .filter_map(|(var, all, at)| match var {
            Var::Present(path) if all.get(*at) == Some(&Val::Bool(false)) => Some(path.as_slice()),
            _ => None,
        })
        .collect();
    let is_absent = |var: &Var| match var {
        Var::Value(path) | Var::Member(path, _) => absent.iter().any(|absent| path.starts_with(absent)),
        Var::Present(path) => absent.iter().any(|absent| path.len() > absent.len() && path.starts_with(absent)),
    };
    let mut values = Values::new();
    for (var, all, at) in ways {
        match (is_absent(var), at) {
            (true, 0) => {}
            (true, _) => return None,
            (false, at) => {
                if let Some(value) = all.get(at) {
                    values.insert(var.clone(), value.clone());
                }
            }
        }
    }
    Some(values)
}

/// Whether kinds of findings and their groups are both read: which kind is in which group is not known here.
fn is_entangled(vars: &BTreeMap<Var, BTreeSet<Val>>) -> bool {
    let reads = |name: &str| vars.keys().any(|var| matches!(var, Var::Member(path, _) if path.iter().eq(["content", name])));
    reads("kinds") && reads("groups")
}
