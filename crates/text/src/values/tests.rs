//! Facts over all kinds.

mod properties;

use super::ValueKind::{Card, Date, Email, Host, Iban, Id, Money, Number, Phone, Url};
use super::{MAX_VALUES, ValueKind, normal_form, values};

const KINDS: [ValueKind; 10] = [Number, Money, Date, Email, Phone, Url, Host, Iban, Card, Id];

fn check(text: &str, expected: &[(ValueKind, &str, &str)]) {
    let found = values(text);
    let found: Vec<_> =
        found.iter().map(|value| (value.kind, text.get(value.span.clone()).unwrap(), value.normal.as_str())).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn running_text() {
    check("", &[]);
    check("No values here. None at all, e.g. this - and (that): end.", &[]);
    check(
        "Pay EUR 1,234.50 to DE89 3704 0044 0532 0130 00 by 3 Feb 2026.",
        &[
            (Money, "EUR 1,234.50", "EUR 1234.5"),
            (Number, "1,234.50", "1234.5"),
            (Iban, "DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
            (Date, "3 Feb 2026", "2026-02-03"),
        ],
    );
    check(
        "Card 4111-1111-1111-1111, call +49 (0)30/1234567 or 555-1234.",
        &[
            (Card, "4111-1111-1111-1111", "4111111111111111"),
            (Phone, "+49 (0)30/1234567", "+49301234567"),
            (Number, "555", "555"),
            (Number, "1234", "1234"),
        ],
    );
    check(
        "Bob <Bob@Example.com>, 10.0.0.1:80, [::1], Example.ORG.",
        &[
            (Email, "Bob@Example.com", "Bob@example.com"),
            (Host, "Example.com", "example.com"),
            (Host, "10.0.0.1", "10.0.0.1"),
            (Number, "80", "80"),
            (Host, "::1", "::1"),
            (Host, "Example.ORG", "example.org"),
        ],
    );
    check(
        "1,2,3 and 5% of -7",
        &[(Number, "1", "1"), (Number, "2", "2"), (Number, "3", "3"), (Number, "5", "5"), (Number, "-7", "-7")],
    );
    check(
        "10-20 of 3,50 €",
        &[(Number, "10", "10"), (Number, "20", "20"), (Money, "3,50 €", "EUR 3.5"), (Number, "3,50", "3.5")],
    );
    check(
        "the fee ($5) is (5 EUR)",
        &[(Money, "$5", "USD 5"), (Number, "5", "5"), (Money, "5 EUR", "EUR 5"), (Number, "5", "5")],
    );
    check("编号INV-2026-001已付€5。", &[(Id, "INV-2026-001", "inv-2026-001"), (Money, "€5", "EUR 5"), (Number, "5", "5")]);
    check("1e3 x5 3rd 5kg p.5", &[]);
}

#[test]
fn identifiers_and_what_lies_inside() {
    check("INV-2026-001, v1.2.3!", &[(Id, "INV-2026-001", "inv-2026-001"), (Id, "v1.2.3", "v1.2.3")]);
    check("due:2026-02-03", &[(Id, "due:2026-02-03", "due:2026-02-03"), (Date, "2026-02-03", "2026-02-03")]);
    check("total:50", &[(Id, "total:50", "total:50"), (Number, "50", "50")]);
    check(
        "iban_DE89370400440532013000.",
        &[
            (Id, "iban_DE89370400440532013000", "iban_de89370400440532013000"),
            (Iban, "DE89370400440532013000", "DE89370400440532013000"),
        ],
    );
    // The card reaches out of the identifier, so that is none.
    check("card-4111 1111 1111 1111", &[(Card, "4111 1111 1111 1111", "4111111111111111")]);
    check(
        "ref:INV1/bob@example.com",
        &[(Id, "ref:INV1", "ref:inv1"), (Email, "bob@example.com", "bob@example.com"), (Host, "example.com", "example.com")],
    );
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    check("{123E4567-e89b-12d3-a456-426614174000}", &[(Id, "123E4567-e89b-12d3-a456-426614174000", uuid)]);
}

#[test]
fn addresses_and_what_lies_inside() {
    check(
        "see https://A.example/?u=http://b.example/x&y=c@d.example).",
        &[
            (
                Url,
                "https://A.example/?u=http://b.example/x&y=c@d.example",
                "https://a.example/?u=http://b.example/x&y=c@d.example",
            ),
            (Host, "A.example", "a.example"),
            (Url, "http://b.example/x", "http://b.example/x"),
            (Host, "b.example", "b.example"),
            (Email, "c@d.example", "c@d.example"),
            (Host, "d.example", "d.example"),
        ],
    );
    check(
        "https://bank.example@evil.example/",
        &[
            (Url, "https://bank.example@evil.example/", "https://bank.example@evil.example/"),
            (Host, "evil.example", "evil.example"),
        ],
    );
    check(
        "ref1:mailto:a@b.example",
        &[
            (Id, "ref1", "ref1"),
            (Url, "mailto:a@b.example", "mailto:a@b.example"),
            (Email, "a@b.example", "a@b.example"),
            (Host, "b.example", "b.example"),
        ],
    );
    check("http://localhost/x", &[(Url, "http://localhost/x", "http://localhost/x")]);
    let chain = "http://a.example/?".repeat(9);
    assert_eq!(values(&chain).iter().filter(|value| value.kind == Url).count(), 5);
}

#[test]
fn white_space_around_a_whole_text_is_ignored() {
    for (kind, text) in [(Number, " 5\n"), (Email, "\ta@b.example "), (Card, " 4111111111111111 ")] {
        assert_eq!(normal_form(kind, text), normal_form(kind, text.trim()));
        assert!(normal_form(kind, text).is_some(), "{text}");
    }
}

#[test]
fn a_flood_of_numbers_does_not_hide_an_account() {
    let text = "1 ".repeat(MAX_VALUES) + "DE89370400440532013000";
    let found = values(&text);
    assert_eq!(found.len(), MAX_VALUES / 2 + 1);
    assert_eq!(found.last().unwrap().kind, Iban);
    let text = "$5 ".repeat(MAX_VALUES + 1);
    assert_eq!(values(&text).iter().filter(|value| value.kind == Money).count(), MAX_VALUES / 2);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the clock is what this test is about; the crate itself reads none")]
fn hostile_repeats_take_linear_time() {
    let pieces = [
        "1,",
        "1.",
        "1 ",
        "1",
        "1-",
        "1/",
        "1:",
        "a.",
        "a-",
        "a",
        "@",
        "a@",
        "@a.a",
        "a@a.",
        ":",
        "::",
        "a:",
        "://",
        "http://",
        "http://a",
        "http://a.b/",
        "http:",
        "mailto:",
        "mailto:a@b.cc",
        "mailto:a@b.cc,",
        "mailto:a@b.cc?",
        "?http://a@b.c&",
        "(",
        "((",
        "[",
        "-",
        "--",
        "\u{2212}",
        "$",
        "$1",
        "$1,",
        "€",
        "+",
        "+1",
        "+1 ",
        "+1(",
        "00",
        "00 1",
        "4111 ",
        "4111-",
        "DE89",
        "DE89 ",
        "a1:",
        "a1/4111",
        "a1_",
        "a1-DE89",
        "Feb ",
        "3 Feb ",
        "2026-",
        "2026-02-03T",
        "02/",
        "%",
        "%2e",
        "kr ",
        "ü",
        "編",
        "1\u{a0}234",
        "'",
        "http://a/%25",
        "http://a/../",
        "a.a@",
        "1k",
        "a.bc/",
        "a.bc/1x/",
        "2026-02-03/",
        "a/b.",
        "EUR",
        "EUR ",
        "_",
        "_1",
    ];
    for piece in pieces {
        let whole = piece.repeat(1_000_000 / piece.len());
        // A part of it inside an address and a token too, where the scanner reads differently.
        let part = whole.get(..whole.floor_char_boundary(200_000)).unwrap();
        for text in [whole.clone(), format!("http://a.example/{part}"), format!("a1:{part}")] {
            let start = std::time::Instant::now();
            let found = values(&text);
            let n_whole = KINDS.iter().filter(|kind| normal_form(**kind, &text).is_some()).count();
            assert!(start.elapsed().as_millis() < 1000, "`{piece}` took {:?}", start.elapsed());
            assert!(found.len() <= MAX_VALUES && n_whole <= 1, "`{piece}`");
        }
    }
}
