//! Whether a presented credential is the one the store knows, is in time and stands at the right port.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use model::{Credential, Digest, Holder, ReasonCode, UnixMillis};

use crate::{Plane, Presented};

/// Compared with when the store knows no such id, so that both ways do the same work. SHA-256 of nothing we would ever mint.
const NOBODY: Digest = Digest([0; 32]);

/// Holds `presented` against the entry that the store has under its id, if it has one, and returns that entry.
///
/// An id that does not exist and a wrong secret for one that does give the same answer after the same work. That it expired is
/// told only to somebody who knows the whole secret; that it belongs to the other port can be read off its prefix by anybody.
///
/// # Errors
/// [`ReasonCode::CredentialWrongPlane`], [`ReasonCode::CredentialUnknown`] or [`ReasonCode::CredentialExpired`].
pub fn verify<'c>(
    presented: &Presented,
    known: Option<&'c Credential>,
    now: UnixMillis,
    plane: Plane,
) -> Result<&'c Credential, ReasonCode> {
    let expected = known.map_or(&NOBODY, |credential| &credential.hash);
    let is_same = verify_slices_are_equal(&expected.0, &presented.hash.0).is_ok();
    if presented.plane != plane {
        return Err(ReasonCode::CredentialWrongPlane);
    }
    // Both planes are compared again with the entry: a store that filed it under the wrong one must not open the port.
    let is_for = |credential: &Credential| {
        let holder_plane = match credential.holder {
            Holder::Data { .. } => Plane::Data,
            Holder::Admin { .. } => Plane::Admin,
        };
        holder_plane == plane && credential.id == presented.id
    };
    let credential = known.filter(|known| is_same && is_for(known)).ok_or(ReasonCode::CredentialUnknown)?;
    if credential.is_expired(now) {
        return Err(ReasonCode::CredentialExpired);
    }
    Ok(credential)
}

#[cfg(test)]
mod tests {
    use model::{Chain, Digest, Holder, Name, OperatorRole, ReasonCode, UnixMillis};

    use super::verify;
    use crate::{ENTROPY, Issued, Plane, Presented, issue, parse};

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn data() -> Holder {
        Holder::Data { chain: Chain::new(vec!["user:ada".parse().unwrap(), "agent:desk".parse().unwrap()]).unwrap() }
    }

    fn admin() -> Holder {
        Holder::Admin { operator: Name::new("ops").unwrap(), role: OperatorRole::Admin }
    }

    fn issued(holder: Holder, seed: u8, expires: Option<UnixMillis>) -> (Issued, Presented) {
        let issued = issue([seed; ENTROPY], holder, NOW, expires);
        let presented = parse(issued.secret.expose().as_bytes()).unwrap();
        (issued, presented)
    }

    #[test]
    fn who_gets_in() {
        let (key, presented) = issued(data(), 1, Some(UnixMillis(2_000_000)));
        let known = Some(&key.credential);
        assert_eq!(verify(&presented, known, NOW, Plane::Data), Ok(&key.credential));
        assert_eq!(verify(&presented, known, UnixMillis(1_999_999), Plane::Data), Ok(&key.credential));
        let facts = [
            (known, UnixMillis(2_000_000), Plane::Data, ReasonCode::CredentialExpired),
            (known, NOW, Plane::Admin, ReasonCode::CredentialWrongPlane),
            (None, NOW, Plane::Admin, ReasonCode::CredentialWrongPlane),
            (None, NOW, Plane::Data, ReasonCode::CredentialUnknown),
        ];
        for (known, now, plane, expected) in facts {
            assert_eq!(verify(&presented, known, now, plane), Err(expected));
        }
        let (operator, presented) = issued(admin(), 2, None);
        assert_eq!(verify(&presented, Some(&operator.credential), NOW, Plane::Admin), Ok(&operator.credential));
        assert_eq!(verify(&presented, Some(&operator.credential), NOW, Plane::Data), Err(ReasonCode::CredentialWrongPlane));
    }

    #[test]
    fn a_known_id_and_an_unknown_one_look_alike() {
        let (key, presented) = issued(data(), 1, Some(UnixMillis(1)));
        let guess = Presented { hash: Digest([9; 32]), ..presented.clone() };
        for now in [UnixMillis(0), NOW] {
            for plane in [Plane::Data, Plane::Admin] {
                assert_eq!(verify(&guess, Some(&key.credential), now, plane), verify(&guess, None, now, plane));
            }
        }
        // Not even a hash of zeros finds a door when the store knows nobody.
        let zeros = Presented { hash: Digest([0; 32]), ..presented };
        assert_eq!(verify(&zeros, None, NOW, Plane::Data), Err(ReasonCode::CredentialUnknown));
    }

    #[test]
    fn a_store_that_mixes_entries_up_opens_nothing() {
        let (key, presented) = issued(data(), 1, None);
        let mut misfiled = key.credential.clone();
        misfiled.holder = admin();
        assert_eq!(verify(&presented, Some(&misfiled), NOW, Plane::Data), Err(ReasonCode::CredentialUnknown));
        let mut renamed = key.credential;
        renamed.id = Name::new("pcl_000000000000").unwrap();
        assert_eq!(verify(&presented, Some(&renamed), NOW, Plane::Data), Err(ReasonCode::CredentialUnknown));
    }
}
