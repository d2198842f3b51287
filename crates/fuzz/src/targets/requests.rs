//! Requests of clients: bodies against the tables of every API, and their headers.

use std::collections::BTreeSet;

use gateway::dialect::{Act, Api, Stored, client_headers, refusal, stream_refusal, understand, upstream_headers};
use http::{HeaderMap, HeaderName, HeaderValue};
use identity::credential_from_request;
use model::{Dialect, Refusal, RequestId, UnixMillis};
use text::{Document, Kind, Limits};

use super::{Outcome, Target, ensure, magnitude, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "requests",
    what: "bodies of requests, for every API: what is understood points into the body, no refusal repeats content",
    seeds,
    words: &[
        "\"tools\":[{\"type\":\"function\"}],",
        "\"image_url\":{\"url\":\"http://a/\"}",
        "\"type\":\"input_image\"",
        "\"file_id\":\"f\"",
        "\"previous_response_id\":\"r\",",
        "\"store\":true,",
        "\"background\":true,",
        "\"mcp_servers\":[]",
        "\"container\":\"c\"",
        "\"stream\":true,",
        "\"n\":2,",
        "null",
        "true",
        "{}",
        "[]",
        "\"\"",
        "\"model\":\"m\",",
        "\"thinking\":{\"type\":\"enabled\"},",
        "\"metadata\":{\"a\":\"b\"},",
        "\"response_format\":{\"type\":\"json_schema\"},",
        ",",
        ":",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "1e9",
        "-1",
    ],
    max_len: 4096,
    run,
    hostile: &["{\"messages\":[", "[\"a\",", "{\"a\":"],
    floor: 500.0,
};

pub(super) const HEADERS: Target = Target {
    name: "headers",
    what: "headers of requests and answers: only listed ones pass, one credential, none from the address",
    seeds: || {
        texts(&[
            "authorization: Bearer pcl_abc\nanthropic-beta: files-api-2025-04-14, x\nanthropic-version: 2023-06-01\nopenai-organization: o",
            "x-api-key: abc\napi-key: def\ncookie: a=b\nidempotency-key: 7\nx-stainless-lang: js",
            "?api-key=abc&x=1\nauthorization: Basic YTpi\nretry-after: 5\nx-ratelimit-limit-requests: 7\nset-cookie: a",
        ])
    },
    words: &[
        "authorization: ",
        "Bearer ",
        "x-api-key: ",
        "api-key: ",
        "anthropic-beta: ",
        "anthropic-version: ",
        ",",
        " ",
        "\n",
        "?api%2Dkey=",
        "&",
        "access_token=",
        "%",
        "=",
        "cookie: ",
        "host: ",
        "\t",
        "\u{80}",
    ],
    max_len: 2000,
    run: headers,
    hostile: &["a: b\n", "anthropic-beta: a,", "?a&", "%41"],
    floor: 500.0,
};

pub(super) const QUERIES: Target = Target {
    name: "queries",
    what: "queries about stored responses: what goes out is of the table, and reads as it was written",
    seeds: || {
        texts(&[
            "include[]=reasoning.encrypted_content&include%5B%5D=message.output_text.logprobs&stream=true&starting_after=7",
            "limit=20&order=asc&after=msg_1&api-version=2025-04-01-preview",
        ])
    },
    words: &[
        "include[]=",
        "include=",
        "%5B%5D",
        "stream=true",
        "starting_after=",
        "after=",
        "before=",
        "limit=",
        "order=desc",
        "&",
        "=",
        "[]",
        "%2F",
        "../",
        "#",
        "?",
    ],
    max_len: 3000,
    run: queries,
    hostile: &["include[]=code_interpreter_call.outputs&", "api-version=1&", "&", "%5B%5D"],
    floor: 500.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}],"stream":true,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"auto","n":1}"#,
        r#"{"model":"m","max_tokens":9,"system":"s","messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"http://a/"}},{"type":"tool_result","tool_use_id":"t","content":"x"}]}],"tools":[{"type":"web_search_20250305","name":"w"}],"thinking":{"type":"enabled","budget_tokens":9}}"#,
        r#"{"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"function_call_output","call_id":"c","output":"o"}],"previous_response_id":"resp_1","store":false,"tools":[{"type":"mcp","server_url":"http://a/"}],"include":["reasoning.encrypted_content"]}"#,
        r#"{"model":"m","prompt":["a","b"],"logprobs":1,"suffix":null}"#,
        r#"{"model":"m","input":["a",[1,2]],"encoding_format":"base64","dimensions":8}"#,
    ])
}

fn run(bytes: &[u8]) -> Outcome {
    let Ok(document) = Document::parse(bytes, &Limits::default()) else { return Ok(0) };
    let mut ways = Vec::new();
    for api in Api::ALL {
        let admitted = BTreeSet::from(["metadata".to_owned()]);
        match understand(api, None, &HeaderMap::new(), &document, &admitted) {
            Ok(understood) => {
                let call = understood.model().ok_or("no model is asked for")?;
                let literal = bytes.get(call.model_span.clone()).ok_or("the model stands outside of the body")?;
                let is_put = literal.is_empty();
                let is_model = serde_json::from_slice::<String>(literal).is_ok_and(|model| model == call.model);
                ensure(is_put || is_model, || format!("{:?} is not the model", call.model_span))?;
                for (pointer, _) in &understood.uninspected {
                    ensure(document.at(pointer).is_some(), || format!("nothing stands at `{pointer}`"))?;
                }
                ways.push((magnitude(understood.effects.len()), magnitude(understood.uninspected.len()), None));
            }
            Err(refusal) => {
                silent(&document, &refusal)?;
                shaped(api.dialect(), &refusal)?;
                ways.push((0, 0, Some(refusal.code)));
            }
        }
    }
    Ok(seen(ways))
}

/// A refusal's words hold keys and types, never a text of the body.
fn silent(document: &Document<'_>, refusal: &Refusal) -> Result<(), String> {
    let Some(detail) = &refusal.detail else { return Ok(()) };
    let is_key = |text: &str| document.nodes().any(|node| document.key(node).as_deref() == Some(text));
    for node in document.nodes().filter(|node| document.kind(*node) == Kind::String) {
        let text = document.text(node).unwrap_or_default();
        let is_said = text.len() >= 12 && text.contains(' ') && detail.contains(&*text) && !is_key(&text);
        ensure(!is_said, || format!("the refusal repeats a text: {detail}"))?;
    }
    ensure(detail.len() < 4096, || format!("{} bytes of detail", detail.len()))
}

/// Every refusal is JSON in its provider's shape.
fn shaped(dialect: Dialect, told: &Refusal) -> Result<(), String> {
    let request = RequestId::new(UnixMillis(0), [0; 10]);
    let (status, _, body) = refusal(dialect, told, request);
    let is_json = serde_json::from_slice::<serde_json::Value>(&body).is_ok_and(|body| body.get("error").is_some());
    ensure(is_json && !status.is_success(), || format!("refused with {status} and {} bytes", body.len()))?;
    let event = stream_refusal(dialect, told, request);
    ensure(event.ends_with(b"\n\n") && !event.trim_ascii_end().is_empty(), || "half an event refuses a stream".to_owned())
}

fn queries(bytes: &[u8]) -> Outcome {
    let Ok(query) = std::str::from_utf8(bytes) else { return Ok(0) };
    let asked = |act, query: &str| Stored::new("r".to_owned(), act, Some(query)).understood();
    let mut ways = Vec::new();
    for act in [Act::Show, Act::Items, Act::Cancel, Act::Delete] {
        let understood = match asked(act, query) {
            Ok(understood) => understood,
            Err(refusal) => {
                shaped(Dialect::Openai, &refusal)?;
                ways.push(Err(refusal.code));
                continue;
            }
        };
        let kept = understood.model().and_then(|call| call.kept.clone()).ok_or("nothing is asked for")?;
        let (path, written) = kept.after.split_once('?').unwrap_or((&kept.after, ""));
        let is_plain = written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"[]_.-=&".contains(&byte));
        ensure(is_plain && !written.contains("starting_after"), || format!("`{written}` goes out"))?;
        ensure(matches!(path, "" | "/input_items" | "/cancel"), || format!("`{path}` goes out"))?;
        let again = asked(act, written).ok().and_then(|again| again.model()?.kept.clone());
        ensure(again.is_some_and(|again| again.after == kept.after), || format!("`{written}` reads otherwise"))?;
        ways.push(Ok(magnitude(written.len())));
    }
    Ok(seen(ways))
}

fn headers(bytes: &[u8]) -> Outcome {
    let (mut map, mut query) = (HeaderMap::new(), None);
    for line in bytes.split(|byte| *byte == b'\n').take(200) {
        if let Some(rest) = line.strip_prefix(b"?") {
            query = std::str::from_utf8(rest).ok();
            continue;
        }
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    let document = Document::parse(br#"{"model":"m","messages":[],"max_tokens":1}"#, &Limits::default())
        .map_err(|error| error.to_string())?;
    let mut ways = Vec::new();
    for api in Api::ALL {
        ways.push(
            understand(api, None, &map, &document, &BTreeSet::new())
                .map(|read| read.effects.len())
                .map_err(|refusal| refusal.code),
        );
        for passed in [upstream_headers(api, &map), client_headers(api.dialect(), &map)] {
            for (name, value) in &passed {
                let is_theirs = map.get_all(name).iter().any(|theirs| theirs == value);
                let is_secret =
                    ["authorization", "x-api-key", "api-key", "cookie", "set-cookie", "host"].contains(&name.as_str());
                ensure(!is_secret, || format!("`{name}` passes"))?;
                ways.push(Ok(usize::from(is_theirs)));
            }
        }
    }
    let lines = map.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let credential = credential_from_request(lines, query);
    if let Ok(credential) = credential {
        let n_theirs =
            ["authorization", "x-api-key", "api-key"].iter().map(|name| map.get_all(*name).iter().count()).sum::<usize>();
        ensure(n_theirs == 1, || format!("one credential of {n_theirs}"))?;
        ensure(credential.iter().all(u8::is_ascii_graphic), || "a credential with odd characters".to_owned())?;
    }
    Ok(seen((ways, credential.map(<[u8]>::len))))
}
