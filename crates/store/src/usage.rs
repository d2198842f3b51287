//! What was used, in the projection: for people who ask, and for the budgets of a gate that starts.

use std::collections::BTreeMap;

use budget::{MAX_AMOUNT, Past};
use evidence::{EntryKind, Header};
use model::{Chain, Charge, ModelName, Name, PrincipalId, PrincipalKind, UnixMillis, Usage};
use rusqlite::{Connection, params};
use serde::Serialize;

use crate::error::StoreError;

/// How what was used is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBy {
    /// By the first link of the chain.
    User,
    /// By the last agent of the chain; calls without one are one line.
    Agent,
    /// By model alias.
    Model,
    /// By task.
    Task,
}

impl UsageBy {
    const fn column(self) -> &'static str {
        match self {
            Self::User => "subject",
            Self::Agent => "coalesce(agent, '-')",
            Self::Model => "model",
            Self::Task => "task",
        }
    }
}

/// What was used by one party, or in one task, or of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// Who, or what.
    pub key: String,
    /// Calls that left the gate.
    pub requests: u64,
    /// Calls whose tokens were estimated.
    pub estimated: u64,
    /// The tokens of all of them.
    pub usage: Usage,
    /// Their cost in millionths; calls of models without a price count nothing.
    pub cost: u64,
    /// Calls without a price.
    pub unpriced: u64,
}

/// An hour, in milliseconds.
const HOUR: u64 = 3_600_000;

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Adds an entry, if it tells what was used.
pub(crate) fn insert(connection: &Connection, index: u64, header: &Header) -> rusqlite::Result<()> {
    let (EntryKind::Outcome, Some(chain), Some(charge)) = (header.kind, &header.chain, &header.charge) else { return Ok(()) };
    let Charge { at, model, task, usage, cost, counted, is_estimate } = charge;
    let links: Vec<String> = chain.links().iter().map(ToString::to_string).collect();
    let agent = chain.links().iter().rfind(|link| link.kind == PrincipalKind::Agent);
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")?;
    insert.execute(params![
        index,
        number(at.0),
        links.join(" "),
        links.first(),
        agent.map(ToString::to_string),
        task.as_str(),
        model.as_str(),
        number(usage.input),
        number(usage.cached),
        number(usage.cache_write),
        number(usage.output),
        number(usage.reasoning),
        cost.map(number),
        is_estimate
    ])?;
    for (quantity, amount) in counted {
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO counted VALUES (?1, ?2, ?3)")?;
        insert.execute(params![index, quantity.as_str(), number(*amount)])?;
    }
    Ok(())
}

const SUMS: &str = "count(*), sum(is_estimate), sum(input), sum(cached), sum(cache_write), sum(output), sum(reasoning), \
                    coalesce(sum(cost), 0), sum(cost IS NULL)";

/// The tokens of a row of [`SUMS`] behind one other column.
fn summed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage { input: row.get(3)?, cached: row.get(4)?, cache_write: row.get(5)?, output: row.get(6)?, reasoning: row.get(7)? })
}

/// What calls have used that reserved at or after `since`, the most tokens first.
pub(crate) fn since(connection: &Connection, by: UsageBy, since: UnixMillis) -> Result<Vec<UsageRow>, StoreError> {
    let column = by.column();
    let sql = format!(
        "SELECT {column}, {SUMS} FROM usage WHERE at >= ?1 GROUP BY 1 ORDER BY sum(input + cached + cache_write + output) DESC, 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![number(since.0)], |row| {
        let usage = summed(row)?;
        Ok(UsageRow {
            key: row.get(0)?,
            requests: row.get(1)?,
            estimated: row.get(2)?,
            usage,
            cost: row.get(8)?,
            unpriced: row.get(9)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<Vec<UsageRow>>>()?)
}

/// Everything that counts in a window of a budget at `now`: by the hour since the month began, call by call in the last two hours.
pub(crate) fn past(connection: &Connection, now: UnixMillis) -> Result<Vec<Past>, StoreError> {
    let exact = (now.0 / HOUR).saturating_sub(1).saturating_mul(HOUR);
    let month = budget::Period::Month.window(now).start.0;
    let sql = format!(
        "SELECT chain, {SUMS}, task, model, CASE WHEN at >= ?2 THEN at ELSE at / {HOUR} * {HOUR} END AS moment
         FROM usage WHERE at >= ?1 GROUP BY chain, task, model, moment"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params![number(month.min(exact)), number(exact)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (chain, task, model): (String, String, String) = (row.get(0)?, row.get(10)?, row.get(11)?);
        let usage = summed(row)?;
        let (chain, task, model) = names(&chain, &task, &model).ok_or_else(nobody)?;
        let (at, requests, cost) = (UnixMillis(row.get(12)?), row.get(1)?, row.get(8)?);
        found.push(Past { chain, task, model, at, requests, usage, cost, counted: BTreeMap::new() });
    }
    found.extend(past_counted(connection, month.min(exact), exact)?);
    Ok(found)
}

/// What tools were counted in, likewise; no call is counted in these again.
fn past_counted(connection: &Connection, since: u64, exact: u64) -> Result<Vec<Past>, StoreError> {
    // A sum of whole numbers that is too large for one is an error to SQLite; one of others is not.
    let sql = format!(
        "SELECT chain, task, model, CASE WHEN at >= ?2 THEN at ELSE at / {HOUR} * {HOUR} END AS moment, quantity,
         CAST(min(total(amount), {MAX_AMOUNT}) AS INTEGER)
         FROM usage JOIN counted USING (idx) WHERE at >= ?1 GROUP BY chain, task, model, moment, quantity"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(params![number(since), number(exact)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (chain, task, model): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (chain, task, model) = names(&chain, &task, &model).ok_or_else(nobody)?;
        let quantity: String = row.get(4)?;
        let quantity = Name::new(&quantity).map_err(|_| nobody())?;
        let (at, counted) = (UnixMillis(row.get(3)?), BTreeMap::from([(quantity, row.get(5)?)]));
        found.push(Past { chain, task, model, at, requests: 0, usage: Usage::default(), cost: 0, counted });
    }
    Ok(found)
}

fn nobody() -> StoreError {
    StoreError::damaged("projection.db", "a row of usage names nobody")
}

fn names(chain: &str, task: &str, model: &str) -> Option<(Chain, Name, ModelName)> {
    let links: Result<Vec<PrincipalId>, _> = chain.split(' ').map(str::parse).collect();
    Some((Chain::new(links.ok()?).ok()?, Name::new(task).ok()?, Name::new(model).ok()?))
}
