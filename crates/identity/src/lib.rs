//! API keys and tokens: minted, recognised and verified as pure functions of bytes, the store's entry, keys and `now`.
//!
//! A credential reads `pcl_` (data plane) or `pclop_` (operators), 12 characters of public id, `_`, 43 characters of secret,
//! 6 characters of checksum. The two prefixes are two planes: neither parses as the other. The gate keeps only SHA-256 over
//! the whole text; with 256 random bits no slower hash would add anything.
//!
//! This crate knows no store, no header map of any HTTP library, no clock and no source of randomness: the credential's entry,
//! `now` and random bytes come in as parameters. It does not decide who may do what, and nothing that it returns is a proof:
//! `Identified` is made in `engine`.

mod client;
mod form;
mod handle;
mod issue;
mod key;
mod present;
mod secret;
pub mod token;
mod verify;
pub mod webhook;

pub use client::{Pkce, client_secret_basic, escaped, form};
pub use form::{Form, FormError};
pub use handle::{Handles, Mark, Opened, digest_of};
pub use issue::{Issued, RotateError, Rotated, issue, rotate};
pub use key::{ENTROPY, IdentityError, Minted, Plane, Presented, mint, parse};
pub use present::{Shown, basic, credential_from_headers, credential_from_request, shown_in_request};
pub use secret::Secret;
pub use verify::verify;
