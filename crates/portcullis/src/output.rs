//! The only place that prints for people. Everything else is a log line or a document.

use std::io::{self, Write};

use serde_json::Value;

/// Prints one line (or block) to standard output; a closed pipe is not an error of ours.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).ok();
}

/// Prints to standard error.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Rows of objects as columns; absent values are `-`.
pub(crate) fn table(rows: Option<&Value>, columns: &[&str]) -> String {
    let rows = rows.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut cells: Vec<Vec<String>> = vec![columns.iter().map(|column| column.to_uppercase()).collect()];
    cells.extend(rows.iter().map(|row| columns.iter().map(|column| cell(column, row.get(*column))).collect::<Vec<_>>()));
    let width = |at: usize| cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn cell(column: &str, value: Option<&Value>) -> String {
    match (column, value) {
        (_, None | Some(Value::Null)) => "-".to_owned(),
        ("at" | "created" | "expires" | "through", Some(Value::Number(millis))) => {
            millis.as_u64().map_or_else(|| "-".to_owned(), time)
        }
        ("holder", Some(holder)) => match (holder.get("chain"), holder.get("operator")) {
            (Some(Value::Array(links)), _) => links.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" > "),
            (_, Some(operator)) => format!(
                "operator:{} ({})",
                operator.as_str().unwrap_or(""),
                holder.get("role").and_then(Value::as_str).unwrap_or("")
            ),
            _ => holder.to_string(),
        },
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
    }
}

/// A number of bytes for people.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} KB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A time in UTC, to the second.
pub(crate) fn time(millis: u64) -> String {
    let timestamp = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    timestamp.map_or_else(|| millis.to_string(), |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}
