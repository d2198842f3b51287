//! The scanners' part of `cargo xtask bench inspect`: times every case file of a folder, and finds in every row of the data sets.
//!
//! `bench FOLDER SECONDS` reads `FOLDER/cases/*.txt` and `FOLDER/sets/*.jsonl` (`{"text"}`), prints one line of JSON per case and
//! system (`{"system","case","bytes","us":[…]}`) and per row (`{"system","set","row","findings":[[type,start,end]]}`, byte offsets).

#![expect(clippy::disallowed_methods, reason = "a program that measures files")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspect::signal::{TextKind, injection};
use inspect::{Lane, Scanners};
use model::Side;
use serde_json::{Value, json};

/// Most times that one case is run.
const MOST: usize = 5000;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let scanners = Arc::new(Scanners::all());
    let mut out = io::stdout().lock();
    for file in files(&folder.join("cases"))? {
        let text = std::fs::read_to_string(&file)?;
        let case = name(&file);
        for (system, run) in SYSTEMS {
            let us = timed(seconds, || run(&scanners, &text));
            writeln!(out, "{}", json!({"system": system, "case": case, "bytes": text.len(), "us": us}))?;
        }
    }
    for file in files(&folder.join("sets"))? {
        for (row, line) in std::fs::read_to_string(&file)?.lines().enumerate() {
            let parsed: Value = serde_json::from_str(line)?;
            let text = parsed.get("text").and_then(Value::as_str).unwrap_or_default();
            let hits = scanners.scan_layers(text);
            let findings: Vec<Value> = hits
                .iter()
                .flat_map(inspect::Hit::matches)
                .map(|(kind, _, span)| json!([kind.as_str(), span.start, span.end]))
                .collect();
            writeln!(out, "{}", json!({"system": "portcullis", "set": name(&file), "row": row, "findings": findings}))?;
        }
    }
    Ok(())
}

type Run = fn(&Arc<Scanners>, &str) -> usize;

/// What is timed over every case. In a stream a token or two come at a time; what has arrived together is a few KB.
const SYSTEMS: [(&str, Run); 5] = [
    ("portcullis-scan", scan),
    ("portcullis", control),
    ("signal-injection", signal),
    ("portcullis-lane-16", |scanners, text| lane(scanners, text, 16)),
    ("portcullis-lane-4k", |scanners, text| lane(scanners, text, 4096)),
];

/// The text as a stream in pieces of `size` bytes or a little more: the lane of an answer, disguises included. Released bytes.
fn lane(scanners: &Arc<Scanners>, text: &str, size: usize) -> usize {
    let mut lane = Lane::new(Arc::clone(scanners), Arc::default(), Side::Response).with_readings();
    let (mut waiting, mut released, mut rest) = (VecDeque::new(), 0, text);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.ceil_char_boundary(size));
        waiting.push_back(lane.push(piece));
        rest = behind;
        if rest.is_empty() {
            lane.finish();
        }
        while let Some(piece) = waiting.front().and_then(|range| lane.take(range.clone())) {
            released += piece.text.len();
            waiting.pop_front();
        }
    }
    released + lane.new_hits().len()
}

/// The text as it is.
fn scan(scanners: &Arc<Scanners>, text: &str) -> usize {
    scanners.scan(text).len()
}

/// The whole control tier: the text, what stands behind layers of JSON escapes, and every other way to read all of it.
fn control(scanners: &Arc<Scanners>, text: &str) -> usize {
    scanners.scan_layers(text).len()
}

/// The detector of injections, over the text in every reading.
fn signal(_: &Arc<Scanners>, text: &str) -> usize {
    injection(text, TextKind::ToolOutput).map_or(0, |signal| signal.windows.len())
}

/// Microseconds of every run, at least one, for about `seconds`.
fn timed(seconds: f64, mut run: impl FnMut() -> usize) -> Vec<f64> {
    let (begun, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut us = Vec::new();
    while us.is_empty() || (begun.elapsed() < limit && us.len() < MOST) {
        let start = Instant::now();
        black_box(run());
        us.push(start.elapsed().as_secs_f64() * 1e6);
    }
    us
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.filter_map(|item| item.ok().map(|item| item.path())).collect();
    files.sort();
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
