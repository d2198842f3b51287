//! Event streams of upstreams.

use engine::ports::{EventReader, StreamEvent};
use gateway::sse::{SseReader, write};
use model::ReasonCode;

use super::{Outcome, Target, ensure, magnitude, seen, texts};
use crate::Random;

pub(super) const TARGET: Target = Target {
    name: "sse",
    what: "server-sent events of upstreams: cut anywhere the same events, a second reader agrees, written events read back",
    seeds,
    words: &[
        "data: ",
        "data:",
        "data",
        "event: ",
        "event:x\n",
        ":",
        "id: 1\n",
        "retry: 5\n",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "\u{feff}",
        "[DONE]",
        " ",
        "\u{0}",
    ],
    max_len: 2000,
    run,
    hostile: &["\n", "\r", "data\n", "data: x\n", ":", "data: {}\n\n", "event: a\n", "\r\n", "x"],
    floor: 2000.0,
};

/// Bytes that one event may have.
const LIMIT: usize = 512;

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "data: {\"choices\":[]}\n\ndata: [DONE]\n\n",
        "\u{feff}event: message_start\r\ndata: {\r\ndata:  }\r\n\r\n: ping\r\revent\rdata\r\r",
        "id: 7\nretry: 3\nevent: \ndata:one\ndata: two\n\ndata: three",
    ])
}

/// Name and data of events, and how the stream ended.
type Read = (Vec<(Option<String>, Vec<u8>)>, Result<(), ReasonCode>);

fn read(pieces: &[&[u8]]) -> Read {
    let mut reader = SseReader::new(LIMIT);
    let mut events = Vec::new();
    let pushed = pieces.iter().try_for_each(|piece| reader.push(piece, &mut events));
    let ended = pushed.and_then(|()| reader.finish());
    let plain = |event: StreamEvent| (event.name, event.data.unwrap_or_default().to_vec());
    (events.into_iter().map(plain).collect(), ended)
}

fn run(bytes: &[u8]) -> Outcome {
    let (events, ended) = read(&[bytes]);
    let cut = Random::of(bytes).cut(bytes);
    let (again, other) = read(&cut);
    ensure(events == again && ended == other, || {
        format!("{} events and {ended:?}; cut, {} and {other:?}", events.len(), again.len())
    })?;
    if !matches!(ended, Err(ReasonCode::UpstreamResponseTooLarge | ReasonCode::UpstreamResponseInvalid)) {
        let expected = expected(bytes);
        ensure(events == expected, || format!("{events:?}, the standard says {expected:?}"))?;
    }
    for (name, data) in &events {
        let (back, ended) = read(&[&write(name.as_deref(), data)]);
        // Names and lines make an event a few bytes longer than its data.
        let is_same = back == [(name.clone(), data.clone())] && ended.is_ok();
        ensure(is_same || ended == Err(ReasonCode::UpstreamResponseTooLarge), || format!("{data:?} reads back as {back:?}"))?;
    }
    let named = events.iter().filter(|(name, _)| name.is_some()).count();
    Ok(seen((magnitude(events.len()), magnitude(named), ended)))
}

/// The algorithm of the standard, over the whole stream. An event at the end without its blank line is none.
fn expected(bytes: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let (mut events, mut name, mut data) = (Vec::new(), Vec::new(), None::<Vec<u8>>);
    for line in lines(bytes) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let (field, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"" if line.is_empty() => {
                let name = String::from_utf8(std::mem::take(&mut name)).ok().filter(|name| !name.is_empty());
                events.extend(data.take().map(|data| (name, data)));
            }
            b"event" => name = value.to_vec(),
            b"data" => match &mut data {
                Some(data) => data.extend([b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            },
            _ => {}
        }
    }
    events
}

/// The lines that an end of a line ends: `\n`, `\r`, or both.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        Some(line)
    })
}
