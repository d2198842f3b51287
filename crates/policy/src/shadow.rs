//! Policies that are evaluated and recorded, and never enforced: `@mode("shadow")`. See decision 0033.
//!
//! They stand in an index of their own, which says whether one of them concerns a call at all, and in one with all the others, by
//! which the call is decided once more: with the same code, and with the answer that there would be if they were enforced. No
//! enforced answer ever reads either index.

use std::collections::BTreeSet;

use cedar_policy::{Policy, PolicyId, PolicySet};
use model::{Answer, Ask, DecisionInput, LinkAnswer, PolicyRef, PrincipalId, PrincipalKind, ReasonCode, ShadowAnswer};

use crate::decide::{Call, PolicySnapshot, View};
use crate::index::{Amendment, Index};

/// Most policies and most errors that one answer names.
const MAX_NAMED: usize = 64;

/// The policies that are not enforced.
#[derive(Debug)]
pub(crate) struct Shadow {
    /// They alone.
    alone: Index,
    /// They beside those that are enforced.
    all: Index,
}

impl Shadow {
    /// The enforced policies of `all`, and the others, if there are any.
    pub(crate) fn apart(all: PolicySet, is_shadow: impl Fn(&PolicyId) -> bool) -> Result<(PolicySet, Option<Self>), String> {
        if !all.policies().any(|policy| is_shadow(policy.id())) {
            return Ok((all, None));
        }
        let (shadow, enforced): (Vec<Policy>, Vec<Policy>) = all.policies().cloned().partition(|policy| is_shadow(policy.id()));
        let set = |policies| PolicySet::from_policies(policies).map_err(|error| error.to_string());
        let (shadow, enforced) = (set(shadow)?, set(enforced)?);
        let shadow = Self { alone: Index::new(&shadow), all: Index::new(&all) };
        Ok((enforced, Some(shadow)))
    }

    /// They alone.
    pub(crate) const fn alone(&self) -> &Index {
        &self.alone
    }
}

impl PolicySnapshot {
    /// Every shadow policy, in the order of the files.
    #[must_use]
    pub fn shadow_policies(&self) -> Vec<PolicyRef> {
        self.places().into_iter().filter(|place| self.is_shadow(place)).collect()
    }

    /// What the answer would be, were every shadow policy enforced; `answer` is the one that was given to `input`. `None` if
    /// none of them concerns the call: then nothing could be otherwise. Pure, and costs nothing where there are none.
    #[must_use]
    pub fn shadow(&self, input: &DecisionInput, answer: &Answer) -> Option<ShadowAnswer> {
        let shadow = self.shadow.as_ref()?;
        let view = View { index: &shadow.all, ..self.view() };
        let call = view.call(&input.chain, &input.facts);
        let concerns = |ask: &Ask| input.chain.links().iter().any(|link| !self.concerning(&call, link, ask).is_empty());
        if !input.asks.iter().any(concerns) {
            return None;
        }
        let would = self.decide_in(view, input);
        let differs = |(before, after): &(&LinkAnswer, &LinkAnswer)| substance(before) != substance(after);
        let pairs = || answer.links.iter().zip(&would.links);
        let of_call = (answer.verdict, answer.reason) != (would.verdict, would.reason) || pairs().any(|pair| differs(&pair));
        let changed = pairs().filter(|pair| !of_call || differs(pair)).map(|(_, after)| after);
        let policies: BTreeSet<PolicyRef> = changed.flat_map(|link| self.behind(&call, link, of_call)).collect();
        let errors: BTreeSet<String> = would.links.iter().flat_map(|link| link.errors.iter().cloned()).collect();
        Some(ShadowAnswer {
            verdict: would.verdict,
            reason: would.reason,
            policies: policies.into_iter().take(MAX_NAMED).collect(),
            errors: errors.into_iter().take(MAX_NAMED).collect(),
            differs: of_call,
        })
    }

    /// What the answer would be, were these shadow policies enforced, and no others; `ids` that are none change nothing.
    #[must_use]
    pub fn decide_enforcing(&self, input: &DecisionInput, ids: &BTreeSet<String>) -> Answer {
        let amendments: Vec<Amendment> = ids.iter().filter_map(|id| self.enforcing(id)).collect();
        self.decide_in(View { amendments: &amendments, ..self.view() }, input)
    }

    /// A shadow policy as one that is enforced.
    pub(crate) fn enforcing(&self, id: &str) -> Option<Amendment> {
        let policy = self.shadow.as_ref()?.alone.policy(&PolicyId::new(id))?;
        Some(Amendment::With(Box::new(policy.clone())))
    }

    /// Every policy, in whichever mode.
    pub(crate) fn all_policies(&self) -> impl Iterator<Item = &Policy> {
        self.index.policies().chain(self.shadow.iter().flat_map(|shadow| shadow.alone.policies()))
    }

    fn is_shadow(&self, place: &PolicyRef) -> bool {
        self.meanings.get(&PolicyId::new(&place.id)).is_some_and(|meaning| meaning.is_shadow)
    }

    /// The shadow policies that can concern one link and one ask.
    fn concerning(&self, call: &Call<'_>, principal: &PrincipalId, ask: &Ask) -> Vec<PolicyId> {
        let Some(shadow) = self.shadow.as_ref().filter(|_| principal.kind != PrincipalKind::Pep) else { return Vec::new() };
        let Ok((request, entities)) = self.pose(call, principal, ask) else { return Vec::new() };
        let (Some(principal), Some(action), Some(resource)) = (request.principal(), request.action(), request.resource()) else {
            return Vec::new();
        };
        let numbers = shadow.alone.concerning(entities, principal, action, resource);
        numbers.into_iter().filter_map(|at| shadow.alone.numbered(at)).map(|policy| policy.id().clone()).collect()
    }

    /// The shadow policies behind the answer of one link: those that determine it, those that err. Where the answer differs and
    /// none does either (a permit behind a challenge), those that concern it.
    fn behind(&self, call: &Call<'_>, link: &LinkAnswer, differs: bool) -> Vec<PolicyRef> {
        let ask = Ask { action: link.action, resource: link.resource.clone() };
        let erring = if link.reason == ReasonCode::PolicyError { self.erring(call, &link.principal, &ask) } else { Vec::new() };
        let place = |id: &PolicyId| self.meanings.get(id).map(|meaning| meaning.place.clone());
        let all = link.policies.iter().cloned().chain(erring.iter().filter_map(place));
        let found: Vec<PolicyRef> = all.filter(|place| self.is_shadow(place)).collect();
        if !found.is_empty() || !differs {
            return found;
        }
        self.concerning(call, &link.principal, &ask).iter().filter_map(place).collect()
    }
}

/// What of a link's answer somebody would notice.
fn substance(link: &LinkAnswer) -> impl PartialEq + '_ {
    (link.verdict, link.reason, &link.challenges, &link.duties)
}
