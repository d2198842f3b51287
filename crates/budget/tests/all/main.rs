//! Budgets from outside: rules, reservations, windows, bounds.

#![cfg(test)]

mod common;
mod facts;
mod properties;
mod tools;
