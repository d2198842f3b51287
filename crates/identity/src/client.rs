//! What a client says to an authorization server: forms, its own credential, proofs of possession of a code (RFC 7636).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::Secret;

/// A text as a part of a form or of a query (RFC 3986, section 2.3: unreserved letters stay, everything else is escaped).
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Parameters as `application/x-www-form-urlencoded`; wiped when it is dropped.
#[must_use]
pub fn form(parameters: &[(&str, &str)]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (name, value) in parameters {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&Zeroizing::new(escaped(value)));
    }
    text
}

//= https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
//# The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm per Appendix B
/// The value of `Authorization` of a client with a secret.
#[must_use]
pub fn client_secret_basic(id: &str, secret: &Secret) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{}:{}", escaped(id), *Zeroizing::new(escaped(secret.expose()))));
    Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// A code verifier, and the challenge that is told before.
pub struct Pkce {
    /// Told to the token endpoint alone.
    pub verifier: Secret,
    /// Its SHA-256, as `S256` has it.
    pub challenge: String,
}

impl fmt::Debug for Pkce {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pkce").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

impl Pkce {
    /// Of 32 fresh random bytes.
    //= https://www.rfc-editor.org/rfc/rfc7636#section-4.2
    //# code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))
    #[must_use]
    pub fn new(random: &[u8; 32]) -> Self {
        let verifier = URL_SAFE_NO_PAD.encode(random);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        Self { verifier: Secret::new(verifier), challenge }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pkce, client_secret_basic, escaped, form};
    use crate::{Form, Secret};

    #[test]
    fn a_form_reads_back() {
        let value = "a b&c=d%+\u{e9}\"~";
        let text = form(&[("one", value), ("two", "")]);
        let read = Form::parse(text.as_bytes()).unwrap();
        assert_eq!((read.get("one"), read.get("two")), (Some(value), None));
        assert_eq!(escaped("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn the_vectors_of_the_standards() {
        // RFC 7636, appendix B.
        let random = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191, 240, 91,
            88, 5, 88, 83, 132, 141, 121,
        ];
        let pkce = Pkce::new(&random);
        assert_eq!(pkce.verifier.expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(!format!("{pkce:?}").contains("dBjft"));
        // RFC 6749, section 2.3.1.
        let basic = client_secret_basic("s6BhdRkqt3", &Secret::new("7Fjfp0ZBr1KtDRbnfVdmIw".to_owned()));
        assert_eq!(*basic, "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
    }
}
