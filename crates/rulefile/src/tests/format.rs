//! Every field of the format: what it does, or that it is refused and where.

use super::{compiled, load_text, rule, secrets};

#[test]
fn each_field_does_what_gitleaks_says() {
    // Lines of the rule (and of the file behind it), the text, the secrets.
    let facts: &[(&str, &str, &[&str])] = &[
        // regex, and the group that is the secret
        ("regex = '''acme_[a-z]{4}'''", "an acme_abcd here acme_ab", &["acme_abcd"]),
        ("regex = '''key=([a-z]{4})'''", "key=abcd;key=efgh", &["abcd", "efgh"]),
        ("regex = '''key=(x)?([a-z]{4})'''", "key=abcd", &["abcd"]),
        ("regex = '''(key)=([a-z]{4})'''", "key=abcd", &["key"]),
        ("regex = '''(key)=([a-z]{4})'''\nsecretGroup = 2", "key=abcd", &["abcd"]),
        ("regex = '''(key)=([a-z]{4})'''\nsecretGroup = 0", "key=abcd", &["key"]),
        ("regex = '''(?:key)=[a-z]{4}'''", "key=abcd", &["key=abcd"]),
        // A named group that takes no part: all of the match, never nothing.
        ("regex = '''key=(x)?[a-z]{4}'''\nsecretGroup = 1", "key=abcd", &["key=abcd"]),
        // entropy: above, not equal
        ("regex = '''k=([a-z]{4})'''\nentropy = 1.5", "k=aaaa k=abcd", &["abcd"]),
        ("regex = '''k=([a-z]{4})'''\nentropy = 2", "k=abcd", &[]),
        ("regex = '''k=([a-z]{4})'''\nentropy = 0", "k=aaaa", &["aaaa"]),
        // keywords: any of them, anywhere, in any case
        ("regex = '''[0-9]{8}'''\nkeywords = [\"acme\", \"other\"]", "12345678", &[]),
        ("regex = '''[0-9]{8}'''\nkeywords = [\"acme\", \"other\"]", "12345678 ACME", &["12345678"]),
        ("regex = '''[0-9]{8}'''\nkeywords = [\"ACME\"]", "acme 12345678", &["12345678"]),
        ("regex = '''[0-9]{8}'''\nkeywords = []", "12345678", &["12345678"]),
        // A keyword inside of another.
        ("regex = '''[0-9]{8}'''\nkeywords = [\"acmecorp\", \"cm\"]", "acme 12345678", &["12345678"]),
        // words about a rule
        ("regex = '''ab12'''\ndescription = \"d\"\ntags = [\"a\", \"b\"]\nskipReport = false", "ab12", &["ab12"]),
        ("regex = '''ab12'''\npath = '''.*\\.env'''", "ab12", &["ab12"]),
        // allowlists
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nregexes = ['''^ab''']", "k=abcd k=efgh", &["efgh"]),
        ("regex = '''k=([a-z]{4})'''\n[rules.allowlist]\nregexes = ['''^ab''', '''gh$''']", "k=abcd k=efgh k=ijkl", &["ijkl"]),
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nregexTarget = \"match\"\nregexes = ['''k=a''']", "k=abcd", &[]),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nregexTarget = \"secret\"\nregexes = ['''k=a''']",
            "k=abcd",
            &["abcd"],
        ),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nregexTarget = \"line\"\nregexes = ['''^test .* ok$''']",
            "test k=abcd ok\nk=efgh\ntest k=ijkl",
            &["efgh", "ijkl"],
        ),
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nstopwords = [\"BC\"]", "k=abcd k=efgh", &["efgh"]),
        // A stop word stands in the secret, not beside it.
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\nstopwords = [\"k=\"]", "k=abcd", &["abcd"]),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\ncondition = \"AND\"\nregexes = ['''^a''']\nstopwords = [\"cd\"]",
            "k=abcd k=abxx k=xxcd",
            &["abxx", "xxcd"],
        ),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\ncondition = \"OR\"\nregexes = ['''^a''']\nstopwords = [\"cd\"]",
            "k=abcd k=abxx k=xxcd k=wxyz",
            &["wxyz"],
        ),
        // What cannot be known never widens: paths beside a word are ignored, in a conjunction they are never met.
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\npaths = ['''x''']\nstopwords = [\"cd\"]", "k=abcd", &[]),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\ncondition = \"AND\"\npaths = ['''x''']\nstopwords = [\"cd\"]",
            "k=abcd",
            &["abcd"],
        ),
        ("regex = '''k=([a-z]{4})'''\n[[rules.allowlists]]\ncommits = [\"0123\"]", "k=abcd", &["abcd"]),
        // a file's own
        ("regex = '''k=([a-z]{4})'''\n[allowlist]\nregexes = ['''^ab''']\ndescription = \"d\"", "k=abcd k=efgh", &["efgh"]),
        ("regex = '''k=([a-z]{4})'''\n[[allowlists]]\nstopwords = [\"cd\"]", "k=abcd k=efgh", &["efgh"]),
        ("regex = '''k=([a-z]{4})'''\n[[allowlists]]\ntargetRules = [\"acme-token\"]\nstopwords = [\"cd\"]", "k=abcd", &[]),
        (
            "regex = '''k=([a-z]{4})'''\n[[rules]]\nid = \"b\"\nregex = '''zzz'''\n[[allowlists]]\ntargetRules = [\"b\"]\nstopwords = [\"cd\"]",
            "k=abcd",
            &["abcd"],
        ),
    ];
    for (lines, text, expected) in facts {
        assert_eq!(secrets(&compiled(&rule(lines)), text), *expected, "{lines}\n{text}");
    }
    let named = "title = \"t\"\ndescription = \"d\"\nminVersion = \"v8.25.0\"\n[extend]\nuseDefault = false\n[[rules]]\nid = \"a\"\nregex = 'ab'\n";
    assert_eq!(secrets(&compiled(named), "ab"), ["ab"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let facts: &[(&str, &str)] = &[
        (
            "[[rules]]\nid = \"a\"\nregexp = 'x'\nregex = 'x'",
            "main.toml:3:1: rule `a`: the field `regexp` is not known, did you mean `regex`?",
        ),
        (
            "[[rules]]\nid = \"a\"\nSecretGroup = 1\nregex = 'x'",
            "main.toml:3:1: rule `a`: the field `SecretGroup` is not known, did you mean `secretGroup`?",
        ),
        ("[rule]\nid = \"a\"", "main.toml:1:2: file: the field `rule` is not known, did you mean `rules`?"),
        ("[[rules]]\nregex = 'x'", "main.toml:1:1: a rule has no `id`"),
        ("[[rules]]\nid = \"a\"", "main.toml:1:1: rule `a`: it has no `regex`: paths alone say nothing of what passes the gate"),
        (
            "[[rules]]\nid = \"a:b\"\nregex = 'x'",
            "main.toml:1:1: rule `a:b`: an id has 1 to 64 letters, digits, `.`, `_`, `-`, `/` and spaces, a letter or digit first",
        ),
        ("[[rules]]\nid = \"a\"\nregex = 5", "main.toml:3:9: `regex`: expected a text, found the number 5"),
        ("[[rules]]\nid = \"a\"\nregex = '(x'", "main.toml:3:9: rule `a`: `regex`: unclosed group, at character 1"),
        ("[[rules]]\nid = \"a\"\nregex = 'x*'", "main.toml:3:9: rule `a`: `regex`: it matches the empty text, and so everywhere"),
        (
            "[[rules]]\nid = \"a\"\nregex = '(x)'\nsecretGroup = 2",
            "main.toml:1:1: rule `a`: `secretGroup` is 2, and the expression has 1 groups",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\nsecretGroup = -1",
            "main.toml:4:15: `secretGroup`: expected a whole number from 0 to 1000, found the number -1",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\nentropy = \"3\"",
            "main.toml:4:11: `entropy`: expected a number from 0 to 8.1, found the text `3`",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\nkeywords = \"x\"",
            "main.toml:4:12: `keywords`: expected a list of texts, found the text `x`",
        ),
        ("[[rules]]\nid = \"a\"\nregex = 'x'\nkeywords = [\"\"]", "main.toml:4:13: rule `a`: a keyword has 1 to 128 bytes"),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\nskipReport = true",
            "main.toml:1:1: rule `a`: `skipReport` is not supported: a rule that reports nothing does nothing here",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.required]]\nid = \"b\"",
            "main.toml:1:1: rule `a`: `required` is not supported: rules stand for themselves here",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\n",
            "main.toml:4:1: rule `a`: allowlist: it allows nothing: expected `regexes` or `stopwords`",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\nstopwords = [\"\"]",
            "main.toml:4:1: rule `a`: allowlist: a stop word is empty, and would allow everything",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\nregexes = ['(']",
            "main.toml:5:12: rule `a`: allowlist: `regexes`: unclosed group, at character 1",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\nregexTarget = \"lines\"\nstopwords = [\"x\"]",
            "main.toml:5:15: rule `a`: allowlist: `regexTarget`: expected `secret`, `match` or `line`, found `lines`, did you mean `line`?",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\ncondition = \"NOT\"\nstopwords = [\"x\"]",
            "main.toml:5:13: rule `a`: allowlist: `condition`: expected `AND` or `OR`, found `NOT`",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\nstopword = [\"x\"]\nregexes = ['x']",
            "main.toml:5:1: rule `a`: allowlist: the field `stopword` is not known, did you mean `stopwords`?",
        ),
        (
            "[[rules]]\nid = \"a\"\nregex = 'x'\n[[rules.allowlists]]\ntargetRules = [\"x\"]\nstopwords = [\"x\"]",
            "main.toml:5:1: rule `a`: allowlist: the field `targetRules` is not known",
        ),
        (
            "[[rules]]\nid = \"ab\"\nregex = 'x'\n[[allowlists]]\ntargetRules = [\"ac\"]\nstopwords = [\"x\"]",
            "main.toml:5:16: allowlist: no rule has the id `ac`, did you mean `ab`?",
        ),
        (
            "[allowlist]\nstopwords = [\"x\"]\n[[allowlists]]\nstopwords = [\"x\"]",
            "main.toml:1:1: file: `allowlist` is the old way of writing `allowlists`: use one of them",
        ),
        (
            "[[rules]]\nid = \"a b\"\nregex = 'x'\n[[rules]]\nid = \"a-b\"\nregex = 'y'",
            "main.toml:4:1: rule `a-b`: the kind `A_B` is taken by the rule at main.toml:1",
        ),
        (
            "[[rules]]\nid = \"credit-card\"\nregex = 'x'",
            "main.toml:1:1: rule `credit-card`: `CREDIT_CARD` is a kind of personal data that the gate finds itself: choose another id",
        ),
        (
            "[extend]\nuseDefault = true",
            "main.toml:1:1: extend: `useDefault` asks for rules that come with gitleaks, and none come with the gate; its own scanners run in any case. Copy the file and name it in `path`",
        ),
        ("[extend]\nurl = \"https://a\"", "main.toml:1:1: extend: `url` is not supported: rules are taken from files alone"),
    ];
    for (text, expected) in facts {
        let problems = load_text(text).map(|loaded| loaded.rules.len()).expect_err(text);
        assert_eq!(problems, [*expected], "{text}");
    }
    let broken = load_text("[[rules]\nid = 3").map(|loaded| loaded.rules.len()).expect_err("broken");
    assert!(broken.iter().all(|problem| problem.starts_with("main.toml:1:9: not TOML: ")), "{broken:?}");
}

#[test]
fn what_is_ignored_is_said() {
    let facts: &[(&str, &str)] = &[
        ("path = 'x'", "main.toml:1:1: rule `acme-token`: `path` is ignored: what passes the gate has no path"),
        (
            "[[rules.allowlists]]\npaths = ['x']\nstopwords = [\"y\"]",
            "main.toml:4:1: rule `acme-token`: allowlist: `paths` is ignored: what passes the gate has none",
        ),
        (
            "[[rules.allowlists]]\ncommits = [\"x\"]\npaths = ['x']",
            "main.toml:4:1: rule `acme-token`: allowlist: never holds, for what passes the gate has no `commits` and `paths`",
        ),
    ];
    for (lines, expected) in facts {
        let loaded = load_text(&rule(&format!("regex = 'ab'\n{lines}"))).unwrap();
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [*expected], "{lines}");
    }
}

#[test]
fn kinds_are_ids_in_capitals_or_the_gates_own() {
    let loaded =
        load_text("[[rules]]\nid = \"acme api.key/2\"\nregex = 'x'\n[[rules]]\nid = \"aws-access-token\"\nregex = 'y'").unwrap();
    let kinds: Vec<&str> = loaded.rules.iter().map(crate::Rule::kind).collect();
    assert_eq!(kinds, ["ACME_API_KEY_2", "aws-access-token"]);
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].message.contains("duties on it speak of both"), "{}", loaded.warnings[0]);
}
