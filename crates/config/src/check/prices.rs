//! The price file: a file of its own, because prices change on other days and come from elsewhere.

use std::collections::BTreeMap;

use budget::{Price, Prices, day_number};
use model::{ModelName, Name};

use crate::check::Report;
use crate::problem::{Path, Position, Problem, shown};
use crate::raw;
use crate::raw_budgets::{Price as RawPrice, PriceFile};
use crate::schema;
use crate::settings::{Budgets, Priced};
use crate::shape;
use crate::source::Source;
use crate::yaml::{self, Node};

/// Longest price file in bytes.
const MAX_FILE: usize = 1 << 20;

/// The prices, and the day that they are of. Without a price file, none.
pub(super) fn prices(file: &raw::File, source: &dyn Source, report: &mut Report<'_>) -> Budgets {
    let Some(raw) = &file.prices else { return Budgets::default() };
    let mut problems = Vec::new();
    let Some((node, prices)) = read(&raw.file, source, &mut problems, report) else {
        report.problems.extend(problems);
        return Budgets::default();
    };
    let mut problem = |path: &Path, message: String| {
        problems.push(Problem { file: raw.file.clone(), position: node.position_of(path), field: path.to_string(), message });
    };
    let day = day(&prices.date);
    if day.is_none() {
        problem(&Path::of(&["date"]), format!("expected a day such as `2026-11-21`, found `{}`", shown(&prices.date)));
    }
    let is_currency = prices.currency.len() == 3 && prices.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_currency {
        let message = format!("expected three capital letters such as `USD`, found `{}`", shown(&prices.currency));
        problem(&Path::of(&["currency"]), message);
    }
    let mut by_name: BTreeMap<&str, Price> = BTreeMap::new();
    for (name, raw) in &prices.models {
        if let Some(price) = price(raw, &Path::of(&["models", name]), &mut problem) {
            by_name.insert(name, price);
        }
    }
    report.problems.extend(problems);
    let models = file.models.iter().filter_map(|(key, model)| Some((Name::new(key).ok()?, of_alias(key, model, &by_name)?)));
    let models: BTreeMap<ModelName, Price> = models.collect();
    Budgets {
        prices: Prices { currency: prices.currency, models },
        priced: day.map(|day| {
            let (file, source) = (raw.file.clone(), prices.source.clone());
            Priced { day, stale_after_days: raw.stale_after_days, file, source }
        }),
        ..Budgets::default()
    }
}

/// The price of an alias: its own, else the highest of what its upstreams serve; none if one of those is not known.
fn of_alias(key: &str, model: &raw::Model, by_name: &BTreeMap<&str, Price>) -> Option<Price> {
    if let Some(price) = by_name.get(key) {
        return Some(*price);
    }
    let mut prices = model.upstreams.iter().map(|route| by_name.get(route.model.as_str()).copied());
    let first = prices.next()??;
    prices.try_fold(first, |highest, price| price.map(|price| highest.max(price)))
}

fn read(name: &str, source: &dyn Source, problems: &mut Vec<Problem>, report: &mut Report<'_>) -> Option<(Node, PriceFile)> {
    let path = Path::of(&["prices", "file"]);
    let leaves = name.split('/').any(|part| matches!(part, "" | "." | "..")) || name.contains(['\\', ':', '\0']);
    if leaves {
        report.problem(&path, format!("`{}` is not a path below this file: expected such as `prices.yaml`", shown(name)));
        return None;
    }
    let bytes = match source.read(name, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.problem(&path, format!("`{}` cannot be read: {error}", shown(name)));
            return None;
        }
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        report.file_problem(name, Position::START, "not valid UTF-8");
        return None;
    };
    let node = yaml::read(name, text, problems);
    let Some(node) = node else {
        if problems.is_empty() {
            report.file_problem(name, Position::START, "the file is empty");
        }
        return None;
    };
    let fitting = shape::fit(name, &schema::prices(), &node, problems)?;
    match serde_json::from_value(fitting) {
        Ok(prices) => Some((node, prices)),
        Err(error) => {
            let message = format!("the schema and the reader disagree, please report this: {error}");
            report.file_problem(name, Position::START, message);
            None
        }
    }
}

fn day(written: &str) -> Option<u64> {
    let mut parts = written.split('-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse::<u64>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() { None } else { day_number(year, month, day) }
}

fn price(raw: &RawPrice, path: &Path, problem: &mut impl FnMut(&Path, String)) -> Option<Price> {
    let mut amount = |key: &str, written: &str| {
        let amount = Price::amount(written);
        if let Err(error) = amount {
            problem(&path.key(key), format!("{error}, found `{}`", shown(written)));
        }
        amount.ok()
    };
    let (input, output) = (amount("input", &raw.input), amount("output", &raw.output));
    let cached = raw.cached_input.as_deref().map_or(input, |written| amount("cached_input", written));
    let cache_write = raw.cache_write.as_deref().map_or(input, |written| amount("cache_write", written));
    Some(Price { input: input?, cached: cached?, cache_write: cache_write?, output: output? })
}
