//! Tokens: access tokens of trusted issuers (RFC 9068) and the gate's own task tokens (RFC 8693), read and made as pure
//! functions of bytes, keys and `now`.
//!
//! [`Unverified::parse`] reads the form, [`verify_access`] and [`verify_task`] say what a token stands for, [`derive()`] makes the
//! claims of a new task token, [`mint`] signs them, [`attest`] signs what the gate says of itself. Signatures are checked first: what a claim says is told to nobody who could
//! not have read it anyway. Where keys come from, and whether they are still good, is for the caller to know.

mod access;
mod algorithm;
mod audience;
mod detached;
mod details;
mod error;
mod exchange;
mod jws;
mod keys;
mod signer;
mod task;
#[cfg(test)]
mod tests;

pub use access::{Bearer, GroupRule, IssuerRules, Scopes, verify_access, verify_access_at};
pub use algorithm::Algorithm;
pub use audience::{At, Audience};
pub use detached::{sign_detached, verify_detached};
pub use details::{details, grant_of};
pub use error::TokenError;
pub use exchange::{Exchange, ExchangeError, TASK, TASK_TOKEN, derive};
pub use jws::{MAX_TOKEN, Unverified, digest_of};
pub use keys::{KeySet, KeySetError, MAX_KEY_SET, MAX_KEYS};
pub use signer::{Ed25519Signer, SignError, Signer};
pub use task::{Gate, TaskToken, attest, mint, task_ledger, verify_task, verify_task_at};
