//! Files and SQLite: log, content, credentials, locks, bundles.
