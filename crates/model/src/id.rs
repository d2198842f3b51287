//! Names and ids that cannot hold a wrong value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::UnixMillis;

/// Why a text is not an id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdError {
    /// A name has a character outside the alphabet or is too long.
    #[error(
        "`{0}` is not a name: expected 1 to 128 of a-z, A-Z, 0-9, `.`, `_`, `-`, `@`, `:`, `/`, starting with a letter or digit"
    )]
    Name(String),
    /// A principal lacks a known kind.
    #[error("`{0}` is not a principal: expected `user:NAME`, `agent:NAME`, `service:NAME`, `pep:NAME` or `operator:NAME`")]
    Principal(String),
    /// A request id is malformed.
    #[error("`{0}` is not a request id: expected `req_` and 26 characters of Crockford base32")]
    Request(String),
    /// A digest is malformed.
    #[error("`{0}` is not a digest: expected 64 hexadecimal digits")]
    Digest(String),
}

/// A name an operator gave: 1 to 128 bytes of `[A-Za-z0-9._@:/-]`, starting with a letter or digit.
///
/// Cheap to clone. The alphabet has no space, quote, control or non-ASCII character, so a name can stand in a log line,
/// a header or a Cedar entity id without escaping and without a look-alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

/// Longest name in bytes.
const MAX_NAME: usize = 128;

impl Name {
    /// Checks `text` against the alphabet.
    ///
    /// # Errors
    /// [`IdError::Name`] if it has a foreign character or a length outside 1..=128.
    pub fn new(text: &str) -> Result<Self, IdError> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@:/".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX_NAME && text.bytes().all(is_known) {
            return Ok(Self(text.into()));
        }
        let shown: String = text.chars().take(MAX_NAME).flat_map(char::escape_default).collect();
        Err(IdError::Name(shown))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

/// The name of a model as clients ask for it: an alias declared in the configuration.
pub type ModelName = Name;

/// What kind of party a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A human being.
    User,
    /// A program that plans and acts with a model.
    Agent,
    /// A program with fixed behaviour.
    Service,
    /// A human being who runs the gate; valid on the admin API only.
    Operator,
    /// An enforcement point: it asks for decisions about others, and does nothing itself.
    Pep,
}

impl PrincipalKind {
    /// The kind as written before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Service => "service",
            Self::Operator => "operator",
            Self::Pep => "pep",
        }
    }
}

/// One party: kind and name, written `agent:travel`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrincipalId {
    /// What kind of party.
    pub kind: PrincipalKind,
    /// Its name, unique within the kind.
    pub name: Name,
}

impl PrincipalId {
    /// Puts a kind and a name together.
    #[must_use]
    pub const fn new(kind: PrincipalKind, name: Name) -> Self {
        Self { kind, name }
    }
}

impl fmt::Debug for PrincipalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.kind.as_str(), self.name)
    }
}

impl FromStr for PrincipalId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Principal(text.chars().take(MAX_NAME).flat_map(char::escape_default).collect());
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        let kind = match kind {
            "user" => PrincipalKind::User,
            "agent" => PrincipalKind::Agent,
            "service" => PrincipalKind::Service,
            "operator" => PrincipalKind::Operator,
            "pep" => PrincipalKind::Pep,
            _ => return Err(wrong()),
        };
        Ok(Self { kind, name: Name::new(name)? })
    }
}

impl TryFrom<String> for PrincipalId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<PrincipalId> for String {
    fn from(id: PrincipalId) -> Self {
        id.to_string()
    }
}

/// The public part of a credential: shown in lists and logs, never enough to use it.
pub type CredentialId = Name;

/// Crockford's alphabet: no I, L, O, U, so that a person can read an id aloud.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The id of one interaction: 48 bits of time and 80 random bits, written `req_` and 26 characters that sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(u128);

impl RequestId {
    /// Builds an id from the time and 10 random bytes.
    #[must_use]
    pub fn new(now: UnixMillis, random: [u8; 10]) -> Self {
        let mut wide = [0_u8; 16];
        for (target, source) in wide.iter_mut().skip(6).zip(random) {
            *target = source;
        }
        Self((u128::from(now.0 & 0xFFFF_FFFF_FFFF) << 80) | u128::from_be_bytes(wide))
    }

    /// When the interaction began.
    #[must_use]
    pub fn time(self) -> UnixMillis {
        UnixMillis(u64::try_from(self.0 >> 80).unwrap_or(u64::MAX))
    }

    /// The id as 16 bytes, big endian; sorts like the text.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = (0..26).rev().map(|shift| {
            let digit = usize::try_from((self.0 >> (shift * 5)) & 31).unwrap_or(0);
            char::from(CROCKFORD.get(digit).copied().unwrap_or(b'0'))
        });
        let text: String = "req_".chars().chain(letters).collect();
        formatter.write_str(&text)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RequestId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Request(text.chars().take(64).flat_map(char::escape_default).collect());
        let digits = text.strip_prefix("req_").ok_or_else(wrong)?;
        if digits.len() != 26 {
            return Err(wrong());
        }
        let mut value = 0_u128;
        for byte in digits.bytes() {
            let digit = CROCKFORD.iter().position(|letter| *letter == byte).ok_or_else(wrong)?;
            value =
                value.checked_mul(32).and_then(|shifted| shifted.checked_add(u128::try_from(digit).ok()?)).ok_or_else(wrong)?;
        }
        Ok(Self(value))
    }
}

impl TryFrom<String> for RequestId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.to_string()
    }
}

/// A SHA-256 digest, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: a digest stands many times in every entry of the log, and formatting byte by byte is slow.
        let digit = |nibble: u8| char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        let text: String = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        formatter.write_str(&text)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Digest(text.chars().take(80).flat_map(char::escape_default).collect());
        // A sign is no digit, though `from_str_radix` takes one.
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (target, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let digits = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *target = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Name, PrincipalId, RequestId};
    use crate::UnixMillis;

    #[test]
    fn request_ids_read_back_and_sort_by_time() -> Result<(), super::IdError> {
        let early = RequestId::new(UnixMillis(1_700_000_000_000), [0xFF; 10]);
        let late = RequestId::new(UnixMillis(1_700_000_000_001), [0; 10]);
        assert_eq!(early.to_string().parse::<RequestId>()?, early);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.time(), UnixMillis(1_700_000_000_000));
        Ok(())
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in
            ["", "req_", "req_8ZZZZZZZZZZZZZZZZZZZZZZZZZZ", "req_ILOU00000000000000000000000", "rid_00000000000000000000000000"]
        {
            assert!(text.parse::<RequestId>().is_err(), "{text}");
        }
        for text in ["", "-a", "a b", "a\"b", "é", "a\n", &"a".repeat(129)] {
            assert!(Name::new(text).is_err(), "{text}");
        }
        for text in ["alice", "robot:alice", "user:", "user: a"] {
            assert!(text.parse::<PrincipalId>().is_err(), "{text}");
        }
        assert!("zz".repeat(32).parse::<Digest>().is_err());
        assert!("+a".repeat(32).parse::<Digest>().is_err());
    }
}
