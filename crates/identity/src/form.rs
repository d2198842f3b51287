//! Bodies of the type `application/x-www-form-urlencoded`, as the token endpoint takes them.

use std::collections::BTreeMap;
use std::fmt;

use crate::Secret;

/// Most parameters.
const MAX_PARAMETERS: usize = 32;

/// Why a body is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// An escape that is none, or bytes that are no UTF-8.
    #[error("the body is not of the type application/x-www-form-urlencoded, in UTF-8")]
    Malformed,
    /// Two readings.
    #[error("a parameter stands twice")]
    Twice,
    /// Too much.
    #[error("the body has more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

/// The parameters of a form. Any of them may be a secret, so none of them prints.
#[derive(Default)]
pub struct Form(BTreeMap<String, Secret>);

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Form {
    /// Reads a body.
    ///
    /// # Errors
    /// [`FormError`].
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    //# Request and response parameters MUST NOT be included more than once.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut form = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decoded(halves.next().unwrap_or_default())?;
            let value = decoded(halves.next().unwrap_or_default())?;
            if form.insert(name, Secret::new(value)).is_some() {
                return Err(FormError::Twice);
            }
            if form.len() > MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
        }
        Ok(Self(form))
    }

    /// The value of a parameter.
    //= https://www.rfc-editor.org/rfc/rfc6749#section-3.2
    //# Parameters sent without a value MUST be treated as if they were omitted from the request.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }
}

fn decoded(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = text.iter();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16)).ok_or(FormError::Malformed);
                let value = digit()? * 16 + digit()?;
                u8::try_from(value).map_err(|_| FormError::Malformed)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(plain).map_err(|_| FormError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::{Form, FormError};

    #[test]
    fn what_a_form_says() {
        let form = Form::parse(b"a=1&b=x%20y+z&c=&d&&e=%C3%A9").unwrap();
        let facts = [("a", Some("1")), ("b", Some("x y z")), ("c", None), ("d", None), ("e", Some("\u{e9}")), ("f", None)];
        for (name, value) in facts {
            assert_eq!(form.get(name), value, "{name}");
        }
        assert!(!format!("{form:?}").contains("x y"));
        let many = (0..40).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
        let wrong = [
            ("a=1&a=1", FormError::Twice),
            ("a=1&%61=2", FormError::Twice),
            ("a=%", FormError::Malformed),
            ("a=%4", FormError::Malformed),
            ("a=%zz", FormError::Malformed),
            ("a=%ff", FormError::Malformed),
            (many.as_str(), FormError::TooMany),
        ];
        for (body, expected) in wrong {
            assert_eq!(Form::parse(body.as_bytes()).unwrap_err(), expected, "{body}");
        }
    }
}
