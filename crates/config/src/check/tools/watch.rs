//! How often each tool server is asked what it announces.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Name;

use crate::check::Report;
use crate::problem::{Path, shown};
use crate::raw;
use crate::raw_tools::Watch;

/// Between two looks, if operators say nothing.
const USUAL: u64 = 300;
/// The shortest and the longest time between two looks.
const BOUNDS: std::ops::RangeInclusive<u64> = 10..=86_400;

/// Every server that is reached through the gate: how long after one look it is asked again; `None` if operators do not want that.
pub(in crate::check) fn watched(file: &raw::File, report: &mut Report<'_>) -> BTreeMap<Name, Option<Duration>> {
    let mut watched = BTreeMap::new();
    for (key, raw) in &file.tool_servers {
        let path = Path::of(&["tool_servers", key, "watch"]);
        let seconds = match &raw.watch {
            None => Some(USUAL),
            Some(_) if raw.upstream.is_none() => {
                report.key_problem(&path, "there is nobody to ask: the server has no `upstream`");
                continue;
            }
            Some(Watch::Word(word)) if word == "off" => None,
            Some(Watch::Seconds(seconds)) if BOUNDS.contains(seconds) => Some(*seconds),
            Some(Watch::Seconds(seconds)) => {
                report.problem(&path, format!("{seconds} is out of bounds: expected 10 to 86,400 seconds, or `off`"));
                continue;
            }
            Some(Watch::Word(word)) => {
                report.problem(&path, format!("expected seconds, or `off`, not `{}`", shown(word)));
                continue;
            }
        };
        if let (Ok(name), true) = (Name::new(key), raw.upstream.is_some()) {
            watched.insert(name, seconds.map(Duration::from_secs));
        }
    }
    watched
}
