//! Every target for a few thousand inputs, and for its worst patterns; and the harness on a parser with known faults.

#![cfg(test)]

use std::time::Duration;

use fuzz::{Budget, Target, fuzz, seen, speed, targets};

/// Runs one target by its name.
fn smoke(name: &str, inputs: u64) {
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap();
    let report = fuzz::smoke(target, inputs, None).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(report.inputs, inputs);
}

macro_rules! smoke {
    ($($name:ident: $inputs:expr;)*) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name), $inputs);
        })*

        #[test]
        fn every_target_is_run() {
            assert_eq!(targets::ALL.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

smoke! {
    json: 20_000;
    normal: 600;
    values: 4_000;
    lanes: 3_000;
    documents: 3_000;
    ownrules: 1_000;
    guard: 20_000;
    sse: 8_000;
    inflate: 2_000;
    requests: 5_000;
    headers: 10_000;
    queries: 8_000;
    proxied: 10_000;
    tunnels: 10_000;
    questions: 4_000;
    approvals: 4_000;
    checks: 20_000;
    answers: 5_000;
    asked: 2_000;
    origins: 2_000;
    tokens: 10_000;
    claims: 3_000;
    keysets: 3_000;
    discovery: 5_000;
    servers: 5_000;
    granted: 5_000;
    forms: 10_000;
    config: 500;
    prices: 300;
    definitions: 300;
    litellm: 300;
    policies: 200;
    tools: 100;
    rules: 1_500;
    certificates: 500;
    keys: 20_000;
    handles: 20_000;
    operators: 20_000;
    webhooks: 10_000;
    messages: 3_000;
    toollists: 400;
    calls: 1_500;
    arguments: 400;
    cards: 1_500;
    said: 3_000;
    heard: 3_000;
    addresses: 2_000;
    lines: 8_000;
    profiles: 500;
    log: 3_000;
    folder: 150;
    opened: 60;
    archives: 60;
}

const FAULTY: Target = Target {
    name: "faulty",
    what: "a parser with three faults",
    seeds: || vec![b"[1,2]".to_vec()],
    words: &["[", "]", "]]"],
    max_len: 64,
    run: |bytes| match bytes {
        _ if bytes.windows(2).any(|pair| pair == b"]]") => panic!("a bracket too many"),
        _ => Ok(seen(bytes.len().min(8))),
    },
    hostile: &["["],
    floor: 1.0,
};

#[test]
fn a_fault_is_found_and_made_small() {
    let failure = fuzz(&FAULTY, Budget { inputs: 10_000, time: Duration::from_secs(20), seed: 1 }).unwrap_err();
    assert_eq!((failure.input.as_slice(), failure.said.as_str()), (&b"]]"[..], "panicked: a bracket too many"));
}

#[test]
fn a_broken_property_is_found() {
    let target = Target { run: |bytes| if bytes.len() > 20 { Err("too long".to_owned()) } else { Ok(0) }, ..FAULTY };
    let failure = fuzz(&target, Budget { inputs: 10_000, time: Duration::from_secs(20), seed: 1 }).unwrap_err();
    assert_eq!((failure.input.len(), failure.said.as_str()), (21, "too long"));
}

#[test]
fn quadratic_time_is_found() {
    let quadratic = |bytes: &[u8]| -> fuzz::Outcome {
        // The first part of what a quadratic reader does is slow enough.
        let sum = bytes.iter().take(60).map(|byte| bytes.iter().filter(|other| **other == *byte).count()).sum::<usize>();
        Ok(seen(std::hint::black_box(sum)))
    };
    let target = Target { run: quadratic, floor: 1e6, ..FAULTY };
    let slow = speed(&target).unwrap_err();
    assert_eq!((slow.target, slow.pattern), ("faulty", "["));
}

#[test]
fn a_slow_machine_moves_no_floor_far() {
    // A reader a hundred times slower than looking at every byte is slow on whatever machine this is.
    let slow = |bytes: &[u8]| -> fuzz::Outcome {
        let sum =
            bytes.iter().fold(0_u64, |sum, byte| (0..100).fold(sum, |sum, turn| sum.rotate_left(3) ^ (u64::from(*byte) + turn)));
        Ok(seen(std::hint::black_box(sum) & 1))
    };
    let target = Target { run: slow, floor: 20_000.0, ..FAULTY };
    let slow = speed(&target).unwrap_err();
    assert!(slow.found < slow.wanted, "{slow}");
    // The floor of a debug build's reader can be met by what only looks.
    let quick = Target { run: |bytes| Ok(seen(bytes.len())), floor: 20_000.0, ..FAULTY };
    speed(&quick).unwrap();
}
