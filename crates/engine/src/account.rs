//! How much? Reserves the most that a call may use before it leaves, and settles on what it has used when it has ended.
//!
//! It stands behind the decision, because what a policy refuses costs nothing, and before the record, because a call for which
//! there is no room is refused and recorded like any other. What was used stands in the outcome.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use budget::{Allowance, Amounts, Caller, Exceeded, Level, Measure, Price, Reservation};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Charge, ModelName, Name, ReasonCode, Refusal, Remaining, Resource, TaskBudget, Usage};

use crate::admit::Identified;
use crate::counted;
use crate::decide::Permit;
use crate::event::Event;
use crate::inspection::Inspected;
use crate::interaction::Call;
use crate::ports::{ModelCall, Place, Voice, World};
use crate::release::Seen;
use crate::snapshot::Snapshot;

/// What a model may write in a second that nobody is shown, in tokens: what those do that think in silence.
const UNSEEN_PER_SECOND: u64 = 100;

/// The most that a call may use: tokens, and what a tool is counted in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Most {
    input: u64,
    output: u64,
    runs_on: bool,
    /// What a tool is counted in.
    counted: BTreeMap<Name, Option<u64>>,
}

impl Most {
    /// By what the request says, and by what is written into it where it does not.
    pub(crate) fn of(snapshot: &Snapshot, inspected: &Inspected<'_>) -> Self {
        let asked = inspected.understood().model().zip(inspected.model());
        let Some((ModelCall { demand, .. }, model)) = asked else {
            let counted = counted::demanded(snapshot, inspected);
            return Self { counted, ..Self::default() };
        };
        let cap = demand.cap.unwrap_or_else(|| snapshot.budgets.cap(model));
        Self {
            input: demand.input,
            output: cap.saturating_mul(demand.answers),
            runs_on: demand.runs_on,
            counted: BTreeMap::new(),
        }
    }

    fn usage(&self) -> Usage {
        Usage { input: self.input, output: self.output, ..Usage::default() }.bounded()
    }
}

/// What one call holds and what is known of its use.
#[derive(Debug, Default)]
pub(crate) struct Account {
    reservation: Option<Reservation>,
    charge: Option<Charge>,
    price: Option<Price>,
    allowance: Option<Allowance>,
    /// When it left, on the clock that never goes back.
    left: Option<Duration>,
    runs_on: bool,
    /// Whether it is a call of a model.
    has_tokens: bool,
    seen: Seen,
    /// How long the upstream was silent while a stream ran.
    silence: Duration,
}

impl Account {
    /// What is reserved, for the record of the intent.
    pub(crate) const fn reserved(&self) -> Option<&Charge> {
        self.charge.as_ref()
    }

    /// From now on the call may cost something.
    pub(crate) const fn leaves(&mut self, now: Duration) {
        self.left = Some(now);
    }

    /// Notes what was seen of the answer.
    pub(crate) fn saw(&mut self, seen: Seen) {
        self.seen = seen;
    }

    /// Notes how long the upstream of a stream was silent.
    pub(crate) const fn was_silent(&mut self, silence: Duration) {
        self.silence = silence;
    }

    /// What was seen of the answer.
    pub(crate) const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Tells the caller what is left, if a budget applies to the call.
    pub(crate) fn tell<V: Voice>(&self, voice: &V, reason: ReasonCode, headers: &mut HeaderMap) {
        let Some(allowance) = &self.allowance else { return };
        voice.allow(allowance, headers);
        let is_hopeless = is_exceeded(reason) && allowance.retry_after.is_none();
        if is_hopeless {
            headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
        }
    }
}

/// What has to be written into the request: a most where a budget counts on one, and that the stream tells what was used.
pub(crate) fn edits(snapshot: &Snapshot, identified: &Identified, inspected: &Inspected<'_>) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    let Some((ModelCall { demand, .. }, model)) = inspected.understood().model().zip(inspected.model()) else { return edits };
    let write = |place: &Place, value: &str| (place.span.clone(), format!("{}{value}{}", place.before, place.after));
    if !demand.uncapped.is_empty() {
        let task = &identified.credential().ledger;
        let caller = Caller { chain: identified.chain(), task, model: Some(model), tool: None };
        if snapshot.budgets.rules.applying(caller).any(|rule| rule.measure.counts_output()) {
            let cap = demand.cap.unwrap_or_else(|| snapshot.budgets.cap(model)).to_string();
            edits.extend(demand.uncapped.iter().map(|place| write(place, &cap)));
        }
    }
    edits.extend(demand.tells_usage.iter().map(|place| write(place, "true")));
    edits
}

/// What is left to the caller, for policies: none where no budget applies, or no policy asks. Read, not taken: whether there is room
/// for this call is found out behind the decision.
pub(crate) fn left<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    model: Option<&ModelName>,
) -> Option<TaskBudget> {
    if !snapshot.policy.reads_budgets() {
        return None;
    }
    let caller = Caller { chain: identified.chain(), task: &identified.credential().ledger, model, tool: None };
    let allowance = world.counters().left(&snapshot.budgets.rules, caller, world.now());
    let Allowance { requests, input, output, tokens, cost, .. } = allowance;
    let part = |level: Option<Level>| level.map(|Level { most, left, .. }| Remaining { most, left });
    let budget = TaskBudget {
        requests: part(requests),
        input: part(input),
        output: part(output),
        tokens: part(tokens),
        micros: part(cost),
    };
    (budget != TaskBudget::default()).then_some(budget)
}

/// Gives back what an earlier judgement of the same call has reserved.
pub(crate) fn give_back(call: &mut Call) {
    if let Some(reservation) = call.account.reservation.take() {
        reservation.release();
    }
}

/// Reserves for a permit, or refuses. What an earlier judgement of the same call has reserved is given back first.
pub(crate) fn reserve<W: World>(world: &W, snapshot: &Snapshot, call: &mut Call, permit: Permit) -> Result<Permit, Refusal> {
    give_back(call);
    let identified = call.identified.as_ref().ok_or(ReasonCode::Internal)?;
    let task = &identified.credential().ledger;
    let called = charged_as(permit.aim());
    let is_tool = matches!(permit.aim(), Resource::Tool(_));
    let tool = called.as_ref().filter(|_| is_tool);
    let caller = Caller { chain: identified.chain(), task, model: permit.model(), tool };
    let price = permit.model().and_then(|model| snapshot.budgets.prices.models.get(model)).copied();
    let Most { input, output, runs_on, counted } = permit.most().clone();
    // What is no model has no price, and costs nothing.
    let cost = if permit.model().is_none() { Some(0) } else { price.map(|price| price.most(input, output)) };
    let known = counted.iter().filter_map(|(name, amount)| Some((name.clone(), (*amount)?.min(budget::MAX_AMOUNT)))).collect();
    let wanted = Amounts { requests: 1, input, output, cost, counted };
    let now = world.now();
    let reserved = world.counters().reserve(&snapshot.budgets.rules, caller, &wanted, now);
    let charge = called.map(|model| Charge {
        at: now,
        model,
        task: task.clone(),
        usage: permit.most().usage(),
        cost,
        counted: known,
        is_estimate: true,
    });
    match reserved {
        Ok(reservation) => {
            let allowance = Some(*reservation.allowance()).filter(|_| !reservation.is_empty());
            call.account = Account {
                reservation: Some(reservation),
                charge,
                has_tokens: permit.model().is_some(),
                price,
                allowance,
                runs_on,
                ..Account::default()
            };
            Ok(permit)
        }
        Err(exceeded) => {
            call.account = Account { allowance: Some(exceeded.allowance), ..Account::default() };
            call.judgement = Some(Box::new(permit.into_judgement()));
            Err(Refusal::because(exceeded.reason(), detail(&exceeded)))
        }
    }
}

/// What a call is charged as: the model, else what it is, as locks name it. A name that none can have is left to the server.
fn charged_as(aim: &Resource) -> Option<ModelName> {
    match aim {
        Resource::Model(model) => Some(model.clone()),
        Resource::ToolServer(server) => Name::new(&format!("server:{server}")).ok(),
        Resource::Agent(agent) => Name::new(&format!("agent:{agent}")).ok(),
        Resource::Tool(id) => budget::charged(id).ok(),
        _ => None,
    }
}

/// Takes one request of what the caller may ask for, where the gate itself is asked and no model. It stays taken, whatever the answer
/// is: each makes a signature and an entry that waits for the disk.
pub(crate) fn charge_request<W: World>(world: &W, call: &mut Call) -> Result<(), Refusal> {
    let snapshot = Arc::clone(&call.snapshot);
    let identified = call.identified()?;
    let caller = Caller { chain: identified.chain(), task: &identified.credential().ledger, model: None, tool: None };
    let wanted = Amounts { requests: 1, cost: Some(0), ..Amounts::default() };
    match world.counters().reserve(&snapshot.budgets.rules, caller, &wanted, world.now()) {
        Ok(reservation) => {
            let allowance = Some(*reservation.allowance()).filter(|_| !reservation.is_empty());
            call.account = Account { reservation: Some(reservation), allowance, ..Account::default() };
            Ok(())
        }
        Err(exceeded) => {
            call.account = Account { allowance: Some(exceeded.allowance), ..Account::default() };
            Err(Refusal::because(exceeded.reason(), detail(&exceeded)))
        }
    }
}

/// Puts what was used in the place of what was reserved; gives it for the record. None for a call that never left.
pub(crate) fn settle<W: World>(world: &W, call: &mut Call, reason: ReasonCode) -> Option<Charge> {
    let account = std::mem::take(&mut call.account);
    let (Some(reservation), Some(mut charge)) = (account.reservation, account.charge) else { return None };
    let Some(left) = account.left else {
        reservation.release();
        return None;
    };
    // What goes on without anybody who waits for it is charged as if it had come to its end.
    let is_stream = call.is_stream && !account.runs_on;
    let seen = Seen { has_begun: account.seen.has_begun && !account.runs_on, ..account.seen };
    let status = call.outcome.upstream_status;
    let silence = if status.is_none() { world.monotonic().saturating_sub(left) } else { account.silence };
    // One that came to its end has told everything.
    let silence = if reason == ReasonCode::Permitted { Duration::ZERO } else { silence };
    charge.counted = amounts(std::mem::take(&mut charge.counted), &seen, status, reason);
    let (usage, is_estimate) = if account.has_tokens {
        used(charge.usage, &seen, status, is_stream.then(|| unseen(silence)), reason)
    } else {
        (Usage::default(), false)
    };
    charge.usage = usage.bounded();
    charge.cost = account.price.map(|price| price.cost(&charge.usage)).or_else(|| (!account.has_tokens).then_some(0));
    charge.is_estimate = is_estimate;
    let counted = charge.counted.iter().map(|(name, amount)| (name.clone(), Some(*amount))).collect();
    reservation.settle(&Amounts { counted, ..Amounts::of(&charge.usage, charge.cost) });
    world.observe_event(&Event::Charged { request: call.request, charge: &charge });
    Some(charge)
}

/// What a tool's call is counted as in the end: rows as they came. Everything else, and rows that did not come whole, as it was reserved:
/// nobody knows what a tool has done that failed.
fn amounts(reserved: BTreeMap<Name, u64>, seen: &Seen, status: Option<u16>, reason: ReasonCode) -> BTreeMap<Name, u64> {
    // As far as can be seen nothing was reached.
    if status.is_none() && reason == ReasonCode::UpstreamUnavailable {
        return BTreeMap::new();
    }
    let used = |(name, amount): (Name, u64)| {
        let rows = seen.counted.get(&name).copied();
        (name, rows.unwrap_or(amount).min(budget::MAX_AMOUNT))
    };
    reserved.into_iter().map(used).collect()
}

/// What may have been written in that time and was not shown, in tokens: an answer that is broken off before the first word would
/// be free otherwise, however long the model has thought.
fn unseen(silence: Duration) -> u64 {
    let millis = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(UNSEEN_PER_SECOND) / 1000
}

/// What a call has used, and whether that is an estimate. Where nobody knows, it is what was reserved; of a stream (`unseen`)
/// what arrived, and what may have been written unseen.
fn used(reserved: Usage, seen: &Seen, status: Option<u16>, unseen: Option<u64>, reason: ReasonCode) -> (Usage, bool) {
    let nothing = Usage::default();
    match status {
        // Nothing answered, and as far as can be seen nothing was reached.
        None if reason == ReasonCode::UpstreamUnavailable => return (nothing, false),
        // It may be thinking still. A stream that nobody reads any more ends there too.
        None => {
            let output = unseen.map_or(reserved.output, |unseen| unseen.min(reserved.output));
            return (Usage { output, ..reserved }, true);
        }
        // What fails at the provider costs nothing there, unless it says so.
        Some(status) if !(200..300).contains(&status) => return (seen.reported.usage, false),
        Some(_) => {}
    }
    let told = seen.reported;
    let read = if told.is_read { told.usage } else { reserved };
    let output = match (told.is_written, seen.has_begun || unseen.is_some()) {
        (true, _) => told.usage.output,
        (false, true) => seen.arrived.saturating_add(unseen.unwrap_or(0)).min(reserved.output).max(told.usage.output),
        (false, false) => reserved.output,
    };
    let usage = Usage { output, reasoning: told.usage.reasoning, ..read };
    (usage, !(told.is_read && told.is_written))
}

const fn is_exceeded(reason: ReasonCode) -> bool {
    use ReasonCode as C;
    matches!(reason, C::RequestLimit | C::TokenLimit | C::ConcurrencyLimit | C::BudgetSpent | C::AmountLimit)
}

/// What a caller is told: which budget, what it counts, and what is missing.
fn detail(exceeded: &Exceeded) -> String {
    let Exceeded { rule, measure, quantity, period, most, used, wanted, .. } = exceeded;
    let left = most.saturating_sub(*used);
    let what = measure.as_str().replace('_', " ");
    match (measure, wanted) {
        (Measure::Concurrent, _) => format!("budget `{rule}` allows {most} at the same time"),
        (Measure::Counted, Some(wanted)) => format!(
            "budget `{rule}` allows {} {} per {}, {} left, this call is {}",
            budget::decimal(*most),
            quantity.as_ref().map_or("", Name::as_str),
            period.as_str(),
            budget::decimal(left),
            budget::decimal(*wanted)
        ),
        (Measure::Counted, None) => format!("budget `{rule}` counts {}", quantity.as_ref().map_or("", Name::as_str)),
        (_, None) => format!("budget `{rule}` counts money"),
        (Measure::Cost, Some(wanted)) => format!(
            "budget `{rule}` allows {} per {}, {} left, this request may cost {}",
            money(*most),
            period.as_str(),
            money(left),
            money(*wanted)
        ),
        (_, Some(wanted)) => {
            format!("budget `{rule}` allows {most} {what} per {}, {left} left, this request may use {wanted}", period.as_str())
        }
    }
}

/// Millionths as an amount.
fn money(millionths: u64) -> String {
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}
