//! How much requests may bring about, and what is written into them.

use serde_json::json;

use super::{Api, read_with};

/// The request after every edit, with 99 as the most.
fn edited(api: Api, body: &str) -> (Option<u64>, u64, String) {
    let demand = read_with(api, &[], body, &[]).unwrap().model().unwrap().demand.clone();
    let mut splices = text::Splices::new();
    for place in &demand.uncapped {
        splices.replace(place.span.clone(), format!("{}99{}", place.before, place.after));
    }
    if let Some(place) = &demand.tells_usage {
        splices.replace(place.span.clone(), format!("{}true{}", place.before, place.after));
    }
    (demand.cap, demand.answers, String::from_utf8(splices.apply(body.as_bytes()).unwrap()).unwrap())
}

#[test]
fn what_is_said_and_what_is_written() {
    let all = u64::MAX;
    // (API, members before the message, cap, answers, members after).
    let facts = [
        (Api::Chat, "", None, 1, "\"max_completion_tokens\":99,"),
        (Api::Chat, "\"max_tokens\":7,", Some(7), 1, "\"max_tokens\":7,"),
        (
            Api::Chat,
            "\"max_tokens\":7,\"max_completion_tokens\":9,\"n\":3,",
            Some(9),
            3,
            "\"max_tokens\":7,\"max_completion_tokens\":9,\"n\":3,",
        ),
        // Compatible servers take the most from elsewhere, or take a number below one for none.
        (Api::Chat, "\"max_tokens\":1,\"n_predict\":5000,", Some(5000), 1, "\"max_tokens\":1,\"n_predict\":5000,"),
        (Api::Chat, "\"max_tokens\":1,\"n_predict\":-1,", Some(1), 1, "\"max_tokens\":1,\"n_predict\":99,"),
        (Api::Chat, "\"max_tokens\":-1,", None, 1, "\"max_tokens\":99,"),
        (Api::Chat, "\"max_tokens\":0,", None, 1, "\"max_tokens\":99,"),
        (Api::Chat, "\"max_completion_tokens\":null,", None, 1, "\"max_completion_tokens\":99,"),
        (Api::Chat, "\"max_tokens\":null,", None, 1, "\"max_completion_tokens\":99,\"max_tokens\":null,"),
        (
            Api::Chat,
            "\"max_tokens\":99999999999999999999999,\"n\":-2,",
            Some(all),
            1,
            "\"max_tokens\":99999999999999999999999,\"n\":-2,",
        ),
        (Api::Messages, "", None, 1, "\"max_tokens\":99,"),
        (Api::Messages, "\"max_tokens\":16,", Some(16), 1, "\"max_tokens\":16,"),
        (Api::CountTokens, "", None, 0, ""),
    ];
    for (api, members, cap, answers, after) in facts {
        let body =
            |members: &str| format!("{{{members}\"model\":\"small\",\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}");
        assert_eq!(edited(api, &body(members)), (cap, answers, body(after)), "{api:?} {members}");
    }
    let facts = [
        (
            Api::Responses,
            r#"{"store":false,"model":"m","input":"hi"}"#,
            1,
            r#"{"max_output_tokens":99,"store":false,"model":"m","input":"hi"}"#,
        ),
        (Api::Embeddings, r#"{"model":"m","input":["a","b"]}"#, 0, r#"{"model":"m","input":["a","b"]}"#),
        (
            Api::Completions,
            r#"{"model":"m","prompt":["a","b"],"n":2}"#,
            4,
            r#"{"max_tokens":99,"model":"m","prompt":["a","b"],"n":2}"#,
        ),
        (
            Api::Completions,
            r#"{"model":"m","prompt":[1,2,3],"best_of":3}"#,
            3,
            r#"{"max_tokens":99,"model":"m","prompt":[1,2,3],"best_of":3}"#,
        ),
        (Api::Completions, r#"{"model":"m","prompt":[[1],[2]]}"#, 2, r#"{"max_tokens":99,"model":"m","prompt":[[1],[2]]}"#),
    ];
    for (api, body, answers, after) in facts {
        assert_eq!(edited(api, body), (None, answers, after.to_owned()), "{api:?}");
    }
}

#[test]
fn streams_are_asked_to_tell() {
    let stream = r#""stream":true,"#;
    let facts = [
        ("", ""),
        (r#""stream":false,"#, r#""stream":false,"#),
        (stream, r#""stream_options":{"include_usage":true},"stream":true,"#),
        (r#""stream":true,"stream_options":null,"#, r#""stream":true,"stream_options":{"include_usage":true},"#),
        (r#""stream":true,"stream_options":{ },"#, r#""stream":true,"stream_options":{"include_usage":true },"#),
        (
            r#""stream":true,"stream_options":{"include_obfuscation":false},"#,
            r#""stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"#,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":false},"#,
            r#""stream":true,"stream_options":{"include_usage":true},"#,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":null},"#,
            r#""stream":true,"stream_options":{"include_usage":true},"#,
        ),
        (
            r#""stream":true,"stream_options":{"include_usage":true},"#,
            r#""stream":true,"stream_options":{"include_usage":true},"#,
        ),
    ];
    for api in [Api::Chat, Api::Completions] {
        let said = if api == Api::Chat { r#""messages":[{"role":"user","content":"hi"}]"# } else { r#""prompt":"hi""# };
        for (members, after) in facts {
            let body = |members: &str| format!("{{{members}\"max_tokens\":1,\"model\":\"small\",{said}}}");
            assert_eq!(edited(api, &body(members)).2, body(after), "{api:?}");
        }
    }
    // The others tell by themselves.
    for api in [Api::Responses, Api::Messages] {
        let body = super::request_of(api, &json!({"stream": true}));
        assert!(super::read(api, &body).unwrap().model().unwrap().demand.tells_usage.is_none(), "{api:?}");
    }
}

#[test]
fn what_is_read_is_estimated() {
    let input = |body: &serde_json::Value| super::read(Api::Chat, body).unwrap().model().unwrap().demand.input;
    let with = |content: serde_json::Value| super::request(&json!({"messages": [{"role": "user", "content": content}]}));
    let empty = input(&with(json!("")));
    assert!((20..60).contains(&empty), "{empty}");
    assert_eq!(input(&with(json!("word ".repeat(300)))), empty + 500);
    let picture = |url: &str| with(json!([{"type": "image_url", "image_url": {"url": url}}]));
    let small = input(&picture("data:image/png;base64,AAAA"));
    let large = input(&picture(&format!("data:image/png;base64,{}", "A".repeat(400_000))));
    assert_eq!(small, large, "a picture counts by the picture");
    assert!(small > budget::IMAGE && small < budget::IMAGE + 100, "{small}");
}
