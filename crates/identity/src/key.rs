//! The text form of a credential: how it is made and how it is read.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{CredentialId, Digest, Name, ReasonCode};
use zeroize::Zeroizing;

use crate::Secret;

/// Random bytes that one credential takes: 8 for its public id, 32 for its secret.
pub const ENTROPY: usize = 40;

/// Characters of the public id: 60 bits, so that ids do not collide; they are no secret.
const ID: usize = 12;
/// Characters of the secret: 32 bytes in base64url without padding.
const SECRET: usize = 43;
/// Characters of the checksum: 36 bits in base64url.
const CHECKSUM: usize = 6;
/// Crockford's alphabet in lower case: no i, l, o, u.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Keeps the checksum apart from every other use of SHA-256 over the same text.
const CHECKSUM_DOMAIN: &[u8] = b"portcullis credential checksum v1\0";

/// Where a credential is valid. There is no credential for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plane {
    /// The data plane: users, agents, services.
    Data,
    /// The admin API: operators.
    Admin,
}

impl Plane {
    /// The prefix that every credential of this plane begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Data => "pcl_",
            Self::Admin => "pclop_",
        }
    }
}

/// Why bytes are not a credential. Says nothing about whether any credential exists; all of it can be seen offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Neither prefix.
    #[error("a credential begins with `pcl_` or `pclop_`")]
    Prefix,
    /// Cut off, or something was pasted along.
    #[error("a credential that begins with `pcl_` has 66 characters, one that begins with `pclop_` has 68")]
    Length,
    /// A character that the form does not have at this place.
    #[error("a credential has a character that does not belong there")]
    Alphabet,
    /// Mistyped, or made up.
    #[error("the credential's checksum does not match, it was mistyped or cut")]
    Checksum,
}

impl IdentityError {
    /// What a caller is told: the same as for a well-formed credential that nobody knows.
    #[must_use]
    pub const fn reason(self) -> ReasonCode {
        ReasonCode::CredentialUnknown
    }
}

/// A new credential: the text, shown once, and what the gate keeps.
#[derive(Debug)]
#[must_use = "the secret can not be shown a second time"]
pub struct Minted {
    /// The whole credential as its holder presents it.
    pub secret: Secret,
    /// Prefix and public id, `pcl_` and 12 characters: what lists and logs show, and what the credential begins with.
    pub id: CredentialId,
    /// SHA-256 over the whole credential.
    pub hash: Digest,
}

/// What a caller presented, well-formed; whether anybody knows it is for [`crate::verify()`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The public part, to look the credential up with.
    pub id: CredentialId,
    /// SHA-256 over the whole text.
    pub hash: Digest,
    /// The plane that the prefix names.
    pub plane: Plane,
}

/// Makes a credential out of fresh random bytes from a cryptographic source, which are wiped.
pub fn mint(plane: Plane, random: [u8; ENTROPY]) -> Minted {
    let random = Zeroizing::new(random);
    let (for_id, for_secret) = random.split_at(ENTROPY - 32);
    let mut text = String::with_capacity(plane.prefix().len() + ID + 1 + SECRET + CHECKSUM);
    text.push_str(plane.prefix());
    let mut bits = for_id.iter().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    for _ in 0..ID {
        let letter = usize::try_from(bits & 31).ok().and_then(|digit| CROCKFORD.get(digit)).copied().unwrap_or(b'0');
        text.push(char::from(letter));
        bits >>= 5;
    }
    let id = shown_id(&text);
    text.push('_');
    URL_SAFE_NO_PAD.encode_string(for_secret, &mut text);
    let sum = checksum(text.as_bytes());
    text.push_str(&sum);
    let hash = sha256(&[text.as_bytes()]);
    Minted { secret: Secret::new(text), id, hash }
}

/// Reads what a caller presented. Looks at no more than 68 bytes, however many there are.
///
/// # Errors
/// [`IdentityError`] for everything that [`mint`] cannot have made.
pub fn parse(presented: &[u8]) -> Result<Presented, IdentityError> {
    let plane = [Plane::Data, Plane::Admin].into_iter().find(|plane| presented.starts_with(plane.prefix().as_bytes()));
    let plane = plane.ok_or(IdentityError::Prefix)?;
    let head = plane.prefix().len() + ID;
    if presented.len() != head + 1 + SECRET + CHECKSUM {
        return Err(IdentityError::Length);
    }
    let text = std::str::from_utf8(presented).map_err(|_| IdentityError::Alphabet)?;
    let cut = |at: usize| text.split_at_checked(at).ok_or(IdentityError::Alphabet);
    let (shown, rest) = cut(head)?;
    let (body, sum) = cut(head + 1 + SECRET)?;
    let id_is_well = shown.bytes().skip(plane.prefix().len()).all(|byte| CROCKFORD.contains(&byte));
    let secret = rest.strip_prefix('_').and_then(|rest| rest.get(..SECRET)).ok_or(IdentityError::Alphabet)?;
    // Strict decoding: the two spare bits of the last character must be zero, so one secret has one text.
    let decodes = URL_SAFE_NO_PAD.decode(secret).map(Zeroizing::new).is_ok_and(|bytes| bytes.len() == 32);
    if !id_is_well || !decodes {
        return Err(IdentityError::Alphabet);
    }
    verify_slices_are_equal(checksum(body.as_bytes()).as_bytes(), sum.as_bytes()).map_err(|_| IdentityError::Checksum)?;
    Ok(Presented { id: shown_id(shown), hash: sha256(&[presented]), plane })
}

/// The first 36 bits of SHA-256 over the text before it. Part of the credential and as secret as the rest of it.
fn checksum(body: &[u8]) -> Zeroizing<String> {
    let sum = sha256(&[CHECKSUM_DOMAIN, body]);
    let mut text = Zeroizing::new(URL_SAFE_NO_PAD.encode(sum.0));
    text.truncate(CHECKSUM);
    text
}

fn sha256(parts: &[&[u8]]) -> Digest {
    let whole = Zeroizing::new(parts.concat());
    let mut bytes = [0_u8; 32];
    for (target, source) in bytes.iter_mut().zip(digest(&SHA256, &whole).as_ref()) {
        *target = *source;
    }
    Digest(bytes)
}

#[expect(clippy::expect_used, reason = "a prefix and Crockford digits are 16 to 18 characters of the alphabet of names")]
fn shown_id(text: &str) -> CredentialId {
    Name::new(text).expect("prefix and digits are a name")
}

#[cfg(test)]
mod tests;
