//! The Model Context Protocol as data: what a message is, which version it speaks, what its headers say of it.
//!
//! [`Message::read`] takes one JSON-RPC message out of a document; [`Method`] is the closed table of what can be asked for;
//! [`Version`] are the revisions that the gate speaks; [`heads::check`] holds the headers that repeat parts of a body against
//! the body, which is the truth.
//!
//! Revision 2026-07-28 (no sessions; every request says what it needs in `_meta`) is the form that everything else is brought
//! into; 2025-11-25 and 2025-06-18 are adapted to it. Nothing here reads a socket, a file or a clock, and nothing decides.
//!
//! Source of the protocol: <https://modelcontextprotocol.io/specification/2026-07-28>.

mod annotate;
mod announced;
mod arguments;
mod cost;
pub mod definition;
pub mod heads;
mod message;
pub mod meta;
mod method;
mod propose;
mod remarks;
pub mod uri;
mod version;

pub use annotate::{Annotation, annotate};
pub use announced::{Announced, MAX_ANNOUNCED, PageError, Pages, Said, Standings};
pub use arguments::{Arguments, Misfit, SchemaError};
pub use cost::Unbounded;
pub use definition::{Definition, DefinitionError, Pinned};
pub use heads::{Head, Heads, Mirror, Mismatch};
pub use message::{Body, Fault, Id, Message, Unfit, id_of};
pub use meta::{Meta, MetaError};
pub use method::{Form, Method, Sender};
pub use propose::{Proposal, Reason, propose};
pub use remarks::{Known, Remark, remarks};
pub use version::Version;
