//! Sends the same request again and again and prints what came of it as one line of JSON.
//!
//! Closed loop: each connection sends its next request when the last answer is complete. Open loop (`--rate`): requests
//! are due at fixed times whatever the answers do, and latency counts from when a request was due, so a stall is not
//! hidden by the requests that were not sent during it.
//!
//! `--header "NAME: VALUE"` may stand several times.
//!
//! `--requests N` ends after that many requests instead of after `--seconds`; `--abort` leaves each answer after its first bytes.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use testkit::histogram::{Histogram, MOST};
use testkit::replies;
use testkit::wire::{Wire, find, status};

struct Plan {
    address: String,
    request: Vec<u8>,
    connections: usize,
    warmup: Duration,
    measured: Duration,
    /// Requests per second over all connections; 0 for a closed loop.
    rate: f64,
    /// At most this many requests over all connections.
    most: usize,
    /// Leaves each answer after its first bytes.
    aborts: bool,
    /// Must stand in every answer's body.
    expect: Vec<u8>,
    /// Must stand in no answer's body.
    refuse: Vec<u8>,
}

#[derive(Default)]
struct Took {
    whole: Histogram,
    first_byte: Histogram,
    errors: usize,
    first_error: Option<String>,
}

fn main() -> io::Result<()> {
    let plan = Arc::new(plan(std::env::args().skip(1))?);
    let start = Instant::now() + Duration::from_millis(20);
    let threads: Vec<_> = (0..plan.connections)
        .map(|index| {
            let plan = Arc::clone(&plan);
            thread::spawn(move || connection(&plan, index, start))
        })
        .collect();
    let mut all = Took::default();
    for thread in threads {
        let took = thread.join().map_err(|_| io::Error::other("a connection's thread ended badly"))?;
        all.whole.join(took.whole);
        all.first_byte.join(took.first_byte);
        all.errors += took.errors;
        all.first_error = all.first_error.or(took.first_error);
    }
    let (requests, seconds) = (all.whole.len(), plan.measured.as_secs_f64());
    let rps = f64::from(u32::try_from(requests).unwrap_or(u32::MAX)) / seconds;
    let (whole, first) = (all.whole.at(&[500, 990, 1000]), all.first_byte.at(&[500, 990]));
    let value = |values: &[u32], index: usize| values.get(index).copied().unwrap_or(0);
    writeln!(
        io::stdout(),
        "{{\"requests\":{requests},\"errors\":{},\"seconds\":{seconds},\"rps\":{rps:.1},\"p50_us\":{},\"p99_us\":{},\"max_us\":{},\
         \"first_byte_p50_us\":{},\"first_byte_p99_us\":{},\"first_error\":\"{}\"}}",
        all.errors,
        value(&whole, 0),
        value(&whole, 1),
        value(&whole, 2),
        value(&first, 0),
        value(&first, 1),
        all.first_error.unwrap_or_default().escape_default(),
    )
}

fn plan(arguments: impl Iterator<Item = String>) -> io::Result<Plan> {
    let arguments: Vec<String> = arguments.collect();
    let value = |name: &str| {
        let mut words = arguments.iter().skip_while(|word| *word != name).skip(1);
        words.next().cloned()
    };
    let number = |name: &str, otherwise: f64| value(name).and_then(|value| value.parse().ok()).unwrap_or(otherwise);
    let address =
        value("--address").ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "--address HOST:PORT is missing"))?;
    let model = value("--model").unwrap_or_else(|| "bench".to_owned());
    let case = value("--case").unwrap_or_else(|| "plain".to_owned());
    let text = match case.as_str() {
        "findings" => format!("{} {}", String::from_utf8_lossy(replies::WANTS_FINDINGS), replies::prose_with_findings()),
        _ => replies::prose(),
    };
    let is_tool = case == "tool";
    let body = if is_tool { replies::call(&text) } else { replies::request(&model, &text, case == "stream") };
    let (path, own) = if is_tool { ("/mcp/kb", replies::CALL_HEADERS) } else { ("/v1/chat/completions", "") };
    let authorization = value("--bearer").map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let named = arguments.iter().zip(arguments.iter().skip(1)).filter(|(name, _)| *name == "--header");
    let more: String = named.map(|(_, header)| format!("{header}\r\n")).collect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{own}{authorization}{more}content-length: {}\r\n\r\n",
        body.len()
    );
    let connections = value("--connections").and_then(|value| value.parse().ok()).unwrap_or(1);
    Ok(Plan {
        address,
        request: [head, body].concat().into_bytes(),
        connections,
        warmup: Duration::from_secs_f64(number("--warmup", 0.5)),
        measured: Duration::from_secs_f64(number("--seconds", 2.0)),
        rate: number("--rate", 0.0),
        most: value("--requests").and_then(|value| value.parse().ok()).unwrap_or(MOST).min(MOST),
        aborts: arguments.iter().any(|word| word == "--abort"),
        expect: value("--expect").unwrap_or_default().into_bytes(),
        refuse: value("--refuse").unwrap_or_default().into_bytes(),
    })
}

fn connection(plan: &Plan, index: usize, start: Instant) -> Took {
    let mut took = Took::default();
    let measure_from = start + plan.warmup;
    let end = measure_from + plan.measured;
    // Open loop: this connection's share of the rate, staggered against the others'.
    let n_connections = f64::from(u32::try_from(plan.connections).unwrap_or(1));
    let every = if plan.rate > 0.0 { n_connections / plan.rate } else { 0.0 };
    let mut due = start + Duration::from_secs_f64(every * f64::from(u32::try_from(index).unwrap_or(0)) / n_connections);
    let mut wire = None;
    pause_until(start);
    loop {
        if plan.rate > 0.0 {
            pause_until(due);
        } else {
            due = Instant::now();
        }
        if due >= end || took.whole.len() >= plan.most.div_ceil(plan.connections.max(1)) {
            return took;
        }
        match exchange(plan, &mut wire) {
            Ok(first_byte) if due >= measure_from => {
                took.whole.add(due.elapsed());
                took.first_byte.add(first_byte.saturating_duration_since(due));
            }
            Ok(_) => {}
            Err(error) => {
                wire = None;
                took.errors += 1;
                took.first_error.get_or_insert_with(|| error.to_string());
                if took.errors > 100 {
                    return took;
                }
            }
        }
        due += Duration::from_secs_f64(every);
    }
}

fn pause_until(instant: Instant) {
    let left = instant.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

fn exchange(plan: &Plan, wire: &mut Option<Wire>) -> io::Result<Instant> {
    if wire.is_none() {
        *wire = Some(Wire::new(TcpStream::connect(&plan.address)?)?);
    }
    let Some(open) = wire.as_mut() else { return Err(io::Error::other("no connection")) };
    open.stream().write_all(&plan.request)?;
    if plan.aborts {
        let n_read = open.stream().read(&mut [0; 1024])?;
        *wire = None;
        return if n_read > 0 { Ok(Instant::now()) } else { Err(io::Error::other("no answer to leave")) };
    }
    let message = open.message()?.ok_or_else(|| io::Error::other("the server closed the connection"))?;
    let (code, first_byte) = (status(message.head), message.first_byte);
    if code != 200 {
        return Err(io::Error::other(format!("status {code}: {}", String::from_utf8_lossy(message.body))));
    }
    if !plan.expect.is_empty() && find(message.body, &plan.expect).is_none() {
        return Err(io::Error::other("the answer lacks what it must hold"));
    }
    if !plan.refuse.is_empty() && find(message.body, &plan.refuse).is_some() {
        return Err(io::Error::other("the answer holds what it must not"));
    }
    Ok(first_byte)
}
