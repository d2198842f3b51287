//! Stage 7, act: send what was recorded, to the destinations that were judged, in their order.
//!
//! It stands behind the record. The epoch is read before each attempt.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Method};
use model::{Name, ReasonCode};

use crate::event::Event;
use crate::guard::{Guard, while_connected};
use crate::meet::{Link, Meeting};
use crate::ports::{Client, Lent, ReplyHead, SendError, World};
use crate::record::Recorded;
use crate::snapshot::Limits;

/// One attempt at one destination. Only a [`Recorded`] permit hands it out, and it borrows the bytes which that owns.
#[derive(Debug)]
pub struct Attempt<'a> {
    recorded: &'a Recorded,
    position: usize,
    limit: Duration,
    part: Part<'a>,
}

/// What of a call is sent: itself, perhaps in a session, or what comes before it where the gate has to begin one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'a> {
    /// The call.
    Call(Option<&'a Link>),
    /// The handshake.
    Begin(&'a Meeting),
    /// What ends it.
    Met(&'a Meeting, &'a Link),
}

impl Attempt<'_> {
    /// The upstream's name in the configuration.
    #[must_use]
    pub fn upstream(&self) -> Option<&Name> {
        self.recorded.permit().outbound().get(self.position).map(|outbound| &outbound.upstream)
    }

    /// The bytes that were judged.
    #[must_use]
    pub fn body(&self) -> Bytes {
        let [begin, end] = match self.part {
            Part::Call(_) => {
                let outbound = self.recorded.permit().outbound().get(self.position);
                return outbound.map(|outbound| outbound.body.clone()).unwrap_or_default();
            }
            Part::Begin(meeting) | Part::Met(meeting, _) => &meeting.bodies,
        };
        if matches!(self.part, Part::Begin(_)) { begin.clone() } else { end.clone() }
    }

    /// How it is asked. Only `POST` has a body.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.recorded.permit().target().method
    }

    /// The path below the upstream's base URL, with the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.recorded.permit().target().path
    }

    /// The client's headers that may pass, and those of the session.
    #[must_use]
    pub fn headers(&self) -> HeaderMap {
        let headers = self.recorded.permit().headers();
        match self.part {
            Part::Call(None) => headers.clone(),
            Part::Call(Some(link)) => {
                let mut headers = headers.clone();
                link.tell(&mut headers);
                headers
            }
            // Nothing that belongs to the call stands in the head of what comes before it.
            Part::Begin(_) => headers.get(ACCEPT).map(|accept| (ACCEPT, accept.clone())).into_iter().collect(),
            Part::Met(_, link) => {
                let mut told: HeaderMap = headers.get(ACCEPT).map(|accept| (ACCEPT, accept.clone())).into_iter().collect();
                link.tell(&mut told);
                told
            }
        }
    }

    /// The credential of somebody's own that it was recorded with.
    #[must_use]
    pub const fn lent(&self) -> Option<&Lent> {
        self.recorded.lent()
    }

    /// How long to wait for the answer's head.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

/// What came back.
pub(crate) struct Reply<B> {
    pub(crate) head: ReplyHead,
    pub(crate) body: B,
    pub(crate) position: usize,
}

/// Tries the destinations until one answers: in their order, but those whose last attempts failed after all others. After the
/// first byte of an answer there is no second attempt.
pub(crate) async fn act<W: World, C: Client>(
    world: &W,
    client: &mut C,
    guard: &mut Guard,
    limits: &Limits,
    recorded: &Recorded,
    part: Part<'_>,
) -> Result<Reply<W::Body>, ReasonCode> {
    let outbound = recorded.permit().outbound();
    let (mut order, down): (Vec<usize>, Vec<usize>) =
        (0..outbound.len()).partition(|at| outbound.get(*at).is_some_and(|outbound| world.is_up(&outbound.upstream)));
    order.extend(down);
    let mut last = ReasonCode::UpstreamUnavailable;
    let n_destinations = order.len();
    for (turn, position) in order.into_iter().enumerate() {
        let is_last = turn.saturating_add(1) == n_destinations;
        let Some(upstream) = outbound.get(position).map(|outbound| &outbound.upstream) else { break };
        let attempt = Attempt { recorded, position, limit: limits.first_byte, part };
        let sent = while_connected(client, world.send(attempt));
        let sent = guard.wait(world, limits.first_byte, ReasonCode::UpstreamTimeout, sent).await.flatten();
        let reason = match sent {
            Ok(Ok((head, body))) => {
                let is_transient = is_transient(&head);
                if !is_transient || is_last {
                    world.remember(upstream, !is_transient);
                    return Ok(Reply { head, body, position });
                }
                ReasonCode::UpstreamUnavailable
            }
            Ok(Err(SendError::Unreachable)) => ReasonCode::UpstreamUnavailable,
            Ok(Err(SendError::BrokeOff)) => ReasonCode::UpstreamBrokeOff,
            Ok(Err(SendError::Timeout)) | Err(ReasonCode::UpstreamTimeout) => ReasonCode::UpstreamTimeout,
            Ok(Err(SendError::Malformed)) => ReasonCode::UpstreamResponseInvalid,
            Err(stopped) => return Err(stopped),
        };
        world.remember(upstream, false);
        world.observe_event(&Event::AttemptFailed { request: recorded.request(), upstream: upstream.as_str(), reason });
        // One that may have done something is not forgotten for one that was never reached.
        let is_worse = last == ReasonCode::UpstreamUnavailable || reason != ReasonCode::UpstreamUnavailable;
        last = if is_worse { reason } else { last };
    }
    Err(last)
}

/// Answers that say: somebody else may be able to.
fn is_transient(head: &ReplyHead) -> bool {
    matches!(head.status.as_u16(), 502..=504)
}
