//! The revisions of the protocol that the gate speaks.

use std::fmt;

/// A revision, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Sessions; the version stands in a header from here on.
    V2025_06_18,
    /// Sessions; tasks as an experiment.
    V2025_11_25,
    /// No sessions: every request says its version and the client's capabilities.
    V2026_07_28,
}

impl Version {
    /// All of them, newest first: as they are offered.
    pub const ALL: [Self; 3] = [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of exactly this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// Whether there is no handshake and no session: everything stands in the request.
    #[must_use]
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn names_are_exact() {
        for version in Version::ALL {
            assert_eq!(Version::named(version.as_str()), Some(version));
        }
        for name in ["", "2026-07-28 ", "2024-11-05", "2025-03-26", "draft"] {
            assert_eq!(Version::named(name), None, "{name}");
        }
        assert!(Version::ALL.is_sorted_by(|newer, older| newer > older));
    }
}
