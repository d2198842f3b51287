//! Message framing, judged before the HTTP library sees a byte.
//!
//! A library has to decide where an ambiguous request ends, and hides that there was a choice; whatever stands in front of the
//! gate may have chosen otherwise. Here such requests are refused: this reader follows the framing by itself, holds a head
//! back until it is complete and judged, and lets only unambiguous messages through, byte for byte.
//!
//! What was judged good before a refusal is served and answered; then the connection is closed, see [`Verdict::last_begun`].
//! Only a refused *first* request is answered from here: beside an answer under way nothing may be written.

mod canned;
mod chunked;
mod head;
mod linger;
mod verdict;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use model::{ReasonCode, RequestId};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use canned::canned;
use chunked::Chunked;
use head::BodyLength;
pub use linger::linger;
pub use verdict::Verdict;

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// Most bytes that are read and dropped behind a refusal.
const DISCARD: usize = 256 << 10;

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
    /// The rest of the canned answer to a refused first request.
    canned: BytesMut,
    /// Whether a canned answer was written and the writing side is still to be ended.
    is_answered: bool,
    /// The id under which a refused first request is answered.
    request: RequestId,
    piece: Box<[u8]>,
}

#[derive(Debug)]
enum State {
    Head,
    Body(u64),
    Chunked(Chunked),
    Refused(Refused),
}

/// What the reader is told behind the last judged byte.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// It waits in the middle of a message, or for the first one: an error.
    Error,
    /// It may be answering what came before: nothing. So many more bytes are read and dropped.
    Behind(usize),
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
            canned: BytesMut::new(),
            is_answered: false,
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
                        self.verdict.passes();
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
                State::Refused(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// What was judged before stays in `judged` and is read first.
    fn refuse(&mut self, reason: ReasonCode) {
        let has_passed = self.verdict.has_passed();
        let is_between = matches!(self.state, State::Head);
        self.state = State::Refused(if has_passed && is_between { Refused::Behind(DISCARD) } else { Refused::Error });
        self.head.clear();
        if !has_passed {
            self.canned = canned(reason, self.request);
        }
        self.verdict.refuses(reason);
    }
}

impl<IO: AsyncRead + Unpin> FramingGuard<IO> {
    /// Waits behind a refusal while the requests before it are answered.
    ///
    /// The HTTP library reads ahead while it writes an answer, to see that the client has gone. An error or an end of input
    /// would make it drop that answer, so it sees neither unless the client has really gone; that the answer is the last one,
    /// [`Verdict::last_begun`] tells the owner of the connection.
    fn poll_behind(&mut self, context: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
        while left > 0 {
            let mut piece = ReadBuf::new(&mut self.piece);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut piece))?;
            let count = piece.filled().len();
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            left = left.saturating_sub(count);
            self.state = State::Refused(Refused::Behind(left));
        }
        // Nothing wakes the reader any more; the end of its last answer does not need it to be.
        Poll::Pending
    }
}

impl<IO: AsyncWrite + Unpin> FramingGuard<IO> {
    /// Writes the canned answer and ends the writing side, if there is one, then fails.
    fn poll_fail(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.canned.has_remaining() {
            let count = ready!(Pin::new(&mut self.io).poll_write(context, &self.canned))?;
            if count == 0 {
                break;
            }
            self.canned.advance(count);
            self.is_answered = true;
        }
        if self.is_answered {
            // Behind TLS, what was written may still wait in a record, and an end that is not told looks like an attack.
            ready!(Pin::new(&mut self.io).poll_shutdown(context))?;
            self.is_answered = false;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the request's framing was refused")))
    }
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
            match guard.state {
                State::Refused(Refused::Error) => return guard.poll_fail(context),
                State::Refused(Refused::Behind(left)) => return guard.poll_behind(context, left),
                State::Head | State::Body(_) | State::Chunked(_) => {}
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
