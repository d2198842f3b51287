//! Names in an answer that its caller may say again: bound to the task that is told them.

use std::cell::OnceCell;
use std::sync::Arc;

use model::{ReasonCode, Refusal, RequestId};

use crate::streams::EventSeal;

/// Binds names in an answer to the task that is told them.
pub(crate) enum Sealer {
    /// Of what a provider keeps.
    Model {
        handles: Arc<identity::Handles>,
        /// As whom.
        owner: String,
        /// Which upstream keeps it.
        mark: identity::Mark,
        /// Names that the request knows already: as the provider writes them, and as the task does.
        known: Vec<(String, String)>,
        /// Whether the provider keeps this answer.
        is_kept: bool,
    },
    /// Of what goes on at a tool server.
    Server {
        handles: Arc<identity::Handles>,
        /// As whom.
        owner: String,
        /// What the state of a request is bound to; none where a request has none.
        state: Option<[u8; 32]>,
        /// For the names of events, where a client may come back to what follows one; with the request that they are of.
        events: Option<(Arc<EventSeal>, RequestId)>,
        /// What is known of the call, once that was made; none inside if no header could hold it.
        about: OnceCell<Option<String>>,
    },
    /// Of tasks and contexts of an agent.
    Agent {
        handles: Arc<identity::Handles>,
        /// As whom.
        owner: String,
        /// What they are bound to: the agent.
        bound: [u8; 32],
        /// Ids that the request knows already: as the agent writes them, and as the task does.
        known: Vec<(String, String)>,
    },
}

impl Sealer {
    /// Seals the name of something; `Ok(None)` for what stays as it is.
    pub(super) fn seal(&self, name: &str) -> Result<Option<String>, Refusal> {
        match self {
            Self::Model { handles, owner, mark, known, is_kept } => {
                let known = known.iter().find(|(known, _)| known == name).map(|(_, sealed)| sealed.clone());
                Ok(known.or_else(|| handles.seal(owner, *mark, name).filter(|_| *is_kept)))
            }
            Self::Server { handles, owner, state, .. } => {
                let sealed = state.and_then(|state| handles.seal_bound(owner, &state, name));
                let what = "a state that cannot be bound to its request: it is longer than 16 KiB, or belongs to none";
                sealed.map(Some).ok_or_else(|| Refusal::because(ReasonCode::UpstreamResponseInvalid, what))
            }
            Self::Agent { handles, owner, bound, known } => {
                let known = known.iter().find(|(known, _)| known == name).map(|(_, sealed)| sealed.clone());
                let sealed = known.or_else(|| handles.seal_bound(owner, bound, name));
                sealed
                    .map(Some)
                    .ok_or_else(|| Refusal::because(ReasonCode::UpstreamResponseInvalid, "an id that cannot be bound"))
            }
        }
    }

    /// By what the client can come back to what follows an event; none where it cannot.
    pub(super) fn seal_event(&self, id: &str) -> Option<String> {
        let Self::Server { handles, owner, events: Some((events, request)), about, .. } = self else { return None };
        let about = about.get_or_init(|| events.about(*request)).as_deref()?;
        events.seal(handles, owner, id, about)
    }
}
