//! Every parser of outside bytes under mutated inputs.
//!
//! A [`Target`] is one parser: inputs to begin with, words of its language, and a function that reads one input and says what
//! went wrong: not only a panic, but any of the properties that the parser's page promises. [`fuzz()`] mutates inputs, keeps
//! those with an outcome not seen before, and makes a failing input small. Decision 0022 says why this is not a library.
//!
//! The tests run every target for a fixed number of inputs under a fixed seed; `cargo xtask fuzz` runs for as long as it is told.
//!
//! `PARSERS.md` lists every parser of outside bytes with its target; a test holds the list against the sources.
//!
//! What this crate does not do: it measures no coverage of code, and finds nothing that needs two processes.

mod mutate;
mod random;
mod run;
mod shrink;
mod smoke;
mod speed;
pub mod targets;

pub use random::Random;
pub use run::{Budget, Failure, Report, fuzz, replay};
pub use smoke::smoke;
pub use speed::{Slow, cpu_time, speed};
pub use targets::{Outcome, Target, seen};
