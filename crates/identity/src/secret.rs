//! Text that must not be seen: shared cheaply, wiped when the last holder lets go, never printed.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// A secret text. `Debug` shows nothing of it, there is no `Display`, no `PartialEq` and no serialisation.
///
/// Clones share one copy in memory, which is overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Takes `text` over. The caller's own copies, if it made any, stay its own concern.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Zeroizing::new(text)))
    }

    /// The text itself. Every call site is a place to look at in a review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?} {:#?}", Some(secret.clone())), "Secret(..) Some(\n    Secret(..),\n)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
