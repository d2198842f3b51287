//! Lines of JSON Lines and files of any encoding under mutated inputs.

use fuzz::{Outcome, Target, seen};

use super::source::{Row, decode, unmarked};

const ROWS: Target = Target {
    name: "rows",
    what: "rows that are scanned, and files: a text of the row, words that repeat nothing of it, no byte left out",
    seeds: || {
        let rows: [&[u8]; 5] = [
            br#"{"id":"row-1","text":"a secret place","kind":"prompt"}"#,
            br#"{"id":{"a":[1]},"text":"\ud83d\ude00 \u0000"}"#,
            br#"["row-1","a secret place"]"#,
            b"\xef\xbb\xbf{\"text\":\"x\"}",
            b"\xff\xfea\0b\0\x3d\xd8\x00\xde",
        ];
        rows.iter().map(|row| row.to_vec()).collect()
    },
    words: &[
        "\"id\":",
        "\"text\":",
        "\"kind\":",
        "a secret place",
        "null",
        "1e999",
        "\\ud800",
        "\\u0000",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\u{feff}",
    ],
    max_len: 1000,
    run,
    hostile: &["{\"text\":", "[", "\"a\",", "\\u0061", "\u{feff}"],
    floor: 1000.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let text = decode(bytes);
    let is_wide = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    if !is_wide && std::str::from_utf8(bytes).is_ok_and(|plain| plain != text) {
        return Err("a text of UTF-8 reads otherwise".to_owned());
    }
    if is_wide && text.chars().count() * 4 + 2 < bytes.len().saturating_sub(2) {
        return Err(format!("{} characters out of {} bytes", text.chars().count(), bytes.len()));
    }
    let line = unmarked(bytes);
    let row = match Row::read(line, 7) {
        Ok(row) => row,
        Err(said) if said.contains("secret") || said.len() > 80 => return Err(format!("what stands there is told: {said}")),
        Err(said) => return Ok(seen((said.chars().take(24).collect::<String>(), is_wide))),
    };
    if row.id.is_null() || row.shown_id().chars().count() > 64 {
        return Err(format!("{} is no id for people", row.shown_id()));
    }
    Ok(seen((row.text.len().min(8), row.id.is_string(), row.id.is_u64(), is_wide)))
}

#[test]
fn rows_hold_under_mutated_inputs() {
    let seconds = std::env::var("PORTCULLIS_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    fuzz::smoke(&ROWS, 20_000, seconds).unwrap_or_else(|failure| panic!("{failure}"));
}
