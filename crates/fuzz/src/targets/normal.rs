//! The readings of disguised text.

use text::{NormalLimits, ScalarIndex, may_be_encoded, normalise};

use super::{Outcome, Target, ensure, magnitude, seen, texts};
use crate::Random;

pub(super) const TARGET: Target = Target {
    name: "normal",
    what: "readings of disguised text: bounds hold, every view maps back into the text, on character boundaries",
    seeds,
    words: &[
        "&#65;",
        "&#x41;",
        "&amp;",
        "&",
        ";",
        "%41",
        "%",
        "=41",
        "=\r\n",
        "<b>",
        "</b>",
        "<!--",
        "-->",
        "<span style=\"display:none\">",
        "<script>",
        "aGVsbG8gd29ybGQ=",
        "JBSWY3DPEB3W64TMMQ======",
        "68656c6c6f",
        "\\x68",
        "h e l l o",
        "h.e.l.l.o",
        "p4$$w0rd",
        "uryyb",
        "\u{200b}",
        "\u{e0041}",
        "\u{202e}",
        "\u{fe0f}",
        "\u{3164}",
        "\u{ff21}",
        "\u{430}",
        "a\u{336}",
        "\u{1d400}",
        "\u{fb01}",
        "\u{fdfa}",
        "<",
        ">",
        "style=",
        "\"",
        "'",
        "hidden",
        "<!",
        "<?",
    ],
    max_len: 3000,
    run,
    hostile: &[
        "a",
        "0",
        "@",
        "ey",
        "-",
        "=",
        "%",
        "%4",
        "&",
        "&#",
        "&#65;",
        "<",
        "<!--",
        "<a ",
        "<a b=\"",
        "A ",
        "a.",
        "QUJD",
        "41",
        "\\x41",
        "\u{fdfa}",
        "\u{200b}",
        "\u{e0041}",
        "a\u{336}",
        "\u{336}",
        "\u{ff21}",
        "=41",
        "=\r\n",
        "JBSWY3DP",
        "<b></b>",
        "<div hidden>",
        "\u{202e}",
        "</",
        "'",
        "\u{1f600}",
    ],
    floor: 250.0,
};

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = texts(&[
        "The key is AKIAZ7QHT3KXW5M2NV4D, thanks.",
        "&#84;he <b>k</b>ey%20is <!-- hidden --> <span style=\"display:none\">x</span> QUtJQVo3UUhUM0tYVzVNMk5WNEQ=",
        "T h e k e y i s s e c r e t and 4111-1111 1111=\r\n1111",
        "\u{e0041}\u{e004b}\u{200b}k\u{336}\u{ff21}\u{430}\u{1d400}\u{fb01}",
        "54686520717569636b2062726f776e20666f78 \\x54\\x68 JBSWY3DPEB3W64TMMQ======",
    ]);
    seeds.extend(seeds.clone().into_iter().map(|mut seed| {
        seed.reverse();
        seed
    }));
    seeds
}

fn run(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let limits = NormalLimits::for_length(text.len());
    let normal = normalise(&text, &limits);
    let n_bytes: usize = normal.views.iter().map(|view| view.text().len()).sum();
    ensure(normal.views.len() <= limits.max_views && n_bytes <= limits.max_bytes, || "views beyond their bounds".to_owned())?;
    let mut random = Random::of(bytes);
    for (at, view) in normal.views.iter().enumerate() {
        ensure(!view.text().is_empty() && !view.steps().is_empty(), || "an empty view".to_owned())?;
        ensure(view.text() != text, || format!("a view that is the text: {:?}", view.steps()))?;
        // Comparing each with each is quadratic in the views, and there are few.
        let is_again = normal.views.iter().skip(at + 1).any(|other| other.text() == view.text());
        ensure(!is_again, || format!("the same view twice: {:?}", view.steps()))?;
        for _ in 0..8 {
            let range = random.range(view.text().len());
            if range.is_empty() {
                continue;
            }
            let origin = view.origin(range.clone());
            let is_inside = text.get(origin.clone()).is_some();
            ensure(is_inside, || format!("{range:?} of {:?} comes from {origin:?}", view.steps()))?;
            let whole = view.origin(0..view.text().len());
            ensure(whole.start <= origin.start && origin.end <= whole.end, || {
                format!("{:?}: {range:?} comes from {origin:?}, the whole from {whole:?}", view.steps())
            })?;
        }
    }
    hidden(&text, &normal)?;
    let is_suspect = may_be_encoded(&text);
    let certain = normal.views.iter().filter(|view| !is_cheap(view.steps())).count();
    ensure(is_suspect || certain == 0, || "views of a text that cannot be encoded".to_owned())?;
    let steps: Vec<String> = normal.views.iter().take(3).map(|view| format!("{:?}", view.steps())).collect();
    Ok(seen((steps, magnitude(normal.hidden.len()), normal.is_cut)))
}

/// The readings that every text has.
fn is_cheap(steps: &[text::Step]) -> bool {
    use text::Step;
    steps.iter().all(|step| matches!(step, Step::Rot13 | Step::Reversed | Step::Leet | Step::Spaced))
}

fn hidden(text: &str, normal: &text::Normal) -> Result<(), String> {
    let scalars = ScalarIndex::new(text);
    let mut last = 0;
    for hidden in &normal.hidden {
        let is_sound = text.get(hidden.span.clone()).is_some_and(|found| !found.is_empty());
        ensure(is_sound && hidden.span.start >= last, || format!("hidden at {:?}, behind {last}", hidden.span))?;
        last = hidden.span.start;
        let counted = text.get(..hidden.span.start).unwrap_or_default().chars().count();
        let at = scalars.scalar(hidden.span.start);
        ensure(at == counted, || format!("byte {} is character {counted}, not {at}", hidden.span.start))?;
    }
    Ok(())
}
