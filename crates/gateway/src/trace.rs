//! W3C trace context: read from a caller, checked, and written for an upstream.
//!
//! Only `traceparent` is read. `tracestate` and `baggage` are texts of the caller's choice; they end here.

use engine::ports::Trace;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whether and how calls are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracing {
    /// Whether upstreams are told the trace. Its id is 16 bytes of the caller's choice that no scanner reads.
    pub is_passed_on: bool,
}

impl Tracing {
    /// The trace of a request: the caller's if it tells a valid one, else a new one. `random` is fresh.
    #[must_use]
    pub fn trace(self, headers: &HeaderMap, random: [[u8; 10]; 3]) -> Trace {
        let told = told(headers);
        let [one, two, three] = random;
        let mut fresh = [0; 16];
        fresh.iter_mut().zip(one.into_iter().chain(two)).for_each(|(to, from)| *to = from);
        let mut span = [0; 8];
        span.iter_mut().zip(three).for_each(|(to, from)| *to = from);
        Trace {
            trace: told.map_or(fresh, |told| told.trace),
            parent: told.map(|told| told.parent),
            span,
            is_sampled: told.is_none_or(|told| told.is_sampled),
            is_passed_on: self.is_passed_on,
        }
    }
}

/// What a caller tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    trace: [u8; 16],
    parent: [u8; 8],
    is_sampled: bool,
}

/// The one valid `traceparent`; `None` if there is none, or more than one.
fn told(headers: &HeaderMap) -> Option<Told> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse(value.to_str().ok()?),
        _ => None,
    }
}

//= https://www.w3.org/TR/trace-context/#traceparent-header-field-values
//# version-format = trace-id "-" parent-id "-" trace-flags
fn parse(text: &str) -> Option<Told> {
    let version: [u8; 1] = hex(text.get(..2)?)?;
    let is_of_this_form = match version {
        [0] => text.len() == 55,
        [0xff] => false,
        // A later version may say more behind what this one says.
        _ => text.len() == 55 || text.get(55..56) == Some("-"),
    };
    let dashes = [2, 35, 52].into_iter().all(|at| text.as_bytes().get(at) == Some(&b'-'));
    if !is_of_this_form || !dashes {
        return None;
    }
    let (trace, parent): ([u8; 16], [u8; 8]) = (hex(text.get(3..35)?)?, hex(text.get(36..52)?)?);
    let [flags] = hex(text.get(53..55)?)?;
    let is_valid = trace != [0; 16] && parent != [0; 8];
    is_valid.then_some(Told { trace, parent, is_sampled: flags & 1 == 1 })
}

/// Lower-case hexadecimal digits, as the standard wants them.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// The header for an upstream, if it is to be told: the caller's trace with our span as the parent.
pub(crate) fn header(trace: &Trace) -> Option<HeaderValue> {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = format!("00-{}-{}-{:02x}", digits(&trace.trace), digits(&trace.span), u8::from(trace.is_sampled));
    if trace.is_passed_on { HeaderValue::from_str(&text).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{TRACEPARENT, Tracing, header, parse};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_a_caller_may_tell() {
        let told = parse(GOOD).unwrap();
        assert_eq!((told.trace[0], told.trace[15], told.parent[0], told.is_sampled), (0x0a, 0x9c, 0xb7, true));
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-what-comes";
        assert!(parse(later).is_some_and(|told| !told.is_sampled));
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319\u{e9}-b7ad6b7169203331-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_trace_goes_on_or_begins() {
        let random = [[1; 10], [2; 10], [3; 10]];
        let mut headers = HeaderMap::new();
        let fresh = Tracing { is_passed_on: false }.trace(&headers, random);
        assert_eq!((fresh.trace, fresh.parent), ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2], None));
        assert_eq!(header(&fresh), None, "upstreams are not told");
        headers.insert(TRACEPARENT, HeaderValue::from_static(GOOD));
        let further = Tracing { is_passed_on: true }.trace(&headers, random);
        assert_eq!(header(&further).unwrap(), "00-0af7651916cd43dd8448eb211c80319c-0303030303030303-01");
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Tracing { is_passed_on: true }.trace(&headers, random).parent, None, "two are none");
    }
}
