//! Which versions of the protocol are spoken.

/// The version that is spoken.
pub const VERSION: &str = "1.0";

/// Whether the value of `A2A-Version` names a version that is spoken here. None says 0.3.
//= https://a2a-protocol.org/v1.0.0/specification#362-server-responsibilities
//# Agents MUST interpret empty value as 0.3 version.
#[must_use]
pub fn is_spoken(told: Option<&str>) -> bool {
    let patch = told.and_then(|told| told.strip_prefix(VERSION));
    let is_number = |number: &str| (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    patch.is_some_and(|patch| patch.is_empty() || patch.strip_prefix('.').is_some_and(is_number))
}

#[cfg(test)]
mod tests {
    use super::is_spoken;

    #[test]
    fn one_version_is_spoken() {
        for told in ["1.0", "1.0.0", "1.0.12"] {
            assert!(is_spoken(Some(told)), "{told}");
        }
        for told in ["", "0.3", "1", "1.00", "1.1", "2.0", "1.0.", "1.0.x", " 1.0", "1.0,0.3", "1.0.12345"] {
            assert!(!is_spoken(Some(told)), "{told}");
        }
        assert!(!is_spoken(None));
    }
}
