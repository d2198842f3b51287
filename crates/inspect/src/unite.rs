//! Uniting of overlapping matches.

use model::Span;

use crate::rules::N_RULES;
use crate::track::Match;

/// Groups of items whose spans overlap, each with the span from the first start to the last end. Items come sorted by start.
/// Spans that only touch are not united.
pub(crate) fn unite<T>(items: impl IntoIterator<Item = T>, span: impl Fn(&T) -> Span) -> Vec<(Span, Vec<T>)> {
    let mut groups: Vec<(Span, Vec<T>)> = Vec::new();
    for item in items {
        let own = span(&item);
        match groups.last_mut() {
            Some((whole, members)) if own.start < whole.end => {
                whole.end = whole.end.max(own.end);
                members.push(item);
            }
            _ => groups.push((own, vec![item])),
        }
    }
    groups
}

/// Leaves out matches that stand inside an earlier match of the same rule, and those of values told by their context where a
/// token begins: the token's own name is the better one.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    ends: [usize; N_RULES],
    /// The same of the operators' own rules, as far as they have matched.
    own: Vec<usize>,
    /// Where the latest token begins.
    token: Option<usize>,
}

impl Default for Distinct {
    fn default() -> Self {
        Self { ends: [0; N_RULES], own: Vec::new(), token: None }
    }
}

impl Distinct {
    /// Whether the match counts; matches come in their order.
    pub(crate) fn admits(&mut self, found: &Match) -> bool {
        if self.token == Some(found.start) && found.rule.yields_to_tokens() {
            return false;
        }
        let Some(latest) = self.latest(found) else { return false };
        let end = found.end.unwrap_or(usize::MAX);
        let is_new = end > *latest;
        if is_new && found.end.is_some() {
            *latest = end;
        }
        if is_new && found.rule.is_open_ended() {
            self.token = Some(found.start);
        }
        is_new
    }

    /// Up to where the latest match of the same rule reaches.
    fn latest(&mut self, found: &Match) -> Option<&mut usize> {
        let Some(place) = found.rule.own_place() else { return self.ends.get_mut(found.rule.0) };
        if place >= self.own.len() {
            self.own.resize(place.saturating_add(1), 0);
        }
        self.own.get_mut(place)
    }
}
