//! Envoy's `CheckRequest` over gRPC, held against a second reader of protocol buffers.

use gateway::access::grpc::is_check;

use super::{Outcome, Target, ensure, magnitude, seen};

pub(super) const TARGET: Target = Target {
    name: "checks",
    what: "gRPC messages of Envoy: a second reader takes and refuses the same ones",
    seeds: || {
        let header = |name: &str, value: &str| field(3, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat());
        let http = |more: Vec<u8>| [field(2, b"GET"), more, field(4, b"/todos?x=1"), b"\x48\x07".to_vec()].concat();
        let request = |http: &[u8]| field(1, &field(4, &field(2, http)));
        let plain = http(header("x-api-key", "k"));
        vec![
            request(&plain),
            request(&http([header(":path", "/"), header("authorization", "Bearer a"), header("cookie", "b")].concat())),
            // Every wire type, the message in two parts, a field that stands twice.
            [request(&plain), b"\x10\x96\x01\x1d\0\0\0\0\x21\0\0\0\0\0\0\0\0".to_vec(), request(&field(2, b"PUT"))].concat(),
        ]
    },
    words: &[
        "\n",
        "\n\u{2}",
        "\u{12}\u{3}GET",
        "\u{1a}",
        "\"",
        "\u{0}",
        "\u{1}",
        "\u{8}\u{7f}",
        "authorization",
        "x-api-key",
        "/",
        "\u{7f}",
    ],
    max_len: 4000,
    run,
    hostile: &["\n\u{0}", "\u{1a}\u{0}", "\u{8}\u{1}", "\n\u{2}\n\u{0}"],
    floor: 2000.0,
};

/// A field with bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or(0));
    out.extend_from_slice(bytes);
    out
}

fn run(bytes: &[u8]) -> Outcome {
    let (ours, second) = (is_check(bytes), check(bytes));
    ensure(ours == second.is_some(), || format!("taken: {ours}; by the second reader: {}", second.is_some()))?;
    Ok(seen(second.map(|(method, target, n_headers)| (magnitude(method.len()), magnitude(target.len()), magnitude(n_headers)))))
}

/// Number, and bytes where the field has some.
type Field = (u128, Option<Vec<u8>>);

/// The whole message at once, into a list.
fn fields(mut rest: &[u8]) -> Option<Vec<Field>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (tag, behind) = number(rest)?;
        let skip = match tag & 7 {
            0 => number(behind).map(|(_, after)| behind.len() - after.len())?,
            1 => 8,
            5 => 4,
            2 => {
                let (length, after) = number(behind)?;
                let length = usize::try_from(length).ok()?;
                found.push((tag >> 3, Some(after.get(..length)?.to_vec())));
                rest = after.get(length..)?;
                if tag >> 3 == 0 {
                    return None;
                }
                continue;
            }
            _ => return None,
        };
        found.push((tag >> 3, None));
        rest = behind.get(skip..)?;
        if tag >> 3 == 0 {
            return None;
        }
    }
    Some(found)
}

/// A number of at most 64 bits in at most ten bytes.
fn number(bytes: &[u8]) -> Option<(u128, &[u8])> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let digits = bytes.get(..length).filter(|digits| digits.len() <= 10)?;
    let value = digits.iter().rev().fold(0_u128, |value, byte| value << 7 | u128::from(byte & 0x7f));
    (value <= u128::from(u64::MAX)).then(|| (value, bytes.get(length..).unwrap_or_default()))
}

/// The last of a field; nothing there is empty; a field of another type is wrong.
fn last(message: &[u8], wanted: u128) -> Option<Vec<u8>> {
    let all = fields(message)?;
    let mine: Vec<&Field> = all.iter().filter(|(number, _)| *number == wanted).collect();
    if mine.iter().any(|(_, bytes)| bytes.is_none()) {
        return None;
    }
    Some(mine.last().and_then(|(_, bytes)| bytes.clone()).unwrap_or_default())
}

fn check(bytes: &[u8]) -> Option<(String, String, usize)> {
    let http = last(&last(&last(bytes, 1)?, 4)?, 2)?;
    let headers: Vec<Vec<u8>> =
        fields(&http)?.into_iter().filter(|(number, _)| *number == 3).filter_map(|(_, bytes)| bytes).collect();
    if headers.len() > 256 {
        return None;
    }
    let mut n_credentials = 0;
    for header in &headers {
        let name = last(header, 1)?.to_ascii_lowercase();
        if [&b"authorization"[..], b"x-api-key", b"api-key"].contains(&name.as_slice()) {
            n_credentials += 1;
            let value = last(header, 2)?;
            let is_plain = value.iter().all(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f));
            if !is_plain {
                return None;
            }
        }
    }
    let text = |number| String::from_utf8(last(&http, number)?).ok();
    Some((text(2)?, text(4)?, n_credentials))
}
