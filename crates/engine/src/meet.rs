//! Tool servers with sessions, for callers who have none: the gate begins one for each task, and keeps it.
//!
//! It stands behind the record, before the call itself is sent, at the destination that was judged. What the server says of itself
//! there is told to nobody; of the answer the revision counts, and the name of the session. A session is one task's: what a server keeps
//! by it never meets what another task has left there.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp::Version;
use model::{Name, ReasonCode};
use text::Document;

use crate::act::{Part, Reply, act};
use crate::admit::Identified;
use crate::guard::{Guard, while_connected};
use crate::ports::{Client, EventReader, Protocol, ReplyBody, SendError, ServerCall, World};
use crate::record::Recorded;
use crate::snapshot::{Limits, Snapshot};
use crate::stored::{self, LONGEST_SESSION, SESSION};

/// The header that says which revision a session speaks.
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Longest answer to a handshake, in bytes: a server may describe itself at length.
const LONGEST: usize = 256 << 10;
/// Most sessions that are kept; the oldest goes first, and is begun anew if it is needed.
const MOST: usize = 10_000;

/// How a session is begun.
#[derive(Debug)]
pub(crate) struct Meeting {
    key: [u8; 32],
    /// The handshake, and the notification that ends it.
    pub(crate) bodies: [Bytes; 2],
}

/// A session with a server. Its name is a secret of the server's.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// None for a server that has no names for them.
    session: Option<HeaderValue>,
    version: Version,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Link {
    /// Says in the head of a message which session it belongs to.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(VERSION, HeaderValue::from_static(self.version.as_str()));
        headers.extend(self.session.clone().map(|session| (SESSION, session)));
    }
}

/// Sessions that the gate has begun, by task, server and bundle.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    links: HashMap<[u8; 32], Link>,
    order: VecDeque<[u8; 32]>,
}

impl Links {
    fn get(&self, key: &[u8; 32]) -> Option<Link> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).links.get(key).cloned()
    }

    fn insert(&self, key: [u8; 32], link: Link) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.links.insert(key, link).is_none() {
            kept.order.push_back(key);
        }
        while kept.order.len() > MOST {
            let oldest = kept.order.pop_front();
            oldest.and_then(|oldest| kept.links.remove(&oldest));
        }
    }

    /// Forgets a session, if it is still the one that is kept.
    fn remove(&self, key: &[u8; 32], link: &Link) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.links.get(key) == Some(link) {
            kept.links.remove(key);
            kept.order.retain(|of| of != key);
        }
    }
}

/// How a session is begun for a call that needs one; none for one that does not.
pub(crate) fn meeting<P: Protocol>(
    protocol: &P,
    snapshot: &Snapshot,
    identified: &Identified,
    call: &ServerCall,
    upstream: &Name,
) -> Option<Meeting> {
    let version = call.introduces?;
    // Behind another bundle another server may stand under the same name: it is not told sessions of this one.
    let bundle = snapshot.digest.to_string();
    let parts = ["met", &stored::owner(identified), call.server.as_str(), upstream.as_str(), &bundle, version.as_str()];
    Some(Meeting { key: identity::digest_of(&parts), bodies: protocol.introduction(version) })
}

/// Sends a call, in a session where it needs one.
pub(crate) async fn act_in_session<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    client: &mut C,
    guard: &mut Guard,
    limits: &Limits,
    recorded: &Recorded,
) -> Result<Reply<W::Body>, ReasonCode> {
    let Some(meeting) = recorded.permit().meeting() else {
        return act(world, client, guard, limits, recorded, Part::Call(None)).await;
    };
    let links = world.sessions().links();
    // Somebody else's account there is somebody else's session.
    let lent = recorded.lent().map(|lent| identity::digest_of(&["lent", &hex::encode(meeting.key), lent.id.as_str()]));
    let key = lent.unwrap_or(meeting.key);
    if let Some(link) = links.get(&key) {
        let reply = act(world, client, guard, limits, recorded, Part::Call(Some(&link))).await?;
        // A server that does not know the session any more has done nothing (2025-11-25, Transports): it is met anew, once.
        // One that has no names for sessions says something else by it.
        if reply.head.status != StatusCode::NOT_FOUND || link.session.is_none() {
            return Ok(reply);
        }
        links.remove(&key, &link);
    }
    let begun = act(world, client, guard, limits, recorded, Part::Begin(meeting)).await?;
    let link = begun_by(world, protocol, client, guard, limits, begun).await?;
    let met = act(world, client, guard, limits, recorded, Part::Met(meeting, &link)).await?;
    if !met.head.status.is_success() {
        return Err(ReasonCode::UpstreamResponseInvalid);
    }
    links.insert(key, link.clone());
    act(world, client, guard, limits, recorded, Part::Call(Some(&link))).await
}

/// What a server answers to a handshake.
async fn begun_by<W: World, P: Protocol, C: Client>(
    world: &W,
    protocol: &P,
    client: &mut C,
    guard: &mut Guard,
    limits: &Limits,
    reply: Reply<W::Body>,
) -> Result<Link, ReasonCode> {
    let Reply { head, body, .. } = reply;
    match head.status {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(ReasonCode::UpstreamRefusedGate),
        status if status.is_server_error() => return Err(ReasonCode::UpstreamUnavailable),
        _ => return Err(ReasonCode::UpstreamResponseInvalid),
    }
    let session = session(&head.headers)?;
    let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_stream = kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream");
    let read = while_connected(client, answered(protocol, body, is_stream));
    let version = guard.wait(world, limits.first_byte, ReasonCode::UpstreamTimeout, read).await???;
    Ok(Link { session, version })
}

fn session(headers: &HeaderMap) -> Result<Option<HeaderValue>, ReasonCode> {
    let mut told = headers.get_all(SESSION).iter();
    let (first, second) = (told.next(), told.next());
    let is_plain = |value: &HeaderValue| {
        !value.is_empty() && value.len() <= LONGEST_SESSION && value.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    match (first, second) {
        (None, _) => Ok(None),
        (Some(session), None) if is_plain(session) => Ok(Some(session.clone())),
        _ => Err(ReasonCode::UpstreamResponseInvalid),
    }
}

/// The revision that the answer to a handshake names. A stream is read until it is there.
async fn answered<P: Protocol, B: ReplyBody>(protocol: &P, mut body: B, is_stream: bool) -> Result<Version, ReasonCode> {
    let mut reader = protocol.events(LONGEST);
    let mut whole = BytesMut::new();
    let mut n_bytes = 0_usize;
    loop {
        let piece = match body.next().await {
            None => break,
            Some(Ok(piece)) => piece,
            Some(Err(SendError::Timeout)) => return Err(ReasonCode::UpstreamTimeout),
            Some(Err(SendError::Unreachable | SendError::BrokeOff)) => return Err(ReasonCode::UpstreamBrokeOff),
            Some(Err(SendError::Malformed)) => return Err(ReasonCode::UpstreamResponseInvalid),
        };
        n_bytes = n_bytes.saturating_add(piece.len());
        if n_bytes > LONGEST {
            return Err(ReasonCode::UpstreamResponseTooLarge);
        }
        if !is_stream {
            whole.extend_from_slice(&piece);
            continue;
        }
        let mut events = Vec::new();
        reader.push(&piece, &mut events)?;
        let told = events.iter().filter_map(|event| event.data.as_ref());
        if let Some(version) = told.filter_map(|data| agreed(protocol, data)).next() {
            return version;
        }
    }
    if is_stream { None } else { agreed(protocol, &whole) }.unwrap_or(Err(ReasonCode::UpstreamResponseInvalid))
}

/// What one message says; none for one that is no answer.
fn agreed<P: Protocol>(protocol: &P, message: &[u8]) -> Option<Result<Version, ReasonCode>> {
    let read = Document::parse(message, &text::Limits::default()).map_err(|_| ReasonCode::UpstreamResponseInvalid);
    match read {
        Ok(document) => protocol.agreed(&document).map(|version| version.ok_or(ReasonCode::UpstreamResponseInvalid)),
        Err(reason) => Some(Err(reason)),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use mcp::Version;

    use super::{Link, Links, MOST, SESSION, session};

    fn link(name: &str) -> Link {
        Link { session: Some(HeaderValue::from_str(name).unwrap()), version: Version::V2025_11_25 }
    }

    #[test]
    fn the_latest_sessions_are_kept() {
        let links = Links::default();
        let key = |number: usize| identity::digest_of(&[&number.to_string()]);
        for number in 0..=MOST {
            links.insert(key(number), link("first"));
        }
        assert!(links.get(&key(0)).is_none() && links.get(&key(1)).is_some());
        links.insert(key(1), link("second"));
        links.remove(&key(1), &link("first"));
        assert_eq!(links.get(&key(1)), Some(link("second")), "another call has begun it anew meanwhile");
        links.remove(&key(1), &link("second"));
        assert_eq!(links.get(&key(1)), None);
        assert!(!format!("{:?}", link("secret")).contains("secret"));
    }

    #[test]
    fn names_of_sessions_are_plain() {
        let told = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(SESSION, HeaderValue::from_bytes(value).unwrap());
            }
            session(&headers).map(|session| session.map(|session| session.as_bytes().to_vec()))
        };
        assert_eq!(told(&[]), Ok(None));
        assert_eq!(told(&[b"a-1"]), Ok(Some(b"a-1".to_vec())));
        for wrong in [&[b"".as_slice()][..], &[b"a", b"b"], &[b"a b"], &[b"\xff"], &[&[b'a'; 300]]] {
            assert!(told(wrong).is_err(), "{wrong:?}");
        }
    }
}
