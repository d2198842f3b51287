//! Tool servers over stdio: what they write, and the profiles of their sandboxes.

use ::config::{Texts, sandbox_profile};
use bridge::{Heard, heard, with};

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const LINES: Target = Target {
    name: "lines",
    what: "lines that tool servers write: an answer bears the id that it is given on the way, and is otherwise as it was",
    seeds: || {
        texts(&[
            "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[]}}",
            "{\"id\":\"7\",\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"no\"}}",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":12,\"progress\":1}}",
            "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}",
            "Listening on stdio",
        ])
    },
    words: &[
        "\"jsonrpc\":\"2.0\"",
        "\"id\":",
        "\"result\":",
        "\"error\":",
        "\"progressToken\":",
        "notifications/progress",
        "{",
        "}",
        "-0",
        "1e2",
        "null",
        "\\u0000",
    ],
    max_len: 1500,
    run: line,
    hostile: &["{\"id\":", "[", "\"a\":1,"],
    floor: 1000.0,
};

fn line(bytes: &[u8]) -> Outcome {
    let Ok(read) = heard(bytes) else { return Ok(seen("none")) };
    let (at, given) = match &read {
        Heard::Answer { at: Some(at), .. } => (at, "\"the caller's\""),
        Heard::Progress { at, .. } => (at, "4711"),
        Heard::Answer { at: None, .. } | Heard::Told | Heard::Asked { .. } => return Ok(seen("no place")),
    };
    let changed = with(bytes, &[(at, given)]).ok_or("its place is none")?;
    let again = heard(&changed).map_err(|fault| format!("no message any more: {fault}"))?;
    let is_given = match &again {
        Heard::Answer { number, .. } => number.is_none(),
        Heard::Progress { number, .. } => *number == 4711,
        Heard::Told | Heard::Asked { .. } => false,
    };
    ensure(is_given, || format!("{read:?} became {again:?}"))?;
    let is_kept =
        changed.len() + at.len() == bytes.len() + given.len() && changed.starts_with(bytes.get(..at.start).unwrap_or_default());
    ensure(is_kept, || "more than its place has changed".to_owned())?;
    Ok(seen(("changed", matches!(read, Heard::Answer { .. }))))
}

pub(super) const PROFILES: Target = Target {
    name: "profiles",
    what: "profiles of sandboxes: one that is read allows nothing that nobody wrote, or problems that have a place in the file",
    seeds: || {
        texts(&[
            "{}\n",
            "files: {read: [/srv], write: [data], tmp_mb: 0}\nenv: {pass: [LANG], set: {A: b}}\nlimits: {memory_mb: 64}\nnetwork: none\n",
            "report: calls\ndanger:\n  without: [seccomp, landlock-tcp]\n",
        ])
    },
    words: &[
        "files:", "read:", "write:", "execute:", "env:", "pass:", "set:", "limits:", "danger:", "without:", "network:",
        "report:", "none", "seccomp", "..", "~", "/", "[", "]", "{", "}", "\n", "&a ", "*a",
    ],
    max_len: 3000,
    run: profile,
    hostile: &["[", "{", "- ", "a: ", "files: {read: ["],
    floor: 100.0,
};

fn profile(bytes: &[u8]) -> Outcome {
    let source = Texts::new().with("p.yaml", bytes.to_vec());
    let problems = match sandbox_profile(&source, "p.yaml") {
        Ok(profile) => {
            let named = profile.read.iter().chain(&profile.write).chain(&profile.execute);
            let is_plain = |path: &String| !path.is_empty() && !path.contains('\0') && !path.split('/').any(|part| part == "..");
            ensure(named.clone().all(is_plain), || format!("{profile:?}"))?;
            return Ok(seen(("good", profile.without.len(), named.count())));
        }
        Err(problems) => problems,
    };
    ensure(!problems.is_empty(), || "refused without a word".to_owned())?;
    let is_placed = |problem: &::config::Problem| problem.position.line >= 1 && !problem.to_string().contains('\n');
    ensure(problems.iter().all(is_placed), || format!("{problems:?}"))?;
    ensure(!problems.iter().any(|problem| problem.message.contains("please report this")), || format!("{problems:?}"))?;
    Ok(seen(("bad", problems.len())))
}
