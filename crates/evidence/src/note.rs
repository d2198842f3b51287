//! Signed notes (C2SP signed-note) with Ed25519 keys, signed and verified by aws-lc-rs.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use signed_note::{Note, NoteError, Signature, VerificationError, Verifiers, is_key_name_valid, key_id};

/// The signature type of Ed25519.
///
//= https://c2sp.org/signed-note#signature-types
//# `0x01` — Ed25519 signatures as specified by this document.
const ED25519_TYPE: u8 = 1;

/// Why a text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// It does not have the parts of a key.
    #[error("the text is not a note key: expected `{0}`")]
    Format(&'static str),
    /// Its id does not belong to its name and key.
    #[error("the key's id does not match its name and its key")]
    Id,
}

/// Why a note is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteProblem {
    /// It is not a note.
    #[error("not a signed note")]
    Malformed,
    /// The log's key has not signed it.
    #[error("no signature by key `{0}`")]
    Unsigned(String),
    /// It carries the log's signature, and the signature is wrong.
    #[error("the signature by key `{0}` is wrong")]
    Signature(String),
}

/// The private half: signs notes under one name.
pub struct LogSigner {
    name: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for LogSigner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("LogSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

const SIGNER_FORM: &str = "PRIVATE+KEY+<name>+<8 hexadecimal digits>+<base64>";
const VERIFIER_FORM: &str = "<name>+<8 hexadecimal digits>+<base64>";

impl LogSigner {
    /// The text form of a key made from 32 random bytes.
    ///
    /// # Errors
    /// [`KeyTextError`] when `name` is not a key name.
    pub fn text_from_seed(name: &str, seed: &[u8; 32]) -> Result<String, KeyTextError> {
        let signer = Self::from_seed(name, seed)?;
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(seed);
        Ok(format!("PRIVATE+KEY+{name}+{:08x}+{}", signer.id(), STANDARD.encode(key)))
    }

    /// A key made from 32 random bytes.
    ///
    /// # Errors
    /// [`KeyTextError`] when `name` is not a key name.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyTextError> {
        if !is_key_name_valid(name) || name.chars().any(char::is_control) {
            return Err(KeyTextError::Format(SIGNER_FORM));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyTextError::Format(SIGNER_FORM))?;
        Ok(Self { name: name.to_owned(), pair })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyTextError`] when it is malformed or its id does not fit.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let wrong = KeyTextError::Format(SIGNER_FORM);
        let (name, id, key) = text.strip_prefix("PRIVATE+KEY+").and_then(three_parts).ok_or(wrong)?;
        let seed = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| wrong)?;
        let signer = Self::from_seed(name, &seed)?;
        if signer.id() == id { Ok(signer) } else { Err(KeyTextError::Id) }
    }

    /// The key's name, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        key_id(&self.name, &typed(self.pair.public_key().as_ref()))
    }

    /// The public half, in its text form.
    #[must_use]
    pub fn verifier_text(&self) -> String {
        format!("{}+{:08x}+{}", self.name, self.id(), STANDARD.encode(typed(self.pair.public_key().as_ref())))
    }

    /// The public half.
    ///
    /// # Errors
    /// [`KeyTextError`]; only if the backend handed out a malformed public key.
    pub fn verifier(&self) -> Result<LogVerifier, KeyTextError> {
        LogVerifier::parse(&self.verifier_text())
    }

    /// Signs `text` and gives the whole note.
    ///
    /// # Errors
    /// [`NoteProblem::Malformed`] when `text` cannot stand in a note: it must end in a newline and have no other control character.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, NoteProblem> {
        let signature = self.pair.sign(text).as_ref().to_vec();
        let signature = Signature::new(self.name.clone(), self.id(), signature).map_err(|_| NoteProblem::Malformed)?;
        Ok(Note::new(text, &[signature]).map_err(|_| NoteProblem::Malformed)?.to_bytes())
    }
}

/// The public half: verifies notes.
#[derive(Debug, Clone)]
pub struct LogVerifier {
    name: String,
    id: u32,
    key: [u8; 32],
}

impl LogVerifier {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyTextError`] when it is malformed or its id does not fit.
    pub fn parse(text: &str) -> Result<Self, KeyTextError> {
        let wrong = KeyTextError::Format(VERIFIER_FORM);
        let (name, id, key) = three_parts(text.trim_end()).ok_or(wrong)?;
        let key = <[u8; 32]>::try_from(key.as_slice()).map_err(|_| wrong)?;
        if !is_key_name_valid(name) {
            return Err(wrong);
        }
        if key_id(name, &typed(&key)) != id {
            return Err(KeyTextError::Id);
        }
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The key's name, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks a note and gives its text. Signatures by other keys are ignored.
    ///
    /// # Errors
    /// [`NoteProblem`].
    pub fn open(&self, note: &[u8]) -> Result<Vec<u8>, NoteProblem> {
        let parsed = Note::from_bytes(note).map_err(|_| NoteProblem::Malformed)?;
        //= https://c2sp.org/signed-note#signatures
        //# If a signature from a known key fails to verify, clients SHOULD reject the whole note.
        match parsed.verify(self) {
            Ok(_) => Ok(parsed.text().to_vec()),
            Err(NoteError::InvalidSignature { .. }) => Err(NoteProblem::Signature(self.name.clone())),
            Err(_) => Err(NoteProblem::Unsigned(self.name.clone())),
        }
    }
}

impl signed_note::Verifier for LogVerifier {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(message, signature).is_ok()
    }
}

impl Verifiers for LogVerifier {
    fn verifier(&self, name: &str, id: u32) -> Result<&dyn signed_note::Verifier, VerificationError> {
        if name == self.name && id == self.id {
            return Ok(self);
        }
        Err(VerificationError::UnknownKey { name: name.to_owned(), id })
    }
}

fn typed(key: &[u8]) -> Vec<u8> {
    let mut bytes = vec![ED25519_TYPE];
    bytes.extend_from_slice(key);
    bytes
}

/// Name, id and the Ed25519 key without its type byte.
fn three_parts(text: &str) -> Option<(&str, u32, Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let id = u32::from_str_radix(id, 16).ok()?;
    match STANDARD.decode(key).ok()?.split_first()? {
        (&ED25519_TYPE, key) => Some((name, id, key.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyTextError, LogSigner, LogVerifier, NoteProblem};

    /// The example of the signed-note specification.
    #[test]
    fn the_specifications_own_example_verifies() {
        let verifier = LogVerifier::parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").unwrap();
        let note = "This is an example message.\n\n\u{2014} example.com/foo \
             Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
        assert_eq!(verifier.open(note.as_bytes()).unwrap(), b"This is an example message.\n");
        let altered = note.replace("an example", "no example");
        assert_eq!(verifier.open(altered.as_bytes()), Err(NoteProblem::Signature("example.com/foo".to_owned())));
    }

    #[test]
    fn only_the_right_key_opens_a_note() {
        let ours = LogSigner::from_seed("example.com/a", &[1; 32]).unwrap();
        let other = LogSigner::from_seed("example.com/a", &[2; 32]).unwrap();
        let note = ours.sign(b"text\n").unwrap();
        assert_eq!(ours.verifier().unwrap().open(&note).unwrap(), b"text\n");
        assert!(matches!(other.verifier().unwrap().open(&note), Err(NoteProblem::Unsigned(_))));
        assert!(matches!(ours.verifier().unwrap().open(b"text\n"), Err(NoteProblem::Malformed)));
        assert!(ours.sign(b"no newline").is_err());
    }

    #[test]
    fn keys_read_back_and_wrong_ones_do_not() {
        let text = LogSigner::text_from_seed("example.com/a", &[1; 32]).unwrap();
        let signer = LogSigner::parse(&text).unwrap();
        assert_eq!(signer.verifier_text(), LogSigner::from_seed("example.com/a", &[1; 32]).unwrap().verifier_text());
        assert_eq!(LogSigner::parse(&text.replace("example.com/a", "example.com/b")).err(), Some(KeyTextError::Id));
        assert!(LogSigner::parse("PRIVATE+KEY+a+zz+AA==").is_err());
        assert!(LogSigner::from_seed("has space", &[1; 32]).is_err());
        assert!(LogVerifier::parse(&text).is_err());
        assert!(!format!("{signer:?}").contains("01"));
    }
}
