//! The fixed replies of the bench upstream, head and body ready to be written.

use std::fmt::Write as _;

/// Stands in a request that wants the reply with findings.
pub const WANTS_FINDINGS: &[u8] = b"please-answer-with-findings";
/// Stands in a request that wants a stream.
pub const WANTS_STREAM: &[u8] = b"\"stream\":true";

/// Stands in the call of a tool.
pub const WANTS_TOOL: &[u8] = b"\"method\":\"tools/call\"";
/// The headers of MCP that repeat the call of a tool (2026-07-28).
pub const CALL_HEADERS: &str = "accept: application/json, text/event-stream\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: search\r\n";

/// The call of a tool, with `text` as its argument.
#[must_use]
pub fn call(text: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{{\"name\":\"search\",\"arguments\":{{\"query\":\"{text}\",\"limit\":3}},\
         \"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}"
    )
}

/// The reply to the call of a tool.
#[must_use]
pub fn tool(text: &str) -> Vec<u8> {
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{\"resultType\":\"complete\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}}}"
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// About 1.5 KB of prose without findings.
#[must_use]
pub fn prose() -> String {
    let sentence = "The committee met in the old library and agreed that the bridge should be repaired before winter, \
                    since the river rises early and the road on the other side floods every second year. ";
    sentence.repeat(8)
}

/// The same prose with an AWS key, a card number and an e-mail address in it: made up, matching their formats.
#[must_use]
pub fn prose_with_findings() -> String {
    let key = ["AKIA", "Z7QHT3KXW5M2", "NV4D"].concat();
    format!("{}Use {key} and the card 4111 1111 1111 1111, then write to mia.keller@example.org. {}", prose(), prose())
}

/// The reply to a chat completion.
#[must_use]
pub fn chat(text: &str) -> Vec<u8> {
    let body = format!(
        "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"finish_reason\":\"stop\"}}],\
         \"usage\":{{\"prompt_tokens\":400,\"completion_tokens\":300,\"total_tokens\":700}}}}"
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A streamed reply: the head, then one chunk per event, the last with the end of the body.
#[must_use]
pub fn stream(text: &str) -> Vec<Vec<u8>> {
    let mut parts = vec![b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()];
    let event = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut events = vec![event("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    events.extend(words.chunks(4).map(|words| event(&format!("{{\"content\":\"{}\"}}", words.concat()), "null")));
    events.push(event("{}", "\"stop\""));
    events.push("data: [DONE]\n\n".to_owned());
    for event in events {
        parts.push(format!("{:x}\r\n{event}\r\n", event.len()).into_bytes());
    }
    if let Some(last) = parts.last_mut() {
        last.extend_from_slice(b"0\r\n\r\n");
    }
    parts
}

/// The body of a chat request of about 2 KB for a model.
#[must_use]
pub fn request(model: &str, text: &str, is_streamed: bool) -> String {
    let mut body = format!("{{\"model\":\"{model}\",");
    if is_streamed {
        _ = write!(body, "\"stream\":true,");
    }
    _ = write!(
        body,
        "\"messages\":[{{\"role\":\"system\",\"content\":\"You are a careful assistant.\"}},\
         {{\"role\":\"user\",\"content\":\"{text}\"}}],\"temperature\":0.2,\"max_tokens\":300}}"
    );
    body
}
