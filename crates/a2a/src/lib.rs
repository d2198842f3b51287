//! The `Agent2Agent` protocol as data: what an agent says of itself, what can be asked of it, and what its answers name.
//!
//! [`Card`] is an agent card, read strictly, with the texts that its signatures are over and the card that the gate serves in its
//! place; [`Method`] is the closed table of what can be asked; [`Request::read`] takes the params of one apart;
//! [`Course::read`] says which parts of an answer are ids, words and files, and whether it is about what was asked.
//!
//! Version 1.0, JSON-RPC binding. The envelope of a message is JSON-RPC's and is read elsewhere. Nothing here reads a socket, a
//! file or a clock, holds a key, or decides.
//!
//! Source of the protocol: <https://a2a-protocol.org/v1.0.0/specification>.

mod answer;
mod card;
mod method;
mod request;
mod version;

pub use answer::{Answer, Course, Expected};
pub use card::{Card, CardError, MAX_CARD, Signature, signed_form};
pub use method::Method;
pub use request::{Fault, MAX_ID, Request, What};
pub use version::{VERSION, is_spoken};
