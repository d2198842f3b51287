//! Where the policies of a file begin: a splitter that knows strings and comments, and nothing else of Cedar.

/// One policy statement: its text and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: u32,
}

/// Splits at `;` outside of strings and comments. What follows the last `;` is a statement too, unless it is blank or comment;
/// the parser will say what is wrong with it.
pub(crate) fn split(text: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut state = State::Code;
    let mut start: Option<(usize, u32)> = None;
    let mut line = 1_u32;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = bytes.peek().map(|(_, next)| *next);
        match (state, byte) {
            (State::Code, b'/') if next == Some(b'/') => state = State::Comment,
            (State::Comment, b'\n') => state = State::Code,
            (State::Code, b'"') => {
                state = State::Text;
                start.get_or_insert((at, line));
            }
            (State::Text, b'\\') => {
                // Whatever is escaped ends no string.
                if bytes.next().is_some_and(|(_, escaped)| escaped == b'\n') {
                    line = line.saturating_add(1);
                }
            }
            (State::Text, b'"') => state = State::Code,
            (State::Code, b';') => {
                let (from, begun) = start.take().unwrap_or((at, line));
                statements.push(Statement { text: text.get(from..=at).unwrap_or(""), line: begun });
            }
            (State::Code, other) if !other.is_ascii_whitespace() => {
                start.get_or_insert((at, line));
            }
            _ => {}
        }
        if byte == b'\n' {
            line = line.saturating_add(1);
        }
    }
    if let Some((from, begun)) = start {
        statements.push(Statement { text: text.get(from..).unwrap_or(""), line: begun });
    }
    statements
}

#[derive(Clone, Copy)]
enum State {
    Code,
    Text,
    Comment,
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn statements_and_their_lines() {
        let text = "// a; b\n\npermit (principal, action, resource); forbid (principal, action,\nresource) when { \"; // \\\" ;\" == \"x\" };\n// end;\n  @id(\"x\")\npermit (principal";
        let lines: Vec<u32> = split(text).iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [3, 3, 6]);
        let texts: Vec<&str> = split(text).iter().map(|statement| statement.text).collect();
        assert_eq!(texts[2], "@id(\"x\")\npermit (principal");
        assert!(split(" // only a comment\n").is_empty());
    }
}
