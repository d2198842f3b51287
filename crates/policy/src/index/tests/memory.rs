//! Nothing is kept of a request: whatever clients vary, the memory of a process of its own does not grow.

use std::process::Command;

use cedar_policy::{Context, Entities, EntityId, EntityUid, Request};

use super::{Index, set, uid};
use crate::outcome::Outcome;

/// Set in the process that measures.
const MEASURES: &str = "PORTCULLIS_TEST_MEASURES";
/// So many different things are asked for.
const N_THINGS: u32 = 1_000_000;
/// What a process takes beside: pages of code, the allocator's own.
const NOISE: usize = 1 << 20;

#[expect(clippy::disallowed_methods, reason = "a test that runs itself once more")]
fn measures() -> bool {
    std::env::var(MEASURES).is_ok()
}

/// Bytes of this process that are in memory; Linux tells.
#[expect(clippy::disallowed_methods, reason = "a test that asks how large its process is")]
fn resident() -> usize {
    let told = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() << 10
}

/// Asks for a million things, half of which policies name, and prints by how much the process has grown.
fn measure() {
    let mut text = String::new();
    for number in 0..500 {
        text.push_str(&format!("permit (principal, action, resource == Host::\"h{number}\") when {{ context.size > 1 }};"));
    }
    text.push_str("forbid (principal, action, resource) when { resource == Host::\"x\" || context.size > 9 };");
    let index = Index::new(&set(&text));
    let (entities, ada, fetch) = (Entities::empty(), uid("User::\"ada\""), uid("Action::\"fetch\""));
    let kind = uid("Host::\"h\"").type_name().clone();
    let context = Context::from_json_value(serde_json::json!({"size": 2}), None).unwrap();
    let ask = |thing: u32| {
        let id = if thing.is_multiple_of(2) { format!("h{}", thing % 500) } else { format!("other{thing}") };
        let host = EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
        let request = Request::new(ada.clone(), fetch.clone(), host.clone(), context.clone(), None).unwrap();
        let outcome = Outcome::of(index.candidates(&entities, &ada, &fetch, &host), &request, &entities);
        assert_eq!((outcome.permits.len(), outcome.errors.len()), (usize::from(thing.is_multiple_of(2)), 0));
    };
    (0..10_000).for_each(ask);
    let before = resident();
    (10_000..N_THINGS).for_each(ask);
    println!("grew {}", resident().saturating_sub(before));
}

#[cfg(target_os = "linux")]
#[test]
fn a_million_things_leave_nothing_behind() {
    if measures() {
        measure();
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "index::tests::memory::a_million_things_leave_nothing_behind", "--nocapture"]);
    let output = child.env(MEASURES, "1").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let grew = told.split_whitespace().skip_while(|word| *word != "grew").nth(1);
    let grew: usize = grew.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{told}"));
    assert!(grew <= NOISE, "{grew} bytes more after a million requests");
}
