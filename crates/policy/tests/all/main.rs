//! Facts about decisions.

#![cfg(test)]

mod access;
mod agents;
mod bad_input;
mod decide;
mod delegation;
mod documents;
mod equal;
mod explain;
mod flips;
mod guests;
mod listing;
mod lists;
mod monotone;
mod problems;
mod random;
mod said;
mod shadow;
mod shares;
mod tools;
mod vocabulary;
mod wide;
mod world;
