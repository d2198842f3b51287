//! `schema/portcullis.schema.json`, generated from the doc comments of the configuration's types.

use anyhow::{Context, Result, bail};

use crate::run;

const FILE: &str = "schema/portcullis.schema.json";

/// Writes the schema, or with `only_compare` says whether the file in the tree is the generated one.
pub(crate) fn schema(only_compare: bool) -> Result<bool> {
    let output = run::cargo()
        .args(["run", "--quiet", "--package", "xtask", "--features", "schema", "--bin", "print-schema"])
        .output()
        .context("cannot run print-schema")?;
    if !output.status.success() {
        bail!("print-schema failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let generated = String::from_utf8(output.stdout).context("the schema is not UTF-8")?;
    let path = run::root()?.join(FILE);
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == generated {
        println!("{FILE} is up to date");
        return Ok(true);
    }
    if only_compare {
        println!("{FILE} differs from what the types say: run `cargo xtask schema` and commit the result");
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&path, generated).with_context(|| format!("cannot write {FILE}"))?;
    println!("wrote {FILE}");
    Ok(true)
}
