//! What the kept sets really take, by the memory of a process of its own: an estimate below that would bound nothing.

use std::process::Command;

use cedar_policy::{Entities, EntityId, EntityUid};

use super::{Index, set, uid};
use crate::index::kept::Bounds;

/// Set in the process that measures: which shape.
const SHAPE: &str = "PORTCULLIS_TEST_SHAPE";
/// What a process takes beside the sets while they are made: pages of code, the allocator's own.
const NOISE: usize = 1 << 20;

/// One shape of sets.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// How many things are asked for: each has a set, enough to meet a bound.
    n_things: usize,
    /// How many policies concern all of them.
    n_shared: usize,
    /// Whether a challenge may lift one of these, so that a set is kept without it too.
    is_lifted: bool,
    condition: &'static str,
}

const SHAPES: [Shape; 3] = [
    Shape { n_things: 8_500, n_shared: 0, is_lifted: false, condition: "" },
    Shape {
        n_things: 2_400,
        n_shared: 3,
        is_lifted: true,
        condition: "when { context.size > 1 && principal in Group::\"staff\" } unless { context.wide }",
    },
    Shape {
        n_things: 700,
        n_shared: 31,
        is_lifted: false,
        condition: "when { [\"a\", \"b\"].contains(context.kind) || context.kind like \"d*\" }",
    },
];

#[expect(clippy::disallowed_methods, reason = "a test that runs itself once more")]
fn shape() -> Option<usize> {
    std::env::var(SHAPE).ok()?.parse().ok()
}

/// Bytes of this process that are in memory; Linux tells.
#[expect(clippy::disallowed_methods, reason = "a test that asks how large its process is")]
fn resident() -> usize {
    let told = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}

/// Asks for many more things than sets are kept, each with a set of its own; prints how far the process grew and what was estimated.
fn measure(Shape { n_things, n_shared, is_lifted, condition }: Shape) {
    let mut text = String::new();
    for shared in 0..n_shared {
        text.push_str(&format!("@id(\"s{shared}\") forbid (principal, action, resource) {condition};"));
    }
    for thing in 0..n_things {
        text.push_str(&format!("@id(\"h{thing}\") permit (principal, action, resource == Host::\"h{thing}\") {condition};"));
    }
    let index = Index::new(&set(&text), |id| is_lifted && id.to_string() == "policy0");
    drop(text);
    let (entities, ada, fetch) = (Entities::empty(), uid("User::\"ada\""), uid("Action::\"fetch\""));
    let kind = uid("Host::\"h\"").type_name().clone();
    let ask = |thing: usize| {
        let host = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(format!("h{thing}")));
        index.candidates(&entities, &ada, &fetch, &host).all.num_of_policies()
    };
    // What is made once by the first question is none of the sets'.
    assert_eq!(ask(0), n_shared + 1);
    let before = resident();
    let (mut most, mut estimated, mut n_sets) = (0, 0, 0);
    for round in 0..2 {
        for thing in 0..n_things {
            ask(thing);
            if thing % 256 == 0 || (round, thing) == (1, n_things - 1) {
                let (sets, bytes) = index.kept.size();
                (estimated, n_sets) = (bytes.max(estimated), sets.max(n_sets));
                most = resident().saturating_sub(before).max(most);
            }
        }
    }
    println!("grew {most} estimated {estimated} sets {n_sets}");
}

#[cfg(target_os = "linux")]
#[test]
fn default_bounds_hold_in_memory_too() {
    if let Some(shape) = shape() {
        measure(SHAPES[shape]);
        return;
    }
    let bounds = Bounds::default();
    for (at, shape) in SHAPES.iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "index::tests::memory::default_bounds_hold_in_memory_too", "--nocapture"]);
        let output = child.env(SHAPE, at.to_string()).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let line = told.lines().find(|line| line.contains("grew ")).unwrap_or_else(|| panic!("{shape:?}: {told}"));
        let after = |word: &str| -> usize {
            let mut words = line.split_whitespace().skip_while(|one| *one != word);
            words.nth(1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{line}"))
        };
        let (grew, estimated, n_sets) = (after("grew"), after("estimated"), after("sets"));
        println!("{shape:?}: {n_sets} sets, {} KiB, estimated {} KiB", grew >> 10, estimated >> 10);
        assert!(grew <= estimated + NOISE, "{shape:?}: {grew} bytes are more than the estimate of {estimated}");
        assert!(estimated <= bounds.bytes && n_sets <= bounds.sets, "{shape:?}: {estimated} bytes, {n_sets} sets");
        // The bounds were met, by bytes or by sets: else nothing was bounded here.
        assert!(
            estimated > bounds.bytes / 2 - (bounds.bytes >> 4) || n_sets > bounds.sets / 2 - 256,
            "{shape:?}: {estimated}, {n_sets}"
        );
    }
}
