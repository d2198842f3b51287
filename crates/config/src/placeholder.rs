//! Recognises secrets that are none: what a manual, a template or a hurried person leaves in the place of one.

/// Shortest secret; providers' keys have 32 characters and more.
const MIN_SECRET: usize = 8;
/// Longest secret that goes into a header.
const MAX_SECRET: usize = 4096;
/// What placeholders say, compared without case and separators.
const PHRASES: [&str; 22] = [
    "changeme",
    "changethis",
    "placeholder",
    "yourkey",
    "yourapikey",
    "yoursecret",
    "yourtoken",
    "youropenai",
    "youranthropic",
    "insertkey",
    "insertyour",
    "insertapikey",
    "enteryour",
    "replaceme",
    "replacethis",
    "replacewith",
    "redacted",
    "dummykey",
    "keyhere",
    "tokenhere",
    "secrethere",
    "goeshere",
];
/// Sequences that nobody draws at random.
const SEQUENCES: [&str; 4] = ["1234567890", "0123456789", "abcdefghij", "xxxxxx"];
/// Words that are no secret when they are all there is.
const WORDS: [&str; 10] = ["secret", "password", "apikey", "example", "none", "null", "undefined", "todo", "test", "empty"];
/// What providers put before the random part.
const PREFIXES: [&str; 6] = ["sk", "ant", "api03", "proj", "live", "test"];

/// Why `secret` cannot be one, or `None` if it can. The reason never quotes it.
pub(crate) fn objection(secret: &str) -> Option<&'static str> {
    if secret.trim().is_empty() {
        return Some("it is empty");
    }
    if secret.starts_with("pcl_") || secret.starts_with("pclop_") {
        return Some("it is a credential of this gate, an upstream needs its own");
    }
    if secret.chars().any(|character| "<>{}$".contains(character)) {
        return Some("it still holds template marks such as `<…>` or `${…}`");
    }
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("it holds white space or characters that a header cannot carry");
    }
    let bare: String = secret.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    if WORDS.contains(&bare.as_str()) || PHRASES.iter().any(|phrase| bare.contains(phrase)) {
        return Some("it is a placeholder");
    }
    if SEQUENCES.iter().any(|sequence| bare.contains(sequence)) || has_too_few_characters(secret) {
        return Some("it is a placeholder: one character or a simple sequence, over and over");
    }
    if secret.len() < MIN_SECRET {
        return Some("it is shorter than 8 characters");
    }
    (secret.len() > MAX_SECRET).then_some("it is longer than 4096 characters")
}

/// Whether what follows the provider's prefix is made of one or two different characters.
fn has_too_few_characters(secret: &str) -> bool {
    let parts = secret.split(['-', '_', '.']).filter(|part| !PREFIXES.contains(&part.to_ascii_lowercase().as_str()));
    let mut characters: Vec<char> = parts.flat_map(str::chars).collect();
    characters.sort_unstable();
    characters.dedup();
    characters.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::objection;

    #[test]
    fn placeholders_are_recognised() {
        for text in [
            "",
            "   ",
            "\n",
            "changeme",
            "CHANGE_ME",
            "change-me-please",
            "sk-xxx",
            "sk-xxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-proj-XXXX",
            "your-key-here",
            "YOUR_API_KEY",
            "sk-your-openai-key",
            "<key>",
            "${OPENAI_API_KEY}",
            "{{ key }}",
            "........",
            "********",
            "00000000000000000000",
            "sk-ant-api03-000000000000",
            "1234567890",
            "sk-1234567890abcdef",
            "abcdefghijklmnop",
            "secret",
            "password",
            "test",
            "none",
            "short",
            "insert key here",
            "pcl_7g1a02c02800_x",
            "caf\u{e9}caf\u{e9}",
            "placeholder-123",
        ] {
            assert!(objection(text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn secrets_are_not() {
        // Made up here, in the form of the providers' own.
        for text in [
            "sk-proj-Zk3vT9qLw2Rb7YxN4mHc8FdGpJ5sVu1e",
            "sk-ant-api03-mW7Qe2_rTzX9-kLp4Vb8NcYh3JgFs6Dd",
            "gsk_9fKq2LmZx7Vt4RbWc8Yh",
            "3f9c2e7ab1d84650",
            "sk-no-key-required",
        ] {
            assert_eq!(objection(text), None, "{text:?}");
        }
    }
}
