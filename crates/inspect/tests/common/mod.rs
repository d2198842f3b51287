//! Shared by the tests: a second, slow implementation of `docs/SCANNERS.md`, and generated texts.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod context;
pub(crate) mod oracle;
pub(crate) mod shared;
pub(crate) mod texts;

use std::sync::Arc;

use inspect::{Lane, Scanners};
use model::{Duties, Side};

/// One link with these duties.
pub(crate) fn duties(duties: &[&str]) -> Duties {
    Duties::new(vec![duties.iter().map(|duty| duty.parse().unwrap()).collect()])
}

/// What a lane made of a text, and whether it was denied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) text: String,
    pub(crate) denied: Option<String>,
    pub(crate) hits: Vec<(String, usize, usize)>,
}

/// Runs a lane over the pieces as they stand.
pub(crate) fn run_lane<'t>(scanners: &Arc<Scanners>, duties: &Arc<Duties>, pieces: impl IntoIterator<Item = &'t str>) -> Passed {
    run(Lane::new(Arc::clone(scanners), Arc::clone(duties), Side::Response), pieces)
}

/// The same with a lane that reads text in disguise, as those of the engine do.
pub(crate) fn run_reading_lane<'t>(
    scanners: &Arc<Scanners>,
    duties: &Arc<Duties>,
    pieces: impl IntoIterator<Item = &'t str>,
) -> Passed {
    run(Lane::new(Arc::clone(scanners), Arc::clone(duties), Side::Response).with_readings(), pieces)
}

/// Runs a lane over the pieces as the engine does: every piece is taken as soon as it is stable.
fn run<'t>(mut lane: Lane, pieces: impl IntoIterator<Item = &'t str>) -> Passed {
    let mut waiting = std::collections::VecDeque::new();
    let mut released = Passed { text: String::new(), denied: None, hits: Vec::new() };
    let mut stable = 0;
    let mut step = |lane: &mut Lane, waiting: &mut std::collections::VecDeque<(std::ops::Range<u64>, &str)>| {
        assert!(lane.stable() >= stable, "stable went back");
        assert!(lane.held() <= inspect::MAX_HELD);
        stable = lane.stable();
        while let Some((range, raw)) = waiting.front() {
            let Some(piece) = lane.take(range.clone()) else {
                assert!(range.end > stable, "a stable piece was not given out");
                break;
            };
            assert!(range.end <= stable, "an unstable piece was given out");
            assert!(piece.changed || piece.text == *raw);
            released.text.push_str(&piece.text);
            waiting.pop_front();
        }
        released.hits.extend(lane.new_hits().into_iter().map(|hit| {
            assert!(hit.parts.is_empty());
            (hit.kind.as_str().to_owned(), hit.span.start, hit.span.end)
        }));
    };
    for piece in pieces {
        let range = lane.push(piece);
        waiting.push_back((range, piece));
        step(&mut lane, &mut waiting);
    }
    lane.finish();
    step(&mut lane, &mut waiting);
    released.denied = lane.denied().map(|kind| kind.as_str().to_owned());
    assert!(released.denied.is_some() || waiting.is_empty(), "text was kept back at the end");
    released.hits.sort();
    released
}
