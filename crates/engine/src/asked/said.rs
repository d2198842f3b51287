//! The conversation behind a call that a model asks for: read out of the request, so what is known of a call is a function of the
//! request, the calls before it in the same answer, and the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use flow::{Call, Conversation, UserText};
use model::{Chain, PrincipalKind};

use super::{ClientTools, given};
use crate::admit::Identified;
use crate::origins::Known;
use crate::ports::{CallAsked, Turn, World};
use crate::snapshot::Snapshot;

/// By this no call is known.
const NOBODY: &str = "\0nobody";
/// Stands for what nobody here can read: only that it was there counts.
const UNREAD: &str = "\u{fffd}";

/// A request's conversation.
pub(crate) struct Said {
    turns: Vec<Turn>,
    /// As one configuration reads it.
    read: Option<(Arc<Snapshot>, Conversation)>,
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
        let chain = identified.chain();
        if self.read.as_ref().is_none_or(|(by, _)| !Arc::ptr_eq(by, snapshot)) {
            let conversation = conversation(world, &snapshot.client_tools, identified, &self.turns);
            self.read = Some((Arc::clone(snapshot), conversation));
        }
        let Some((_, conversation)) = &mut self.read else { return Known::nothing() };
        let id = format!("\0{}", call.key);
        let facts = asked(&snapshot.client_tools, chain, conversation, (&id, &call.name, &call.arguments));
        // Whether it passes is not known yet: what it would write is no better than it is, in the rest of the answer, too.
        conversation.made(&id);
        Known::of(&facts, conversation)
    }
}

/// Reads a conversation.
fn conversation<W: World>(world: &W, tools: &ClientTools, identified: &Identified, turns: &[Turn]) -> Conversation {
    let (chain, ledger) = (identified.chain(), &identified.credential().ledger);
    // Calls that go through the gate, whose results it has seen.
    let mut through: HashMap<&str, (String, &str)> = HashMap::new();
    let is_verbatim = |agent: &model::PrincipalId| agent.kind == PrincipalKind::Agent && tools.verbatim.contains(&agent.name);
    let user_text = if chain.actor().is_some_and(is_verbatim) { UserText::Verbatim } else { UserText::Mixed };
    let mut conversation = Conversation::new(user_text);
    for turn in turns {
        match turn {
            Turn::System(text) => conversation.system(text),
            Turn::User(text) => conversation.user(text),
            Turn::Asked { id, name, arguments } => {
                asked(tools, chain, &mut conversation, (id, name, arguments));
                // It stands in the history because it was made, or could have been.
                conversation.made(id);
                if let Some(tool) = tools.named(chain, name).filter(|tool| !tool.runs_at_client) {
                    through.insert(id, (format!("{}/{}", tool.server, tool.tool), given(arguments)));
                }
            }
            Turn::Answered { id, text } => {
                let was_seen = |(tool, arguments): &(String, &str)| world.origins().has_come(ledger, (tool, arguments), text);
                let is_somebodys = !id.is_empty() && through.get(id.as_str()).is_none_or(was_seen);
                conversation.answered(if is_somebodys { id } else { NOBODY }, text);
            }
            Turn::Unread => conversation.answered(NOBODY, UNREAD),
        }
    }
    conversation
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
