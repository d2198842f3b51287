//! HTTP/1.1 messages off a blocking socket.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Instant;

/// Largest message that is read; more is an error.
const MOST: usize = 4 * 1024 * 1024;

/// A connection and what was read from it beyond the last message.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes of the buffer that earlier messages used up.
    used: usize,
}

/// One message: its head, its body as it came (chunk frames included), and when the first byte of the body was there.
#[derive(Debug)]
pub struct Message<'a> {
    /// The start line and the headers, with the empty line.
    pub head: &'a [u8],
    /// The body as it stood on the wire.
    pub body: &'a [u8],
    /// When the first read that held a byte of the body returned (the head's, if the body is empty).
    pub first_byte: Instant,
}

/// Where a body ends.
enum Framing {
    Length(usize),
    Chunked,
}

impl Wire {
    /// Over a connected socket; sends small writes at once.
    ///
    /// # Errors
    /// When the socket refuses the option.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024), used: 0 })
    }

    /// The socket, to write to.
    pub const fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Reads one message; `None` if the peer closed before its first byte.
    ///
    /// # Errors
    /// When the socket fails, the peer closes within a message, or the message is not one that this reader knows.
    pub fn message(&mut self) -> io::Result<Option<Message<'_>>> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.fill()? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut()) };
            }
        };
        let framing = framing(self.buffer.get(..head).unwrap_or_default())?;
        let mut first_byte = None;
        let end = loop {
            let body = self.buffer.get(head..).unwrap_or_default();
            if first_byte.is_none() && !body.is_empty() {
                first_byte = Some(Instant::now());
            }
            let length = match framing {
                Framing::Length(length) => (body.len() >= length).then_some(length),
                Framing::Chunked => chunked_end(body)?,
            };
            if let Some(length) = length {
                break head + length;
            }
            if self.fill()? == 0 {
                return Err(cut());
            }
        };
        self.used = end;
        Ok(Some(Message {
            head: self.buffer.get(..head).unwrap_or_default(),
            body: self.buffer.get(head..end).unwrap_or_default(),
            first_byte: first_byte.unwrap_or_else(Instant::now),
        }))
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.len() > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too large"));
        }
        let mut piece = [0_u8; 16 * 1024];
        let n_read = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(piece.get(..n_read).unwrap_or_default());
        Ok(n_read)
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed in the middle of a message")
}

/// Where `needle` first stands.
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(offset) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let start = from + offset;
        if haystack.get(start..)?.starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

/// The status of a response's head; 0 if it has none.
#[must_use]
pub fn status(head: &[u8]) -> u16 {
    let digits = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The value of a header, if it stands in the head.
#[must_use]
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(head).ok()?;
    text.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn framing(head: &[u8]) -> io::Result<Framing> {
    if header(head, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return Ok(Framing::Chunked);
    }
    match header(head, "content-length").map(str::parse) {
        None => Ok(Framing::Length(0)),
        Some(Ok(length)) if length <= MOST => Ok(Framing::Length(length)),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the content length cannot be read or is too large")),
    }
}

/// Where a chunked body ends, if it is all there. Chunk extensions and trailers are skipped.
fn chunked_end(body: &[u8]) -> io::Result<Option<usize>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a chunk's size cannot be read");
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = find(rest, b"\r\n") else { return Ok(None) };
        let size = rest.get(..line).and_then(|size| size.split(|byte| *byte == b';').next()).ok_or_else(wrong)?;
        let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.filter(|size| *size <= MOST).ok_or_else(wrong)?;
        if size == 0 {
            // Without trailers the last chunk ends in two line ends; with them, in an empty line.
            return Ok(find(rest, b"\r\n\r\n").map(|end| at + end + 4));
        }
        at += line + 2 + size + 2;
        if at > body.len() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::{Wire, chunked_end, find};

    #[test]
    fn two_messages_in_pieces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut wire = Wire::new(listener.accept().unwrap().0).unwrap();
        let text = b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let writer = std::thread::spawn(move || text.chunks(7).for_each(|piece| client.write_all(piece).unwrap()));
        assert_eq!(wire.message().unwrap().unwrap().body, b"hello");
        assert_eq!(wire.message().unwrap().unwrap().body, b"3\r\nabc\r\n0\r\n\r\n");
        writer.join().unwrap();
        assert!(wire.message().unwrap().is_none());
    }

    #[test]
    fn chunks_end_where_they_end() {
        let facts: [(&[u8], Option<usize>); 5] = [
            (b"0\r\n\r\n", Some(5)),
            (b"3\r\nabc\r\n0\r\n\r\nnext", Some(13)),
            (b"3\r\nab", None),
            (b"3\r\nabc\r\n0\r\n", None),
            (b"3;x=y\r\nabc\r\n0\r\na: b\r\n\r\n", Some(23)),
        ];
        for (body, end) in facts {
            assert_eq!(chunked_end(body).unwrap(), end, "{body:?}");
        }
        assert!(chunked_end(b"zz\r\n").is_err());
        assert_eq!(find(b"aab", b"ab"), Some(1));
    }
}
