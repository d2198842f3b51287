//! Properties of random texts and of texts that are values by construction.

use proptest::prelude::*;

use super::KINDS;
use crate::ValueKind::{Card, Date, Email, Host, Iban, Id, Money, Number, Phone, Url};
use crate::{Value, ValueKind, normal_form, values};

/// The shape that callers rely on.
fn check_shape(text: &str, found: &[Value]) {
    let mut open: Vec<std::ops::Range<usize>> = Vec::new();
    for value in found {
        assert!(text.get(value.span.clone()).is_some_and(|part| !part.is_empty()), "{text:?} {value:?}");
        while open.last().is_some_and(|outer| outer.end <= value.span.start) {
            open.pop();
        }
        assert!(open.last().is_none_or(|outer| value.span.end <= outer.end), "{text:?} {value:?} overlaps");
        open.push(value.span.clone());
        assert_eq!(normal_form(value.kind, &value.normal).as_ref(), Some(&value.normal), "{text:?} {value:?}");
    }
    assert!(found.is_sorted_by_key(|value| value.span.start));
}

/// Pieces that values are made of, so that random texts get far into every reader.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,4}",
        "[.,:;/#@ $+%()_'|?&=-]",
        "[a-zA-Z]{1,3}",
        prop::sample::select(vec![
            "http://",
            "mailto:",
            "://",
            ".com",
            "@b.example",
            "[::1]",
            "::",
            "EUR",
            "€",
            "kr",
            "k",
            " million",
            "USD ",
            "Feb",
            " of ",
            "2026",
            "-02-",
            "T10:00",
            "Z",
            "+02:00",
            "+49",
            "(0)",
            "00",
            "4111 1111 1111 1111",
            "DE89370400440532013000",
            "%2e",
            "%C3",
            "\u{a0}",
            "\u{2212}",
            "ü",
            "İ",
            "編",
            "xn--",
            "0x7f",
            "urn:uuid:",
            "{",
            "}",
            "\\",
            "\n",
            "\"",
            "..",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Texts that are one value, by construction.
fn written() -> impl Strategy<Value = (ValueKind, String)> {
    let number = prop_oneof![
        "-?[1-9][0-9]{0,12}(\\.[0-9]{1,6})?",
        "[1-9][0-9]{0,2}(,[0-9]{3}){1,4}(\\.[0-9]{1,4})?",
        "[1-9][0-9]{0,2}(\\.[0-9]{3}){1,2},[0-9]{1,2}",
        "[1-9][0-9]? [0-9]{3},[0-9]{1,2}"
    ];
    let amount = prop_oneof![
        "(EUR|USD|\\$|€|£|kr|CHF) ?-?[1-9][0-9]{0,5}(\\.[0-9]{2})?(k|m| million)?",
        "[1-9][0-9]{0,2}(,[0-9]{3}){0,2} (EUR|euros|dollars|zł|kr)"
    ];
    let day = (1u32..=28, 1usize..=12, 1000u32..=9999, 0usize..7, 0u32..24, 0u32..60).prop_map(
        |(day, month, year, form, hour, minute)| {
            let name =
                ["Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sept", "October", "Nov", "December"][month - 1];
            match form {
                0 => format!("{year}-{month:02}-{day:02}"),
                1 => format!("{day} {name} {year}"),
                2 => format!("{name} {day}, {year}"),
                3 => format!("{day:02}.{month:02}.{year}"),
                4 => format!("{month}/{day}/{year}"),
                5 => format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z"),
                _ => format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:07.50+02:00"),
            }
        },
    );
    let host = prop_oneof![
        "[a-z0-9]{1,8}(\\.[A-Za-z0-9]{1,5}){0,3}\\.(com|ORG|io|xn--p1ai)",
        any::<[u8; 4]>().prop_map(|octets| std::net::Ipv4Addr::from(octets).to_string()),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).to_string())
    ];
    prop_oneof![
        number.prop_map(|text| (Number, text)),
        amount.prop_map(|text| (Money, text)),
        day.prop_map(|text| (Date, text)),
        "[A-Za-z0-9]{1,10}([._+-][a-z0-9]{1,6}){0,2}@[a-z0-9]{1,8}\\.(com|Example|io)".prop_map(|text| (Email, text)),
        "(\\+|00)[1-9][0-9]{1,2} ?(\\([0-9]{2,3}\\) ?)?[0-9]{3}[ ./-]?[0-9]{3,4}".prop_map(|text| (Phone, text)),
        "(https?|FTP|wss)://(u:p@)?[a-z0-9]{1,8}\\.(com|Example)(:[1-9][0-9]{1,3})?(/[a-zA-Z0-9._~%-]{0,5}){0,4}/(\\?[a-z]=[a-z0-9%]{1,4}[a-z])?(#[a-z]{2})?".prop_map(|text| (Url, text)),
        host.prop_map(|text| (Host, text)),
        ("[0-9]{18}", any::<bool>()).prop_map(|(bban, spaced)| (Iban, iban("DE", &bban, spaced))),
        ("4[0-9]{14}", any::<bool>()).prop_map(|(digits, spaced)| (Card, card(&digits, spaced))),
        "[A-Z]{2,5}J-?[0-9]{5,9}(-[A-Z0-9]{3,5}[A-Z]){0,3}".prop_map(|text| (Id, text)),
    ]
}

fn iban(country: &str, bban: &str, spaced: bool) -> String {
    let numeric: String = format!("{bban}{country}00").chars().map(|digit| digit.to_digit(36).unwrap().to_string()).collect();
    let rest = numeric.chars().fold(0, |rest, digit| (rest * 10 + digit.to_digit(10).unwrap()) % 97);
    let compact = format!("{country}{:02}{bban}", 98 - rest);
    if spaced { in_fours(&compact, " ") } else { compact }
}

fn card(digits: &str, spaced: bool) -> String {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let digit_at = |at: usize, digit: char| {
        if at.is_multiple_of(2) { doubled(digit.to_digit(10).unwrap()) } else { digit.to_digit(10).unwrap() }
    };
    let sum: u32 = digits.chars().enumerate().map(|(at, digit)| digit_at(at, digit)).sum();
    let whole = format!("{digits}{}", (10 - sum % 10) % 10);
    if spaced { in_fours(&whole, "-") } else { whole }
}

fn in_fours(text: &str, separator: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(4).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>().join(separator)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn spans_nest_and_normal_forms_stay(text in pieces()) {
        check_shape(&text, &values(&text));
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        check_shape(&text, &values(&text));
    }

    #[test]
    fn a_normal_form_is_its_own(text in pieces()) {
        for kind in KINDS {
            if let Some(normal) = normal_form(kind, &text) {
                prop_assert_eq!(normal_form(kind, &normal), Some(normal), "{:?} {}", kind, text);
            }
        }
    }

    #[test]
    fn a_value_is_found_wherever_it_stands(
        (kind, text) in written(),
        (before, after) in prop::sample::select(vec![
            ("", ""), (" ", " "), ("(", ")"), ("\"", "\","), ("see ", ". Then"), ("=", ";"), ("<", ">"), ("x, ", "!\n"), ("編", "編"),
        ]),
    ) {
        let normal = normal_form(kind, &text);
        // What is written without spaces belongs to an address: browsers read it so.
        let after = if kind == Url && after == "編" { "" } else { after };
        prop_assert!(normal.is_some(), "{:?} {}", kind, text);
        // A number with the shape of a card is one of these; both readings are right.
        let whole = format!("{before}{text}{after}");
        let found = values(&whole);
        let is_found = found.iter().any(|value| value.kind == kind && Some(&value.normal) == normal.as_ref());
        let is_card = kind == Number && found.iter().any(|value| value.kind == Card);
        prop_assert!(is_found || is_card, "{:?} {} {:?}", kind, whole, found);
    }
}
