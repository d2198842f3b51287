//! Cedar decisions over delegation chains, with duties, challenges and explanations; pure.
//!
//! [`PolicySnapshot::load`] compiles a bundle, [`PolicySnapshot::decide`] answers. Default deny; every link must be allowed;
//! any evaluation error is a deny. This crate knows no protocol, file, clock or socket, and proves nothing: an answer is data.

mod annotation;
mod context;
mod decide;
mod declared;
mod entities;
mod explain;
mod forbids;
mod foreign;
mod guests;
mod index;
mod indexed;
mod listing;
mod load;
mod outcome;
mod parsed;
mod problem;
mod shadow;
mod statement;
mod tools;
mod vocabulary;
mod warnings;

pub use decide::PolicySnapshot;
pub use explain::{By, Change, Changes, Explanation, FactsRead, explain};
pub use forbids::lost_forbids;
pub use indexed::IndexedSet;
pub use listing::{Could, Listable, Listed, Lister};
pub use parsed::{excess, parse_bundle, parse_file, schema};
pub use problem::PolicyProblem;
pub use tools::{ToolReport, Unmodelled, check_tool};
pub use vocabulary::SCHEMA;
