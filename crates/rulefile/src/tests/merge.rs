//! Files that extend others.

use super::{load_files, secrets};
use crate::Rules;

const BASE: &str = "[[rules]]\nid = \"a\"\nregex = '''k=([a-z]{4})'''\nentropy = 1.5\nkeywords = [\"one\"]\n\
    [[rules.allowlists]]\nstopwords = [\"bc\"]\n[[rules]]\nid = \"b\"\nregex = '''b[0-9]{4}'''\n[[allowlists]]\nstopwords = [\"9\"]\n";

fn scan(main: &str, text: &str) -> Vec<String> {
    let loaded = load_files(&[("main.toml", main), ("base.toml", BASE)]).unwrap_or_else(|problems| panic!("{problems:?}"));
    let rules = Rules::compile(&loaded.rules).unwrap();
    secrets(&rules, text).into_iter().map(ToOwned::to_owned).collect()
}

#[test]
fn the_file_that_extends_has_the_last_word() {
    let extend = |rest: &str| format!("[extend]\npath = \"base.toml\"\n{rest}");
    let facts: &[(&str, &str, &[&str])] = &[
        ("", "one k=efgh k=aaaa k=abcd b1234 b1239", &["efgh", "b1234"]),
        // Only what is said is changed; keywords and allowlists are added.
        ("[[rules]]\nid = \"a\"\nentropy = 0.5", "one k=efgh k=aabb k=abcd", &["efgh", "aabb"]),
        ("[[rules]]\nid = \"a\"\nkeywords = [\"two\"]", "two k=efgh", &["efgh"]),
        ("[[rules]]\nid = \"a\"\nregex = '''q=([a-z]{4})'''", "one k=efgh q=ijkl", &["ijkl"]),
        ("[[rules]]\nid = \"a\"\n[[rules.allowlists]]\nstopwords = [\"fg\"]", "one k=efgh k=abcd k=ijkl", &["ijkl"]),
        ("disabledRules = [\"b\"]", "one k=efgh b1234", &["efgh"]),
        ("[[rules]]\nid = \"c\"\nregex = '''c[0-9]{4}'''", "c1234 c1239 b1234", &["c1234", "b1234"]),
    ];
    for (rest, text, expected) in facts {
        assert_eq!(scan(&extend(rest), text), *expected, "{rest}");
    }
}

#[test]
fn it_stays_in_its_folder_and_ends() {
    let facts: &[(&str, &str)] = &[
        ("path = \"../base.toml\"", "main.toml:2:8: extend: `../base.toml` is not a path below this file's folder"),
        ("path = \"/etc/base.toml\"", "main.toml:2:8: extend: `/etc/base.toml` is not a path below this file's folder"),
        ("path = \"a/../../b.toml\"", "main.toml:2:8: extend: `a/../../b.toml` is not a path below this file's folder"),
        ("path = \"a\\\\b.toml\"", "main.toml:2:8: extend: `a\\\\b.toml` is not a path below this file's folder"),
        ("path = \"none.toml\"", "main.toml:2:8: `none.toml` cannot be read: no such file"),
        ("path = \"main.toml\"", "main.toml:2:8: extend: more than 2 files deep"),
        (
            "path = \"base.toml\"\ndisabledRules = [\"bb\"]",
            "main.toml:3:18: extend: `disabledRules`: no extended rule has the id `bb`, did you mean `b`?",
        ),
    ];
    for (lines, expected) in facts {
        let files = [("main.toml", format!("[extend]\n{lines}")), ("base.toml", BASE.to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(load_files(&files).map(|loaded| loaded.rules.len()).expect_err(lines), [*expected], "{lines}");
    }
    let deep = |next: &str| format!("[extend]\npath = \"{next}\"");
    let (main, one) = (deep("x/one.toml"), deep("two.toml"));
    let loaded = load_files(&[("main.toml", &main), ("x/one.toml", &one), ("x/two.toml", BASE)]).unwrap();
    assert_eq!(loaded.rules.len(), 2);
    assert_eq!(loaded.texts.keys().collect::<Vec<_>>(), ["main.toml", "x/one.toml", "x/two.toml"]);
}
