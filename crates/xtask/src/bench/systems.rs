//! The programs that are measured: started on free loopback ports, stopped when dropped.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Row;
use super::load::{Load, Measured};
use super::peers::{Peer, Tree};
use crate::run;

/// Longest wait for a program to become ready.
const PATIENCE: Duration = Duration::from_secs(90);

/// What kind of program.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Nothing in between.
    Direct,
    /// Envoy with one plain route, two worker threads, keep-alive on both sides.
    Envoy,
    /// The same with its filter for MCP.
    EnvoyMcp,
    /// The gate, with some of its controls off.
    Portcullis(&'static [&'static str]),
    /// Another gateway for models.
    Peer(Peer),
}

/// A child that is killed when it goes out of scope.
#[derive(Debug)]
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing to do about a child that cannot be killed.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The fixed-reply upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    /// Kept open: the upstream ends when it closes.
    _stdin: Option<ChildStdin>,
    _child: Guarded,
    /// Where it listens.
    port: u16,
}

impl Upstream {
    pub(super) fn start() -> Result<Self> {
        let mut command = Command::new(run::target()?.join("release/fixed-upstream"));
        let mut child =
            Guarded(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start the upstream")?);
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().context("no stdout")?).read_line(&mut line)?;
        let told: Value = serde_json::from_str(&line).context("the upstream did not tell its port")?;
        let port = told.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).context("no port")?;
        Ok(Self { _stdin: child.0.stdin.take(), _child: child, port })
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// A program under measurement.
#[derive(Debug)]
pub(super) struct System {
    pub(super) name: String,
    address: String,
    child: Option<Guarded>,
    /// A peer, which is several processes.
    tree: Option<Tree>,
    /// What a peer wants in every request.
    headers: Vec<String>,
    cold_start: Option<Duration>,
    rss_idle: Option<f64>,
    /// Credential and model, for the gate.
    access: Option<(String, String)>,
    /// Whether its answers must be redacted.
    redacts: bool,
}

impl System {
    pub(super) fn start(name: &str, kind: Kind, upstream: &Upstream, folder: &Path, envoy: &Path) -> Result<Self> {
        let folder = folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let mut system = Self {
            name: name.to_owned(),
            address: upstream.address(),
            child: None,
            tree: None,
            headers: Vec::new(),
            cold_start: None,
            rss_idle: None,
            access: None,
            redacts: false,
        };
        match kind {
            Kind::Direct => return Ok(system),
            Kind::Envoy => system.start_envoy(&envoy_config(upstream.port, &[]), &folder, envoy)?,
            Kind::EnvoyMcp => system.start_envoy(&envoy_config(upstream.port, &[mcp_filter()]), &folder, envoy)?,
            Kind::Portcullis(off) => system.start_gate(upstream, &folder, off)?,
            Kind::Peer(peer) => system.start_peer(peer, upstream, &folder)?,
        }
        system.rss_idle = system.rss_mb();
        Ok(system)
    }

    fn start_envoy(&mut self, settings: &Value, folder: &Path, envoy: &Path) -> Result<()> {
        let (config, admin) = (folder.join("envoy.json"), folder.join("admin.txt"));
        std::fs::write(&config, settings.to_string())?;
        let start = Instant::now();
        let mut command = Command::new(envoy);
        command.args(["--concurrency", "2", "--log-level", "error", "--use-dynamic-base-id", "-c"]).arg(&config);
        command.arg("--admin-address-path").arg(&admin).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(Guarded(command.spawn().context("cannot start Envoy")?));
        self.address = wait(|| {
            let admin = std::fs::read_to_string(&admin).ok().filter(|text| !text.is_empty())?;
            let listeners: Value = serde_json::from_str(&get(&admin, "/listeners?format=json", None).ok()?).ok()?;
            let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value")?.as_u64()?;
            let address = format!("127.0.0.1:{port}");
            TcpStream::connect(&address).ok().map(|_| address)
        })
        .context("Envoy did not become ready")?;
        self.cold_start = Some(start.elapsed());
        Ok(())
    }

    /// Measured from nothing to the first answer: some take connections before they can do anything with them.
    fn start_peer(&mut self, peer: Peer, upstream: &Upstream, folder: &Path) -> Result<()> {
        let installed = peer.install()?;
        let start = Instant::now();
        let (tree, address) = peer.start(&installed, folder, upstream.port)?;
        (self.tree, self.address, self.headers) = (Some(tree), address, peer.headers(upstream.port));
        let once = Load { request: "plain", connections: 1, rate: 0.0, warmup: 0.0, seconds: 0.2 };
        wait(|| self.load(&once).ok()).context("it answers nothing")?;
        self.cold_start = Some(start.elapsed().saturating_sub(Duration::from_millis(200)));
        Ok(())
    }

    /// Starts it once to make its data folder, switches controls off, and starts it again: that start is measured.
    fn start_gate(&mut self, upstream: &Upstream, folder: &Path, off: &[&str]) -> Result<()> {
        let url = format!("http://{}", upstream.address());
        drop(quickstart(folder, &url)?);
        let file = folder.join("portcullis.yaml");
        let mut text = std::fs::read_to_string(&file).context("the gate wrote no portcullis.yaml")?;
        if !off.is_empty() {
            text.push_str(&format!("\ndanger:\n  off: [{}]\n", off.join(", ")));
            std::fs::write(&file, text)?;
        }
        let start = Instant::now();
        self.child = Some(quickstart(folder, &url)?);
        self.cold_start = Some(start.elapsed());
        let environment = environment(&folder.join("quickstart.env"))?;
        let url = environment.get("PORTCULLIS_URL").context("no PORTCULLIS_URL")?;
        self.address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let keys = environment.iter().filter(|(name, _)| name.starts_with("PORTCULLIS_KEY_")).map(|(_, key)| key);
        self.access = keys.filter_map(|key| Some((key.clone(), first_model(&self.address, key)?))).next();
        ensure!(self.access.is_some(), "no sample principal may use a model");
        self.redacts = !off.contains(&"inspection");
        Ok(())
    }

    /// Whether the run goes on without it.
    pub(super) const fn is_peer(&self) -> bool {
        self.tree.is_some()
    }

    /// Puts load on it.
    pub(super) fn load(&self, load: &Load) -> Result<Measured> {
        self.load_with(load, &[])
    }

    fn load_with(&self, load: &Load, more: &[(&str, &str)]) -> Result<Measured> {
        let mut more = more.to_vec();
        more.extend(self.headers.iter().map(|header| ("--header", header.as_str())));
        if let Some((key, model)) = &self.access {
            more.extend([("--bearer", key.as_str()), ("--model", model.as_str())]);
        }
        if load.request == "findings" {
            let rule = if self.redacts {
                [("--expect", "[redacted:"), ("--refuse", "AKIA")]
            } else {
                [("--expect", "AKIA"), ("--refuse", "[redacted:")]
            };
            more.extend(rule);
        }
        load.run(&self.address, &more)
    }

    /// How much memory grows over many requests and aborted streams: from after the first tenth of them to the end.
    pub(super) fn soak(&self, requests: usize, aborts: usize) -> Result<Vec<Row>> {
        let counted = |request, count: usize, more: &[(&str, &str)]| {
            let load = Load { request, connections: 16, rate: 0.0, warmup: 0.0, seconds: 600.0 };
            let count = count.to_string();
            self.load_with(&load, &[&[("--requests", count.as_str())], more].concat())
        };
        counted("plain", requests / 10, &[])?;
        counted("stream", aborts / 10, &[("--abort", "")])?;
        let before = self.rss_mb().unwrap_or(f64::NAN);
        counted("plain", requests - requests / 10, &[])?;
        counted("stream", aborts - aborts / 10, &[("--abort", "")])?;
        let after = self.rss_mb().unwrap_or(f64::NAN);
        Ok(vec![self.row("rss_early_mb", "MB", before), self.row("rss_late_mb", "MB", after)])
    }

    /// Cold start and idle memory.
    pub(super) fn at_start(&self) -> Vec<Row> {
        let cold = self.cold_start.map(|took| self.row("cold_start_ms", "ms", took.as_secs_f64() * 1000.0));
        let idle = self.rss_idle.map(|mb| self.row("rss_idle_mb", "MB", mb));
        cold.into_iter().chain(idle).collect()
    }

    /// Memory after all the load.
    pub(super) fn at_end(&self) -> Vec<Row> {
        self.rss_mb().map(|mb| self.row("rss_after_mb", "MB", mb)).into_iter().collect()
    }

    fn row(&self, metric: &'static str, unit: &'static str, value: f64) -> Row {
        Row { bench: "gateway", case: "process".to_owned(), system: self.name.clone(), metric, value, unit }
    }

    fn rss_mb(&self) -> Option<f64> {
        if let Some(tree) = &self.tree {
            return Some(tree.rss_mb());
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.as_ref()?.0.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
    }
}

fn quickstart(folder: &Path, upstream: &str) -> Result<Guarded> {
    let binary: PathBuf = run::target()?.join("release/portcullis");
    let mut command = Command::new(binary);
    command.args(["quickstart", "--no-tour", "--port", "0", "--upstream", upstream, "--data"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.env_remove("OPENAI_API_KEY").env_remove("ANTHROPIC_API_KEY");
    let mut child = Guarded(command.spawn().context("cannot start the gate")?);
    let mut lines = BufReader::new(child.0.stdout.take().context("no stdout")?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if line.trim() == "ready" {
            // What it still prints must not block it.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return Ok(child);
        }
        line.clear();
    }
    bail!("the gate ended before it was ready")
}

fn environment(file: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(file).context("the gate wrote no quickstart.env")?;
    let pairs = text.lines().filter_map(|line| line.trim_start_matches("export ").split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned())).collect())
}

fn first_model(address: &str, key: &str) -> Option<String> {
    let list: Value = serde_json::from_str(&get(address, "/v1/models", Some(key)).ok()?).ok()?;
    list.pointer("/data/0/id")?.as_str().map(str::to_owned)
}

/// The body of a small answer.
fn get(address: &str, path: &str, key: Option<&str>) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let authorization = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\n{authorization}connection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "no good answer");
    // A chunked body is taken from its first brace to its last; sizes cannot hold one.
    let (start, end) = (body.find('{').context("no JSON")?, body.rfind('}').context("no JSON")?);
    Ok(body.get(start..=end).context("no JSON")?.to_owned())
}

fn wait<T>(mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            bail!("not ready within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn mcp_filter() -> Value {
    let typed = "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp";
    json!({"name": "envoy.filters.http.mcp", "typed_config": {"@type": typed, "traffic_mode": "PASS_THROUGH"}})
}

/// One plain route, behind `filters`.
fn envoy_config(upstream: u16, filters: &[Value]) -> Value {
    let socket = |port: u16| json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
    let typed = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.{name}");
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}});
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": typed("http.router.v3.Router")}});
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    let manager = json!({
        "@type": typed("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "generate_request_id": false,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": filters,
    });
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    let endpoint = json!({"endpoint": {"address": socket(upstream)}});
    json!({
        "admin": {"address": socket(0)},
        "static_resources": {
            "listeners": [{"name": "in", "address": socket(0), "filter_chains": [{"filters": [filter]}]}],
            "clusters": [{
                "name": "upstream",
                "type": "STATIC",
                "connect_timeout": "1s",
                "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
            }],
        },
    })
}
