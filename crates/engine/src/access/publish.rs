//! What everybody may know of the decision API: where its endpoints are. Nothing here depends on who asks.
//!
//! A gate that issues tokens signs it with the key of its tokens, which it publishes anyway.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use identity::token::attest;
use model::{ReasonCode, Refusal, RequestId, UnixMillis};
use serde_json::{Map, Value, json};

use crate::guard::timely;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Issuing, Voice, World};
use crate::release;
use crate::respond::stamp;
use crate::snapshot::Snapshot;

/// How long what is signed holds, in seconds: whoever keeps it longer than that has to look again.
const VALID: u64 = 86_400;

/// Answers a request for the metadata (`AuthZEN` 1.0, section 9).
pub async fn publish_access<W: World, V: Voice, C: Client>(world: &W, voice: &V, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = publish(world, client, &mut call).await;
    finish(world, voice, head, client, call, ended).await
}

async fn publish<W: World, C: Client>(world: &W, client: &mut C, call: &mut Call) -> Result<(), Refusal> {
    let url = call.snapshot.access_url.clone();
    let url = url.ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "`access.url` is not configured"))?;
    let mut told = told(&url, &call.snapshot);
    if let Some(issuing) = world.issuing() {
        // What cannot be signed is told unsigned: the signature is one more proof, not the document.
        if let Ok(signed) = attested(told.clone(), &issuing, world.now()) {
            told.insert("signed_metadata".to_owned(), Value::String(signed));
        }
    }
    call.status = 200;
    call.has_begun = true;
    let mut headers = http::HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    stamp(&mut headers, call);
    let body = Bytes::from(Value::Object(told).to_string());
    client.begin(StatusCode::OK, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}

fn told(url: &str, snapshot: &Snapshot) -> Map<String, Value> {
    let mut obligations = vec!["custom"];
    obligations.extend(snapshot.step_up.as_ref().map(|_| "step-up"));
    let document = json!({
        "policy_decision_point": url,
        "access_evaluation_endpoint": format!("{url}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{url}/access/v1/evaluations"),
        "search_subject_endpoint": format!("{url}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{url}/access/v1/search/resource"),
        "search_action_endpoint": format!("{url}/access/v1/search/action"),
        "access_request_endpoint": format!("{url}/access/v1/requests"),
        "capabilities": ["urn:openid:authzen:capability:access-request"],
        "supported_obligations": obligations,
    });
    if let Value::Object(members) = document { members } else { Map::new() }
}

/// The same, signed.
//= https://openid.net/specs/authorization-api-1_0.html#section-9.1.2
//# The signed metadata MUST be digitally signed or MACed using JSON Web Signature (JWS) and MUST contain an iss (issuer) claim
fn attested(mut claims: Map<String, Value>, issuing: &Issuing, now: UnixMillis) -> Result<String, ReasonCode> {
    claims.insert("iss".to_owned(), json!(issuing.gate.url));
    claims.insert("iat".to_owned(), json!(now.seconds()));
    claims.insert("exp".to_owned(), json!(now.plus_seconds(VALID).seconds()));
    attest(&Value::Object(claims), issuing.signer.as_ref()).map_err(|_| ReasonCode::Internal)
}
