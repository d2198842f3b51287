//! Server-sent events, cut out of a byte stream and written again.
//!
//! Follows the event stream format of the WHATWG HTML standard: lines end in LF, CRLF or CR, `data` lines are joined by LF, a
//! blank line ends an event. What goes on to the client is always written anew, so a comment of the upstream never passes; an `id`
//! does where the gate has sealed it, and `retry` with it.

use bytes::{BufMut, Bytes, BytesMut};
use engine::ports::{EventReader, StreamEvent};
use model::ReasonCode;

/// Cuts bytes into events; holds at most `limit` bytes of an unfinished event.
#[derive(Debug)]
pub struct SseReader {
    limit: usize,
    line: BytesMut,
    /// The last byte was a CR that ended a line; an LF right behind it belongs to it.
    is_after_cr: bool,
    is_first_line: bool,
    name: Option<String>,
    data: Option<BytesMut>,
    id: Option<String>,
    retry: Option<u32>,
    held: usize,
}

/// Longest id of an event, in bytes.
const MAX_ID: usize = 512;
/// Longest time that a client is told to wait before it comes back, in milliseconds.
const MAX_RETRY: u32 = 3_600_000;

impl SseReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            line: BytesMut::new(),
            is_after_cr: false,
            is_first_line: true,
            name: None,
            data: None,
            id: None,
            retry: None,
            held: 0,
        }
    }

    fn end_line(&mut self, events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        let is_first = std::mem::take(&mut self.is_first_line);
        if self.line.is_empty() {
            self.end_event(events);
            return Ok(());
        }
        let line = self.line.split().freeze();
        let line = if is_first { without_mark(line) } else { line };
        if line.is_empty() {
            self.end_event(events);
            return Ok(());
        }
        let colon = memchr::memchr(b':', &line);
        let field = line.slice(..colon.unwrap_or(line.len()));
        let value = colon.map_or_else(Bytes::new, |at| line.slice(at.saturating_add(1)..));
        let value = if value.first() == Some(&b' ') { value.slice(1..) } else { value };
        match field.as_ref() {
            b"data" => match &mut self.data {
                Some(data) => {
                    data.put_u8(b'\n');
                    data.extend_from_slice(&value);
                }
                None => self.data = Some(BytesMut::from(value.as_ref())),
            },
            b"event" => {
                let name = std::str::from_utf8(&value).map_err(|_| ReasonCode::UpstreamResponseInvalid)?;
                self.name = Some(name.to_owned());
            }
            // What is no id that a client could say again in a header is none.
            b"id" => {
                let id = std::str::from_utf8(&value).ok().filter(|id| id.len() <= MAX_ID);
                self.id = id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())).map(ToOwned::to_owned);
            }
            b"retry" => {
                self.retry =
                    std::str::from_utf8(&value).ok().and_then(|value| value.parse().ok()).filter(|wait| *wait <= MAX_RETRY);
            }
            // Comments and unknown fields stay here.
            _ => {}
        }
        Ok(())
    }

    /// An event without data is none, by the standard.
    fn end_event(&mut self, events: &mut Vec<StreamEvent>) {
        self.held = 0;
        let name = self.name.take().filter(|name| !name.is_empty());
        if let Some(data) = self.data.take() {
            let data = data.freeze();
            let (id, retry) = (self.id.take(), self.retry.take());
            events.push(StreamEvent { raw: data.clone(), name, data: Some(data), id, retry });
        }
    }
}

/// The stream may begin with a byte order mark.
fn without_mark(line: Bytes) -> Bytes {
    if line.starts_with(b"\xEF\xBB\xBF") { line.slice(3..) } else { line }
}

impl EventReader for SseReader {
    fn push(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if std::mem::take(&mut self.is_after_cr) && rest.first() == Some(&b'\n') {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(at) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.take(rest)?;
                break;
            };
            let (line, ended) = rest.split_at(at);
            self.take(line)?;
            self.is_after_cr = ended.first() == Some(&b'\r');
            self.end_line(events)?;
            rest = ended.get(1..).unwrap_or_default();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ReasonCode> {
        // By the standard an event without its blank line is discarded; silently losing text would be a hole, so say so.
        let is_unfinished = !self.line.is_empty() || self.data.is_some();
        if is_unfinished { Err(ReasonCode::UpstreamBrokeOff) } else { Ok(()) }
    }
}

impl SseReader {
    fn take(&mut self, bytes: &[u8]) -> Result<(), ReasonCode> {
        self.held = self.held.saturating_add(bytes.len());
        if self.held > self.limit {
            return Err(ReasonCode::UpstreamResponseTooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes one event: its name, if it has one, and its data, a `data` line for each line.
#[must_use]
pub fn write(name: Option<&str>, data: &[u8]) -> Bytes {
    write_with(None, name, data)
}

/// The same with an id (visible ASCII) that a client can come back by, and how long it is to wait before, in milliseconds.
#[must_use]
pub fn write_with(id: Option<(&str, Option<u32>)>, name: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len().saturating_add(32));
    if let Some((id, retry)) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.put_u8(b'\n');
        if let Some(retry) = retry {
            out.extend_from_slice(format!("retry: {retry}\n").as_bytes());
        }
    }
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
    out.freeze()
}

#[cfg(test)]
mod tests {
    use engine::ports::EventReader;
    use model::ReasonCode;

    use super::{SseReader, write};

    fn read(pieces: &[&[u8]]) -> Result<Vec<(Option<String>, String)>, ReasonCode> {
        let mut reader = SseReader::new(1024);
        let mut events = Vec::new();
        for piece in pieces {
            reader.push(piece, &mut events)?;
        }
        reader.finish()?;
        let text =
            |event: engine::ports::StreamEvent| (event.name, String::from_utf8(event.data.unwrap_or_default().to_vec()).unwrap());
        Ok(events.into_iter().map(text).collect())
    }

    #[test]
    fn every_form_under_every_split() {
        let stream = b"\xEF\xBB\xBFdata: one\n\n: comment\nid: 7\r\nevent: ping\r\ndata:two\rdata:  three\r\r\nevent: empty\n\ndata\n\ndata: [DONE]\n\n";
        let expected = vec![
            (None, "one".to_owned()),
            (Some("ping".to_owned()), "two\n three".to_owned()),
            (None, String::new()),
            (None, "[DONE]".to_owned()),
        ];
        for at in 0..=stream.len() {
            let (left, right) = stream.split_at(at);
            assert_eq!(read(&[left, right]), Ok(expected.clone()), "split at {at}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(expected));
    }

    #[test]
    fn bounds_and_torn_ends() {
        assert_eq!(read(&[b"data: ", &[b'x'; 2000]]), Err(ReasonCode::UpstreamResponseTooLarge));
        let many = b"data: 0123456789\n".repeat(100);
        assert_eq!(read(&[&many]), Err(ReasonCode::UpstreamResponseTooLarge));
        assert_eq!(read(&[b"data: x\n"]), Err(ReasonCode::UpstreamBrokeOff));
        assert_eq!(read(&[b"data: x"]), Err(ReasonCode::UpstreamBrokeOff));
        assert_eq!(read(&[b": comment\n"]), Ok(vec![]));
    }

    #[test]
    fn what_is_written_reads_back() {
        for data in ["{}", "a\nb", "", "\n"] {
            let written = write(Some("x"), data.as_bytes());
            assert_eq!(read(&[&written]), Ok(vec![(Some("x".to_owned()), data.to_owned())]));
        }
        assert_eq!(write(None, b"{}").as_ref(), b"data: {}\n\n");
    }
}
