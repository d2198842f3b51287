//! What an expression means where Go and the automata here differ.

use super::{compiled, load_text, rule, secrets};

#[test]
fn expressions_mean_what_go_means() {
    let facts: &[(&str, &str, &[&str])] = &[
        // Classes and boundaries are ASCII's.
        (r"k\w", "kä kb", &["kb"]),
        (r"k\d", "k٣ k3", &["k3"]),
        (r"k\sx", "k\u{a0}x k x k\u{b}x k\u{c}x", &["k x", "k\u{c}x"]),
        (r"k[\w.]+", "kaä.b", &["ka"]),
        (r"k[^\W_]+", "kab_c", &["kab"]),
        (r"k\W", "kä", &["kä"]),
        (r"k[\D]", "k1k٣", &["k٣"]),
        (r"\bkey\b", "äkeyä mykey", &["key"]),
        (r"x\Bkey", "äxkey", &["xkey"]),
        // Characters are characters.
        ("k.", "kä k\n", &["kä"]),
        ("(?s)k.", "k\n", &["k\n"]),
        (r"k[^a]", "kä", &["kä"]),
        (r"\x60k\x{e4}", "`kä", &["`kä"]),
        (r"[[:alpha:]]{3}", "äabc1", &["abc"]),
        (r"k\pLx", "käx", &["käx"]),
        // A bracket is a bracket.
        (r"\<k\>", "<k>", &["<k>"]),
        ("(?i)KEY", "kEy", &["kEy"]),
        ("(?P<name>k)y", "ky", &["k"]),
        ("k(?U:a+)", "kaa", &["ka"]),
        ("k[a-]", "k-", &["k-"]),
        // The ends are those of the text, unless `m` says lines.
        ("^key", "key\nkey", &["key"]),
        ("(?m)^key$", "key\nkey", &["key", "key"]),
        (r"key\z", "key key", &["key"]),
        (r#"acme(?:[\s'"]{0,3})(?:=|>)(?:\x60|'|")?([a-z]{3})(?:['"\s\x60;]|\\[nr]|$)"#, "acme ='abc'", &["abc"]),
    ];
    for (regex, text, expected) in facts {
        assert_eq!(secrets(&compiled(&rule(&format!("regex = '''{regex}'''"))), text), *expected, "{regex}");
    }
}

#[test]
fn what_go_would_read_otherwise_is_refused() {
    let facts: &[(&str, &str)] = &[
        ("(?x)k y", "a flag is not part of the format: expected `i`, `m`, `s` or `U`, at character 3"),
        ("(?u:k)", "a flag is not part of the format: expected `i`, `m`, `s` or `U`, at character 3"),
        ("k[a[b]", "unclosed character class, at character 2"),
        ("k[a[b]]", "a `[` inside of a class has to be written `\\[`, at character 4"),
        ("k[a-z&&b]", "`&&`, `--` and `~~` inside of a class have to be written with a `\\` before each sign, at character 3"),
        (r"\b{start}k", "a word boundary with braces is not part of the format, at character 1"),
        (r"(k)\1", "backreferences are not supported, at character 4"),
        ("k(?=y)", "look-around, including look-ahead and look-behind, is not supported, at character 2"),
        ("a{1001", "unclosed counted repetition, at character 2"),
    ];
    for (regex, expected) in facts {
        let problems = load_text(&rule(&format!("regex = '''{regex}'''"))).map(|loaded| loaded.rules.len()).expect_err(regex);
        assert_eq!(problems, [format!("main.toml:3:9: rule `acme-token`: `regex`: {expected}")], "{regex}");
    }
    let deep = format!("regex = '''{}k{}'''", "(".repeat(200), ")".repeat(200));
    assert!(load_text(&rule(&deep)).is_err());
}
