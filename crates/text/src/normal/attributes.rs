//! The attributes of one HTML tag.

/// Whether the tag is an end tag, and the name of its element.
pub(super) fn element_name(tag: &str) -> (bool, &str) {
    let inside = tag.strip_prefix('<').unwrap_or(tag);
    let (is_end, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
    let end =
        inside.find(|character: char| character.is_ascii_whitespace() || matches!(character, '>' | '/')).unwrap_or(inside.len());
    (is_end, inside.get(..end).unwrap_or_default())
}

/// Whether an element with this start tag is not shown: attribute `hidden`, or a style that makes it vanish.
pub(super) fn hides(tag: &str) -> bool {
    has(tag, |name, value| name.eq_ignore_ascii_case("hidden") || name.eq_ignore_ascii_case("style") && vanishes(value))
}

/// Whether an element with this start tag is left out by some readers: `aria-hidden`, or a style that leaves nothing to see.
pub(super) fn is_left_out(tag: &str) -> bool {
    has(tag, |name, value| {
        name.eq_ignore_ascii_case("aria-hidden") && value.trim().eq_ignore_ascii_case("true")
            || name.eq_ignore_ascii_case("style") && fades(value)
    })
}

/// Whether an attribute of a start tag passes `test`, which gets its name and its value.
fn has(tag: &str, test: impl Fn(&str, &str) -> bool) -> bool {
    let mut rest = tag.get(1 + element_name(tag).1.len()..).unwrap_or_default();
    while let Some((name, value, behind)) = attribute(rest) {
        if test(name, value) {
            return true;
        }
        rest = behind;
    }
    false
}

/// The first attribute of `text`: its name, its value (empty for none), and what follows.
fn attribute(text: &str) -> Option<(&str, &str, &str)> {
    let is_between = |character: char| character.is_ascii_whitespace() || character == '/';
    let text = text.trim_start_matches(is_between);
    let ends_name = |character: char| is_between(character) || matches!(character, '=' | '>');
    // A name may begin with `=`, and every round must take something.
    let first = text.chars().next().filter(|first| *first != '>')?.len_utf8();
    let (head, tail) = text.split_at_checked(first)?;
    let length = head.len() + tail.find(ends_name).unwrap_or(tail.len());
    let (name, behind) = text.split_at_checked(length)?;
    let Some(value) = behind.trim_start().strip_prefix('=').map(str::trim_start) else { return Some((name, "", behind)) };
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
    let (value, behind) = match quote.and_then(|quote| value.get(1..)?.split_once(quote)) {
        Some(quoted) => quoted,
        None => {
            let ends = |character: char| character.is_ascii_whitespace() || character == '>';
            value.split_at_checked(value.find(ends).unwrap_or(value.len()))?
        }
    };
    Some((name, value, behind))
}

/// Whether a style makes its element vanish.
fn vanishes(style: &str) -> bool {
    declares(style, |property, value| match property {
        "display" => value == "none",
        "visibility" => matches!(value, "hidden" | "collapse"),
        "opacity" | "font-size" | "font" => is_zero(value),
        _ => false,
    })
}

/// Whether a style leaves nothing of its element to see: it has no colour or size, or stands beside the page.
fn fades(style: &str) -> bool {
    declares(style, |property, value| match property {
        "color" => value == "transparent",
        "width" | "height" | "max-width" | "max-height" => is_zero(value),
        "left" | "top" | "text-indent" => value.starts_with('-') && value.bytes().filter(u8::is_ascii_digit).count() > 2,
        "transform" => value == "scale(0)",
        _ => false,
    })
}

/// Whether a declaration of `style` passes `test`, which gets its property and its value, both small and without blanks.
fn declares(style: &str, test: impl Fn(&str, &str) -> bool) -> bool {
    let style: String = style
        .chars()
        .filter(|character| !character.is_ascii_whitespace())
        .map(|character| character.to_ascii_lowercase())
        .collect();
    let mut declarations = style.split(';').filter_map(|declaration| declaration.split_once(':'));
    declarations.any(|(property, value)| test(property, value.strip_suffix("!important").unwrap_or(value)))
}

/// `0`, `0.00`, `0px`, `.0em`, `0%`.
fn is_zero(value: &str) -> bool {
    let number = value.trim_end_matches(|character: char| character.is_ascii_alphabetic() || character == '%');
    number.contains('0') && number.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::{element_name, hides};

    #[test]
    fn attributes_are_read_as_browsers_do() {
        let facts = [
            ("<p hidden>", true),
            ("<p HIDDEN=''>", true),
            ("<p a=b hidden/>", true),
            ("<p a = 'x' style = \"opacity: 0.00\">", true),
            ("<p style='display:none!important'>", true),
            ("<p style=visibility:hidden>", true),
            ("<p style='font-size: 0%'>", true),
            ("<p style='display:block' title='display:none'>", false),
            ("<p title='hidden' a=hidden>", false),
            ("<p = == a'=\"hidden\">", false),
            ("<p style='opacity:01'>", false),
        ];
        for (tag, expected) in facts {
            assert_eq!(hides(tag), expected, "{tag}");
        }
        assert_eq!(element_name("</Div >"), (true, "Div"));
        assert_eq!(element_name("<br/>"), (false, "br"));
    }
}
