//! What the gate is answered: one message, or a stream of them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;

use crate::message;
use crate::server::Waiting;

/// The header that names a session.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// The code of an error that is no server's own.
const FAILED: i32 = -32000;

/// A body.
pub(crate) enum Body {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Notifications, then the answer.
    Stream(Box<Stream>),
}

/// Events of a call.
pub(crate) struct Stream {
    first: Option<Bytes>,
    /// None once it has ended.
    waiting: Option<Waiting>,
    /// The id of the call, as JSON.
    id: String,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let stream = match self.get_mut() {
            Self::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(stream) => stream,
        };
        let data = |bytes: &[u8]| Poll::Ready(Some(Ok(Frame::data(event(bytes)))));
        if let Some(first) = stream.first.take() {
            return data(&first);
        }
        let Some(waiting) = &mut stream.waiting else { return Poll::Ready(None) };
        match waiting.events.poll_recv(context) {
            Poll::Ready(Some(told)) => return data(&told),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => {}
        }
        let answered = match Pin::new(&mut waiting.answer).poll(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(answered) => answered.unwrap_or_else(|_| Err("it has ended".to_owned())),
        };
        stream.waiting = None;
        let answer = answered.unwrap_or_else(|why| failure(&stream.id, &why));
        data(&answer)
    }
}

/// One message as an event.
fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(message.len().saturating_add(32));
    event.put_slice(b"event: message\ndata: ");
    // Between values JSON allows it, and readers of events take it for the end of a line.
    event.extend(message.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }));
    event.put_slice(b"\n\n");
    event.freeze()
}

/// What a caller is told of a server that failed.
pub(crate) fn failure(id: &str, why: &str) -> Bytes {
    Bytes::from(message::error(id, FAILED, &format!("the tool server failed: {why}")))
}

/// One message.
pub(crate) fn whole(message: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Some(message)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream that begins with this notification.
pub(crate) fn stream(first: Bytes, waiting: Waiting, id: String) -> Response<Body> {
    let stream = Stream { first: Some(first), waiting: Some(waiting), id };
    let mut response = Response::new(Body::Stream(Box::new(stream)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A status alone, with a reason for people.
pub(crate) fn status(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::Whole((!text.is_empty()).then(|| Bytes::from(text.to_owned()))));
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
