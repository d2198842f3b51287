//! Calibration on one fold, numbers on another.

use std::collections::BTreeMap;

use inspect::signal::{Calibration, Detector, TextKind, Weights, exponential};

use crate::data::Row;
use crate::learn::Learned;

/// So many harmless texts of a kind may be flagged.
const FALSE_POSITIVES: f64 = 0.01;
pub(crate) const KINDS: [TextKind; 3] = [TextKind::User, TextKind::ToolOutput, TextKind::Document];

/// A row's source and label with its margin or score.
#[derive(Debug, Clone)]
pub(crate) struct Scored {
    pub(crate) source: String,
    pub(crate) kind: TextKind,
    pub(crate) is_attack: bool,
    pub(crate) value: f64,
}

/// Weights with thresholds, made on rows that were not trained on.
pub(crate) fn calibrated(learned: &Learned, rows: &[Row]) -> Weights {
    let plain = Calibration { slope: 1.0, offset: 0.0, threshold: 0.5 };
    let raw = Weights { tables: learned.rounded(), calibrations: [plain; 3] };
    let detector = Detector::new(raw.clone());
    let margins: Vec<Scored> =
        rows.iter().map(|row| scored(row, detector.margin(&row.text, row.kind).unwrap_or(-10.0))).collect();
    let calibrations = KINDS.map(|kind| {
        // There are few harmless documents, and what tools answer holds documents: data is one.
        let is_user = |kind| kind == TextKind::User;
        let of_kind: Vec<&Scored> = margins.iter().filter(|one| is_user(one.kind) == is_user(kind)).collect();
        let threshold = quantile(&of_kind, FALSE_POSITIVES, true);
        // The slope of a logistic fit; one half is where one harmless text in a hundred is flagged, of every kind.
        let slope = slope(&of_kind);
        Calibration { slope, offset: -slope * threshold, threshold: 0.5 }
    });
    Weights { calibrations, ..raw }
}

fn scored(row: &Row, value: f64) -> Scored {
    Scored { source: row.source.clone(), kind: row.kind, is_attack: row.is_attack, value }
}

pub(crate) fn scores(detector: &Detector, rows: &[Row]) -> Vec<Scored> {
    rows.iter().map(|row| scored(row, detector.look(&row.text, row.kind).score)).collect()
}

/// Texts of our own are one source.
fn origin(source: &str) -> &str {
    if source.starts_with("made/") { "made" } else { source }
}

/// The value above which a share of the harmless texts lies. Sources count by the root of their size, or texts all the same.
fn quantile(rows: &[&Scored], share: f64, is_by_source: bool) -> f64 {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    let harmless: Vec<&&Scored> = rows.iter().filter(|one| !one.is_attack).collect();
    harmless.iter().for_each(|one| *counts.entry(origin(&one.source)).or_default() += 1.0);
    let weight = |one: &Scored| if is_by_source { counts[origin(&one.source)].sqrt().recip() } else { 1.0 };
    let all: f64 = harmless.iter().map(|one| weight(one)).sum();
    let mut values: Vec<(f64, f64)> = harmless.iter().map(|one| (one.value, weight(one) / all)).collect();
    values.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut above = 0.0;
    for (value, weight) in values {
        above += weight;
        if above > share {
            return value + 1e-9;
        }
    }
    f64::INFINITY
}

/// Slope of a logistic regression of labels on margins, both labels counting the same.
fn slope(rows: &[&Scored]) -> f64 {
    let count = |is_attack: bool| {
        f64::from(u32::try_from(rows.iter().filter(|one| one.is_attack == is_attack).count()).unwrap_or(1).max(1))
    };
    let weights = [1.0 / count(false), 1.0 / count(true)];
    let (mut slope, mut offset) = (1.0, 0.0);
    for _ in 0..50 {
        let mut sums = [0.0; 5];
        for one in rows {
            let weight = weights[usize::from(one.is_attack)];
            let score = 1.0 / (1.0 + exponential(-(slope * one.value + offset)));
            let wrong = weight * (score - f64::from(u8::from(one.is_attack)));
            let curve = weight * score * (1.0 - score) + 1e-9;
            for (sum, term) in
                sums.iter_mut().zip([wrong * one.value, wrong, curve * one.value * one.value, curve * one.value, curve])
            {
                *sum += term;
            }
        }
        let [by_slope, by_offset, first, both, second] = sums;
        let (first, second) = (first + 1e-6, second + 1e-6);
        let area = first * second - both * both;
        slope -= 0.7 * (second * by_slope - both * by_offset) / area;
        offset -= 0.7 * (first * by_offset - both * by_slope) / area;
        slope = slope.clamp(0.2, 8.0);
    }
    slope
}

/// The 95 % interval of a share, by Wilson (1927), in percent: share, from, to.
pub(crate) fn interval(found: usize, all: usize) -> (f64, f64, f64) {
    let [found, all] = [found, all].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    if all < 1.0 {
        return (0.0, 0.0, 100.0);
    }
    let (share, z) = (found / all, 1.96_f64);
    let middle = (share + z * z / (2.0 * all)) / (1.0 + z * z / all);
    let half = z * (share * (1.0 - share) / all + z * z / (4.0 * all * all)).sqrt() / (1.0 + z * z / all);
    (share * 100.0, (middle - half).max(0.0) * 100.0, (middle + half).min(1.0) * 100.0)
}

fn shown(found: usize, all: usize) -> String {
    let (share, from, to) = interval(found, all);
    format!("{share:.1} ({from:.1}–{to:.1})")
}

/// A table per source: how many are flagged at the frozen thresholds.
pub(crate) fn by_source(scored: &[Scored]) -> String {
    let mut counts: BTreeMap<(bool, String, &str), (usize, usize)> = BTreeMap::new();
    for one in scored {
        let entry = counts.entry((!one.is_attack, one.source.clone(), kind_name(one.kind))).or_default();
        entry.0 += usize::from(one.value >= 0.5);
        entry.1 += 1;
    }
    let mut text = "| source | kind | label | texts | flagged % (95 %) |\n|---|---|---|--:|--:|\n".to_owned();
    for ((is_harmless, source, kind), (flagged, all)) in counts {
        let label = if is_harmless { "benign" } else { "attack" };
        text.push_str(&format!("| {source} | {kind} | {label} | {all} | {} |\n", shown(flagged, all)));
    }
    text
}

/// A table per kind, and of all kinds on the one scale: recall where so many of the harmless texts lie above.
pub(crate) fn by_rate(attacks: &[Scored], harmless: &[Scored]) -> String {
    let mut text = "| kind | attacks | recall at 0.1 % | at 0.5 % | at 1 % |\n|---|--:|--:|--:|--:|\n".to_owned();
    for kind in KINDS.map(Some).into_iter().chain([None]) {
        let is_of = |one: &&Scored| kind.is_none_or(|kind| one.kind == kind);
        let (found, plain): (Vec<&Scored>, Vec<&Scored>) = (
            attacks.iter().filter(is_of).filter(|one| one.is_attack).collect(),
            harmless.iter().filter(is_of).filter(|one| !one.is_attack).collect(),
        );
        if found.is_empty() || plain.is_empty() {
            continue;
        }
        let cells: Vec<String> = [0.001, 0.005, 0.01]
            .iter()
            .map(|share| {
                let threshold = quantile(&plain, *share, false);
                shown(found.iter().filter(|one| one.value >= threshold).count(), found.len())
            })
            .collect();
        text.push_str(&format!("| {} | {} | {} |\n", kind.map_or("all, one scale", kind_name), found.len(), cells.join(" | ")));
    }
    text
}

pub(crate) const fn kind_name(kind: TextKind) -> &'static str {
    match kind {
        TextKind::User => "user",
        TextKind::ToolOutput => "tool_output",
        TextKind::Document => "document",
    }
}

/// How many of the attacks that are flagged as they are stay flagged in disguise, and of harmless texts how many become so.
pub(crate) fn by_disguise(detector: &Detector, rows: &[Row]) -> String {
    let chosen = |is_attack: bool, most: usize| -> Vec<&Row> {
        rows.iter()
            .filter(|row| row.is_attack == is_attack && row.kind == TextKind::User && row.text.len() < 1000)
            .step_by(2)
            .take(most)
            .collect()
    };
    let (attacks, harmless) = (chosen(true, 500), chosen(false, 300));
    let flagged = |rows: &[&Row], write: &dyn Fn(&str) -> String| {
        rows.iter().filter(|row| detector.look(&write(&row.text), row.kind).is_flagged).count()
    };
    let plain = flagged(&attacks, &str::to_owned);
    let mut text = format!(
        "| disguise | of {} attacks flagged | of plain recall ({plain}) % | of {} harmless texts flagged |\n|---|--:|--:|--:|\n",
        attacks.len(),
        harmless.len()
    );
    text.push_str(&format!("| none | {plain} | 100.0 | {} |\n", flagged(&harmless, &str::to_owned)));
    for (name, write) in text::evasion::all() {
        let found = flagged(&attacks, write);
        let (share, ..) = interval(found, plain.max(1));
        text.push_str(&format!("| {name} | {found} | {share:.1} | {} |\n", flagged(&harmless, write)));
    }
    text
}

/// How many of some rows are flagged, in words.
pub(crate) fn flagged(scored: &[Scored], is_meant: &dyn Fn(&Scored) -> bool) -> String {
    let meant: Vec<&Scored> = scored.iter().filter(|one| is_meant(one)).collect();
    let found = meant.iter().filter(|one| one.value >= 0.5).count();
    format!("{} % of {}", shown(found, meant.len()), meant.len())
}
