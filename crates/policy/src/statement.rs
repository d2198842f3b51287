//! Where the policies of a file begin: a splitter that knows strings and comments, and nothing else of Cedar.
//!
//! Nothing may fall between two statements: what Cedar would read as code is part of some statement, or it would be dropped in
//! silence. A property test holds the splitter against Cedar's own parser.

use std::ops::Range;

/// One policy statement: its text and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) text: &'a str,
    /// In bytes from the start of the file.
    pub(crate) start: usize,
    /// From 1, as editors count: lines end at a line feed.
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
}

/// Splits at `;` outside of strings and comments. What follows the last `;` is a statement too, unless it is blank or comment;
/// the parser will say what is wrong with it.
pub(crate) fn split(text: &str) -> Vec<Statement<'_>> {
    let mut ranges = Vec::new();
    let mut start: Option<usize> = None;
    for (at, letter, part) in parts(text) {
        match part {
            Part::Code if letter == ';' => ranges.push(start.take().unwrap_or(at)..at.saturating_add(1)),
            Part::Code if letter.is_whitespace() => {}
            Part::Comment => {}
            Part::Code | Part::Text => {
                start.get_or_insert(at);
            }
        }
    }
    ranges.extend(start.map(|from| from..text.len()));
    // Places are counted in one walk over the file, however many statements it has and however long its lines are.
    let (mut line, mut column, mut counted) = (1_u32, 1_u32, 0);
    let mut place = |range: Range<usize>| {
        let between = text.get(counted..range.start).unwrap_or("");
        (line, column) = moved((line, column), between);
        counted = range.start;
        Statement { line, column, start: range.start, text: text.get(range).unwrap_or("") }
    };
    ranges.into_iter().map(&mut place).collect()
}

impl Statement<'_> {
    /// The line and column of a byte offset in this statement.
    pub(crate) fn position(&self, offset: usize) -> (u32, u32) {
        moved((self.line, self.column), self.text.get(..offset).unwrap_or(""))
    }
}

/// Deepest nesting of brackets in a statement.
const MAX_DEPTH: u32 = 32;

/// Most operators, member accesses, `if`s and conditions in a statement.
const MAX_OPERATORS: u32 = 400;

impl Statement<'_> {
    /// What makes the statement too intricate to be checked, if anything does.
    ///
    /// Cedar's parser is recursive without a bound: at some hundred brackets it overflows a thread's stack, which ends the whole
    /// process. Its validator stops checking, in silence, when the stack runs low. So depth is bounded before either sees it.
    pub(crate) fn excess(&self) -> Option<(usize, String)> {
        let (mut depth, mut n_operators) = (0_u32, 0_u32);
        let (mut word, mut before) = (String::new(), ' ');
        for (at, letter, part) in parts(self.text) {
            let letter = if part == Part::Code { letter } else { ' ' };
            match letter {
                '(' | '[' | '{' => depth = depth.saturating_add(1),
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            // `&&`, `<=` and their like are one operator.
            let is_operator = ".+-*<>=!&|{".contains(letter) && !("<>=!&|".contains(before) && "=&|".contains(letter));
            let is_condition = !letter.is_alphanumeric() && word == "if";
            n_operators = n_operators.saturating_add(u32::from(is_operator)).saturating_add(u32::from(is_condition));
            if letter.is_alphanumeric() && word.len() < 8 {
                word.push(letter);
            } else if !letter.is_alphanumeric() {
                word.clear();
            }
            before = letter;
            if depth > MAX_DEPTH {
                return Some((at, format!("brackets are nested more than {MAX_DEPTH} deep")));
            }
            if n_operators > MAX_OPERATORS {
                return Some((at, format!("the policy has more than {MAX_OPERATORS} operators")));
            }
        }
        None
    }
}

/// What a character belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    /// A string, with its quotes.
    Text,
    Comment,
}

/// Every character with its offset and what it belongs to.
fn parts(text: &str) -> impl Iterator<Item = (usize, char, Part)> + '_ {
    let mut inside = Part::Code;
    let mut is_escaped = false;
    let mut letters = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (at, letter) = letters.next()?;
        let next = letters.peek().map(|(_, next)| *next);
        let belongs = match (inside, letter) {
            (Part::Code, '/') if next == Some('/') => Part::Comment,
            (Part::Code, '"') => Part::Text,
            // Cedar ends a comment at a carriage return as well.
            (Part::Comment, '\n' | '\r') => Part::Code,
            (other, _) => other,
        };
        let ends = inside == Part::Text && letter == '"' && !is_escaped;
        is_escaped = inside == Part::Text && letter == '\\' && !is_escaped;
        inside = if ends { Part::Code } else { belongs };
        Some((at, letter, belongs))
    })
}

/// The line and column behind `text`, which begins at `from`.
fn moved(from: (u32, u32), text: &str) -> (u32, u32) {
    let n_lines = u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX);
    let tail = text.rsplit('\n').next().unwrap_or("");
    let n_letters = u32::try_from(tail.chars().count()).unwrap_or(u32::MAX);
    let column = if n_lines == 0 { from.1 } else { 1 };
    (from.0.saturating_add(n_lines), column.saturating_add(n_letters))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use cedar_policy::{Policy, PolicySet};
    use proptest::prelude::*;

    use super::split;

    #[test]
    fn statements_and_their_places() {
        let text = "// a; b\n\npermit (principal, action, resource); forbid (principal, action,\nresource) when { \"; // \\\" ;\" == \"x\" };\n// end;\n  @id(\"x\")\npermit (principal";
        let statements = split(text);
        let places: Vec<(u32, u32)> = statements.iter().map(|statement| (statement.line, statement.column)).collect();
        assert_eq!(places, [(3, 1), (3, 39), (6, 3)]);
        assert_eq!(statements[2].text, "@id(\"x\")\npermit (principal");
        assert_eq!(statements[2].position(0), (6, 3));
        assert_eq!(statements[2].position(4), (6, 7));
        assert_eq!(statements[2].position(9), (7, 1));
        assert!(split(" // only a comment\n").is_empty());
        assert_eq!(split("// comment\rforbid (principal, action, resource);").len(), 1, "a comment ends where Cedar ends it");
        assert_eq!(split("é forbid;é;").iter().map(|statement| statement.column).collect::<Vec<_>>(), [1, 10]);
        // Linear: counting each column from the start of its line would take minutes here.
        let one_line = "permit; ".repeat(500_000);
        assert_eq!(split(&one_line).last().map(|last| (last.line, last.column)), Some((1, 3_999_993)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// What Cedar reads as policies, the splitter hands over as policies: as many, in order, none dropped.
        #[test]
        fn nothing_that_cedar_reads_falls_between(pieces in proptest::collection::vec(piece(), 0..8)) {
            let text = pieces.concat();
            let statements = split(&text);
            let effects: Vec<_> = statements.iter().map(|statement| Policy::parse(None, statement.text).ok().map(|policy| policy.effect())).collect();
            match PolicySet::from_str(&text) {
                Ok(whole) => {
                    let mut policies: Vec<_> = whole.policies().collect();
                    policies.sort_by_key(|policy| policy.id().to_string().trim_start_matches("policy").parse::<usize>().unwrap());
                    let expected: Vec<_> = policies.iter().map(|policy| Some(policy.effect())).collect();
                    prop_assert_eq!(effects, expected, "{:?}", text);
                }
                Err(_) => prop_assert!(effects.contains(&None), "Cedar refuses the whole and none of the parts: {:?}", text),
            }
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        let pieces = [
            "permit (principal, action, resource);",
            "forbid (principal, action, resource);",
            "@id(\"a;b\") permit (principal, action, resource)",
            "forbid (principal, // ; \"\n action, resource) when { \"//;\\\"\" == \"\" };",
            "forbid (principal, action, resource) unless { context.a like \"*\\*;\" };",
            "//",
            "/",
            "\n",
            "\r",
            "\r\n",
            "\u{a0}",
            "\u{2028}",
            "\u{b}",
            ";",
            "\"",
            "\\",
            "é",
            "// permit\r",
        ];
        proptest::sample::select(pieces.to_vec()).prop_map(ToOwned::to_owned)
    }
}
