//! Scanners, redaction and lane machines; pure.
