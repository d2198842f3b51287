//! Prints the JSON Schema of `portcullis.yaml`. A binary of its own, so that `cargo xtask` needs no other crate.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(config::json_schema().as_bytes())
}
