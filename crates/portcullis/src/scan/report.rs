//! What was found, for programs and for people.

use inspect::signal::{Signal, TextKind, WeightsError, injection};
use inspect::{Grounds, Scanners, UNREAD};
use model::{FindingGroup, FindingKind};
use serde_json::{Value, json};

use crate::output;

/// Most characters of a line that are shown on either side of a finding.
const AROUND: usize = 40;
/// So much of a finding is shown: enough to find it again, too little to use it.
const SHOWN: usize = 4;

/// How far a long text is looked at is told every so many bytes.
const STEP: usize = 4 << 20;
/// Most findings of one text that are told.
const MAX_FOUND: usize = 100_000;
/// So many findings on either side can stand in one snippet: the shortest one has six characters.
const NEAR: usize = 32;

/// One finding.
#[derive(Debug)]
pub(super) struct Found {
    kind: FindingKind,
    group: FindingGroup,
    /// Bytes.
    start: usize,
    end: usize,
}

impl Found {
    fn grounds(&self, text: &str) -> Grounds {
        Grounds::of(&self.kind, text.get(self.start..self.end).unwrap_or_default())
    }
}

/// What was found in one text.
#[derive(Debug)]
pub(super) struct Look {
    /// In order; matches that lie in each other are told one by one.
    pub(super) found: Vec<Found>,
    /// Whether it looks like an attempt to take over whoever reads it; why that is not known.
    pub(super) signal: Result<Signal, WeightsError>,
    /// The text can be read in more ways than it was.
    pub(super) is_cut: bool,
}

impl Look {
    /// How many bytes are looked at is told every few megabytes.
    pub(super) fn at(scanners: &Scanners, text: &str, kind: TextKind, told: &mut dyn FnMut(usize)) -> Self {
        let scan = scanners.scan_whole_telling(text, STEP, told);
        let all = scan.hits.iter().flat_map(inspect::Hit::matches).take(MAX_FOUND);
        let found = all.map(|(kind, group, span)| Found { kind: kind.clone(), group, start: span.start, end: span.end });
        Self { found: found.collect(), signal: injection(text, kind), is_cut: scan.is_cut }
    }

    /// Something was found, or the text looks like an attack.
    pub(super) fn is_flagged(&self) -> bool {
        !self.found.is_empty() || self.signal.as_ref().is_ok_and(|signal| signal.is_flagged)
    }

    /// Bytes at which something begins or ends.
    fn offsets(&self) -> Vec<usize> {
        let windows =
            self.signal.iter().flat_map(|signal| &signal.windows).flat_map(|window| [window.span.start, window.span.end]);
        self.found.iter().flat_map(|found| [found.start, found.end]).chain(windows).collect()
    }
}

/// One row of JSON Lines. Offsets count Unicode code points.
pub(super) fn row(id: &Value, text: &str, look: &Look) -> String {
    let found = &look.found;
    let scalars = Scalars::new(text, look.offsets());
    let mut findings: Vec<Value> = found
        .iter()
        .map(|found| {
            json!({"kind": found.group.as_str(), "type": found.kind.as_str(), "start": scalars.at(found.start),
                "end": scalars.at(found.end), "confidence": confidence(found.grounds(text))})
        })
        .collect();
    // It says nothing of what stands there, so the text is not flagged for it.
    let unread = json!({"kind": FindingGroup::Uninspected.as_str(), "type": UNREAD, "start": 0, "end": 0, "confidence": 1.0});
    findings.extend(look.is_cut.then_some(unread));
    let injection = look.signal.as_ref().map_or(Value::Null, |signal| {
        let window = |window: &inspect::signal::Window| {
            json!({"start": scalars.at(window.span.start), "end": scalars.at(window.span.end), "score": rounded(window.score)})
        };
        json!({"score": rounded(signal.score), "windows": signal.windows.iter().map(window).collect::<Vec<_>>()})
    });
    json!({"id": id, "flagged": look.is_flagged(), "injection": injection, "findings": findings}).to_string()
}

/// A score to six digits: what is behind them says nothing.
fn rounded(score: f64) -> f64 {
    (score * 1e6).round() / 1e6
}

/// How much speaks for a finding; docs/SCANNERS.md has the table.
const fn confidence(grounds: Grounds) -> f64 {
    match grounds {
        Grounds::Checksum => 0.99,
        Grounds::Mark => 0.95,
        Grounds::CheckCharacter => 0.9,
        Grounds::Form => 0.75,
        Grounds::Words => 0.6,
    }
}

/// Code points before the byte offsets that findings name.
struct Scalars(Vec<(usize, usize)>);

impl Scalars {
    fn new(text: &str, mut offsets: Vec<usize>) -> Self {
        offsets.sort_unstable();
        offsets.dedup();
        let (mut at, mut count) = (0, 0_usize);
        let counted = offsets.into_iter().map(|offset| {
            count = count.saturating_add(text.get(at..offset).unwrap_or_default().chars().count());
            at = offset;
            (offset, count)
        });
        Self(counted.collect())
    }

    fn at(&self, offset: usize) -> usize {
        let found = self.0.binary_search_by_key(&offset, |(offset, _)| *offset);
        found.ok().and_then(|at| self.0.get(at)).map_or(0, |(_, count)| *count)
    }
}

/// How findings are told.
pub(super) struct Report {
    pub(super) is_jsonl: bool,
    /// Whether findings are shown whole.
    pub(super) shows: bool,
    pub(super) colours: bool,
}

impl Report {
    /// One line for each finding: where, what, and the text around it.
    pub(super) fn show(&self, name: &str, text: &str, look: &Look) {
        if let Ok(signal) = &look.signal {
            self.show_signal(name, text, signal);
        }
        let all = &look.found;
        let mut place = Place::new(text);
        // Up to where those reach that stand farther before.
        let mut reach = 0;
        for (index, found) in all.iter().enumerate() {
            let far = index.checked_sub(NEAR + 1).and_then(|far| all.get(far));
            reach = reach.max(far.map_or(0, |far| far.end));
            let near = all.get(index.saturating_sub(NEAR)..all.len().min(index.saturating_add(NEAR))).unwrap_or(all);
            let (line, column) = place.of(found.start);
            output::line(&format!(
                "{}:{line}:{column}: {} {}: {}",
                visible(name),
                found.group.as_str(),
                found.kind,
                self.snippet(text, near, found, reach)
            ));
        }
    }

    /// A line for each window that looks like an attack: where it begins, and how much. What stands there is shown when findings are.
    fn show_signal(&self, name: &str, text: &str, signal: &Signal) {
        let mut place = Place::new(text);
        for window in signal.windows.iter().filter(|_| signal.is_flagged) {
            let (line, column) = place.of(window.span.start);
            let whole = text.get(window.span.clone()).unwrap_or_default();
            let shown =
                if self.shows { format!(": {}", visible(whole)) } else { format!(", {} characters", whole.chars().count()) };
            output::line(&format!("{}:{line}:{column}: injection, score {:.2}{shown}", visible(name), window.score));
        }
    }

    /// A finding with what stands around it in its line. Other findings there are masked as it is itself; of one that reaches into
    /// the line from far before nothing is shown.
    fn snippet(&self, text: &str, all: &[Found], main: &Found, reach: usize) -> String {
        let (on, off) = if self.colours { ("\u{1b}[7m", "\u{1b}[0m") } else { ("»", "«") };
        let window = window(text, main);
        let mut line = String::new();
        let mut told = window.start.max(reach.min(main.start));
        let plain = |from: usize, to: usize| visible(text.get(from..to).unwrap_or_default());
        for found in all.iter().filter(|found| found.start < window.end && window.start < found.end) {
            if found.start < told && found.start != main.start {
                told = told.max(found.end.min(window.end));
                continue;
            }
            line.push_str(&plain(told, found.start));
            let is_main = (found.start, found.end) == (main.start, main.end);
            let shown = if self.shows { plain(found.start, found.end) } else { mask(text, found) };
            line.push_str(&if is_main { format!("{on}{shown}{off}") } else { shown });
            told = told.max(found.end);
        }
        line.push_str(&plain(told, window.end));
        line
    }
}

/// The first characters of a finding.
fn mask(text: &str, found: &Found) -> String {
    let whole = text.get(found.start..found.end).unwrap_or_default();
    let shown: String = whole.chars().take(SHOWN).collect();
    format!("{}…", visible(&shown))
}

/// A finding with at most [`AROUND`] characters of its line on either side.
fn window(text: &str, found: &Found) -> std::ops::Range<usize> {
    let before = text.get(..found.start).unwrap_or_default().char_indices().rev().take_while(|(_, character)| *character != '\n');
    let start = before.take(AROUND).last().map_or(found.start, |(at, _)| at);
    let after = text.get(found.end..).unwrap_or_default().char_indices().take_while(|(_, character)| *character != '\n');
    let length = after.take(AROUND).last().map_or(0, |(at, character)| at.saturating_add(character.len_utf8()));
    start..found.end.saturating_add(length)
}

/// Text that nothing can hide in: a terminal obeys control characters, and people overlook invisible ones.
pub(crate) fn visible(text: &str) -> String {
    let shown = |character: char| match character {
        '\t' => vec![' '],
        plain if !plain.is_control() && !is_invisible(plain) => vec![plain],
        other => other.escape_unicode().collect(),
    };
    text.chars().flat_map(shown).collect()
}

const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

/// Line and column of offsets that grow; both count from 1, columns in code points.
struct Place<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> Place<'t> {
    const fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    fn of(&mut self, offset: usize) -> (usize, usize) {
        if offset < self.at {
            (self.at, self.line, self.column) = (0, 1, 1);
        }
        for character in self.text.get(self.at..offset).unwrap_or_default().chars() {
            (self.line, self.column) =
                if character == '\n' { (self.line.saturating_add(1), 1) } else { (self.line, self.column.saturating_add(1)) };
        }
        self.at = offset;
        (self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Look, Report, Scanners, TextKind, row, visible};

    fn look(text: &str) -> Look {
        Look::at(&Scanners::all(), text, TextKind::Document, &mut |_| ())
    }

    #[test]
    fn offsets_count_code_points() {
        let text = "grüße 👍 an jane@example.com, IBAN DE89 3704 0044 0532 0130 00.";
        let told: Value = serde_json::from_str(&row(&json!(7), text, &look(text))).unwrap();
        assert_eq!(told["id"], 7);
        let characters: Vec<char> = text.chars().collect();
        let values: Vec<(String, String)> = told["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                let [start, end] = ["start", "end"].map(|name| usize::try_from(found[name].as_u64().unwrap()).unwrap());
                (found["type"].as_str().unwrap().to_owned(), characters[start..end].iter().collect())
            })
            .collect();
        let expected = [("EMAIL_ADDRESS", "jane@example.com"), ("IBAN_CODE", "DE89 3704 0044 0532 0130 00")];
        assert_eq!(values, expected.map(|(kind, value)| (kind.to_owned(), value.to_owned())));
    }

    #[test]
    fn people_see_where_and_not_what() {
        let report = Report { is_jsonl: false, shows: false, colours: false };
        let text = "first line\nmail jane@example.com or joe@example.org now\nlast";
        let all = look(text).found;
        assert_eq!(report.snippet(text, &all, &all[0], 0), "mail »jane…« or joe@… now");
        assert_eq!(report.snippet(text, &all, &all[1], 0), "mail jane… or »joe@…« now");
        assert_eq!(
            Report { shows: true, ..report }.snippet(text, &all, &all[0], 0),
            "mail »jane@example.com« or joe@example.org now"
        );
        // A line that is cut in the middle of another finding tells nothing of it.
        let report = Report { is_jsonl: false, shows: false, colours: false };
        let text = format!("AKIAQ3EGRVYP2TQ7XN5K {} jane@example.com", "x".repeat(30));
        let all = look(&text).found;
        assert!(!report.snippet(&text, &all, &all[1], 0).contains("XN5K"));
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
    }

    #[test]
    fn a_terminal_shows_findings_turned_over() {
        let report = Report { is_jsonl: false, shows: false, colours: true };
        let text = "mail jane@example.com or joe@example.org now";
        let all = look(text).found;
        assert_eq!(report.snippet(text, &all, &all[0], 0), "mail \u{1b}[7mjane…\u{1b}[0m or joe@… now");
        assert_eq!(report.snippet(text, &all, &all[1], 0), "mail jane… or \u{1b}[7mjoe@…\u{1b}[0m now");
        let shown = Report { shows: true, ..report }.snippet(text, &all, &all[1], 0);
        assert_eq!(shown, "mail jane@example.com or \u{1b}[7mjoe@example.org\u{1b}[0m now");
        // What a text says itself is no colour.
        let text = "\u{1b}[31m jane@example.com";
        let all = look(text).found;
        let report = Report { is_jsonl: false, shows: true, colours: true };
        assert_eq!(report.snippet(text, &all, &all[0], 0), "\\u{1b}[31m \u{1b}[7mjane@example.com\u{1b}[0m");
    }

    #[test]
    fn a_text_that_is_not_read_in_full_says_so() {
        use base64::Engine as _;
        let text = (0..6).fold("nothing but words in it, many layers down".to_owned(), |text, _| {
            base64::engine::general_purpose::STANDARD.encode(text)
        });
        let look = look(&text);
        assert!(look.is_cut && look.found.is_empty());
        let told: Value = serde_json::from_str(&row(&json!(1), &text, &look)).unwrap();
        assert_eq!((&told["flagged"], &told["findings"][0]["type"]), (&json!(false), &json!("uninspected:readings")));
    }
}
