//! What operators and their programs send to the admin API.

use std::fmt::Debug;

use gateway::admin::{ApplySpec, KeySpec, LogQuery, UsageQuery};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::log::stated;
use super::{Outcome, Target, ensure, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "operators",
    what: "bodies of the admin API: what is read is what was written, and nothing that is not known is passed over",
    seeds: || {
        texts(&[
            r#"{"principal":"agent:desk","on_behalf_of":"user:ada","expires_in":3600}"#,
            r#"{"dry_run":true,"bundle":"previous","allow_removal":true}"#,
            r#"{"request":"x","principal":"user:ada","verdict":"deny","reason":"policy-denied","since":1,"limit":10}"#,
            r#"{"by":"model","since":1}"#,
            "{}",
        ])
    },
    words: &[
        "\"principal\":",
        "\"on_behalf_of\":",
        "\"expires_in\":",
        "\"dry_run\":true",
        "\"bundle\":",
        "\"limit\":",
        "\"since\":",
        "\"by\":",
        "\"more\":1",
        "18446744073709551616",
        "-1",
        "1.0",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0000",
    ],
    max_len: 1000,
    run,
    hostile: &["{\"by\":", "[", "\"a\",", "\\u0061"],
    floor: 1000.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let ways = [known::<KeySpec>(bytes)?, known::<ApplySpec>(bytes)?, known::<LogQuery>(bytes)?, known::<UsageQuery>(bytes)?];
    let words =
        serde_json::from_slice::<KeySpec>(bytes).err().map(|error| error.to_string().chars().take(24).collect::<String>());
    Ok(seen((ways, words)))
}

/// Whether it reads; then there is no member in it that the type does not have.
fn known<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Result<bool, String> {
    if !stated::<T>(bytes)? {
        return Ok(false);
    }
    let written = serde_json::from_slice::<T>(bytes).ok().and_then(|read| serde_json::to_value(read).ok());
    let told: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    // A list is a second form of these bodies to the library; it has no names.
    let members = told.as_ref().and_then(serde_json::Value::as_object);
    let strange = members.into_iter().flatten().find(|(name, value)| {
        let is_known = written.as_ref().is_some_and(|written| written.get(name.as_str()).is_some());
        !is_known && !value.is_null()
    });
    ensure(strange.is_none(), || format!("{:?} is passed over", strange.map(|(name, _)| name)))?;
    Ok(true)
}
