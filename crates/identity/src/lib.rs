//! Verifies presented credentials against what the store knows; pure.
