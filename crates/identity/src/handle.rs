//! Names of what a provider keeps, bound to the task that had it kept.
//!
//! A provider gives back what it keeps (a stored response) to whoever names it with the gate's own credential, and that is
//! everybody behind the gate. So the gate puts a mark and a tag behind each such name before a client sees it, and takes no name
//! without a tag that the caller's own task got. There is no table: the tag is a MAC over the task, the mark and the name, and the
//! mark says which upstream keeps it, in a form that names none.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// Domain of the keys; tokens are signed with the same seeds in another.
const DOMAIN: &[u8] = b"portcullis handle v2";
/// Domain of the keys that hide names.
const HIDDEN: &[u8] = b"portcullis hidden name v1";
/// Between the name and what the gate puts behind it.
const SEAM: &str = "_pcl";
/// Bytes of a mark: among a thousand routes two share one with a chance of one in a billion, and no caller chooses routes.
const MARK: usize = 6;
/// Bytes of the tag: half of HMAC-SHA-256, as RFC 2104 (5) allows.
const TAG: usize = 16;
/// Longest name that is sealed, in bytes. Providers' are below 100.
const LONGEST: usize = 256;
/// Longest name that is sealed for one use: the state of a request that a tool server has not finished is all that it knows of it.
const LONGEST_BOUND: usize = 16 << 10;
/// What stands in the place of a mark where a name is sealed for one use.
const NO_MARK: Mark = Mark([0; MARK]);

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

/// A SHA-256 digest of several texts, each behind its length: no other texts have the same.
#[must_use]
pub fn digest_of(parts: &[&str]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

/// The keys with which names are bound, the newest last. Old ones still open what they sealed.
pub struct Handles(Vec<Keys>);

/// What is derived from one seed.
struct Keys {
    /// Binds names that stay readable.
    tag: hmac::Key,
    /// Hides names. A nonce that comes twice, out of 2^96, tells no more than that one name was hidden twice (RFC 8452).
    hide: LessSafeKey,
}

impl Keys {
    fn new(seed: &[u8; 32]) -> Option<Self> {
        let seed = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let tag = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&seed, DOMAIN).as_ref());
        let hide = UnboundKey::new(&AES_256_GCM_SIV, hmac::sign(&seed, HIDDEN).as_ref()).ok()?;
        Some(Self { tag, hide: LessSafeKey::new(hide) })
    }
}

impl std::fmt::Debug for Handles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Handles({})", self.0.len())
    }
}

impl Handles {
    /// Keys out of uniform seeds, the newest last.
    #[must_use]
    pub fn new(seeds: &[Zeroizing<[u8; 32]>]) -> Self {
        Self(seeds.iter().filter_map(|seed| Keys::new(seed)).collect())
    }

    /// `name` as its owner may name it again; `None` without a key, or for a name that is too long. `owner` says which task, and
    /// holds no NUL.
    #[must_use]
    pub fn seal(&self, owner: &str, mark: Mark, name: &str) -> Option<String> {
        let key = self.0.last().filter(|_| name.len() <= LONGEST)?;
        let mark = hex::encode(mark.0);
        let tag = tag(&key.tag, owner, &mark, name);
        Some(format!("{name}{SEAM}{mark}{tag}"))
    }

    /// `name` as its owner may name it again for one use, which `bound` says in full (a SHA-256 digest of whatever a caller may choose);
    /// `None` without a key, or for a name above 16 KiB.
    #[must_use]
    pub fn seal_bound(&self, owner: &str, bound: &[u8; 32], name: &str) -> Option<String> {
        let key = self.0.last().filter(|_| name.len() <= LONGEST_BOUND)?;
        let mark = hex::encode(NO_MARK.0);
        Some(format!("{name}{SEAM}{mark}{}", tag_bound(&key.tag, owner, bound, name)))
    }

    /// `name` as its owner may name it again for one use, as [`Handles::seal_bound`], and unreadable on the way: what a server wrote into it
    /// reaches nobody. Letters, digits, `-` and `_`, about 38 bytes and a third longer than the name; `None` without a key or randomness,
    /// or for a name above 16 KiB.
    #[must_use]
    pub fn hide(&self, owner: &str, bound: &[u8; 32], name: &str) -> Option<String> {
        let key = self.0.last().filter(|_| name.len() <= LONGEST_BOUND)?;
        let mut nonce = [0_u8; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut text = name.as_bytes().to_vec();
        let about = Aad::from(hidden_for(owner, bound));
        key.hide.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), about, &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &text].concat()))
    }

    /// What was hidden for this owner and this use.
    #[must_use]
    pub fn reveal(&self, owner: &str, bound: &[u8; 32], hidden: &str) -> Option<String> {
        if hidden.len() > LONGEST_BOUND.saturating_mul(2) {
            return None;
        }
        let whole = URL_SAFE_NO_PAD.decode(hidden).ok()?;
        let (nonce, text) = whole.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().rev().find_map(|key| {
            let mut text = text.to_vec();
            let about = Aad::from(hidden_for(owner, bound));
            let plain = key.hide.open_in_place(Nonce::assume_unique_for_key(*nonce), about, &mut text).ok()?;
            String::from_utf8(plain.to_vec()).ok()
        })
    }

    /// What is behind `sealed`, if it was sealed for this owner and this use. In constant time but for the number of keys.
    #[must_use]
    pub fn open_bound<'s>(&self, owner: &str, bound: &[u8; 32], sealed: &'s str) -> Option<&'s str> {
        let (name, behind) = sealed.rsplit_once(SEAM)?;
        let (mark, told) = behind.split_at_checked(2 * MARK)?;
        if name.len() > LONGEST_BOUND || told.len() != 2 * TAG || mark != hex::encode(NO_MARK.0) {
            return None;
        }
        let is_right = |key: &Keys| {
            let tag = tag_bound(&key.tag, owner, bound, name);
            aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_bytes(), told.as_bytes()).is_ok()
        };
        self.0.iter().rev().any(is_right).then_some(name)
    }

    /// What is behind `sealed`, if it was sealed for this owner. In constant time but for the number of keys.
    #[must_use]
    pub fn open<'s>(&self, owner: &str, sealed: &'s str) -> Option<Opened<'s>> {
        let (name, behind) = sealed.rsplit_once(SEAM)?;
        let (mark, told) = behind.split_at_checked(2 * MARK)?;
        if name.len() > LONGEST || told.len() != 2 * TAG {
            return None;
        }
        let is_right = |key: &Keys| {
            aws_lc_rs::constant_time::verify_slices_are_equal(tag(&key.tag, owner, mark, name).as_bytes(), told.as_bytes())
                .is_ok()
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

/// What a hidden name is bound to: owners hold no NUL.
fn hidden_for(owner: &str, bound: &[u8; 32]) -> Vec<u8> {
    [owner.as_bytes(), &[0], bound.as_slice()].concat()
}

/// Likewise for one use. It begins with a NUL, which no owner holds: nothing that [`tag`] authenticates reads the same.
fn tag_bound(key: &hmac::Key, owner: &str, bound: &[u8; 32], name: &str) -> String {
    let bound = [&[0], owner.as_bytes(), &[0], bound.as_slice(), name.as_bytes()].concat();
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
        assert_eq!(new.seal("t", here(), &"r".repeat(257)), None);
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

    #[test]
    fn what_is_sealed_for_one_use_opens_for_no_other() {
        let keys = handles(&[1]);
        let (one, other) = ([1; 32], [2; 32]);
        let sealed = keys.seal_bound("key-a", &one, "state_pcl").unwrap();
        assert_eq!(keys.open_bound("key-a", &one, &sealed), Some("state_pcl"));
        assert_eq!(keys.open_bound("key-a", &other, &sealed), None);
        assert_eq!(keys.open_bound("key-b", &one, &sealed), None);
        assert_eq!(keys.open("key-a", &sealed), None, "it is no name of something that is kept");
        let kept = keys.seal("key-a", super::NO_MARK, "state").unwrap();
        assert_eq!(keys.open_bound("key-a", &one, &kept), None);
        assert_eq!(handles(&[2]).open_bound("key-a", &one, &sealed), None);
        let long = "s".repeat(super::LONGEST_BOUND);
        assert!(keys.seal_bound("key-a", &one, &long).is_some());
        assert_eq!(keys.seal_bound("key-a", &one, &format!("{long}s")), None);
    }

    #[test]
    fn what_is_hidden_is_read_by_its_owner_for_its_use_only() {
        let keys = handles(&[1]);
        let (one, other) = ([1; 32], [2; 32]);
        let name = "a session of 4111 1111 1111 1111";
        let hidden = keys.hide("key-a", &one, name).unwrap();
        assert!(hidden.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{hidden}");
        assert_ne!(keys.hide("key-a", &one, name).unwrap(), hidden);
        assert_eq!(keys.reveal("key-a", &one, &hidden).as_deref(), Some(name));
        assert_eq!(handles(&[1, 2]).reveal("key-a", &one, &hidden).as_deref(), Some(name));
        let (cut, longer) = (hidden.get(1..).unwrap(), format!("{hidden}A"));
        let sealed = keys.seal_bound("key-a", &one, name).unwrap();
        for (keys, owner, bound, text) in [
            (&keys, "key-b", &one, hidden.as_str()),
            (&keys, "key-a", &other, &hidden),
            (&handles(&[2]), "key-a", &one, &hidden),
            (&keys, "key-a", &one, cut),
            (&keys, "key-a", &one, &longer),
            (&keys, "key-a", &one, &sealed),
            (&keys, "key-a", &one, ""),
        ] {
            assert_eq!(keys.reveal(owner, bound, text), None, "{owner} {text}");
        }
        assert_eq!(keys.hide("key-a", &one, &"s".repeat(super::LONGEST_BOUND + 1)), None);
        assert_eq!(handles(&[]).hide("key-a", &one, name), None);
    }
}
