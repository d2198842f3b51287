//! What the gate as an issuer tells everybody: its keys and where its endpoints are. Nothing here depends on who asks.

use std::time::Duration;

use model::{Grant, ReasonCode, Refusal};
use serde_json::{Value, json};

use super::{document, issuing};
use crate::guard::timely;
use crate::interaction::Call;
use crate::ports::{Client, Issuing, World};
use crate::release;
use crate::respond::stamp;

/// A document that anybody may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publication {
    /// The keys (RFC 7517).
    Keys,
    /// The metadata (RFC 8414).
    Metadata,
}

pub(super) async fn publish<W: World, C: Client>(
    world: &W,
    client: &mut C,
    call: &mut Call,
    what: Publication,
) -> Result<(), Refusal> {
    let issuing = issuing(world)?;
    let (mut headers, body) = document(&match what {
        Publication::Keys => issuing.published.clone(),
        Publication::Metadata => metadata(&issuing),
    });
    call.status = 200;
    call.has_begun = true;
    stamp(&mut headers, call);
    client.begin(http::StatusCode::OK, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}

fn metadata(issuing: &Issuing) -> Value {
    let url = issuing.gate.url.trim_end_matches('/');
    let methods = json!(["client_secret_basic", "client_secret_post"]);
    let types: Vec<&str> = Grant::TYPES.iter().map(|(name, ..)| *name).collect();
    json!({
        "issuer": issuing.gate.url,
        "token_endpoint": format!("{url}/oauth/token"),
        "introspection_endpoint": format!("{url}/oauth/introspect"),
        "revocation_endpoint": format!("{url}/oauth/revoke"),
        "jwks_uri": format!("{url}/oauth/jwks"),
        "grant_types_supported": [super::exchange::GRANT_TYPE],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "authorization_details_types_supported": types,
    })
}
