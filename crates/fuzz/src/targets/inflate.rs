//! Compressed answers of upstreams.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gateway::inflate::Inflate;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

use super::{Outcome, Target, ensure, magnitude, seen};
use crate::Random;

pub(super) const TARGET: Target = Target {
    name: "inflate",
    what: "gzip of upstreams: cut anywhere the same bytes, a second reader agrees, no bomb",
    seeds,
    words: &["\u{1f}", "\u{8}", "\u{0}", "\u{0}\u{0}\u{0}\u{0}", "\u{2}", "\u{1}"],
    max_len: 8192,
    run,
    hostile: &["\u{1f}", "\u{0}"],
    floor: 1000.0,
};

fn gzip(plain: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap_or_default()
}

fn seeds() -> Vec<Vec<u8>> {
    let prose = b"data: {\"choices\":[{\"delta\":{\"content\":\"the quick brown fox\"}}]}\n\n".repeat(9);
    vec![
        gzip(b"{}", Compression::none()),
        gzip(&prose, Compression::fast()),
        gzip(&prose, Compression::best()),
        gzip(&vec![0; 2 << 20], Compression::best()),
        [gzip(b"one", Compression::fast()), gzip(b"two", Compression::fast())].concat(),
        Vec::new(),
    ]
}

/// The plain bytes, or `None` if the stream is refused.
fn inflated(pieces: &[&[u8]]) -> Result<Option<Vec<u8>>, String> {
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    let mut inflate = Inflate::for_headers(&headers).map_err(|_| "gzip is not known".to_owned())?;
    let mut plain = Vec::new();
    for piece in pieces {
        let Ok(more) = inflate.push(Bytes::copy_from_slice(piece)) else { return Ok(None) };
        plain.extend_from_slice(&more);
    }
    Ok(inflate.finish().is_ok().then_some(plain))
}

fn run(bytes: &[u8]) -> Outcome {
    let whole = inflated(&[bytes])?;
    let cut = inflated(&Random::of(bytes).cut(bytes))?;
    let most = (1 << 20) + 100 * bytes.len();
    let length = whole.as_ref().map_or(0, Vec::len);
    ensure(length <= most, || format!("{} bytes became {length}", bytes.len()))?;
    // Where a bomb is seen depends on the pieces, so only what is far from one is compared.
    let mut second = Vec::new();
    let read = GzDecoder::new(bytes).take(1 << 20).read_to_end(&mut second);
    if second.len() < 1 << 20 {
        ensure(whole == cut, || format!("{:?} bytes; cut, {:?}", whole.as_ref().map(Vec::len), cut.as_ref().map(Vec::len)))?;
        if let (Some(plain), Ok(_)) = (&whole, &read) {
            ensure(plain.starts_with(&second) && plain.len() == second.len(), || {
                "a second reader inflates to something else".to_owned()
            })?;
        }
        ensure(whole.is_none() || read.is_ok() || bytes.is_empty(), || format!("accepted, but: {:?}", read.as_ref().err()))?;
    }
    Ok(seen((whole.is_some(), magnitude(length), read.is_ok())))
}
