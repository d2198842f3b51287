//! What authorization servers in front of upstreams answer: metadata, and tokens.

use gateway::issuers::is_fetchable;
use gateway::outgoing::{server_metadata, token_answer};
use http::StatusCode;
use serde_json::Value;

use super::{Outcome, Target, ensure, magnitude, seen, texts};

const ISSUER: &str = "https://as.example";

pub(super) const METADATA: Target = Target {
    name: "servers",
    what: "metadata of authorization servers: only of the one that was asked, with PKCE, and to addresses that may be gone to",
    seeds: || {
        texts(&[
            r#"{"issuer":"https://as.example","authorization_endpoint":"https://as.example/a","token_endpoint":"https://as.example/t","code_challenge_methods_supported":["S256"],"authorization_response_iss_parameter_supported":true}"#,
            r#"{"issuer":"https://as.example","token_endpoint":"http://169.254.169.254/"}"#,
            r#"{"issuer":"https://other.example","authorization_endpoint":"javascript:a","token_endpoint":"x"}"#,
            r#"{"issuer":"https://as.example","authorization_endpoint":"https://u@as.example/#","token_endpoint":"/t","code_challenge_methods_supported":["plain"]}"#,
        ])
    },
    words: &[
        "\"issuer\":",
        "\"authorization_endpoint\":",
        "\"token_endpoint\":",
        "\"code_challenge_methods_supported\":[",
        "\"S256\"",
        "https://as.example",
        "http://127.0.0.1",
        "javascript:",
        "true",
        "null",
        "#",
        "{",
        "}",
        ",",
        "\\u0000",
    ],
    max_len: 2000,
    run: metadata,
    hostile: &["{\"a\":", "[", "\"a\",", "\\u0061"],
    floor: 500.0,
};

pub(super) const TOKENS: Target = Target {
    name: "granted",
    what: "answers of token endpoints: what is taken can stand in a header, and nothing of it prints",
    seeds: || {
        texts(&[
            r#"{"access_token":"at-0123456789","token_type":"Bearer","expires_in":3600,"refresh_token":"rt-0123456789"}"#,
            r#"{"access_token":"a b","token_type":"bearer","expires_in":-1}"#,
            r#"{"error":"invalid_grant","error_description":"x"}"#,
            r#"{"access_token":"x","access_token":"y","token_type":"DPoP"}"#,
        ])
    },
    words: &[
        "\"access_token\":",
        "\"refresh_token\":",
        "\"token_type\":",
        "\"expires_in\":",
        "\"error\":",
        "\"Bearer\"",
        "\"invalid_grant\"",
        "3600",
        "1e9",
        "\\r\\n",
        "null",
        "{",
        "}",
        ",",
    ],
    max_len: 2000,
    run: granted,
    hostile: &["{\"a\":", "[", "\"a\",", "\\u0061"],
    floor: 500.0,
};

fn metadata(bytes: &[u8]) -> Outcome {
    let read = match server_metadata(bytes, ISSUER) {
        Ok(read) => read,
        Err(error) => return Ok(seen(error.to_string())),
    };
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let is_theirs = value.get("issuer").and_then(Value::as_str) == Some(ISSUER);
    ensure(is_theirs, || "another server says where its endpoints are".to_owned())?;
    let is_good = read.authorization_endpoint.as_deref().is_none_or(|address| is_fetchable(address) && !address.contains('#'));
    ensure(is_good, || format!("people are sent to {:?}", read.authorization_endpoint))?;
    Ok(seen((read.authorization_endpoint.is_some(), read.tells_issuer, magnitude(read.token_endpoint.len()))))
}

fn granted(bytes: &[u8]) -> Outcome {
    let refused = token_answer(StatusCode::BAD_REQUEST, bytes).err().map(|error| error.to_string());
    let tokens = match token_answer(StatusCode::OK, bytes) {
        Ok(tokens) => tokens,
        Err(error) => return Ok(seen((error.to_string(), refused))),
    };
    let shown = tokens.access.expose();
    let is_shown = !shown.is_empty() && shown.bytes().all(|byte| byte.is_ascii_graphic());
    ensure(is_shown, || "a token that no header can hold is taken".to_owned())?;
    let printed = format!("{tokens:?}");
    ensure(shown.len() < 8 || !printed.contains(shown), || "a token prints".to_owned())?;
    Ok(seen((tokens.refresh.is_some(), tokens.expires_in.map(u64::leading_zeros), refused)))
}
