//! The framing guard in front of the HTTP library.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use gateway::framing::{FramingGuard, Limits};
use model::{RequestId, UnixMillis};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Outcome, Target, ensure, magnitude, seen, texts};
use crate::Random;

pub(super) const TARGET: Target = Target {
    name: "guard",
    what: "HTTP/1.1 framing of clients: cut anywhere the same verdict, and a second reader agrees on every boundary",
    seeds,
    words: &[
        "\r\n",
        "\r",
        "\n",
        "\r\n\r\n",
        "Content-Length: ",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Host: h\r\n",
        "GET / HTTP/1.1\r\n",
        "POST /v1 HTTP/1.0\r\n",
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        ";ext",
        "ffffffff\r\n",
        "Connection: upgrade\r\n",
        "Upgrade: h2c\r\n",
        "Expect: 100-continue\r\n",
        " ",
        "\t",
        ":",
        ",",
        "chunked, chunked",
        "identity",
        "PRI * HTTP/2.0\r\n",
        "+5",
        "0x5",
    ],
    max_len: 4096,
    run,
    hostile: &[
        "\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "a: b\r\n",
        "1\r\na\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na",
        "0",
    ],
    floor: 2000.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nabc",
    ])
}

/// A socket that gives its bytes in pieces, then its end; what is written to it counts as sent.
#[derive(Debug)]
struct Pieces<'a>(Vec<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pieces = &mut self.get_mut().0;
        if let Some(first) = pieces.first_mut() {
            let (now, later) = first.split_at(first.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *first = later;
            if later.is_empty() {
                pieces.remove(0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What came through, and why nothing more did.
fn through(pieces: Vec<&[u8]>) -> (Vec<u8>, Option<model::ReasonCode>) {
    let limits = Limits { head_bytes: 1024, headers: 16 };
    let mut guard = FramingGuard::new(Pieces(pieces), limits, RequestId::new(UnixMillis(0), [0; 10]));
    let mut context = Context::from_waker(Waker::noop());
    let (mut passed, mut piece) = (Vec::new(), [0; 512]);
    loop {
        let mut buffer = ReadBuf::new(&mut piece);
        match Pin::new(&mut guard).poll_read(&mut context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => passed.extend_from_slice(buffer.filled()),
            // Waits for ever, ends, or fails: nothing more comes.
            _ => return (passed, guard.verdict().reason()),
        }
    }
}

fn run(bytes: &[u8]) -> Outcome {
    let (passed, reason) = through(vec![bytes]);
    let mut random = Random::of(bytes);
    // A long queue of pieces is slow to shift, and says nothing more.
    let cut = if bytes.len() > 1 << 16 { bytes.chunks(4096).collect() } else { random.cut(bytes) };
    let (again, other) = through(cut);
    // What stands in one piece with a fault, before it but within the same line, may pass or not: it ends no message.
    let is_same = if reason.is_none() { passed == again } else { passed.starts_with(&again) || again.starts_with(&passed) };
    ensure(is_same && reason == other, || format!("{} bytes and {reason:?}; cut, {} and {other:?}", passed.len(), again.len()))?;
    ensure(boundaries(&again)? == boundaries(&passed)?, || "cut, another number of messages".to_owned())?;
    ensure(bytes.starts_with(&passed), || "what came through is not what came".to_owned())?;
    let n_messages = boundaries(&passed)?;
    Ok(seen((reason, magnitude(n_messages), magnitude(passed.len()))))
}

/// A second reader, slow and strict: how many messages begin in what came through. All but the last must be complete.
fn boundaries(passed: &[u8]) -> Result<usize, String> {
    let (mut rest, mut n_messages) = (passed, 0);
    while !rest.is_empty() {
        n_messages += 1;
        let end = position(rest, b"\r\n\r\n").ok_or("half a head came through")?;
        // Values may hold bytes beyond ASCII.
        let head = String::from_utf8_lossy(rest.get(..end).unwrap_or_default());
        let lines: Vec<&str> = head.split("\r\n").collect();
        let values = |name: &str| -> Vec<&str> {
            let fields = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
            fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
        };
        rest = rest.get(end + 4..).unwrap_or_default();
        rest = match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
            ([], []) => rest,
            ([length], []) => {
                let length: usize = length.parse().map_err(|_| format!("length {length:?} came through"))?;
                rest.get(length.min(rest.len())..).unwrap_or_default()
            }
            ([], [_]) => behind_chunks(rest)?,
            both => return Err(format!("{both:?} came through")),
        };
    }
    Ok(n_messages)
}

fn behind_chunks(mut rest: &[u8]) -> Result<&[u8], String> {
    loop {
        let Some(line) = position(rest, b"\r\n") else { return Ok(&[]) };
        let digits = std::str::from_utf8(rest.get(..line).unwrap_or_default()).map_err(|error| error.to_string())?;
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("chunk size {digits:?} came through"))?;
        rest = rest.get(line + 2..).unwrap_or_default();
        let end = size.saturating_add(2);
        let Some(behind) = rest.get(end..) else { return Ok(&[]) };
        let ending = rest.get(size..end).unwrap_or_default();
        ensure(ending == b"\r\n", || format!("a chunk ends in {ending:?}"))?;
        rest = behind;
        if size == 0 {
            return Ok(rest);
        }
    }
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
