//! Tests of what stands before a value, where a word in a key does not say it.

use crate::class::Class;
use crate::context::Before;

/// Quotes, blanks and operators between a name and a value.
const JOINT: Class = Class::QUOTE.or(Class::SPACE).or(Class::BREAK).or(Class::COLON).or(Class::EQUALS).or(Class::ARROW);
const BLANK: Class = Class::SPACE.or(Class::BREAK);

/// `Authorization: Bearer`, with any of the usual schemes or none; `X-Api-Key:` and the like.
pub(super) fn authorization(before: &Before<'_>) -> bool {
    let name = trim(before.head(), JOINT);
    let scheme = ["bearer", "basic", "token", "apikey", "api-key"].iter().find_map(|scheme| cut_end(name, scheme));
    if let Some(rest) = scheme
        && rest.last().is_some_and(|byte| JOINT.has(*byte))
        && cut_end(trim(rest, JOINT), "authorization").is_some()
    {
        return true;
    }
    if !before.has_operator() {
        return false;
    }
    let is_header = ["authorization", "x-api-key", "x-api-token", "x-auth-token", "x-access-token"];
    let is_option = ["key", "token"].iter().any(|header| {
        let quoted = cut_end(name, header).map(|rest| trim(rest, Class::ALNUM.or(Class::DASH)));
        let option = quoted.and_then(|rest| rest.strip_suffix(b"\"").or_else(|| rest.strip_suffix(b"'")));
        let option = option.map(|rest| trim(rest, BLANK.or(Class::EQUALS)));
        option.is_some_and(|option| option.ends_with(b"-H") || option.ends_with(b"--header"))
    });
    is_option || is_header.iter().any(|header| cut_end(name, header).is_some())
}

/// `-u` or `--user` of a `curl` that stands somewhat before, and nothing expanded by a shell.
pub(super) fn curl_user(before: &Before<'_>) -> bool {
    let head = before.head();
    if ["$", "${", "%{", "{{"].iter().any(|sign| head.ends_with(sign.as_bytes())) {
        return false;
    }
    let word = head.iter().rev().take_while(|byte| !BLANK.has(**byte)).count();
    let (options, word) = head.split_at(head.len() - word);
    let named = trim(options, BLANK);
    let rest = if word.starts_with(b"--user=") {
        Some(options)
    } else {
        named.strip_suffix(b"-u").or_else(|| named.strip_suffix(b"--user"))
    };
    rest.is_some_and(|rest| rest.last().is_some_and(|byte| BLANK.has(*byte)) && contains(rest, b"curl"))
}

/// A name, a colon and a password that holds a digit and is no placeholder; or one of the two alone.
pub(super) fn is_login(login: &[u8]) -> bool {
    let mut parts = login.splitn(2, |byte| *byte == b':');
    let (name, password) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let secret = if password.is_empty() { name } else { password };
    let is_placeholder = secret.first().is_none_or(|byte| b"$<[{*%".contains(byte));
    secret.len() >= 3 && !is_placeholder && secret.iter().any(u8::is_ascii_digit)
}

/// A member of `data:` in a manifest of `kind: Secret`.
pub(super) fn kubernetes(before: &Before<'_>) -> bool {
    if !before.has_operator() {
        return false;
    }
    let head = before.head().to_ascii_lowercase();
    memchr::memmem::find_iter(&head, b"kind:").any(|at| {
        let behind = head.get(at + b"kind:".len()..).unwrap_or_default();
        let value = behind.get(JOINT.run(behind)..).unwrap_or_default();
        value.strip_prefix(b"secret").is_some_and(|rest| contains(rest, b"data:"))
    })
}

/// `<add key="ClearTextPassword" value="`.
pub(super) fn nuget(before: &Before<'_>) -> bool {
    let name = cut_end(trim(before.head(), JOINT), "value").map(|rest| trim(rest, JOINT));
    let name = name.and_then(|name| cut_end(name, "password"));
    name.is_some_and(|name| contains(&name.to_ascii_lowercase(), b"<add key="))
}

/// `password = "`.
pub(super) fn password(before: &Before<'_>) -> bool {
    before.is_quoted() && before.is_assigned() && cut_end(trim(before.key(), BLANK), "password").is_some()
}

fn trim(text: &[u8], class: Class) -> &[u8] {
    text.get(..text.len() - class.run_back(text, text.len())).unwrap_or_default()
}

fn cut_end<'t>(text: &'t [u8], end: &str) -> Option<&'t [u8]> {
    let (rest, found) = text.split_at_checked(text.len().checked_sub(end.len())?)?;
    found.eq_ignore_ascii_case(end.as_bytes()).then_some(rest)
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(text, wanted).is_some()
}
