//! An answer in sentences: who may not do what by which policy, which facts that policy read, and what would have to be otherwise.

mod candidates;
mod circumstances;
mod edits;
mod facts;
mod reads;
mod said;
mod search;
mod trial;

use cedar_policy::PolicyId;
use model::{Action, Answer, Ask, DecisionInput, LinkAnswer, PrincipalKind, ReasonCode, Verdict};

use crate::decide::PolicySnapshot;
use crate::index::Miss;
use facts::Shows;

pub use facts::FactsRead;
pub use search::{Change, Changes};
pub use trial::By;

/// Most near misses of one kind that are shown per link.
const MAX_SHOWN: usize = 3;

/// One line per link and ask, the deciding ones first.
///
/// What clients chose (a host, a tool's name) is escaped: a line of a terminal stays one line.
#[must_use]
pub fn explain(answer: &Answer) -> Vec<String> {
    lines(answer, |_| Vec::new())
}

/// Why an answer is as it is, and what would make it another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The answer.
    pub answer: Answer,
    /// One line per link, with what came near.
    pub lines: Vec<String>,
    /// What the policies behind it read.
    pub facts: Vec<FactsRead>,
    /// What would flip the verdict; nothing is looked for where it is a permit.
    pub changes: Changes,
}

impl Explanation {
    /// All of it, for a person.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let mut lines = self.lines.clone();
        for FactsRead { policy, principals, facts } in &self.facts {
            let facts: Vec<String> = facts.iter().map(|(place, value)| format!("{place} = {value}")).collect();
            let principals: Vec<String> = principals.iter().map(ToString::to_string).collect();
            lines.push(format!("read by {policy} for {}: {}", principals.join(", "), facts.join(", ")));
        }
        lines.extend(self.flips());
        lines
    }

    fn flips(&self) -> Vec<String> {
        let Changes { found, n_tried, is_cut } = &self.changes;
        if self.answer.verdict == Verdict::Permit {
            return Vec::new();
        }
        if *n_tried == 0 {
            return vec!["no change is known that would flip this: nothing that is declared comes near".to_owned()];
        }
        if found.is_empty() {
            let bound = if *is_cut { "; there was more to try" } else { "" };
            return vec![format!("no change of one or two things was found that would flip this ({n_tried} tried{bound})")];
        }
        let is_pair = found.iter().any(|change| change.parts.len() > 1);
        let mut lines: Vec<String> =
            is_pair.then(|| "no single change would flip this; two together would:".to_owned()).into_iter().collect();
        for change in found {
            let verdict = if change.verdict == Verdict::Permit { "permitted" } else { "challenged" };
            let parts: Vec<String> = change.parts.iter().map(|(by, text)| format!("{text} ({})", by.whom())).collect();
            lines.push(format!("would be {verdict} if {}", parts.join(" and ")));
        }
        lines
    }
}

impl PolicySnapshot {
    /// Decides, and says why, with which facts, and what would have to be otherwise: the smallest changes that truly flip the
    /// verdict, found by deciding at most 200 times more. Names what is declared, and shows what callers said, so it is for
    /// operators who may read content; where something was found in the call, of what callers said only yes or no.
    #[must_use]
    pub fn explanation(&self, input: &DecisionInput) -> Explanation {
        let shows = if input.facts.findings.is_empty() { Shows::Everything } else { Shows::Flags };
        self.explained(input, shows)
    }

    /// The same of a call that nobody has made: for whoever has written it, with everything that it says.
    #[must_use]
    pub fn explanation_of_own(&self, input: &DecisionInput) -> Explanation {
        self.explained(input, Shows::Everything)
    }

    fn explained(&self, input: &DecisionInput, shows: Shows) -> Explanation {
        let answer = self.decide(input);
        let lines = self.explain(&answer);
        let facts = facts::read(self, input, &answer, shows);
        let changes = if answer.verdict == Verdict::Permit { Changes::default() } else { search::search(self, input, &answer) };
        Explanation { answer, lines, facts, changes }
    }

    /// The policies that fail to evaluate for a link.
    fn erring_policies(&self, input: &DecisionInput, link: &LinkAnswer) -> Vec<PolicyId> {
        let call = self.view().call(&input.chain, &input.facts);
        self.erring(&call, &link.principal, &Ask { action: link.action, resource: link.resource.clone() })
    }

    /// The permits that concern a link that nothing permits: their conditions do not hold.
    fn failed_permits(&self, link: &LinkAnswer) -> Vec<PolicyId> {
        let ask = Ask { action: link.action, resource: link.resource.clone() };
        let Some(triple) = self.concerned(&link.principal, &ask) else { return Vec::new() };
        let near = self.index.near_permits(&self.entities, &triple.0, &triple.1, &triple.2);
        near.filter(|(_, miss)| *miss == Miss::Nothing).take(MAX_SHOWN).map(|(id, _)| id.clone()).collect()
    }

    /// Like [`explain`], and below each link that nothing permitted the permits that came near: those whose condition did not
    /// hold, those for other parties, those for other resources. At most three of each. `self` must be the snapshot that gave
    /// the answer, else the near misses are those of another day.
    #[must_use]
    pub fn explain(&self, answer: &Answer) -> Vec<String> {
        lines(answer, |link| self.near_misses(link))
    }

    fn near_misses(&self, link: &LinkAnswer) -> Vec<String> {
        let ask = Ask { action: link.action, resource: link.resource.clone() };
        let Some(triple) = self.concerned(&link.principal, &ask).filter(|_| link.reason == ReasonCode::PolicyDenied) else {
            return Vec::new();
        };
        let mut near: Vec<_> = self
            .index
            .near_permits(&self.entities, &triple.0, &triple.1, &triple.2)
            .filter_map(|(id, miss)| Some((&self.meanings.get(id)?.place, miss)))
            .collect();
        near.sort_by(|(left, _), (right, _)| (&left.file, left.line).cmp(&(&right.file, right.line)));
        let misses = [
            (Miss::Nothing, "concerns this call, but its condition does not hold"),
            (Miss::Principal, "permits this to other parties"),
            (Miss::Resource, "permits this party other resources"),
        ];
        let mut lines = Vec::new();
        for (kind, text) in misses {
            let found: Vec<_> = near.iter().filter(|(_, miss)| *miss == kind).map(|(place, _)| place).collect();
            lines.extend(found.iter().take(MAX_SHOWN).map(|place| format!("  near: policy {place} {text}")));
            if found.len() > MAX_SHOWN {
                lines.push(format!("  near: and {} more like these", found.len().saturating_sub(MAX_SHOWN)));
            }
        }
        if lines.is_empty() {
            lines.push("  no permit comes near: none names this party or this resource for this action".to_owned());
        }
        lines
    }
}

fn lines(answer: &Answer, below: impl Fn(&LinkAnswer) -> Vec<String>) -> Vec<String> {
    if answer.links.is_empty() {
        return vec!["no link was asked".to_owned()];
    }
    let mut links: Vec<&LinkAnswer> = answer.links.iter().collect();
    links.sort_by_key(|link| std::cmp::Reverse(link.verdict));
    links.into_iter().flat_map(|link| std::iter::once(line(link)).chain(below(link))).collect()
}

fn line(link: &LinkAnswer) -> String {
    // An enforcement point does nothing of what it asks about.
    let is_asking = link.principal.kind == PrincipalKind::Pep && link.action != Action::Search;
    let (verdict, may) = match (link.verdict, is_asking) {
        (Verdict::Permit, true) => ("permit", "may ask about"),
        (_, true) => ("deny", "may not ask about"),
        (Verdict::Permit, false) => ("permit", "may"),
        (Verdict::Challenge, false) => ("challenge", "may not yet"),
        (Verdict::Deny, false) => ("deny", "may not"),
    };
    let (action, kind, id) =
        (link.resource.verb(link.action).escape_debug(), link.resource.type_name(), link.resource.id().escape_debug());
    let mut text = format!("{verdict}: {} {may} {action} {kind} \"{id}\"", link.principal);
    if link.verdict != Verdict::Permit {
        text.push_str(&format!(" because {} ({})", link.reason.text(), link.reason));
    }
    let policies: Vec<String> = link.policies.iter().map(ToString::to_string).collect();
    if !policies.is_empty() {
        let noun = if policies.len() == 1 { "policy" } else { "policies" };
        text.push_str(&format!(", {noun} {}", policies.join(", ")));
    }
    if !link.challenges.is_empty() {
        let challenges: Vec<&str> = link.challenges.iter().map(|challenge| challenge.as_str()).collect();
        text.push_str(&format!("; would be lifted by {}", challenges.join(" and ")));
    }
    for error in &link.errors {
        text.push_str("; ");
        text.extend(error.chars().map(printable));
    }
    if !link.duties.is_empty() {
        let duties: Vec<String> = link.duties.iter().map(ToString::to_string).collect();
        text.push_str(&format!("; duties {}", duties.join(", ")));
    }
    text
}

/// A character of a message; what a terminal would obey becomes the replacement character.
fn printable(letter: char) -> char {
    let is_plain = letter.escape_debug().len() == 1 || matches!(letter, '"' | '\'' | '\\');
    if is_plain { letter } else { '\u{fffd}' }
}
