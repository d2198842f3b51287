//! The encrypted part: what a decision can be taken again from, and what went out and came back.

use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Answer, DecisionInput, Digest, Finding, ShadowAnswer};
use serde::{Deserialize, Serialize};

use crate::commitment::digest_of;

/// The encrypted part of an intent: with the bundle named in the header it is enough to decide again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentContent<'a> {
    /// The complete input of the decision.
    pub input: Cow<'a, DecisionInput>,
    /// The answer that was given.
    pub answer: Cow<'a, Answer>,
    /// What it would have been, were shadow policies enforced; absent where none concerned the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowAnswer>,
    /// What was found in the request: kinds and places, never values.
    pub findings: Cow<'a, [Finding]>,
    /// Where it may go, in order; empty where nothing goes out.
    pub destinations: Vec<String>,
    /// What goes out, after redaction; absent where nothing goes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<Capped>,
}

/// The encrypted part of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeContent {
    /// What was found in the response.
    pub findings: Vec<Finding>,
    /// What the client was sent; absent where it was sent nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Capped>,
    /// Which of the intent's destinations answered, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The upstream's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    pub timings: Timings,
}

/// The encrypted part of an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditContent<'a> {
    /// What was redacted, or what the stream was cut for.
    pub findings: Cow<'a, [Finding]>,
}

/// Durations in microseconds, from the moment at which the request's head had been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timings {
    /// To the upstream's first byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_first_byte: Option<u64>,
    /// To the first released byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_released: Option<u64>,
    /// To the end.
    pub total: u64,
}

/// Bytes up to a cap, with the digest of all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capped {
    /// What was kept.
    pub kept: Stored,
    /// Length of the whole in bytes.
    pub length: u64,
    /// Whether something was left off.
    pub truncated: bool,
    /// SHA-256 of the whole.
    pub sha256: Digest,
}

/// How the kept bytes are written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stored {
    /// As they are: UTF-8.
    Text(String),
    /// In standard base64: anything else.
    Base64(String),
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "Text({} bytes)", text.len()),
            Self::Base64(text) => write!(formatter, "Base64({} characters)", text.len()),
        }
    }
}

impl Capped {
    /// Keeps at most `cap` bytes of `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8], cap: usize) -> Self {
        let mut capture = Capture::new(cap);
        capture.push(bytes);
        capture.finish()
    }

    /// The kept bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match &self.kept {
            Stored::Text(text) => Some(text.as_bytes().to_vec()),
            Stored::Base64(text) => STANDARD.decode(text).ok(),
        }
    }
}

/// Collects a stream into a [`Capped`]; memory is bounded by the cap.
#[derive(Clone)]
pub struct Capture {
    cap: usize,
    kept: Vec<u8>,
    length: u64,
    context: Context,
}

impl std::fmt::Debug for Capture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Capture").field("cap", &self.cap).field("length", &self.length).finish_non_exhaustive()
    }
}

impl Capture {
    /// Nothing yet; will keep at most `cap` bytes.
    #[must_use]
    pub fn new(cap: usize) -> Self {
        Self { cap, kept: Vec::new(), length: 0, context: Context::new(&SHA256) }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.context.update(piece);
        self.length = self.length.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let room = self.cap.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// Ends the stream.
    #[must_use]
    pub fn finish(self) -> Capped {
        let Self { kept, length, context, .. } = self;
        let truncated = u64::try_from(kept.len()).is_ok_and(|n_kept| n_kept < length);
        Capped { kept: stored(kept, truncated), length, truncated, sha256: digest_of(&context.finish()) }
    }
}

/// Text where it is text. A character that the cap cut in two is left off.
fn stored(kept: Vec<u8>, truncated: bool) -> Stored {
    match String::from_utf8(kept) {
        Ok(text) => Stored::Text(text),
        Err(error) => {
            let end = error.utf8_error().valid_up_to();
            let is_cut_character = truncated && error.utf8_error().error_len().is_none();
            let mut bytes = error.into_bytes();
            if is_cut_character {
                bytes.truncate(end);
            }
            match String::from_utf8(bytes) {
                Ok(text) => Stored::Text(text),
                Err(error) => Stored::Base64(STANDARD.encode(error.as_bytes())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Capped, IntentContent, Stored};
    use crate::sha256;

    #[test]
    fn the_cap_keeps_a_prefix_and_the_digest_of_the_whole() {
        let facts: [(&[u8], usize, Stored, bool); 5] = [
            (b"hello", 10, Stored::Text("hello".to_owned()), false),
            (b"hello", 5, Stored::Text("hello".to_owned()), false),
            (b"hello", 2, Stored::Text("he".to_owned()), true),
            ("h\u{e9}llo".as_bytes(), 2, Stored::Text("h".to_owned()), true),
            (b"\xff\xfe", 10, Stored::Base64("//4=".to_owned()), false),
        ];
        for (bytes, cap, kept, truncated) in facts {
            let capped = Capped::new(bytes, cap);
            assert_eq!((capped.kept == kept, capped.truncated), (true, truncated), "{bytes:?} {cap}");
            assert_eq!((capped.length, capped.sha256), (bytes.len() as u64, sha256(bytes)));
        }
    }

    /// What was written before shadow policies were, and what is written of one; fixed for ever.
    #[test]
    fn shadow_answers_are_read_and_old_entries_are_too() {
        let before = concat!(
            r#"{"input":{"chain":["user:ada"],"asks":[{"action":"callModel","resource":{"type":"Model","id":"small"}}],"#,
            r#""facts":{"now":1,"credential":"k","credential_age":0,"dialect":null,"stream":false,"findings":{},"#,
            r#""label":{"level":"public","compartments":[],"readers":"everyone","integrity":"user","origins":{"these":[]}},"#,
            r#""ledger_version":0,"answered":[]}},"answer":{"verdict":"deny","reason":"policy-denied","links":[]},"#,
            r#""findings":[],"destinations":[]}"#
        );
        let shadow = concat!(
            r#""shadow":{"verdict":"permit","reason":"permitted","policies":[{"id":"p","file":"a.cedar","line":3}],"#,
            r#""differs":true},"findings":[],"#
        );
        let after = before.replace(r#""findings":[],"#, shadow);
        for (text, has_shadow) in [(before, false), (after.as_str(), true)] {
            let content: IntentContent<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(content.shadow.is_some(), has_shadow);
            assert_eq!(serde_json::to_string(&content).unwrap(), text);
        }
    }

    #[test]
    fn debug_shows_lengths_only() {
        assert!(!format!("{:?}", Capped::new(b"attack at dawn", 100)).contains("dawn"));
    }
}
