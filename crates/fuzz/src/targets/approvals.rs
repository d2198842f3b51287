//! Requests for approval, as enforcement points write them.

use engine::ports::{Head, Order, Requesting};
use gateway::access::requests::{Requester, at};
use http::{HeaderMap, HeaderValue};
use text::Limits;

use super::questions::{bounded, silent};
use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "approvals",
    what: "requests for approval: every question bound to a denial, what is said beside cut, an id of one part",
    seeds: || {
        texts(&[
            r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"read"},"resource":{"type":"record","id":"1"},"denial":{"binding_token":"t","expires_at":"2026-11-22T05:00:00Z","evaluation_id":"req_1"},"context":{"agent":"bot","why":"x"},"client":{"actor":{"id":"bot"}},"requested_access":{"until":"tomorrow"}}"#,
            r#"{"subject":{"type":"user","id":"ada"},"action":{"name":"read"},"items":[{"resource":{"type":"record","id":"1"},"denial":{"binding_token":"t","expires_at":"2026-11-22T05:00:00.5+01:00"}},{"resource":{"type":"record","id":"2"},"denial":{}}]}"#,
            "/access/v1/requests/apr_1/cancel",
            "/access/v1/requests/apr_1",
        ])
    },
    words: &[
        "\"denial\":",
        "\"binding_token\":\"t\"",
        "\"expires_at\":\"9999-12-31T23:59:60Z\"",
        "\"expires_at\":\"-009999-01-01T00:00:00Z\"",
        "\"items\":[",
        "\"client\":{\"actor\":{\"id\":\"bot\",\"act\":{}}}",
        "\"callback\":{}",
        "\"requested_access\":{",
        "\"context\":{\"agent\":\"bot\"}",
        "\"subject\":",
        "/access/v1/requests/",
        "/cancel",
        "{",
        "}",
        "[",
        "]",
        ",",
        "null",
    ],
    max_len: 6000,
    run,
    hostile: &["{\"items\":[", "{\"denial\":{}},", "{\"context\":", "/access/v1/requests/"],
    floor: 500.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let path = std::str::from_utf8(bytes).unwrap_or_default();
    let order = at(path).map(|(order, _)| order);
    let id = match &order {
        Some(Order::Show(id) | Order::Cancel(id)) => Some(id),
        Some(Order::Submit) | None => None,
    };
    ensure(id.is_none_or(|id| !id.contains('/')), || format!("{path:?} names something of several parts"))?;
    let mut headers = HeaderMap::new();
    if let Ok(key) = HeaderValue::from_bytes(bytes.get(..bytes.len().min(300)).unwrap_or_default()) {
        headers.insert("idempotency-key", key);
    }
    let limits = Limits { max_depth: 64, max_nodes: 200_000 };
    let mut ways = Vec::new();
    for headers in [HeaderMap::new(), headers] {
        let head = Head { peer: String::new(), is_proxy: false, certificate: None, headers, query: None, trace: None };
        match Requester::new(&head.headers, Order::Submit).understand(&head, bytes, &limits) {
            Ok(submitted) => {
                ensure(submitted.said.len() < 4200, || format!("{} bytes are said beside", submitted.said.len()))?;
                ensure(submitted.key.as_ref().is_none_or(|key| (1..=256).contains(&key.len())), || "an endless key".to_owned())?;
                ensure(submitted.is_list || submitted.each.len() == 1, || "several out of one".to_owned())?;
                for (question, denial) in &submitted.each {
                    bounded(question)?;
                    ensure(denial.token.len() <= 512, || "an endless token".to_owned())?;
                }
                ways.push((magnitude(submitted.each.len()), Ok(magnitude(submitted.said.len()))));
            }
            Err(refusal) => {
                silent(&refusal)?;
                ways.push((0, Err(refusal.code)));
            }
        }
    }
    Ok(seen((ways, order.is_some(), id.map(|id| id.len().min(4)))))
}
