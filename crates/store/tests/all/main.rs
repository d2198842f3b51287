//! The store under load, crashes, failures and tampering.

#![cfg(test)]

mod archives;
mod common;
mod fails;
mod keeps;
mod ledgers;
mod recovers;
mod retains;
mod tampered;
