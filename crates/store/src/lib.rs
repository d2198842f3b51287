//! One data folder: the evidence log, encrypted content, keys, bundles, and what the log adds up to: credentials and locks.
//!
//! The journal is the truth. One thread appends to it; a second makes it durable; a third builds the signed tree; a fourth fills
//! a table for questions. They share one small state ([`LogStatus`]) and nothing else. What every call needs (credentials,
//! locks) is in memory and read without waiting.
//!
//! This crate knows no protocol, no policy and no pipeline: the ports of `engine` are implemented over it where the binary is
//! wired. It decides nothing.

mod admin;
mod approvals;
mod archive;
mod audit;
mod bundles;
mod error;
mod flood;
mod folder;
mod integrate;
mod issuers;
mod journal;
mod keys;
mod layout;
mod live;
mod log;
mod migrate;
mod noise;
mod options;
mod port;
mod progress;
mod projection;
mod queue;
mod record;
mod recover;
mod resume;
mod retention;
mod row;
mod secrets;
mod store;
mod usage;
mod vault;
mod wrapped;
mod writer;

pub use admin::{AdminError, Administered, By};
pub use approvals::AskedBefore;
pub use archive::{ArchiveError, Backup, Manifest, Member, Moved, Passphrase, Restore, Restored, Seal, backup, holds, restore};
pub use audit::{Audit, Entry, Report};
pub use bundles::Bundles;
pub use error::StoreError;
pub use flood::Party;
pub use issuers::IssuerKeys;
pub use keys::{EpochKey, FileKeys, KeyProvider};
pub use live::{Credentials, Epoch};
pub use log::{Content, Draft, Log, LogStatus, Receipt};
pub use options::{Clock, Options};
pub use port::{DiskPort, FilePort};
pub use recover::Cut;
pub use retention::{Aged, Day, Retention};
pub use row::{Filter, Row};
pub use secrets::{KeptCredential, MAX_CREDENTIALS, MAX_SECRET, Secrets};
pub use store::{Opened, Store};
pub use usage::{UsageBy, UsageRow};
pub use vault::Plain;

/// Why an entry was not recorded.
pub use evidence::RecordError as LogError;
