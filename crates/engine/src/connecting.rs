//! Pages for people who connect themselves to an upstream: the way to its authorization server, and the way back.
//!
//! Nobody is identified here: what opens these pages are secrets of their own, each used once. What is asked for with another one is
//! a path of nothing.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use model::{ReasonCode, Refusal, RequestId};

use crate::guard::timely;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Step, Voice, World};
use crate::release;
use crate::respond::stamp;

/// Longest time for a page: a code is redeemed within it.
const PATIENCE: Duration = Duration::from_secs(40);

/// What pages may do: nothing.
const TELLING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// What the page with a button may do.
const ASKING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// Serves one page. Returns the id under which it is counted.
pub async fn connect<W: World, V: Voice, C: Client>(world: &W, voice: &V, head: &Head, client: &mut C, step: Step) -> RequestId {
    let mut call = Call::begin(world);
    let ended = page(world, head, client, &mut call, step).await;
    finish(world, voice, head, client, call, ended).await
}

async fn page<W: World, C: Client>(world: &W, head: &Head, client: &mut C, call: &mut Call, step: Step) -> Result<(), Refusal> {
    let page = timely(world, PATIENCE, ReasonCode::UpstreamTimeout, world.connect(step, head)).await?;
    let page = page.ok_or(ReasonCode::RouteUnknown)?;
    let mut headers = HeaderMap::new();
    // Where a form leads on to from here is the authorization server, which browsers count as a place that the form goes to.
    let policy = if page.asks { ASKING } else { TELLING };
    let fixed: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let told = [(LOCATION, page.location), (SET_COOKIE, page.cookie)];
    let is_redirect = told.iter().any(|(name, value)| *name == LOCATION && value.is_some());
    for (name, value) in told {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| ReasonCode::Internal)?);
        }
    }
    let status = if is_redirect { StatusCode::SEE_OTHER } else { StatusCode::OK };
    let button = if page.asks { "<form method=post><button>Go on</button></form>\n" } else { "" };
    let body = format!("<!doctype html><meta charset=utf-8><title>Portcullis</title><p>{}</p>\n{button}", page.text);
    let body = Bytes::from(body);
    call.status = status.as_u16();
    call.has_begun = true;
    stamp(&mut headers, call);
    client.begin(status, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}
