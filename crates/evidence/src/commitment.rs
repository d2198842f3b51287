//! What a leaf says of its content without saying it: an HMAC that only a holder of the subject's key can compute.

use aws_lc_rs::{digest, hmac};
use model::Digest;

/// Domain of the commitment key. The encryption key is derived elsewhere, in another domain.
const DOMAIN: &[u8] = b"portcullis commitment v1";

/// The commitment to `content` under a key derived from `subject_key`.
///
/// A plain digest in a plain header would let anybody test guesses at the content, for ever. Once the subject's key is gone,
/// this value says nothing any more.
#[must_use]
pub fn commitment(subject_key: &[u8; 32], content: &[u8]) -> Digest {
    let mut bytes = [0_u8; 32];
    for (target, source) in bytes.iter_mut().zip(hmac::sign(&derive(subject_key), content).as_ref()) {
        *target = *source;
    }
    Digest(bytes)
}

/// Whether `claimed` is the commitment to `content`; compares in constant time.
#[must_use]
pub fn commits_to(subject_key: &[u8; 32], content: &[u8], claimed: &Digest) -> bool {
    hmac::verify(&derive(subject_key), content, &claimed.0).is_ok()
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

/// The commitment key: a pseudo-random function of the subject's key, which is uniform already, in its own domain.
fn derive(subject_key: &[u8; 32]) -> hmac::Key {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, subject_key), DOMAIN);
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

#[cfg(test)]
mod tests {
    use super::{commitment, commits_to};

    #[test]
    fn it_binds_key_and_content() {
        let claimed = commitment(&[7; 32], b"content");
        assert!(commits_to(&[7; 32], b"content", &claimed));
        assert!(!commits_to(&[7; 32], b"Content", &claimed));
        assert!(!commits_to(&[8; 32], b"content", &claimed));
        // Fixed for ever: HMAC-SHA-256(HMAC-SHA-256(07.., "portcullis commitment v1"), "content").
        assert_eq!(claimed.to_string(), "59e25a7ec4ce46ac5cc7bf06bd2b8c6f04320f3ec6928474a913edf2c4535be4");
    }
}
