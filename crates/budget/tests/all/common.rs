//! A small organisation.

use std::collections::BTreeSet;

use budget::{Amounts, Caller, Dimension, Measure, Period, Rule, Rules};
use model::{Chain, Name, UnixMillis};

/// The beginning of a day, an hour and a minute, but not of a month: 2026-11-21.
pub(crate) const NOON: UnixMillis = UnixMillis(1_795_262_400_000);

pub(crate) fn chain(links: &str) -> Chain {
    Chain::new(links.split(' ').map(|link| link.parse().unwrap()).collect()).unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn rule(text: &str, measure: Measure, most: u64, period: Period, per: &[Dimension]) -> Rule {
    Rule {
        name: name(text),
        measure,
        quantity: None,
        most,
        period,
        per: per.iter().copied().collect(),
        parties: None,
        models: None,
        tools: None,
    }
}

pub(crate) fn only(mut rule: Rule, parties: &[&str]) -> Rules {
    rule.parties = Some(parties.iter().map(|party| party.parse().unwrap()).collect::<BTreeSet<_>>());
    Rules::new(vec![rule])
}

/// Somebody's call; owns what a [`Caller`] borrows.
pub(crate) struct Someone {
    pub(crate) chain: Chain,
    pub(crate) task: Name,
    pub(crate) model: Name,
}

impl Someone {
    pub(crate) fn new(links: &str) -> Self {
        Self { chain: chain(links), task: name("task"), model: name("small") }
    }

    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller { chain: &self.chain, task: &self.task, model: Some(&self.model), tool: None }
    }
}

pub(crate) fn tokens(input: u64, output: u64) -> Amounts {
    Amounts { requests: 1, input, output, cost: None, ..Amounts::default() }
}

pub(crate) fn after(at: UnixMillis, millis: u64) -> UnixMillis {
    UnixMillis(at.0 + millis)
}
