//! The names that requests are made of, of every API: what may be repeated of a client's keys where they stand in plain sight.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::api::Api;
use super::table::{Form, Holds, Row, Shape, TAG};

/// Whether some table knows a member of this name.
pub(super) fn is_known(word: &str) -> bool {
    static WORDS: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(all).contains(word)
}

fn all() -> BTreeSet<&'static str> {
    let mut words = BTreeSet::from([TAG]);
    let mut seen: Vec<&'static Shape> = Vec::new();
    let mut next: Vec<&'static Shape> = Api::ALL.iter().map(|api| api.table().request).collect();
    while let Some(shape) = next.pop() {
        // Shapes contain one another.
        if seen.iter().any(|seen| std::ptr::eq(*seen, shape)) {
            continue;
        }
        seen.push(shape);
        let rows: Vec<&'static Row> = match &shape.form {
            Form::Fields(rows) => rows.iter().copied().flatten().collect(),
            Form::Union(union) => union.variants.iter().flat_map(|variant| variant.rows).copied().flatten().collect(),
        };
        for row in rows {
            words.insert(row.name);
            match row.holds {
                Holds::One(shape)
                | Holds::Many(shape)
                | Holds::TextOrOne(shape)
                | Holds::TextOrMany(shape)
                | Holds::OneOrMany(shape) => next.push(shape),
                Holds::Text
                | Holds::Boolean
                | Holds::Integer
                | Holds::Number
                | Holds::Texts
                | Holds::TextOrTexts
                | Holds::BooleanOrTexts
                | Holds::TextOrTokens
                | Holds::Free => {}
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn names_of_every_depth_are_known_and_no_others() {
        for word in ["model", "messages", "content", "type", "image_url", "input_schema", "stream_options", "max_output_tokens"] {
            assert!(is_known(word), "{word}");
        }
        for word in ["", "Model", "falcon", "0"] {
            assert!(!is_known(word), "{word}");
        }
    }
}
