//! Values in normal form, for comparison.

use text::{Value, ValueKind, normal_form};

/// A value that means one thing however it is written.
pub(super) type Key = (ValueKind, String);

const KINDS: [ValueKind; 8] = [
    ValueKind::Number,
    ValueKind::Money,
    ValueKind::Date,
    ValueKind::Email,
    ValueKind::Phone,
    ValueKind::Url,
    ValueKind::Host,
    ValueKind::Iban,
];

/// The values that stand in a text, those inside others left out: a host in an address is not named by it.
pub(super) fn keys(text: &str) -> Vec<Key> {
    outer(text).into_iter().filter(|value| KINDS.contains(&value.kind)).map(|value| key(value.kind, value.normal)).collect()
}

/// The values that stand in a text, those inside others as well.
pub(super) fn all_keys(text: &str) -> Vec<Key> {
    text::values(text)
        .into_iter()
        .filter(|value| KINDS.contains(&value.kind))
        .map(|value| key(value.kind, value.normal))
        .collect()
}

/// The values by which a text that was told is known again, and whether each is all that the text says.
pub(super) fn told(text: &str) -> Vec<(Key, bool)> {
    let is_one = |value: &Value| KINDS.contains(&value.kind) || value.kind == ValueKind::Id;
    let within = outer(text).into_iter().filter(is_one).map(|value| (key(value.kind, value.normal), false));
    // A few digits mean anything.
    let is_telling = |(kind, normal): &Key| {
        *kind != ValueKind::Number || normal.bytes().filter(u8::is_ascii_digit).count() >= super::MIN_SEARCHED
    };
    let whole = keys_of_whole(text).into_iter().map(|key| (key, true));
    within.chain(whole).filter(|(key, _)| is_telling(key)).collect()
}

/// A value and, if it is an address, the host that it leads to: whoever has told the host may have meant the address.
pub(super) fn and_host((key, is_whole): (Key, bool)) -> impl Iterator<Item = (Key, bool)> {
    let host = (key.0 == ValueKind::Url).then(|| key.1.split(['/', '?', '#', ':']).next().unwrap_or_default().to_owned());
    let host = host.filter(|host| *host != key.1).map(|host| ((ValueKind::Url, host), is_whole));
    std::iter::once((key, is_whole)).chain(host)
}

/// Whether a value names just one thing: days and sums are many people's.
pub(super) const fn names_one(key: &Key) -> bool {
    !matches!(key.0, ValueKind::Number | ValueKind::Money | ValueKind::Date)
}

/// What a whole text may mean.
pub(super) fn keys_of_whole(text: &str) -> Vec<Key> {
    KINDS.iter().filter_map(|kind| normal_form(*kind, text).map(|normal| key(*kind, normal))).collect()
}

/// The addresses in a text, as they are written.
pub(super) fn addresses(text: &str) -> Vec<String> {
    let leads = |value: &Value| matches!(value.kind, ValueKind::Url | ValueKind::Host);
    outer(text).into_iter().filter(leads).filter_map(|value| text.get(value.span)).map(str::to_owned).collect()
}

fn outer(text: &str) -> Vec<Value> {
    let mut end = 0;
    let is_outer = |value: &Value| {
        // Sorted by start, longer ones first.
        let is_inside = value.span.end <= end;
        end = end.max(value.span.end);
        !is_inside
    };
    text::values(text).into_iter().filter(is_outer).collect()
}

/// An address with and without its scheme is the same place.
fn key(kind: ValueKind, normal: String) -> Key {
    match kind {
        ValueKind::Url => {
            let bare = normal.strip_prefix("https://").or_else(|| normal.strip_prefix("http://")).unwrap_or(&normal);
            (ValueKind::Url, bare.strip_suffix('/').unwrap_or(bare).to_owned())
        }
        ValueKind::Host => (ValueKind::Url, normal),
        _ => (kind, normal),
    }
}
