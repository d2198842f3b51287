//! What issuers answer: sets of keys, discovery documents.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway::issuers::{is_fetchable, key_set_address};
use identity::token::{KeySet, MAX_KEYS, Unverified};
use serde_json::Value;

use super::tokens::{ISSUER, issued, verified};
use super::{Outcome, Target, ensure, magnitude, seen, texts};

/// The base point of P-256 (SEC 2, section 2.4.2): a public key that is one.
const P256: [&str; 2] = ["axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"];

pub(super) const TARGET: Target = Target {
    name: "keysets",
    what: "JWK Sets of issuers: bounded, and a token is good only by the key that signed it",
    seeds: || {
        let modulus = URL_SAFE_NO_PAD.encode([0xc5_u8; 256]);
        let (_, own) = issued();
        let [x, y] = P256;
        let keys = [
            own,
            format!(r#"{{"kty":"RSA","kid":"r","n":"{modulus}","e":"AQAB","alg":"RS256","use":"sig"}}"#),
            format!(r#"{{"kty":"EC","kid":"e","crv":"P-256","x":"{x}","y":"{y}","key_ops":["verify"]}}"#),
            r#"{"kty":"oct","kid":"o","k":"AAAA"}"#.to_owned(),
        ];
        let each = keys.iter().map(|key| format!("{{\"keys\":[{key}]}}").into_bytes());
        each.chain([format!("{{\"keys\":[{}]}}", keys.join(",")).into_bytes()]).collect()
    },
    words: &[
        "\"keys\":[",
        "\"kty\":\"RSA\"",
        "\"kty\":\"EC\"",
        "\"kty\":\"OKP\"",
        "\"crv\":\"Ed25519\"",
        "\"crv\":\"P-384\"",
        "\"alg\":\"EdDSA\"",
        "\"alg\":\"ES256\"",
        "\"use\":\"enc\"",
        "\"key_ops\":[\"sign\"]",
        "\"kid\":",
        "\"x\":",
        "\"d\":\"\"",
        "\"n\":",
        "\"e\":\"Aw\"",
        "AA",
        "{}",
        ",",
        "null",
    ],
    max_len: 4000,
    run,
    hostile: &["{\"keys\":[", "{},", "[", "{\"kty\":\"RSA\"},"],
    floor: 500.0,
};

pub(super) const DISCOVERY: Target = Target {
    name: "discovery",
    what: "discovery documents: where keys are is told only by a document of the issuer that was asked",
    seeds: || {
        texts(&[
            r#"{"issuer":"https://idp.example","jwks_uri":"https://idp.example/keys","response_types_supported":["code"]}"#,
            r#"{"issuer":"https://other.example","jwks_uri":"http://127.0.0.1:1/"}"#,
            r#"{"issuer":"https://idp.example","jwks_uri":"http://user@[::1]:1/x?y#z"}"#,
            r#"{"issuer":"https://idp.example"}"#,
        ])
    },
    words: &[
        "\"issuer\":",
        "\"jwks_uri\":",
        "https://idp.example",
        "https://",
        "http://",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "@",
        "169.254.169.254",
        "\\u0000",
        "%00",
        "{",
        "}",
        ",",
        "null",
    ],
    max_len: 2000,
    run: discovery,
    hostile: &["{\"a\":", "[", "\"a\",", "\\u0061"],
    floor: 500.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let keys = match KeySet::parse(bytes) {
        Ok(keys) => keys,
        Err(error) => return Ok(seen(error.to_string())),
    };
    let shown = format!("{keys:?}");
    let (token, own) = issued();
    let token = Unverified::parse(&token).map_err(|error| error.to_string())?;
    let verified = verified(&token, &keys)?.map(|way| way.map(|_| ()).map_err(|error| error.to_string()));
    let point = serde_json::from_str::<Value>(&own).ok().and_then(|key| key.get("x")?.as_str().map(ToOwned::to_owned));
    let read: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let listed = read.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    ensure((1..=MAX_KEYS).contains(&listed.len()), || format!("{} keys in a set", listed.len()))?;
    let has_own = listed.iter().any(|key| key.get("x").and_then(Value::as_str) == point.as_deref());
    ensure(has_own || verified.iter().all(Result::is_err), || "a token is good by a key that did not sign it".to_owned())?;
    Ok(seen((magnitude(listed.len()), magnitude(shown.len()), verified)))
}

fn discovery(bytes: &[u8]) -> Outcome {
    let address = match key_set_address(bytes, ISSUER) {
        Ok(address) => address,
        Err(error) => return Ok(seen(error.to_string())),
    };
    let read: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let is_theirs = read.get("issuer").and_then(Value::as_str) == Some(ISSUER);
    ensure(is_theirs, || "another issuer says where the keys are".to_owned())?;
    let may = is_fetchable(&address);
    let is_plain_http = address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let uri: Option<http::Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let is_here = host == "localhost" || host.starts_with("127.") || host.contains(':');
    ensure(!may || !is_plain_http || is_here, || format!("keys would be fetched in the clear from {address:?}"))?;
    Ok(seen((may, is_plain_http, magnitude(address.len()))))
}
