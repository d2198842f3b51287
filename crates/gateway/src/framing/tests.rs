//! Attacks on framing, each under every split, and good traffic byte for byte.

use model::{ReasonCode, RequestId, UnixMillis};

use super::{FramingGuard, Limits};

fn request() -> RequestId {
    RequestId::new(UnixMillis(1), [0; 10])
}

/// Follows `pieces`; what was passed on, and why it was refused if it was.
fn follow(pieces: &[&[u8]]) -> (Vec<u8>, Option<ReasonCode>) {
    let mut guard = FramingGuard::new((), Limits { head_bytes: 512, headers: 8 }, request());
    let mut passed = Vec::new();
    for piece in pieces {
        if let Err(reason) = guard.follow(piece) {
            guard.refuse(reason);
        }
        passed.extend_from_slice(&guard.judged.split());
    }
    (passed, guard.verdict().reason())
}

const ATTACKS: [(&str, &str); 32] = [
    ("length and chunked", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked and length", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"),
    ("an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nhello"),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("a length that overflows", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
    ("another encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
    ("an encoding before chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ("chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("an encoding that looks like chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("an old version with chunked", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a folded header", "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"),
    ("a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    ("a bare line feed", "POST / HTTP/1.1\nHost: a\r\n\r\n"),
    ("a bare line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    ("a bare carriage return", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    ("a NUL", "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("an absolute target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a tunnel", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n"),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a chunk extension", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n"),
    ("a signed chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
    ("a chunk longer than said", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"),
    ("a huge chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n100000000\r\nhello"),
    ("a trailer", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n\r\n"),
];

#[test]
fn attacks_are_refused_under_every_split() {
    for (title, attack) in ATTACKS {
        let bytes = attack.as_bytes();
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            let (passed, reason) = follow(&[left, right]);
            assert_eq!(reason, Some(ReasonCode::FramingAmbiguous), "{title}, split at {at}");
            let is_in_body = title.contains("chunk size")
                || title.contains("longer")
                || title.contains("extension")
                || title.contains("trailer");
            assert!(is_in_body || passed.is_empty(), "{title}: nothing of the request is passed on");
        }
    }
}

#[test]
fn good_traffic_passes_byte_for_byte() {
    let traffic = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhelloPOST /x HTTP/1.1\r\n\
        HOST: a\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\nPOST / HTTP/1.0\r\nContent-Length: 0\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n";
    for at in 0..=traffic.len() {
        let (left, right) = traffic.split_at(at);
        assert_eq!(follow(&[left, right]), (traffic.to_vec(), None), "split at {at}");
    }
    let bytes: Vec<&[u8]> = traffic.chunks(1).collect();
    assert_eq!(follow(&bytes), (traffic.to_vec(), None));
}

#[test]
fn heads_are_bounded() {
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(600));
    assert_eq!(follow(&[long.as_bytes()]), (Vec::new(), Some(ReasonCode::HeadersTooLarge)));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: a\r\n".repeat(20));
    assert_eq!(follow(&[many.as_bytes()]), (Vec::new(), Some(ReasonCode::HeadersTooLarge)));
    // A head that never ends is refused at the bound, not at the end.
    assert_eq!(follow(&["x".repeat(513).as_bytes()]).1, Some(ReasonCode::HeadersTooLarge));
}

#[tokio::test]
async fn a_refused_first_request_is_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (title, attack) in ATTACKS.into_iter().take(8) {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let service = hyper::service::service_fn(|_| async {
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(bytes::Bytes::from_static(
                b"served",
            ))))
        });
        let guard = FramingGuard::new(server, Limits::default(), request());
        let verdict = guard.verdict();
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(guard), service);
        client.write_all(attack.as_bytes()).await.unwrap();
        // A read that fails before the first head may count as an ordinary end; the verdict is what tells.
        connection.await.ok();
        let mut answer = String::new();
        // The connection may be reset behind the answer; what came before counts.
        client.read_to_string(&mut answer).await.ok();
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("framing-ambiguous") && answer.contains("x-request-id: req_"),
            "{title}: {answer}"
        );
        assert_eq!(verdict.reason(), Some(ReasonCode::FramingAmbiguous));
    }
}
