//! The gate as an issuer of task tokens: exchange (RFC 8693), introspection (RFC 7662), revocation (RFC 7009), and what it
//! publishes. The exchange is an interaction like any other: decided, recorded, and only then done.

mod exchange;
mod own;
mod publish;
mod resource;

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use identity::{Form, Secret, Shown};
use model::{ReasonCode, Refusal, RequestId};
use serde_json::Value;

use crate::account;
use crate::admit::{Identified, admit_key};
use crate::guard::{Guard, timely};
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Issuing, Voice, World};

pub use publish::Publication;
pub use resource::{Base, MAIN, METADATA as RESOURCE_METADATA, Opening, is_here, path_of, publish_resource};

/// Longest body of a request to these endpoints, in bytes: two tokens, a key, and details.
const MAX_BODY: usize = 48 << 10;

/// What is asked of the gate as an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/oauth/token`.
    Token,
    /// `/oauth/introspect`.
    Introspect,
    /// `/oauth/revoke`.
    Revoke,
    /// What anybody may read.
    Publish(Publication),
}

/// Serves one request to the gate as an issuer. Returns the id under which everything stands in the log.
pub async fn issuer<W: World, V: Voice, C: Client>(
    world: &W,
    voice: &V,
    head: &Head,
    client: &mut C,
    endpoint: Endpoint,
) -> RequestId {
    let mut call = Call::begin(world);
    let ended = match endpoint {
        Endpoint::Token => exchange::exchange(world, head, client, &mut call).await,
        Endpoint::Introspect => own::introspect(world, head, client, &mut call).await,
        Endpoint::Revoke => own::revoke(world, head, client, &mut call).await,
        Endpoint::Publish(what) => publish::publish(world, client, &mut call, what).await,
    };
    finish(world, voice, head, client, call, ended).await
}

/// The gate as an issuer; a path of nothing where operators have not made it one.
fn issuing<W: World>(world: &W) -> Result<Arc<Issuing>, Refusal> {
    world.issuing().ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "`tokens` is not configured"))
}

/// A refusal that names a parameter first, as the voice expects it.
fn wrong(parameter: &str, what: &str) -> Refusal {
    Refusal::because(ReasonCode::ExchangeRefused, format!("{parameter}: {what}"))
}

/// A client's own key, and the name that it gives itself, if it gives one.
struct Shows {
    id: Option<String>,
    key: Secret,
}

/// The form of a request, and the client that sent it: by `Authorization: Basic` or `Bearer`, or by `client_secret` in the form.
/// Where a header names the client, the body of one that is not known is not read.
async fn request<W: World, C: Client>(world: &W, head: &Head, client: &mut C, call: &mut Call) -> Result<(Form, Guard), Refusal> {
    let in_header = in_header(head)?;
    let known = in_header.as_ref().map(|shows| known(world, call, shows)).transpose()?;
    if !is_form(&head.headers) {
        return Err(wrong("body", "expected the type application/x-www-form-urlencoded"));
    }
    let body = timely(world, call.snapshot.limits.body, ReasonCode::BodyTimeout, client.body(MAX_BODY)).await??;
    let form = Form::parse(&body).map_err(|error| wrong("body", &error.to_string()))?;
    let (identified, guard) = match (known, form.get("client_secret")) {
        (Some(_), Some(_)) => return Err(ReasonCode::TwoCredentials.into()),
        (None, None) => return Err(ReasonCode::CredentialMissing.into()),
        (Some(known), None) => known,
        (None, Some(key)) => self::known(world, call, &Shows { id: None, key: Secret::new(key.to_owned()) })?,
    };
    if let Some(id) = form.get("client_id") {
        is_named(&identified, id)?;
    }
    call.identified = Some(identified);
    call.timings.admit = world.monotonic().saturating_sub(call.started);
    // The client's own budgets: whose token it asks for is not known yet.
    account::charge_request(world, call)?;
    Ok((form, guard))
}

/// What the headers show: nothing, a key, or a name and a key.
fn in_header(head: &Head) -> Result<Option<Shows>, Refusal> {
    let basic = head.headers.get(AUTHORIZATION).and_then(|value| identity::basic(value.as_bytes()));
    if let Some((id, key)) = basic {
        let is_only = head.headers.get_all(AUTHORIZATION).iter().count() == 1
            && ["x-api-key", "api-key"].iter().all(|name| !head.headers.contains_key(*name));
        return if is_only { Ok(Some(Shows { id: Some(id), key })) } else { Err(ReasonCode::TwoCredentials.into()) };
    }
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    match identity::shown_in_request(headers, head.query.as_deref()) {
        Err(ReasonCode::CredentialMissing) => Ok(None),
        Err(reason) => Err(reason.into()),
        Ok(Shown::Token(_)) => {
            Err(Refusal::because(ReasonCode::CredentialUnknown, "a client shows its own key here, not a token"))
        }
        Ok(Shown::Key(key)) => {
            let key = String::from_utf8(key.to_vec()).map_err(|_| ReasonCode::CredentialUnknown)?;
            Ok(Some(Shows { id: None, key: Secret::new(key) }))
        }
    }
}

/// The client whose key it is, under the name that it gives itself.
fn known<W: World>(world: &W, call: &Call, shows: &Shows) -> Result<(Identified, Guard), Refusal> {
    let (identified, guard) = admit_key(world, shows.key.expose().as_bytes(), call.request, call.at)?;
    if let Some(id) = &shows.id {
        is_named(&identified, id)?;
    }
    Ok((identified, guard))
}

/// A client's name is its party, `agent:NAME`, or the id of its key.
fn is_named(identified: &Identified, id: &str) -> Result<(), Refusal> {
    let is_party = identified.chain().actor().is_some_and(|actor| actor.to_string() == id);
    let is_key = identified.credential().id.as_str() == id;
    if is_party || is_key { Ok(()) } else { Err(ReasonCode::CredentialUnknown.into()) }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(|value| value.to_str().unwrap_or(""));
    let is_it = |text: &str| {
        let essence = text.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    };
    types.next().is_some_and(is_it) && types.next().is_none() && !headers.contains_key(CONTENT_ENCODING)
}

/// A document of the gate as an issuer; no cache keeps it.
fn document(value: &Value) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (headers, Bytes::from(value.to_string()))
}
