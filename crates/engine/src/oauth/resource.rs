//! The gate's tool servers as protected resources (RFC 9728): whose tokens open them. Nothing here depends on who asks.

use std::time::Duration;

use http::header::HOST;
use model::{ReasonCode, Refusal, RequestId};
use serde_json::json;

use super::document;
use crate::guard::timely;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Voice, World};
use crate::release;
use crate::respond::stamp;

/// What stands in front of a resource's path where its metadata are.
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The address at which callers reach the gate: the one that operators have given it, else the name of this machine that the request
/// was sent to. No other name is believed.
fn base<W: World>(world: &W, head: &Head) -> Option<String> {
    let given = world.snapshot().access_url.as_deref().map(ToOwned::to_owned);
    let given = given.or_else(|| world.issuing().map(|issuing| issuing.gate.url.clone()));
    if let Some(url) = given {
        return Some(url.trim_end_matches('/').to_owned());
    }
    let host = head.headers.get(HOST)?.to_str().ok()?;
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let is_here = ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| name.eq_ignore_ascii_case(here));
    is_here.then(|| format!("http://{host}"))
}

/// Where the metadata of the resource at `path` are; none if tokens of no issuer open it.
#[must_use]
pub fn resource_metadata<W: World>(world: &W, head: &Head, path: &str) -> Option<String> {
    if world.issuer_urls().is_empty() {
        return None;
    }
    base(world, head).map(|base| format!("{base}{METADATA}{path}"))
}

/// Tells whose tokens open the resource at `path`.
pub async fn publish_resource<W: World, V: Voice, C: Client>(
    world: &W,
    voice: &V,
    head: &Head,
    client: &mut C,
    path: &str,
) -> RequestId {
    let mut call = Call::begin(world);
    let ended = publish(world, head, client, &mut call, path).await;
    finish(world, voice, head, client, call, ended).await
}

async fn publish<W: World, C: Client>(
    world: &W,
    head: &Head,
    client: &mut C,
    call: &mut Call,
    path: &str,
) -> Result<(), Refusal> {
    let servers = world.issuer_urls();
    let is_open = servers.is_empty();
    let base = base(world, head).filter(|_| !is_open);
    let base = base.ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "tokens of no issuer are taken here"))?;
    let (mut headers, body) = document(&json!({
        "resource": format!("{base}{path}"),
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
    }));
    call.status = 200;
    call.has_begun = true;
    stamp(&mut headers, call);
    client.begin(http::StatusCode::OK, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}
