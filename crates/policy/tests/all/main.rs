//! Facts about decisions.

#![cfg(test)]

mod access;
mod decide;
mod equal;
mod explain;
mod guests;
mod monotone;
mod problems;
mod random;
mod vocabulary;
mod world;
