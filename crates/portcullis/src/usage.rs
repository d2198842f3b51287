//! `portcullis usage`: what was used, what it cost, what is left. And what a budget that is new has to know of it.

use std::path::Path;

use budget::{Line, Measure, Past, Rule, Rules};
use gateway::admin::UsageQuery;
use model::{ReasonCode, Refusal, UnixMillis};
use serde_json::{Value, json};
use store::{UsageBy, UsageRow};

use crate::cli::{By, Cli, seconds};
use crate::commands::{Exit, ask, show};
use crate::gate::{Gate, now};
use crate::output;

/// Most parts of budgets that are listed.
const MAX_LINES: usize = 1000;

/// Asks the running gate and shows what it says.
pub(crate) async fn command(cli: &Cli, data: &Path, by: By, since: Option<&str>) -> anyhow::Result<Exit> {
    let by = match by {
        By::User => "user",
        By::Agent => "agent",
        By::Model => "model",
        By::Task => "task",
    };
    let since = match since.map(seconds).transpose() {
        Ok(since) => since.map(|seconds| now().0.saturating_sub(seconds.saturating_mul(1000))),
        Err(message) => {
            output::note(&message);
            return Ok(Exit::Invalid);
        }
    };
    let answer = ask(data, "/admin/v1/usage", &json!({"by": by, "since": since})).await?;
    Ok(show(cli, answer, |value| {
        let columns = [by, "requests", "input", "cached", "cache_write", "output", "reasoning", "cost", "estimated"];
        let mut text = output::table(value.get("usage"), &columns);
        if value.get("budgets").and_then(Value::as_array).is_some_and(|budgets| !budgets.is_empty()) {
            let columns = ["budget", "whose", "counts", "most", "used", "left", "resets"];
            text.push_str(&format!("\n\n{}", output::table(value.get("budgets"), &columns)));
        }
        text
    }))
}

/// The document of the admin API.
pub(crate) fn report(gate: &Gate, query: &UsageQuery) -> Result<Value, Refusal> {
    let name = query.by.as_deref().unwrap_or("user");
    let by = match name {
        "user" => UsageBy::User,
        "agent" => UsageBy::Agent,
        "model" => UsageBy::Model,
        "task" => UsageBy::Task,
        _ => return Err(Refusal::because(ReasonCode::FieldType, "/by: expected `user`, `agent`, `model` or `task`")),
    };
    let rows = gate.store.usage(by, UnixMillis(query.since.unwrap_or(0)));
    let rows = rows.map_err(|_| Refusal::because(ReasonCode::Internal, "the index of the log cannot be read"))?;
    let in_force = gate.in_force.load();
    let budgets = &in_force.snapshot.budgets;
    let currency = &budgets.prices.currency;
    let lines = gate.counters.lines(&budgets.rules, now());
    let rows: Vec<Value> = rows.iter().map(|used| row(name, used, currency)).collect();
    let shown: Vec<Value> = lines.iter().take(MAX_LINES).map(|line| budget_row(line, currency)).collect();
    Ok(json!({
        "by": name, "currency": currency, "usage": rows, "budgets": shown,
        "more_budgets": lines.len().saturating_sub(MAX_LINES),
    }))
}

fn row(by: &str, row: &UsageRow, currency: &str) -> Value {
    let UsageRow { key, requests, estimated, usage, cost, unpriced } = row;
    let cost = if currency.is_empty() { Value::Null } else { json!(amount(*cost)) };
    json!({
        by: key, "requests": requests, "input": usage.input, "cached": usage.cached, "cache_write": usage.cache_write,
        "output": usage.output, "reasoning": usage.reasoning, "cost": cost, "estimated": estimated, "unpriced": unpriced,
    })
}

fn budget_row(line: &Line, currency: &str) -> Value {
    let Line { rule, whose, used, left, resets } = line;
    let number = |number: u64| match rule.measure {
        Measure::Cost => json!(format!("{} {currency}", amount(number))),
        Measure::Counted => json!(budget::decimal(number)),
        _ => json!(number),
    };
    let counts = match rule.measure {
        Measure::Concurrent => "concurrent".to_owned(),
        Measure::Counted => {
            format!("{} per {}", rule.quantity.as_ref().map_or("", model::Name::as_str), rule.period.as_str())
        }
        measure => format!("{} per {}", measure.as_str(), rule.period.as_str()),
    };
    json!({
        "budget": rule.name, "whose": whose, "counts": counts, "most": number(rule.most), "used": number(*used),
        "left": number(*left), "resets": resets,
    })
}

/// Millionths as an amount, without zeros that say nothing beyond the second.
fn amount(millionths: u64) -> String {
    let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
    let kept = text.trim_end_matches('0');
    let behind = text.len().saturating_sub(7).saturating_add(3);
    text.get(..kept.len().max(behind)).unwrap_or(&text).to_owned()
}

/// What budgets that count otherwise than those before have to know of the log; nothing where none does. Reads the projection.
pub(crate) fn past(gate: &Gate, before: &Rules, after: &Rules) -> Result<Vec<Past>, Vec<String>> {
    let is_new = |rule: &Rule| !before.all().iter().any(|old| old.counts_like(rule));
    if !after.all().iter().any(is_new) {
        return Ok(Vec::new());
    }
    tokio::task::block_in_place(|| gate.store.past(now())).map_err(|error| vec![error.to_string()])
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts() {
        let facts = [(0, "0.00"), (1, "0.000001"), (1_500_000, "1.50"), (2_000_100, "2.0001"), (25_000_000, "25.00")];
        for (millionths, expected) in facts {
            assert_eq!(amount(millionths), expected);
        }
    }
}
