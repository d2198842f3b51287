//! Archives of a data folder, as somebody hands one over.

use std::sync::LazyLock;

use model::UnixMillis;
use store::{ArchiveError, Backup, Restore, backup, restore};

use super::folder::made;
use super::{Outcome, Target, ensure, seen};

pub(super) const TARGET: Target = Target {
    name: "archives",
    what: "archives that are restored: the one that was made, or a refusal that leaves nothing behind",
    seeds: || SOUND.as_ref().map(|archive| vec![archive.clone()]).unwrap_or_default(),
    words: &[
        "\u{0}",
        "ustar",
        "manifest.json",
        "manifest.sig",
        "config/../../x",
        "log/checkpoint",
        "keys.sealed",
        "\"length\":",
        "{",
        "}",
        "0000644",
        "/",
    ],
    max_len: 1 << 20,
    run,
    hostile: &["\u{0}", "config/a", "ustar"],
    floor: 500.0,
};

const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

/// An archive without keys: what stands in it is sealed by signatures alone.
static SOUND: LazyLock<Result<Vec<u8>, String>> = LazyLock::new(|| {
    let folder = made()?;
    std::fs::write(folder.path().join("portcullis.yaml"), "version: 1\n").map_err(|error| error.to_string())?;
    let config = ["portcullis.yaml".to_owned()];
    let options = Backup { config: &config, passphrase: None, version: "fuzz", now: NOW };
    let mut bytes = Vec::new();
    backup(folder.path(), &mut bytes, &options, &mut || Err("nobody runs".to_owned()), &mut |_| {})
        .map_err(|error| error.to_string())?;
    Ok(bytes)
});

fn run(bytes: &[u8]) -> Outcome {
    let sound = SOUND.as_ref().map_err(Clone::clone)?;
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let plan = Restore {
        passphrase: None,
        without_keys: false,
        keys: None,
        trusted: None,
        dry_run: false,
        length: None,
        version: "fuzz",
        now: NOW,
    };
    let target = place.path().join("new");
    let restored = restore(&mut &bytes[..], &target, &plan, &mut |_| {});
    let left = std::fs::read_dir(place.path()).map_err(|error| error.to_string())?.count();
    match restored {
        Ok(restored) => {
            // Padding and times of members are no part of what they say.
            let is_same = contents(bytes) == contents(sound);
            ensure(is_same, || "an altered archive is restored".to_owned())?;
            ensure(!restored.has_keys && target.join("portcullis.yaml").exists(), || "keys out of nothing".to_owned())?;
            Ok(seen("restored"))
        }
        Err(error) => {
            ensure(left == 0, || format!("{left} things are left behind by: {error}"))?;
            let said: String = error.to_string().chars().filter(|letter| !letter.is_ascii_digit()).take(80).collect();
            ensure(!matches!(error, ArchiveError::Occupied(_)), || said.clone())?;
            Ok(seen(said))
        }
    }
}

/// Every block that is no header of a member, by its digest.
fn contents(archive: &[u8]) -> Vec<&[u8]> {
    let blocks = archive.chunks(512).filter(|block| block.get(257..262) != Some(b"ustar"));
    blocks.filter(|block| block.iter().any(|byte| *byte != 0)).collect()
}
