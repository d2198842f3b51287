//! Budgets as operators write them, and to which calls they apply.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use model::{Chain, ModelName, Name, PrincipalId, PrincipalKind, UnixMillis, Usage};

use crate::period::Period;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Calls.
    Requests,
    /// Tokens that models read, cached ones too.
    InputTokens,
    /// Tokens that models write.
    OutputTokens,
    /// Both.
    Tokens,
    /// Calls that run at the same time.
    Concurrent,
    /// Money, in millionths of the price file's currency.
    Cost,
    /// What operators have tools counted in, by a name of theirs ([`Rule::quantity`]), in thousandths.
    Counted,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 7] =
        [Self::Requests, Self::InputTokens, Self::OutputTokens, Self::Tokens, Self::Concurrent, Self::Cost, Self::Counted];

    /// The measure as written in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Tokens => "tokens",
            Self::Concurrent => "concurrent",
            Self::Cost => "cost",
            Self::Counted => "counted",
        }
    }

    /// Whether how much a model may write matters to it.
    #[must_use]
    pub const fn counts_output(self) -> bool {
        matches!(self, Self::OutputTokens | Self::Tokens | Self::Cost)
    }
}

/// Who has a part of a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The first link of the chain, whoever it is.
    Principal,
    /// The user at the head of the chain; calls without one are not counted.
    User,
    /// Every agent of the chain, each for itself; calls without one are not counted.
    Agent,
    /// The task, by its ledger: a credential over its rotations; every task token of an agent for a subject.
    Task,
    /// The model alias.
    Model,
    /// The tool; calls of none are not counted.
    Tool,
}

impl Dimension {
    /// The dimension as written in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::User => "user",
            Self::Agent => "agent",
            Self::Task => "task",
            Self::Model => "model",
            Self::Tool => "tool",
        }
    }
}

/// One budget of one measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The budget's name; one name may stand over several measures.
    pub name: Name,
    /// What is counted.
    pub measure: Measure,
    /// What it is called that is counted, for [`Measure::Counted`] and for nothing else.
    pub quantity: Option<Name>,
    /// The most that may be used in a window, or may run; at most [`crate::MAX_AMOUNT`].
    pub most: u64,
    /// The window. Says nothing for [`Measure::Concurrent`].
    pub period: Period,
    /// Who has a part of its own; nobody: all share one.
    pub per: BTreeSet<Dimension>,
    /// Only calls in whose chain one of these stands; all, if absent.
    pub parties: Option<BTreeSet<PrincipalId>>,
    /// Only calls of these models; all, if absent. With tools beside it: of one or the other.
    pub models: Option<BTreeSet<ModelName>>,
    /// Only calls of these tools, `tool:SERVER/NAME` each; all, if absent.
    pub tools: Option<BTreeSet<Name>>,
}

/// Every budget in force. The order is that of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules(Vec<Rule>);

/// Who calls what.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// On whose behalf who acts.
    pub chain: &'a Chain,
    /// The task.
    pub task: &'a Name,
    /// The model alias; none for what is asked of the gate itself, as a token.
    pub model: Option<&'a ModelName>,
    /// The tool, `tool:SERVER/NAME`; none for what is none.
    pub tool: Option<&'a Name>,
}

/// What was used before the gate began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Who.
    pub chain: Chain,
    /// In which task.
    pub task: Name,
    /// Which model; of what is none, what it was ([`model::Charge::model`]).
    pub model: ModelName,
    /// When.
    pub at: UnixMillis,
    /// How many calls.
    pub requests: u64,
    /// Tokens of all of them.
    pub usage: Usage,
    /// Their cost in millionths.
    pub cost: u64,
    /// What their tools were counted in, in thousandths.
    pub counted: BTreeMap<Name, u64>,
}

impl Past {
    /// Who called what.
    pub(crate) fn caller(&self) -> Caller<'_> {
        let called = self.model.as_str();
        let is_tool = called.starts_with("tool:");
        let is_model = !is_tool && !called.starts_with("server:");
        let of = |is: bool| is.then_some(&self.model);
        Caller { chain: &self.chain, task: &self.task, model: of(is_model), tool: of(is_tool) }
    }
}

impl Rules {
    /// Budgets in the order of the configuration.
    #[must_use]
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// Every budget.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The budgets that apply to a call.
    pub fn applying<'r>(&'r self, caller: Caller<'r>) -> impl Iterator<Item = &'r Rule> {
        self.0.iter().filter(move |rule| rule.applies(&caller))
    }
}

impl Rule {
    /// Whether calls of this caller count.
    #[must_use]
    pub fn applies(&self, caller: &Caller<'_>) -> bool {
        let links = caller.chain.links();
        // Without a model there are no tokens, no cost, and no part of one; without a tool nothing that tools are counted in.
        let has_model = caller.model.is_some() || !self.per.contains(&Dimension::Model);
        let has_tool = caller.tool.is_some() || !self.per.contains(&Dimension::Tool);
        let counts_it = match self.measure {
            Measure::Requests | Measure::Concurrent => true,
            Measure::Counted => caller.tool.is_some(),
            Measure::InputTokens | Measure::OutputTokens | Measure::Tokens | Measure::Cost => caller.model.is_some(),
        };
        has_model
            && has_tool
            && counts_it
            && self.is_of(caller)
            && self.parties.as_ref().is_none_or(|parties| links.iter().any(|link| parties.contains(link)))
            && (!self.per.contains(&Dimension::User) || caller.chain.user().is_some())
            && (!self.per.contains(&Dimension::Agent) || links.iter().any(is_agent))
    }

    /// Whether it is for what is called.
    fn is_of(&self, caller: &Caller<'_>) -> bool {
        let is_among = |names: &Option<BTreeSet<Name>>, called: Option<&Name>| {
            names.as_ref().zip(called).is_some_and(|(names, called)| names.contains(called))
        };
        let is_for_all = self.models.is_none() && self.tools.is_none();
        is_for_all || is_among(&self.models, caller.model) || is_among(&self.tools, caller.tool)
    }

    /// Whether both count the same, whatever the most is.
    #[must_use]
    pub fn counts_like(&self, other: &Self) -> bool {
        let Self { name, measure, quantity, most: _, period, per, parties, models, tools } = self;
        (name, measure, quantity, period) == (&other.name, &other.measure, &other.quantity, &other.period)
            && (per, parties, models, tools) == (&other.per, &other.parties, &other.models, &other.tools)
    }

    /// Whose parts a call takes from: one, or one for each of its agents.
    pub(crate) fn keys<'a>(&'a self, caller: Caller<'a>) -> impl Iterator<Item = KeyRef<'a>> {
        let has = |dimension| self.per.contains(&dimension);
        let by_subject = has(Dimension::Principal) || has(Dimension::User);
        let base = KeyRef {
            rule: self,
            subject: caller.chain.subject().filter(|_| by_subject),
            agent: None,
            task: Some(caller.task).filter(|_| has(Dimension::Task)),
            model: caller.model.filter(|_| has(Dimension::Model)),
            tool: caller.tool.filter(|_| has(Dimension::Tool)),
        };
        let by_agent = has(Dimension::Agent);
        let one = (!by_agent).then_some(base);
        let agents = caller.chain.links().iter().filter(move |link| by_agent && is_agent(link));
        one.into_iter().chain(agents.map(move |agent| KeyRef { agent: Some(agent), ..base }))
    }
}

fn is_agent(link: &PrincipalId) -> bool {
    link.kind == PrincipalKind::Agent
}

/// Whose part of which budget; borrowed, for looking it up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) subject: Option<&'a PrincipalId>,
    pub(crate) agent: Option<&'a PrincipalId>,
    pub(crate) task: Option<&'a Name>,
    pub(crate) model: Option<&'a ModelName>,
    pub(crate) tool: Option<&'a Name>,
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rule.name.hash(state);
        (self.rule.measure, &self.rule.quantity, self.rule.period).hash(state);
        (self.subject, self.agent, self.task, self.model, self.tool).hash(state);
    }
}

/// Whose part of which budget. What is not in `per` is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) rule: Name,
    pub(crate) measure: Measure,
    pub(crate) quantity: Option<Name>,
    pub(crate) period: Period,
    pub(crate) subject: Option<PrincipalId>,
    pub(crate) agent: Option<PrincipalId>,
    pub(crate) task: Option<Name>,
    pub(crate) model: Option<ModelName>,
    pub(crate) tool: Option<Name>,
    /// The part that all share for whom there was no room.
    pub(crate) is_rest: bool,
}

impl KeyRef<'_> {
    pub(crate) fn to_key(self) -> Key {
        Key {
            rule: self.rule.name.clone(),
            measure: self.rule.measure,
            quantity: self.rule.quantity.clone(),
            period: self.rule.period,
            subject: self.subject.cloned(),
            agent: self.agent.cloned(),
            task: self.task.cloned(),
            model: self.model.cloned(),
            tool: self.tool.cloned(),
            is_rest: false,
        }
    }

    /// The part of the same budget that is shared.
    pub(crate) const fn rest(self) -> Self {
        Self { rule: self.rule, subject: None, agent: None, task: None, model: None, tool: None }
    }

    pub(crate) fn is(&self, key: &Key) -> bool {
        key.rule == self.rule.name
            && (key.measure, &key.quantity, key.period) == (self.rule.measure, &self.rule.quantity, self.rule.period)
            && key.subject.as_ref() == self.subject
            && key.agent.as_ref() == self.agent
            && key.task.as_ref() == self.task
            && key.model.as_ref() == self.model
            && key.tool.as_ref() == self.tool
    }
}

impl Key {
    /// Whether it is a part of this budget.
    pub(crate) fn is_of(&self, rule: &Rule) -> bool {
        (&self.rule, self.measure, &self.quantity, self.period) == (&rule.name, rule.measure, &rule.quantity, rule.period)
    }

    /// For people: `user:ada, model small`.
    pub(crate) fn shown(&self) -> String {
        if self.is_rest {
            return "(everybody else)".to_owned();
        }
        let parties = self.subject.iter().chain(&self.agent).map(ToString::to_string);
        let task = self.task.iter().map(|task| format!("task {task}"));
        let model = self.model.iter().map(|model| format!("model {model}"));
        let tool = self.tool.iter().map(ToString::to_string);
        let parts: Vec<String> = parties.chain(task).chain(model).chain(tool).collect();
        if parts.is_empty() { "(all together)".to_owned() } else { parts.join(", ") }
    }
}
