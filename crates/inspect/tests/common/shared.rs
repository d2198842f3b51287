//! The shared data sets.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder of shared data: `PORTCULLIS_SHARED`, or the `shared` folder beside a folder that holds this crate.
#[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
fn shared() -> PathBuf {
    if let Some(folder) = std::env::var_os("PORTCULLIS_SHARED") {
        return PathBuf::from(folder);
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = own.ancestors().map(|folder| folder.join("shared")).find(|folder| folder.join("data").is_dir());
    beside.expect("no `shared/data` folder beside this workspace: set PORTCULLIS_SHARED to the folder of the shared data sets")
}

/// The rows of an xz-compressed file of JSON lines.
pub(crate) fn rows(path: &str) -> Vec<Value> {
    let file = shared().join("data").join(path);
    let script = "import lzma,sys; sys.stdout.buffer.write(lzma.open(sys.argv[1]).read())";
    let output = Command::new("python3").args(["-c", script]).arg(&file).output().expect("python3 is needed to read .xz files");
    assert!(output.status.success(), "cannot read {}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.len() > 500, "{} has only {} rows", file.display(), rows.len());
    rows
}

/// The row's spans as type and byte range.
pub(crate) fn spans(row: &Value) -> Vec<(String, usize, usize)> {
    let text = row["text"].as_str().unwrap();
    let byte = |characters: &Value| {
        let n = usize::try_from(characters.as_u64().unwrap()).unwrap();
        text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
    };
    let spans = row["spans"].as_array().unwrap().iter();
    spans.map(|span| (span["type"].as_str().unwrap().to_owned(), byte(&span["start"]), byte(&span["end"]))).collect()
}
