//! The transforms that the readings of [`crate::normalise`] undo, for tests and benches. Each takes a text of any kind and
//! writes it so that somebody can still read it.

/// One transform: its name, and what it makes of a text.
pub type Evasion = (&'static str, fn(&str) -> String);

/// Every transform, with its name.
#[must_use]
pub fn all() -> &'static [Evasion] {
    &[
        ("zero-width", |text| between(text, "\u{200B}")),
        ("soft-hyphen", |text| between(text, "\u{AD}")),
        ("bidi", |text| between(text, "\u{202E}")),
        ("variation-selectors", |text| between(text, "\u{FE0F}")),
        ("tags", |text| each(text, |at| shifted(at, ' '..='~', 0xE_0020))),
        ("fullwidth", |text| each(text, |at| shifted(at, '!'..='~', 0xFF01))),
        ("math-bold", |text| each(text, |at| letters(at, 0x1_D400, 0x1_D41A))),
        ("circled", |text| each(text, |at| letters(at, 0x24B6, 0x24D0))),
        ("marks", |text| each(text, |at| format!("{at}\u{336}"))),
        ("cyrillic", |text| each(text, cyrillic)),
        ("precomposed", |text| each(text, precomposed)),
        ("entities-decimal", |text| each(text, |at| format!("&#{};", u32::from(at)))),
        ("entities-hex", |text| each(text, |at| format!("&#x{:x};", u32::from(at)))),
        ("entities-named", |text| each(text, entity)),
        ("comments", |text| between(text, "<!-- -->")),
        ("elements", |text| between(text, "<b></b>")),
        ("hidden-text", hidden_text),
        ("unknown-elements", |text| in_lines(text, "<x>")),
        ("url", |text| bytes(text, "%", "")),
        ("url-twice", |text| bytes(text, "%25", "")),
        ("quoted-printable", |text| bytes(text, "=", "")),
        ("quoted-printable-small", |text| bytes(text, "=", "").to_lowercase()),
        ("soft-breaks", |text| between(text, "=\r\n")),
        ("spaced", |text| between(text, " ")),
        ("spaced-wide", |text| between(text, "  ")),
        ("commas", |text| between(text, ", ")),
        ("pluses", |text| between(text, "+")),
        ("dotted", |text| between(text, ".")),
        ("dashed", |text| between(text, "-")),
        ("leet", leet),
        ("base64", |text| packed(text, 6, BASE64, 4)),
        ("base64-pieces", |text| pieces(&packed(text, 6, BASE64, 4), 8, " ")),
        ("base64-lines", |text| pieces(&packed(text, 6, BASE64, 4), 12, "\r\n ")),
        ("base64url", |text| packed(text, 6, BASE64_URL, 1)),
        ("base32", |text| packed(text, 5, BASE32, 8)),
        ("base32hex", |text| packed(text, 5, BASE32_HEX, 8)),
        ("hex", |text| bytes(text, "", "")),
        ("hex-pairs", |text| bytes(text, "", " ")),
        ("hex-colons", |text| bytes(text, "", ":")),
        ("hex-escapes", |text| bytes(text, r"\x", "")),
        ("rot13", rot13),
        ("reversed", reversed),
        ("base64-twice", |text| packed(&packed(text, 6, BASE64, 4), 6, BASE64, 4)),
        ("base64-reversed", |text| packed(&reversed(text), 6, BASE64, 4)),
        ("spaced-reversed", |text| between(&reversed(text), " ")),
        ("entities-url", |text| each(text, |at| format!("%26#{};", u32::from(at)))),
    ]
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE32_HEX: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn pieces(text: &str, length: usize, separator: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = characters.chunks(length).map(|piece| piece.iter().collect()).collect();
    pieces.join(separator)
}

fn each(text: &str, write: impl Fn(char) -> String) -> String {
    text.chars().map(write).collect()
}

fn between(text: &str, separator: &str) -> String {
    text.chars().map(String::from).collect::<Vec<_>>().join(separator)
}

/// Between the characters of each line, but not within the blanks at its ends.
fn in_lines(text: &str, separator: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let body = line.trim();
        line.replacen(body, &between(body, separator), usize::from(!body.is_empty()))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn shifted(character: char, range: std::ops::RangeInclusive<char>, to: u32) -> String {
    let moved = range.contains(&character).then(|| u32::from(character) - u32::from(*range.start()) + to);
    String::from(moved.and_then(char::from_u32).unwrap_or(character))
}

fn letters(character: char, capital: u32, small: u32) -> String {
    if character.is_ascii_uppercase() { shifted(character, 'A'..='Z', capital) } else { shifted(character, 'a'..='z', small) }
}

fn cyrillic(character: char) -> String {
    let look_alikes = "aeopcxyisjhdqwABCEHIKMOPTXJS".chars().zip("аеорсхуіѕјһԁԛԝАВСЕНІКМОРТХЈЅ".chars());
    String::from(look_alikes.into_iter().find(|(latin, _)| *latin == character).map_or(character, |(_, cyrillic)| cyrillic))
}

fn precomposed(character: char) -> String {
    let letters = "aceinouyzACEINOUYZ".chars().zip("áçéíñóúýžÁÇÉÍÑÓÚÝŽ".chars());
    String::from(letters.into_iter().find(|(plain, _)| *plain == character).map_or(character, |(_, marked)| marked))
}

/// The characters that have a name, by their names.
fn entity(character: char) -> String {
    let names = [
        (' ', "nbsp"),
        ('.', "period"),
        ('@', "commat"),
        ('_', "lowbar"),
        ('-', "hyphen"),
        ('/', "sol"),
        (':', "colon"),
        ('=', "equals"),
        ('+', "plus"),
        (',', "comma"),
        ('"', "quot"),
        ('(', "lpar"),
        (')', "rpar"),
        ('a', "aacute"),
        ('e', "eacute"),
        ('i', "iacute"),
        ('o', "oacute"),
        ('u', "uacute"),
        ('A', "Aacute"),
        ('E', "Eacute"),
        ('I', "Iacute"),
        ('O', "Oacute"),
    ];
    let name = names.into_iter().find(|(plain, _)| *plain == character);
    name.map_or(String::from(character), |(_, name)| format!("&{name};"))
}

/// Something that no browser shows behind every sixth character, hidden in another way each time; not within a tag of the text, where
/// it would be no element to anybody.
fn hidden_text(text: &str) -> String {
    let ways = [
        "<i hidden>x</i>",
        "<b style=\"display:none\">x</b>",
        "<i aria-hidden=\"true\">x</i>",
        "<b style='visibility:hidden'>x</b>",
        "<i style=opacity:0>x</i>",
        "<b style=\"font-size:0\">x</b>",
        "<script>x</script>",
        "<style>x</style>",
        "<template>x</template>",
        "<noscript>x</noscript>",
    ];
    let mut hidden = ways.iter().cycle();
    let mut written = String::new();
    let mut is_in_tag = false;
    for (nth, character) in text.chars().enumerate() {
        if nth % 6 == 3 && !is_in_tag {
            written.extend(hidden.next().copied());
        }
        is_in_tag = character == '<' || is_in_tag && character != '>';
        written.push(character);
    }
    written
}

fn bytes(text: &str, prefix: &str, separator: &str) -> String {
    let pairs: Vec<String> = text.bytes().map(|byte| format!("{prefix}{byte:02X}")).collect();
    pairs.join(separator)
}

fn leet(text: &str) -> String {
    let signs = [('o', '0'), ('i', '1'), ('e', '3'), ('a', '4'), ('s', '5'), ('t', '7')];
    each(text, |at| String::from(signs.iter().find(|(letter, _)| *letter == at).map_or(at, |(_, sign)| *sign)))
}

fn packed(text: &str, bits: u32, alphabet: &str, multiple: usize) -> String {
    let mut written = String::new();
    let mut held = 0u32;
    let mut n_held = 0;
    let mut letter = |value: u32| {
        let at = usize::try_from(value & ((1 << bits) - 1)).unwrap_or_default();
        written.extend(alphabet.get(at..=at));
    };
    for byte in text.bytes() {
        held = (held << 8 | u32::from(byte)) & 0xFFFF;
        n_held += 8;
        while n_held >= bits {
            n_held -= bits;
            letter(held >> n_held);
        }
    }
    if n_held > 0 {
        letter(held << (bits - n_held));
    }
    while !written.len().is_multiple_of(multiple) {
        written.push('=');
    }
    written
}

fn rot13(text: &str) -> String {
    let turned = |from: char, first: char| char::from_u32((u32::from(from) - u32::from(first) + 13) % 26 + u32::from(first));
    let letter = |from: char| match from {
        'a'..='z' => turned(from, 'a').unwrap_or(from),
        'A'..='Z' => turned(from, 'A').unwrap_or(from),
        other => other,
    };
    text.chars().map(letter).collect()
}
