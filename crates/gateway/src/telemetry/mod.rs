//! Telemetry over OTLP: calls as spans, refusals as log records, durations as metrics, by HTTP with Protocol Buffers.
//!
//! The path of a call puts a record of codes, times and names from the configuration into a bounded queue and goes on; a queue
//! that is full drops the record and counts it. One task takes records out, keeps the sums, and sends. Nothing is sent twice:
//! what a collector does not take is lost and counted, for evidence is the log's concern and not telemetry's.

mod encode;
mod record;
mod sums;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use engine::Event;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use model::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::connect::{Connector, Proxy, Trust};
use crate::tls::UnusableMaterial;
use record::Record;
use sums::Sums;

/// Most records that wait.
const QUEUE: usize = 4096;
/// Most records in one request.
const BATCH: usize = 512;
/// Longest time for one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest time for everything that is sent at the end.
const LAST: Duration = Duration::from_secs(3);

/// Which signals are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signals {
    /// Spans.
    pub traces: bool,
    /// Sums and histograms.
    pub metrics: bool,
    /// Log records.
    pub logs: bool,
}

/// Where telemetry goes.
#[derive(Debug)]
pub struct Collector<'a> {
    /// What `/v1/traces`, `/v1/metrics` and `/v1/logs` are appended to, without a slash at its end.
    pub base_url: String,
    /// Headers of every request; secret ones are marked sensitive.
    pub headers: HeaderMap,
    /// How it is verified.
    pub trust: Trust<'a>,
    /// The proxy on the way.
    pub proxy: Option<Proxy>,
    /// What it gets.
    pub signals: Signals,
    /// How often.
    pub interval: Duration,
}

/// What became of records.
#[derive(Debug, Default)]
struct Counts {
    dropped: AtomicU64,
    sent: AtomicU64,
    failed: AtomicU64,
}

/// The end of the queue at which events come in.
#[derive(Debug)]
pub struct Telemetry {
    queue: mpsc::Sender<Record>,
    counts: Arc<Counts>,
}

/// The other end: runs as one task.
pub struct Exporter {
    queue: mpsc::Receiver<Record>,
    counts: Arc<Counts>,
    client: Client<Connector, Full<Bytes>>,
    base_url: String,
    headers: HeaderMap,
    signals: Signals,
    interval: Duration,
    sums: Sums,
    started: Duration,
    /// When the metrics are due.
    due: Instant,
    is_failing: bool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Exporter").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Telemetry {
    /// A queue, and what sends what comes out of it.
    ///
    /// # Errors
    /// When a certificate cannot be used.
    pub fn new(collector: Collector<'_>) -> Result<(Self, Exporter), UnusableMaterial> {
        let connector = Connector::new(&collector.trust, collector.proxy, PATIENCE)?;
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let (sender, queue) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let mut headers = collector.headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("portcullis/", env!("CARGO_PKG_VERSION"))));
        let exporter = Exporter {
            queue,
            counts: Arc::clone(&counts),
            client,
            base_url: collector.base_url,
            headers,
            signals: collector.signals,
            interval: collector.interval,
            sums: Sums::default(),
            started: since_1970(),
            due: Instant::now(),
            is_failing: false,
        };
        Ok((Self { queue: sender, counts }, exporter))
    }

    /// Takes what is exported of an event; never waits.
    pub fn observe(&self, event: &Event<'_>, now: UnixMillis) {
        let Some(record) = Record::of(event, now) else { return };
        if self.queue.try_send(record).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Metrics in the Prometheus text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let rows = [("dropped", &self.counts.dropped), ("sent", &self.counts.sent), ("failed", &self.counts.failed)];
        let lines = rows.map(|(result, cell)| {
            format!("portcullis_telemetry_records_total{{result=\"{result}\"}} {}\n", cell.load(Ordering::Relaxed))
        });
        format!("# TYPE portcullis_telemetry_records_total counter\n{}", lines.concat())
    }
}

impl Exporter {
    /// Sends until `stop` turns true, then what is left: three seconds for what is on its way, three for the rest.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut records = Vec::with_capacity(BATCH);
        loop {
            let is_last = self.gather(&mut records, &mut stop).await;
            if is_last {
                // What does not leave in time is lost, like everything that a collector does not take.
                tokio::time::timeout(LAST, self.finish(&mut records)).await.ok();
                return;
            }
            let out_of_time = async {
                stop.wait_for(|is_stopping| *is_stopping).await.ok();
                tokio::time::sleep(LAST).await;
            };
            tokio::select! {
                () = self.export(&mut records) => {}
                () = out_of_time => return,
            }
        }
    }

    /// Waits until there is a batch or the interval is over; `true` at the end.
    async fn gather(&mut self, records: &mut Vec<Record>, stop: &mut watch::Receiver<bool>) -> bool {
        let end = Instant::now() + self.interval;
        while records.len() < BATCH {
            let room = BATCH.saturating_sub(records.len());
            tokio::select! {
                _ = stop.wait_for(|is_stopping| *is_stopping) => return true,
                () = tokio::time::sleep_until(end) => return false,
                count = self.queue.recv_many(records, room) => if count == 0 { return true },
            }
        }
        false
    }

    async fn finish(&mut self, records: &mut Vec<Record>) {
        self.queue.close();
        self.due = Instant::now();
        loop {
            let room = BATCH.saturating_sub(records.len());
            let n_taken = if room == 0 { 0 } else { self.queue.recv_many(records, room).await };
            if n_taken == 0 || records.len() >= BATCH {
                self.export(records).await;
            }
            if n_taken == 0 && self.queue.is_empty() {
                return;
            }
        }
    }

    async fn export(&mut self, records: &mut Vec<Record>) {
        for record in records.iter() {
            if let Record::Call(call) = record {
                self.sums.add(call);
            }
        }
        let mut is_ok = true;
        if self.signals.traces
            && let Some(body) = encode::traces(records)
        {
            is_ok &= self.send("/v1/traces", body).await;
        }
        if self.signals.logs
            && let Some(body) = encode::logs(records)
        {
            is_ok &= self.send("/v1/logs", body).await;
        }
        if self.signals.metrics && self.due <= Instant::now() {
            self.due = Instant::now() + self.interval;
            let dropped = self.counts.dropped.load(Ordering::Relaxed);
            is_ok &= self.send("/v1/metrics", encode::metrics(&self.sums, dropped, self.started, since_1970())).await;
        }
        let cell = if is_ok { &self.counts.sent } else { &self.counts.failed };
        cell.fetch_add(u64::try_from(records.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        match (is_ok, self.is_failing) {
            (false, false) => tracing::warn!("telemetry does not reach its collector and is lost until it does"),
            (true, true) => tracing::info!("telemetry reaches its collector again"),
            _ => {}
        }
        self.is_failing = !is_ok;
        records.clear();
    }

    /// One request; whether the collector took it.
    async fn send(&self, path: &str, body: Vec<u8>) -> bool {
        let Ok(mut request) = Request::post(format!("{}{path}", self.base_url)).body(Full::new(Bytes::from(body))) else {
            return false;
        };
        *request.headers_mut() = self.headers.clone();
        // The answer's body says nothing that is needed; dropping it unread closes the connection if it is long.
        let sent = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        matches!(sent, Ok(Ok(answer)) if answer.status().is_success())
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use engine::ports::Trace;
    use engine::{Facts, Timings};
    use model::{ReasonCode, RequestId};

    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_nobody_waits() {
        let collector = Collector {
            base_url: "http://127.0.0.1:9".to_owned(),
            headers: HeaderMap::new(),
            trust: Trust::default(),
            proxy: None,
            signals: Signals { traces: true, metrics: true, logs: true },
            interval: Duration::from_secs(1),
        };
        let trace = Trace { trace: [1; 16], parent: None, span: [2; 8], is_sampled: true, is_passed_on: false };
        let facts = Facts {
            api: None,
            model: None,
            upstream: None,
            answered_by: None,
            finish: &[],
            charge: None,
            is_stream: false,
            at: UnixMillis(0),
            took: Duration::ZERO,
            trace: Some(&trace),
        };
        let (request, reason, timings) = (RequestId::new(UnixMillis(1), [0; 10]), ReasonCode::Permitted, Timings::default());
        let event = Event::Ended { request, reason, status: 200, timings: &timings, released: 0, facts: &facts };
        // The other end is there and takes nothing out: a collector that hangs.
        let (telemetry, exporter) = Telemetry::new(collector).unwrap();
        let begun = Instant::now();
        (0..QUEUE + 700).for_each(|_| telemetry.observe(&event, UnixMillis(1)));
        assert!(begun.elapsed() < PATIENCE, "nothing is waited for");
        assert_eq!(exporter.queue.len(), QUEUE);
        let told = telemetry.metrics();
        assert!(told.contains("{result=\"dropped\"} 700\n") && told.contains("{result=\"sent\"} 0\n"), "{told}");
    }
}
