//! The rules of reading a request, as lists of facts.

use model::{Action, Dialect, Effect, ModelName, ReasonCode, Resource};
use serde_json::{Value, json};

use super::super::Api;
use super::super::{client_headers, remote, upstream_headers};
use super::{DIALECTS, header_map, read, read_with, request, request_of};

fn parts(parts: &Value) -> Value {
    request(&json!({"messages": [{"role": "user", "content": parts}]}))
}

#[test]
fn the_call_itself_is_read() {
    for dialect in DIALECTS {
        let body = r#" {"messages":[], "stream" : true, "model":"gpt\u002dx"} "#;
        let understood = read_with(dialect, &[], body, &[]).unwrap();
        let call = understood.model().unwrap();
        assert_eq!(call.model, "gpt-x");
        assert_eq!(body.get(call.model_span.clone()), Some(r#""gpt\u002dx""#));
        assert!(understood.stream);
        assert_eq!((understood.effects.len(), understood.uninspected.len()), (0, 0));
        for stream in [json!(false), json!(null)] {
            assert!(!read(dialect, &request(&json!({"stream": stream}))).unwrap().stream);
        }
    }
}

#[test]
fn what_is_missing_or_mistyped_is_named() {
    let facts = [
        (json!({"messages": []}), ReasonCode::FieldMissing, "/model"),
        (json!({"model": "m"}), ReasonCode::FieldMissing, "/messages"),
        (json!({"model": 5, "messages": []}), ReasonCode::FieldType, "/model: expected a string"),
        (json!({"model": "m", "messages": "hi"}), ReasonCode::FieldType, "/messages: expected an array of objects"),
        (json!({"model": "m", "messages": [5]}), ReasonCode::FieldType, "/messages/0: expected an object"),
        (json!({"model": "m", "messages": [], "stream": "yes"}), ReasonCode::FieldType, "/stream: expected true or false"),
        (
            json!({"model": "m", "messages": [{"content": 7}]}),
            ReasonCode::FieldType,
            "/messages/0/content: expected a string or an array of objects",
        ),
        (json!([]), ReasonCode::FieldType, "the body: expected an object"),
        (json!("x"), ReasonCode::FieldType, "the body: expected an object"),
        (json!(null), ReasonCode::FieldType, "the body: expected an object"),
    ];
    for dialect in DIALECTS {
        for (body, code, detail) in &facts {
            let refusal = read(dialect, body).unwrap_err();
            assert_eq!((refusal.code, refusal.detail.as_deref()), (*code, Some(*detail)), "{body}");
        }
    }
    let fraction = read(Dialect::Openai, &request(&json!({"n": 1.5}))).unwrap_err();
    assert_eq!(fraction.detail.as_deref(), Some("/n: expected an integer"));
    assert!(read(Dialect::Openai, &request(&json!({"max_tokens": -1}))).is_ok());
}

#[test]
fn admitted_names_pass_at_the_top_only() {
    for dialect in DIALECTS {
        let body = request(&json!({"new_thing": {"a": [true]}})).to_string();
        assert_eq!(read_with(dialect, &[], &body, &["other"]).unwrap_err().code, ReasonCode::FieldUnknown);
        assert!(read_with(dialect, &[], &body, &["new_thing"]).is_ok());
        let nested = request(&json!({"messages": [{"role": "user", "content": "x", "new_thing": {}}]})).to_string();
        assert_eq!(read_with(dialect, &[], &nested, &["new_thing"]).unwrap_err().code, ReasonCode::FieldUnknown);
        // Nothing that a row refuses, and nothing that looks like a known name, can be admitted.
        let container = request(&json!({"container": "c_1"})).to_string();
        assert_eq!(read_with(dialect, &[], &container, &["container"]).unwrap_err().code, ReasonCode::StatefulIdRefused);
        let messages = request(&json!({"Messages": []})).to_string();
        assert_eq!(read_with(dialect, &[], &messages, &["Messages"]).unwrap_err().code, ReasonCode::KeyConfusable);
    }
}

#[test]
fn keys_that_some_readers_fold_are_confusable() {
    for dialect in DIALECTS {
        for key in ["MODEL", "Model", "me\u{17f}sages", "METADATA", "\u{212a}ey"] {
            let code = read(dialect, &request(&json!({key: "x"}))).err().map(|refusal| refusal.code);
            let expected = (key != "\u{212a}ey").then_some(ReasonCode::KeyConfusable);
            assert_eq!(code, expected, "{key}");
        }
    }
    let code = read(Dialect::Openai, &request(&json!({"max_to\u{212a}ens": 5}))).unwrap_err().code;
    assert_eq!(code, ReasonCode::KeyConfusable, "the Kelvin sign");
}

#[test]
fn a_refusal_repeats_no_content() {
    let secret = "AKIA IOSF ODNN 7EXA";
    for dialect in DIALECTS {
        let bodies = [
            request(&json!({secret: {}})),
            request(&json!({"stream": secret})),
            request(&json!({"k".repeat(65): {}})),
            parts(&json!([{"type": secret}])),
            request(&json!({"tools": [{"type": secret}]})),
            request(&json!({"model": [secret]})),
            request(&json!({"cached_content": secret})),
        ];
        for body in bodies {
            let refusal = read(dialect, &body).unwrap_err();
            let told = refusal.to_string();
            assert!(!told.contains("AKIA") && !told.contains("kkkk"), "{told}");
            assert!(refusal.detail.unwrap().starts_with('/'));
        }
        let beta =
            read_with(Dialect::Anthropic, &[("anthropic-beta", secret)], &request(&json!({})).to_string(), &[]).unwrap_err();
        assert_eq!((beta.code, beta.detail.as_deref()), (ReasonCode::BetaRefused, Some("anthropic-beta")));
    }
}

#[test]
fn destinations() {
    let facts = [
        ("https://Example.COM/a.png", Some("example.com")),
        ("HTTP://example.com", Some("example.com")),
        ("http://example.com:80/x", Some("example.com")),
        ("https://example.com:443?x", Some("example.com")),
        ("http://example.com:443#x", Some("example.com:443")),
        ("https://example.com.:8443/x", Some("example.com:8443")),
        ("https://example.com/@x:y@z", Some("example.com")),
        ("http://10.0.0.1/", Some("10.0.0.1")),
        ("http://[::1]:8080/", Some("[::1]:8080")),
        ("http://[0:0::1]/", Some("[::1]")),
        ("http://[::ffff:10.0.0.1]/", Some("10.0.0.1")),
        ("https://user@example.com/", None),
        ("https://user:pass@example.com/", None),
        ("https://example.com\\@evil.example/", None),
        ("https://exa mple.com/", None),
        ("https://exa\tmple.com/", None),
        ("https://example.com/a\nb", None),
        (" https://example.com/", None),
        ("https:///path", None),
        ("https://", None),
        ("https:example.com", None),
        ("//example.com/x", None),
        ("/etc/passwd", None),
        ("file:///etc/passwd", None),
        ("ftp://example.com/", None),
        ("gs://bucket/x", None),
        ("javascript://example.com/%0a", None),
        ("http://2130706433/", None),
        ("http://0x7f.1/", None),
        ("http://127.1/", None),
        ("http://010.0.0.1/", None),
        ("http://ex%61mple.com/", None),
        ("http://ex\u{e4}mple.com/", None),
        ("http://example.com:/", None),
        ("http://example.com:0/", None),
        ("http://example.com:70000/", None),
        ("http://example.com:8a/", None),
        ("http://a..b/", None),
        ("http://./", None),
        ("http://[::1/", None),
        ("http://[::1]x/", None),
        ("http://[fe80::1%25eth0]/", None),
        ("", None),
    ];
    for (url, expected) in facts {
        assert_eq!(remote::destination(url).as_deref(), expected, "{url}");
    }
    assert_eq!(remote::destination(&format!("http://{}.com/", "a.".repeat(130))), None);
}

#[test]
fn remote_and_embedded_content() {
    let image = |url: &str| parts(&json!([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": url}}]));
    let seen = read(Dialect::Openai, &image("https://Files.example:8443/a.png")).unwrap();
    assert_eq!(seen.effects, [Effect::remote("files.example:8443".to_owned())]);
    assert_eq!(seen.uninspected, [("/messages/0/content/1".to_owned(), "image".to_owned())]);
    let embedded = read(Dialect::Openai, &image("DATA:image/png;base64,AAAA")).unwrap();
    assert_eq!((embedded.effects.len(), embedded.uninspected.len()), (0, 1));
    for url in ["file:///etc/passwd", "https://user@files.example/", "a.png", ""] {
        let refusal = read(Dialect::Openai, &image(url)).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.detail.as_deref()),
            (ReasonCode::RemoteMalformed, Some("/messages/0/content/1/image_url/url"))
        );
    }
    for (kind, source, effects, uninspected) in [
        ("image", json!({"type": "url", "url": "http://a.example/"}), 1, Some("image")),
        ("image", json!({"type": "base64", "media_type": "image/png", "data": "AAAA"}), 0, Some("image")),
        ("document", json!({"type": "url", "url": "http://a.example/"}), 1, Some("document")),
        ("document", json!({"type": "base64", "media_type": "application/pdf", "data": "AAAA"}), 0, Some("document")),
        ("document", json!({"type": "text", "media_type": "text/plain", "data": "hi"}), 0, None),
        ("document", json!({"type": "content", "content": [{"type": "text", "text": "hi"}]}), 0, None),
    ] {
        // Inside a tool's result as well as in the message itself.
        let part = json!({"type": kind, "source": source});
        for content in [json!([part]), json!([{"type": "tool_result", "tool_use_id": "t", "content": [part]}])] {
            let seen = read(Dialect::Anthropic, &parts(&content)).unwrap();
            assert_eq!(seen.effects.len(), effects, "{content}");
            assert_eq!(seen.uninspected.first().map(|(_, kind)| kind.as_str()), uninspected, "{content}");
        }
    }
    for (dialect, part) in [
        (Dialect::Openai, json!({"type": "file", "file": {"file_id": "file-1"}})),
        (Dialect::Anthropic, json!({"type": "image", "source": {"type": "file", "file_id": "file_1"}})),
        (Dialect::Anthropic, json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}})),
        (Dialect::Anthropic, json!({"type": "container_upload", "file_id": "file_1"})),
    ] {
        assert_eq!(read(dialect, &parts(&json!([part]))).unwrap_err().code, ReasonCode::StatefulIdRefused, "{part}");
    }
}

#[test]
fn equal_effects_are_told_once() {
    let part = json!({"type": "image_url", "image_url": {"url": "https://a.example/x"}});
    let other = json!({"type": "image_url", "image_url": {"url": "https://b.example/x"}});
    let seen = read(Dialect::Openai, &parts(&json!([part, other, part]))).unwrap();
    assert_eq!(seen.effects, ["a.example", "b.example"].map(|host| Effect::remote(host.to_owned())));
    assert_eq!(seen.uninspected.len(), 3);
}

#[test]
fn keeping_and_hosted_tools() {
    let store = |store: Value| read(Dialect::Openai, &request(&json!({"store": store}))).unwrap().effects;
    assert_eq!(store(json!(true)), [Effect::store(ModelName::new("small").unwrap())]);
    assert_eq!((store(json!(false)).len(), store(json!(null)).len()), (0, 0));
    let nameless = request(&json!({"store": true, "model": "not a name"}));
    assert_eq!(read(Dialect::Openai, &nameless).unwrap_err().code, ReasonCode::ModelNotFound);
    let search = read(Dialect::Openai, &request(&json!({"web_search_options": {}}))).unwrap().effects;
    assert_eq!(search, [Effect::hosted_tool("openai/web_search".to_owned())]);
    assert_eq!(
        (search[0].action, &search[0].resource),
        (Action::UseHostedTool, &Resource::HostedTool("openai/web_search".to_owned()))
    );
    let tools = |tools: Value| read(Dialect::Anthropic, &request(&json!({"tools": tools})));
    let hosted =
        tools(json!([{"type": "web_search_20250305", "name": "web_search"}, {"name": "own", "input_schema": {}}])).unwrap();
    assert_eq!(hosted.effects, [Effect::hosted_tool("anthropic/web_search_20250305".to_owned())]);
    let client =
        tools(json!([{"type": "bash_20250124", "name": "bash"}, {"type": null, "name": "own"}, {"type": "custom"}])).unwrap();
    assert_eq!(client.effects, []);
    assert_eq!(tools(json!([{"type": "web_search_20990101"}])).unwrap_err().code, ReasonCode::ToolTypeUnknown);
    // A tool that arrives within the conversation is a tool.
    let late =
        json!([{"type": "tool_addition", "tool": {"type": "tool_definition", "definition": {"type": "web_fetch_20250910"}}}]);
    let late = read(Dialect::Anthropic, &parts(&late)).unwrap();
    assert_eq!(late.effects, [Effect::hosted_tool("anthropic/web_fetch_20250910".to_owned())]);
}

#[test]
fn schemas_and_arguments_are_free() {
    let schema = json!({"type": "object", "Properties": {"file_id": {"type": "teleport"}}, "additionalProperties": true});
    let openai = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], "metadata": {"Model": "x"},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}, "logit_bias": {"50256": -100}});
    assert!(read(Dialect::Openai, &request(&openai)).is_ok());
    let anthropic = json!({"tools": [{"name": "f", "input_schema": schema}], "metadata": {"user_id": "u"},
        "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": schema}]}]});
    assert!(read(Dialect::Anthropic, &request(&anthropic)).is_ok());
}

#[test]
fn an_answer_can_be_sent_back() {
    let message = json!({"role": "assistant", "content": null, "refusal": null, "annotations": [], "audio": null, "function_call": null,
        "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    assert!(read(Dialect::Openai, &request(&json!({"messages": [message]}))).is_ok());
    let blocks = json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "x", "citations": null},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}]);
    assert!(read(Dialect::Anthropic, &parts(&blocks)).is_ok());
}

#[test]
fn betas_and_what_reaches_an_upstream() {
    let headers = [
        ("anthropic-beta", "pdfs-2024-09-25, files-api-2025-04-14,"),
        ("anthropic-beta", "pdfs-2024-09-25"),
        ("openai-beta", "x"),
    ];
    let body = request(&json!({})).to_string();
    let seen = read_with(Dialect::Anthropic, &headers, &body, &[]).unwrap();
    let beta = |name: &str| Effect::beta(format!("anthropic/{name}"));
    assert_eq!(seen.effects, [beta("pdfs-2024-09-25"), beta("files-api-2025-04-14")]);
    assert_eq!(read_with(Dialect::Openai, &headers, &body, &[]).unwrap_err().code, ReasonCode::BetaRefused);
    let many = vec!["pdfs-2024-09-25"; 40].join(",");
    assert_eq!(
        read_with(Dialect::Anthropic, &[("anthropic-beta", &many)], &body, &[]).unwrap_err().code,
        ReasonCode::BetaRefused
    );
    for value in ["pdfs-2024-09-25,new-2031-01-01", "PDFS-2024-09-25", "\u{e4}", "mcp-client-2025-04-04"] {
        let refusal = read_with(Dialect::Anthropic, &[("anthropic-beta", value)], &body, &[]).unwrap_err();
        assert_eq!(refusal.code, ReasonCode::BetaRefused, "{value}");
    }
    let sent = [
        ("accept", "application/json"),
        ("user-agent", "OpenAI/Python 3.52.0"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "pdfs-2024-09-25"),
        ("authorization", "Bearer k"),
        ("x-api-key", "k"),
        ("api-key", "k"),
        ("cookie", "a=b"),
        ("forwarded", "for=1"),
        ("x-forwarded-for", "1"),
        ("host", "h"),
        ("connection", "x"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("x-stainless-lang", "python"),
        ("openai-organization", "o"),
        ("openai-project", "p"),
        ("idempotency-key", "i"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("proxy-authorization", "x"),
        ("x-custom", "private"),
    ];
    for (dialect, expected) in
        [(Dialect::Openai, vec!["accept"]), (Dialect::Anthropic, vec!["accept", "anthropic-version", "anthropic-beta"])]
    {
        let passed = upstream_headers(dialect.into(), &header_map(&sent));
        let mut names: Vec<&str> = passed.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
    for (name, value) in
        [("accept", "text/html"), ("anthropic-version", "2023-06-01x"), ("user-agent", "curl/8.5"), ("user-agent", "a=b;c")]
    {
        assert!(upstream_headers(Dialect::Anthropic.into(), &header_map(&[(name, value)])).is_empty(), "{name}: {value}");
    }
}

#[test]
fn what_reaches_the_client() {
    let passes = [
        ("content-type", "application/json"),
        ("content-type", "text/event-stream; charset=utf-8"),
        ("retry-after", "20"),
        ("retry-after-ms", "1500"),
        ("x-should-retry", "true"),
        ("cache-control", "no-cache"),
        ("x-ratelimit-reset-tokens", "6m0s"),
        ("x-ratelimit-remaining-requests", "149"),
        ("anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z"),
    ];
    let stays = [
        ("content-type", "text/html"),
        ("content-type", "application/json; x=npm_abc"),
        ("set-cookie", "a=b"),
        ("server", "cloudflare"),
        ("request-id", "req_1"),
        ("x-request-id", "req_1"),
        ("openai-organization", "org"),
        ("anthropic-organization-id", "o"),
        ("location", "http://x"),
        ("www-authenticate", "Bearer"),
        ("content-length", "5"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("alt-svc", "h3"),
        ("retry-after", "npm_abcdef"),
        ("retry-after", ""),
        ("x-ratelimit-reset-tokens", "AKIAIOSFODNN7EXAMPLE"),
        ("x-ratelimit-remaining-tokens", "4929123456789014"),
        ("cf-ray", "x"),
        ("strict-transport-security", "max-age=1"),
        ("access-control-allow-origin", "*"),
    ];
    for dialect in DIALECTS {
        for (name, value) in passes {
            let is_other =
                if dialect == Dialect::Openai { name.starts_with("anthropic-") } else { name.starts_with("x-ratelimit-") };
            assert_eq!(client_headers(dialect, &header_map(&[(name, value)])).len(), usize::from(!is_other), "{name}: {value}");
        }
        for (name, value) in stays {
            assert!(client_headers(dialect, &header_map(&[(name, value)])).is_empty(), "{name}: {value}");
        }
    }
}

#[test]
fn tokens_are_a_finding() {
    for (prompt, is_read) in
        [(json!("hi"), true), (json!(["a", "b"]), true), (json!([]), true), (json!([1, 2]), false), (json!([[1, 2], [3]]), false)]
    {
        for (api, name) in [(Api::Completions, "prompt"), (Api::Embeddings, "input")] {
            let understood = read(api, &json!({"model": "small", name: prompt.clone()})).unwrap();
            let found: Vec<&str> = understood.uninspected.iter().map(|(_, kind)| kind.as_str()).collect();
            assert_eq!(found, if is_read { vec![] } else { vec!["tokens"] }, "{prompt}");
        }
    }
}

#[test]
fn what_a_response_keeps_and_names() {
    let code = |members: Value| read(Api::Responses, &request_of(Api::Responses, &members)).map_err(|refusal| refusal.code);
    let stored = Effect::store(ModelName::new("small").unwrap());
    for (store, is_stored) in [(json!(false), false), (json!(true), true), (json!(null), true)] {
        assert_eq!(code(json!({"store": store.clone()})).unwrap().effects.contains(&stored), is_stored, "{store}");
    }
    let absent = read(Api::Responses, &json!({"model": "small", "input": "hi"})).unwrap();
    assert_eq!(absent.effects, [stored], "who says nothing is kept");
    let stateful = Err(ReasonCode::StatefulIdRefused);
    for item in [
        json!({"id": "msg_1"}),
        json!({"type": null, "id": "msg_1"}),
        json!({"type": "item_reference", "id": "msg_1"}),
        json!({"type": "reasoning", "id": "rs_1", "summary": []}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": null}),
        json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ""}),
        json!({"type": "image_generation_call", "id": "ig_1"}),
        json!({"type": "message", "id": "msg_1"}),
        json!({"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": [], "container_id": "cntr_1"}),
        json!({"role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}),
        json!({"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "file_1"}}),
    ] {
        assert_eq!(code(json!({"input": [item]})).map(|_| ()), stateful, "{item}");
    }
    for tool in [
        json!({"type": "file_search", "vector_store_ids": ["vs_1"]}),
        json!({"type": "mcp", "server_label": "a", "server_url": "https://a.example", "authorization": "x"}),
        json!({"type": "mcp", "server_label": "a", "connector_id": "connector_gmail"}),
        json!({"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}),
        json!({"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file_1"]}}),
    ] {
        assert_eq!(code(json!({"tools": [tool]})).map(|_| ()), stateful, "{tool}");
    }
    let named = json!({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]});
    assert_eq!(code(named).unwrap_err(), ReasonCode::FieldType, "a container that is there already");
    let remote = code(json!({"tools": [{"type": "mcp", "server_label": "a", "server_url": "https://a.example/mcp"}]})).unwrap();
    assert_eq!(remote.effects, [Effect::hosted_tool("openai/mcp".to_owned()), Effect::remote("a.example".to_owned())]);
}

#[test]
fn a_path_may_name_the_model() {
    let facts = [
        ("/openai/deployments/small/chat/completions", Some((Api::Chat, Some("small")))),
        ("/openai/deployments/a%2Fb/embeddings", Some((Api::Embeddings, Some("a%2Fb")))),
        ("/openai/deployments/small/completions", Some((Api::Completions, Some("small")))),
        ("/openai/v1/responses", Some((Api::Responses, None))),
        ("/openai/responses", Some((Api::Responses, None))),
        ("/openai/deployments/small/messages", None),
        ("/openai/deployments/small", None),
        ("/openai/deployments/a/b/chat/completions", None),
        ("/openai/v1/v1/responses", None),
        ("/openaiv1/responses", None),
        ("/openai/messages", None),
        ("/v1/chat/completions", None),
    ];
    for (path, expected) in facts {
        assert_eq!(Api::at_azure(path), expected, "{path}");
    }
    for (body, span) in [
        (r#"{"messages":[{"role":"user","content":"hi"}]}"#, ""),
        (r#" {"messages":[{"role":"user","content":"hi"}],"model":"other"}"#, r#""other""#),
        (r#"{"messages":[{"role":"user","content":"hi"}],"model":null}"#, "null"),
    ] {
        let document = text::Document::parse(body.as_bytes(), &text::Limits::default()).unwrap();
        let headers = header_map(&[]);
        let read =
            |deployment| super::super::understand(Api::Chat, deployment, &headers, &document, &std::collections::BTreeSet::new());
        let understood = read(Some("small")).unwrap();
        let call = understood.model().unwrap();
        assert_eq!((call.model.as_str(), body.get(call.model_span.clone()).unwrap()), ("small", span), "{body}");
        assert!(body.get(..call.model_span.start).unwrap().trim_start().starts_with('{'), "{body}");
    }
}
