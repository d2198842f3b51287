//! Values in normal form, for comparison.

use text::{Value, ValueKind, normal_form};

use super::address;

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
    let (addresses, others): (Vec<Value>, Vec<Value>) = outer(text).into_iter().partition(address::leads);
    let others = others.into_iter().filter(|value| KINDS.contains(&value.kind)).map(|value| (value.kind, value.normal));
    others.chain(address::found(text, &addresses).into_iter().map(|found| found.key)).collect()
}

/// The values that stand in a text, those inside others as well.
pub(super) fn all_keys(text: &str) -> Vec<Key> {
    let values = text::values(text).into_iter().filter(|value| KINDS.contains(&value.kind));
    values.map(|value| address::key(value.kind, value.normal)).collect()
}

/// The values by which a text that was told is known again, and whether each is all that the text says.
pub(super) fn told(text: &str) -> Vec<(Key, bool)> {
    let ids = outer(text).into_iter().filter(|value| value.kind == ValueKind::Id).map(|value| (value.kind, value.normal));
    let within = ids.chain(keys(text)).map(|key| (key, false));
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
    let of_kind = |kind: &ValueKind| normal_form(*kind, text).map(|normal| address::key(*kind, normal));
    let mut keys: Vec<Key> = KINDS.iter().filter_map(of_kind).collect();
    keys.extend(address::whole(text).filter(|key| !keys.contains(key)));
    keys
}

/// The values that stand in a text, sorted, those inside others left out.
pub(super) fn outer(text: &str) -> Vec<Value> {
    let mut end = 0;
    let is_outer = |value: &Value| {
        // Sorted by start, longer ones first.
        let is_inside = value.span.end <= end;
        end = end.max(value.span.end);
        !is_inside
    };
    text::values(text).into_iter().filter(is_outer).collect()
}
