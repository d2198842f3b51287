//! Counters and latencies, made from the engine's events; rendered in the Prometheus text format.
//!
//! Every cell is an atomic: the path of a request takes no lock here, but where a shadow policy would decide otherwise. Labels
//! come from closed sets, never from clients.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use engine::Event;
use model::{ReasonCode, ShadowAnswer, Side, Verdict};

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

/// Most shadow policies that are counted one by one; all later ones count together, without a name.
const MAX_SHADOW: usize = 1_000;

/// What shadow policies would have decided otherwise.
#[derive(Debug, Default)]
struct Shadow {
    /// As it was, otherwise.
    decisions: [AtomicU64; 2],
    /// By the id of the policy behind it: ids of policies that were in force, never of clients.
    policies: RwLock<BTreeMap<String, AtomicU64>>,
}

impl Shadow {
    fn record(&self, shadow: &ShadowAnswer) {
        bump(self.decisions.get(usize::from(shadow.differs)), 1);
        if shadow.differs {
            shadow.policies.iter().for_each(|policy| self.count(&policy.id));
        }
    }

    fn count(&self, id: &str) {
        // A poisoned lock means that a thread panicked; counters are whole whatever happened.
        let known = self.policies.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(id) {
            return bump(Some(cell), 1);
        }
        drop(known);
        let mut known = self.policies.write().unwrap_or_else(PoisonError::into_inner);
        let id = if known.len() < MAX_SHADOW { id } else { "" };
        bump(Some(known.entry(id.to_owned()).or_default()), 1);
    }

    fn render(&self, out: &mut String) {
        let name = "portcullis_shadow_decisions_total";
        head(out, name, "counter", "decisions that concern a shadow policy, by what it would make of them");
        for (result, cell) in ["same", "differs"].iter().zip(&self.decisions) {
            line(out, format_args!("{name}{{result=\"{result}\"}} {}", cell.load(Ordering::Relaxed)));
        }
        let name = "portcullis_shadow_differences_total";
        head(out, name, "counter", "decisions that would be others, by the shadow policy behind it");
        for (id, cell) in &*self.policies.read().unwrap_or_else(PoisonError::into_inner) {
            // An id may hold the name of a file.
            let id = id.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            line(out, format_args!("{name}{{policy=\"{id}\"}} {}", cell.load(Ordering::Relaxed)));
        }
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    verdicts: [AtomicU64; 3],
    endings: Vec<AtomicU64>,
    unidentified: Vec<AtomicU64>,
    attempts_failed: AtomicU64,
    announced: AtomicU64,
    findings: [AtomicU64; 2],
    released_bytes: AtomicU64,
    tokens: [AtomicU64; 5],
    cost: AtomicU64,
    estimated: AtomicU64,
    shadow: Shadow,
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
            announced: AtomicU64::new(0),
            findings: Default::default(),
            released_bytes: AtomicU64::new(0),
            tokens: Default::default(),
            cost: AtomicU64::new(0),
            estimated: AtomicU64::new(0),
            shadow: Shadow::default(),
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
            Event::Shadowed { shadow, .. } => self.shadow.record(shadow),
            Event::Found { side, .. } => bump(self.findings.get(usize::from(*side == Side::Response)), 1),
            Event::AttemptFailed { .. } => bump(Some(&self.attempts_failed), 1),
            Event::Announced { .. } => bump(Some(&self.announced), 1),
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
        self.shadow.render(&mut out);
        by_reason(&mut out, "portcullis_interactions_total", "interactions by how they ended", &self.endings);
        by_reason(&mut out, "portcullis_unidentified_total", "requests of parties that are not known", &self.unidentified);
        head(&mut out, "portcullis_findings_total", "counter", "findings of scanners by side");
        for (side, cell) in ["request", "response"].iter().zip(&self.findings) {
            line(&mut out, format_args!("portcullis_findings_total{{side=\"{side}\"}} {}", cell.load(Ordering::Relaxed)));
        }
        head(&mut out, "portcullis_attempts_failed_total", "counter", "attempts at upstreams that failed");
        line(&mut out, format_args!("portcullis_attempts_failed_total {}", self.attempts_failed.load(Ordering::Relaxed)));
        head(
            &mut out,
            "portcullis_tool_announcements_total",
            "counter",
            "times that a tool server said its tools are others now",
        );
        line(&mut out, format_args!("portcullis_tool_announcements_total {}", self.announced.load(Ordering::Relaxed)));
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
    use model::{Dialect, PolicyRef, ReasonCode, RequestId, ShadowAnswer, UnixMillis, Verdict};

    use super::{MAX_SHADOW, Metrics};

    #[test]
    fn shadow_policies_are_counted_by_their_ids_up_to_a_bound() {
        let metrics = Metrics::default();
        let request = RequestId::new(UnixMillis(1), [0; 10]);
        let observe = |id: &str, differs: bool| {
            let policies = vec![PolicyRef { id: id.to_owned(), file: "p.cedar".to_owned(), line: 1 }];
            let (verdict, reason, errors) = (Verdict::Deny, ReasonCode::PolicyForbidden, Vec::new());
            metrics.observe(&Event::Shadowed { request, shadow: &ShadowAnswer { verdict, reason, policies, errors, differs } });
        };
        observe("one", false);
        observe("policies/\"a\".cedar#1", true);
        for number in 0..MAX_SHADOW + 10 {
            observe(&format!("p{number}"), true);
            observe("p0", true);
        }
        let text = metrics.render();
        let has = |line: &str| assert!(text.lines().any(|other| other == line), "{line}");
        has("portcullis_shadow_decisions_total{result=\"same\"} 1");
        has(&format!("portcullis_shadow_decisions_total{{result=\"differs\"}} {}", 2 * (MAX_SHADOW + 10) + 1));
        has("portcullis_shadow_differences_total{policy=\"policies/\\\"a\\\".cedar#1\"} 1");
        has(&format!("portcullis_shadow_differences_total{{policy=\"p0\"}} {}", MAX_SHADOW + 11));
        has("portcullis_shadow_differences_total{policy=\"\"} 11");
        assert_eq!(text.matches("portcullis_shadow_differences_total{").count(), MAX_SHADOW + 1);
    }

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
