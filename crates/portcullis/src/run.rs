//! Starting, serving, draining.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use gateway::access::grpc;
use gateway::admin::{self, Origin};
use gateway::forwarded::{ForwardedHeader, TrustedProxies};
use gateway::framing::Limits as FramingLimits;
use gateway::server::{self, Listening, ServerLimits};
use gateway::trace::Tracing;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::AdminAct;
use store::{By, Options, Store};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::approvals::notices;
use crate::bridges::Bridges;
use crate::bring;
use crate::certificates::{self, Certificates};
use crate::files;
use crate::gate::{Gate, InForce};
use crate::output;
use crate::retention;
use crate::rules;
use crate::warm;
use crate::watch as watching;

pub(crate) use crate::gate::now;

/// Most admin connections at once.
const ADMIN_CONNECTIONS: usize = 64;
/// Pause after a failed accept: a listener without descriptors does not spin.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest time that admin connections get to end when the gate stops.
const ADMIN_DRAIN: Duration = Duration::from_secs(2);

/// Ports that override those of the configuration; 0 takes a free one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    pub(crate) data: Option<u16>,
    pub(crate) admin: Option<u16>,
}

/// A gate that serves.
pub(crate) struct Running {
    pub(crate) gate: Arc<Gate>,
    data: SocketAddr,
    admin: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
    administering: Vec<JoinHandle<()>>,
    exporting: Exporting,
    /// The operators' own rules on their way into force.
    activating: Option<JoinHandle<Result<(), bring::Problems>>>,
}

/// What a gate that is up listens to.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From here on signals are obeyed in order and no longer end the process. Before anybody is told that the gate is ready: who
    /// has heard that may signal at once.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self { interrupt: interrupt?, terminate: terminate?, hangup: hangup? })
    }
}

/// What sends telemetry. It ends after everything that there is to tell of.
struct Exporting {
    task: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Opens the data folder, brings the configuration in force, and starts to listen.
pub(crate) async fn start(data: &Path, ports: Ports, environment: BTreeMap<String, String>) -> anyhow::Result<Running> {
    files::check_owner(data)?;
    let read = bring::read_at_start(data, &environment);
    let (config, warnings, unread) = read.map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    for warning in warnings {
        output::note(&format!("warning: {warning}"));
    }
    let opening = {
        let data = data.to_owned();
        tokio::task::spawn_blocking(move || Store::open(&data, Options::default()))
    };
    let store = opening.await?.with_context(|| format!("cannot open `{}`", data.display()))?;
    if let Some(cut) = &store.opened().cut {
        output::note(&format!("warning: a torn write at the end of the log was cut off: {cut:?}"));
    }
    if let Some(from) = store.opened().migrated_from {
        output::note(&format!(
            "the data folder was of format {from} and was brought to this version's; older versions no longer read it"
        ));
    }
    let settings = config.settings.clone();
    let kept = retention::of(&settings);
    let store = tokio::task::spawn_blocking(move || store.set_retention(kept).map(|()| store)).await??;
    let bundle = match store.applied_bundle()? {
        Some(applied) => {
            if applied != config.bundle {
                output::note(&drift(&config.bundle, unread));
            }
            applied
        }
        None => {
            anyhow::ensure!(unread.is_empty(), unread.join("\n"));
            let digest = store.bundles().put(&config.bundle)?;
            // Compiled first, rules too: a bundle that cannot come in force is not recorded as one that did.
            bring::snapshot(&config.bundle, &settings).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
            store.administer(AdminAct::BundleApplied { digest }, By::default()).await?;
            config.bundle.clone()
        }
    };
    let (snapshot, mut table, own_rules) =
        bring::at_start(&bundle, &settings).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let prepared = Bridges::default().prepare(data, &settings, &environment, &mut table).await;
    let bridges = prepared.map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    for control in snapshot.off.names() {
        output::note(&format!("DANGER: {control} is switched off"));
    }
    for switch in settings.danger.names() {
        output::note(&format!("DANGER: {switch}"));
    }
    let listen = settings.listen.clone();
    let certificates = Certificates::load(data, &settings).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let telemetry = bring::telemetry(&settings).map_err(|problems| anyhow::anyhow!(problems.join("\n")))?;
    let (telemetry, exporter) = telemetry.unzip();
    let config = config::Config { bundle, settings };
    let server_limits = limits(&config);
    // A restart refills no budget. Where there is none, nobody waits for the index of the log.
    let has_budgets = !snapshot.budgets.rules.is_empty();
    let reading = tokio::task::spawn_blocking(move || {
        let past = if has_budgets { store.past(now())? } else { Vec::new() };
        Ok::<_, store::StoreError>((store, past))
    });
    let (store, past) = reading.await??;
    let rules = snapshot.budgets.rules.clone();
    let in_force = InForce { snapshot, config };
    let gate = Arc::new(Gate::new(data, store, in_force, table, certificates, telemetry, environment)?);
    gate.bridges.store(bridges);
    past.iter().for_each(|past| gate.counters.restore(&rules, past, now(), |_| true));
    warm::begin(&gate.in_force.load().snapshot.policy, gate.store.credentials().list());
    let (ended, ending) = watch::channel(false);
    let exporting = exporter.map(|exporter| tokio::spawn(exporter.run(ending)));
    let mut running =
        listen_all(Arc::clone(&gate), listen, ports, server_limits, Exporting { task: exporting, stop: ended }).await?;
    if !own_rules.is_empty() {
        running.activating = Some(tokio::task::spawn_blocking(move || rules::activate(&gate, &own_rules)));
    }
    Ok(running)
}

async fn listen_all(
    gate: Arc<Gate>,
    listen: config::Listen,
    ports: Ports,
    limits: ServerLimits,
    exporting: Exporting,
) -> anyhow::Result<Running> {
    let with_port = |mut address: SocketAddr, port: Option<u16>| {
        if let Some(port) = port {
            address.set_port(port);
        }
        address
    };
    let data_listener = bind(with_port(listen.data, ports.data)).await?;
    let admin_listener = bind(with_port(listen.admin, ports.admin)).await?;
    let (data, admin) = (data_listener.local_addr()?, admin_listener.local_addr()?);
    let (stop, stopping) = watch::channel(false);
    let in_force = gate.in_force.load();
    let tracing = in_force.config.settings.telemetry.as_ref();
    let tracing = tracing.map(|telemetry| Tracing { is_passed_on: telemetry.is_propagated });
    drop(in_force);
    let running = gate.running.clone();
    let listening = Listening { tls: gate.certificates.data(), trusted: trusted(&listen), tracing, limits, running };
    let serving = tokio::spawn(server::serve(Arc::clone(&gate), data_listener, listening, stopping.clone()));
    let hosts = hosts(admin, &listen);
    let socket = admin_socket(&gate.data)?;
    let mut administering = vec![
        tokio::spawn(administer_tcp(Arc::clone(&gate), admin_listener, hosts, stopping.clone())),
        tokio::spawn(administer_socket(Arc::clone(&gate), socket, stopping.clone())),
        tokio::spawn(retention::watch(Arc::clone(&gate), stopping.clone())),
        tokio::spawn(certificates::watch(Arc::clone(&gate), stopping.clone())),
        tokio::spawn(notices::deliver(Arc::clone(&gate), stopping.clone())),
        tokio::spawn(watching::run(Arc::clone(&gate), stopping.clone())),
    ];
    if let Some(address) = listen.ext_authz {
        let listener = bind(address).await?;
        output::note(&format!("ext_authz (gRPC) listens on {}", listener.local_addr()?));
        administering.push(tokio::spawn(grpc::serve(Arc::clone(&gate), listener, stopping)));
    }
    Ok(Running { gate, data, admin, stop, serving, administering, exporting, activating: None })
}

const fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is another gate running, or is the port taken?"))
}

/// What an operator has to know where the files on disk are not what is in force.
fn drift(bundle: &model::Bundle, unread: bring::Problems) -> String {
    let wrong = if unread.is_empty() { bring::compile(bundle).err().unwrap_or_default() } else { unread };
    if wrong.is_empty() {
        "warning: portcullis.yaml or the policies differ from what was applied; run `portcullis apply` to bring them in force"
            .to_owned()
    } else {
        let wrong = wrong.join("\n");
        format!("warning: the policies on disk cannot come in force, what was applied last stays in force:\n{wrong}")
    }
}

fn limits(config: &config::Config) -> ServerLimits {
    let limits = &config.settings.limits;
    ServerLimits {
        connections: limits.connections,
        head: limits.head,
        framing: FramingLimits { head_bytes: limits.header_bytes, headers: limits.headers },
        drain: limits.drain,
    }
}

fn trusted(listen: &config::Listen) -> TrustedProxies {
    let header = match listen.forwarded_header {
        config::ForwardedHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
        config::ForwardedHeader::Forwarded => ForwardedHeader::Forwarded,
    };
    TrustedProxies { networks: listen.trusted_proxies.clone(), header }
}

/// The Host values that name the admin API.
fn hosts(address: SocketAddr, listen: &config::Listen) -> Arc<Vec<String>> {
    let port = address.port();
    let mut hosts = vec![address.to_string(), format!("localhost:{port}"), format!("127.0.0.1:{port}")];
    hosts.extend(listen.hosts.iter().flat_map(|host| [host.clone(), format!("{host}:{port}")]));
    Arc::new(hosts)
}

/// The socket of the gate's own user. The store's lock says that no other gate uses the folder, so an old socket is a leftover.
fn admin_socket(data: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let path = data.join("admin.sock");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("cannot replace admin.sock"),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on `{}`", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn administer_tcp(gate: Arc<Gate>, listener: TcpListener, hosts: Arc<Vec<String>>, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
    let tls = gate.certificates.admin();
    let origin = Origin::Tcp { hosts, scheme: scheme(tls.is_some()) };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Above the bound a connection is closed at once: probes come back, operators have the socket.
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (gate, origin, tls, stop) = (Arc::clone(&gate), origin.clone(), tls.clone(), stop.clone());
        connections.spawn(async move {
            match tls {
                None => serve_admin(gate, origin, TokioIo::new(stream), stop).await,
                Some(tls) => {
                    if let Ok(stream) = tls.open(stream).await {
                        serve_admin(gate, origin, TokioIo::new(stream), stop).await;
                    }
                }
            }
            drop(slot);
        });
    }
    ended(connections).await;
}

async fn administer_socket(gate: Arc<Gate>, listener: UnixListener, mut stop: watch::Receiver<bool>) {
    let own = rustix::process::geteuid().as_raw();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let is_own = stream.peer_cred().is_ok_and(|peer| peer.uid() == own);
        if is_own {
            connections.spawn(serve_admin(Arc::clone(&gate), Origin::OwnUser, TokioIo::new(stream), stop.clone()));
        }
    }
    ended(connections).await;
}

/// Lets what runs end, for a while. What is left then is given up: whoever keeps a connection open does not keep the log open.
async fn ended(mut connections: JoinSet<()>) {
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(ADMIN_DRAIN, all).await.is_err() {
        connections.shutdown().await;
    }
}

async fn serve_admin<IO: hyper::rt::Read + hyper::rt::Write + Unpin>(
    gate: Arc<Gate>,
    origin: Origin,
    io: IO,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| admin::answer(Arc::clone(&gate), origin.clone(), request));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
    let mut served = std::pin::pin!(builder.serve_connection(io, service));
    // A client that breaks off is no event.
    let has_ended = tokio::select! {
        _ = served.as_mut() => true,
        _ = stop.wait_for(|is_stopping| *is_stopping) => false,
    };
    if !has_ended {
        served.as_mut().graceful_shutdown();
        served.await.ok();
    }
}

impl Running {
    /// Where clients go.
    pub(crate) fn data_url(&self) -> String {
        format!("{}://{}", scheme(self.gate.certificates.data().is_some()), self.data)
    }

    /// Where operators go.
    pub(crate) fn admin_url(&self) -> String {
        format!("{}://{}", scheme(self.gate.certificates.admin().is_some()), self.admin)
    }

    /// Waits until everything is in force. Until then calls are refused.
    ///
    /// # Errors
    /// The operators' own rules cannot be compiled; the gate has stopped then.
    pub(crate) async fn until_active(mut self) -> anyhow::Result<Self> {
        let Some(activating) = self.activating.take() else { return Ok(self) };
        if let Err(problems) = activating.await? {
            self.stop().await?;
            bail!("the rule files cannot come in force:\n{}", problems.join("\n"));
        }
        Ok(self)
    }

    /// Serves until SIGINT or SIGTERM; SIGHUP applies the files on disk.
    pub(crate) async fn until_signal(self, signals: Signals) -> anyhow::Result<()> {
        let Signals { mut interrupt, mut terminate, mut hangup } = signals;
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => self.gate.apply_from_signal().await,
            }
        }
        output::note("draining: no new connections, running calls end");
        self.stop().await
    }

    /// Drains and closes the log.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.gate.desk.close();
        self.stop.send(true).ok();
        self.serving.await??;
        for task in self.administering {
            task.await?;
        }
        self.exporting.stop.send(true).ok();
        if let Some(task) = self.exporting.task {
            task.await?;
        }
        std::fs::remove_file(self.gate.data.join("admin.sock")).ok();
        let Some(gate) = Arc::into_inner(self.gate) else {
            // A call that outlived the drain holds the gate; the store closes with the process, and the next start says so.
            bail!("some calls did not end in time; their outcomes will be closed as unknown");
        };
        tokio::task::spawn_blocking(move || gate.store.close()).await?.context("the log did not close in order")
    }
}
