//! Refusals: every reason code, in both shapes.

use http::StatusCode;
use model::{Dialect, Name, ReasonCode, Refusal, RequestId, UnixMillis};
use serde_json::Value;

use super::super::{model_item, model_list, refusal, stream_refusal};
use super::DIALECTS;

fn id() -> RequestId {
    RequestId::new(UnixMillis(1_700_000_000_000), [7; 10])
}

#[test]
fn every_code_has_a_refusal_in_both_shapes() {
    for dialect in DIALECTS {
        for code in ReasonCode::ALL {
            let told = Refusal::because(*code, "/tools/0: \"quoted\"\n\nand broken");
            let (status, headers, body) = refusal(dialect, &told, id());
            assert!(status.is_client_error() || status.is_server_error(), "{code}");
            assert_eq!(headers["content-type"], "application/json");
            assert_eq!(headers["x-request-id"], id().to_string().as_str());
            assert_eq!(headers.get("x-should-retry").is_some(), !code.is_retryable(), "{code}");
            let body: Value = serde_json::from_slice(&body).unwrap();
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(code.text()) && message.ends_with(&format!("(docs/reasons/{code}.md)")), "{message}");
            assert!(!body["error"]["type"].as_str().unwrap().is_empty());
            match dialect {
                Dialect::Openai => {
                    // What clients of the provider compare.
                    let expected = match code {
                        ReasonCode::ModelNotFound => "model_not_found",
                        ReasonCode::RequestLimit | ReasonCode::ConcurrencyLimit | ReasonCode::TokenLimit => "rate_limit_exceeded",
                        ReasonCode::BudgetSpent => "insufficient_quota",
                        code => code.as_str(),
                    };
                    assert_eq!(
                        (body["error"]["code"].as_str(), body["error"]["param"].as_str()),
                        (Some(expected), Some("/tools/0"))
                    );
                }
                Dialect::Anthropic => {
                    assert_eq!(
                        (body["type"].as_str(), body["request_id"].as_str()),
                        (Some("error"), Some(id().to_string().as_str()))
                    );
                    assert_eq!(headers["request-id"], headers["x-request-id"]);
                }
            }
            let event = stream_refusal(dialect, &told, id());
            let event = std::str::from_utf8(&event).unwrap();
            let lines: Vec<&str> = event.split('\n').collect();
            let data = match dialect {
                Dialect::Openai => lines[0],
                Dialect::Anthropic => {
                    assert_eq!(lines[0], "event: error");
                    lines[1]
                }
            };
            assert_eq!(&lines[lines.len() - 2..], ["", ""], "one blank line ends it");
            assert_eq!(lines.len(), if dialect == Dialect::Openai { 3 } else { 4 }, "no line break within");
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data, body);
        }
    }
}

#[test]
fn statuses_for_which_the_sdks_have_exceptions() {
    let facts = [
        (ReasonCode::CredentialMissing, 401, "authentication_error", "authentication_error"),
        (ReasonCode::CredentialUnknown, 401, "authentication_error", "authentication_error"),
        (ReasonCode::CredentialExpired, 401, "authentication_error", "authentication_error"),
        (ReasonCode::CredentialRevoked, 401, "authentication_error", "authentication_error"),
        (ReasonCode::CredentialLocked, 403, "permission_error", "permission_error"),
        (ReasonCode::GateLocked, 403, "permission_error", "permission_error"),
        (ReasonCode::PolicyDenied, 403, "permission_error", "permission_error"),
        (ReasonCode::ApprovalRequired, 403, "permission_error", "permission_error"),
        (ReasonCode::ContentDenied, 403, "permission_error", "permission_error"),
        (ReasonCode::ModelNotFound, 404, "invalid_request_error", "not_found_error"),
        (ReasonCode::RouteUnknown, 404, "invalid_request_error", "not_found_error"),
        (ReasonCode::MethodNotAllowed, 405, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::TwoCredentials, 400, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::FieldUnknown, 400, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::FramingAmbiguous, 400, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::HeadersTooLarge, 431, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::BodyTimeout, 408, "invalid_request_error", "timeout_error"),
        (ReasonCode::BodyTooLarge, 413, "invalid_request_error", "request_too_large"),
        (ReasonCode::ContentTypeRefused, 415, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::EncodingRefused, 415, "invalid_request_error", "invalid_request_error"),
        (ReasonCode::RequestLimit, 429, "requests", "rate_limit_error"),
        (ReasonCode::ConcurrencyLimit, 429, "requests", "rate_limit_error"),
        (ReasonCode::TokenLimit, 429, "tokens", "rate_limit_error"),
        (ReasonCode::BudgetSpent, 429, "insufficient_quota", "rate_limit_error"),
        (ReasonCode::PriceUnknown, 403, "permission_error", "permission_error"),
        (ReasonCode::Overloaded, 429, "rate_limit_error", "rate_limit_error"),
        (ReasonCode::Internal, 500, "server_error", "api_error"),
        (ReasonCode::UpstreamRefusedGate, 502, "server_error", "api_error"),
        (ReasonCode::UpstreamUnavailable, 502, "server_error", "api_error"),
        (ReasonCode::EvidenceUnavailable, 503, "server_error", "overloaded_error"),
        (ReasonCode::RulesPending, 503, "server_error", "overloaded_error"),
        (ReasonCode::UpstreamTimeout, 504, "server_error", "timeout_error"),
    ];
    for (code, status, openai, anthropic) in facts {
        for (dialect, expected) in [(Dialect::Openai, openai), (Dialect::Anthropic, anthropic)] {
            let (found, _, body) = refusal(dialect, &code.into(), id());
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                (found, body["error"]["type"].as_str()),
                (StatusCode::from_u16(status).unwrap(), Some(expected)),
                "{code}"
            );
        }
    }
    for code in ReasonCode::ALL.iter().filter(|code| code.as_str().starts_with("upstream-")) {
        assert!(super::super::errors::status(*code).is_server_error(), "{code}");
    }
}

#[test]
fn retries_are_guided() {
    let headers = |code: ReasonCode| refusal(Dialect::Openai, &code.into(), id()).1;
    assert_eq!(headers(ReasonCode::Overloaded)["retry-after"], "1");
    assert_eq!(headers(ReasonCode::EvidenceUnavailable)["retry-after"], "5");
    assert_eq!(headers(ReasonCode::UpstreamRefusedGate)["x-should-retry"], "false");
    assert!(!headers(ReasonCode::PolicyDenied).contains_key("retry-after"));
}

#[test]
fn a_parameter_is_named_only_by_a_pointer() {
    let parameter = |told: Refusal| {
        let body: Value = serde_json::from_slice(&refusal(Dialect::Openai, &told, id()).2).unwrap();
        body["error"]["param"].as_str().map(str::to_owned)
    };
    assert_eq!(parameter(Refusal::new(ReasonCode::FieldType)), None);
    assert_eq!(parameter(Refusal::because(ReasonCode::FieldType, "more than 5 bytes")), None);
    assert_eq!(parameter(Refusal::because(ReasonCode::FieldType, "/n: expected an integer")).as_deref(), Some("/n"));
}

#[test]
fn lists_of_models() {
    let names = ["small", "large"].map(|name| Name::new(name).unwrap());
    let list = |dialect, names: &[Name]| serde_json::from_slice::<Value>(&model_list(dialect, names).1).unwrap();
    let openai = list(Dialect::Openai, &names);
    assert_eq!((openai["object"].as_str(), openai["data"][1]["id"].as_str()), (Some("list"), Some("large")));
    assert_eq!((openai["data"][0]["object"].as_str(), openai["data"][0]["created"].as_u64()), (Some("model"), Some(0)));
    assert_eq!(openai["data"][0]["owned_by"].as_str(), Some("portcullis"));
    let anthropic = list(Dialect::Anthropic, &names);
    assert_eq!((anthropic["first_id"].as_str(), anthropic["last_id"].as_str()), (Some("small"), Some("large")));
    assert_eq!((anthropic["has_more"].as_bool(), anthropic["data"][0]["type"].as_str()), (Some(false), Some("model")));
    assert_eq!(anthropic["data"][0]["created_at"].as_str(), Some("1970-01-01T00:00:00Z"));
    assert!(list(Dialect::Anthropic, &[])["first_id"].is_null());
    assert_eq!(model_list(Dialect::Openai, &[]).0["content-type"], "application/json");
    assert_eq!(model_list(Dialect::Openai, &[]).0["cache-control"], "private, no-cache");
    for (dialect, list) in [(Dialect::Openai, &openai), (Dialect::Anthropic, &anthropic)] {
        let (headers, body) = model_item(dialect, &names[0]);
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), list["data"][0], "one is as in the list");
    }
}

#[test]
fn a_wrong_method_is_told_the_right_one() {
    let told = Refusal::because(ReasonCode::MethodNotAllowed, "use POST");
    assert_eq!(refusal(Dialect::Openai, &told, id()).1["allow"], "POST");
    assert!(!refusal(Dialect::Openai, &Refusal::new(ReasonCode::RouteUnknown), id()).1.contains_key("allow"));
}
