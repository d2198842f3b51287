//! Issuing and rotating: a rotation goes on with the ledger of the credential before it, only a new one starts clean.

use model::{Credential, Holder, UnixMillis};

use crate::key::{ENTROPY, Minted, Plane, mint};
use crate::secret::Secret;

/// A new credential: the text for its holder, shown once, and the entry for the store.
#[derive(Debug)]
#[must_use = "the secret can not be shown a second time"]
pub struct Issued {
    /// The whole credential.
    pub secret: Secret,
    /// What the store keeps.
    pub credential: Credential,
}

/// A rotation: what comes, and when what was ends.
#[derive(Debug)]
#[must_use = "the secret can not be shown a second time"]
pub struct Rotated {
    /// The new credential, with the old one's holder and ledger.
    pub issued: Issued,
    /// When the old one ends; never later than it would have ended anyway.
    pub previous_expires: UnixMillis,
}

/// Why a credential cannot be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// It has ended; rotating it would bring it back to life.
    #[error("a credential that has expired cannot be rotated, create a new one")]
    Expired,
}

/// Makes a credential for `holder` with a clean ledger of its own.
pub fn issue(random: [u8; ENTROPY], holder: Holder, now: UnixMillis, expires: Option<UnixMillis>) -> Issued {
    let plane = match holder {
        Holder::Data { .. } => Plane::Data,
        Holder::Admin { .. } => Plane::Admin,
    };
    let Minted { secret, id, hash } = mint(plane, random);
    Issued { secret, credential: Credential { ledger: id.clone(), id, hash, holder, created: now, expires } }
}

/// Makes the successor of `previous`, which stays valid for `overlap` seconds so that its holder can change over.
///
/// The ledger stays: what the task has seen cannot be washed off by rotating.
///
/// # Errors
/// [`RotateError::Expired`] if `previous` has already ended at `now`.
pub fn rotate(
    random: [u8; ENTROPY],
    previous: &Credential,
    now: UnixMillis,
    overlap: u64,
    expires: Option<UnixMillis>,
) -> Result<Rotated, RotateError> {
    if previous.is_expired(now) {
        return Err(RotateError::Expired);
    }
    let mut issued = issue(random, previous.holder.clone(), now, expires);
    issued.credential.ledger = previous.ledger.clone();
    let end = now.plus_seconds(overlap);
    Ok(Rotated { issued, previous_expires: previous.expires.map_or(end, |earlier| earlier.min(end)) })
}

#[cfg(test)]
mod tests {
    use model::{Chain, Holder, UnixMillis};

    use super::{Issued, RotateError, issue, rotate};
    use crate::key::ENTROPY;

    const NOW: UnixMillis = UnixMillis(5_000);

    fn issued(expires: Option<UnixMillis>) -> Issued {
        let chain = Chain::new(vec!["agent:desk".parse().unwrap()]).unwrap();
        issue([3; ENTROPY], Holder::Data { chain }, UnixMillis(0), expires)
    }

    #[test]
    fn rotation_keeps_the_ledger_and_only_a_new_credential_starts_clean() {
        let first = issued(None).credential;
        assert_eq!(first.ledger, first.id);
        let second = rotate([4; ENTROPY], &first, NOW, 60, None).unwrap();
        let third = rotate([5; ENTROPY], &second.issued.credential, NOW, 60, Some(UnixMillis(9_000))).unwrap().issued.credential;
        for later in [&second.issued.credential, &third] {
            assert_eq!(later.ledger, first.id);
            assert_eq!(later.holder, first.holder);
            assert_ne!(later.id, first.id);
            assert_ne!(later.hash, first.hash);
        }
        assert_eq!(third.expires, Some(UnixMillis(9_000)));
    }

    #[test]
    fn the_old_one_ends_after_the_overlap_and_never_later_than_before() {
        let facts = [
            (None, 60, 65_000),
            (Some(6_000), 60, 6_000),
            (Some(99_000), 60, 65_000),
            (None, 0, 5_000),
            (None, u64::MAX, u64::MAX),
        ];
        for (expires, overlap, end) in facts {
            let previous = issued(expires.map(UnixMillis)).credential;
            let rotated = rotate([4; ENTROPY], &previous, NOW, overlap, None).unwrap();
            assert_eq!(rotated.previous_expires, UnixMillis(end), "{expires:?} {overlap}");
        }
    }

    #[test]
    fn what_has_ended_stays_ended() {
        let previous = issued(Some(NOW)).credential;
        assert_eq!(rotate([4; ENTROPY], &previous, NOW, 60, None).unwrap_err(), RotateError::Expired);
    }
}
