//! Values that somebody has vouched for by approving a call: for one task, one tool and one argument.
//!
//! An endorsed value is as good as what an operator vouches for, and no better: who is paid, and what opens something, still needs the
//! user's own words or another approval. Otherwise a payment of one would approve all that follow.

use std::collections::{HashMap, VecDeque};

use model::{DecisionInput, Integrity, Name, Sink, UnixMillis};
use serde_json::Value;

/// How long it holds, in milliseconds: as a task does.
const HOLDS: u64 = 24 * 3600 * 1000;
/// Most values of one task, and most tasks: the first go first.
const MOST_OF_ONE: usize = 256;
const MOST_TASKS: usize = 4096;

type Mark = [u8; 32];

/// What was endorsed.
#[derive(Debug, Default)]
pub(crate) struct Endorsed {
    tasks: HashMap<Name, VecDeque<(Mark, UnixMillis)>>,
    order: VecDeque<Name>,
}

impl Endorsed {
    /// A call was approved, and is made: what nobody vouched for in it was seen by whoever approved it.
    pub(crate) fn approved(&mut self, task: &Name, input: &DecisionInput, now: UnixMillis) {
        let Some(tool) = input.asks.first().map(|ask| ask.resource.id().to_owned()) else { return };
        let arguments = input.facts.arguments.as_deref().and_then(|arguments| serde_json::from_str::<Value>(arguments).ok());
        let Some(arguments) = arguments else { return };
        let decisive = input
            .facts
            .around
            .traced
            .iter()
            .filter(|origin| origin.sink.is_some_and(can_be) && origin.integrity < Integrity::Trusted);
        let marks: Vec<Mark> = decisive.filter_map(|origin| mark(&tool, &origin.at, &arguments)).collect();
        if marks.is_empty() {
            return;
        }
        if !self.tasks.contains_key(task) {
            if self.order.len() >= MOST_TASKS
                && let Some(oldest) = self.order.pop_front()
            {
                self.tasks.remove(&oldest);
            }
            self.order.push_back(task.clone());
        }
        let values = self.tasks.entry(task.clone()).or_default();
        for mark in marks {
            values.retain(|(of, at)| *of != mark && now.since(*at) < HOLDS);
            if values.len() >= MOST_OF_ONE {
                values.pop_front();
            }
            values.push_back((mark, now));
        }
    }

    /// Whether the value at a place of the arguments was endorsed for what it decides.
    pub(crate) fn has(&self, task: &Name, tool: &str, (at, sink): (&str, Sink), arguments: &Value, now: UnixMillis) -> bool {
        let Some(values) = self.tasks.get(task).filter(|_| can_be(sink)) else { return false };
        let Some(mark) = mark(tool, at, arguments) else { return false };
        values.iter().any(|(of, at)| *of == mark && now.since(*at) < HOLDS)
    }
}

const fn can_be(sink: Sink) -> bool {
    matches!(sink, Sink::Destination | Sink::Target | Sink::Fetch)
}

/// A value, for an argument of a tool: its place within a list makes no difference. None for what is no plain value.
fn mark(tool: &str, at: &str, arguments: &Value) -> Option<Mark> {
    let value = arguments.pointer(at)?;
    let value = match value {
        Value::String(text) => format!("\"{text}"),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let places = at.split('/').filter(|part| part.parse::<u32>().is_err());
    Some(identity::digest_of(&["endorsed", tool, &places.collect::<Vec<_>>().join("/"), &value]))
}

#[cfg(test)]
mod tests {
    use model::{Action, ArgumentOrigin, Around, Ask, Chain, DecisionInput, Integrity, Name, Resource, Sink, UnixMillis};
    use serde_json::{Value, json};

    use super::{Endorsed, HOLDS, MOST_OF_ONE};

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn input(arguments: &Value, traced: &[(&str, Sink, Integrity)]) -> DecisionInput {
        let origin = |(at, sink, integrity): &(&str, Sink, Integrity)| ArgumentOrigin {
            at: (*at).to_owned(),
            sink: Some(*sink),
            integrity: *integrity,
            from: None,
            line: None,
            field: None,
        };
        let around = Around { traced: traced.iter().map(origin).collect(), ..Around::default() };
        let facts = model::Facts {
            now: UnixMillis(0),
            credential: "pk_1".parse().unwrap(),
            credential_age: 0,
            dialect: None,
            stream: false,
            findings: Default::default(),
            label: model::Label::default(),
            ledger_version: 0,
            answered: Default::default(),
            mandate: model::Mandate::default(),
            arguments: Some(arguments.to_string()),
            around,
        };
        let asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool("mail/send".to_owned()) }];
        DecisionInput { chain: Chain::new(vec!["user:ada".parse().unwrap()]).unwrap(), asks, facts }
    }

    #[test]
    fn a_value_is_endorsed_for_its_task_tool_and_argument() {
        let (mut endorsed, now) = (Endorsed::default(), UnixMillis(5));
        let arguments = json!({"to": ["a@x.org", "b@x.org"], "account": "ACC-1", "page": 7, "known": "c@x.org"});
        let traced = [
            ("/to/0", Sink::Destination, Integrity::Untrusted),
            ("/account", Sink::Payee, Integrity::Untrusted),
            ("/page", Sink::Target, Integrity::Identifier),
            ("/gone", Sink::Target, Integrity::Untrusted),
        ];
        endorsed.approved(&name("t"), &input(&arguments, &traced), now);
        let other = json!({"to": ["x", "a@x.org"], "cc": "a@x.org", "account": "ACC-1", "page": 7, "text": "7"});
        let has = |task: &str, tool: &str, at: &str, sink: Sink, now: UnixMillis| {
            endorsed.has(&name(task), tool, (at, sink), &other, now)
        };
        assert!(has("t", "mail/send", "/to/1", Sink::Destination, now), "elsewhere in the same list");
        assert!(has("t", "mail/send", "/page", Sink::Target, now));
        assert!(!has("t", "mail/send", "/to/0", Sink::Destination, now), "another value");
        assert!(!has("t", "mail/send", "/cc", Sink::Destination, now), "another argument");
        assert!(!has("t", "mail/send", "/account", Sink::Payee, now), "who is paid is asked each time");
        assert!(!has("t", "mail/send", "/text", Sink::Target, now), "a text is no number");
        assert!(!has("u", "mail/send", "/page", Sink::Target, now) && !has("t", "mail/draft", "/page", Sink::Target, now));
        assert!(!has("t", "mail/send", "/page", Sink::Target, UnixMillis(now.0 + HOLDS)));
        for number in 0..MOST_OF_ONE {
            let arguments = json!({"page": number + 100});
            endorsed.approved(&name("t"), &input(&arguments, &[("/page", Sink::Target, Integrity::Untrusted)]), now);
        }
        assert!(!endorsed.has(&name("t"), "mail/send", ("/page", Sink::Target), &other, now), "a task pushes out its own");
    }
}
