//! Names of what a provider keeps, bound to the task that had it kept.
//!
//! A provider gives back what it keeps (a stored response) to whoever names it with the gate's own credential, and that is
//! everybody behind the gate. So the gate puts a tag behind each such name before a client sees it, and takes no name without a
//! tag that the caller's own task got. There is no table: the tag is a MAC over the task's ledger and the name.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Domain of the keys; tokens are signed with the same seeds in another.
const DOMAIN: &[u8] = b"portcullis handle v1";
/// Between name and tag.
const MARK: &str = "_pcl";
/// Bytes of the tag: half of HMAC-SHA-256, as RFC 2104 (5) allows.
const TAG: usize = 16;
/// Longest name that is sealed, in bytes. Providers' are below 100.
const LONGEST: usize = 256;

/// The keys with which names are bound, the newest last. Old ones still open what they sealed.
pub struct Handles(Vec<hmac::Key>);

impl std::fmt::Debug for Handles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Handles({})", self.0.len())
    }
}

impl Handles {
    /// Keys out of uniform seeds, the newest last.
    #[must_use]
    pub fn new(seeds: &[Zeroizing<[u8; 32]>]) -> Self {
        let derived = seeds.iter().map(|seed| {
            let secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &**seed), DOMAIN);
            hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())
        });
        Self(derived.collect())
    }

    /// `name` as the task with this ledger may name it again; `None` without a key, or for a name that is too long.
    #[must_use]
    pub fn seal(&self, ledger: &str, name: &str) -> Option<String> {
        let key = self.0.last().filter(|_| name.len() <= LONGEST)?;
        let tag = hmac::sign(key, &bound(ledger, name));
        let tag: String = tag.as_ref().iter().take(TAG).map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{name}{MARK}{tag}"))
    }

    /// The name behind `sealed`, if it was sealed for this ledger. In constant time but for the number of keys.
    #[must_use]
    pub fn open<'s>(&self, ledger: &str, sealed: &'s str) -> Option<&'s str> {
        let (name, tag) = sealed.rsplit_once(MARK)?;
        if name.len() > LONGEST || tag.len() != 2 * TAG {
            return None;
        }
        self.0.iter().rev().find_map(|key| {
            let wanted = hmac::sign(key, &bound(ledger, name));
            let wanted: String = wanted.as_ref().iter().take(TAG).map(|byte| format!("{byte:02x}")).collect();
            let is_same = aws_lc_rs::constant_time::verify_slices_are_equal(wanted.as_bytes(), tag.as_bytes()).is_ok();
            is_same.then_some(name)
        })
    }
}

/// What is authenticated: ledgers hold no NUL, so no two pairs read the same.
fn bound(ledger: &str, name: &str) -> Vec<u8> {
    [ledger.as_bytes(), &[0], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::{Handles, Zeroizing};

    fn handles(seeds: &[u8]) -> Handles {
        Handles::new(&seeds.iter().map(|seed| Zeroizing::new([*seed; 32])).collect::<Vec<_>>())
    }

    #[test]
    fn only_the_own_task_opens_what_was_sealed() {
        let keys = handles(&[1]);
        let sealed = keys.seal("key-a", "resp_1").unwrap();
        assert!(sealed.starts_with("resp_1_pcl") && sealed.len() == 10 + 32);
        assert_eq!(keys.open("key-a", &sealed), Some("resp_1"));
        for (ledger, text) in [
            ("key-b", sealed.as_str()),
            ("key-a", "resp_1"),
            ("key-a", &sealed.replace("resp_1", "resp_2")),
            ("key-a", sealed.strip_suffix(|_| true).unwrap()),
            ("key-a", &format!("{sealed}0")),
            ("key-a", &sealed.to_uppercase()),
            ("key-a", ""),
        ] {
            assert_eq!(keys.open(ledger, text), None, "{text}");
        }
    }

    #[test]
    fn old_keys_open_and_new_ones_seal() {
        let (old, both, new) = (handles(&[1]), handles(&[1, 2]), handles(&[2]));
        let sealed = old.seal("t", "resp").unwrap();
        assert_eq!(both.open("t", &sealed), Some("resp"));
        assert_eq!(new.open("t", &sealed), None);
        assert_eq!(both.seal("t", "resp"), new.seal("t", "resp"));
        assert_eq!(handles(&[]).seal("t", "resp"), None);
        assert_eq!(new.seal("t", &"r".repeat(257)), None);
        assert_eq!(format!("{both:?}"), "Handles(2)");
    }

    #[test]
    fn a_name_with_the_mark_in_it_is_a_name() {
        let keys = handles(&[3]);
        let once = keys.seal("t", "resp_pclx").unwrap();
        let twice = keys.seal("t", &once).unwrap();
        assert_eq!(keys.open("t", &once), Some("resp_pclx"));
        assert_eq!(keys.open("t", &twice), Some(once.as_str()));
    }
}
