//! Streams of tool servers that clients come back to, and sessions that have ended.
//!
//! A stream can break, and be asked for again from its last event on. What is told then belongs to the call that was permitted: its
//! answer is expected, its duties are performed, a lock on its tool cuts it. There is no table of such calls. The server's name of
//! an event goes to the client with what has to be known of the call, sealed for credential, task, server and session, and for the
//! bundle by which it was decided: after another one was applied the call is made anew.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use identity::Handles;
use model::{Digest, Duties, Name, RequestId, Resource};
use serde::{Deserialize, Serialize};

use crate::inspection::Inspected;
use crate::meet::Links;
use crate::ports::{ServerCall, Wants};
use crate::snapshot::Snapshot;

/// Between the server's name of an event, which has no line end, and what is known of its call.
const SEAM: char = '\n';
/// Longest name of an event, in bytes, as servers write it.
const LONGEST: usize = 512;
/// Most sessions that are known to have ended.
const MOST_ENDED: usize = 10_000;
/// Most of these of one task.
const MOST_ENDED_OF_ONE: usize = 256;
/// Most streams of news that one task has open at a time: clients open one per session.
const MOST_HEARD_OF_ONE: usize = 32;

/// Longest description of a call behind the name of an event, in bytes as it is told: a header has to hold it.
const LONGEST_ABOUT: usize = 4 << 10;

/// What a stream is about that a client may come back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The id of the request that it answers, as JSON; none for one that answers nothing.
    pub(crate) asked: Option<String>,
    /// The tool that was called, `server/tool`.
    pub(crate) tool: Option<String>,
    /// Under which id the call stands in the log.
    pub(crate) request: String,
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

/// Seals the names of events of one stream. What that takes is made when the first event has a name: most have none.
#[derive(Debug)]
pub(crate) struct EventSeal {
    bound: [u8; 32],
    asked: Option<String>,
    tool: Option<String>,
    duties: Arc<Duties>,
    bundle: Digest,
    /// What a stream was about that goes on.
    resumed: Option<About>,
}

impl EventSeal {
    /// What is known of the call, as it stands behind the name of an event; none if it is too long for a header.
    pub(crate) fn about(&self, request: RequestId) -> Option<String> {
        let made = || About {
            asked: self.asked.clone(),
            tool: self.tool.clone(),
            request: request.to_string(),
            duties: Duties::clone(&self.duties),
            bundle: self.bundle.to_string(),
        };
        let about = self.resumed.clone().unwrap_or_else(made);
        let about = serde_json::to_string(&about).ok()?;
        (about.len() <= LONGEST_ABOUT).then_some(about)
    }

    /// The name of an event as the client may say it again; none for one that cannot stand in a header.
    pub(crate) fn seal(&self, handles: &Handles, owner: &str, event: &str, about: &str) -> Option<String> {
        let is_plain = !event.is_empty() && event.len() <= LONGEST && event.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| handles.hide(owner, &self.bound, &format!("{event}{SEAM}{about}"))).flatten()
    }
}

/// What the names of events are bound to: a session of a server.
fn bound(server: &Name, session: &str) -> [u8; 32] {
    identity::digest_of(&["event", server.as_str(), session])
}

/// What the events of the answer are sealed with, if a client can come back to it: in a session, to the answer of a tool or to news.
pub(crate) fn seal(snapshot: &Snapshot, inspected: &Inspected<'_>, call: &ServerCall, duties: &Arc<Duties>) -> Option<EventSeal> {
    let named = inspected.named();
    let bound = bound(&call.server, named.session.as_deref()?);
    let (duties, bundle) = (Arc::clone(duties), snapshot.digest);
    let resumed = named.resumed.as_ref().map(|resumed| resumed.about.clone());
    let (asked, tool) = match &call.wants {
        // Rows are counted while the answer of the call itself passes: to that one nobody comes back.
        Wants::Tool { name, .. } if counts_rows(snapshot, call, name) => return None,
        Wants::Tool { .. } => {
            let document = inspected.document();
            let asked = document.lexeme(document.get(document.root(), "id")?).to_owned();
            (Some(asked), Some(inspected.aim().id().to_owned()))
        }
        _ if call.is_standing => (None, None),
        _ => return None,
    };
    Some(EventSeal { bound, asked, tool, duties, bundle, resumed })
}

fn counts_rows(snapshot: &Snapshot, call: &ServerCall, tool: &str) -> bool {
    let counts = snapshot.servers.get(&call.server).and_then(|server| server.counts.get(tool));
    counts.is_some_and(|counts| counts.values().any(|count| matches!(count.of, model::Counted::Rows(_))))
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
    let named = handles.reveal(owner, &bound(&call.server, session), sealed)?;
    let (event, about) = named.split_once(SEAM)?;
    let about: About = serde_json::from_str(about).ok()?;
    (about.bundle == snapshot.digest.to_string()).then(|| Resumed { event: event.to_owned(), about })
}

/// What a lock has to be on to cut the stream, beside what the request names.
pub(crate) fn aim(resumed: Option<&Resumed>) -> Option<Resource> {
    resumed.and_then(|resumed| resumed.about.tool.clone()).map(Resource::Tool)
}

/// Both: a stream that goes on owes what the call owed.
pub(crate) fn united(duties: Duties, resumed: Option<&Resumed>) -> Duties {
    let Some(resumed) = resumed else { return duties };
    Duties::new(duties.links().iter().chain(resumed.about.duties.links()).cloned().collect())
}

/// What is known of sessions with tool servers: which ones clients have ended (whatever the server thinks of it, nobody goes on with
/// one; the latest of them), and who waits for news.
#[derive(Debug, Default)]
pub struct Sessions {
    /// So that nobody waits where no session was ended yet.
    is_some: AtomicBool,
    ended: Mutex<Ended>,
    /// By owner, how many streams of news are open.
    heard: Mutex<HashMap<u64, usize>>,
    /// Those that the gate has begun.
    links: Links,
}

/// One stream of news that is open; it is not any more when this goes.
#[derive(Debug)]
pub(crate) struct Heard<'s> {
    sessions: &'s Sessions,
    owner: u64,
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        let mut heard = self.sessions.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let left = heard.get_mut(&self.owner).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            heard.remove(&self.owner);
        }
    }
}

#[derive(Debug, Default)]
struct Ended {
    known: HashSet<[u8; 32]>,
    order: VecDeque<(u64, [u8; 32])>,
}

/// One session: as whom, with which server, by the server's own name.
pub(crate) struct Session<'s> {
    pub(crate) owner: &'s str,
    pub(crate) server: &'s Name,
    pub(crate) name: &'s str,
}

impl Session<'_> {
    fn key(&self) -> [u8; 32] {
        identity::digest_of(&["session", self.owner, self.server.as_str(), self.name])
    }
}

impl Sessions {
    /// Those that the gate has begun.
    pub(crate) const fn links(&self) -> &Links {
        &self.links
    }

    /// Opens a stream of news; none if the same task has as many as one may have.
    pub(crate) fn hear(&self, owner: &str) -> Option<Heard<'_>> {
        let owner = number(owner);
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let count = heard.entry(owner).or_default();
        if *count >= MOST_HEARD_OF_ONE {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Heard { sessions: self, owner })
    }

    /// Ends a session. Who ends more than so many pushes out his own.
    pub(crate) fn insert(&self, session: &Session<'_>) {
        let (key, owner) = (session.key(), number(session.owner));
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if !ended.known.insert(key) {
            return;
        }
        self.is_some.store(true, Ordering::Release);
        let own = ended.order.iter().filter(|(of, _)| *of == owner).count();
        let oldest = if own >= MOST_ENDED_OF_ONE { ended.order.iter().position(|(of, _)| *of == owner) } else { None };
        let oldest = oldest.or_else(|| (ended.order.len() >= MOST_ENDED).then_some(0));
        if let Some((_, oldest)) = oldest.and_then(|at| ended.order.remove(at)) {
            ended.known.remove(&oldest);
        }
        ended.order.push_back((owner, key));
    }

    /// Whether a session has been ended.
    pub(crate) fn has(&self, session: &Session<'_>) -> bool {
        if !self.is_some.load(Ordering::Acquire) {
            return false;
        }
        let key = session.key();
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&key)
    }
}

/// A task as a number, for how much each may have.
fn number(owner: &str) -> u64 {
    identity::digest_of(&["owner", owner]).first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use model::Name;

    use super::{MOST_ENDED, MOST_ENDED_OF_ONE, MOST_HEARD_OF_ONE, Session, Sessions};

    #[test]
    fn the_latest_sessions_are_known() {
        let ended = Sessions::default();
        let server = Name::new("kb").unwrap();
        let with = |owner: &str, number: usize, does: &dyn Fn(&Session<'_>) -> bool| {
            does(&Session { owner, server: &server, name: &format!("session-{number}") })
        };
        let has = |session: &Session<'_>| ended.has(session);
        let end = |session: &Session<'_>| {
            ended.insert(session);
            ended.has(session)
        };
        assert!(!with("ann", 0, &has));
        assert!(with("ann", 0, &end) && with("ann", 0, &end));
        assert!(!with("bob", 0, &has), "another task's session of that name");
        // Who ends many ends none of another one's earlier.
        for number in 0..=MOST_ENDED_OF_ONE {
            assert!(with("bob", number, &end));
        }
        assert!(!with("bob", 0, &has) && with("bob", 1, &has) && with("ann", 0, &has));
        for number in 0..MOST_ENDED {
            assert!(with(&format!("task-{number}"), 0, &end));
        }
        assert!(!with("ann", 0, &has) && with("task-1", 0, &has));
    }

    #[test]
    fn one_task_hears_so_much_and_no_more() {
        let sessions = Sessions::default();
        let mut heard: Vec<_> = (0..MOST_HEARD_OF_ONE).map(|_| sessions.hear("ann").unwrap()).collect();
        assert!(sessions.hear("ann").is_none() && sessions.hear("bob").is_some());
        heard.pop();
        assert!(sessions.hear("ann").is_some());
        heard.clear();
        assert!(sessions.heard.lock().unwrap().is_empty());
    }
}
