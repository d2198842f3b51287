//! Content encodings of upstreams' answers, undone under a bound.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Most plain bytes that one compressed byte may become, beyond a first allowance; more is a bomb.
const MAX_RATIO: u64 = 100;
/// Plain bytes that are always allowed.
const ALLOWANCE: u64 = 1 << 20;

/// The encoding is not known, the data is damaged, or it is a bomb.
#[derive(Debug, PartialEq, Eq)]
pub struct InflateError;

/// One body's content encoding: plain bytes pass without a copy, gzip is inflated piece by piece.
pub struct Inflate(Encoding);

enum Encoding {
    Plain,
    Gzip { decoder: Box<GzDecoder<Vec<u8>>>, n_in: u64, n_out: u64 },
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self.0 {
            Encoding::Plain => "Plain",
            Encoding::Gzip { .. } => "Gzip",
        })
    }
}

impl Inflate {
    /// Reads `Content-Encoding`: absent, `identity` or `gzip`.
    ///
    /// # Errors
    /// Every other encoding, and a second one.
    pub fn for_headers(headers: &HeaderMap) -> Result<Self, InflateError> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next().map_or("identity", |value| value.to_str().unwrap_or(""));
        if encodings.next().is_some() {
            return Err(InflateError);
        }
        match encoding.trim().to_ascii_lowercase().as_str() {
            "identity" => Ok(Self(Encoding::Plain)),
            "gzip" | "x-gzip" => {
                let decoder = Box::new(GzDecoder::new(Vec::new()));
                Ok(Self(Encoding::Gzip { decoder, n_in: 0, n_out: 0 }))
            }
            _ => Err(InflateError),
        }
    }

    /// Takes wire bytes, gives the plain bytes that they complete.
    ///
    /// # Errors
    /// Damage, or more than 1 MiB and 100 plain bytes for each byte of the wire.
    pub fn push(&mut self, data: Bytes) -> Result<Bytes, InflateError> {
        let Encoding::Gzip { decoder, n_in, n_out } = &mut self.0 else { return Ok(data) };
        let mut plain = Vec::new();
        // Small bites, so that a bomb is seen before it has grown.
        for bite in data.chunks(4096) {
            decoder.write_all(bite).and_then(|()| decoder.flush()).map_err(|_| InflateError)?;
            *n_in = n_in.saturating_add(u64::try_from(bite.len()).unwrap_or(u64::MAX));
            plain.append(decoder.get_mut());
            let n_plain = n_out.saturating_add(u64::try_from(plain.len()).unwrap_or(u64::MAX));
            if n_plain > ALLOWANCE.saturating_add(n_in.saturating_mul(MAX_RATIO)) {
                return Err(InflateError);
            }
        }
        *n_out = n_out.saturating_add(u64::try_from(plain.len()).unwrap_or(u64::MAX));
        Ok(Bytes::from(plain))
    }

    /// The wire has ended: a gzip stream must be complete.
    ///
    /// # Errors
    /// Bytes are missing, or the checksum does not fit.
    pub fn finish(&mut self) -> Result<(), InflateError> {
        let Encoding::Gzip { decoder, .. } = &mut self.0 else { return Ok(()) };
        decoder.try_finish().map_err(|_| InflateError)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::{HeaderMap, HeaderValue};

    use super::{Inflate, InflateError};

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decoder(encoding: &'static str) -> Result<Inflate, InflateError> {
        let mut headers = HeaderMap::new();
        headers.insert("content-encoding", HeaderValue::from_static(encoding));
        Inflate::for_headers(&headers)
    }

    #[test]
    fn gzip_reads_back_however_it_is_split() {
        let plain = b"the quick brown fox ".repeat(50);
        let wire = gzip(&plain);
        for size in 1..wire.len() {
            let mut inflate = decoder("gzip").unwrap();
            let mut seen = Vec::new();
            for piece in wire.chunks(size) {
                seen.extend_from_slice(&inflate.push(Bytes::copy_from_slice(piece)).unwrap());
            }
            assert_eq!(inflate.finish(), Ok(()));
            assert_eq!(seen, plain, "pieces of {size}");
        }
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let wire = gzip(&vec![0; 64 << 20]);
        assert_eq!(decoder("gzip").unwrap().push(Bytes::from(wire)).err(), Some(InflateError));
        let mut torn = gzip(b"hello");
        torn.truncate(torn.len() - 3);
        let mut inflate = decoder("gzip").unwrap();
        let pushed = inflate.push(Bytes::from(torn)).and_then(|_| inflate.finish());
        assert_eq!(pushed, Err(InflateError));
        for encoding in ["br", "zstd", "gzip, gzip", "deflate"] {
            assert!(decoder(encoding).is_err(), "{encoding}");
        }
    }
}
