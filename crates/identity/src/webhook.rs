//! Signed messages between services, as Standard Webhooks has them: HMAC-SHA-256 over id, time and body under a shared key.
//!
//! Who may say what is not decided here, nor whether a message was seen before: a caller keeps the ids of [`FRESH`] seconds.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::UnixMillis;
use zeroize::Zeroizing;

/// How old a message may be, and how far ahead of our clock, in seconds.
pub const FRESH: u64 = 300;
/// What a key begins with.
const PREFIX: &str = "whsec_";
/// Longest id of a message, in bytes.
const MAX_ID: usize = 128;
/// Most signatures of one message: one per key while keys are changed.
const MAX_SIGNATURES: usize = 8;
/// Longest value of the header that holds them, in bytes.
const MAX_HEADER: usize = 1024;
/// Domain of the name of a key.
const NAME: &[u8] = b"portcullis webhook key v1";

/// A shared key: 24 to 64 bytes.
#[derive(Clone)]
pub struct WebhookKey(Arc<hmac::Key>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `whsec_` and the base64 of 24 to 64 random bytes, such as `echo whsec_$(openssl rand -base64 32)` writes")]
pub struct NoWebhookKey;

impl fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookKey(..)")
    }
}

impl PartialEq for WebhookKey {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for WebhookKey {}

impl WebhookKey {
    /// Reads a key.
    ///
    /// # Errors
    /// [`NoWebhookKey`]; the text is not quoted.
    //= https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
    //# base64 encoded, prefixed with `whsec_`
    pub fn parse(text: &str) -> Result<Self, NoWebhookKey> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).map(Zeroizing::new);
        let bytes = bytes.filter(|bytes| (24..=64).contains(&bytes.len())).ok_or(NoWebhookKey)?;
        Ok(Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }

    /// A name that tells keys apart and nothing of them.
    #[must_use]
    pub fn name(&self) -> String {
        hex::encode(hmac::sign(&self.0, NAME).as_ref().get(..8).unwrap_or_default())
    }

    /// The signature of a message, as its header has it; `at` in seconds since 1970 UTC.
    #[must_use]
    pub fn sign(&self, id: &str, at: u64, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.0, &signed(id, at, body)).as_ref()))
    }

    /// Whether one of the signatures is this key's. In constant time but for how many there are.
    fn has_signed(&self, message: &Message<'_>) -> bool {
        let ours = hmac::sign(&self.0, &signed(message.id, message.at, message.body));
        message.signatures.iter().fold(false, |found, told| found | verify_slices_are_equal(ours.as_ref(), told).is_ok())
    }
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is missing, stands there twice, or has another form.
    #[error(
        "expected one header each of `webhook-id`, `webhook-timestamp` and `webhook-signature`, as Standard Webhooks has them"
    )]
    Malformed,
    /// It is too old, or from the future.
    #[error("the message was signed more than {FRESH} seconds ago, or by a clock that is ahead: sign it anew")]
    Stale,
    /// No key has signed it.
    #[error("no key that is known here has signed the message")]
    Forged,
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'b> {
    /// The sender's name of it.
    pub id: &'b str,
    /// When it was signed, in seconds since 1970 UTC.
    pub at: u64,
    body: &'b [u8],
    signatures: Vec<Vec<u8>>,
}

impl<'b> Message<'b> {
    /// Reads the headers of a message; each is given every value that it has.
    ///
    /// # Errors
    /// [`WebhookError::Malformed`].
    pub fn read(id: &[&'b [u8]], timestamp: &[&[u8]], signature: &[&[u8]], body: &'b [u8]) -> Result<Self, WebhookError> {
        let ([id], [timestamp], [signature]) = (id, timestamp, signature) else { return Err(WebhookError::Malformed) };
        let text = |bytes: &'b [u8]| std::str::from_utf8(bytes).ok();
        // What is signed is joined by points: a point in the id could be moved into the time or the body.
        let is_id =
            |id: &&str| (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        let id = text(id).filter(is_id).ok_or(WebhookError::Malformed)?;
        let digits = std::str::from_utf8(timestamp).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        // Written in one way: what is signed is the text.
        let is_plain = |text: &&str| (1..=12).contains(&text.len()) && (!text.starts_with('0') || *text == "0");
        let at = digits.filter(is_plain).and_then(|text| text.parse().ok()).ok_or(WebhookError::Malformed)?;
        let told = std::str::from_utf8(signature).ok().filter(|text| text.len() <= MAX_HEADER).ok_or(WebhookError::Malformed)?;
        // Other versions are other schemes; who speaks several is understood by the one that is known.
        let known = told.split(' ').filter_map(|one| one.strip_prefix("v1,")).take(MAX_SIGNATURES);
        let signatures = known.filter_map(|text| STANDARD.decode(text).ok()).collect();
        Ok(Self { id, at, body, signatures })
    }

    /// Who has signed it, of those whose keys are given; at `now`.
    ///
    /// # Errors
    /// [`WebhookError::Forged`] and, of a message that was signed by a key, [`WebhookError::Stale`].
    pub fn signer<'k, N>(
        &self,
        keys: impl Iterator<Item = (N, &'k WebhookKey)>,
        now: UnixMillis,
    ) -> Result<(N, &'k WebhookKey), WebhookError> {
        // All are tried: how long it takes tells nobody whose key it was.
        let found = keys.fold(None, |found, (name, key)| if key.has_signed(self) { Some((name, key)) } else { found });
        let found = found.ok_or(WebhookError::Forged)?;
        if self.at.abs_diff(now.seconds()) > FRESH { Err(WebhookError::Stale) } else { Ok(found) }
    }
}

fn signed(id: &str, at: u64, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", at.to_string().as_bytes(), b".", body].concat()
}

#[cfg(test)]
mod tests {
    use super::{FRESH, Message, NoWebhookKey, UnixMillis, WebhookError, WebhookKey};

    // The example of the reference libraries.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: u64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signer(id: &str, at: &str, signature: &str, body: &[u8], now: u64) -> Result<&'static str, WebhookError> {
        let other = WebhookKey::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        let keys = [("anna", WebhookKey::parse(KEY).unwrap()), ("otto", other)];
        let message = Message::read(&[id.as_bytes()], &[at.as_bytes()], &[signature.as_bytes()], body)?;
        message.signer(keys.iter().map(|(name, key)| (*name, key)), UnixMillis(now * 1000)).map(|(name, _)| name)
    }

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(WebhookKey::parse(KEY).unwrap().sign(ID, AT, BODY), SIGNATURE);
        assert_eq!(signer(ID, &AT.to_string(), SIGNATURE, BODY, AT), Ok("anna"));
        let several = format!("v1a,AAAA v1,bm9uc2Vuc2U= {SIGNATURE} v2,x");
        assert_eq!(signer(ID, &AT.to_string(), &several, BODY, AT + FRESH), Ok("anna"));
    }

    #[test]
    fn what_is_not_signed_so_is_not_taken() {
        let at = AT.to_string();
        let (later, padded) = ((AT + 1).to_string(), format!("0{AT}"));
        let long = "m".repeat(129);
        let many = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(8));
        let facts = [
            (ID, at.as_str(), SIGNATURE, &b"{\"test\": 2432232315}"[..], AT, WebhookError::Forged),
            ("msg_other", &at, SIGNATURE, BODY, AT, WebhookError::Forged),
            (ID, &later, SIGNATURE, BODY, AT, WebhookError::Forged),
            (ID, &at, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", BODY, AT, WebhookError::Forged),
            (ID, &at, "v1,", BODY, AT, WebhookError::Forged),
            (ID, &at, "", BODY, AT, WebhookError::Forged),
            (ID, &at, SIGNATURE.trim_start_matches("v1,"), BODY, AT, WebhookError::Forged),
            (ID, &at, &SIGNATURE.replace("v1,", "v2,"), BODY, AT, WebhookError::Forged),
            (ID, &at, &many, BODY, AT, WebhookError::Forged),
            (ID, &at, SIGNATURE, BODY, AT + FRESH + 1, WebhookError::Stale),
            (ID, &at, SIGNATURE, BODY, AT - FRESH - 1, WebhookError::Stale),
            (ID, &padded, SIGNATURE, BODY, AT, WebhookError::Malformed),
            (ID, "-1", SIGNATURE, BODY, AT, WebhookError::Malformed),
            (ID, "", SIGNATURE, BODY, AT, WebhookError::Malformed),
            ("", &at, SIGNATURE, BODY, AT, WebhookError::Malformed),
            ("a.b", &at, SIGNATURE, BODY, AT, WebhookError::Malformed),
            (&long, &at, SIGNATURE, BODY, AT, WebhookError::Malformed),
        ];
        for (id, at, signature, body, now, expected) in facts {
            assert_eq!(signer(id, at, signature, body, now), Err(expected), "{id} {at} {signature}");
        }
        let twice = Message::read(&[b"a", b"b"], &[b"1"], &[b"v1,"], b"");
        assert_eq!(twice, Err(WebhookError::Malformed));
    }

    #[test]
    fn a_point_cannot_be_moved() {
        let key = WebhookKey::parse(KEY).unwrap();
        let signature = key.sign("a", 1, b"2.x");
        assert_eq!(signature, key.sign("a.1", 2, b"x"), "why an id has no point");
        assert_eq!(signer("a.1", "2", &signature, b"x", 2), Err(WebhookError::Malformed));
    }

    #[test]
    fn keys_are_long_enough_and_print_nothing() {
        for short in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!"] {
            assert_eq!(WebhookKey::parse(short).err(), Some(NoWebhookKey), "{short}");
        }
        let key = WebhookKey::parse(KEY).unwrap();
        assert_eq!(format!("{key:?}"), "WebhookKey(..)");
        assert_eq!((key.name().len(), key == WebhookKey::parse(KEY).unwrap()), (16, true));
    }
}
