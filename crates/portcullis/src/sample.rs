//! The built-in sample upstream of `quickstart`: no model, and it says so in every answer.
//!
//! It speaks just enough of both dialects for a first look without a provider: it repeats what it was sent, word by word
//! when a stream is asked for, so that a person sees what reached it (and what did not).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// What every answer begins with.
pub(crate) const NOTICE: &str = "[sample upstream, not a model] You said:";
/// The pause between two words of a stream: long enough to see it flow and to cut it.
const PAUSE: Duration = Duration::from_millis(25);
/// Longest request.
const MAX_BODY: usize = 8 << 20;
/// A long stream repeats the words up to this many.
const LONG: usize = 400;

type SampleBody = UnsyncBoxBody<Bytes, Infallible>;

/// Starts the sample upstream on a free loopback port; it ends with the process.
///
/// # Errors
/// When no loopback port can be bound.
pub(crate) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
                // A client that breaks off is no news to a sample.
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Response<SampleBody> {
    let path = request.uri().path().to_owned();
    let Ok(whole) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return document(StatusCode::PAYLOAD_TOO_LARGE, &json!({"error": {"message": "too large"}}));
    };
    let Ok(body) = serde_json::from_slice::<Value>(&whole.to_bytes()) else {
        return document(StatusCode::BAD_REQUEST, &json!({"error": {"message": "not JSON"}}));
    };
    let model = body.get("model").and_then(Value::as_str).unwrap_or("sample").to_owned();
    let text = format!("{NOTICE} {}", last_text(&body));
    let is_stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    match (path.as_str(), is_stream) {
        ("/v1/chat/completions", false) => document(StatusCode::OK, &openai_document(&model, &text)),
        ("/v1/chat/completions", true) => stream(openai_events(&model, &text, is_long(&body))),
        ("/v1/messages", false) => document(StatusCode::OK, &anthropic_document(&model, &text)),
        ("/v1/messages", true) => stream(anthropic_events(&model, &text, is_long(&body))),
        _ => document(StatusCode::NOT_FOUND, &json!({"error": {"message": "the sample upstream does not serve this path"}})),
    }
}

/// The text of the last message.
fn last_text(body: &Value) -> String {
    let content =
        body.get("messages").and_then(Value::as_array).and_then(|messages| messages.last()).and_then(|last| last.get("content"));
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join(" ")
        }
        _ => "(nothing that the sample can read)".to_owned(),
    }
}

/// Somebody who asks for many tokens gets a long stream, to have something to cut.
fn is_long(body: &Value) -> bool {
    body.get("max_tokens").and_then(Value::as_u64).is_some_and(|max| max >= 200)
}

fn document(status: StatusCode, value: &Value) -> Response<SampleBody> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn openai_document(model: &str, text: &str) -> Value {
    let message = json!({"role": "assistant", "content": text});
    json!({
        "id": "chatcmpl-sample", "object": "chat.completion", "created": 0, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}

fn anthropic_document(model: &str, text: &str) -> Value {
    json!({
        "id": "msg_sample", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    })
}

/// The words of a stream, each with the space before it.
fn words(text: &str, is_long: bool) -> Vec<String> {
    let words: Vec<String> = text.split_inclusive(' ').map(ToOwned::to_owned).collect();
    if is_long { words.iter().cycle().take(LONG).cloned().collect() } else { words }
}

fn openai_events(model: &str, text: &str, is_long: bool) -> Vec<String> {
    let chunk = |delta: Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        let chunk = json!({"id": "chatcmpl-sample", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    events.extend(words(text, is_long).into_iter().map(|word| chunk(json!({"content": word}), Value::Null)));
    events.push(chunk(json!({}), json!("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn anthropic_events(model: &str, text: &str, is_long: bool) -> Vec<String> {
    let event = |name: &str, mut data: Value| {
        if let Some(fields) = data.as_object_mut() {
            fields.insert("type".to_owned(), json!(name));
        }
        format!("event: {name}\ndata: {data}\n\n")
    };
    let message = json!({
        "id": "msg_sample", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let mut events = vec![
        event("message_start", json!({"message": message})),
        event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    let delta = |word: String| event("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": word}}));
    events.extend(words(text, is_long).into_iter().map(delta));
    events.push(event("content_block_stop", json!({"index": 0})));
    events.push(event(
        "message_delta",
        json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 1}}),
    ));
    events.push(event("message_stop", json!({})));
    events
}

fn stream(events: Vec<String>) -> Response<SampleBody> {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        for event in events {
            if sender.send(Bytes::from(event)).await.is_err() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((Ok(Frame::data(piece)), receiver))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}
