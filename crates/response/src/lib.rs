//! What people are asked before something happens. Pure: events go in with their time, a state comes out.
//!
//! So far these are requests for approval, of other enforcement points and of calls through the gate. Playbooks and quarantine will stand beside them.

mod approvals;
mod request;

#[cfg(test)]
mod tests;

pub use approvals::{AnswerError, Approvals, AskError, MAX_ITEMS, Misfit, Standing, Terms, request};
pub use request::{Closed, Request, Status, View, Wanted, WantedItem};
