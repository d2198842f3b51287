//! The answer to a first request that cannot be read: the HTTP library never saw it.

use bytes::BytesMut;
use model::{ReasonCode, RequestId};

/// A whole answer under the id `request`, after which the connection is closed.
pub(crate) fn canned(reason: ReasonCode, request: RequestId) -> BytesMut {
    let body = format!(
        "{{\"error\":{{\"message\":\"{} (docs/reasons/{reason}.md)\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"{reason}\"}}}}",
        reason.text()
    );
    let status = if reason == ReasonCode::HeadersTooLarge { "431 Request Header Fields Too Large" } else { "400 Bad Request" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-request-id: {request}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    BytesMut::from([head.as_bytes(), body.as_bytes()].concat().as_slice())
}
