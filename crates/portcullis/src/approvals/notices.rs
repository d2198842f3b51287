//! Telling whoever is configured that something waits for an answer: beside the path of calls, bounded, tried again a few times.
//!
//! A message names the request and until when it waits; what exactly is asked for only where operators have configured that, and then
//! that it was told stands in the log first. After a start what still waits is told again under the same id.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use config::Webhook;
use evidence::{EntryKind, Header};
use gateway::webhook::Receiver;
use model::{Name, UnixMillis};
use response::{Request, Status};
use serde_json::{Value, json};
use store::Draft;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::bring;
use crate::gate::{Gate, now};

/// Most requests that wait to be told of; what comes then is told to nobody.
const QUEUE: usize = 1024;
/// Most messages that are on their way, or wait for another try.
const MAX_RUNNING: usize = 64;
/// The pauses before each try.
const PAUSES: [Duration; 5] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(45), Duration::from_secs(120)];

/// The end of the queue at which requests come in, and what became of them.
#[derive(Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Name>,
    /// Taken by the one task that sends.
    receiver: std::sync::Mutex<Option<mpsc::Receiver<Name>>>,
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let zero = AtomicU64::default;
        Self { sender, receiver: std::sync::Mutex::new(Some(receiver)), delivered: zero(), failed: zero(), dropped: zero() }
    }
}

impl Queue {
    /// Tells of a request that waits; never waits itself.
    pub(super) fn tell(&self, request: &Request) {
        if self.sender.try_send(request.ask.id.clone()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Metrics in the Prometheus text format.
    pub(crate) fn metrics(&self) -> String {
        let rows = [("delivered", &self.delivered), ("failed", &self.failed), ("dropped", &self.dropped)];
        let lines = rows.map(|(result, cell)| {
            format!("portcullis_approval_notices_total{{result=\"{result}\"}} {}\n", cell.load(Ordering::Relaxed))
        });
        format!("# TYPE portcullis_approval_notices_total counter\n{}", lines.concat())
    }
}

/// Sends messages until `stop` turns true; those on their way then are given up.
pub(crate) async fn deliver(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    let receiver = gate.desk.notices.receiver.lock().ok().and_then(|mut receiver| receiver.take());
    let Some(mut queue) = receiver else { return };
    let places = Arc::new(Semaphore::new(MAX_RUNNING));
    let mut running = JoinSet::new();
    let waits = gate.viewed(|view| {
        let approvals = gate.desk.lock();
        let waiting = approvals.list().into_iter().filter(|request| request.status(view) == Status::Pending);
        waiting.map(|request| request.ask.id.clone()).collect::<Vec<_>>()
    });
    // What was asked for before the start, oldest first; nobody has told of it since.
    let mut before = waits.into_iter().rev().take(QUEUE);
    loop {
        let next = async {
            match before.next() {
                Some(id) => Some(id),
                None => queue.recv().await,
            }
        };
        let id = tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
            Some(_) = running.join_next() => continue,
            Some(id) = next => id,
        };
        let place = tokio::select! {
            _ = stop.wait_for(|is_stopping| *is_stopping) => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let gate = Arc::clone(&gate);
        running.spawn(async move {
            told(&gate, &id).await;
            drop(place);
        });
    }
    running.shutdown().await;
}

/// Tells of one request until it is taken, answered, or was tried often enough.
async fn told(gate: &Gate, id: &Name) {
    let mut is_recorded = false;
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        // As it is configured now, and as the request stands now.
        let Some(webhook) = gate.in_force.load().config.settings.approving.webhook.clone() else { return };
        let Some(body) = body(gate, id, webhook.tells_content) else { return };
        if webhook.tells_content && !is_recorded {
            is_recorded = recorded(gate, id).await;
            if !is_recorded {
                continue;
            }
        }
        let sent = match receiver(&webhook) {
            Ok(receiver) => receiver.send(&format!("msg_{id}"), now().seconds(), body).await,
            Err(error) => {
                tracing::error!(%error, "approvals.webhook: its certificate or proxy cannot be used");
                break;
            }
        };
        match sent {
            Ok(()) => {
                gate.desk.notices.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Err(error) => {
                tracing::warn!(request = %id, %error, "nobody was told that something waits for an approval");
                if error.is_final() {
                    break;
                }
            }
        }
    }
    gate.desk.notices.failed.fetch_add(1, Ordering::Relaxed);
}

fn receiver(webhook: &Webhook) -> Result<Receiver, String> {
    let proxy = webhook.proxy.as_deref().map(bring::proxy).transpose()?;
    Receiver::new(webhook.url.to_string(), webhook.key.clone(), webhook.ca.as_deref(), proxy).map_err(|error| error.to_string())
}

/// That it was told what exactly is asked for: reading that is an act of its own, whoever reads.
async fn recorded(gate: &Gate, id: &Name) -> bool {
    let mut header = Header::new(EntryKind::Admin, now());
    header.notes.push(format!("told to approvals.webhook: {id}"));
    gate.store.log.accept(Draft::plain(header)).await.is_ok()
}

/// The message; none, if nothing waits any more.
fn body(gate: &Gate, id: &Name, tells_content: bool) -> Option<Bytes> {
    let request = gate.desk.lock().get(id).cloned()?;
    let (is_pending, quorum) = gate.viewed(|view| (request.status(view) == Status::Pending, request.quorum(view.terms)));
    if !is_pending {
        return None;
    }
    let things = request.ask.items.len();
    let mut data = json!({"request": id, "ends": time(request.ask.ends), "quorum": quorum, "things": things});
    if let (true, Some(data), Some(wanted)) = (tells_content, data.as_object_mut(), &request.wanted) {
        let thing = |item: &response::WantedItem| json!({"commitment": item.commitment, "text": item.text, "salt": item.salt, "because": item.because, "origins": item.origins});
        data.insert("asked_by".to_owned(), json!(request.by));
        data.insert("chain".to_owned(), json!(request.chain));
        data.insert("is_single_use".to_owned(), json!(request.ask.is_single_use));
        data.insert("holds_seconds".to_owned(), json!(request.ask.holds));
        data.insert("things".to_owned(), wanted.items.iter().map(thing).collect::<Value>());
    }
    let message = json!({"type": "approval.requested", "timestamp": time(request.at), "data": data});
    Some(Bytes::from(message.to_string()))
}

/// A time as RFC 3339 writes it, in whole seconds.
fn time(at: UnixMillis) -> String {
    let timestamp = i64::try_from(at.seconds()).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| "9999-12-31T23:59:59Z".to_owned(), |timestamp| timestamp.to_string())
}
