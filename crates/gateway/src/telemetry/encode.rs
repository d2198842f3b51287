//! From records to OTLP requests: the numbers of the fields are those of opentelemetry-proto 1.x.

use std::time::Duration;

use super::record::{Attempt, Call, Record};
use super::sums::{Cell, Key, Sums, TokenKey};
use super::wire::Message;

/// The version of the conventions that the names of attributes follow.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
const SCOPE: &str = "portcullis";

/// An attribute's value. None of them is content: texts are names from the configuration, codes and ids.
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
    Fraction(f64),
    Texts(&'a [&'static str]),
}

/// `KeyValue`.
fn attribute(key: &str, value: &Value<'_>) -> Message {
    let mut any = Message::default();
    match value {
        Value::Text(text) => any.text(1, text),
        Value::Flag(flag) => any.number(2, u64::from(*flag)),
        Value::Number(number) => any.number(3, *number),
        Value::Fraction(fraction) => any.double(4, *fraction),
        Value::Texts(texts) => {
            let mut array = Message::default();
            for text in *texts {
                let mut item = Message::default();
                item.text(1, text);
                array.message(1, &item);
            }
            any.message(5, &array);
        }
    }
    let mut pair = Message::default();
    pair.text(1, key);
    pair.message(2, &any);
    pair
}

/// One request: resource, scope, and what is in it. `items` is the field of a single span, metric or log record.
fn request(items: Vec<Message>) -> Vec<u8> {
    let mut resource = Message::default();
    resource.message(1, &attribute("service.name", &Value::Text("portcullis")));
    resource.message(1, &attribute("service.version", &Value::Text(env!("CARGO_PKG_VERSION"))));
    let mut scope = Message::default();
    scope.text(1, SCOPE);
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut scoped = Message::default();
    scoped.message(1, &scope);
    for item in items {
        scoped.message(2, &item);
    }
    scoped.text(3, SCHEMA);
    let mut of_resource = Message::default();
    of_resource.message(1, &resource);
    of_resource.message(2, &scoped);
    of_resource.text(3, SCHEMA);
    let mut request = Message::default();
    request.message(1, &of_resource);
    request.into_bytes()
}

/// `ExportTraceServiceRequest` with a span per call; `None` if there is no call.
pub(super) fn traces(records: &[Record]) -> Option<Vec<u8>> {
    let calls = records.iter().filter_map(|record| match record {
        Record::Call(call) => Some(span(call)),
        Record::Attempt(_) => None,
    });
    let spans: Vec<Message> = calls.collect();
    (!spans.is_empty()).then(|| request(spans))
}

fn span(call: &Call) -> Message {
    let mut span = Message::default();
    span.bytes(1, &call.trace.trace);
    span.bytes(2, &call.trace.span);
    if let Some(parent) = &call.trace.parent {
        span.bytes(4, parent);
    }
    span.text(5, &call.name());
    // A server of its clients.
    span.number(6, 2);
    span.fixed(7, nanos(call.started));
    span.fixed(8, nanos(call.started.saturating_add(call.took)));
    for (key, value) in attributes(call) {
        span.message(9, &attribute(key, &value));
    }
    if call.is_failed() {
        let mut status = Message::default();
        status.number(3, 2);
        span.message(15, &status);
    }
    span.fixed32(16, u32::from(call.trace.is_sampled));
    span
}

fn attributes(call: &Call) -> Vec<(&'static str, Value<'_>)> {
    let mut attributes = vec![
        ("portcullis.request", Value::Text(&call.request)),
        ("portcullis.reason", Value::Text(call.reason.as_str())),
        ("portcullis.overhead", Value::Fraction(call.overhead.as_secs_f64())),
        ("http.response.status_code", Value::Number(u64::from(call.status))),
        ("http.response.body.size", Value::Number(call.released)),
    ];
    if let Some(model) = &call.model {
        attributes.push(("gen_ai.operation.name", Value::Text(call.operation)));
        attributes.push(("gen_ai.provider.name", Value::Text(call.provider)));
        attributes.push(("gen_ai.request.model", Value::Text(model)));
        attributes.push(("portcullis.stream", Value::Flag(call.is_stream)));
    }
    if let Some(model) = &call.answered_by {
        attributes.push(("gen_ai.response.model", Value::Text(model)));
    }
    if !call.finish.is_empty() {
        attributes.push(("gen_ai.response.finish_reasons", Value::Texts(&call.finish)));
    }
    if let Some(used) = &call.used {
        attributes.push(("gen_ai.usage.input_tokens", Value::Number(used.input)));
        attributes.push(("gen_ai.usage.output_tokens", Value::Number(used.output)));
        attributes.push(("portcullis.usage.is_estimate", Value::Flag(used.is_estimate)));
    }
    if let Some(upstream) = &call.upstream {
        attributes.push(("portcullis.upstream", Value::Text(upstream)));
    }
    if call.is_failed() {
        attributes.push(("error.type", Value::Text(call.reason.as_str())));
    }
    attributes
}

/// `ExportLogsServiceRequest` with a record per refusal and per attempt that failed; `None` if there is none.
pub(super) fn logs(records: &[Record]) -> Option<Vec<u8>> {
    let lines = records.iter().filter_map(|record| match record {
        Record::Call(call) if call.is_failed() => Some(refused(call)),
        Record::Call(_) => None,
        Record::Attempt(attempt) => Some(attempt_failed(attempt)),
    });
    let lines: Vec<Message> = lines.collect();
    (!lines.is_empty()).then(|| request(lines))
}

fn line(at: Duration, name: &str, text: &str) -> Message {
    let mut line = Message::default();
    line.fixed(1, nanos(at));
    // WARN
    line.number(2, 13);
    line.text(3, "WARN");
    let mut body = Message::default();
    body.text(1, text);
    line.message(5, &body);
    line.fixed(11, nanos(at));
    line.text(12, name);
    line
}

fn refused(call: &Call) -> Message {
    let mut line = line(call.started.saturating_add(call.took), "portcullis.call.failed", call.reason.text());
    line.message(6, &attribute("portcullis.request", &Value::Text(&call.request)));
    line.message(6, &attribute("portcullis.reason", &Value::Text(call.reason.as_str())));
    line.fixed32(8, u32::from(call.trace.is_sampled));
    line.bytes(9, &call.trace.trace);
    line.bytes(10, &call.trace.span);
    line
}

fn attempt_failed(attempt: &Attempt) -> Message {
    let mut line = line(attempt.at, "portcullis.attempt.failed", attempt.reason.text());
    line.message(6, &attribute("portcullis.request", &Value::Text(&attempt.request)));
    line.message(6, &attribute("portcullis.reason", &Value::Text(attempt.reason.as_str())));
    line.message(6, &attribute("portcullis.upstream", &Value::Text(&attempt.upstream)));
    line
}

/// `ExportMetricsServiceRequest` with everything since `started`, as sums that only grow.
pub(super) fn metrics(sums: &Sums, dropped: u64, started: Duration, now: Duration) -> Vec<u8> {
    let mut durations = Message::default();
    let mut calls = Message::default();
    for (key, cell) in sums.durations() {
        durations.message(1, &distribution(cell, started, now, &labels(key)));
        calls.message(1, &count(cell.count, started, now, &labels(key)));
    }
    let mut tokens = Message::default();
    for (key, cell) in sums.tokens() {
        tokens.message(1, &distribution(cell, started, now, &token_labels(key)));
    }
    // Cumulative.
    durations.number(2, 2);
    tokens.number(2, 2);
    let mut lost = Message::default();
    lost.message(1, &count(dropped, started, now, &[]));
    let metrics = vec![
        metric("gen_ai.client.operation.duration", "s", 9, &durations),
        metric("gen_ai.client.token.usage", "{token}", 9, &tokens),
        metric("portcullis.calls", "{call}", 7, &growing(calls)),
        metric("portcullis.telemetry.dropped", "{record}", 7, &growing(lost)),
    ];
    request(metrics)
}

/// `HistogramDataPoint`.
fn distribution(cell: &Cell, started: Duration, now: Duration, labels: &[Message]) -> Message {
    let mut point = Message::default();
    point.fixed(2, nanos(started));
    point.fixed(3, nanos(now));
    point.fixed(4, cell.count);
    point.double(5, cell.sum);
    point.bytes(6, &cell.buckets.iter().flat_map(|count| count.to_le_bytes()).collect::<Vec<u8>>());
    point.bytes(7, &cell.bounds.iter().flat_map(|bound| bound.to_le_bytes()).collect::<Vec<u8>>());
    for pair in labels {
        point.message(9, pair);
    }
    point
}

fn metric(name: &str, unit: &str, form: u32, data: &Message) -> Message {
    let mut metric = Message::default();
    metric.text(1, name);
    metric.text(3, unit);
    metric.message(form, data);
    metric
}

/// A `Sum` that is cumulative and only grows.
fn growing(mut sum: Message) -> Message {
    sum.number(2, 2);
    sum.number(3, 1);
    sum
}

fn count(count: u64, started: Duration, now: Duration, labels: &[Message]) -> Message {
    let mut point = Message::default();
    point.fixed(2, nanos(started));
    point.fixed(3, nanos(now));
    point.fixed(6, count);
    for pair in labels {
        point.message(7, pair);
    }
    point
}

fn labels(key: &Key) -> Vec<Message> {
    let mut labels = whose(key.operation, key.provider, &key.model);
    if let Some(reason) = key.failed {
        labels.push(attribute("error.type", &Value::Text(reason.as_str())));
    }
    labels
}

//= https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/#metric-gen_aiclienttokenusage
//# The type of token being counted.
fn token_labels(key: &TokenKey) -> Vec<Message> {
    let mut labels = whose(key.operation, key.provider, &key.model);
    labels.push(attribute("gen_ai.token.type", &Value::Text(key.kind)));
    labels.push(attribute("portcullis.usage.is_estimate", &Value::Flag(key.is_estimate)));
    labels
}

fn whose(operation: &str, provider: &str, model: &str) -> Vec<Message> {
    vec![
        attribute("gen_ai.operation.name", &Value::Text(operation)),
        attribute("gen_ai.provider.name", &Value::Text(provider)),
        attribute("gen_ai.request.model", &Value::Text(model)),
    ]
}

fn nanos(since: Duration) -> u64 {
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
