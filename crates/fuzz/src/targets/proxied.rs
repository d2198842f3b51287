//! What stands in front of the gate or on its way out says: forwarded addresses, traces, forwarded request lines, answers of
//! HTTP proxies.

use std::net::{IpAddr, Ipv4Addr};

use engine::ports::{Asking, Head};
use gateway::access::forward::{Forwarded, Line};
use gateway::connect::tunnel_status;
use gateway::forwarded::{ForwardedHeader, TrustedProxies};
use gateway::trace::Tracing;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use model::{Point, Reach};
use text::Limits;

use super::{Outcome, Target, ensure, seen, texts};

/// The peer that is a trusted proxy.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

pub(super) const TARGET: Target = Target {
    name: "proxied",
    what: "headers of proxies: an address, a trace or a request line of one reading, or none",
    seeds: || {
        texts(&[
            "x-forwarded-for: 203.0.113.7, 198.51.100.1, 10.0.0.2",
            "forwarded: for=\"[2001:db8::1]:80\";proto=https, for=10.0.0.3;by=10.0.0.1",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate: a=b",
            "traceparent: cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-later",
            "x-portcullis-pep: k\nx-original-method: GET\nx-original-uri: /todos/7?x=1",
            "x-portcullis-pep: k\nx-forwarded-method: POST\nx-forwarded-uri: /todos/%2e%2e/admin\nauthorization: Bearer x",
        ])
    },
    words: &[
        "x-forwarded-for: ",
        "forwarded: ",
        "for=",
        "by=",
        "proto=https",
        "traceparent: ",
        "x-original-uri: ",
        "x-original-method: ",
        "x-forwarded-uri: ",
        "x-forwarded-method: ",
        "x-portcullis-pep: ",
        "\n",
        ",",
        ";",
        "\"",
        "\\",
        "[::ffff:10.0.0.9]",
        "10.0.0.9",
        "198.51.100.9:80",
        "_hidden",
        "unknown",
        "00-",
        "ff-",
        "00000000000000000000000000000000",
        "/..",
        "//",
    ],
    max_len: 3000,
    run,
    hostile: &["x-forwarded-for: 10.0.0.2,", "forwarded: for=10.0.0.2,", "10.0.0.2,", "for=\"", "traceparent: 00-\n"],
    floor: 500.0,
};

pub(super) const TUNNELS: Target = Target {
    name: "tunnels",
    what: "answers of HTTP proxies to CONNECT: a tunnel only by a whole head with nothing behind it",
    seeds: || {
        texts(&[
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.0 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"x\"\r\ncontent-length: 2\r\n\r\nno",
            "HTTP/1.1 200 OK\r\nVia: p\r\n",
            "SSH-2.0-x\r\n\r\n",
        ])
    },
    words: &[
        "HTTP/1.1 ",
        "HTTP/1.0 ",
        "200",
        "204",
        "100",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\n",
        ": ",
        "Via: p\r\n",
        "\u{0}",
        " ",
        "\t",
    ],
    max_len: 9000,
    run: tunnels,
    hostile: &["a: b\r\n", "HTTP/1.1 200 OK\r\na: b\r\n", "\r\n", "a"],
    floor: 2000.0,
};

fn run(bytes: &[u8]) -> Outcome {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(200) {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let network: IpNet = "10.0.0.0/8".parse().map_err(|_| "no network")?;
    let mut ways = Vec::new();
    for (header, name) in [(ForwardedHeader::XForwardedFor, "x-forwarded-for"), (ForwardedHeader::Forwarded, "forwarded")] {
        let trusted = TrustedProxies { networks: vec![network], header };
        let stranger = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        ensure(trusted.client(stranger, &headers) == stranger, || "a stranger says who it is".to_owned())?;
        let client = trusted.client(PROXY, &headers);
        let is_told = client != PROXY;
        ensure(!is_told || headers.contains_key(name), || format!("{client} stands nowhere"))?;
        let is_canonical = client == client.to_canonical();
        ensure(is_canonical, || format!("{client} has another form"))?;
        ways.push((u8::from(is_told) + u8::from(network.contains(&client)), client.is_ipv6()));
    }
    Ok(seen((ways, traced(&headers)?, line(&headers)?)))
}

/// Whether the caller's trace is taken: only one that stands once, in its own words.
fn traced(headers: &HeaderMap) -> Result<(bool, bool), String> {
    let trace = Tracing { is_passed_on: true }.trace(headers, [[1; 10], [2; 10], [3; 10]]);
    let Some(parent) = trace.parent else { return Ok((false, trace.is_sampled)) };
    let told: Vec<&HeaderValue> = headers.get_all("traceparent").iter().collect();
    let [told] = told.as_slice() else { return Err(format!("a trace out of {} headers", told.len())) };
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let written = format!("-{}-{}-", digits(&trace.trace), digits(&parent));
    let is_theirs = told.to_str().is_ok_and(|told| told.get(2..).is_some_and(|rest| rest.starts_with(&written)));
    ensure(is_theirs && trace.trace != [0; 16] && parent != [0; 8], || format!("{told:?} read as {written}"))?;
    Ok((true, trace.is_sampled))
}

/// What comes of a forwarded request line.
fn line(headers: &HeaderMap) -> Result<Result<String, String>, String> {
    let every = || Reach::new(["*".to_owned()]).map_err(|error| error.to_string());
    let (subjects, actions, resources) = (every()?, every()?, every()?);
    let routes = vec!["/".to_owned(), "/todos/{id}".to_owned()];
    let point = Point { subjects, actions, resources, agents: false, searches: 0, routes };
    let head =
        Head { peer: String::new(), is_proxy: false, certificate: None, headers: headers.clone(), query: None, trace: None };
    let asked = Forwarded::new(headers, Line::InHeaders).understand(&head, &[], &Limits::default(), &point);
    let one = |name: &str| headers.get_all(name).iter().count() <= 1;
    ensure(asked.is_err() || one("x-original-uri") && one("x-forwarded-uri"), || "one line out of two".to_owned())?;
    let asked = asked.map(|asked| {
        asked
            .each
            .first()
            .map(|first| first.as_ref().map(|question| question.id.clone()).map_err(|refusal| refusal.code.to_string()))
    });
    Ok(match asked {
        Ok(Some(Ok(id))) => Ok(id),
        Ok(Some(Err(code))) => Err(code),
        Ok(None) => Err("nothing".to_owned()),
        Err(refusal) => Err(refusal.to_string().chars().take(40).collect()),
    })
}

fn tunnels(bytes: &[u8]) -> Outcome {
    let status = tunnel_status(bytes).map_err(|error| error.to_string());
    if let Ok(Some(status)) = &status {
        let is_head = bytes.windows(2).any(|pair| pair == b"\n\n")
            || bytes.windows(4).any(|end| end == b"\r\n\r\n")
            || bytes.windows(3).any(|end| end == b"\n\r\n");
        ensure(is_head, || format!("status {status} of half a head"))?;
        let ends = bytes.ends_with(b"\n");
        ensure(*status >= 300 || ends, || "a tunnel with bytes in it".to_owned())?;
    }
    ensure(status != Ok(None) || bytes.len() < 8 << 10, || "an endless answer is waited for".to_owned())?;
    Ok(seen(status))
}
