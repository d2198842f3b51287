//! Streams of tool servers that clients come back to, and sessions that have ended.
//!
//! A stream can break, and be asked for again from its last event on. What is told then belongs to the call that was permitted: its
//! answer is expected, its duties are performed, a lock on its tool cuts it. There is no table of such calls. The server's name of
//! an event goes to the client with what has to be known of the call, sealed for credential, task, server and session, and for the
//! bundle by which it was decided: after another one was applied the call is made anew.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use identity::{Handles, Mark};
use model::{Duties, Name, Resource};
use serde::{Deserialize, Serialize};

use crate::inspection::Inspected;
use crate::ports::{ServerCall, Wants};
use crate::snapshot::Snapshot;

/// Between the server's name of an event and what is known of its call.
const SEAM: char = '~';
/// Longest name of an event, in bytes, as servers write it.
const LONGEST: usize = 512;
/// Most sessions that are known to have ended.
const MOST_ENDED: usize = 10_000;
/// Bytes at the end of a sealed name that no other one has: half of a MAC, as hexadecimal digits.
const TAG: usize = 32;

/// What a stream is about that a client may come back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The id of the request that it answers, as JSON; none for one that answers nothing.
    pub(crate) asked: Option<String>,
    /// The tool that was called, `server/tool`.
    pub(crate) tool: Option<String>,
    /// What the permit obliges to.
    pub(crate) duties: Duties,
    /// The bundle by which it was decided.
    bundle: String,
}

/// A stream that a client comes back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resumed {
    /// The server's name of the last event that the client has.
    pub(crate) event: String,
    pub(crate) about: About,
}

/// Seals the names of events of one stream.
#[derive(Debug, Clone)]
pub(crate) struct EventSeal {
    mark: Mark,
    /// What is known of the call, as it stands behind the name.
    about: String,
}

impl EventSeal {
    /// The name of an event as the client may say it again; none for one that cannot stand in a header.
    pub(crate) fn seal(&self, handles: &Handles, owner: &str, event: &str) -> Option<String> {
        let is_plain = !event.is_empty() && event.len() <= LONGEST && event.bytes().all(|byte| byte.is_ascii_graphic());
        let name = format!("{event}{SEAM}{}", self.about);
        is_plain.then(|| handles.seal(owner, self.mark, &name)).flatten()
    }
}

fn mark(server: &Name, session: &str) -> Mark {
    Mark::of("tool-event", &format!("{server} {session}"))
}

/// What the events of the answer are sealed with, if a client can come back to it: in a session, to the answer of a tool or to news.
pub(crate) fn seal(snapshot: &Snapshot, inspected: &Inspected<'_>, call: &ServerCall, duties: &Duties) -> Option<EventSeal> {
    let named = inspected.named();
    let session = named.session.as_deref()?;
    let bundle = snapshot.digest.to_string();
    let about = match (&named.resumed, &call.wants) {
        (Some(resumed), _) => resumed.about.clone(),
        (None, Wants::Tool { .. }) => {
            let document = inspected.document();
            let asked = document.lexeme(document.get(document.root(), "id")?).to_owned();
            About { asked: Some(asked), tool: Some(inspected.aim().id().to_owned()), duties: duties.clone(), bundle }
        }
        (None, _) if call.is_standing => About { asked: None, tool: None, duties: duties.clone(), bundle },
        _ => return None,
    };
    let about = hex::encode(serde_json::to_string(&about).ok()?);
    Some(EventSeal { mark: mark(&call.server, session), about })
}

/// The stream that a client comes back to; none if it was not this task's, in this session, by this bundle.
pub(crate) fn open(
    snapshot: &Snapshot,
    handles: &Handles,
    owner: &str,
    call: &ServerCall,
    session: &str,
    sealed: &str,
) -> Option<Resumed> {
    let opened = handles.open(owner, sealed).filter(|opened| opened.mark == mark(&call.server, session))?;
    let (event, about) = opened.name.rsplit_once(SEAM)?;
    let about: About = serde_json::from_slice(&hex::decode(about).ok()?).ok()?;
    (about.bundle == snapshot.digest.to_string()).then(|| Resumed { event: event.to_owned(), about })
}

/// What a lock has to be on to cut the stream, beside what the request names.
pub(crate) fn aim(resumed: Option<&Resumed>) -> Option<Resource> {
    resumed.and_then(|resumed| resumed.about.tool.clone()).map(Resource::Tool)
}

/// Both: a stream that goes on owes what the call owed.
pub(crate) fn united(duties: &Duties, resumed: Option<&Resumed>) -> Duties {
    let owed = resumed.map(|resumed| resumed.about.duties.links()).unwrap_or_default();
    Duties::new(duties.links().iter().chain(owed).cloned().collect())
}

/// Sessions with tool servers that clients have ended: whatever the server thinks of it, nobody goes on with one. The latest of them.
#[derive(Debug, Default)]
pub struct EndedSessions(Mutex<Ended>);

#[derive(Debug, Default)]
struct Ended {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl EndedSessions {
    /// Ends a session, by the name that the client knows.
    pub(crate) fn insert(&self, sealed: &str) {
        let Some(tag) = tag(sealed) else { return };
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ended.known.insert(tag.to_owned()) {
            return;
        }
        ended.order.push_back(tag.to_owned());
        if ended.order.len() > MOST_ENDED
            && let Some(oldest) = ended.order.pop_front()
        {
            ended.known.remove(&oldest);
        }
    }

    /// Whether a session has been ended.
    pub(crate) fn has(&self, sealed: &str) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tag(sealed).is_some_and(|tag| ended.known.contains(tag))
    }
}

fn tag(sealed: &str) -> Option<&str> {
    sealed.len().checked_sub(TAG).and_then(|at| sealed.get(at..))
}

#[cfg(test)]
mod tests {
    use super::{EndedSessions, MOST_ENDED};

    #[test]
    fn the_latest_ended_sessions_are_known() {
        let ended = EndedSessions::default();
        let name = |number: usize| format!("session-{number}_pcl{number:044}");
        for number in 0..=MOST_ENDED {
            assert!(!ended.has(&name(number)));
            ended.insert(&name(number));
            ended.insert(&name(number));
        }
        assert!(!ended.has(&name(0)) && ended.has(&name(1)) && ended.has(&name(MOST_ENDED)));
        ended.insert("short");
        assert!(!ended.has("short"));
    }
}
