//! Headers: what may go out, what may come back, and what asks for something.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use model::{Dialect, Effect, ReasonCode, Refusal};

use super::api::Api;
use super::table::{Accept, Class, HeaderClass};

/// Longest value that passes.
const MAX_VALUE: usize = 128;
/// Most names in the header of betas.
const MAX_BETAS: usize = 32;

/// What the request's headers ask for.
pub(super) fn effects(api: Api, headers: &HeaderMap) -> Result<Vec<Effect>, Refusal> {
    let mut effects = Vec::new();
    for row in api.table().headers {
        match row.class {
            HeaderClass::Inert(_) => {}
            HeaderClass::Refused(code) if headers.contains_key(row.name) => return Err(Refusal::because(code, row.name)),
            HeaderClass::Refused(_) => {}
            HeaderClass::Betas => {
                for beta in betas(api, headers, row.name)? {
                    let effect = Effect::beta(format!("{}/{beta}", api.dialect().as_str()));
                    if !effects.contains(&effect) {
                        effects.push(effect);
                    }
                }
            }
        }
    }
    Ok(effects)
}

/// The betas that a header names, all of them known.
fn betas(api: Api, headers: &HeaderMap, name: &str) -> Result<Vec<&'static str>, Refusal> {
    let refused = || Refusal::because(ReasonCode::BetaRefused, name);
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| refused())?;
        for asked in value.split(',').map(str::trim).filter(|asked| !asked.is_empty()) {
            let beta = api.table().betas.iter().find(|beta| beta.name == asked).ok_or_else(refused)?;
            if let Class::Refused(code) = beta.class {
                return Err(Refusal::because(code, format!("{name}: {}", beta.name)));
            }
            found.push(beta.name);
        }
    }
    if found.len() > MAX_BETAS { Err(refused()) } else { Ok(found) }
}

/// See [`super::upstream_headers`].
pub(super) fn upstream(api: Api, headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for row in api.table().headers {
        let value = match row.class {
            HeaderClass::Inert(accept) => headers.get(row.name).filter(|value| accept.takes(value)).cloned(),
            HeaderClass::Betas => {
                let betas = betas(api, headers, row.name).unwrap_or_default();
                if betas.is_empty() { None } else { HeaderValue::from_str(&betas.join(",")).ok() }
            }
            HeaderClass::Refused(_) => None,
        };
        if let Some(value) = value {
            passed.insert(HeaderName::from_static(row.name), value);
        }
    }
    passed
}

/// See [`super::client_headers`].
pub(super) fn client(dialect: Dialect, headers: &HeaderMap) -> HeaderMap {
    let limits = match dialect {
        Dialect::Openai => "x-ratelimit-",
        Dialect::Anthropic => "anthropic-ratelimit-",
    };
    let mut passed = HeaderMap::new();
    for (name, value) in headers {
        let plain = value.to_str().ok().filter(|value| value.len() <= MAX_VALUE);
        let Some(plain) = plain else { continue };
        let is_passed = match name.as_str() {
            "content-type" => is_content_type(plain),
            "cache-control" => ["no-cache", "no-store", "private"].contains(&plain),
            "retry-after" | "retry-after-ms" => is_delay(plain),
            "x-should-retry" => ["true", "false"].contains(&plain),
            limit => limit.starts_with(limits) && limit.len() <= MAX_VALUE && is_amount(plain),
        };
        if is_passed {
            passed.insert(name.clone(), value.clone());
        }
    }
    passed
}

/// The names of answer headers that pass, for the list of facts.
#[cfg(test)]
pub(super) fn answer_names(dialect: Dialect) -> Vec<&'static str> {
    let limits = match dialect {
        Dialect::Openai => "x-ratelimit-*",
        Dialect::Anthropic => "anthropic-ratelimit-*",
    };
    vec!["content-type", "cache-control", "retry-after", "retry-after-ms", "x-should-retry", limits]
}

impl Accept {
    fn takes(self, value: &HeaderValue) -> bool {
        let Ok(value) = value.to_str() else { return false };
        match self {
            Self::MediaRange => ["*/*", "application/json", "text/event-stream"].contains(&value),
            Self::Date => is_date(value),
        }
    }
}

fn is_date(value: &str) -> bool {
    value.len() == 10
        && value.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

fn is_content_type(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let is_known = parts
        .next()
        .is_some_and(|essence| ["application/json", "text/event-stream"].iter().any(|known| essence.eq_ignore_ascii_case(known)));
    is_known && parts.all(|parameter| parameter.eq_ignore_ascii_case("charset=utf-8"))
}

/// Seconds or milliseconds. A date is left out: it would have to be read to be trusted.
fn is_delay(value: &str) -> bool {
    (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A count, a duration such as `6m0s` or a time such as `2026-01-01T00:00:00Z`: no letters that could spell anything.
fn is_amount(value: &str) -> bool {
    let mut run = 0_usize;
    (1..=40).contains(&value.len())
        && value.bytes().all(|byte| {
            run = if byte.is_ascii_digit() { run.saturating_add(1) } else { 0 };
            // Eleven digits count every token there is, and are too few for a card number.
            run <= 11 && (byte.is_ascii_digit() || b".:-+TZmshd".contains(&byte))
        })
}
