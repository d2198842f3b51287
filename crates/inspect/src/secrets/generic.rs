//! Any secret that its key calls one: which keys do, and which values are random enough.

use crate::class::Class;
use crate::context::{Before, begins_word, has_entropy};

/// Words that call a value a secret.
pub(crate) const STRONG: &[&str] = &[
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "credential",
    "credentials",
    "creds",
    "apikey",
    "accesskey",
    "secretkey",
    "authkey",
    "privatekey",
    "auth",
    "api",
    "access",
];
/// Words that make `key` a secret when they stand directly before it.
const KEYS: &[&str] = &[
    "api",
    "access",
    "account",
    "admin",
    "app",
    "application",
    "auth",
    "client",
    "consumer",
    "encryption",
    "license",
    "master",
    "private",
    "secret",
    "service",
    "shared",
    "signing",
    "storage",
    "subscription",
    "user",
    "webhook",
];
/// Words that say that the value is something else.
const WEAK: &[&str] = &[
    "author",
    "class",
    "count",
    "digest",
    "endpoint",
    "expires",
    "file",
    "fingerprint",
    "format",
    "hash",
    "host",
    "id",
    "ids",
    "identifier",
    "length",
    "limit",
    "name",
    "names",
    "path",
    "pub",
    "public",
    "size",
    "source",
    "thumbprint",
    "type",
    "uri",
    "url",
    "version",
    "window",
];
/// Stretches of values that are no secret, in lower case.
const PLACEHOLDERS: &[&str] =
    &["example", "sample", "placeholder", "changeme", "your", "dummy", "xxxx", "1234567890", "abcdefgh", "redacted", "insert"];
/// Bytes of the longest stretch of letters and digits that can be words.
const MAX_WRITTEN: usize = 32;

/// Whether the key calls its value a secret: one of its words does, and none behind it says otherwise.
pub(super) fn is_secret_key(before: &Before<'_>) -> bool {
    if !(before.is_assigned() || before.has_operator() && before.is_quoted()) {
        return false;
    }
    let mut is_secret = false;
    let mut previous: &[u8] = b"";
    for (rest, _) in before.words(|_, _| true) {
        let word = word(rest);
        if is_one_of(word, WEAK) {
            return false;
        }
        is_secret |= is_one_of(word, STRONG) || (word.eq_ignore_ascii_case(b"key") && is_one_of(previous, KEYS));
        previous = word;
    }
    is_secret
}

/// The word that `rest` begins with: letters, up to where the next word begins.
fn word(rest: &[u8]) -> &[u8] {
    let letters = rest.get(..Class::LETTER.run(rest)).unwrap_or_default();
    let at = |place: usize| letters.get(place).copied().unwrap_or_default();
    let next = (1..letters.len()).find(|place| begins_word(at(place - 1), at(*place), at(place + 1)));
    next.and_then(|next| letters.get(..next)).unwrap_or(letters)
}

fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// Whether a value looks drawn at random, not written: it is not made of words, numbers, dates or versions, and no placeholder.
pub(super) fn is_random(value: &[u8]) -> bool {
    let value = value.strip_suffix(b".").unwrap_or(value);
    if !value.iter().any(u8::is_ascii_alphabetic) || !has_entropy(value, 3.5) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|known| memchr::memmem::find(&lower, known.as_bytes()).is_some()) {
        return false;
    }
    let pieces = value.split(|byte| !Class::ALNUM.has(*byte)).filter(|piece| !piece.is_empty());
    let (all, written) =
        pieces.fold((0_usize, 0_usize), |(all, written), piece| (all + 1, written + usize::from(is_written(piece))));
    written < all
}

/// Words and a number or two among them: few changes between letters and digits, and few capitals unless all are.
fn is_written(piece: &[u8]) -> bool {
    let changes = piece.windows(2).filter(|pair| matches!(pair, [a, b] if a.is_ascii_digit() != b.is_ascii_digit())).count();
    let count = |test: fn(&u8) -> bool| piece.iter().filter(|byte| test(byte)).count();
    let (capitals, letters) = (count(u8::is_ascii_uppercase), count(u8::is_ascii_alphabetic));
    changes == 0 && letters == 0 || changes <= 2 && piece.len() <= MAX_WRITTEN && (capitals == letters || capitals * 3 <= letters)
}
