//! Values and their normal forms.

use text::{Document, Kind, Limits, MAX_VALUES, normal_form, values};

use super::{Outcome, Target, ensure, seen, texts};

pub(super) const TARGET: Target = Target {
    name: "values",
    what: "values in text (numbers, dates, accounts, addresses): spans hold, normal forms are their own normal form; amounts are never less than the number",
    seeds,
    words: &[
        "1,234.56",
        "1.234,56",
        "\u{20ac}",
        "$",
        "USD",
        "12/31/2026",
        "2026-02-29",
        "Feb",
        "@",
        ".",
        "..",
        "://",
        "http://",
        "[::1]",
        "127.0.0.1",
        "+49",
        "(0)",
        "DE89",
        "4111 1111 1111 1111",
        "-",
        "%",
        "xn--",
        "user:pass@",
        "?q=",
        "#",
        "e",
        "E5",
        "million",
        "bn",
        "T12:00:00Z",
        "am",
        "noon",
    ],
    max_len: 1500,
    run,
    hostile: &[
        "1",
        "1 ",
        "1,",
        "a@",
        "a.",
        "http://",
        "+",
        "4",
        "-",
        "DE89 3704",
        "a:",
        "[",
        "@a.b",
        "12/",
        "$",
        "\u{661}",
        "//",
        "%4",
        "1.2.3.4 ",
    ],
    floor: 250.0,
};

fn seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Pay EUR 1.234,56 to DE89 3704 0044 0532 0130 00 by 3 March 2026, 14:30.",
        "mail Mia.Keller+x@example.org, http://user@example.com:8080/a/../b?q=%41#f, 10.0.0.1, [2001:db8::1]",
        "card 4111-1111-1111-1111, +49 (0)30 901820, ORD-2026/0012, 1e3, .5, -3 %, \u{661}\u{662}",
    ])
}

fn run(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    counted(&text)?;
    let found = values(&text);
    ensure(found.len() <= MAX_VALUES, || "too many values".to_owned())?;
    let mut last = 0;
    for value in &found {
        let raw = text.get(value.span.clone()).filter(|raw| !raw.is_empty());
        let raw = raw.ok_or_else(|| format!("{:?} at {:?}", value.kind, value.span))?;
        ensure(value.span.start >= last, || format!("{:?} is out of order", value.span))?;
        last = value.span.start;
        let normal = normal_form(value.kind, raw);
        ensure(normal.as_deref() == Some(&value.normal), || {
            format!("{:?} {raw:?}: {:?} in the text, {normal:?} alone", value.kind, value.normal)
        })?;
        let again = normal_form(value.kind, &value.normal);
        ensure(again.as_deref() == Some(&value.normal), || format!("{:?} {:?} becomes {again:?}", value.kind, value.normal))?;
    }
    let mut kinds: Vec<String> = found.iter().map(|value| format!("{:?}", value.kind)).collect();
    kinds.truncate(5);
    Ok(seen(kinds))
}

/// What a tool is counted in is a number as JSON writes them and nothing else, and never less than the number.
fn counted(text: &str) -> Result<(), String> {
    let document = Document::parse(text.as_bytes(), &Limits::default());
    let is_number = document.is_ok_and(|document| document.kind(document.root()) == Kind::Number) && text.trim() == text;
    let counted = budget::thousandths(text);
    ensure(counted.is_some() == is_number, || format!("{text:?} is counted as {counted:?}"))?;
    let (Some(counted), Ok(number)) = (counted, text.parse::<f64>()) else { return Ok(()) };
    let wanted = number.abs() * 1000.0;
    let found = if counted == u64::MAX { f64::INFINITY } else { counted.to_string().parse().unwrap_or(f64::NAN) };
    let is_enough = found >= wanted * (1.0 - 1e-9);
    let is_close = found <= wanted * (1.0 + 1e-9) + 1.0 || counted == u64::MAX && wanted > 1e18;
    ensure(is_enough && is_close, || format!("{text:?} is counted as {counted}"))
}
