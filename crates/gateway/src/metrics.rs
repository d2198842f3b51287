//! Counters and latencies, made from the engine's events; rendered in the Prometheus text format.
//!
//! Every cell is an atomic: the path of a request takes no lock here. Labels come from closed sets, never from clients.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::Event;
use model::{ReasonCode, Side, Verdict};

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 12] = [50, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// A latency histogram in microseconds.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    sum: AtomicU64,
    count: AtomicU64,
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            if micros <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.sum.fetch_add(micros, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    fn render(&self, out: &mut String, name: &str, stage: &str) {
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            let count = bucket.load(Ordering::Relaxed);
            line(out, format_args!("{name}_bucket{{stage=\"{stage}\",le=\"{}\"}} {count}", seconds(bound)));
        }
        let (count, sum) = (self.count.load(Ordering::Relaxed), self.sum.load(Ordering::Relaxed));
        line(out, format_args!("{name}_bucket{{stage=\"{stage}\",le=\"+Inf\"}} {count}"));
        line(out, format_args!("{name}_sum{{stage=\"{stage}\"}} {}", seconds(sum)));
        line(out, format_args!("{name}_count{{stage=\"{stage}\"}} {count}"));
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    verdicts: [AtomicU64; 3],
    endings: Vec<AtomicU64>,
    unidentified: Vec<AtomicU64>,
    attempts_failed: AtomicU64,
    findings: [AtomicU64; 2],
    released_bytes: AtomicU64,
    tokens: [AtomicU64; 5],
    cost: AtomicU64,
    estimated: AtomicU64,
    stages: [(&'static str, Histogram); 6],
}

impl Default for Metrics {
    fn default() -> Self {
        let cells = || ReasonCode::ALL.iter().map(|_| AtomicU64::new(0)).collect();
        let stages =
            ["admit", "understand", "inspect", "decide", "record", "overhead"].map(|stage| (stage, Histogram::default()));
        Self {
            verdicts: Default::default(),
            endings: cells(),
            unidentified: cells(),
            attempts_failed: AtomicU64::new(0),
            findings: Default::default(),
            released_bytes: AtomicU64::new(0),
            tokens: Default::default(),
            cost: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            stages,
        }
    }
}

impl Metrics {
    /// Counts one event.
    pub fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Unidentified { reason, .. } => add(&self.unidentified, *reason),
            Event::Decided { verdict, .. } => {
                let position = match verdict {
                    Verdict::Permit => 0,
                    Verdict::Challenge => 1,
                    Verdict::Deny => 2,
                };
                bump(self.verdicts.get(position), 1);
            }
            Event::Found { side, .. } => bump(self.findings.get(usize::from(*side == Side::Response)), 1),
            Event::AttemptFailed { .. } => bump(Some(&self.attempts_failed), 1),
            Event::Charged { charge, .. } => {
                let usage = &charge.usage;
                let kinds = [usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning];
                self.tokens.iter().zip(kinds).for_each(|(cell, tokens)| bump(Some(cell), tokens));
                bump(Some(&self.cost), charge.cost.unwrap_or(0));
                bump(Some(&self.estimated), u64::from(charge.is_estimate));
            }
            Event::Ended { reason, timings, released, .. } => {
                add(&self.endings, *reason);
                bump(Some(&self.released_bytes), *released);
                let durations =
                    [timings.admit, timings.understand, timings.inspect, timings.decide, timings.record, timings.overhead];
                for ((_, histogram), duration) in self.stages.iter().zip(durations) {
                    histogram.record(duration);
                }
            }
        }
    }

    /// The text that a Prometheus server scrapes.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(8 << 10);
        head(&mut out, "portcullis_decisions_total", "counter", "decisions by verdict");
        for (verdict, cell) in ["permit", "challenge", "deny"].iter().zip(&self.verdicts) {
            line(&mut out, format_args!("portcullis_decisions_total{{verdict=\"{verdict}\"}} {}", cell.load(Ordering::Relaxed)));
        }
        by_reason(&mut out, "portcullis_interactions_total", "interactions by how they ended", &self.endings);
        by_reason(&mut out, "portcullis_unidentified_total", "requests of parties that are not known", &self.unidentified);
        head(&mut out, "portcullis_findings_total", "counter", "findings of scanners by side");
        for (side, cell) in ["request", "response"].iter().zip(&self.findings) {
            line(&mut out, format_args!("portcullis_findings_total{{side=\"{side}\"}} {}", cell.load(Ordering::Relaxed)));
        }
        head(&mut out, "portcullis_attempts_failed_total", "counter", "attempts at upstreams that failed");
        line(&mut out, format_args!("portcullis_attempts_failed_total {}", self.attempts_failed.load(Ordering::Relaxed)));
        head(&mut out, "portcullis_released_bytes_total", "counter", "bytes released to clients");
        line(&mut out, format_args!("portcullis_released_bytes_total {}", self.released_bytes.load(Ordering::Relaxed)));
        head(&mut out, "portcullis_tokens_total", "counter", "tokens by kind; reasoning is among output");
        for (kind, cell) in ["input", "cached", "cache_write", "output", "reasoning"].iter().zip(&self.tokens) {
            line(&mut out, format_args!("portcullis_tokens_total{{kind=\"{kind}\"}} {}", cell.load(Ordering::Relaxed)));
        }
        head(&mut out, "portcullis_cost_total", "counter", "cost by the price file, in its currency");
        let cost = self.cost.load(Ordering::Relaxed);
        line(&mut out, format_args!("portcullis_cost_total {}.{:06}", cost / 1_000_000, cost % 1_000_000));
        head(
            &mut out,
            "portcullis_usage_estimated_total",
            "counter",
            "calls whose upstream did not tell, or not to the end, what was used",
        );
        line(&mut out, format_args!("portcullis_usage_estimated_total {}", self.estimated.load(Ordering::Relaxed)));
        head(&mut out, "portcullis_stage_seconds", "histogram", "the gate's own time per stage");
        for (stage, histogram) in &self.stages {
            histogram.render(&mut out, "portcullis_stage_seconds", stage);
        }
        out
    }
}

fn by_reason(out: &mut String, name: &str, help: &str, cells: &[AtomicU64]) {
    head(out, name, "counter", help);
    for (code, cell) in ReasonCode::ALL.iter().zip(cells) {
        let count = cell.load(Ordering::Relaxed);
        if count > 0 {
            line(out, format_args!("{name}{{reason=\"{code}\"}} {count}"));
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    line(out, format_args!("# HELP {name} {help}"));
    line(out, format_args!("# TYPE {name} {kind}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").ok();
}

/// Microseconds as seconds, without the noise of binary fractions.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn add(cells: &[AtomicU64], code: ReasonCode) {
    let position = ReasonCode::ALL.iter().position(|known| *known == code);
    bump(position.and_then(|position| cells.get(position)), 1);
}

fn bump(cell: Option<&AtomicU64>, by: u64) {
    if let Some(cell) = cell {
        cell.fetch_add(by, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use engine::{Event, Facts, Timings};
    use model::{Dialect, ReasonCode, RequestId, UnixMillis};

    use super::Metrics;

    #[test]
    fn events_are_counted_and_rendered() {
        let metrics = Metrics::default();
        let request = RequestId::new(UnixMillis(1), [0; 10]);
        let timings = Timings { decide: std::time::Duration::from_micros(60), ..Timings::default() };
        let facts = Facts {
            api: Some((Dialect::Openai, "/v1/chat/completions")),
            model: None,
            answered_by: None,
            finish: &[],
            charge: None,
            upstream: None,
            is_stream: false,
            at: UnixMillis(1),
            took: std::time::Duration::ZERO,
            trace: None,
        };
        let (reason, status, timings) = (ReasonCode::PolicyDenied, 404, &timings);
        metrics.observe(&Event::Ended { request, reason, status, timings, released: 7, facts: &facts });
        let text = metrics.render();
        assert!(text.contains("portcullis_interactions_total{reason=\"policy-denied\"} 1"), "{text}");
        assert!(text.contains("portcullis_stage_seconds_bucket{stage=\"decide\",le=\"0.000050\"} 0"), "{text}");
        assert!(text.contains("portcullis_stage_seconds_bucket{stage=\"decide\",le=\"0.000100\"} 1"), "{text}");
        assert!(text.contains("portcullis_released_bytes_total 7"), "{text}");
    }
}
