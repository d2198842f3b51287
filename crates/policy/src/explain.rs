//! An answer in sentences.

use model::{Action, Answer, Ask, LinkAnswer, PrincipalKind, ReasonCode, Verdict};

use crate::decide::PolicySnapshot;
use crate::index::Miss;

/// Most near misses of one kind that are shown per link.
const MAX_SHOWN: usize = 3;

/// One line per link and ask, the deciding ones first.
///
/// What clients chose (a host, a tool's name) is escaped: a line of a terminal stays one line.
#[must_use]
pub fn explain(answer: &Answer) -> Vec<String> {
    lines(answer, |_| Vec::new())
}

impl PolicySnapshot {
    /// Like [`explain`], and below each link that nothing permitted the permits that came near: those whose condition did not
    /// hold, those for other parties, those for other resources. At most three of each. `self` must be the snapshot that gave
    /// the answer, else the near misses are those of another day.
    #[must_use]
    pub fn explain(&self, answer: &Answer) -> Vec<String> {
        lines(answer, |link| self.near_misses(link))
    }

    fn near_misses(&self, link: &LinkAnswer) -> Vec<String> {
        let ask = Ask { action: link.action, resource: link.resource.clone() };
        let Some(triple) = self.triple(&link.principal, &ask).filter(|_| link.reason == ReasonCode::PolicyDenied) else {
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
