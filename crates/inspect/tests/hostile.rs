//! Text that somebody wrote to keep a scanner busy: time grows with length, no faster.
//!
//! Ten megabytes of each are looked at as a leaf of a document is: with JSON escapes resolved and in every reading. Held are the
//! ratio to one megabyte of the same, which is independent of the machine, and a budget that only something other than slowness
//! can exceed.

#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "what is tested is how long something takes")]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use inspect::Scanners;

/// One megabyte.
const SMALL: usize = 1 << 20;
/// So many times as much.
const TIMES: usize = 10;
/// Time may grow by so much: a little more than length does, for the long text does not fit into caches.
const MOST: u32 = 16;
/// Longest time for the long text, on a machine that is busy with other things.
const BUDGET: Duration = Duration::from_secs(60);
/// Below this, what is measured is the clock and the first touch of memory.
const NOISE: Duration = Duration::from_millis(50);
/// The machine may be busy with something else: what is slow for a reason of its own is so again.
const TRIES: usize = 4;

/// A name, and what is repeated.
const TEXTS: &[(&str, &str)] = &[
    ("digits", "7"),
    ("digits in groups", "4532-0151 "),
    ("dashes", "-"),
    ("token headers", "eyJ"),
    ("JWT segments", "eyJhbGciOi.ey"),
    ("key ids", "AKIA"),
    ("at signs", "@"),
    ("addresses", "a@a."),
    ("base64", "aGVsbG8gd29ybGQhIGhvdyBhcmUgeW91Pz8/"),
    ("base64 with breaks", "QUtJQVEzRUdSVllQMlRRN1hONUs=\n"),
    ("hex", "deadbeef01234567"),
    ("percent of percent", "%25"),
    ("percent", "%41"),
    ("ampersand of ampersand", "&amp;"),
    ("open references", "&#"),
    ("private keys", "-----BEGIN PRIVATE KEY-----"),
    ("private keys with bodies", "-----BEGIN PRIVATE KEY-----MIIEvQIBADANBgkqhkiG9w0BAQEF"),
    ("backslashes", "\\"),
    ("escapes of escapes", "\\u005c"),
    ("spaced letters", "a b c d "),
    ("deep spaces", "a         "),
    ("combining marks", "e\u{301}\u{302}\u{303}"),
    ("marks alone", "\u{301}"),
    ("zero-width", "\u{200b}"),
    ("tags", "\u{e0041}"),
    ("open tags", "<a "),
    ("open comments", "<!--"),
    ("assignments", "api_key = a1"),
    ("keys without values", "api_key: "),
    ("dots", "1.1."),
    ("colons", "a:1:"),
    ("turned addresses", "1.2.3.999 "),
    ("turned groups", "1::9 "),
    ("numbers and more", "123456+ "),
    ("groups in parentheses", ")12(1 "),
    ("unknown tags", "1<x> "),
    ("leet", "5k-4n7-"),
    ("quoted-printable", "=3D"),
    ("look-alikes", "\u{430}\u{435}\u{43e}1"),
];

fn text(unit: &str, length: usize) -> String {
    unit.repeat(length / unit.len() + 1)
}

fn time(scanners: &Scanners, text: &str) -> Duration {
    let begun = now();
    std::hint::black_box(scanners.scan_layers(std::hint::black_box(text)));
    now().saturating_sub(begun)
}

/// What this thread has had of a processor, so that what else runs does not count; elsewhere than on Linux what a clock says.
fn now() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.as_deref().and_then(|told| told.split_whitespace().next()).and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

#[test]
fn time_grows_with_length_and_no_faster() {
    let scanners = Scanners::all();
    let mut wrongs = Vec::new();
    for (name, unit) in TEXTS {
        let (small, large) = (text(unit, SMALL), text(unit, SMALL * TIMES));
        let (mut short, mut long) = (Duration::MAX, Duration::MAX);
        for _ in 0..TRIES {
            short = short.min(time(&scanners, &small)).max(NOISE);
            long = long.min(time(&scanners, &large));
            if long <= short * MOST && long <= BUDGET {
                break;
            }
        }
        let speed = 10.0 * 1.048_576 / long.as_secs_f64();
        println!("{name:28} {short:>10.1?} {long:>10.1?} {:>5.1} x {speed:>7.1} MB/s", long.as_secs_f64() / short.as_secs_f64());
        if long > short * MOST || long > BUDGET {
            wrongs.push(format!("{name}: {short:?} for 1 MB, {long:?} for {TIMES} MB"));
        }
    }
    assert!(wrongs.is_empty(), "{wrongs:#?}");
}
