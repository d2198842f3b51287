//! What can be seen of a folder without asking anybody.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use config::Settings;
use store::Audit;

use crate::doctor::{Findings, State};
use crate::files;
use crate::output;
use crate::retention;

/// Free bytes below which the gate refuses calls (the store's reserve), and below which somebody should look.
const SPACE_BAD: u64 = 64 << 20;
const SPACE_LOW: u64 = 1 << 30;
/// 2025-01-01, in seconds: before it no clock is right.
const EARLIEST: u64 = 1_735_689_600;
/// How far the newest checkpoint may lie in the future, in seconds.
const SKEW: u64 = 5;

/// Who can read and write what.
pub(super) fn permissions(data: &Path, findings: &mut Findings) {
    let mut exposed = Vec::new();
    let mut look = |path: &Path, forbidden: u32| {
        if let Some(mode) = files::mode(path).filter(|mode| mode & forbidden != 0) {
            exposed.push((path.display().to_string(), mode));
        }
    };
    look(data, 0o022);
    for name in [
        "keys",
        "log",
        "content",
        "credentials",
        "bundles",
        "issuers",
        "quickstart.env",
        "admin.sock",
        "projection.db",
        "content/subjects",
    ] {
        look(&data.join(name), 0o077);
    }
    for item in fs::read_dir(data.join("keys")).into_iter().flatten().flatten() {
        look(&item.path(), 0o177);
    }
    look(&data.join("credentials/kept"), 0o077);
    for name in ["portcullis.yaml", "policies"] {
        look(&data.join(name), 0o022);
    }
    for (path, mode) in &exposed {
        let message = format!("{path} has mode {mode:03o}: others than the gate's user can read or change it");
        findings.add("permissions", State::Bad, message, format!("chmod go-rwx {path}"));
    }
    if exposed.is_empty() {
        findings.ok("permissions", "keys, log and credential files are the owner's alone");
    }
    if let Err(error) = files::check_owner(data) {
        findings.add("permissions", State::Bad, error.to_string(), "run doctor as the gate's user");
    }
    if let Ok(length) = fs::metadata(data.join("credentials/kept")).map(|metadata| metadata.len())
        && length > 0
    {
        findings.note("credentials", "credentials/kept holds credentials for upstreams, encrypted: `portcullis credential list`");
    }
    let handed = data.join("quickstart.env");
    if handed.exists() {
        let message = format!("{} holds working credentials", handed.display());
        findings.add("credentials", State::Warn, message, "before real use: `portcullis key expire` each, then remove the file");
    } else {
        findings.ok("credentials", "no file with credentials is left over");
    }
}

/// Room for the log.
pub(super) fn space(data: &Path, findings: &mut Findings) {
    match files::free(data) {
        Err(error) => findings.add("space", State::Bad, format!("cannot be told: {error}"), ""),
        Ok(free) => {
            let message = format!("{} free", output::bytes(free));
            match free {
                0..SPACE_BAD => findings.add(
                    "space",
                    State::Bad,
                    format!("{message}: calls are refused below {}", output::bytes(SPACE_BAD)),
                    "make room",
                ),
                SPACE_BAD..SPACE_LOW => findings.add("space", State::Warn, message, "make room: the log only grows"),
                _ => findings.ok("space", message),
            }
        }
    }
}

/// A clock that is wrong makes credentials valid that are not.
pub(super) fn clock(data: &Path, findings: &mut Findings) {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = seconds(SystemTime::now());
    let newest = fs::metadata(data.join("log/checkpoint")).and_then(|metadata| metadata.modified()).map_or(0, seconds);
    let shown = output::time(now.saturating_mul(1000));
    if now < EARLIEST {
        findings.add("clock", State::Bad, format!("it says {shown}"), "set the clock: expiries are judged by it");
    } else if newest > now.saturating_add(SKEW) {
        let message = format!(
            "it says {shown}, and the newest checkpoint is of {}: it went back",
            output::time(newest.saturating_mul(1000))
        );
        findings.add("clock", State::Bad, message, "set the clock: expiries are judged by it");
    } else {
        findings.ok("clock", shown);
    }
}

/// Format, log, contents, and what is older than it may become.
pub(super) fn log(data: &Path, quick: bool, settings: Option<&Settings>, findings: &mut Findings) {
    let audit = match Audit::open_offline(data, None) {
        Ok(audit) => audit,
        Err(error) => return findings.add("log", State::Bad, error.to_string(), "portcullis init, or restore a backup"),
    };
    match audit.format() {
        Ok((found, known)) if found == known => findings.ok("format", format!("{found}")),
        Ok((found, known)) => findings
            .note("format", format!("{found}: the next start brings it to {known}, older versions then no longer read it")),
        Err(error) => findings.add("format", State::Bad, error.to_string(), ""),
    }
    if quick {
        findings.note("log", "not read: --quick");
    } else {
        let report = audit.verify();
        for problem in &report.problems {
            findings.add("log", State::Bad, problem, "keep it as evidence; restore a backup beside it");
        }
        if report.problems.is_empty() {
            findings.ok(
                "log",
                format!(
                    "{} entries and {} contents verified, {} erased on record",
                    report.entries, report.contents, report.erased
                ),
            );
        }
    }
    let Some(settings) = settings else { return };
    let Some(kept) = retention::of(settings) else {
        return findings.note("retention", "content is kept until its subject is erased");
    };
    match audit.aged(kept, crate::gate::now()) {
        Err(what) => findings.note("retention", format!("{} days; the keys cannot be read: {what}", kept.days)),
        Ok((keys, aged)) if aged.is_empty() => {
            findings.ok("retention", format!("{} days; {keys} keys, none is older", kept.days))
        }
        Ok((keys, aged)) => {
            let message = format!("{} days; {} of {keys} keys are older", kept.days, aged.len());
            findings.add(
                "retention",
                State::Warn,
                message,
                "a running gate erases them within the hour; now: portcullis retention",
            );
        }
    }
}
