//! Other gateways for models, each with its own installation below `.local/peers`, on loopback, against the same upstream.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::run;
use crate::sandbox::must;

/// `LiteLLM`'s key in the bench; it does not start without one.
pub(super) const KEY: &str = "sk-bench-0000000000000000000000000000";
/// What `LiteLLM` needs newer than it says itself.
const OVERRIDE: &str = "certifi>=2026.7.22\n";
/// Portkey's package asks for any 1.x of `@hono/node-server`. Since 1.19, whose `Response` shares the headers of the one that it is
/// made of, every streamed answer fails with `TypeError: immutable` and status 500.
const PORTKEY: &str =
    "{\"private\":true,\"dependencies\":{\"@portkey-ai/gateway\":\"1.15.2\"},\"overrides\":{\"@hono/node-server\":\"1.13.8\"}}\n";
/// How long a peer gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// The proxy of `LiteLLM`, one worker, a master key, no database.
    Litellm,
    /// The open-source gateway of Portkey.
    Portkey,
}

impl Peer {
    pub(super) const ALL: [(&'static str, Self); 2] = [("litellm", Self::Litellm), ("portkey", Self::Portkey)];

    /// What stands in the page.
    pub(super) const fn version(self) -> &'static str {
        match self {
            Self::Litellm => "LiteLLM 1.105.7 (PyPI, one worker, master key, no database)",
            Self::Portkey => "Portkey gateway 1.15.2 (npm, one process, @hono/node-server 1.13.8)",
        }
    }

    /// Installs it, unless the same was installed before.
    ///
    /// # Errors
    /// When a tool is missing or a package cannot be installed.
    pub(super) fn install(self) -> Result<PathBuf> {
        let root = run::root()?;
        let (name, _) = Self::ALL.into_iter().find(|(_, peer)| *peer == self).context("a peer without a name")?;
        let folder = root.join(".local/peers").join(name);
        let stamp = folder.join("installed.txt");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == self.version()) {
            return Ok(folder);
        }
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        println!("[setup] installing {}", self.version());
        match self {
            Self::Litellm => install_litellm(&folder)?,
            Self::Portkey => {
                std::fs::write(folder.join("package.json"), PORTKEY)?;
                let package = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"];
                must(Command::new("npm").args(package).arg(&folder), "npm install")?;
            }
        }
        std::fs::write(stamp, self.version())?;
        Ok(folder)
    }

    /// Starts it on a free port and waits until it takes connections; gives its address.
    ///
    /// # Errors
    /// When it does not start in time; its last words are in `FOLDER/output.txt`.
    pub(super) fn start(self, installed: &Path, folder: &Path, upstream: u16) -> Result<(Tree, String)> {
        // Neither takes port 0; between this look and its start somebody else could take the port, and then it says so.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match self {
            Self::Litellm => litellm(installed, folder, upstream, port)?,
            Self::Portkey => {
                let mut command = Command::new("node");
                command.arg(installed.join("node_modules/@portkey-ai/gateway/build/start-server.js"));
                command.arg(format!("--port={port}")).arg("--headless").env("TRUSTED_CUSTOM_HOSTS", "127.0.0.1");
                command
            }
        };
        let output = File::create(folder.join("output.txt"))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir(folder).env("NO_PROXY", "*");
        let mut tree = Tree(command.spawn().context("cannot start it")?);
        let address = format!("127.0.0.1:{port}");
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            ensure!(tree.0.try_wait()?.is_none(), "it ended before it was ready, see {}", folder.join("output.txt").display());
            ensure!(begun.elapsed() < Duration::from_secs(240), "it was not ready in time");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((tree, address))
    }

    /// The headers that a request to it needs.
    pub(super) fn headers(self, upstream: u16) -> Vec<String> {
        match self {
            Self::Litellm => vec![format!("authorization: Bearer {KEY}")],
            Self::Portkey => vec![
                "authorization: Bearer none".to_owned(),
                "x-portkey-provider: openai".to_owned(),
                format!("x-portkey-custom-host: http://127.0.0.1:{upstream}/v1"),
            ],
        }
    }
}

fn install_litellm(folder: &Path) -> Result<()> {
    must(Command::new("python3").args(["-m", "venv"]).arg(folder), "python3 -m venv")?;
    std::fs::write(folder.join("override.txt"), OVERRIDE)?;
    let python = folder.join("bin/python");
    must(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]), "pip install uv")?;
    let mut command = Command::new(folder.join("bin/uv"));
    command.args(["pip", "install", "--quiet", "--python"]).arg(&python).arg("--override").arg(folder.join("override.txt"));
    must(command.args(["litellm[proxy]==1.105.7", "prisma"]), "uv pip install")
}

fn litellm(installed: &Path, folder: &Path, upstream: u16, port: u16) -> Result<Command> {
    let config = folder.join("litellm.yaml");
    let text = format!(
        "model_list:\n  - model_name: bench\n    litellm_params: {{model: openai/bench, api_base: \"http://127.0.0.1:{upstream}/v1\", api_key: none}}\n"
    );
    std::fs::write(&config, text)?;
    let mut command = Command::new(installed.join("bin/litellm"));
    // With more workers its supervisor kills those that take longer than five seconds to begin, for ever on a busy machine.
    command.args(["--host", "127.0.0.1", "--num_workers", "1", "--port", &port.to_string(), "--config"]).arg(config);
    command.env("LITELLM_MASTER_KEY", KEY).env("LITELLM_TELEMETRY", "False").env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    command.env("LITELLM_LOG", "ERROR");
    Ok(command)
}

/// A program and everything that it started; ended when dropped, each process by its own number.
#[derive(Debug)]
pub(super) struct Tree(Child);

impl Tree {
    /// Resident memory of all of it, in MB.
    pub(super) fn rss_mb(&self) -> f64 {
        let kilobytes = |id: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        processes(self.0.id()).iter().filter_map(kilobytes).sum::<f64>() / 1024.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let all = processes(self.0.id());
        // What has ended by itself cannot be told to; nothing else is left to do about the rest.
        _ = signal("-TERM", &[self.0.id()]);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(50));
        }
        _ = self.0.kill();
        _ = self.0.wait();
        let left: Vec<u32> = all.into_iter().filter(|id| parent(*id) == Some(1)).collect();
        if !left.is_empty() {
            _ = signal("-KILL", &left);
        }
    }
}

fn signal(name: &str, ids: &[u32]) -> Result<()> {
    let output = Command::new("kill").arg(name).args(ids.iter().map(u32::to_string)).output()?;
    if output.status.success() { Ok(()) } else { bail!("kill: {}", String::from_utf8_lossy(&output.stderr)) }
}

/// A process and all below it.
fn processes(root: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|item| item.file_name().to_str()?.parse::<u32>().ok());
    let parents: BTreeMap<u32, u32> = ids.filter_map(|id| Some((id, parent(id)?))).collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(above) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, parent)| **parent == above).map(|(id, _)| *id));
        at += 1;
    }
    found
}

fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold anything; the state and the parent follow its last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
