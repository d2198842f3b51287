//! What everybody may know of the decision API: where its endpoints are. Nothing here depends on who asks.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use model::{ReasonCode, Refusal, RequestId};
use serde_json::json;

use crate::guard::timely;
use crate::interaction::{Call, finish};
use crate::ports::{Client, Head, Voice, World};
use crate::release;
use crate::respond::stamp;

/// Answers a request for the metadata (`AuthZEN` 1.0, section 9).
pub async fn publish_access<W: World, V: Voice, C: Client>(world: &W, voice: &V, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = publish(world, client, &mut call).await;
    finish(world, voice, head, client, call, ended).await
}

async fn publish<W: World, C: Client>(world: &W, client: &mut C, call: &mut Call) -> Result<(), Refusal> {
    let url = call.snapshot.access_url.clone();
    let url = url.ok_or_else(|| Refusal::because(ReasonCode::RouteUnknown, "`access.url` is not configured"))?;
    let document = json!({
        "policy_decision_point": &*url,
        "access_evaluation_endpoint": format!("{url}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{url}/access/v1/evaluations"),
        "search_subject_endpoint": format!("{url}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{url}/access/v1/search/resource"),
        "search_action_endpoint": format!("{url}/access/v1/search/action"),
        "supported_obligations": ["custom"],
    });
    call.status = 200;
    call.has_begun = true;
    let mut headers = http::HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    stamp(&mut headers, call);
    let body = Bytes::from(document.to_string());
    client.begin(StatusCode::OK, headers, Some(body.len()));
    let written = client.write(release::own_document(body));
    timely(world, Duration::from_secs(10), ReasonCode::ClientTooSlow, written).await??;
    Ok(())
}
