//! Where the values of a call come from: found out where a model asks for it, kept for the moment in which the call itself arrives.
//!
//! A call of a tool server brings no conversation along. So it is known by what it is: the task, the tool and the arguments. One that
//! no model has asked for here has values that come from nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use evidence::sha256;
use flow::{CallFacts, Conversation};
use model::{Annotation, ArgumentOrigin, Around, DecisionInput, Digest, Integrity, Name, Sink, UnixMillis};

use crate::admit::Identified;
use crate::asked::{ClientMode, Reads};
use crate::decide::Permit;
use crate::endorsed::Endorsed;
use crate::inspection::Inspected;
use crate::ports::{Aim, Wants, World};
use crate::seen::{self, Seen};
use crate::snapshot::Snapshot;

/// How long a call that was asked for may take until it is made, in milliseconds: as long as somebody may think about it.
const HOLDS: u64 = 2 * 3600 * 1000;
/// Most calls of one task, and most tasks: those that were asked for first go first.
const MOST_OF_ONE: usize = 64;
const MOST_TASKS: usize = 4096;
/// Most values of all calls of all tasks.
const MOST_VALUES: usize = 1 << 18;
/// Most values of one call of which it is told where they come from, and the longest name in it.
const MOST_TOLD: usize = 64;
const LONGEST: usize = 128;

/// A call, by what it is.
pub(crate) type CallName = Digest;

/// What is known of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// Of each kind of argument the least integrity; none where operators have not said what the arguments decide.
    pub(crate) sinks: Option<BTreeMap<Sink, Integrity>>,
    /// Arguments that could stem from what nobody vouches for.
    pub(crate) untrusted: BTreeSet<String>,
    /// Whether anything that nobody vouches for came in before.
    pub(crate) is_tainted: bool,
    /// Where each value stands.
    pub(crate) origins: Vec<ArgumentOrigin>,
}

impl Known {
    /// Of a conversation that could not be read.
    pub(crate) fn nothing() -> Self {
        Self { is_tainted: true, ..Self::default() }
    }

    pub(crate) fn of(facts: &CallFacts, conversation: &Conversation) -> Self {
        let origin = |origin: &flow::Origin| {
            let place = origin.grounding.place.as_ref();
            let source = place.and_then(|place| conversation.provenance().source(place.source));
            ArgumentOrigin {
                at: short(&origin.at),
                sink: origin.sink,
                integrity: origin.grounding.integrity,
                from: source.map(|source| short(&source.name)),
                line: place.map(|place| place.line),
                field: place.and_then(|place| place.field.as_deref()).map(short),
            }
        };
        Self {
            sinks: facts.sinks.clone(),
            untrusted: facts.untrusted.clone(),
            is_tainted: facts.is_tainted,
            origins: facts.origins.iter().take(MOST_TOLD).map(origin).collect(),
        }
    }

    /// Of a call that nobody has asked for here: every argument that decides something comes from nowhere.
    pub(crate) fn unasked(annotation: &Annotation, arguments: &str) -> Self {
        let read: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(arguments).ok();
        let is_told = |name: &&String| read.as_ref().is_none_or(|read| read.get(*name).is_some_and(|value| !value.is_null()));
        let decisive = annotation.sinks.iter().filter(|(name, _)| is_told(name));
        let sinks = decisive.map(|(_, sink)| (*sink, Integrity::Untrusted)).collect();
        let names = read.iter().flat_map(BTreeMap::keys).cloned().collect();
        Self { sinks: (!annotation.sinks.is_empty()).then_some(sinks), untrusted: names, is_tainted: false, origins: Vec::new() }
    }
}

/// Names in it can be somebody else's.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// What is known of a call that arrives, where it is one of a tool and somebody could want to know.
pub(crate) fn around<W: World>(world: &W, snapshot: &Snapshot, identified: &Identified, inspected: &Inspected<'_>) -> Around {
    let Aim::Server(call) = &inspected.understood().aim else { return Around::default() };
    let Wants::Tool { name, arguments } = &call.wants else { return Around::default() };
    let annotation = snapshot.servers.get(&call.server).and_then(|server| server.annotations.get(name));
    let decides = annotation.filter(|annotation| !annotation.sinks.is_empty());
    if decides.is_none() && snapshot.client_tools.mode == ClientMode::Off {
        return Around::default();
    }
    let arguments = arguments.map_or("{}", |arguments| inspected.document().lexeme(arguments));
    let ledger = &identified.credential().ledger;
    let known = world.origins().of(ledger, &snapshot.digest, (inspected.aim().id(), arguments), world.now());
    let known = known.or_else(|| Some(Known::unasked(decides?, arguments))).unwrap_or_default();
    Around { sinks: known.sinks, untrusted: known.untrusted, traced: known.origins, ..Around::default() }
}

/// What was approved of a call counts for its values from here on.
pub(crate) fn endorse<W: World>(world: &W, identified: &Identified, permit: &Permit) {
    if permit.approval().is_some() {
        world.origins().approved(&identified.credential().ledger, &permit.judgement().input, world.now());
    }
}

/// What is known of calls that models have asked for.
#[derive(Debug, Default)]
pub struct Origins {
    asked: Mutex<Tasks>,
    seen: Mutex<Seen>,
    endorsed: Mutex<Endorsed>,
    reads: Reads,
}

#[derive(Debug, Default)]
struct Tasks {
    calls: HashMap<Name, VecDeque<(CallName, UnixMillis, Known)>>,
    order: VecDeque<Name>,
    /// Values of all calls.
    n_values: usize,
}

impl Origins {
    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An approved call is made: its values are endorsed for this task.
    pub(crate) fn approved(&self, task: &Name, input: &DecisionInput, now: UnixMillis) {
        self.endorsed.lock().unwrap_or_else(PoisonError::into_inner).approved(task, input, now);
    }

    /// Raises what is known of a call of `tool` by what was endorsed in this task.
    pub(crate) fn raise(&self, task: &Name, (tool, arguments): (&str, &str), known: &mut Known, now: UnixMillis) {
        let Known { sinks: Some(sinks), origins, .. } = known else { return };
        let is_low = |origin: &ArgumentOrigin| origin.integrity < Integrity::Trusted && origin.sink.is_some();
        if origins.len() >= MOST_TOLD || !origins.iter().any(is_low) {
            return;
        }
        let Ok(arguments) = serde_json::from_str(arguments) else { return };
        let endorsed = self.endorsed.lock().unwrap_or_else(PoisonError::into_inner);
        for origin in origins.iter_mut().filter(|origin| is_low(origin)) {
            let Some(sink) = origin.sink else { continue };
            if endorsed.has(task, tool, (&origin.at, sink), &arguments, now) {
                (origin.integrity, origin.from, origin.line, origin.field) =
                    (Integrity::Trusted, Some("approval".to_owned()), None, None);
            }
        }
        for (sink, least) in sinks.iter_mut().filter(|(sink, _)| **sink != Sink::Content) {
            let of_sink = origins.iter().filter(|origin| origin.sink == Some(*sink)).map(|origin| origin.integrity);
            *least = of_sink.min().unwrap_or(*least);
        }
    }

    /// Conversations that were read.
    pub(crate) const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Keeps what a call of a tool has brought, in the texts that `task` is told.
    pub(crate) fn came(&self, task: &Name, (tool, arguments): (&str, &str), texts: &[String], is_vouched: bool) {
        let Some(call) = name_of(tool, arguments).filter(|_| !texts.is_empty()) else { return };
        // Read before anybody has to wait for the lock.
        if let Some(parts) = seen::parts_of_all(texts) {
            self.seen().keep(task, call, parts, is_vouched);
        }
    }

    /// Those lines of a text that some tool has told `task`, and nobody vouches for.
    pub(crate) fn told(&self, task: &Name, text: &str) -> String {
        let lines = seen::lines(text);
        let is_told = self.seen().told(task, &lines);
        let told = lines.iter().zip(is_told).filter(|(_, is_told)| *is_told).map(|((line, _), _)| *line);
        told.collect::<Vec<_>>().join("\n")
    }

    /// Whether all of a text has come to `task` as the result of this call; `is_whole`: and nothing of that is left out.
    pub(crate) fn has_come(&self, task: &Name, (tool, arguments): (&str, &str), text: &str, is_whole: bool) -> bool {
        let parts = seen::unwrapped(text);
        parts.zip(name_of(tool, arguments)).is_some_and(|(parts, call)| self.seen().has(task, call, &parts, is_whole))
    }

    /// Keeps what is known of a call that `task` has asked for under a bundle. What was known of the same call before is known no longer.
    /// Another bundle may say other things of the tool's arguments: there nobody has asked for it.
    pub(crate) fn keep(&self, task: &Name, bundle: &Digest, (tool, arguments): (&str, &str), known: Known, now: UnixMillis) {
        let Some(call) = name_of(tool, arguments).map(|call| under(bundle, &call)) else { return };
        let mut tasks = self.tasks();
        if !tasks.calls.contains_key(task) {
            tasks.order.push_back(task.clone());
        }
        let n_new = known.origins.len();
        let calls = tasks.calls.entry(task.clone()).or_default();
        let before: usize = calls.iter().map(|(.., known)| known.origins.len()).sum();
        calls.retain(|(of, at, _)| *of != call && now.since(*at) < HOLDS);
        if calls.len() >= MOST_OF_ONE {
            calls.pop_front();
        }
        let left: usize = calls.iter().map(|(.., known)| known.origins.len()).sum();
        calls.push_back((call, now, known));
        tasks.n_values = tasks.n_values.saturating_sub(before.saturating_sub(left)).saturating_add(n_new);
        while tasks.order.len() > MOST_TASKS || tasks.n_values > MOST_VALUES {
            let Some(oldest) = tasks.order.pop_front() else { break };
            let gone: usize = tasks.calls.remove(&oldest).iter().flatten().map(|(.., known)| known.origins.len()).sum();
            tasks.n_values = tasks.n_values.saturating_sub(gone);
        }
    }

    /// What is known of a call that arrives; none if no model has asked for it.
    pub(crate) fn of(&self, task: &Name, bundle: &Digest, (tool, arguments): (&str, &str), now: UnixMillis) -> Option<Known> {
        let call = under(bundle, &name_of(tool, arguments)?);
        let tasks = self.tasks();
        let known = tasks.calls.get(task)?.iter().find(|(of, at, _)| *of == call && now.since(*at) < HOLDS);
        known.map(|(.., known)| known.clone())
    }
}

fn under(bundle: &Digest, call: &CallName) -> CallName {
    sha256(&[bundle.0, call.0].concat())
}

/// A call by what it is. Clients write the same arguments in another order, with other spaces and escapes.
fn name_of(tool: &str, arguments: &str) -> Option<CallName> {
    let document = text::Document::parse(arguments.as_bytes(), &text::Limits::default()).ok()?;
    let mut whole = format!("{}:{tool}", tool.len());
    written(&document, document.root(), &mut whole);
    Some(sha256(whole.as_bytes()))
}

/// A value in one form: members by name, numbers as they stand, since not every reader takes `1.0` for `1`.
fn written(document: &text::Document<'_>, node: text::NodeId, to: &mut String) {
    match document.kind(node) {
        text::Kind::Object => {
            let mut members: Vec<(String, text::NodeId)> =
                document.children(node).map(|child| (document.key(child).unwrap_or_default().into_owned(), child)).collect();
            members.sort();
            to.push('{');
            for (key, child) in members {
                to.push_str(&text::quote(&key));
                to.push(':');
                written(document, child, to);
                to.push(',');
            }
            to.push('}');
        }
        text::Kind::Array => {
            to.push('[');
            for child in document.children(node) {
                written(document, child, to);
                to.push(',');
            }
            to.push(']');
        }
        text::Kind::String => to.push_str(&text::quote(&document.text(node).unwrap_or_default())),
        _ => to.push_str(document.lexeme(node)),
    }
}

#[cfg(test)]
mod tests {
    use model::{Annotation, Digest, Integrity, Name, Sink, UnixMillis};

    use super::{HOLDS, Known, MOST_OF_ONE, MOST_TASKS, Origins};

    const BUNDLE: Digest = Digest([7; 32]);

    fn known(name: &str) -> Known {
        Known { untrusted: [name.to_owned()].into(), ..Known::default() }
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_call_is_known_by_task_tool_and_arguments_for_a_while() {
        let (origins, now) = (Origins::default(), UnixMillis(1_000_000));
        let call = ("bank/pay", r#"{"to": "caf\u00e9", "amount": 1, "list": [1, {"b": 2, "a": null}]}"#);
        origins.keep(&name("t"), &BUNDLE, call, known("to"), now);
        let same = r#"{"amount":1,"list":[1,{"a":null,"b":2}],"to":"café"}"#;
        assert_eq!(origins.of(&name("t"), &BUNDLE, ("bank/pay", same), now), Some(known("to")));
        assert_eq!(origins.of(&name("t"), &Digest([8; 32]), call, now), None, "another bundle may say other things of the tool");
        for (task, tool, arguments, at) in [
            ("u", "bank/pay", same, now),
            ("t", "bank/payout", same, now),
            ("t", "bank/pay", r#"{"amount":1.0,"list":[1,{"a":null,"b":2}],"to":"café"}"#, now),
            ("t", "bank/pay", r#"{"amount":1,"list":[{"a":null,"b":2},1],"to":"café"}"#, now),
            ("t", "bank/pay", r#"{"amount":1,"list":[1,{"a":null,"b":2}],"to":"cafe"}"#, now),
            ("t", "bank/pay", "{", now),
            ("t", "bank/pay", same, UnixMillis(now.0 + HOLDS)),
        ] {
            assert_eq!(origins.of(&name(task), &BUNDLE, (tool, arguments), at), None, "{task} {tool} {arguments}");
        }
        origins.keep(&name("t"), &BUNDLE, ("bank/pay", same), known("amount"), now);
        assert_eq!(origins.of(&name("t"), &BUNDLE, call, now), Some(known("amount")), "what was asked for last");
    }

    #[test]
    fn a_task_pushes_out_its_own_and_the_first_task_goes_first() {
        let (origins, now) = (Origins::default(), UnixMillis(5));
        let ask = |task: &str, number: usize| {
            origins.keep(&name(task), &BUNDLE, ("s/t", &format!("{{\"n\":{number}}}")), known("n"), now)
        };
        let has =
            |task: &str, number: usize| origins.of(&name(task), &BUNDLE, ("s/t", &format!("{{\"n\":{number}}}")), now).is_some();
        ask("other", 0);
        (0..=MOST_OF_ONE).for_each(|number| ask("one", number));
        assert_eq!((has("one", 0), has("one", 1), has("one", MOST_OF_ONE), has("other", 0)), (false, true, true, true));
        (0..MOST_TASKS - 1).for_each(|number| ask(&format!("task{number}"), 0));
        assert_eq!((has("other", 0), has("one", 1), has("task0", 0)), (false, true, true));
    }

    #[test]
    fn what_nobody_has_asked_for_comes_from_nowhere() {
        let sinks = [("to".to_owned(), Sink::Payee), ("note".to_owned(), Sink::Content), ("cc".to_owned(), Sink::Destination)];
        let annotation = Annotation { sinks: sinks.into(), ..Annotation::default() };
        let unasked = Known::unasked(&annotation, r#"{"to": "x", "cc": null, "amount": 1}"#);
        assert_eq!(unasked.sinks, Some([(Sink::Payee, Integrity::Untrusted)].into()));
        assert_eq!(unasked.untrusted.len(), 3);
        assert_eq!(Known::unasked(&annotation, "[").sinks.unwrap().len(), 3, "unreadable: all of them");
        assert_eq!(Known::unasked(&Annotation::default(), "{}").sinks, None);
    }
}
