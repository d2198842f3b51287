//! What a tool is called in budgets and in the log.

use aws_lc_rs::digest::{SHA256, digest};
use model::{IdError, Name};

/// What a name begins with that is a tool's.
const TOOL: &str = "tool:";
/// Longest name in bytes; the digest that ends a shortened one, in hexadecimal digits; what is left before it and a colon.
const LONGEST: usize = 128;
const DIGEST: usize = 64;
const KEPT: usize = LONGEST - DIGEST - 1;

/// What calls of a tool, `SERVER/NAME`, are charged as: `tool:SERVER/NAME`. Of a name for which that is no room the beginning stands there
/// with a digest of all of it behind a colon, which no tool has in its own: two tools never share a part of a budget.
///
/// # Errors
/// Characters that no name has.
pub fn charged(tool: &str) -> Result<Name, IdError> {
    let whole = format!("{TOOL}{tool}");
    match whole.get(..KEPT) {
        Some(kept) if whole.len() > LONGEST => {
            // What is left out has to be as plain as what stays.
            whole.as_bytes().chunks(LONGEST - 1).try_for_each(plain)?;
            Name::new(&format!("{kept}:{}", hex::encode(digest(&SHA256, whole.as_bytes()))))
        }
        _ => Name::new(&whole),
    }
}

fn plain(piece: &[u8]) -> Result<(), IdError> {
    // A name may not begin with every character that may stand in it.
    Name::new(&format!("a{}", String::from_utf8_lossy(piece))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, charged};

    #[test]
    fn no_two_tools_are_charged_alike() {
        let long = |server: usize, tool: usize, end: &str| format!("{}/{}{end}", "s".repeat(server), "t".repeat(tool));
        let tools = [
            "kb/search".to_owned(),
            long(2, 120, ""),
            long(2, 121, ""),
            long(2, 126, "a"),
            long(2, 126, "b"),
            long(2, 126, ".b"),
            long(128, 127, "a"),
            long(128, 127, "b"),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for tool in &tools {
            let name = charged(tool).unwrap();
            assert!(name.as_str().starts_with("tool:") && name.as_str().len() <= LONGEST, "{name}");
            assert_eq!(name.as_str() == format!("tool:{tool}"), tool.len() <= 123, "{name}");
            assert_eq!(charged(tool), Ok(name.clone()));
            assert!(seen.insert(name), "{tool}");
        }
        // None has the name that another one is charged as: a colon stands before the slash, if at all.
        assert!(seen.iter().filter(|name| name.as_str().len() == LONGEST).count() >= 6);
        let ends = seen.iter().filter_map(|name| name.as_str().strip_prefix("tool:")?.rsplit_once(':'));
        assert!(ends.map(|(_, end)| end).all(|end| end.len() == 64 && !end.contains('/')));
    }

    #[test]
    fn what_no_name_has_is_charged_as_nothing() {
        for tool in [
            "kb/a b".to_owned(),
            format!("kb/{}\u{e9}", "t".repeat(40)),
            format!("kb/{} ", "t".repeat(130)),
            format!("{}\u{e9}/x", "s".repeat(57)),
        ] {
            assert!(charged(&tool).is_err(), "{tool}");
        }
    }
}
