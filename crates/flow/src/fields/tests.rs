use super::{Leaf, fields};

fn told(text: &str) -> Option<Vec<String>> {
    let one = |leaf: &Leaf| format!("{}:{}={}", leaf.line, leaf.path.join("."), leaf.text);
    fields(text).map(|leaves| leaves.iter().filter(|leaf| !leaf.is_name).map(one).collect())
}

#[test]
fn structures_have_fields_and_prose_has_none() {
    let yaml = "- amount: 10.0\n  to:\n    iban: X1\n- amount: 2\n  to: me\n";
    assert_eq!(told(yaml).unwrap(), ["1:amount=10.0", "3:to.iban=X1", "4:amount=2", "5:to=me"]);
    assert_eq!(told("<<- Ann\n- Bo>>").unwrap(), ["1:=Ann", "2:=Bo"]);
    assert_eq!(told("{'message': 'it''s sent', 'n': 2}").unwrap(), ["1:message=it's sent", "1:n=2"]);
    let json = r#"{"a": [1, {"b": "x"}], "c": "{\"d\": \"deep\"}"}"#;
    assert_eq!(told(json).unwrap(), ["1:a=1", "1:a.b=x", "1:c.d=deep"]);
    assert_eq!(told("name,amount\n\"Miller, \"\"A\"\"\",3\n").unwrap(), ["2:name=Miller, \"A\"", "2:amount=3"]);
    for prose in ["", "word", "Dear tenant,\nthe rent is higher.", "Hello, all\nHow, are\nyou", "- a\n\tb: [", "x: &a 1", "x: *a"]
    {
        assert_eq!(told(prose), None, "{prose:?}");
    }
    assert_eq!(told("a: 1\na: 2").map(|leaves| leaves.len()), Some(2), "both are seen");
}

#[test]
fn hostile_texts_end_in_no_fields() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{\"a\":".repeat(50_000), "a,b\n".repeat(20_000), "x".repeat(2 << 20)]
    {
        assert!(fields(&text).is_none(), "{} bytes", text.len());
    }
}
