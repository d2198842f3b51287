//! Names of what a provider keeps, bound to the task that had it kept.
//!
//! A provider gives back what it keeps (a stored response) to whoever names it with the gate's own credential, and that is
//! everybody behind the gate. So the gate puts a mark and a tag behind each such name before a client sees it, and takes no name
//! without a tag that the caller's own task got. There is no table: the tag is a MAC over the task, the mark and the name, and the
//! mark says which upstream keeps it, in a form that names none.

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

/// Domain of the keys; tokens are signed with the same seeds in another.
const DOMAIN: &[u8] = b"portcullis handle v2";
/// Between the name and what the gate puts behind it.
const SEAM: &str = "_pcl";
/// Bytes of a mark: among a thousand routes two share one with a chance of one in a billion, and no caller chooses routes.
const MARK: usize = 6;
/// Bytes of the tag: half of HMAC-SHA-256, as RFC 2104 (5) allows.
const TAG: usize = 16;
/// Longest name that is sealed, in bytes. Names of providers are below 100; the state of a request that a tool server has not
/// finished can be all that it knows of it.
const LONGEST: usize = 16 << 10;

/// Which upstream keeps something, and for which model: a digest of both names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark([u8; MARK]);

impl Mark {
    /// The mark of what `upstream` keeps of `model`; neither name holds a NUL.
    #[must_use]
    pub fn of(model: &str, upstream: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, &[model.as_bytes(), &[0], upstream.as_bytes()].concat());
        Self(digest.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// A name that was sealed for whoever opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'s> {
    /// What the provider calls it.
    pub name: &'s str,
    /// Which upstream keeps it.
    pub mark: Mark,
}

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

    /// `name` as its owner may name it again; `None` without a key, or for a name that is too long. `owner` says which task, and
    /// holds no NUL.
    #[must_use]
    pub fn seal(&self, owner: &str, mark: Mark, name: &str) -> Option<String> {
        let key = self.0.last().filter(|_| name.len() <= LONGEST)?;
        let mark = hex::encode(mark.0);
        let tag = tag(key, owner, &mark, name);
        Some(format!("{name}{SEAM}{mark}{tag}"))
    }

    /// What is behind `sealed`, if it was sealed for this owner. In constant time but for the number of keys.
    #[must_use]
    pub fn open<'s>(&self, owner: &str, sealed: &'s str) -> Option<Opened<'s>> {
        let (name, behind) = sealed.rsplit_once(SEAM)?;
        let (mark, told) = behind.split_at_checked(2 * MARK)?;
        if name.len() > LONGEST || told.len() != 2 * TAG {
            return None;
        }
        let is_right = |key: &hmac::Key| {
            aws_lc_rs::constant_time::verify_slices_are_equal(tag(key, owner, mark, name).as_bytes(), told.as_bytes()).is_ok()
        };
        // The text of the mark is what was authenticated, so it is one that `seal` wrote.
        let mark = Mark(hex::decode(mark).ok()?.try_into().ok()?);
        self.0.iter().rev().any(is_right).then_some(Opened { name, mark })
    }
}

/// What is authenticated: owners hold no NUL and marks have one length, so no two read the same.
fn tag(key: &hmac::Key, owner: &str, mark: &str, name: &str) -> String {
    let bound = [owner.as_bytes(), &[0], mark.as_bytes(), &[0], name.as_bytes()].concat();
    hex::encode(hmac::sign(key, &bound).as_ref().get(..TAG).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Handles, Mark, Opened, Zeroizing};

    fn handles(seeds: &[u8]) -> Handles {
        Handles::new(&seeds.iter().map(|seed| Zeroizing::new([*seed; 32])).collect::<Vec<_>>())
    }

    fn here() -> Mark {
        Mark::of("small", "first")
    }

    #[test]
    fn only_the_own_task_opens_what_was_sealed() {
        let keys = handles(&[1]);
        let sealed = keys.seal("key-a", here(), "resp_1").unwrap();
        assert!(sealed.starts_with("resp_1_pcl") && sealed.len() == 10 + 12 + 32);
        assert_eq!(keys.open("key-a", &sealed), Some(Opened { name: "resp_1", mark: here() }));
        let elsewhere = keys.seal("key-a", Mark::of("small", "second"), "resp_1").unwrap();
        let mark = |sealed: &str| sealed.get(10..22).unwrap().to_owned();
        let (mine, theirs) = (mark(&sealed), mark(&elsewhere));
        assert_ne!(mine, theirs);
        for (owner, text) in [
            ("key-b", sealed.as_str()),
            ("key-a", "resp_1"),
            ("key-a", &sealed.replace("resp_1", "resp_2")),
            ("key-a", &sealed.replace(&mine, &theirs)),
            ("key-a", sealed.strip_suffix(|_| true).unwrap()),
            ("key-a", &format!("{sealed}0")),
            ("key-a", &sealed.to_uppercase()),
            ("key-a", "_pclé"),
            ("key-a", ""),
        ] {
            assert_eq!(keys.open(owner, text), None, "{text}");
        }
    }

    #[test]
    fn old_keys_open_and_new_ones_seal() {
        let (old, both, new) = (handles(&[1]), handles(&[1, 2]), handles(&[2]));
        let sealed = old.seal("t", here(), "resp").unwrap();
        assert_eq!(both.open("t", &sealed).unwrap().name, "resp");
        assert_eq!(new.open("t", &sealed), None);
        assert_eq!(both.seal("t", here(), "resp"), new.seal("t", here(), "resp"));
        assert_eq!(handles(&[]).seal("t", here(), "resp"), None);
        assert_eq!(new.seal("t", here(), &"r".repeat((16 << 10) + 1)), None);
        assert_eq!(format!("{both:?}"), "Handles(2)");
    }

    #[test]
    fn a_name_with_the_seam_in_it_is_a_name() {
        let keys = handles(&[3]);
        let once = keys.seal("t", here(), "resp_pclx").unwrap();
        let twice = keys.seal("t", here(), &once).unwrap();
        assert_eq!(keys.open("t", &once).unwrap().name, "resp_pclx");
        assert_eq!(keys.open("t", &twice).unwrap().name, once);
    }

    #[test]
    fn a_mark_tells_model_and_upstream_apart() {
        assert_ne!(Mark::of("ab", "c"), Mark::of("a", "bc"));
        assert_ne!(Mark::of("a", "b"), Mark::of("b", "a"));
    }
}
