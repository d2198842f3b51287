//! What a leaf says of its content without saying it: an HMAC that only a holder of the subject's key can compute.

use aws_lc_rs::{digest, hmac};
use model::Digest;

/// Domain of the commitment key. The encryption key is derived elsewhere, in another domain.
const DOMAIN: &[u8] = b"portcullis commitment v1";

/// What a holder of a subject's key commits to content with.
///
/// A plain digest in a plain header would let anybody test guesses at the content, for ever. Once the subject's key is gone,
/// a commitment says nothing any more.
pub struct CommitmentKey(hmac::Key);

impl std::fmt::Debug for CommitmentKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("CommitmentKey")
    }
}

impl CommitmentKey {
    /// A pseudo-random function of the subject's key, which is uniform already, in its own domain.
    #[must_use]
    pub fn new(subject_key: &[u8; 32]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, subject_key), DOMAIN);
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// The commitment to `content`.
    #[must_use]
    pub fn commit(&self, content: &[u8]) -> Digest {
        let mut bytes = [0_u8; 32];
        for (target, source) in bytes.iter_mut().zip(hmac::sign(&self.0, content).as_ref()) {
            *target = *source;
        }
        Digest(bytes)
    }

    /// Whether `claimed` is the commitment to `content`; compares in constant time.
    #[must_use]
    pub fn verify(&self, content: &[u8], claimed: &Digest) -> bool {
        hmac::verify(&self.0, content, &claimed.0).is_ok()
    }
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    digest_of(&digest::digest(&digest::SHA256, bytes))
}

pub(crate) fn digest_of(output: &digest::Digest) -> Digest {
    let mut bytes = [0_u8; 32];
    for (target, source) in bytes.iter_mut().zip(output.as_ref()) {
        *target = *source;
    }
    Digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::CommitmentKey;

    #[test]
    fn it_binds_key_and_content() {
        let key = CommitmentKey::new(&[7; 32]);
        let claimed = key.commit(b"content");
        assert!(key.verify(b"content", &claimed));
        assert!(!key.verify(b"Content", &claimed));
        assert!(!CommitmentKey::new(&[8; 32]).verify(b"content", &claimed));
        // Fixed for ever: HMAC-SHA-256(HMAC-SHA-256(07.., "portcullis commitment v1"), "content").
        assert_eq!(claimed.to_string(), "59e25a7ec4ce46ac5cc7bf06bd2b8c6f04320f3ec6928474a913edf2c4535be4");
    }
}
