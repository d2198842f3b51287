//! The watch on tool servers: what each of them really announces is held against what was approved, again and again. Callers only
//! ever see what was approved; a tool of which something else is said is quarantined until an operator has looked at it.
//!
//! A server that cannot be asked keeps its tools: whoever could keep the gate from asking would otherwise take them away, and what
//! callers are shown is no word of the server's in any case.

mod orders;
mod schedule;
mod seen;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::{Clock as _, Epoch as _};
use gateway::announced::{self, Heard, Unasked};
use mcp::{Announced, Standings, Version};
use model::{AdminAct, Differing, Digest, LockTarget, Name, Release};
use serde_json::{Value, json};
use store::By;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::gate::{Gate, InForce, now, random};
use schedule::Schedule;
use seen::Seen;

/// Longest wait without a look at who is due.
const LONGEST: Duration = Duration::from_secs(3600);

/// Everything that is remembered of tool servers. In memory alone: quarantines stand in the log.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    schedule: Schedule,
    seen: BTreeMap<Name, Seen>,
    /// The revision in which a server of which operators do not say it answered last, with its place.
    speaks: BTreeMap<Name, (String, Version)>,
}

impl Watch {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked left whole rows behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server has said that its tools are others now.
    pub(crate) fn call(&self, server: &str, now: Duration) {
        self.inner().schedule.call(server, now);
        self.wake.notify_one();
    }
}

/// Asks servers when they are due, until the gate stops.
pub(crate) async fn run(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let mut looks = JoinSet::new();
    gate.watch_anew();
    loop {
        let (due, wait) = {
            let mut inner = gate.watch.inner();
            let at = gate.monotonic();
            (inner.schedule.take(at), inner.schedule.wait(at))
        };
        for server in due {
            let gate = Arc::clone(&gate);
            looks.spawn(async move {
                look(&gate, &server).await.ok();
                let [part] = random().unwrap_or_default();
                gate.watch.inner().schedule.ended(&server, gate.monotonic(), part);
            });
        }
        tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
            Some(_) = looks.join_next() => {}
            () = gate.watch.wake.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or(LONGEST).min(LONGEST)) => {}
        }
    }
    looks.shutdown().await;
}

/// Where and how a server is asked.
struct Way {
    upstream: Name,
    /// Where that leads: an answer of before is none of the server that stands there now.
    place: String,
    /// The revision, if operators say it.
    told: Option<Version>,
    is_exec: bool,
}

impl Way {
    /// `None`: it has no upstream.
    fn to(in_force: &InForce, server: &Name) -> Option<Result<Self, String>> {
        let settings = &in_force.config.settings;
        let upstream = settings.tool_upstreams.get(server)?;
        let place = in_force.snapshot.servers.get(server)?.place.clone();
        let at = settings.upstreams.get(upstream)?;
        if at.lending.is_some() {
            return Some(Err(Unasked::Credential.to_string()));
        }
        let told = settings.tool_revisions.get(server).copied();
        Some(Ok(Self { upstream: upstream.clone(), place, told, is_exec: at.exec.is_some() }))
    }

    /// The revisions in which it is asked, until it answers.
    fn revisions(&self, known: Option<Version>) -> Vec<Version> {
        if let Some(told) = self.told {
            return vec![told];
        }
        // A program that speaks sessions would be started once more, for nobody, by a message without one.
        let mut all = if self.is_exec {
            [Version::V2025_11_25, Version::V2026_07_28]
        } else {
            [Version::V2026_07_28, Version::V2025_11_25]
        };
        if known.is_some_and(|known| all.last() == Some(&known)) {
            all.reverse();
        }
        all.to_vec()
    }
}

/// Asks a server, compares, acts. Gives the list as it came, and why it is not whole.
///
/// # Errors
/// It could not be asked; remembered too.
async fn look(gate: &Gate, server: &Name) -> Result<(String, Option<String>), String> {
    let looked = asked(gate, server).await;
    let mut inner = gate.watch.inner();
    let seen = inner.seen.entry(server.clone()).or_default();
    seen.asked = Some(now());
    let problem = match &looked {
        Ok((_, problem)) => problem.clone(),
        Err(problem) => Some(problem.clone()),
    };
    if let Some(problem) = problem.as_ref().filter(|problem| seen.problem.as_ref() != Some(problem)) {
        tracing::warn!(%server, problem, "what a tool server announces cannot be compared with what was approved");
    }
    seen.problem = problem;
    looked
}

/// How often a server is asked in another revision whose words in the first one differ.
const TRIES: usize = 3;

async fn asked(gate: &Gate, server: &Name) -> Result<(String, Option<String>), String> {
    let locks = gate.locks();
    if [LockTarget::All, LockTarget::Server(server.clone())].iter().any(|target| locks.kind(target).is_some()) {
        return Err("an operator has stopped it, so it is not asked".to_owned());
    }
    let way = Way::to(&gate.in_force.load(), server).ok_or("it has no upstream")??;
    let known = gate.watch.inner().speaks.get(server).filter(|(place, _)| *place == way.place).map(|(_, version)| *version);
    let revisions = way.revisions(known);
    let mut rest = revisions.iter();
    let mut first = Err(Unasked::Unreachable);
    for version in rest.by_ref() {
        first = announced::ask(&gate.upstreams, &way.upstream, *version).await;
        match &first {
            Ok(_) => {
                gate.watch.inner().speaks.insert(server.clone(), (way.place.clone(), *version));
                break;
            }
            Err(unasked) if unasked.is_foreign() => {}
            Err(_) => break,
        }
    }
    let Heard { announced, missing } = first.map_err(|unasked| unasked.to_string())?;
    let mut heard = vec![announced];
    // Revisions differ in what a definition has: only who never says what was approved says something else.
    if let Some(other) = rest.next().filter(|_| differs(&gate.in_force.load(), server, &heard)) {
        // One connection that is lost is no other word; a server that never says the rest is judged by what it does say.
        for _ in 0..TRIES {
            match announced::ask(&gate.upstreams, &way.upstream, *other).await {
                Ok(said) => {
                    if !differs(&gate.in_force.load(), server, std::slice::from_ref(&said.announced)) {
                        gate.watch.inner().speaks.insert(server.clone(), (way.place.clone(), *other));
                    }
                    heard.push(said.announced);
                    break;
                }
                Err(unasked) if unasked.is_foreign() => break,
                Err(_) => {}
            }
        }
    }
    judge(gate, server, &way, &heard).await?;
    let list = heard.first().map(|heard| heard.list().to_owned()).unwrap_or_default();
    Ok((list, missing.map(|missing| missing.to_string())))
}

/// What is approved of a server's tools; `None` for one that is denied whatever is said of it.
fn approved(in_force: &InForce, server: &Name) -> BTreeMap<String, Option<Digest>> {
    let declared = in_force.config.bundle.registry.tool_servers.get(server);
    let served = in_force.snapshot.servers.get(server);
    let digest = |tool: &String| Some(served?.tools.get(tool)?.definition().digest());
    declared.into_iter().flat_map(|declared| declared.tools.keys()).map(|tool| (tool.clone(), digest(tool))).collect()
}

fn differs(in_force: &InForce, server: &Name, heard: &[Announced]) -> bool {
    !Standings::of(&approved(in_force, server), heard).changed.is_empty()
}

/// Holds what was heard against what is approved now, and quarantines what differs; ends what operators have approved since.
async fn judge(gate: &Gate, server: &Name, way: &Way, heard: &[Announced]) -> Result<(), String> {
    // Nothing else comes in force meanwhile.
    let _turn = gate.applying.acquire().await.map_err(|error| error.to_string())?;
    let in_force = gate.in_force.load_full();
    if in_force.snapshot.servers.get(server).is_none_or(|served| served.place != way.place) {
        return Err("it was configured otherwise while it was asked".to_owned());
    }
    let approved = approved(&in_force, server);
    let standings = Standings::of(&approved, heard);
    for (tool, announced) in &standings.changed {
        let Some(approved) = approved.get(tool).copied().flatten() else { continue };
        let (id, differing) = (format!("{server}/{tool}"), Differing { approved, announced: *announced });
        let locks = gate.locks();
        if locks.quarantines().of(&id).is_some() || locks.quarantines().tolerates(&id, differing) {
            continue;
        }
        let act = AdminAct::ToolQuarantined { tool: id.clone(), differing };
        let done = gate.store.administer(act, By::default()).await;
        let is_recorded = done.is_ok_and(|done| done.recorded.is_some());
        tracing::warn!(tool = id, %approved, %announced, is_recorded, "a tool is quarantined: its server says something else of it");
    }
    for tool in &standings.same {
        let Some(digest) = approved.get(tool).copied().flatten() else { continue };
        settle(gate, &format!("{server}/{tool}"), Differing { approved: digest, announced: digest }, &By::default()).await;
    }
    let mut inner = gate.watch.inner();
    let seen = inner.seen.entry(server.clone()).or_default();
    let told = (&seen.standings.gone, &seen.standings.new);
    if told != (&standings.gone, &standings.new) {
        let (gone, new) = (standings.gone.len(), standings.new.len());
        tracing::info!(%server, gone, new, "a tool server names other tools than were approved");
    }
    seen.hear(now(), standings, &approved, heard);
    Ok(())
}

/// Ends a quarantine if what the server says was approved since.
async fn settle(gate: &Gate, tool: &str, now: Differing, by: &By) {
    if !gate.locks().quarantines().is_settled(tool, now) {
        return;
    }
    let act = AdminAct::ToolReleased { tool: tool.to_owned(), because: Release::Approved, tolerated: None };
    match gate.store.administer(act, by.clone()).await {
        Ok(_) => tracing::info!(tool, "a quarantine has ended: what the tool's server says was approved"),
        Err(error) => tracing::error!(tool, %error, "a quarantine stays: its end cannot be recorded"),
    }
}

impl Gate {
    /// Watches the servers that are declared now.
    pub(crate) fn watch_anew(&self) {
        let in_force = self.in_force.load();
        let watched = &in_force.config.settings.tool_watch;
        let mut inner = self.watch.inner();
        inner.schedule.set(watched, self.monotonic());
        inner.seen.retain(|server, _| watched.contains_key(server));
        inner.speaks.retain(|server, _| watched.contains_key(server));
        drop(inner);
        self.watch.wake.notify_one();
    }

    /// After something came in force: quarantines end of which an operator has just approved what is said.
    pub(crate) async fn settle_quarantines(&self, by: &By) {
        let in_force = self.in_force.load_full();
        let quarantined: Vec<(String, Differing)> =
            self.locks().quarantines().iter().map(|(tool, differing)| (tool.to_owned(), differing)).collect();
        for (id, then) in quarantined {
            let Some(approved) = approved_now(&in_force, &id) else { continue };
            let announced = self.announced_of(&id).unwrap_or(then.announced);
            settle(self, &id, Differing { approved, announced }, by).await;
        }
        self.watch_anew();
    }

    /// What the server of a tool, `SERVER/NAME`, said of it last.
    fn announced_of(&self, id: &str) -> Option<Digest> {
        let (server, tool) = id.split_once('/')?;
        self.watch.inner().seen.get(&Name::new(server).ok()?)?.announced(tool)
    }

    /// How tool servers stand, in short, for `status`.
    pub(crate) fn tools_status(&self) -> Value {
        let locks = self.locks();
        let quarantined: Vec<&str> = locks.quarantines().iter().map(|(tool, _)| tool).take(orders::MAX_TOLD).collect();
        let inner = self.watch.inner();
        let unasked: BTreeMap<&str, &String> =
            inner.seen.iter().filter_map(|(server, seen)| Some((server.as_str(), seen.problem.as_ref()?))).collect();
        let gone =
            inner.seen.iter().flat_map(|(server, seen)| seen.standings.gone.iter().map(move |tool| format!("{server}/{tool}")));
        let gone: Vec<String> = gone.take(orders::MAX_TOLD).collect();
        json!({"quarantined": quarantined, "n_quarantined": locks.quarantines().iter().count(), "unasked": unasked, "gone": gone})
    }

    /// The same for Prometheus: by the names of declared servers.
    pub(crate) fn tools_metrics(&self) -> String {
        let in_force = self.in_force.load();
        let locks = self.locks();
        let inner = self.watch.inner();
        let servers = &in_force.config.settings.tool_watch;
        let of = |server: &Name| {
            let prefix = format!("{server}/");
            locks.quarantines().iter().filter(|(tool, _)| tool.starts_with(&prefix)).count()
        };
        let mut text = String::new();
        let mut gauge = |name: &str, value: &dyn Fn(&Name) -> usize| {
            text.push_str(&format!("# TYPE {name} gauge\n"));
            for server in servers.keys() {
                text.push_str(&format!("{name}{{server=\"{server}\"}} {}\n", value(server)));
            }
        };
        gauge("portcullis_tools_quarantined", &of);
        gauge("portcullis_tools_gone", &|server| inner.seen.get(server).map_or(0, |seen| seen.standings.gone.len()));
        gauge("portcullis_tools_unapproved", &|server| inner.seen.get(server).map_or(0, |seen| seen.standings.new.len()));
        gauge("portcullis_tool_server_unasked", &|server| {
            usize::from(inner.seen.get(server).is_some_and(|seen| seen.problem.is_some()))
        });
        text
    }
}

/// The digest of what is approved of a tool, `SERVER/NAME`, now.
fn approved_now(in_force: &InForce, id: &str) -> Option<Digest> {
    let (server, tool) = id.split_once('/')?;
    let served = in_force.snapshot.servers.get(&Name::new(server).ok()?)?;
    Some(served.tools.get(tool)?.definition().digest())
}
