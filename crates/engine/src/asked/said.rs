//! The conversation behind a call that a model asks for: read out of the request, so what is known of a call is a function of the
//! request, the calls that were asked for behind its beginnings, and the configuration.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flow::{Call, Conversation, UserText};
use model::{Chain, Digest, Output, PrincipalId, PrincipalKind};

use super::{ClientTools, given};
use crate::admit::Identified;
use crate::origins::Known;
use crate::ports::{CallAsked, Turn, World};
use crate::snapshot::Snapshot;

/// By this no call is known.
const NOBODY: &str = "\0nobody";
/// Stands for what nobody here can read: only that it was there counts.
const UNREAD: &str = "\u{fffd}";

/// Most conversations that are kept for the next request that goes on with them, and the longest one, in bytes of its turns.
const MOST_KEPT: usize = 64;
const LONGEST_KEPT: usize = 1 << 20;

/// A request's conversation.
pub(crate) struct Said {
    turns: Vec<Turn>,
    /// As one configuration reads it.
    read: Option<Arc<Mutex<Read>>>,
}

/// A conversation that was read.
#[derive(Debug)]
pub(crate) struct Read {
    by: Arc<Snapshot>,
    conversation: Conversation,
    /// Calls that go through the gate, whose results it has seen: by their ids.
    through: HashMap<String, Through>,
    /// Whether every result of these was seen: what was not seen yet may be when it is told again.
    is_seen: bool,
}

/// A call that goes through the gate.
#[derive(Debug)]
struct Through {
    tool: String,
    arguments: String,
    /// Whether fields of its results differ in what they are worth: then a part of one says less than the whole.
    is_mixed: bool,
}

/// Conversations that were read, by the digests of all their turns. A request that goes on with one feeds only what is new: the same
/// turns read the same.
#[derive(Debug, Default)]
pub(crate) struct Reads(Mutex<VecDeque<(Digest, Arc<Mutex<Read>>)>>);

impl Reads {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(Digest, Arc<Mutex<Read>>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest beginning of a conversation that was read before, and how many turns that are. Nobody else has it from then on.
    fn take(&self, prefixes: &[Digest], snapshot: &Arc<Snapshot>) -> Option<(usize, Read)> {
        let at: HashMap<&Digest, usize> = prefixes.iter().enumerate().map(|(n_turns, digest)| (digest, n_turns)).collect();
        let mut kept = self.kept();
        let found = kept.iter().enumerate().filter_map(|(place, (digest, _))| Some((*at.get(digest)?, place)));
        let (n_turns, place) = found.max()?;
        let (_, read) = kept.remove(place)?;
        drop(kept);
        // One that an answer still uses is read anew.
        let read = Arc::into_inner(read)?.into_inner().unwrap_or_else(PoisonError::into_inner);
        Arc::ptr_eq(&read.by, snapshot).then_some((n_turns, read))
    }

    fn put(&self, digest: Digest, read: &Arc<Mutex<Read>>) {
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT {
            kept.pop_front();
        }
        kept.push_back((digest, Arc::clone(read)));
    }
}

impl Said {
    pub(crate) const fn new(turns: Vec<Turn>) -> Self {
        Self { turns, read: None }
    }

    /// What is known of a call that is asked for now.
    pub(crate) fn asked<W: World>(
        &mut self,
        world: &W,
        snapshot: &Arc<Snapshot>,
        identified: &Identified,
        call: &CallAsked,
    ) -> Known {
        let is_old = |read: &Arc<Mutex<Read>>| !Arc::ptr_eq(&locked(read).by, snapshot);
        if self.read.as_ref().is_none_or(is_old) {
            self.read = Some(read(world, snapshot, identified, &self.turns));
        }
        let Some(read) = &self.read else { return Known::nothing() };
        let mut read = locked(read);
        let (id, chain) = (format!("\0{}:{}", self.turns.len(), call.key), identified.chain());
        let facts = asked(&snapshot.client_tools, chain, &mut read.conversation, (&id, &call.name, &call.arguments));
        // Whether it passes is not known yet: what it would write is no better than it is, in the rest of the answer, too.
        read.conversation.made(&id);
        Known::of(&facts, &read.conversation)
    }
}

fn locked(read: &Mutex<Read>) -> MutexGuard<'_, Read> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a conversation, or what is new of it.
fn read<W: World>(world: &W, snapshot: &Arc<Snapshot>, identified: &Identified, turns: &[Turn]) -> Arc<Mutex<Read>> {
    let reads = world.origins().reads();
    let prefixes = prefixes(identified, turns);
    let (n_turns, mut read) = reads.take(&prefixes, snapshot).unwrap_or_else(|| (0, Read::new(snapshot, identified.chain())));
    turns.iter().skip(n_turns).for_each(|turn| read.feed(world, identified, turn));
    let n_bytes: usize = turns.iter().map(Turn::len).sum();
    let is_kept = read.is_seen && n_bytes <= LONGEST_KEPT;
    let read = Arc::new(Mutex::new(read));
    if let Some(whole) = prefixes.last().filter(|_| is_kept) {
        reads.put(*whole, &read);
    }
    read
}

/// The digests of every beginning of a conversation, the empty one first: as whom, and then turn by turn.
fn prefixes(identified: &Identified, turns: &[Turn]) -> Vec<Digest> {
    let chain: Vec<String> = identified.chain().links().iter().map(ToString::to_string).collect();
    let mut last = Digest(identity::digest_of(&["conversation", identified.credential().ledger.as_str(), &chain.join(" ")]));
    let mut digests = vec![last];
    for turn in turns {
        let (kind, texts) = turn.parts();
        let [first, second, third] = texts;
        last = Digest(identity::digest_of(&[&hex::encode(last.0), kind, first, second, third]));
        digests.push(last);
    }
    digests
}

impl Read {
    fn new(snapshot: &Arc<Snapshot>, chain: &Chain) -> Self {
        let tools = &snapshot.client_tools;
        let is_verbatim = |agent: &PrincipalId| agent.kind == PrincipalKind::Agent && tools.verbatim.contains(&agent.name);
        let user_text = if chain.actor().is_some_and(is_verbatim) { UserText::Verbatim } else { UserText::Mixed };
        Self { by: Arc::clone(snapshot), conversation: Conversation::new(user_text), through: HashMap::new(), is_seen: true }
    }

    fn feed<W: World>(&mut self, world: &W, identified: &Identified, turn: &Turn) {
        let (chain, ledger) = (identified.chain(), &identified.credential().ledger);
        let tools = &self.by.client_tools;
        match turn {
            Turn::System(text) => self.conversation.system(text),
            Turn::User(text) => {
                // What a tool has told is no word of the user's, in whosever name it stands.
                let told = world.origins().told(ledger, text);
                if !told.is_empty() {
                    self.conversation.answered(NOBODY, &told);
                }
                self.conversation.user(text);
            }
            Turn::Asked { id, name, arguments } => {
                asked(tools, chain, &mut self.conversation, (id, name, arguments));
                // It stands in the history because it was made, or could have been.
                self.conversation.made(id);
                if let Some(tool) = tools.named(chain, name).filter(|tool| !tool.runs_at_client) {
                    let is_mixed = matches!(tool.annotation.output, Output::Mixed { .. });
                    let (name, arguments) = (format!("{}/{}", tool.server, tool.tool), given(arguments).to_owned());
                    self.through.insert(id.clone(), Through { tool: name, arguments, is_mixed });
                }
            }
            Turn::Answered { id, text } => {
                let was_seen = |of: &Through| world.origins().has_come(ledger, (&of.tool, &of.arguments), text, of.is_mixed);
                let is_seen = self.through.get(id).is_none_or(was_seen);
                self.is_seen &= is_seen;
                let is_somebodys = !id.is_empty() && is_seen;
                self.conversation.answered(if is_somebodys { id } else { NOBODY }, text);
            }
            Turn::Unread => self.conversation.answered(NOBODY, UNREAD),
        }
    }
}

fn asked(
    tools: &ClientTools,
    chain: &Chain,
    conversation: &mut Conversation,
    (id, name, arguments): (&str, &str, &str),
) -> flow::CallFacts {
    let known = tools.named(chain, name);
    let shown = known.map_or_else(|| name.to_owned(), |tool| format!("{}/{}", tool.server, tool.tool));
    let call = Call {
        id,
        tool: &shown,
        keeps: known.map_or("", |tool| tool.server.as_str()),
        annotation: known.map(|tool| &tool.annotation),
        acts: known.is_some_and(|tool| tool.acts),
        arguments,
    };
    match known {
        Some(tool) => conversation.asked_of(&call, &tool.declared),
        None => conversation.asked(&call),
    }
}
