//! The tables as a list of facts, committed and compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::Api;
use super::super::headers::answer_names;
use super::super::table::{Accept, Class, Consequence, Form, HeaderClass, Holds};
use super::DIALECTS;
use super::rows::{inside, places};

fn class(class: Class) -> String {
    match class {
        Class::Inert => "inert".to_owned(),
        Class::Text => "text".to_owned(),
        Class::Handle => "handle".to_owned(),
        Class::Uninspected(kind) => format!("uninspected {kind}"),
        Class::Effect(Consequence::Store) => "effect store".to_owned(),
        Class::Effect(Consequence::StoreUnlessFalse) => "effect store unless false".to_owned(),
        Class::Effect(Consequence::Remote) => "effect remote".to_owned(),
        Class::Effect(Consequence::Beta) => "effect beta".to_owned(),
        Class::Effect(Consequence::HostedTool(tool)) => format!("effect hosted tool {tool}"),
        Class::Refused(code) => format!("refused {code}"),
    }
}

fn held(holds: Holds) -> String {
    let shape = inside(holds).map_or("", |(shape, _)| shape.name);
    match holds {
        Holds::Text => "string".to_owned(),
        Holds::Boolean => "boolean".to_owned(),
        Holds::Integer => "integer".to_owned(),
        Holds::Number => "number".to_owned(),
        Holds::Texts => "[string]".to_owned(),
        Holds::TextOrTexts => "string | [string]".to_owned(),
        Holds::BooleanOrTexts => "boolean | [string]".to_owned(),
        Holds::TextOrTokens => "string | [string] | [integer] | [[integer]]".to_owned(),
        Holds::Free => "anything".to_owned(),
        Holds::One(_) => shape.to_owned(),
        Holds::Many(_) => format!("[{shape}]"),
        Holds::TextOrOne(_) => format!("string | {shape}"),
        Holds::TextOrMany(_) => format!("string | [{shape}]"),
        Holds::OneOrMany(_) => format!("{shape} | [{shape}]"),
    }
}

fn written() -> String {
    let mut out =
        "# Every field, content part, tool type, beta and header, and what it is to the gate. Printed from the tables in\n\
        # src/dialect: UPDATE_FACTS=1 and the test `the_tables_are_the_committed_facts` write it anew; review every line.\n"
            .to_owned();
    for api in Api::ALL {
        let mut unions = BTreeSet::new();
        writeln!(out, "\n## {} request", api.path()).unwrap();
        for place in places(api) {
            let name = place.shape.name;
            if let Form::Union(union) = &place.shape.form {
                if unions.insert(name) {
                    let absent = union.absent.map_or("refused field-missing".to_owned(), |absent| format!("read as {absent}"));
                    writeln!(out, "{name}[*]: other types refused {}, no type {absent}", union.unknown).unwrap();
                }
                let variant = union.variants.iter().find(|variant| Some(variant.value) == place.variant).unwrap();
                writeln!(out, "{name}[{}]: {}", variant.value, class(variant.class)).unwrap();
            }
            let tag = place.variant.map(|variant| format!("[{variant}]")).unwrap_or_default();
            for row in &place.rows {
                writeln!(out, "{name}{tag}.{}: {}, {}", row.name, class(row.class), held(row.holds)).unwrap();
            }
        }
    }
    for dialect in DIALECTS {
        let (dialect_name, api) = (dialect.as_str(), Api::from(dialect));
        writeln!(out, "\n## {dialect_name} request headers; every other header stays here").unwrap();
        for row in api.table().headers {
            let meaning = match row.class {
                HeaderClass::Inert(Accept::MediaRange) => "inert if a known media type".to_owned(),
                HeaderClass::Inert(Accept::Date) => "inert if a date".to_owned(),
                HeaderClass::Betas => "a list of betas".to_owned(),
                HeaderClass::Refused(code) => format!("refused {code}"),
            };
            writeln!(out, "{}: {meaning}", row.name).unwrap();
        }
        for beta in api.table().betas {
            writeln!(out, "anthropic-beta[{}]: {}", beta.name, class(beta.class)).unwrap();
        }
        writeln!(out, "\n## {dialect_name} answer headers; every other header stays here").unwrap();
        for name in answer_names(dialect) {
            writeln!(out, "{name}: passes if of its plain form").unwrap();
        }
    }
    out
}

#[test]
fn the_tables_are_the_committed_facts() {
    let written = written();
    if std::env::var_os("UPDATE_FACTS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fields.txt"), &written).unwrap();
    }
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fields.txt")).unwrap();
    for (line, (now, then)) in written.lines().zip(committed.lines()).enumerate() {
        assert_eq!(now, then, "tests/golden/fields.txt line {}", line + 1);
    }
    assert_eq!(written, committed, "set UPDATE_FACTS=1 and review the difference");
}
