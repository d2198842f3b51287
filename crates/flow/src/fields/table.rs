//! Tables: lines of as many comma-, semicolon- or tab-separated values each, names of the columns first. Quotes as in RFC 4180.

use std::collections::BTreeSet;

use super::{Leaf, MAX_LEAVES};

/// Fewest columns, and fewest lines below the names: prose with a comma in each line is no table.
const MIN_COLUMNS: usize = 2;
/// Most columns.
const MAX_COLUMNS: usize = 256;

pub(super) fn read(text: &str) -> Option<Vec<Leaf>> {
    let sign = ['\t', ';', ','].into_iter().find(|sign| text.lines().next().is_some_and(|line| line.contains(*sign)))?;
    let mut lines = text.lines().zip(1_u32..).filter(|(line, _)| !line.trim().is_empty());
    let (names, line) = lines.next()?;
    let names = cells(names, sign)?;
    let is_head = (MIN_COLUMNS..=MAX_COLUMNS).contains(&names.len()) && names.iter().all(|name| is_name(name));
    let is_once = names.iter().collect::<BTreeSet<_>>().len() == names.len();
    (is_head && is_once).then_some(())?;
    let name = |name: &String| Leaf { path: vec![name.clone()], text: name.clone(), line, is_name: true };
    let mut leaves: Vec<Leaf> = names.iter().map(name).collect();
    for (row, line) in lines {
        let row = cells(row, sign)?;
        (row.len() == names.len() && leaves.len() <= MAX_LEAVES).then_some(())?;
        let cell = |(name, text): (&String, String)| Leaf { path: vec![name.clone()], text, line, is_name: false };
        leaves.extend(names.iter().zip(row).map(cell));
    }
    (leaves.len() > names.len()).then_some(leaves)
}

/// A short name without the marks of a sentence.
fn is_name(name: &str) -> bool {
    let is_written = name.chars().all(|char| char.is_alphanumeric() || matches!(char, ' ' | '_' | '-' | '#' | '/' | '(' | ')'));
    (1..=40).contains(&name.len()) && is_written && name.split(' ').count() <= 4
}

/// The cells of one line; none if a quote is not closed in it or stands in the middle of a cell.
fn cells(line: &str, sign: char) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let (cell, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_cell(quoted)?,
            None => {
                let end = rest.find(sign).unwrap_or(rest.len());
                let (cell, behind) = rest.split_at(end);
                (!cell.contains('"')).then_some((cell.trim().to_owned(), behind))?
            }
        };
        cells.push(cell);
        match behind.strip_prefix(sign) {
            Some(behind) => rest = behind,
            None => return behind.is_empty().then_some(cells),
        }
    }
}

/// What stands before the closing quote, and what behind it.
fn quoted_cell(text: &str) -> Option<(String, &str)> {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        let (before, behind) = rest.split_once('"')?;
        cell.push_str(before);
        match behind.strip_prefix('"') {
            Some(more) => {
                cell.push('"');
                rest = more;
            }
            None => return Some((cell, behind)),
        }
    }
}
