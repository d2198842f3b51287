//! A subject's key as it lies on disk, wrapped under the epoch key: one line of JSON each.
//!
//! ```text
//! format 1   {"id","subject","epoch","key"}             a key without an end
//! format 2   {"id","subject","epoch","key","through"}   the last day on which it seals, or null
//! ```
//! Everything in a line is bound to the ciphertext, so a line cannot be given another subject, or another day.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::keys::EpochKey;
use crate::retention::Day;
use crate::vault::{SubjectKey, cipher, decrypt, encrypt};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    subject: String,
    epoch: u32,
    /// Nonce, ciphertext and tag in base64.
    key: String,
    /// Absent in format 1.
    #[serde(default, deserialize_with = "present")]
    through: Option<Option<Day>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Day>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What binds a wrapped key to its line.
fn context(id: &str, subject: &str, epoch: u32, through: Option<Option<Day>>) -> Vec<u8> {
    match through {
        None => format!("portcullis subject key v1\n{id}\n{subject}\n{epoch}").into_bytes(),
        Some(through) => {
            let through = through.map_or_else(|| "-".to_owned(), |day| day.0.to_string());
            format!("portcullis subject key v2\n{id}\n{subject}\n{epoch}\n{through}").into_bytes()
        }
    }
}

/// The line of a key, in format 2.
pub(crate) fn wrap(key: &SubjectKey, epoch: &EpochKey) -> Result<Vec<u8>, StoreError> {
    let through = Some(key.through);
    let context = context(&key.id, &key.subject, epoch.id, through);
    let wrapped = encrypt(&cipher(&*epoch.bytes)?, &context, &*key.secret)?;
    let line = Line { id: key.id.clone(), subject: key.subject.clone(), epoch: epoch.id, key: STANDARD.encode(wrapped), through };
    let mut bytes = serde_json::to_vec(&line).map_err(|_| StoreError::Crypto("a key line cannot be written"))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a line of either format; gives the key and the number of the epoch key that it is wrapped under.
pub(crate) fn unwrap(line: &[u8], epochs: &[EpochKey]) -> Result<(SubjectKey, u32), String> {
    let wrapped: Line = serde_json::from_slice(line).map_err(|_| "not a wrapped key".to_owned())?;
    let missing = || format!("`{}` is wrapped under content key {}, which is not there", wrapped.id, wrapped.epoch);
    let epoch = epochs.iter().find(|epoch| epoch.id == wrapped.epoch).ok_or_else(missing)?;
    let bytes = STANDARD.decode(&wrapped.key).map_err(|_| format!("the key of `{}` is not base64", wrapped.id))?;
    let context = context(&wrapped.id, &wrapped.subject, wrapped.epoch, wrapped.through);
    let cipher = cipher(&*epoch.bytes).map_err(|error| error.to_string())?;
    let secret = decrypt(&cipher, &context, &bytes).map(Zeroizing::new);
    let secret = secret.and_then(|secret| <[u8; 32]>::try_from(secret.as_slice()).ok());
    let secret = secret.ok_or_else(|| format!("the key of `{}` cannot be unwrapped: it was altered", wrapped.id))?;
    let through = wrapped.through.flatten();
    let key = SubjectKey::new(wrapped.id, wrapped.subject, Zeroizing::new(secret), through).map_err(|error| error.to_string())?;
    Ok((key, wrapped.epoch))
}
