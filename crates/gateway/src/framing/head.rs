//! One request's head: collected, then judged as a whole.

use bytes::BytesMut;
use model::ReasonCode;

use super::Limits;

/// How much of the new bytes belongs to the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) count: usize,
    pub(super) is_complete: bool,
}

/// Where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    None,
    Bytes(u64),
    Chunked,
}

/// Moves bytes into `head` up to and with the blank line.
///
//= https://www.rfc-editor.org/rfc/rfc9112#section-2.2
//# a recipient MAY recognize a single LF as a line terminator
/// This one does not: a line ends in CR LF, and neither stands alone.
pub(super) fn take(head: &mut BytesMut, bytes: &[u8], limits: &Limits) -> Result<Taken, ReasonCode> {
    for (at, byte) in bytes.iter().enumerate() {
        let follows_cr = head.last() == Some(&b'\r');
        if (*byte == b'\n') != follows_cr {
            return Err(ReasonCode::FramingAmbiguous);
        }
        head.extend_from_slice(&[*byte]);
        if head.len() > limits.head_bytes {
            return Err(ReasonCode::HeadersTooLarge);
        }
        // A request does not begin with an empty line here; some readers skip it and some do not.
        if head.as_ref() == b"\r\n" {
            return Err(ReasonCode::FramingAmbiguous);
        }
        if *byte == b'\n' && head.ends_with(b"\r\n\r\n") {
            return Ok(Taken { count: at.saturating_add(1), is_complete: true });
        }
    }
    Ok(Taken { count: bytes.len(), is_complete: false })
}

/// Judges a complete head and says where the body ends.
pub(super) fn judge(head: &[u8], limits: &Limits) -> Result<BodyLength, ReasonCode> {
    let mut headers = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(ReasonCode::HeadersTooLarge),
        Ok(_) | Err(_) => return Err(ReasonCode::FramingAmbiguous),
    }
    let is_origin_form = request.path.is_some_and(|path| path.starts_with('/') && !path.contains('#'));
    if !is_origin_form || request.method == Some("CONNECT") {
        return Err(ReasonCode::FramingAmbiguous);
    }
    if switches(request.headers) {
        return Err(ReasonCode::FramingAmbiguous);
    }
    let is_old = request.version == Some(0);
    length(request.headers, is_old)
}

/// The values of every header of this name.
fn values<'a>(headers: &'a [httparse::Header<'a>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Whether the request asks for more than an answer: another protocol on this connection, or an unknown expectation.
///
/// The gate speaks HTTP/1.1 and nothing after it; whoever stands in front of it might take the question for agreed upon, and
/// what follows for something else than requests. Only the offer of HTTP/2 is passed over, as RFC 9110 section 7.8 allows: clients
/// of several platforms make it on every plain connection, and without a 101 nobody takes it for agreed upon.
fn switches(headers: &[httparse::Header<'_>]) -> bool {
    let mut upgrades = values(headers, "upgrade");
    let offers_http2 = upgrades.next().is_some_and(|value| value == b"h2c");
    let asks = upgrades.next().is_some() || (!offers_http2 && names_upgrade(headers));
    //= https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1
    //# The only expectation defined by this specification is "100-continue"
    asks || values(headers, "expect").any(|value| !value.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
}

/// Whether anything speaks of another protocol.
fn names_upgrade(headers: &[httparse::Header<'_>]) -> bool {
    let mut options = values(headers, "connection").flat_map(|value| value.split(|byte| *byte == b','));
    values(headers, "upgrade").chain(values(headers, "http2-settings")).next().is_some()
        || options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

fn length(headers: &[httparse::Header<'_>], is_old: bool) -> Result<BodyLength, ReasonCode> {
    let values = |name| values(headers, name);
    let n_hosts = values("host").count();
    if n_hosts > 1 || (n_hosts == 0 && !is_old) {
        return Err(ReasonCode::FramingAmbiguous);
    }
    let lengths: Vec<&[u8]> = values("content-length").collect();
    let encodings: Vec<&[u8]> = values("transfer-encoding").collect();
    match (lengths.as_slice(), encodings.as_slice()) {
        ([], []) => Ok(BodyLength::None),
        ([length], []) => count(length).map(|count| if count == 0 { BodyLength::None } else { BodyLength::Bytes(count) }),
        //= https://www.rfc-editor.org/rfc/rfc9112#section-6.1
        //# A server MAY reject a request that contains both Content-Length and Transfer-Encoding
        ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") && !is_old => Ok(BodyLength::Chunked),
        _ => Err(ReasonCode::FramingAmbiguous),
    }
}

/// Digits and nothing else; 19 of them fit.
fn count(text: &[u8]) -> Result<u64, ReasonCode> {
    let is_plain = (1..=19).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(text).ok().filter(|_| is_plain).and_then(|digits| digits.parse().ok());
    number.ok_or(ReasonCode::FramingAmbiguous)
}
