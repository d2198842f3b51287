//! Message framing, judged before the HTTP library sees a byte.
//!
//! A library has to decide where an ambiguous request ends, and hides that there was a choice; whatever stands in front of the
//! gate may have chosen otherwise. Here such requests are refused: this reader follows the framing by itself, holds a head
//! back until it is complete and judged, and lets only unambiguous messages through, byte for byte.

mod chunked;
mod head;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use model::{ReasonCode, RequestId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use chunked::Chunked;
use head::BodyLength;

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// Bounds of a request's head.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Most bytes, from the request line to the blank line.
    pub head_bytes: usize,
    /// Most headers.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes: 32 << 10, headers: 100 }
    }
}

/// What the guard found; shared with whoever holds the connection.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Arc<OnceLock<ReasonCode>>);

impl Verdict {
    /// Why the connection was ended, if the guard ended it.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        self.0.get().copied()
    }
}

/// A client's socket behind the guard.
#[derive(Debug)]
pub struct FramingGuard<IO> {
    io: IO,
    limits: Limits,
    verdict: Verdict,
    state: State,
    /// Bytes of a head that is not complete.
    head: BytesMut,
    /// Judged bytes that wait to be read.
    judged: BytesMut,
    /// Whether any head was passed on; then an answer may be on its way and nothing may be written beside it.
    has_passed: bool,
    /// The rest of the canned answer to a refused first request.
    canned: BytesMut,
    /// The id under which a refused first request is answered.
    request: RequestId,
    piece: Box<[u8]>,
}

#[derive(Debug)]
enum State {
    Head,
    Body(u64),
    Chunked(Chunked),
    Refused,
}

impl<IO> FramingGuard<IO> {
    /// Puts the guard in front of `io`. A refused first request is answered under the id `request`.
    pub fn new(io: IO, limits: Limits, request: RequestId) -> Self {
        Self {
            io,
            limits,
            verdict: Verdict::default(),
            state: State::Head,
            head: BytesMut::new(),
            judged: BytesMut::new(),
            has_passed: false,
            canned: BytesMut::new(),
            request,
            piece: vec![0; PIECE].into_boxed_slice(),
        }
    }

    /// The shared verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    /// Follows the framing over new bytes; what is judged moves to `judged`.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), ReasonCode> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head => {
                    let n_taken = head::take(&mut self.head, bytes, &self.limits)?;
                    bytes = bytes.get(n_taken.count..).unwrap_or_default();
                    if n_taken.is_complete {
                        let length = head::judge(&self.head, &self.limits)?;
                        self.judged.extend_from_slice(&self.head);
                        self.head.clear();
                        self.has_passed = true;
                        self.state = match length {
                            BodyLength::None => State::Head,
                            BodyLength::Bytes(count) => State::Body(count),
                            BodyLength::Chunked => State::Chunked(Chunked::default()),
                        };
                    }
                }
                State::Body(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (body, rest) = bytes.split_at(count);
                    self.judged.extend_from_slice(body);
                    bytes = rest;
                    *left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                    if *left == 0 {
                        self.state = State::Head;
                    }
                }
                State::Chunked(chunked) => {
                    let count = chunked.follow(bytes)?;
                    let (body, rest) = bytes.split_at(count);
                    self.judged.extend_from_slice(body);
                    bytes = rest;
                    if chunked.is_complete() {
                        self.state = State::Head;
                    }
                }
                State::Refused => return Ok(()),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, reason: ReasonCode) {
        // The first reason stays; there is no second.
        self.verdict.0.set(reason).ok();
        self.state = State::Refused;
        self.head.clear();
        self.judged.clear();
        if !self.has_passed {
            self.canned = canned(reason, self.request);
        }
    }
}

/// The answer to a first request that cannot be read: the HTTP library never saw it.
fn canned(reason: ReasonCode, request: RequestId) -> BytesMut {
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

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for FramingGuard<IO> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        loop {
            if !guard.judged.is_empty() {
                let count = guard.judged.len().min(buffer.remaining());
                buffer.put_slice(&guard.judged.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if matches!(guard.state, State::Refused) {
                while guard.canned.has_remaining() {
                    let count = ready!(Pin::new(&mut guard.io).poll_write(context, &guard.canned))?;
                    if count == 0 {
                        break;
                    }
                    guard.canned.advance(count);
                }
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request's framing was refused")));
            }
            let mut piece = ReadBuf::new(&mut guard.piece);
            ready!(Pin::new(&mut guard.io).poll_read(context, &mut piece))?;
            let count = piece.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            let piece = std::mem::take(&mut guard.piece);
            let followed = guard.follow(piece.get(..count).unwrap_or_default());
            guard.piece = piece;
            if let Err(reason) = followed {
                guard.refuse(reason);
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for FramingGuard<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
