//! The gate's tool servers as protected resources (RFC 9728): whose tokens open them. Nothing here depends on who asks.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::HOST;
use model::{Name, ReasonCode, Refusal, RequestId};
use serde_json::json;

use super::document;
use crate::guard::timely;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Voice, World};
use crate::release;
use crate::respond::stamp;
use crate::scopes::joined;

/// What stands in front of a resource's path where its metadata are.
pub const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The address at which callers reach the gate: the one that operators have given it, else the name of this machine that the request
/// was sent to. No other name is believed.
#[derive(Debug, Clone)]
pub enum Base {
    /// What operators have written.
    Given(Arc<str>),
    /// A name of this machine, and the port.
    Here(HeaderValue),
}

impl Base {
    /// The address; none if tokens of no issuer open anything here.
    #[must_use]
    pub fn of<W: World>(world: &W, head: &Head) -> Option<Self> {
        if world.has_issuers() { Self::here(world, head) } else { None }
    }

    /// The address, whoever opens what stands there; none if operators have given none and no name of this machine was asked for.
    #[must_use]
    pub fn here<W: World>(world: &W, head: &Head) -> Option<Self> {
        let given = world.snapshot().access_url.clone();
        let given = given.or_else(|| world.issuing().map(|issuing| Arc::from(issuing.gate.url.as_str())));
        if let Some(url) = given {
            return Some(Self::Given(url));
        }
        let value = head.headers.get(HOST)?;
        let host = value.to_str().ok()?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let name = host.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(host, |(name, _)| name);
        is_here(name).then(|| Self::Here(value.clone()))
    }

    /// The name of the resource at `path`, as tokens have it in `aud`; none where only a caller says what the gate is called: a token
    /// for a neighbour on this machine would do then.
    #[must_use]
    pub fn resource(&self, path: &str) -> Option<String> {
        matches!(self, Self::Given(_)).then(|| self.url(path))
    }

    /// The address of what stands at `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match self {
            Self::Given(url) => format!("{}{path}", url.trim_end_matches('/')),
            Self::Here(host) => format!("http://{}{path}", host.to_str().unwrap_or_default()),
        }
    }

    /// Where the metadata of the resource at `path` are.
    #[must_use]
    pub fn metadata(&self, path: &str) -> String {
        self.url(&format!("{METADATA}{path}"))
    }
}

/// By whose tokens a tool server is opened, as its callers are told and as tokens name it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// Its name in `aud`; none where it has none.
    pub resource: Option<String>,
    /// Where stands whose tokens open it; none if those of no issuer do.
    pub metadata: Option<String>,
    /// The scopes that everything asked of it needs, with spaces between.
    pub scopes: String,
}

impl Opening {
    /// The server of this name, at `path`.
    #[must_use]
    pub fn of<W: World>(world: &W, head: &Head, path: &str, server: &Name) -> Self {
        let Some(base) = Base::of(world, head) else { return Self::default() };
        let snapshot = world.snapshot();
        let scopes = snapshot.servers.get(server).map(|server| joined(&server.scopes.all)).unwrap_or_default();
        Self { resource: base.resource(path), metadata: Some(base.metadata(path)), scopes }
    }
}

/// The path of a tool server.
#[must_use]
pub fn path_of(server: &Name) -> String {
    if server.as_str() == MAIN { SERVERS.trim_end_matches('/').to_owned() } else { format!("{SERVERS}{server}") }
}

/// The server that the path without a name stands for.
pub const MAIN: &str = "mcp";

/// What stands in front of a tool server's name in its path.
pub(super) const SERVERS: &str = "/mcp/";

/// Whether a name without its port is one of this machine.
#[must_use]
pub fn is_here(name: &str) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|here| name.eq_ignore_ascii_case(here))
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
    let base = Base::of(world, head);
    let base = base.ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "tokens of no issuer are taken here"))?;
    let named = path.strip_prefix(SERVERS).or_else(|| SERVERS.strip_prefix(path).and(Some(MAIN)));
    let server = named.and_then(|name| Name::new(name).ok());
    let supported = server.and_then(|name| Some(call.snapshot.servers.get(&name)?.scopes.supported())).unwrap_or_default();
    let mut metadata = json!({
        "resource": base.url(path),
        "authorization_servers": world.issuer_urls(),
        "bearer_methods_supported": ["header"],
    });
    if let Some(members) = metadata.as_object_mut().filter(|_| !supported.is_empty()) {
        members.insert("scopes_supported".to_owned(), json!(supported));
    }
    let (mut headers, body) = document(&metadata);
    call.status = 200;
    call.has_begun = true;
    stamp(&mut headers, call);
    client.begin(http::StatusCode::OK, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}
