//! The client's side of one call: the request's body in, released pieces out, over a bounded channel.
//!
//! The interaction runs in a task of its own, so a client that leaves is a value here and never a dropped future: the
//! outcome is always written.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use engine::Released;
use engine::ports::Client;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use model::ReasonCode;
use tokio::sync::{Notify, mpsc, oneshot};

/// Pieces that may wait for a slow client, on top of one in the HTTP library's buffer.
const WAITING_PIECES: usize = 4;

/// The answer as the HTTP library sees it.
pub type Answer = Response<AnswerBody>;

/// A body fed by the interaction's task.
#[derive(Debug)]
pub struct AnswerBody {
    pieces: mpsc::Receiver<Bytes>,
    /// Bytes that are still to come, where that is known.
    left: Option<u64>,
    is_broken: Arc<AtomicBool>,
}

/// The answer was broken off on purpose; the client must not take what it has for the whole.
#[derive(Debug)]
pub struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer was broken off")
    }
}

impl std::error::Error for BrokenOff {}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(bytes) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                self.left = self.left.map(|left| left.saturating_sub(length));
                Some(Ok(Frame::data(bytes)))
            }
            None if self.is_broken.load(Ordering::Acquire) => Some(Err(BrokenOff)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// How an interaction ends its connection.
#[derive(Debug, Default)]
pub struct Ending {
    /// At once, with what was not written yet.
    pub now: Notify,
    /// When everything is written, or a moment later.
    pub soon: Notify,
}

/// One connected client, for the time of one call.
#[derive(Debug)]
pub struct HttpClient {
    incoming: Option<Incoming>,
    answer: Option<oneshot::Sender<Answer>>,
    pieces: Option<mpsc::Sender<Bytes>>,
    connection: Arc<Ending>,
    is_broken: Arc<AtomicBool>,
}

impl HttpClient {
    /// A client whose answer will arrive at the returned receiver. `connection` ends the connection when told.
    #[must_use]
    pub fn new(incoming: Incoming, connection: Arc<Ending>) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        (Self { incoming: Some(incoming), answer: Some(answer), pieces: None, connection, is_broken: Arc::default() }, receiver)
    }
}

impl Client for HttpClient {
    async fn body(&mut self, limit: usize) -> Result<Bytes, ReasonCode> {
        let Some(mut incoming) = self.incoming.take() else { return Err(ReasonCode::Internal) };
        let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(ReasonCode::BodyTooLarge);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            // Trailers carry nothing that the gate reads; the framing guard has bounded them.
            let Ok(data) = frame.map_err(|_| ReasonCode::BodyMalformed)?.into_data() else { continue };
            if whole.len().saturating_add(data.len()) > limit {
                return Err(ReasonCode::BodyTooLarge);
            }
            if whole.is_empty() && incoming.is_end_stream() {
                return Ok(data);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    fn begin(&mut self, status: StatusCode, headers: HeaderMap, length: Option<usize>) {
        let Some(answer) = self.answer.take() else { return };
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let left = length.and_then(|length| u64::try_from(length).ok());
        let mut response = Response::new(AnswerBody { pieces, left, is_broken: Arc::clone(&self.is_broken) });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if answer.send(response).is_ok() {
            self.pieces = Some(sender);
        }
    }

    async fn write(&mut self, piece: Released) -> Result<(), ReasonCode> {
        let Some(pieces) = &self.pieces else { return Err(ReasonCode::ClientGone) };
        pieces.send(piece.into_bytes()).await.map_err(|_| ReasonCode::ClientGone)
    }

    fn end(&mut self) {
        self.pieces = None;
    }

    async fn gone(&mut self) {
        match (&mut self.answer, &self.pieces) {
            (_, Some(pieces)) => pieces.closed().await,
            (Some(answer), None) => answer.closed().await,
            (None, None) => {}
        }
    }

    fn hurry(&mut self) {
        self.connection.soon.notify_one();
    }

    fn abort(&mut self) {
        self.is_broken.store(true, Ordering::Release);
        self.connection.now.notify_one();
    }
}
