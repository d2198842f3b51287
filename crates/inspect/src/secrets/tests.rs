//! The table of `docs/SCANNERS.md` is the table of the code.

use super::{AL, ALNUM_DASH, AZURE, BASE64, DASH, DIGIT, HEADER, HEX, PERCENT, PLAIN, SECRETS, TYPEFORM, US, USE, VISIBLE};
use crate::class::Class;
use crate::context::{Clue, ContextRule, Form, Item};

const PAGE: &str = include_str!("../../../../docs/SCANNERS.md");

/// The classes by their names on the page.
const CLASSES: &[(Class, &str)] = &[
    (AL, "alnum"),
    (DIGIT, "digit"),
    (HEX, "hex"),
    (US, "urlsafe"),
    (USE, "urlsafe="),
    (ALNUM_DASH, "alnum-"),
    (AZURE, "azure"),
    (AZURE.or(Class::DASH), "azure-"),
    (BASE64, "base64url"),
    (HEADER, "header"),
    (PERCENT, "alnum%"),
    (TYPEFORM, "sendgrid"),
    (DASH, "dash"),
    (PLAIN, "path"),
    (Class::EQUALS, "equals"),
    (VISIBLE, "visible"),
];

fn form(form: &Form) -> String {
    let parts = form.items.iter().take_while(|item| **item != Item::Text("")).map(|item| match item {
        Item::Text(text) => format!("\"{}\"", text.replace('|', "\\x7c")),
        Item::Run { class, min, max } => {
            let (_, name) = CLASSES.iter().find(|(known, _)| known == class).expect("a class has a name");
            if min == max { format!("{name}:{min}") } else { format!("{name}:{min}-{max}") }
        }
    });
    parts.collect::<Vec<_>>().join(" ") + if form.is_open { " open" } else { "" }
}

fn line(rule: &ContextRule) -> String {
    let words = match rule.clue {
        Clue::None => "–".to_owned(),
        Clue::Assigned(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" "),
        Clue::Own(_) => "*test*".to_owned(),
    };
    let forms = rule.forms.iter().map(form).collect::<Vec<_>>().join(" or ");
    let bits = rule.forms.first().map_or(0.0, |form| form.entropy);
    assert!(rule.forms.iter().all(|form| (form.entropy - bits).abs() < 1e-9));
    format!("| {} | {words} | `{forms}` | {bits} |", rule.kind)
}

#[test]
fn the_page_has_the_table() {
    let table = SECRETS.iter().map(line).collect::<Vec<_>>().join("\n");
    assert!(PAGE.contains(&table), "docs/SCANNERS.md should hold this table:\n{table}\n");
}

#[test]
fn words_are_lower_case_and_begin_with_a_letter() {
    for rule in SECRETS {
        let Clue::Assigned(words) = rule.clue else { continue };
        assert!(words.iter().all(|word| word.starts_with(|first: char| first.is_ascii_lowercase())), "{}", rule.kind);
        assert!(words.iter().all(|word| !word.chars().any(|character| character.is_ascii_uppercase())), "{}", rule.kind);
    }
}
