//! Prints how fast texts are scanned, on one core: `cargo run --release -p portcullis-inspect --example throughput`.
//! Not a test: figures depend on the machine. With an argument, only the cases whose names hold it; with a second one, so many
//! times, which `valgrind --tool=callgrind` counts on a machine that others use, too.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures and prints")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inspect::signal::{TextKind, injection};
use inspect::{Lane, Scanners, inspect_document};
use model::Side;
use text::{Document, Limits, quote};

const PROSE: &str = "They asked the desk to keep every key in 12 boxes, as agreed on 2024-05-17 at 10:45. The report (page 42 of 100) says that \
    growth was 3.5 % in Germany and 1,200 people took part; see https://example.org/reports/2024/summary.html for the whole text. \
    \"Nothing is lost\", said the ghost of the skipper, and sold three dozen eyes. fn main() { let total = items.iter().sum::<u64>(); } ";

/// Numbers, dates, links, sums: what the lanes of streams have to look at most.
const NOTES: &str = "- 2024-05-17 10:45: order 48213, 3 x 1,200 units at 13.50 EUR, see https://shop.example.org/orders/48213?page=2 (ref. A-1207/b).\n\
    - 2024-05-18 08:02: room B12, 42 of 100 seats, version 2.14.3; status 404 in 350 ms at https://example.net/api/v2/items.json.\n";

/// Two hundred rules of the shapes that rule files have.
fn own_rules() -> String {
    let rule = |number: usize| {
        let regex = match number % 2 {
            0 => format!("\\b(acme{number}_[a-zA-Z0-9]{{32}})\\b"),
            _ => format!(
                r"(?i)[\w.-]{{0,50}}?(?:corp{number})(?:[ \t\w.-]{{0,20}})[\s]{{0,3}}(?:=|>|:)[\s=]{{0,5}}([a-z0-9]{{40}})(?:[\s;]|$)"
            ),
        };
        let word = if number.is_multiple_of(2) { "acme" } else { "corp" };
        format!("[[rules]]\nid = \"rule-{number}\"\nregex = '''{regex}'''\nkeywords = [\"{word}{number}\"]\n")
    };
    (0..200).map(rule).collect()
}

fn main() {
    let prose = PROSE.repeat(2048 / PROSE.len() + 1);
    let prose = prose.get(..2048).unwrap_or(&prose);
    let mail = "jane.doe@example.com, ".repeat(94);
    let digits = "4111 1111 1111 1111, 123-45-6789; 1234567890 ".repeat(46);
    let base64 = "QmFzZTY0IGVuY29kZWQgdGV4dA".repeat(80);
    let scanners = Arc::new(Scanners::all());
    for (name, text) in [("prose", prose), ("addresses", &mail), ("numbers", &digits), ("base64", &base64)] {
        report(&format!("scan, {name}"), text.len(), || {
            black_box(scanners.scan(black_box(text)));
        });
    }
    let body =
        format!("{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":{}}}],\"temperature\":0.7}}", quote(prose));
    report("parse a 2 KB document", body.len(), || {
        black_box(Document::parse(black_box(body.as_bytes()), &Limits::default()).is_ok());
    });
    let words = format!("{{\"content\":{}}}", quote(&prose.replace(['<', '>'], " ")));
    if let Ok(document) = Document::parse(words.as_bytes(), &Limits::default()) {
        report("inspect 2 KB of words", words.len(), || {
            black_box(inspect_document(&scanners, black_box(&document)));
        });
    }
    let plain = "The committee met in the old library and agreed that the bridge should be repaired before winter, since the \
        river rises early and the road on the other side floods every second year. "
        .repeat(8);
    let chat = format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"system\",\"content\":\"You are a careful assistant.\"}},{{\"role\":\"user\",\
         \"content\":{}}}],\"temperature\":0.2,\"max_tokens\":300}}",
        quote(&plain)
    );
    if let Ok(document) = Document::parse(chat.as_bytes(), &Limits::default()) {
        report("inspect a plain request", chat.len(), || {
            black_box(inspect_document(&scanners, black_box(&document)));
        });
    }
    let many = format!("[{}]", vec!["{\"role\":\"user\",\"n\":[1,2.5,true],\"content\":\"short text\"}"; 36].join(","));
    report("parse 2 KB of small values", many.len(), || {
        black_box(Document::parse(black_box(many.as_bytes()), &Limits::default()).is_ok());
    });
    if let Ok(document) = Document::parse(body.as_bytes(), &Limits::default()) {
        report("inspect a 2 KB document", body.len(), || {
            black_box(inspect_document(&scanners, black_box(&document)));
        });
    }
    let text = own_rules();
    let loaded = inspect::load_rules(&["own.toml".to_owned()], &mut |_| Ok(text.clone()));
    let rules = loaded.ok().and_then(|loaded| rulefile::Rules::compile(&loaded.rules).ok());
    let with = rules.map(|rules| Arc::new(Scanners::all().with(Arc::new(rules))));
    if let Some(scanners) = &with {
        report("scan, prose, 200 rules", prose.len(), || {
            black_box(scanners.scan(black_box(prose)));
        });
    }
    let code = code();
    let lane = |scanners: &Arc<Scanners>| Lane::new(Arc::clone(scanners), Arc::default(), Side::Response);
    let plain = || lane(&scanners);
    lanes(&plain, prose, "prose");
    let notes = NOTES.repeat(9);
    lanes(&plain, &code, "code");
    lanes(&plain, &notes, "notes");
    for (name, text) in [("prose", prose), ("code", &code), ("notes", &notes)] {
        report(&format!("control tier, {name}"), text.len(), || {
            black_box(scanners.scan_layers(black_box(text)));
        });
    }
    let fields = chat.repeat(2);
    for (name, text) in [("prose", prose), ("code", &code), ("notes", &notes), ("fields", &fields), ("base64", &base64)] {
        report(&format!("injection, {name}"), text.len(), || {
            black_box(injection(black_box(text), TextKind::ToolOutput).is_ok());
        });
    }
    let reading = || lane(&scanners).with_readings();
    lanes(&reading, prose, "prose, read");
    lanes(&reading, &code, "code, read");
    lanes(&reading, &notes, "notes, read");
    lanes(&reading, &base64, "base64, read");
    if let Some(scanners) = &with {
        lanes(&|| lane(scanners), prose, "prose, 200 rules");
    }
}

/// Some code with numbers, names and signs.
fn code() -> String {
    "fn sum(values: &[u32], from: usize) -> u64 { values[from..].iter().map(|v| u64::from(*v) * 0x41).sum() } // 2024-05-17\n"
        .repeat(18)
}

fn lanes(lane: &dyn Fn() -> Lane, text: &str, what: &str) {
    for size in [4, 16, 4096] {
        let pieces: Vec<&str> = text.as_bytes().chunks(size).filter_map(|chunk| std::str::from_utf8(chunk).ok()).collect();
        report(&format!("lane, {what}, in pieces of {size}"), text.len(), || {
            let mut lane = lane();
            let mut waiting = std::collections::VecDeque::new();
            for piece in &pieces {
                waiting.push_back(lane.push(black_box(piece)));
                while let Some(released) = waiting.front().and_then(|range| lane.take(range.clone())) {
                    black_box(released);
                    waiting.pop_front();
                }
            }
            lane.finish();
        });
    }
}

/// The best of some rounds, so that other work on the machine counts as little as possible.
fn report(name: &str, bytes: usize, mut work: impl FnMut()) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let times = std::env::args().nth(2).and_then(|times| times.parse().ok());
    let (rounds, times) = times.map_or((20, 500), |times: u32| (1, times.max(1)));
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..times {
            work();
        }
        best = best.min(start.elapsed() / times);
    }
    let nanoseconds = best.as_nanos().max(1);
    let rate = u128::try_from(bytes).unwrap_or_default() * 1000 / nanoseconds;
    println!("{name:32} {bytes:6} B  {:8.2} µs  {rate:6} MB/s", best.as_secs_f64() * 1e6);
}
