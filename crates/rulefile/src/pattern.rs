//! Regular expressions as gitleaks' files have them: the syntax of Go's `regexp`, which is RE2's.
//!
//! The automata here read almost the same language. Where one text means two things, it is rewritten to what Go means (`\w`, `\d`,
//! `\s`, `\b` speak of ASCII alone; `\<` is a bracket), and where that cannot be, it is refused.

use std::ops::Range;

use regex_syntax::ast::{self, AssertionKind, Ast, ClassPerlKind, ClassSetItem, Flag, FlagsItemKind};
use regex_syntax::hir::Hir;
use regex_syntax::{ParserBuilder, ast::parse::ParserBuilder as AstParserBuilder};

/// Deepest nesting of groups, classes and repetitions.
const MAX_DEPTH: u32 = 100;

/// A parsed expression.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    hir: Hir,
}

impl Pattern {
    pub(crate) const fn hir(&self) -> &Hir {
        &self.hir
    }

    /// Bytes of the shortest match. An expression that matches nothing at all has none, and says 0.
    pub(crate) fn least(&self) -> usize {
        self.hir.properties().minimum_len().unwrap_or(0)
    }

    /// Bytes of the longest match, if there is a longest.
    pub(crate) fn most(&self) -> Option<usize> {
        self.hir.properties().maximum_len()
    }

    /// How many groups capture.
    pub(crate) fn n_groups(&self) -> usize {
        self.hir.properties().explicit_captures_len()
    }
}

/// Parses an expression.
///
/// # Errors
/// One line that says what is wrong, and where in the expression.
pub(crate) fn parse(regex: &str) -> Result<Pattern, String> {
    let at =
        |span: &ast::Span| format!("at character {}", regex.get(..span.start.offset).unwrap_or_default().chars().count() + 1);
    let tree = AstParserBuilder::new().nest_limit(MAX_DEPTH).build().parse(regex);
    let tree = tree.map_err(|error| format!("{}, {}", error.kind(), at(error.span())))?;
    let rewrites = ast::visit(&tree, Dialect::default()).map_err(|(span, what)| format!("{what}, {}", at(&span)))?;
    let rewritten = apply(regex, &rewrites);
    let parsed = ParserBuilder::new().nest_limit(MAX_DEPTH).build().parse(&rewritten);
    let hir = parsed.map_err(|error| match error {
        regex_syntax::Error::Translate(error) => format!("{}, {}", error.kind(), at(error.span())),
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        _ => "it cannot be read".to_owned(),
    })?;
    Ok(Pattern { hir })
}

/// `regex` with every rewrite made; they are sorted and disjoint.
fn apply(regex: &str, rewrites: &[(Range<usize>, &'static str)]) -> String {
    let mut result = String::with_capacity(regex.len());
    let mut copied = 0;
    for (span, text) in rewrites {
        result.push_str(regex.get(copied..span.start).unwrap_or_default());
        result.push_str(text);
        copied = span.end;
    }
    result.push_str(regex.get(copied..).unwrap_or_default());
    result
}

/// Collects what has to be written otherwise, and stops at what Go would read otherwise.
#[derive(Default)]
struct Dialect {
    rewrites: Vec<(Range<usize>, &'static str)>,
}

type Refused = (ast::Span, &'static str);

impl Dialect {
    fn rewrite(&mut self, span: &ast::Span, text: &'static str) {
        self.rewrites.push((span.start.offset..span.end.offset, text));
    }

    fn perl(&mut self, class: &ast::ClassPerl) {
        let text = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\x0C\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\x0C\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.rewrite(&class.span, text);
    }

    fn assertion(&mut self, assertion: &ast::Assertion) -> Result<(), Refused> {
        match assertion.kind {
            AssertionKind::StartLine | AssertionKind::EndLine | AssertionKind::StartText | AssertionKind::EndText => {}
            AssertionKind::WordBoundary => self.rewrite(&assertion.span, r"(?-u:\b)"),
            AssertionKind::NotWordBoundary => self.rewrite(&assertion.span, r"(?-u:\B)"),
            AssertionKind::WordBoundaryStartAngle => self.rewrite(&assertion.span, "<"),
            AssertionKind::WordBoundaryEndAngle => self.rewrite(&assertion.span, ">"),
            AssertionKind::WordBoundaryStart
            | AssertionKind::WordBoundaryEnd
            | AssertionKind::WordBoundaryStartHalf
            | AssertionKind::WordBoundaryEndHalf => {
                return Err((assertion.span, "a word boundary with braces is not part of the format"));
            }
        }
        Ok(())
    }
}

fn flags(flags: &ast::Flags) -> Result<(), Refused> {
    let foreign = flags
        .items
        .iter()
        .find(|item| matches!(item.kind, FlagsItemKind::Flag(Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace)));
    foreign.map_or(Ok(()), |item| Err((item.span, "a flag is not part of the format: expected `i`, `m`, `s` or `U`")))
}

impl ast::Visitor for Dialect {
    type Output = Vec<(Range<usize>, &'static str)>;
    type Err = Refused;

    fn finish(self) -> Result<Self::Output, Refused> {
        let mut rewrites = self.rewrites;
        rewrites.sort_by_key(|(span, _)| span.start);
        Ok(rewrites)
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), Refused> {
        match tree {
            Ast::Assertion(assertion) => self.assertion(assertion),
            Ast::ClassPerl(class) => {
                self.perl(class);
                Ok(())
            }
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => group.flags().map_or(Ok(()), flags),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Refused> {
        match item {
            ClassSetItem::Perl(class) => {
                self.perl(class);
                Ok(())
            }
            ClassSetItem::Bracketed(inner) => Err((inner.span, "a `[` inside of a class has to be written `\\[`")),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, operation: &ast::ClassSetBinaryOp) -> Result<(), Refused> {
        Err((operation.span, "`&&`, `--` and `~~` inside of a class have to be written with a `\\` before each sign"))
    }
}
