//! `portcullis scan`: the gate's own scanners over files, standard input and JSON Lines. Needs no data folder and no gate.

#[cfg(test)]
mod fuzzed;
mod report;
mod rules;
mod source;

use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use inspect::Scanners;
use inspect::signal::TextKind;

use crate::cli::{Scan, ScanFormat};
use crate::commands::Exit;
use crate::output;
pub(crate) use report::visible;
use report::{Look, Report};
use source::Row;

/// Longest text that is read, in bytes; longer ones are named and left out.
const MAX_TEXT: u64 = 256 << 20;
/// Longest line of JSON Lines, in bytes.
const MAX_LINE: u64 = 64 << 20;
/// Work that takes longer says how far it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Scans what was named, standard input if nothing was.
pub(crate) fn scan(options: &Scan, json: bool) -> Exit {
    let scanners = match rules::scanners(&options.rules) {
        Ok(scanners) => scanners,
        Err(problems) => {
            problems.iter().for_each(|problem| output::note(problem));
            return Exit::Invalid;
        }
    };
    run(options, json, scanners)
}

fn run(options: &Scan, json: bool, scanners: Scanners) -> Exit {
    let is_jsonl = json || options.format == ScanFormat::Jsonl;
    let mut run = Run {
        scanners,
        report: Report {
            is_jsonl,
            shows: options.show,
            colours: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        },
        tally: Tally::default(),
        started: Instant::now(),
        progress: Progress { is_shown: io::stderr().is_terminal(), told: Instant::now(), is_within: false },
    };
    let is_alone = options.paths.is_empty();
    let from_stdin = Path::new("-");
    for path in options.paths.iter().map(std::path::PathBuf::as_path).chain(is_alone.then_some(from_stdin)) {
        if path == from_stdin {
            run.stream("-", io::stdin().lock(), is_jsonl);
            continue;
        }
        source::files(path, &mut |file| match file {
            Ok(file) => run.file(file, is_jsonl),
            Err(what) => run.failed(&what),
        });
    }
    run.end()
}

#[derive(Default)]
struct Tally {
    n_texts: u64,
    n_flagged: u64,
    n_findings: u64,
    n_bytes: u64,
    n_failed: u64,
    n_invalid: u64,
}

struct Run {
    scanners: Scanners,
    report: Report,
    tally: Tally,
    started: Instant,
    progress: Progress,
}

/// When to say how far it is: to people, and not at once.
struct Progress {
    is_shown: bool,
    told: Instant,
    /// Something was told of the text that is looked at.
    is_within: bool,
}

impl Progress {
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.is_shown && now.saturating_duration_since(self.told) > PATIENCE;
        if is_due {
            self.told = now;
        }
        is_due
    }

    /// How far it is within one text, in bytes. Who was told something is told too when the readings begin, which take long again;
    /// of short texts nothing is said.
    fn within(&mut self, now: Instant, name: &str, bytes: usize, all: usize) -> Option<String> {
        let is_end = bytes >= all;
        let is_due = if is_end { self.is_within } else { self.is_due(now) };
        self.is_within = !is_end && (is_due || self.is_within);
        is_due.then(|| {
            let (name, of) = (visible(name), megabytes(all));
            if is_end {
                format!("{name}: {of:.1} MB looked at; now at the other ways to read it")
            } else {
                format!("{name}: {:.1} of {of:.1} MB looked at", megabytes(bytes))
            }
        })
    }
}

fn megabytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

impl Run {
    fn file(&mut self, path: &Path, is_jsonl: bool) {
        let name = path.display().to_string();
        match std::fs::File::open(path) {
            Ok(file) => self.stream(&name, BufReader::with_capacity(1 << 16, file), is_jsonl),
            Err(error) => self.failed(&format!("{name}: {error}")),
        }
    }

    /// JSON Lines where the name says so, or where the first line is an object with a text and rows are asked for.
    fn stream(&mut self, name: &str, mut input: impl BufRead, is_jsonl: bool) {
        let is_named = Path::new(name).extension().is_some_and(|end| end == "jsonl" || end == "ndjson");
        let begins = input.fill_buf().map(|bytes| source::unmarked(bytes).trim_ascii_start().first() == Some(&b'{'));
        let begins = begins.unwrap_or(false);
        if is_named || (is_jsonl && begins) { self.rows(name, input) } else { self.text(name, input) }
    }

    fn text(&mut self, name: &str, input: impl Read) {
        let mut bytes = Vec::new();
        if let Err(error) = input.take(MAX_TEXT + 1).read_to_end(&mut bytes) {
            return self.failed(&format!("{name}: {error}"));
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_TEXT) {
            return self.failed(&format!("{name}: longer than {} MB: split it, or send it as JSON Lines", MAX_TEXT >> 20));
        }
        let text = source::decode(&bytes);
        let look = self.look(name, &text, TextKind::Document);
        if self.report.is_jsonl {
            output::line(&report::row(&serde_json::Value::from(name), &text, &look));
        } else {
            self.report.show(name, &text, &look);
        }
    }

    fn rows(&mut self, name: &str, mut input: impl BufRead) {
        for number in 1_u64.. {
            let mut line = Vec::new();
            match input.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) if u64::try_from(line.len()).is_ok_and(|length| length > MAX_LINE) => {
                    return self.failed(&format!("{name}, line {number}: longer than {} MB", MAX_LINE >> 20));
                }
                Ok(_) => {}
                Err(error) => return self.failed(&format!("{name}, line {number}: {error}")),
            }
            let line = if number == 1 { source::unmarked(&line) } else { &line };
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Row::read(line, number) {
                Ok(row) => {
                    let place = format!("{name}#{}", row.shown_id());
                    let look = self.look(&place, &row.text, row.kind());
                    if self.report.is_jsonl {
                        output::line(&report::row(&row.id, &row.text, &look));
                    } else {
                        self.report.show(&place, &row.text, &look);
                    }
                }
                Err(what) => {
                    self.tally.n_invalid = self.tally.n_invalid.saturating_add(1);
                    let place = visible(name);
                    output::note(&format!("error: {place}, line {number}: {what}; expected {{\"id\": …, \"text\": \"…\"}}"));
                }
            }
        }
    }

    fn look(&mut self, name: &str, text: &str, kind: TextKind) -> Look {
        let progress = &mut self.progress;
        let look = Look::at(&self.scanners, text, kind, &mut |bytes| {
            if let Some(words) = progress.within(Instant::now(), name, bytes, text.len()) {
                output::note(&words);
            }
        });
        if look.is_cut {
            self.failed(&format!("{name}: not read in full: it can be read in more ways than are tried"));
        }
        if let Err(error) = &look.signal {
            self.failed(&format!("{name}: not looked at for injections: {error}"));
        }
        let found = &look.found;
        let tally = &mut self.tally;
        tally.n_texts = tally.n_texts.saturating_add(1);
        tally.n_flagged = tally.n_flagged.saturating_add(u64::from(look.is_flagged()));
        tally.n_findings = tally.n_findings.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
        tally.n_bytes = tally.n_bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if self.progress.is_due(Instant::now()) {
            output::note(&self.summary());
        }
        look
    }

    fn failed(&mut self, what: &str) {
        self.tally.n_failed = self.tally.n_failed.saturating_add(1);
        output::note(&format!("error: {}", visible(what)));
    }

    fn summary(&self) -> String {
        let Tally { n_texts, n_flagged, n_findings, n_bytes, n_failed, n_invalid } = &self.tally;
        let mut words = format!(
            "{n_texts} texts ({:.1} MB) in {:.1} s: {n_findings} findings, {n_flagged} texts flagged",
            megabytes(usize::try_from(*n_bytes).unwrap_or(usize::MAX)),
            self.started.elapsed().as_secs_f64()
        );
        for (count, what) in [(n_failed, "not read"), (n_invalid, "invalid lines")] {
            if *count > 0 {
                words.push_str(&format!(", {count} {what}"));
            }
        }
        words
    }

    /// What came of it: findings are a deny; what could not be read weighs more, because nobody knows what stands in it.
    fn end(&self) -> Exit {
        if !self.report.is_jsonl {
            output::note(&self.summary());
        }
        match &self.tally {
            Tally { n_invalid: 1.., .. } => Exit::Invalid,
            Tally { n_failed: 1.., .. } => Exit::Failure,
            Tally { n_flagged: 1.., .. } => Exit::Deny,
            Tally { .. } => Exit::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PATIENCE, Progress};

    #[test]
    fn a_long_text_says_how_far_it_is() {
        let begun = Instant::now();
        let mut progress = Progress { is_shown: true, told: begun, is_within: false };
        let megabyte = 1 << 20;
        let mut within = |after: Duration, bytes| progress.within(begun + after, "a\u{1b}[2J.log", bytes, 40 * megabyte);
        assert_eq!(within(PATIENCE, 4 * megabyte), None, "not at once");
        let later = PATIENCE + Duration::from_millis(1);
        assert_eq!(within(later, 8 * megabyte).as_deref(), Some("a\\u{1b}[2J.log: 8.0 of 40.0 MB looked at"));
        assert_eq!(within(later, 12 * megabyte), None, "it was just told");
        let last = within(later, 40 * megabyte);
        assert_eq!(last.as_deref(), Some("a\\u{1b}[2J.log: 40.0 MB looked at; now at the other ways to read it"));
        assert_eq!(within(later, megabyte), None, "the next text begins anew");
        assert_eq!(within(later * 3, 40 * megabyte), None, "nothing was said of it");
        let mut unseen = Progress { is_shown: false, told: begun, is_within: false };
        assert_eq!(unseen.within(begun + later, "a", 1, 2), None, "nobody looks");
    }
}
