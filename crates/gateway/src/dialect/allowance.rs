//! What is left of a caller's budgets, in the headers that the providers' own clients read.

use budget::{Allowance, Level};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use model::Dialect;

/// Writes the headers. What an upstream says of the gate's own account there goes: it is not the caller's.
pub(super) fn write(dialect: Dialect, allowance: &Allowance, headers: &mut HeaderMap) {
    let is_upstreams = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
    };
    let foreign: Vec<HeaderName> = headers.keys().filter(|name| is_upstreams(name)).cloned().collect();
    foreign.iter().for_each(|name| drop(headers.remove(name)));
    match dialect {
        Dialect::Openai => {
            let tightest =
                [allowance.tokens, allowance.input, allowance.output].into_iter().flatten().min_by_key(|level| level.left);
            openai(headers, "requests", allowance.requests);
            openai(headers, "tokens", tightest);
        }
        Dialect::Anthropic => {
            anthropic(headers, "requests", allowance.requests, allowance.at.0);
            anthropic(headers, "tokens", allowance.tokens, allowance.at.0);
            anthropic(headers, "input-tokens", allowance.input, allowance.at.0);
            anthropic(headers, "output-tokens", allowance.output, allowance.at.0);
        }
    }
    retry_after(allowance, headers);
}

/// Writes when to come again: in whole seconds, never too early.
pub(crate) fn retry_after(allowance: &Allowance, headers: &mut HeaderMap) {
    if let Some(wait) = allowance.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000).max(1)));
    }
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        headers.insert(name, value);
    }
}

fn openai(headers: &mut HeaderMap, what: &str, level: Option<Level>) {
    let Some(Level { most, left, reset }) = level else { return };
    put(headers, &format!("x-ratelimit-limit-{what}"), &most.to_string());
    put(headers, &format!("x-ratelimit-remaining-{what}"), &left.to_string());
    put(headers, &format!("x-ratelimit-reset-{what}"), &duration(reset));
}

fn anthropic(headers: &mut HeaderMap, what: &str, level: Option<Level>, now: u64) {
    let Some(Level { most, left, reset }) = level else { return };
    put(headers, &format!("anthropic-ratelimit-{what}-limit"), &most.to_string());
    put(headers, &format!("anthropic-ratelimit-{what}-remaining"), &left.to_string());
    put(headers, &format!("anthropic-ratelimit-{what}-reset"), &moment(now.saturating_add(reset)));
}

/// `6m0s`, `12s`, `340ms`.
fn duration(millis: u64) -> String {
    let seconds = millis.div_ceil(1000);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        _ if millis < 1000 => format!("{millis}ms"),
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

/// A moment as RFC 3339 writes it, to the second, never too early.
fn moment(millis: u64) -> String {
    let second = i64::try_from(millis.div_ceil(1000)).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
    second.map_or_else(String::new, |second| second.to_string())
}

#[cfg(test)]
mod tests {
    use budget::{Allowance, Level};
    use http::{HeaderMap, HeaderValue};
    use model::{Dialect, UnixMillis};

    use super::{duration, write};

    #[test]
    fn durations() {
        let facts = [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (1001, "2s"),
            (60_000, "1m0s"),
            (3_599_999, "1h0m0s"),
            (90_061_000, "25h1m1s"),
        ];
        for (millis, expected) in facts {
            assert_eq!(duration(millis), expected);
        }
    }

    #[test]
    fn both_forms() {
        let level = |left| Some(Level { most: 100, left, reset: 59_500 });
        let at = UnixMillis(1_793_491_200_000);
        let allowance = Allowance {
            at,
            requests: level(7),
            input: level(3),
            tokens: level(50),
            output: None,
            cost: None,
            retry_after: Some(1200),
        };
        let mut openai = HeaderMap::new();
        openai.insert("x-ratelimit-limit-project", HeaderValue::from_static("9"));
        write(Dialect::Openai, &allowance, &mut openai);
        let facts = [
            ("x-ratelimit-limit-requests", Some("100")),
            ("x-ratelimit-remaining-requests", Some("7")),
            ("x-ratelimit-remaining-tokens", Some("3")),
            ("x-ratelimit-reset-tokens", Some("1m0s")),
            ("retry-after", Some("2")),
            ("x-ratelimit-limit-project", None),
        ];
        for (name, expected) in facts {
            assert_eq!(openai.get(name).map(|value| value.to_str().unwrap()), expected, "{name}");
        }
        let mut anthropic = HeaderMap::new();
        write(Dialect::Anthropic, &allowance, &mut anthropic);
        assert_eq!(anthropic["anthropic-ratelimit-requests-reset"], "2026-11-01T00:01:00Z");
        assert_eq!(anthropic["anthropic-ratelimit-input-tokens-remaining"], "3");
        assert!(!anthropic.contains_key("anthropic-ratelimit-output-tokens-limit"));
    }
}
