//! Certificates of the listeners: read from their files, and read again when those change.
//!
//! The gate looks every two seconds, because whoever renews certificates seldom tells. A pair that cannot be used changes
//! nothing: the last good one stays, and the log, `/metrics`, `status` and `doctor` say so.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::{Listen, Settings, Tls};
use gateway::tls::{self, Material, TlsListener};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::bring::Problems;
use crate::files;
use crate::gate::{Gate, now};

/// How often the gate looks at the files.
const INTERVAL: Duration = Duration::from_secs(2);
/// Longest PEM file, in bytes.
const MAX_PEM: usize = 1 << 20;
/// Days before its end at which a certificate is worth a word.
const SOON: u64 = 14;

/// The certificates of all listeners.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    listeners: Vec<Listener>,
}

/// One listener with TLS.
#[derive(Debug)]
struct Listener {
    /// `data` or `admin`.
    plane: &'static str,
    files: Files,
    tls: Arc<TlsListener>,
    /// What the files looked like when they were read last, and what was wrong with them. A poisoned lock means that a thread
    /// panicked while it held it; what is there is from before.
    seen: Mutex<(Stamp, Option<String>)>,
}

/// The files of one listener.
#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// Device, inode, size and both times of each file; a file that is not there is `None`.
type Stamp = Vec<Option<[i64; 4]>>;

impl Files {
    fn of(data: &Path, tls: &Tls) -> Self {
        Self {
            certificate: data.join(&tls.certificate),
            key: data.join(&tls.key),
            client_ca: tls.client_ca.as_ref().map(|file| data.join(file)),
        }
    }

    fn stamp(&self) -> Stamp {
        let paths = [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()];
        let stamp = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            let number = metadata.ino().cast_signed() ^ metadata.dev().cast_signed().rotate_left(32);
            let nanos = |seconds: i64, nanos: i64| seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos);
            let changed = nanos(metadata.ctime(), metadata.ctime_nsec());
            Some([number, metadata.len().cast_signed(), nanos(metadata.mtime(), metadata.mtime_nsec()), changed])
        };
        paths.into_iter().flatten().map(stamp).collect()
    }

    /// Reads the files and hands their texts on; one line about what was wrong.
    fn with<T>(&self, take: impl FnOnce(&Material<'_>) -> Result<T, tls::UnusableMaterial>) -> Result<T, String> {
        let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let read = |path: &Path| files::read_bounded(path, MAX_PEM).map_err(|error| told(path, error));
        let certificate = read(&self.certificate)?;
        let key = files::read_private(&self.key, MAX_PEM).map_err(|error| told(&self.key, error))?;
        let client_ca = self.client_ca.as_deref().map(read).transpose()?;
        let material = Material { certificate: &certificate, key: &key, client_ca: client_ca.as_deref() };
        take(&material).map_err(|error| error.to_string())
    }
}

impl Certificates {
    /// Reads what the listeners show.
    pub(crate) fn load(data: &Path, settings: &Settings) -> Result<Self, Problems> {
        let limits = &settings.limits;
        let mut problems = Vec::new();
        let mut listeners = Vec::new();
        for (plane, field, tls) in planes(&settings.listen) {
            let files = Files::of(data, tls);
            // Before they are read: a change in between is then seen as one.
            let stamp = files.stamp();
            match files.with(|material| TlsListener::new(material, limits.handshakes, limits.handshake)) {
                Ok(tls) => listeners.push(Listener { plane, files, tls: Arc::new(tls), seen: Mutex::new((stamp, None)) }),
                Err(problem) => problems.push(format!("{field}: {problem}")),
            }
        }
        if problems.is_empty() { Ok(Self { listeners }) } else { Err(problems) }
    }

    /// TLS of the data plane.
    pub(crate) fn data(&self) -> Option<Arc<TlsListener>> {
        self.of("data")
    }

    /// TLS of the admin API.
    pub(crate) fn admin(&self) -> Option<Arc<TlsListener>> {
        self.of("admin")
    }

    fn of(&self, plane: &str) -> Option<Arc<TlsListener>> {
        self.listeners.iter().find(|listener| listener.plane == plane).map(|listener| Arc::clone(&listener.tls))
    }

    /// Looks whether files have changed, and shows what is new and good. Reads files.
    pub(crate) fn look(&self) {
        self.listeners.iter().for_each(Listener::look);
    }

    /// What each listener shows, for `status`.
    pub(crate) fn status(&self) -> Value {
        let row = |listener: &Listener| {
            let expires = listener.tls.not_after().map(|seconds| seconds.saturating_mul(1000));
            json!({"plane": listener.plane, "expires": expires, "problem": listener.problem()})
        };
        self.listeners.iter().map(row).collect()
    }

    /// Metrics in the Prometheus text format; nothing without TLS.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        if self.listeners.is_empty() {
            return text;
        }
        // Writing to a String cannot fail.
        writeln!(text, "# TYPE portcullis_tls_handshakes_total counter").ok();
        for Listener { plane, tls, .. } in &self.listeners {
            let counts = tls.counts();
            for (result, count) in [("done", counts.done), ("failed", counts.failed), ("given_up", counts.given_up)] {
                let labels = format!("plane=\"{plane}\",result=\"{result}\"");
                writeln!(text, "portcullis_tls_handshakes_total{{{labels}}} {count}").ok();
            }
        }
        writeln!(text, "# TYPE portcullis_tls_certificate_stale gauge").ok();
        for listener in &self.listeners {
            let is_stale = u8::from(listener.problem().is_some());
            writeln!(text, "portcullis_tls_certificate_stale{{plane=\"{}\"}} {is_stale}", listener.plane).ok();
        }
        writeln!(text, "# TYPE portcullis_tls_certificate_expiry_seconds gauge").ok();
        for Listener { plane, tls, .. } in &self.listeners {
            if let Some(end) = tls.not_after() {
                writeln!(text, "portcullis_tls_certificate_expiry_seconds{{plane=\"{plane}\"}} {end}").ok();
            }
        }
        text
    }
}

impl Listener {
    fn problem(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn look(&self) {
        let stamp = self.files.stamp();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 == stamp {
            return;
        }
        let plane = self.plane;
        let problem = self.files.with(|material| self.tls.replace(material)).err();
        match &problem {
            None => tracing::info!(plane, "new connections get the new certificate"),
            Some(problem) => tracing::warn!(plane, problem, "the new certificate cannot be used, the last good one stays"),
        }
        *seen = (stamp, problem);
    }
}

/// The listeners with TLS: plane, field, files.
fn planes(listen: &Listen) -> impl Iterator<Item = (&'static str, &'static str, &Tls)> {
    let data = listen.tls.as_ref().map(|tls| ("data", "listen.tls", tls));
    let admin = listen.admin_tls.as_ref().map(|tls| ("admin", "listen.admin_tls", tls));
    data.into_iter().chain(admin)
}

/// What is wrong with the files on disk, or what is worth a word: an end that is near.
pub(crate) fn check(data: &Path, listen: &Listen) -> Result<Vec<String>, Problems> {
    let (mut warnings, mut problems) = (Vec::new(), Vec::new());
    for (_, field, tls) in planes(listen) {
        match Files::of(data, tls).with(tls::check) {
            Ok(not_after) => warnings.extend(not_after.and_then(|end| near(field, end, now().0 / 1000))),
            Err(problem) => problems.push(format!("{field}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(warnings) } else { Err(problems) }
}

/// A line about a certificate that has ended at `now` or soon will; both in seconds.
fn near(field: &str, end: u64, now: u64) -> Option<String> {
    let days = end.saturating_sub(now) / 86_400;
    match end <= now {
        true => Some(format!("{field}: the certificate has expired, clients refuse it")),
        false if days < SOON => Some(format!("{field}: the certificate expires in {days} days")),
        false => None,
    }
}

/// Looks every two seconds until the gate stops. Reading files may wait for a disk, so a thread for waiting does it.
pub(crate) async fn watch(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    if gate.certificates.listeners.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let gate = Arc::clone(&gate);
        if tokio::task::spawn_blocking(move || gate.certificates.look()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn an_end_that_is_near_is_told() {
        let day = 86_400;
        assert_eq!(near("listen.tls", 100 * day, 10 * day), None);
        assert_eq!(near("f", 100 * day, 95 * day).as_deref(), Some("f: the certificate expires in 5 days"));
        assert_eq!(near("f", day, day).as_deref(), Some("f: the certificate has expired, clients refuse it"));
    }
}
