//! `backup` and `restore`: the data folder as one file, and back. The work is the store's; here is who is asked and what is told.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::Method;
use model::UnixMillis;
use serde_json::json;
use store::{ArchiveError, Manifest, Moved, Passphrase, Restored};

use crate::admin_client::{self, AdminAnswer};
use crate::bring;
use crate::cli::{Backup, Restore};
use crate::commands::Exit;
use crate::files;
use crate::gate::now;
use crate::output;

/// The variable that may hold the passphrase.
const VARIABLE: &str = "PORTCULLIS_BACKUP_PASSPHRASE";
/// Work that takes longer says how far it is, as often.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes the folder into a file.
pub(crate) async fn backup(data: &Path, options: &Backup, json: bool) -> anyhow::Result<Exit> {
    let passphrase = match options.with_keys {
        true => Some(
            passphrase(options.passphrase_file.as_deref())?
                .with_context(|| format!("`--with-keys` needs a passphrase: `--passphrase-file FILE` or {VARIABLE}"))?,
        ),
        false => None,
    };
    let target = if options.target.is_dir() { options.target.join(name(now())) } else { options.target.clone() };
    let (folder, path) = (data.to_owned(), target.clone());
    let runtime = tokio::runtime::Handle::current();
    let files = bring::config_files(data);
    let (inside, outside) = (files.inside, files.outside);
    let written = tokio::task::spawn_blocking(move || write(&folder, &path, &inside, passphrase.as_ref(), &runtime)).await?;
    let manifest = match written {
        Ok(manifest) => manifest,
        Err(error) => return refused(error, json),
    };
    let verifier = fs::read_to_string(data.join("log/verifier")).unwrap_or_default();
    let bytes = fs::metadata(&target).map_or(0, |metadata| metadata.len());
    if json {
        output::line(
            &json!({"file": target, "bytes": bytes, "members": manifest.members.len(), "entries": manifest.entries,
                "has_keys": manifest.has_keys, "made": manifest.made, "verifier": verifier.trim_end(), "left_out": outside})
            .to_string(),
        );
    } else {
        let keys = if manifest.has_keys { "with the keys, sealed" } else { "without keys: keep `keys/` apart" };
        output::line(&format!(
            "wrote {file}: {entries} entries, {members} files, {size}, {keys}\n\n  verifier     {verifier}\n               keep it apart: `restore --verifier` then refuses an archive of any other log\n  next         portcullis restore {file} --data NEW --dry-run",
            file = target.display(),
            entries = manifest.entries,
            members = manifest.members.len(),
            size = output::bytes(bytes),
            verifier = verifier.trim_end(),
        ));
        for file in &outside {
            output::note(&format!("warning: `{file}` is not in it: it lies outside of the folder, keep it apart"));
        }
    }
    Ok(Exit::Ok)
}

/// A name that sorts by time.
fn name(now: UnixMillis) -> String {
    format!("portcullis-{}.tar", output::time(now.0).replace([' ', ':'], "-"))
}

fn write(
    data: &Path,
    target: &Path,
    config: &[String],
    passphrase: Option<&Passphrase>,
    runtime: &tokio::runtime::Handle,
) -> Result<Manifest, ArchiveError> {
    let failed = |act: &'static str| {
        let path = target.to_path_buf();
        move |source| ArchiveError::Io { act, path, source }
    };
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(failed("make"))?;
    let written = archive(data, &file, config, passphrase, runtime);
    let written = written.and_then(|manifest| file.sync_all().map_err(failed("sync")).map(|()| manifest));
    if written.is_err() {
        // Half an archive is none; nobody shall take it for one.
        fs::remove_file(target).ok();
    }
    written
}

fn archive(
    data: &Path,
    file: &File,
    config: &[String],
    passphrase: Option<&Passphrase>,
    runtime: &tokio::runtime::Handle,
) -> Result<Manifest, ArchiveError> {
    let options = store::Backup { config, passphrase, version: env!("CARGO_PKG_VERSION"), now: now() };
    let body = json!({"keys": passphrase.is_some()});
    let mut seal = || {
        let asked = runtime.block_on(admin_client::call_socket(data, Method::POST, "/admin/v1/backup", Some(&body)));
        match asked {
            Ok(AdminAnswer::Done(_)) => Ok(()),
            Ok(AdminAnswer::Refused { code, message }) => Err(format!("{code}: {message}")),
            Err(error) => Err(format!("{error:#}")),
        }
    };
    let mut out = BufWriter::new(file);
    let mut telling = Telling::new("copied");
    let manifest = store::backup(data, &mut out, &options, &mut seal, &mut |moved| telling.tell(moved))?;
    out.flush().map_err(|source| ArchiveError::Io { act: "write", path: data.to_path_buf(), source })?;
    Ok(manifest)
}

/// Makes a folder from a file.
pub(crate) async fn restore(data: &Path, options: &Restore, json: bool) -> anyhow::Result<Exit> {
    let passphrase = if options.without_keys { None } else { passphrase(options.passphrase_file.as_deref())? };
    let (dir, file, keys) = (data.to_owned(), options.file.clone(), options.keys.clone());
    let (verifier, dry_run, without_keys) = (options.verifier.clone(), options.dry_run, options.without_keys);
    let restored = tokio::task::spawn_blocking(move || {
        let options = store::Restore {
            passphrase: passphrase.as_ref(),
            without_keys,
            keys: keys.as_deref(),
            trusted: verifier.as_deref(),
            dry_run,
            length: fs::metadata(&file).ok().map(|metadata| metadata.len()),
            version: env!("CARGO_PKG_VERSION"),
            now: now(),
        };
        let opened = File::open(&file).map_err(|source| ArchiveError::Io { act: "read", path: file.clone(), source })?;
        let mut telling = Telling::new("read");
        store::restore(&mut BufReader::new(opened), &dir, &options, &mut |moved| telling.tell(moved))
    });
    match restored.await? {
        Ok(restored) => tell(data, options, &restored, json),
        Err(error) => return refused(error, json),
    }
    Ok(Exit::Ok)
}

fn tell(data: &Path, options: &Restore, restored: &Restored, json: bool) {
    let Restored { manifest, report, has_keys } = restored;
    if json {
        output::line(
            &json!({"data": data, "restored": !options.dry_run, "made": manifest.made, "version": manifest.version,
                "entries": report.entries, "contents": report.contents, "erased": report.erased, "unchecked": report.unchecked,
                "has_keys": has_keys})
            .to_string(),
        );
        return;
    }
    let done = if options.dry_run { "sound, nothing put in place:" } else { "restored" };
    output::line(&format!(
        "{done} {folder}: as of {made}, {entries} entries and {contents} contents verified, {erased} erased on record",
        folder = data.display(),
        made = output::time(manifest.made.0),
        entries = report.entries,
        contents = report.contents,
        erased = report.erased,
    ));
    if !has_keys {
        output::line(&format!(
            "\n  keys         none: {} contents were not looked into, and no gate starts before the key files are in {}/keys (0600)",
            report.unchecked,
            data.display()
        ));
    }
    output::line(&format!(
        "\n  not in it    locks, revocations, new credentials and erasures after that time: do them again before the gate starts\n  next         portcullis --data {} check",
        data.display()
    ));
}

/// An archive that is no good is the input's fault.
fn refused(error: ArchiveError, json: bool) -> anyhow::Result<Exit> {
    let is_input =
        !matches!(error, ArchiveError::Io { .. } | ArchiveError::Store(_) | ArchiveError::Seal(_) | ArchiveError::Restless);
    if !is_input {
        return Err(error.into());
    }
    if json {
        output::line(&json!({"error": {"message": error.to_string()}}).to_string());
    } else {
        output::note(&format!("error: {error}"));
    }
    Ok(Exit::Invalid)
}

/// From the file that was named, else from the environment; `None` if from neither.
fn passphrase(file: Option<&Path>) -> anyhow::Result<Option<Passphrase>> {
    let text = match file {
        Some(path) => Some(files::read_secret_file(path)?),
        None => std::env::var(VARIABLE).ok(),
    };
    match text.as_deref().map(Passphrase::new).transpose() {
        Ok(passphrase) => Ok(passphrase),
        Err(error) => bail!("{error}"),
    }
}

/// Says how far long work has come, to whoever sits there.
struct Telling {
    what: &'static str,
    told: Instant,
    is_watched: bool,
}

impl Telling {
    fn new(what: &'static str) -> Self {
        Self { what, told: Instant::now(), is_watched: io::stderr().is_terminal() }
    }

    fn tell(&mut self, moved: Moved) {
        if self.is_watched && self.told.elapsed() > PATIENCE {
            self.told = Instant::now();
            let of = moved.of.map_or_else(String::new, |of| format!(" of {}", output::bytes(of)));
            output::note(&format!("{} {}{of}", self.what, output::bytes(moved.bytes)));
        }
    }
}
