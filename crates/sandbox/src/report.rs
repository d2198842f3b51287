//! What is told of a run: as it happens, and as a whole at the end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Ending;

/// Most different refusals that are kept; more are counted.
const MAX_REFUSED: usize = 512;
/// Longest text that is kept of what a refusal was about, in characters.
const MAX_TARGET: usize = 512;

/// Something that the program wanted and was refused.
///
/// System calls are told by the kernel before they are refused and cannot be hidden. Paths are read from the program's memory: a
/// hostile program can make a path here say something else, and is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refused {
    /// The system call.
    pub call: &'static str,
    /// What it was about: a path, a kind of socket; empty if nothing is known of it. Control characters are escaped.
    pub target: String,
    /// What refused it: `seccomp`, `landlock`, or `permissions` for what the user could not have done either.
    pub by: &'static str,
}

impl Refused {
    pub(crate) fn new(call: &'static str, target: &str, by: &'static str) -> Self {
        Self { call, target: target.escape_debug().take(MAX_TARGET).collect(), by }
    }
}

/// Something that happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// All layers are in force; the program starts.
    InForce,
    /// Something was refused for the first time.
    Refused(&'a Refused),
    /// Bytes that the program wrote to its standard error.
    Said(&'a [u8]),
}

/// What is told at the end.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What was refused, and how often.
    #[serde(serialize_with = "rows")]
    pub refused: BTreeMap<Refused, u64>,
    /// Refusals beyond those.
    pub more: u64,
    /// How it ended; `None` while it runs.
    pub ended: Option<Ending>,
}

impl Report {
    /// Remembers a refusal; whether it is new.
    pub(crate) fn add(&mut self, refused: &Refused) -> bool {
        if let Some(count) = self.refused.get_mut(refused) {
            *count = count.saturating_add(1);
            return false;
        }
        if self.refused.len() >= MAX_REFUSED {
            self.more = self.more.saturating_add(1);
            return false;
        }
        self.refused.insert(refused.clone(), 1);
        true
    }
}

fn rows<S: serde::Serializer>(refused: &BTreeMap<Refused, u64>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'a> {
        #[serde(flatten)]
        refused: &'a Refused,
        count: u64,
    }
    serializer.collect_seq(refused.iter().map(|(refused, count)| Row { refused, count: *count }))
}

#[cfg(test)]
mod tests {
    use super::{MAX_REFUSED, Refused, Report};

    #[test]
    fn a_report_is_bounded_and_prints_nothing_odd() {
        let mut report = Report::default();
        let told = (0..MAX_REFUSED + 5).filter(|n| report.add(&Refused::new("openat", &n.to_string(), "landlock"))).count();
        assert_eq!((told, report.refused.len(), report.more), (MAX_REFUSED, MAX_REFUSED, 5));
        assert!(!report.add(&Refused::new("openat", "1", "landlock")));
        let odd = Refused::new("openat", &format!("\u{1b}[2J{}", "x".repeat(10_000)), "landlock");
        assert!(odd.target.starts_with("\\u{1b}") && odd.target.len() <= 512);
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains(r#"{"call":"openat","target":"1","by":"landlock","count":2}"#), "{text}");
    }
}
