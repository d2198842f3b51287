//! The way back: inspect, label, release, until the answer ends or something stops it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{ReasonCode, Refusal};

use crate::act::Reply;
use crate::guard::{Guard, while_connected};
use crate::interaction::Call;
use crate::label;
use crate::ports::{Client, EventReader, Protocol, ReplyBody, ReplyHead, SendError, StreamEvent, World};
use crate::record::{self, Recorded};
use crate::release::{Batch, Machine};

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
    let form = form(&head)?;
    let mut back = Back {
        world,
        client,
        guard,
        recorded,
        status: head.status,
        headers: protocol.client_headers(&head.headers),
        deadline: world.monotonic().saturating_add(call.snapshot.limits.total),
        call,
    };
    match form {
        Form::Stream => back.stream(protocol, body).await,
        Form::Document => back.document(protocol, body).await,
    }
}

enum Form {
    Stream,
    Document,
}

/// What kind of answer this is; what cannot be read safely is refused by its head.
fn form(head: &ReplyHead) -> Result<Form, Refusal> {
    let status = head.status;
    // The body of such an answer speaks about the gate's own credential.
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
        return Err(ReasonCode::UpstreamRefusedGate.into());
    }
    if status.is_informational() || status.is_redirection() {
        return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, format!("status {}", status.as_u16())));
    }
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/event-stream" if status.is_success() => Ok(Form::Stream),
        "application/json" => Ok(Form::Document),
        _ if status.is_success() => {
            Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "neither JSON nor an event stream"))
        }
        _ => Err(Refusal::because(ReasonCode::UpstreamUnavailable, format!("status {} without a JSON body", status.as_u16()))),
    }
}

struct Back<'a, W, C> {
    world: &'a W,
    client: &'a mut C,
    guard: &'a mut Guard,
    recorded: &'a Recorded,
    status: StatusCode,
    headers: HeaderMap,
    deadline: Duration,
    call: &'a mut Call,
}

impl<W: World, C: Client> Back<'_, W, C> {
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
        let mut machine = self.machine(protocol, false);
        machine.push(StreamEvent { raw: whole.clone(), name: None, data: Some(whole) })?;
        machine.finish()?;
        let batch = machine.ready()?;
        self.release(batch).await
    }

    /// A stream: event by event, held back only while a scanner is undecided.
    async fn stream<P: Protocol, B: ReplyBody>(&mut self, protocol: &P, mut body: B) -> Result<(), Refusal> {
        let limits = self.call.snapshot.limits.clone();
        let mut reader = protocol.events(limits.event_bytes);
        let mut machine = self.machine(protocol, true);
        let mut events = Vec::new();
        let mut n_bytes = 0_u64;
        while let Some(piece) = self.next(&mut body).await? {
            n_bytes = n_bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if n_bytes > limits.stream_bytes {
                return Err(Refusal::because(
                    ReasonCode::UpstreamResponseTooLarge,
                    format!("more than {} bytes", limits.stream_bytes),
                ));
            }
            reader.push(&piece, &mut events)?;
            for event in events.drain(..) {
                machine.push(event)?;
            }
            let batch = machine.ready()?;
            self.release(batch).await?;
        }
        reader.finish()?;
        machine.finish()?;
        let batch = machine.ready()?;
        self.release(batch).await
    }

    fn machine<'p, P: Protocol>(&self, protocol: &'p P, in_stream: bool) -> Machine<'p, P> {
        let snapshot = &self.call.snapshot;
        let scanners = std::sync::Arc::clone(&snapshot.scanners);
        let duties = std::sync::Arc::clone(self.recorded.permit().duties());
        Machine::new(protocol, scanners, duties, snapshot.limits.clone(), in_stream)
    }

    /// The next piece of the upstream's body; a lock, silence or the end of patience stops the wait.
    async fn next<B: ReplyBody>(&mut self, body: &mut B) -> Result<Option<Bytes>, Refusal> {
        let left = self.deadline.saturating_sub(self.world.monotonic());
        let limit = self.call.snapshot.limits.idle.min(left);
        let next = while_connected(self.client, body.next());
        match self.guard.wait(self.world, limit, ReasonCode::UpstreamTimeout, next).await?? {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(SendError::Timeout)) => Err(ReasonCode::UpstreamTimeout.into()),
            Some(Err(SendError::Unreachable)) => Err(ReasonCode::UpstreamBrokeOff.into()),
            Some(Err(SendError::Malformed)) => Err(ReasonCode::UpstreamResponseInvalid.into()),
        }
    }

    /// Labels, records what was found, looks at the epoch, and writes; the client's head goes out with the first piece.
    async fn release(&mut self, batch: Batch) -> Result<(), Refusal> {
        let Some(identified) = &self.call.identified else { return Err(ReasonCode::Internal.into()) };
        if !batch.findings.is_empty() {
            label::findings(self.world, identified, self.recorded, &batch.findings);
            record::edits(self.world, identified, &self.call.snapshot, &mut self.call.outcome, &batch.findings, self.guard);
        }
        if batch.released.is_empty() {
            return Ok(());
        }
        self.guard.check(self.world)?;
        if !self.call.has_begun {
            label::answer(self.world, identified, self.recorded.permit().model());
            self.begin();
        }
        self.call.outcome.keep(batch.released.as_bytes(), self.call.snapshot.limits.content_bytes);
        let patience = self.call.snapshot.limits.client_write;
        let write = self.client.write(batch.released);
        self.guard.wait(self.world, patience, ReasonCode::ClientTooSlow, write).await??;
        Ok(())
    }

    fn begin(&mut self) {
        let elapsed = self.world.monotonic().saturating_sub(self.call.started);
        self.call.timings.overhead = elapsed.saturating_sub(self.call.timings.upstream);
        let mut headers = std::mem::take(&mut self.headers);
        stamp(&mut headers, self.call);
        self.call.has_begun = true;
        self.call.status = self.status.as_u16();
        self.client.begin(self.status, headers);
    }
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
