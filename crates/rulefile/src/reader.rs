//! Tables of TOML, read strictly: what is not known, or of another type, is a problem with its place.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Place, Problem, shown, suggestion};

/// Longest text of one value, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Most texts in one list.
const MAX_LIST: usize = 10_000;

/// A file that is read, and what is wrong with it.
pub(crate) struct Reader<'t> {
    file: Arc<str>,
    text: &'t str,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

/// A table with its place.
#[derive(Clone, Copy)]
pub(crate) struct Table<'t> {
    pub(crate) entries: &'t DeTable<'t>,
    pub(crate) offset: usize,
}

/// A value with its place.
pub(crate) type At<T> = (T, Place);

impl<'t> Reader<'t> {
    pub(crate) fn new(file: &str, text: &'t str) -> Self {
        Self { file: file.into(), text, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..self.text.floor_char_boundary(offset)).unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Place { file: Arc::clone(&self.file), line: number(before.matches('\n').count()), column: number(column) }
    }

    pub(crate) fn problem(&mut self, offset: usize, message: impl Into<String>) {
        let place = self.place(offset);
        self.problems.push(Problem { place, message: message.into() });
    }

    pub(crate) fn warn(&mut self, offset: usize, message: impl Into<String>) {
        let place = self.place(offset);
        self.warnings.push(Problem { place, message: message.into() });
    }

    /// Reports every key of `table` that is not in `known`; `what` names the table.
    pub(crate) fn keys(&mut self, table: Table<'t>, what: &str, known: &[&str]) {
        for key in table.entries.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let near = suggestion(name, known.iter().copied());
                self.problem(key.span().start, format!("{what}: the field `{}` is not known{near}", shown(name)));
            }
        }
    }

    /// The value of a field.
    pub(crate) fn value(table: Table<'t>, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        table.entries.get(key)
    }

    pub(crate) fn text(&mut self, table: Table<'t>, key: &str) -> Option<At<String>> {
        let value = Self::value(table, key)?;
        self.as_text(value, key)
    }

    pub(crate) fn boolean(&mut self, table: Table<'t>, key: &str) -> Option<bool> {
        let value = Self::value(table, key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(value, key, "true or false");
        }
        found
    }

    /// A number between two bounds, whole or not.
    pub(crate) fn number(&mut self, table: Table<'t>, key: &str, bounds: Range<f64>) -> Option<f64> {
        let value = Self::value(table, key)?;
        let number = match value.get_ref() {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            self.wrong(value, key, &format!("a number from {} to {}", bounds.start, bounds.end));
        }
        number
    }

    /// A whole number from 0 to 1000.
    pub(crate) fn whole(&mut self, table: Table<'t>, key: &str) -> Option<usize> {
        let value = Self::value(table, key)?;
        let number = value.get_ref().as_integer().filter(|integer| integer.radix() == 10);
        let number = number.and_then(|integer| integer.as_str().parse::<usize>().ok()).filter(|number| *number <= 1000);
        if number.is_none() {
            self.wrong(value, key, "a whole number from 0 to 1000");
        }
        number
    }

    pub(crate) fn texts(&mut self, table: Table<'t>, key: &str) -> Vec<At<String>> {
        let Some(value) = Self::value(table, key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong(value, key, "a list of texts");
            return Vec::new();
        };
        if items.len() > MAX_LIST {
            self.problem(value.span().start, format!("`{key}` has {} entries, the most are {MAX_LIST}", items.len()));
            return Vec::new();
        }
        items.iter().filter_map(|item| self.as_text(item, key)).collect()
    }

    /// The tables of a field: one, or a list of them.
    pub(crate) fn tables(&mut self, table: Table<'t>, key: &str) -> Vec<Table<'t>> {
        let Some(value) = Self::value(table, key) else { return Vec::new() };
        let items: Vec<&'t Spanned<DeValue<'t>>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table { entries, offset: item.span().start }),
                None => self.wrong(item, key, "a table"),
            }
        }
        tables
    }

    fn as_text(&mut self, value: &Spanned<DeValue<'_>>, key: &str) -> Option<At<String>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong(value, key, "a text");
            return None;
        };
        if text.len() > MAX_TEXT {
            self.problem(value.span().start, format!("`{key}` is longer than {MAX_TEXT} bytes"));
            return None;
        }
        Some((text.to_owned(), self.place(value.span().start)))
    }

    fn wrong(&mut self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) {
        let found = match value.get_ref() {
            DeValue::String(text) => format!("the text `{}`", shown(text)),
            DeValue::Integer(number) => format!("the number {}", shown(number.as_str())),
            DeValue::Float(number) => format!("the number {}", shown(number.as_str())),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.problem(value.span().start, format!("`{key}`: expected {expected}, found {found}"));
    }
}
