//! Keys in an archive: sealed under a passphrase, never plain.
//!
//! AES-256-GCM under a key from PBKDF2-HMAC-SHA-512 with 600,000 rounds and a salt of its own: what the project's one
//! cryptographic backend offers for passphrases, and about three times what OWASP asks for with this hash (2023: 210,000).

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::num::NonZeroU32;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::archive::ArchiveError;
use crate::archive::manifest::KEYS;
use crate::error::StoreError;
use crate::keys::random;
use crate::layout::write_atomic;

const FORM: &str = "portcullis-sealed-keys+1";
const ROUNDS: u32 = 600_000;
/// An archive cannot make whoever opens it count for hours.
const MAX_ROUNDS: u32 = 10_000_000;
/// Fewest characters of a passphrase.
const MIN_PASSPHRASE: usize = 12;
/// What the names of key files begin with.
const KINDS: [&str; 3] = ["log", "content", "token"];
/// Most key files, and longest one.
const MAX_KEYS: usize = 1000;
const MAX_KEY: u64 = 4096;

/// What keys in an archive are sealed with.
pub struct Passphrase(Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// Takes a passphrase; white space at its ends does not count.
    ///
    /// # Errors
    /// [`ArchiveError::ShortPassphrase`] below 12 characters.
    pub fn new(text: &str) -> Result<Self, ArchiveError> {
        let text = text.trim();
        let found = text.chars().count();
        if found < MIN_PASSPHRASE {
            return Err(ArchiveError::ShortPassphrase { found, least: MIN_PASSPHRASE });
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    fn cipher(&self, salt: &[u8], rounds: u32) -> Result<LessSafeKey, StoreError> {
        let broken = || StoreError::Crypto("PBKDF2");
        let mut key = Zeroizing::new([0_u8; 32]);
        let rounds = NonZeroU32::new(rounds).ok_or_else(broken)?;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, rounds, salt, self.0.as_bytes(), key.as_mut());
        UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map_err(|_| broken())
    }
}

/// The member `keys.sealed`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKeys {
    form: String,
    rounds: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// Key files by name.
pub(crate) type Keys = BTreeMap<String, Zeroizing<String>>;

/// What was read; `None` of a file that is gone, as a destroyed key's is.
fn there<T>(read: io::Result<T>, path: &Path) -> Result<Option<T>, ArchiveError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::io("read", path)(error)),
    }
}

/// Reads the key files of a folder.
pub(crate) fn read_keys(folder: &Path) -> Result<Keys, ArchiveError> {
    let mut keys = Keys::new();
    for item in fs::read_dir(folder).map_err(ArchiveError::io("list", folder))? {
        let path = item.map_err(ArchiveError::io("list", folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_key(name)) else { continue };
        let Some(length) = there(fs::metadata(&path), &path)?.map(|metadata| metadata.len()) else { continue };
        if length > MAX_KEY || keys.len() >= MAX_KEYS {
            return Err(StoreError::Key { path: path.clone(), what: format!("{length} bytes, {} keys", keys.len()) }.into());
        }
        let Some(text) = there(fs::read_to_string(&path), &path)?.map(Zeroizing::new) else { continue };
        // Overwritten with zeroes: it is being destroyed, and nothing is wrapped by it any more.
        if !text.bytes().all(|byte| byte == 0) {
            keys.insert(name.to_owned(), text);
        }
    }
    Ok(keys)
}

/// Writes key files into a folder that exists, for the owner alone.
pub(crate) fn write_keys(folder: &Path, keys: &Keys) -> Result<(), ArchiveError> {
    for (name, text) in keys {
        let path = folder.join(name);
        write_atomic(&path, text.as_bytes(), 0o600).map_err(ArchiveError::io("write", &path))?;
    }
    Ok(())
}

/// `log-N.key`, `content-N.key` or `token-N.key`.
fn is_key(name: &str) -> bool {
    let number =
        name.strip_suffix(".key").and_then(|stem| KINDS.iter().find_map(|kind| stem.strip_prefix(kind)?.strip_prefix('-')));
    number.is_some_and(|number| !number.is_empty() && number.len() < 10 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Binds the ciphertext to how its key was made and to the log.
fn context(rounds: u32, origin: &str) -> Vec<u8> {
    format!("{FORM}\n{rounds}\n{origin}").into_bytes()
}

/// Seals keys for the log with this name.
pub(crate) fn seal(keys: &Keys, passphrase: &Passphrase, origin: &str) -> Result<Vec<u8>, ArchiveError> {
    let broken = || StoreError::Crypto("AES-256-GCM");
    let plain: BTreeMap<&str, &str> = keys.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mut bytes = serde_json::to_vec(&plain).map_err(|_| broken())?;
    let (salt, nonce) = (random::<32>()?, random::<NONCE_LEN>()?);
    let cipher = passphrase.cipher(&salt, ROUNDS)?;
    let sealed =
        cipher.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context(ROUNDS, origin)), &mut bytes);
    if sealed.is_err() {
        bytes.zeroize();
        return Err(broken().into());
    }
    let member = SealedKeys {
        form: FORM.to_owned(),
        rounds: ROUNDS,
        salt: STANDARD.encode(salt),
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(bytes),
    };
    serde_json::to_vec(&member).map_err(|_| broken().into())
}

/// Opens what [`seal`] has made.
pub(crate) fn open(member: &[u8], passphrase: &Passphrase, origin: &str) -> Result<Keys, ArchiveError> {
    let damaged = |what: &str| ArchiveError::damaged(KEYS, what);
    let member: SealedKeys = serde_json::from_slice(member).map_err(|error| damaged(&error.to_string()))?;
    if member.form != FORM || !(1..=MAX_ROUNDS).contains(&member.rounds) {
        return Err(damaged(&format!("expected form `{FORM}` and at most {MAX_ROUNDS} rounds")));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| damaged("not base64"));
    let nonce = <[u8; NONCE_LEN]>::try_from(decode(&member.nonce)?).map_err(|_| damaged("the nonce has another length"))?;
    let cipher = passphrase.cipher(&decode(&member.salt)?, member.rounds)?;
    let mut sealed = Zeroizing::new(decode(&member.sealed)?);
    let aad = Aad::from(context(member.rounds, origin));
    let plain = cipher.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
    let plain = plain.map_err(|_| ArchiveError::PassphraseWrong)?;
    let keys: BTreeMap<String, String> = serde_json::from_slice(plain).map_err(|error| damaged(&error.to_string()))?;
    match keys.keys().find(|name| !is_key(name)) {
        Some(name) => Err(damaged(&format!("`{name}` is not the name of a key"))),
        None => Ok(keys.into_iter().map(|(name, text)| (name, Zeroizing::new(text))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::is_key;

    #[test]
    fn only_keys_are_keys() {
        for name in ["log-1.key", "content-12.key", "token-3.key"] {
            assert!(is_key(name), "{name}");
        }
        for name in
            ["log-.key", "log-1", "1.key", "log-1.key.tmp", "other-1.key", "log-x.key", "../log-1.key", "log-1234567890.key"]
        {
            assert!(!is_key(name), "{name}");
        }
    }

    #[test]
    fn a_key_that_is_being_destroyed_is_no_key_any_more() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("content-1.key"), [0; 40]).unwrap();
        std::fs::write(folder.path().join("content-2.key"), "key").unwrap();
        let keys = super::read_keys(folder.path()).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["content-2.key"]);
    }
}
