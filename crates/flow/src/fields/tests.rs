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
}

#[test]
fn hostile_texts_end_in_no_fields() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{\"a\":".repeat(50_000), "a,b\n".repeat(20_000), "x".repeat(2 << 20)]
    {
        assert!(fields(&text).is_none(), "{} bytes", text.len());
    }
}

#[test]
fn what_two_writers_read_differently_has_no_fields() {
    let twice = [
        "a: 1\na: 2",
        "- a: 1\n  b: 2\n  a: 3\n",
        r#"{"a": 1, "a": 2}"#,
        "{a: 1, a: 2}",
        "a,b,a\n1,2,3\n",
        "{'b': {'a': 1, 'a': 2}}",
    ];
    // `repr({"body": "x\"', 'to': 'evil"})` and the like.
    let quotes = [
        r#"{'body': 'x"\', 'to': \'evil'}"#,
        r#"{'body': 'it\'s "me"'}"#,
        r#"[{'a': 'x\ty'}]"#,
        r"{'a': 'x\\'}",
        r"- {'a': 'x\', \'b\': \'y'}",
    ];
    for text in twice.into_iter().chain(quotes) {
        assert_eq!(told(text), None, "{text}");
    }
    assert_eq!(told("- a: 1\n- a: 2\n").unwrap().len(), 2, "in two maps");
    assert_eq!(told(r#"{'a': "it's", 'b': 'say "x"'}"#).unwrap(), ["1:a=it's", "1:b=say \"x\""]);
    assert_eq!(told("{\"a\": \"x\\n\"}").unwrap(), ["1:a=x\n"]);
}
