//! Attacks on framing over real TCP: the guard, the HTTP library and a service that counts what reaches it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gateway::framing::{FramingGuard, Limits, Verdict, linger};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use model::{ReasonCode, RequestId, UnixMillis};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longest time for one exchange; nothing here waits that long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

const AMBIGUOUS: &str = "400 framing-ambiguous";
const LARGE: &str = "431 headers-too-large";
const GOOD: &str = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const LAST: &str = "POST /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye";

/// What is sent, every answer that comes back until the end (status, then the body's length or the reason), how many requests
/// the service saw, and what the guard says.
type Case = (&'static str, String, &'static str, usize, Option<ReasonCode>);

const REFUSED: Option<ReasonCode> = Some(ReasonCode::FramingAmbiguous);
const TOO_LARGE: Option<ReasonCode> = Some(ReasonCode::HeadersTooLarge);

/// A request with these header lines beside its host, and this body; then a second request for whoever ends the first early.
fn smuggle(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n{body}{LAST}")
}

fn refused_by_header() -> Vec<Case> {
    let cases = [
        ("length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        ("chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 0"),
        ("the same length twice", "Content-Length: 5\r\nContent-Length: 5"),
        ("a list of lengths", "Content-Length: 5, 5"),
        ("a length with a plus", "Content-Length: +5"),
        ("a negative length", "Content-Length: -5"),
        ("a length with a space within", "Content-Length: 1 5"),
        ("a hexadecimal length", "Content-Length: 0x5"),
        ("a length that overflows", "Content-Length: 18446744073709551621"),
        ("a length behind a space", "Content-Length : 5"),
        ("chunked behind a space", "Transfer-Encoding : chunked"),
        ("chunked in a folded line", "Transfer-Encoding:\r\n chunked"),
        ("chunked behind a folded line", "X: a\r\n Transfer-Encoding: chunked"),
        ("chunked misspelt", "Transfer-Encoding: xchunked"),
        ("chunked in quotes", "Transfer-Encoding: \"chunked\""),
        ("chunked with a parameter", "Transfer-Encoding: chunked;a=b"),
        ("chunked before another", "Transfer-Encoding: chunked, identity"),
        ("chunked behind a vertical tab", "Transfer-Encoding: \x0bchunked"),
        ("two hosts", "Host: b"),
        ("a lone line feed", "X: a\nTransfer-Encoding: chunked"),
        ("a lone carriage return", "X: a\rTransfer-Encoding: chunked"),
        ("a NUL", "X: a\0b"),
        ("no colon", "X"),
        ("no name", ": x"),
        ("an upgrade to several protocols", "Connection: Upgrade\r\nUpgrade: h2c, websocket"),
        ("two upgrades", "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket"),
        ("an upgrade alone", "uPGRADE: websocket"),
        ("settings alone", "http2-settings: AAMAAABkAAQAAP__"),
        ("an option to upgrade", "Connection: keep-alive ,\tupgrade"),
        ("an unknown expectation", "Expect: 200-ok"),
        ("two expectations", "Expect: 100-continue\r\nExpect: x"),
    ];
    cases.map(|(title, lines)| (title, smuggle(lines, ""), AMBIGUOUS, 0, REFUSED)).into()
}

fn refused_by_line() -> Vec<Case> {
    let cases = [
        ("no host", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
        ("an absolute target", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a target without a slash", "GET v1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a fragment", "GET /v1#a HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a star", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a tunnel", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n"),
        ("HTTP/0.9", "GET /\r\n\r\n"),
        ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a hello of TLS", "\x16\x03\x01\x02\0\x01\0\n"),
        ("an empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("line feeds only", "GET / HTTP/1.1\nHost: a\n\n"),
        ("an old version with chunked", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("bad, then good", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    cases.map(|(title, bytes)| (title, bytes.to_owned(), AMBIGUOUS, 0, REFUSED)).into()
}

fn refused_by_size() -> Vec<Case> {
    let head = |lines: String| format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{LAST}");
    vec![
        ("a header of 33 KB", head(format!("X: {}\r\n", "x".repeat(33 << 10))), LARGE, 0, TOO_LARGE),
        ("101 headers", head("X: a\r\n".repeat(100)), LARGE, 0, TOO_LARGE),
        ("a line of 40 KB", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(40 << 10)), LARGE, 0, TOO_LARGE),
        ("a head without end and much behind it", "x".repeat(200 << 10), LARGE, 0, TOO_LARGE),
    ]
}

/// Their heads are good and reach the service, which fails to read the body: no answer, and nothing behind it is read.
fn broken_bodies() -> Vec<Case> {
    let cases = [
        ("a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        ("a chunk extension that ends in a line feed", "5;a\nhello\r\n0\r\n\r\n"),
        ("a chunk size that overflows", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a negative chunk size", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size behind a space", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a hexadecimal prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("no chunk size", "\r\nhello\r\n0\r\n\r\n"),
        ("line feeds between chunks", "5\nhello\n0\n\n"),
        ("a chunk longer than said", "4\r\nhello\r\n0\r\n\r\n"),
        ("a trailer", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    ];
    cases.map(|(title, body)| (title, smuggle("Transfer-Encoding: chunked", body), "", 1, REFUSED)).into()
}

fn pipelined() -> Vec<Case> {
    let bad = smuggle("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n");
    let chunked = smuggle("transfer-encoding: cHUNKED", "5\r\nhello\r\n0\r\n\r\n");
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";
    let offering = format!("POST / HTTP/1.1\r\nHost: a\r\n{offer}\r\nContent-Length: 5\r\n\r\nhello");
    let expecting = "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\nhi";
    vec![
        ("good twice", format!("{GOOD}{LAST}"), "200 5, 200 3", 2, None),
        ("chunked with capitals", chunked, "200 5, 200 3", 2, None),
        ("an expectation that is known", expecting.to_owned(), "200 2", 1, None),
        ("an offer of HTTP/2", format!("{offering}{LAST}"), "200 5, 200 3", 2, None),
        ("good, then bad", format!("{GOOD}{bad}"), "200 5", 1, REFUSED),
        ("good twice, then bad", format!("{GOOD}{GOOD}{bad}"), "200 5, 200 5", 2, REFUSED),
        ("good, then too large", format!("{GOOD}{}", "x".repeat(40 << 10)), "200 5", 1, TOO_LARGE),
        ("good, then a broken body", format!("{GOOD}{}", smuggle("Transfer-Encoding: chunked", "zz\r\n")), "200 5", 2, REFUSED),
    ]
}

/// The client ends its side behind these. None of it is refused: it is not there.
fn cut_short() -> Vec<Case> {
    let cases = [
        ("nothing", "", 0),
        ("half a head", "POST / HTTP/1.1\r\nHost: a\r\nContent-Le", 0),
        ("a head without its last line feed", "GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
        ("a body shorter than said", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello", 1),
        ("chunks without an end", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 1),
    ];
    cases.map(|(title, bytes, n_served)| (title, bytes.to_owned(), "", n_served, None)).into()
}

#[tokio::test]
async fn what_comes_back_and_what_gets_through() {
    let whole = [refused_by_header(), refused_by_line(), refused_by_size(), broken_bodies(), pipelined()].concat();
    let whole = whole.into_iter().map(|case| (case, false));
    let mut n_cases = 0;
    for ((title, bytes, answers, n_served, reason), is_cut) in whole.chain(cut_short().into_iter().map(|case| (case, true))) {
        let seen = exchange(bytes.as_bytes(), is_cut, Speed::AtOnce).await;
        assert_eq!((seen.answers.as_str(), seen.n_served, seen.reason), (answers, n_served, reason), "{title}");
        n_cases += 1;
    }
    assert_eq!(n_cases, 73);
}

/// The HTTP library reads ahead while an answer is under way, and would drop the answer if that read failed.
#[tokio::test]
async fn an_answer_under_way_outlives_what_comes_behind_it() {
    let bad = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let cases = [
        (format!("{GOOD}{bad}"), "200 5"),
        (format!("{GOOD}{GOOD}{GOOD}{bad}"), "200 5, 200 5, 200 5"),
        // More than is dropped behind a refusal: then the guard stops reading, and the answer still comes.
        (format!("{GOOD}{bad}{}", "x".repeat(300 << 10)), "200 5"),
    ];
    for (bytes, answers) in cases {
        let seen = exchange(bytes.as_bytes(), false, Speed::AfterRefusal).await;
        assert_eq!((seen.answers.as_str(), seen.reason), (answers, REFUSED));
    }
}

/// The client sends without reading. What lies unread when a socket closes makes the close a reset.
#[tokio::test]
async fn a_lingering_close_drops_what_was_sent_up_to_a_bound() {
    for (n_sent, is_all) in [(100 << 10, true), (400 << 10, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let socket = server.as_fd().try_clone_to_owned().unwrap();
        let send = async {
            client.write_all(&vec![b'x'; n_sent]).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let mut left = Vec::new();
        let close = async {
            linger(socket).await;
            server.read_to_end(&mut left).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, async { tokio::join!(send, close) }).await.unwrap();
        assert_eq!(left.is_empty(), is_all, "{} of {n_sent} are left", left.len());
        assert!(left.len() <= n_sent.saturating_sub(256 << 10));
        // The writing side ended; the client sees an ordinary end.
        assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    }
}

/// When the service answers.
#[derive(Clone, Copy)]
enum Speed {
    AtOnce,
    AfterRefusal,
}

struct Seen {
    answers: String,
    n_served: usize,
    reason: Option<ReasonCode>,
}

/// Sends `bytes` to a guarded server and reads until it closes.
async fn exchange(bytes: &[u8], is_cut: bool, speed: Speed) -> Seen {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let n_served = Arc::new(AtomicUsize::new(0));
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, &n_served, speed).await
    };
    let client = async {
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        let send = async {
            writer.write_all(bytes).await?;
            if is_cut { writer.shutdown().await } else { Ok(()) }
        };
        let mut answers = Vec::new();
        let (sent, read) = tokio::join!(send, reader.read_to_end(&mut answers));
        (answers, sent.and(read))
    };
    let (reason, (answers, ended)) = tokio::time::timeout(PATIENCE, async { tokio::join!(server, client) }).await.unwrap();
    // A reset would be seen by the one who writes or by the one who reads.
    ended.unwrap();
    Seen { answers: tell(&answers), n_served: n_served.load(Ordering::SeqCst), reason }
}

/// One connection, as the gate's listener serves it.
async fn serve(stream: TcpStream, n_served: &Arc<AtomicUsize>, speed: Speed) -> Option<ReasonCode> {
    let socket = stream.as_fd().try_clone_to_owned().unwrap();
    let guard = FramingGuard::new(stream, Limits::default(), RequestId::new(UnixMillis(1), [0; 10]));
    let verdict = guard.verdict();
    let service = hyper::service::service_fn(|request| {
        verdict.begins();
        n_served.fetch_add(1, Ordering::SeqCst);
        echo(request, verdict.clone(), speed)
    });
    {
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(guard), service);
        let mut served = std::pin::pin!(connection);
        tokio::select! {
            ended = served.as_mut() => ended.ok(),
            () = verdict.last_begun() => {
                served.as_mut().graceful_shutdown();
                served.await.ok()
            }
        };
    }
    if verdict.reason().is_some() {
        linger(socket).await;
    }
    verdict.reason()
}

/// Answers with the body's length.
async fn echo(request: Request<Incoming>, verdict: Verdict, speed: Speed) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    if matches!(speed, Speed::AfterRefusal) {
        while verdict.reason().is_none() {
            tokio::task::yield_now().await;
        }
        // Time for the owner of the connection to act on it.
        tokio::task::yield_now().await;
    }
    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body.len().to_string())))).map_err(|never| match never {})
}

/// Each answer's status and what its body says, and whatever else there is.
fn tell(mut bytes: &[u8]) -> String {
    let mut told = Vec::new();
    while !bytes.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut answer = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = answer.parse(bytes) else {
            panic!("not an answer: {:?}", String::from_utf8_lossy(bytes))
        };
        let length = answer.headers.iter().find(|header| header.name == "content-length").unwrap().value;
        let end = head + std::str::from_utf8(length).unwrap().parse::<usize>().unwrap();
        let body = bytes.get(head..end).unwrap();
        let reason = serde_json::from_slice::<serde_json::Value>(body).unwrap();
        let reason = reason.pointer("/error/code").and_then(serde_json::Value::as_str).map(ToOwned::to_owned);
        let said = reason.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        told.push(format!("{} {said}", answer.code.unwrap()));
        bytes = bytes.get(end..).unwrap();
    }
    told.join(", ")
}
