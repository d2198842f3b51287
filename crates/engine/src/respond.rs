//! The way back: inspect, label, release, until the answer ends or something stops it.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use identity::Mark;
use model::{Action, Integrity, ReasonCode, Refusal, Resource};
use text::Document;

use crate::act::Reply;
use crate::asked::{self, Asking, ClientMode, Said};
use crate::decide::Permit;
use crate::event::Event;
use crate::guard::{Guard, at_once, give_way, while_connected};
use crate::interaction::Call;
use crate::label;
use crate::ports::{Client, EventReader, Protocol, ReplyBody, ReplyHead, SendError, StreamEvent, Turn, World};
use crate::record::{self, Recorded};
use crate::release::{Batch, Machine, Sealer};
use crate::remote;
use crate::seen;
use crate::stored;
use crate::streams::Session;

/// Bytes of a stream that are gathered into one release at most, if they have arrived already.
const MOST_GATHERED: usize = 8 << 10;

/// How often a stream of news is looked at that says nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Longest time between two pieces of a stream in which nothing is written that is not shown: what the way of a piece takes.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings one answer to the client.
pub(crate) async fn respond<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    client: &mut C,
    call: &mut Call,
    guard: &mut Guard,
    recorded: &Recorded,
    reply: Reply<W::Body>,
) -> Result<(), Refusal> {
    let Reply { head, body, position } = reply;
    call.outcome.position = Some(position);
    call.outcome.upstream_status = Some(head.status.as_u16());
    let form = form(&head, recorded.permit())?;
    let mut headers = protocol.client_headers(&head.headers);
    stored::seal_session(world, call.identified()?, recorded.permit(), &head.headers, &mut headers)?;
    // Whether a tool server streams is its own choice.
    call.is_stream |= recorded.permit().model().is_none() && matches!(form, Form::Stream);
    call.account.tell(protocol, ReasonCode::Permitted, &mut headers);
    let mut back = Back {
        world,
        client,
        guard,
        recorded,
        status: head.status,
        headers,
        length: None,
        deadline: world.monotonic().saturating_add(call.snapshot.limits.total),
        silence: Silence { quiet: call.timings.upstream, ..Silence::default() },
        call,
        said: None,
    };
    match form {
        Form::Stream => back.stream(protocol, body).await,
        Form::Document => back.document(protocol, body).await,
        Form::Bare => back.bare(protocol),
    }
}

enum Form {
    Stream,
    Document,
    /// Only a head: a message was taken, and there is nothing to say. What an upstream says all the same is not read.
    Bare,
}

/// What kind of answer this is; what cannot be read safely is refused by its head.
fn form(head: &ReplyHead, permit: &Permit) -> Result<Form, Refusal> {
    let status = head.status;
    let is_server = permit.model().is_none();
    let is_end = permit.target().method == Method::DELETE && status.is_success();
    if is_server && (status == StatusCode::ACCEPTED || is_end) {
        return Ok(Form::Bare);
    }
    // Whether a session has news, and can be ended, is the server's own affair.
    if is_server && status == StatusCode::METHOD_NOT_ALLOWED && permit.target().method != Method::POST {
        return Err(ReasonCode::MethodNotAllowed.into());
    }
    // The body of such an answer speaks about the gate's own credential.
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
        return Err(ReasonCode::UpstreamRefusedGate.into());
    }
    if !(status.is_success() || status.is_client_error() || status.is_server_error()) {
        return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, format!("status {}", status.as_u16())));
    }
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/event-stream" if status.is_success() => Ok(Form::Stream),
        "application/json" => Ok(Form::Document),
        // A session that has ended: clients begin anew when they are told so.
        _ if status == StatusCode::NOT_FOUND
            && matches!(permit.aim(), Resource::Tool(_) | Resource::ToolServer(_) | Resource::Document(_)) =>
        {
            Err(ReasonCode::SessionUnknown.into())
        }
        _ if status.is_success() => {
            Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "neither JSON nor an event stream"))
        }
        _ => Err(Refusal::because(ReasonCode::UpstreamUnavailable, format!("status {} without a JSON body", status.as_u16()))),
    }
}

/// One step of the upstream's body; `None` at its end.
fn piece_of(next: Option<Result<Bytes, SendError>>) -> Result<Option<Bytes>, Refusal> {
    next.transpose().map_err(|error| match error {
        SendError::Timeout => ReasonCode::UpstreamTimeout.into(),
        SendError::Unreachable | SendError::BrokeOff => ReasonCode::UpstreamBrokeOff.into(),
        SendError::Malformed => ReasonCode::UpstreamResponseInvalid.into(),
    })
}

/// How long an upstream wrote nothing that is shown. Pauses of [`PAUSE`] do not count, but before the first piece.
#[derive(Debug, Default)]
struct Silence {
    /// Between the pieces that came.
    between: Duration,
    /// Since the last one; waits for the upstream alone.
    quiet: Duration,
    /// What had arrived then, in tokens.
    arrived: u64,
}

impl Silence {
    /// So much has arrived by now.
    fn hear(&mut self, arrived: u64) {
        if arrived != self.arrived {
            self.between = self.between.saturating_add(self.quiet.saturating_sub(PAUSE));
            (self.quiet, self.arrived) = (Duration::ZERO, arrived);
        }
    }

    const fn whole(&self) -> Duration {
        let counts = if self.arrived == 0 { self.quiet } else { self.quiet.saturating_sub(PAUSE) };
        self.between.saturating_add(counts)
    }
}

struct Back<'a, W, C> {
    world: &'a W,
    client: &'a mut C,
    guard: &'a mut Guard,
    recorded: &'a Recorded,
    status: StatusCode,
    headers: HeaderMap,
    /// Of the body, in bytes, if it is one document.
    length: Option<usize>,
    deadline: Duration,
    silence: Silence,
    call: &'a mut Call,
    /// The conversation behind the answer, once a call in it is decided on.
    said: Option<Said>,
}

impl<W: World, C: Client> Back<'_, W, C> {
    /// Nothing but a head.
    fn bare<P: Protocol>(&mut self, protocol: &P) -> Result<(), Refusal> {
        protocol.ended()?;
        let permit = self.recorded.permit();
        if let (Some(name), Resource::ToolServer(server), &Method::DELETE) =
            (permit.session(), permit.aim(), &permit.target().method)
        {
            let owner = stored::owner(self.call.identified()?);
            self.world.sessions().insert(&Session { owner: &owner, server, name });
        }
        self.headers.remove(CONTENT_TYPE);
        self.length = Some(0);
        self.open()
    }

    /// One JSON document: read whole, bounded, then released whole.
    async fn document<P: Protocol, B: ReplyBody>(&mut self, protocol: &P, mut body: B) -> Result<(), Refusal> {
        let limit = self.call.snapshot.limits.answer_bytes;
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next(&mut body).await? {
            if whole.len().saturating_add(piece.len()) > limit {
                return Err(Refusal::because(ReasonCode::UpstreamResponseTooLarge, format!("more than {limit} bytes")));
            }
            whole.extend_from_slice(&piece);
        }
        let whole = whole.freeze();
        let mut machine = self.machine(protocol, false)?;
        let read = machine.push(StreamEvent { raw: whole.clone(), data: Some(whole), ..StreamEvent::default() });
        self.call.account.saw(machine.seen());
        read?;
        machine.finish()?;
        protocol.ended()?;
        let mut batch = machine.ready()?;
        while self.decide(protocol, &mut machine, &mut batch).await? {}
        self.length = Some(batch.released.len());
        self.release(batch).await
    }

    /// Decides on the calls that have become complete. `true`: more may leave now, in `batch`.
    async fn decide<P: Protocol>(
        &mut self,
        protocol: &P,
        machine: &mut Machine<'_, P>,
        batch: &mut Batch,
    ) -> Result<bool, Refusal> {
        let asked = machine.asked();
        if asked.is_empty() {
            return Ok(false);
        }
        let identified = self.call.identified.as_ref().ok_or(ReasonCode::Internal)?;
        let asking = Asking { identified, recorded: self.recorded };
        let said = self.said.get_or_insert_with(|| said(protocol, self.call));
        // The words of the model are in the task before it is decided what it may do.
        label::join(self.world, identified, label::of_answer(identified, self.recorded.permit()));
        for call in asked {
            let (fate, note) = asked::decided(self.world, &asking, said, self.guard, &call).await?;
            self.call.outcome.asked_for(note);
            machine.decide(call.key, fate);
        }
        let mut next = machine.ready()?;
        next.findings.splice(0..0, std::mem::take(&mut batch.findings));
        *batch = next;
        Ok(true)
    }

    /// A stream: event by event, held back only while a scanner is undecided. What has arrived together leaves together.
    async fn stream<P: Protocol, B: ReplyBody>(&mut self, protocol: &P, body: B) -> Result<(), Refusal> {
        let mut machine = self.machine(protocol, true)?;
        let ended = self.events(protocol, body, &mut machine).await;
        // However it ended, what was seen is what is charged.
        self.call.account.saw(machine.seen());
        self.silence.hear(machine.arrived());
        self.call.account.was_silent(self.silence.whole());
        ended
    }

    async fn events<P: Protocol, B: ReplyBody>(
        &mut self,
        protocol: &P,
        mut body: B,
        machine: &mut Machine<'_, P>,
    ) -> Result<(), Refusal> {
        let limits = self.call.snapshot.limits.clone();
        let mut reader = protocol.events(limits.event_bytes);
        let mut events = Vec::new();
        let mut n_bytes = 0_u64;
        let mut ended = None;
        let owner = self.call.identified().map(stored::owner)?;
        let world = self.world;
        let heard = self.recorded.permit().is_standing().then(|| world.sessions().hear(&owner));
        let _open = heard.map(|heard| heard.ok_or(ReasonCode::ConcurrencyLimit)).transpose()?;
        if self.recorded.permit().is_standing() {
            // Nothing need be new for a long time; the client knows at once that it is heard.
            self.open()?;
        }
        while ended.is_none() {
            let waits = self.world.monotonic();
            let next = self.next(&mut body).await;
            self.silence.quiet = self.silence.quiet.saturating_add(self.world.monotonic().saturating_sub(waits));
            let mut next = next?;
            let mut n_gathered = 0_usize;
            loop {
                let Some(piece) = next else {
                    ended = Some(Ok(()));
                    break;
                };
                n_bytes = n_bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if n_bytes > limits.stream_bytes {
                    let detail = format!("more than {} bytes", limits.stream_bytes);
                    return Err(Refusal::because(ReasonCode::UpstreamResponseTooLarge, detail));
                }
                let read = reader.push(&piece, &mut events).map_err(Refusal::from);
                match events.drain(..).try_for_each(|event| machine.push(event)).and(read) {
                    Ok(()) => {}
                    Err(denied) if denied.code == ReasonCode::ContentDenied => return Err(denied),
                    // What came before an event that cannot be read is released before that is told.
                    Err(refusal) => {
                        ended = Some(Err(refusal));
                        break;
                    }
                }
                n_gathered = n_gathered.saturating_add(piece.len());
                if n_gathered >= MOST_GATHERED {
                    break;
                }
                // The task that reads the upstream's connection hands over one piece at a time: it has its turn first.
                give_way().await;
                self.guard.check(self.world)?;
                match at_once(body.next()).await.map(piece_of) {
                    None => break,
                    Some(Ok(more)) => next = more,
                    Some(Err(refusal)) => {
                        ended = Some(Err(refusal));
                        break;
                    }
                }
            }
            self.silence.hear(machine.arrived());
            self.tell(machine);
            let batch = machine.ready()?;
            self.let_go(protocol, machine, batch).await?;
        }
        ended.unwrap_or(Ok(()))?;
        reader.finish()?;
        machine.finish()?;
        protocol.ended()?;
        let batch = machine.ready()?;
        self.let_go(protocol, machine, batch).await?;
        // Nothing may have been left to say; that is an answer too.
        self.open()
    }

    /// Passes on that a server's tools are others now: whoever compares them with what was approved looks again.
    fn tell<P: Protocol>(&self, machine: &mut Machine<'_, P>) {
        let server = match self.recorded.permit().aim() {
            Resource::ToolServer(server) => server.as_str(),
            Resource::Tool(id) | Resource::Document(id) => id.split_once('/').map_or("", |(server, _)| server),
            _ => return,
        };
        if machine.announced() {
            self.world.observe_event(&Event::Announced { server });
        }
    }

    /// Releases what may leave, then decides on the calls behind it, until nothing more may.
    async fn let_go<P: Protocol>(&mut self, protocol: &P, machine: &mut Machine<'_, P>, mut batch: Batch) -> Result<(), Refusal> {
        loop {
            self.release(batch).await?;
            batch = Batch::empty();
            if !self.decide(protocol, machine, &mut batch).await? {
                return Ok(());
            }
        }
    }

    fn machine<'p, P: Protocol>(&self, protocol: &'p P, in_stream: bool) -> Result<Machine<'p, P>, ReasonCode> {
        let snapshot = &self.call.snapshot;
        let scanners = Arc::clone(snapshot.scanners.ready()?);
        let duties = Arc::clone(self.recorded.permit().duties());
        let hides_usage = in_stream && self.recorded.permit().hides_usage();
        let limits = snapshot.limits.clone();
        let is_model = self.recorded.permit().model().is_some();
        let is_decided = is_model && self.call.identified.as_ref().is_some_and(|identified| asked::governs(snapshot, identified));
        let calls = if is_decided { protocol.calls(in_stream, limits.json()) } else { None };
        Ok(Machine::new(protocol, scanners, duties, limits, in_stream, self.sealer(), hides_usage).deciding(calls))
    }

    /// What marks the names in an answer that the provider keeps.
    fn sealer(&self) -> Option<Sealer> {
        let permit = self.recorded.permit();
        if let Resource::Agent(agent) = permit.aim() {
            let (handles, owner) = (self.world.handles(), stored::owner(self.call.identified.as_ref()?));
            let known = permit.names().to_vec();
            return Some(Sealer::Agent { handles, owner, bound: remote::bound(agent), known });
        }
        if permit.model().is_none() {
            let identified = self.call.identified.as_ref()?;
            let (handles, owner) = (self.world.handles(), stored::owner(identified));
            let events = permit.events().map(|events| (Arc::clone(events), self.call.request));
            return Some(Sealer::Server { handles, owner, state: permit.state(), events, about: OnceCell::new() });
        }
        let is_stored = permit.judgement().input.asks.iter().any(|ask| ask.action == Action::StoreRemotely);
        let is_kept = is_stored || permit.target().act.is_some();
        let identified = self.call.identified.as_ref().filter(|_| is_kept || !permit.names().is_empty())?;
        Some(Sealer::Model {
            handles: self.world.handles(),
            owner: stored::owner(identified),
            mark: Mark::of(permit.model()?.as_str(), self.call.upstream.as_ref()?.as_str()),
            known: permit.names().to_vec(),
            is_kept,
        })
    }

    /// The next piece of the upstream's body; a lock, silence or the end of patience stops the wait.
    async fn next<B: ReplyBody>(&mut self, body: &mut B) -> Result<Option<Bytes>, Refusal> {
        let left = self.deadline.saturating_sub(self.world.monotonic());
        let is_standing = self.recorded.permit().is_standing();
        // A body that always has more never waits, so no wait would end it.
        if left.is_zero() {
            return if is_standing { Ok(None) } else { Err(ReasonCode::UpstreamTimeout.into()) };
        }
        if !is_standing {
            let limit = self.call.snapshot.limits.idle.min(left);
            let next = while_connected(self.client, body.next());
            return piece_of(self.guard.wait(self.world, limit, ReasonCode::UpstreamTimeout, next).await??);
        }
        // Silence is no fault where nothing need be new. The stream ends when its time is over, or when what it was opened by holds no
        // more; clients begin another, which is decided on anew.
        let ends = self.world.monotonic().saturating_add(left);
        loop {
            let left = ends.saturating_sub(self.world.monotonic());
            if left.is_zero() || self.is_outlived() {
                return Ok(None);
            }
            let next = while_connected(self.client, body.next());
            match self.guard.wait(self.world, LOOK.min(left), ReasonCode::UpstreamTimeout, next).await {
                Err(ReasonCode::UpstreamTimeout) => {}
                waited => return piece_of(waited??),
            }
        }
    }

    /// Whether a stream of news was opened by what holds no more: other policies are in force, or its session has ended.
    fn is_outlived(&self) -> bool {
        let (permit, sessions) = (self.recorded.permit(), self.world.sessions());
        let Some(identified) = &self.call.identified else { return true };
        let has_ended = match (permit.session(), permit.aim()) {
            (Some(name), Resource::ToolServer(server)) => {
                sessions.has(&Session { owner: &stored::owner(identified), server, name })
            }
            _ => false,
        };
        has_ended || !Arc::ptr_eq(&self.world.snapshot(), &self.call.snapshot)
    }

    /// Labels, records what was found, looks at the epoch, and writes; the client's head goes out with the first piece.
    async fn release(&mut self, batch: Batch) -> Result<(), Refusal> {
        let Some(identified) = &self.call.identified else { return Err(ReasonCode::Internal.into()) };
        if !batch.findings.is_empty() {
            let observed = label::of_passing(identified, self.recorded.permit(), &batch.findings);
            label::join(self.world, identified, observed.clone());
            let (snapshot, outcome) = (&self.call.snapshot, &mut self.call.outcome);
            let edit = record::edits(self.world, identified, snapshot, outcome, &batch.findings, observed, self.guard);
            if let Some(edit) = edit {
                let accepted = self.world.accept(edit);
                let late = ReasonCode::EvidenceUnavailable;
                let accepted = self.guard.wait(self.world, snapshot.limits.idle, late, accepted).await?;
                accepted.map_err(record::unrecorded)?;
            }
        }
        if batch.released.is_empty() {
            return Ok(());
        }
        self.open()?;
        self.see(&batch);
        self.call.outcome.keep(batch.released.as_bytes(), self.call.snapshot.limits.content_bytes);
        let patience = self.call.snapshot.limits.client_write;
        let write = self.client.write(batch.released);
        self.guard.wait(self.world, patience, ReasonCode::ClientTooSlow, write).await??;
        Ok(())
    }

    /// Remembers what a tool has brought, before the agent has it and can tell it to its model.
    fn see(&self, batch: &Batch) {
        let permit = self.recorded.permit();
        let (Resource::Tool(tool), Some(identified)) = (permit.aim(), &self.call.identified) else { return };
        if self.call.snapshot.client_tools.mode == ClientMode::Off {
            return;
        }
        let arguments = permit.judgement().input.facts.arguments.as_deref().unwrap_or("{}");
        let texts = seen::results(batch.released.as_bytes());
        let is_vouched = permit.brings().integrity >= Integrity::Trusted;
        self.world.origins().came(&identified.credential().ledger, (tool, arguments), &texts, is_vouched);
    }

    /// Looks at the epoch, and begins the answer if it has not begun: its label is joined before.
    fn open(&mut self) -> Result<(), Refusal> {
        self.guard.check(self.world)?;
        if !self.call.has_begun {
            let identified = self.call.identified()?;
            label::join(self.world, identified, label::of_answer(identified, self.recorded.permit()));
            self.begin();
        }
        Ok(())
    }

    fn begin(&mut self) {
        let elapsed = self.world.monotonic().saturating_sub(self.call.started);
        self.call.timings.overhead = elapsed.saturating_sub(self.call.timings.upstream);
        let mut headers = std::mem::take(&mut self.headers);
        stamp(&mut headers, self.call);
        self.call.has_begun = true;
        self.call.status = self.status.as_u16();
        self.client.begin(self.status, headers, self.length);
    }
}

/// The conversation that the request tells. It was read before, so it reads again.
fn said<P: Protocol>(protocol: &P, call: &Call) -> Said {
    let document = Document::parse(&call.body, &call.snapshot.limits.json());
    Said::new(document.map_or_else(|_| vec![Turn::Unread], |document| protocol.turns(&document)))
}

/// What the gate adds to every answer that it releases.
pub(crate) fn stamp(headers: &mut HeaderMap, call: &Call) {
    if let Ok(id) = HeaderValue::from_str(&call.request.to_string()) {
        headers.insert("x-request-id", id);
    }
    let millis = call.timings.overhead.as_secs_f64() * 1000.0;
    if let Ok(overhead) = HeaderValue::from_str(&format!("{millis:.3}")) {
        headers.insert("x-portcullis-overhead-ms", overhead);
    }
}
