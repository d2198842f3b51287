//! A data folder in which somebody changed one file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use evidence::{EntryKind, Header, OutcomeResult};
use model::{AdminAct, Bundle, Chain, Digest, PrincipalId, Registry, RequestId, UnixMillis};
use store::{Audit, By, Content, Draft, Options, Store};
use tempfile::TempDir;

use super::{Outcome, Target, ensure, seen};

pub(super) const TARGET: Target = Target {
    name: "folder",
    what: "journal, tiles, checkpoint, contents, keys, bundles of a data folder: the check ends, and an altered tree is noticed",
    seeds: || SOUND.as_ref().map(|sound| sound.inputs.clone()).unwrap_or_default(),
    words: &["\u{0}", "\u{0}\u{0}\u{0}\u{0}", "\u{1}", "\n", "{", "}", ":", "\"", ",", "sk_", "AAAA", "\u{2014} "],
    max_len: 40_000,
    run,
    hostile: &[],
    floor: 0.0,
};

pub(super) const OPENED: Target = Target {
    name: "opened",
    what: "the same files where a gate starts on them: it opens the folder or refuses it, and goes on only soundly",
    run: opened,
    ..TARGET
};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// A sound folder, and one input for each of its files: the file's number, then its bytes.
#[derive(Debug)]
struct Sound {
    folder: TempDir,
    files: Vec<PathBuf>,
    inputs: Vec<Vec<u8>>,
    /// One input at a time.
    turn: Mutex<()>,
}

static SOUND: LazyLock<Result<Sound, String>> = LazyLock::new(sound);

fn options() -> Options {
    Options { clock: Arc::new(|| NOW), reserve: 0, seal_every: Duration::from_secs(3600), ..Options::default() }
}

fn draft(number: u8, kind: EntryKind) -> Draft {
    let links = ["user:alice", "agent:travel"].iter().filter_map(|link| link.parse::<PrincipalId>().ok()).collect();
    let header = Header {
        request: Some(RequestId::new(NOW, [number; 10])),
        chain: Chain::new(links).ok(),
        result: (kind == EntryKind::Outcome).then_some(OutcomeResult::Executed),
        ..Header::new(kind, NOW)
    };
    let content = Content::of(&header, format!("content {number}").into_bytes());
    Draft { header, content: Some(content) }
}

/// A sound folder, closed.
pub(super) fn made() -> Result<TempDir, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let folder = tempfile::tempdir().map_err(|error| words(&error))?;
    Store::init(folder.path(), NOW).map_err(|error| words(&error))?;
    let store = Store::open(folder.path(), options()).map_err(|error| words(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| words(&error))?;
    for number in 0..6 {
        runtime.block_on(store.log.accept(draft(number, EntryKind::Intent))).map_err(|error| words(&error))?;
        store.log.submit(draft(number, EntryKind::Outcome));
    }
    let bundle = Bundle {
        format: 1,
        registry: Registry::default(),
        policies: [("a.cedar".to_owned(), "// none".to_owned())].into(),
        rules: model::RuleFiles::default(),
    };
    let digest: Digest = store.bundles().put(&bundle).map_err(|error| words(&error))?;
    let applied = store.administer(AdminAct::BundleApplied { digest }, By::default());
    runtime.block_on(applied).map_err(|error| words(&error))?;
    store.close().map_err(|error| words(&error))?;
    Ok(folder)
}

fn sound() -> Result<Sound, String> {
    let folder = made()?;
    let files = files(folder.path())?;
    let mut inputs = Vec::new();
    for (number, file) in (0_u8..).zip(&files) {
        let bytes = std::fs::read(folder.path().join(file)).map_err(|error| error.to_string())?;
        inputs.push([vec![number], bytes].concat());
    }
    ensure(problems(folder.path()).is_empty(), || format!("not sound: {}", problems(folder.path())))?;
    Ok(Sound { folder, files, inputs, turn: Mutex::default() })
}

/// Every file but those that can be rebuilt.
fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut folders, mut files) = (vec![root.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
            let path = item.map_err(|error| error.to_string())?.path();
            let name = path.strip_prefix(root).unwrap_or(&path).to_path_buf();
            let is_left_out = name.to_string_lossy().starts_with("projection.db") || name.as_os_str() == "lock";
            if path.is_dir() {
                folders.push(path)
            } else if !is_left_out {
                files.push(name)
            }
        }
    }
    files.sort();
    Ok(files)
}

fn problems(folder: &Path) -> String {
    match Audit::open_offline(folder, None) {
        Ok(audit) => audit.verify().problems.join("\n"),
        Err(error) => format!("not opened: {error}"),
    }
}

fn run(bytes: &[u8]) -> Outcome {
    let sound = SOUND.as_ref().map_err(Clone::clone)?;
    let Some((number, altered)) = bytes.split_first() else { return Ok(0) };
    let number = usize::from(*number) % sound.files.len().max(1);
    let (Some(file), Some(input)) = (sound.files.get(number), sound.inputs.get(number)) else { return Ok(0) };
    let whole = input.get(1..).unwrap_or_default();
    // A panic of another input is that input's; the folder is made whole again below.
    let _turn = sound.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let write = |bytes: &[u8]| std::fs::write(sound.folder.path().join(file), bytes).map_err(|error| error.to_string());
    write(altered)?;
    let found = std::panic::catch_unwind(|| problems(sound.folder.path()));
    write(whole)?;
    let found = found.map_err(|_| format!("a panic over `{}`", file.display()))?;
    let is_tree = file.starts_with("log/tile") || file.starts_with("log/checkpoint");
    // Other signatures may stand beside ours in a checkpoint.
    let is_more = file.starts_with("log/checkpoint") && altered.starts_with(whole);
    let is_noticed = altered == whole || is_more || !is_tree || !found.is_empty();
    ensure(is_noticed, || format!("`{}` was altered, and nobody noticed", file.display()))?;
    let first = found.lines().next().unwrap_or_default();
    let kind: String = first.chars().filter(|character| !character.is_ascii_digit()).take(60).collect();
    Ok(seen((number, kind)))
}

fn opened(bytes: &[u8]) -> Outcome {
    let sound = SOUND.as_ref().map_err(Clone::clone)?;
    let Some((number, altered)) = bytes.split_first() else { return Ok(0) };
    let number = usize::from(*number) % sound.files.len().max(1);
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let copy = tempfile::tempdir().map_err(|error| words(&error))?;
    for (at, (file, input)) in sound.files.iter().zip(&sound.inputs).enumerate() {
        let path = copy.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(copy.path())).map_err(|error| words(&error))?;
        let whole = input.get(1..).unwrap_or_default();
        let mode = std::fs::metadata(sound.folder.path().join(file)).map_err(|error| words(&error))?.permissions();
        std::fs::write(&path, if at == number { altered } else { whole }).map_err(|error| words(&error))?;
        std::fs::set_permissions(&path, mode).map_err(|error| words(&error))?;
    }
    let store = match Store::open(copy.path(), options()) {
        Ok(store) => store,
        Err(error) => {
            let said: String = words(&error).chars().filter(|letter| !letter.is_ascii_digit()).take(60).collect();
            ensure(!said.is_empty(), || "refused without a word".to_owned())?;
            return Ok(seen((number, said)));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| words(&error))?;
    let goes_on = runtime.block_on(store.log.durable(draft(9, EntryKind::Intent)));
    let closed = store.close();
    Ok(seen((number, goes_on.map(|_| ()).map_err(|error| words(&error)), closed.is_ok())))
}
