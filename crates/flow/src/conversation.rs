//! One conversation of a user, a model and its tools, in the order in which it happened.
//!
//! Both ways in feed it alike: messages that a client sends to a model, and calls that pass through the gate. What it says of a call is
//! a function of what came before and of nothing else.

use std::collections::{BTreeMap, BTreeSet};

use model::{Annotation, Integrity, Sink};
use text::{Document, Kind, Limits, NodeId};

use crate::origin::{Answered, Grounding, Provenance, UserText};

/// Most calls whose answers are waited for.
const MAX_OPEN: usize = 4096;
/// Most values of one call.
const MAX_VALUES: usize = 512;
/// Most values of calls that have one name.
const MAX_AMBIGUOUS: usize = 4096;
/// Most parts of one value that is a list.
const MAX_PARTS: usize = 64;

/// A call that a model asks for.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// By which its answer will be known; empty if by nothing.
    pub id: &'a str,
    /// The tool, as it shall be told: `bank/send_money`.
    pub tool: &'a str,
    /// Where it keeps what it is told to write: its server.
    pub keeps: &'a str,
    /// What operators say of it; none if nobody knows it.
    pub annotation: Option<&'a Annotation>,
    /// Whether it changes or sends something.
    pub acts: bool,
    /// Its arguments, as JSON.
    pub arguments: &'a str,
}

/// Where one value of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The value's place in the arguments, as a JSON Pointer.
    pub at: String,
    /// What the argument decides, if operators have said so.
    pub sink: Option<Sink>,
    /// Where it comes from.
    pub grounding: Grounding,
}

/// What is known of where the values of a call come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFacts {
    /// Of each kind of argument the least integrity; none where operators have not said what the arguments decide.
    pub sinks: Option<BTreeMap<Sink, Integrity>>,
    /// Arguments, by name, that could stem from what nobody vouches for.
    pub untrusted: BTreeSet<String>,
    /// Every value, in the order in which it stands there.
    pub origins: Vec<Origin>,
    /// Whether anything that nobody vouches for came in before.
    pub is_tainted: bool,
}

#[derive(Debug)]
struct Open {
    tool: String,
    keeps: String,
    annotation: Option<Annotation>,
    /// Where the calls of this name write; none if they only read.
    writes: BTreeSet<String>,
    values: Vec<(String, Integrity)>,
    /// Whether values are missing: unreadable ones, or too many.
    is_cut: bool,
    /// Whether another call had the same name: then nobody knows which of them an answer is of.
    is_ambiguous: bool,
}

/// A conversation. See the module.
#[derive(Debug, Default)]
pub struct Conversation {
    provenance: Provenance,
    user_text: UserText,
    open: BTreeMap<String, Open>,
}

impl Conversation {
    /// Nothing was said yet.
    #[must_use]
    pub fn new(user_text: UserText) -> Self {
        Self { user_text, ..Self::default() }
    }

    /// What the developer has told the model.
    pub fn system(&mut self, text: &str) {
        self.provenance.system(text);
    }

    /// What stands in the name of the user.
    pub fn user(&mut self, text: &str) {
        self.provenance.user(text, self.user_text);
    }

    /// A call that is asked for now. It changes nothing yet: see [`Conversation::made`].
    pub fn asked(&mut self, call: &Call<'_>) -> CallFacts {
        self.asked_of(call, &BTreeSet::new())
    }

    /// The same, of a tool whose schema declares these names ([`crate::declared`]): what an argument calls a part of itself in them is
    /// no value.
    pub fn asked_of(&mut self, call: &Call<'_>, declared: &BTreeSet<String>) -> CallFacts {
        let read = values(call.arguments, declared);
        let is_read = read.is_some();
        let mut origins = Vec::new();
        let mut told = Vec::new();
        for (at, text) in read.unwrap_or_default() {
            let name = argument(&at);
            let sink = call.annotation.and_then(|known| known.sinks.get(&name).copied());
            let grounding = self.grounded(&text, sink);
            told.push((text, grounding.integrity));
            origins.push(Origin { at, sink, grounding });
        }
        let is_tainted = self.provenance.is_tainted();
        let unsure = |origin: &&Origin| is_tainted && origin.grounding.integrity == Integrity::Untrusted;
        let untrusted = origins.iter().filter(unsure).map(|origin| argument(&origin.at)).collect();
        let sinks = call.annotation.filter(|known| !known.sinks.is_empty()).map(|known| {
            let nothing = if is_read { Integrity::User } else { Integrity::Untrusted };
            let mut sinks: BTreeMap<Sink, Integrity> = BTreeMap::new();
            for (origin, (text, _)) in origins.iter().zip(&told) {
                let Some(sink) = origin.sink else { continue };
                let of = if sink == Sink::Content { self.least_link(text) } else { origin.grounding.integrity };
                let least = sinks.entry(sink).or_insert(Integrity::User);
                *least = (*least).min(of);
            }
            if nothing == Integrity::Untrusted {
                sinks.extend(known.sinks.values().map(|sink| (*sink, nothing)));
            }
            sinks
        });
        self.opened(call, told, is_read);
        CallFacts { sinks, untrusted, origins, is_tainted }
    }

    /// The call of this name was let through. What it writes is no better when it comes back.
    pub fn made(&mut self, id: &str) {
        let Some(open) = self.open.get(id) else { return };
        for place in &open.writes {
            self.provenance.written(place, &open.values);
            if open.is_cut {
                self.provenance.overwritten(place);
            }
        }
    }

    /// What came back for the call of this name.
    pub fn answered(&mut self, id: &str, text: &str) {
        // An answer that comes twice, for no call or for one of several is of nobody.
        let open = self.open.remove(id).filter(|open| !open.is_ambiguous);
        let answered = Answered {
            tool: open.as_ref().map_or("?", |open| &open.tool),
            keeps: open.as_ref().map_or("", |open| &open.keeps),
            annotation: open.as_ref().and_then(|open| open.annotation.as_ref()),
            arguments: open.as_ref().map(|open| open.values.as_slice()).unwrap_or_default(),
        };
        self.provenance.answered(&answered, text);
    }

    /// What was seen.
    #[must_use]
    pub const fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// A value, or each of several in a list where they do not stand together anywhere.
    fn grounded(&self, text: &str, sink: Option<Sink>) -> Grounding {
        let whole = self.provenance.ground(text, sink);
        // What is fetched is one address: parts of it that stand somewhere could carry the rest out.
        let may_be_list = matches!(sink, Some(Sink::Payee | Sink::Destination | Sink::Target)) && !text.contains("//");
        if !may_be_list || whole.integrity > Integrity::Untrusted || !text.contains([',', ';', '\n']) {
            return whole;
        }
        let parts: Vec<&str> = text.split([',', ';', '\n']).filter(|part| !part.trim().is_empty()).take(MAX_PARTS + 1).collect();
        if parts.len() > MAX_PARTS {
            return whole;
        }
        let each = parts.into_iter().map(|part| self.provenance.ground(part, sink));
        each.min_by_key(|grounding| grounding.integrity).unwrap_or(whole)
    }

    fn least_link(&self, text: &str) -> Integrity {
        let links = self.provenance.links(text).into_iter().map(|(_, grounding)| grounding.integrity);
        links.min().unwrap_or(Integrity::User)
    }

    fn opened(&mut self, call: &Call<'_>, values: Vec<(String, Integrity)>, is_read: bool) {
        let place = || call.keeps.to_owned();
        if let Some(open) = self.open.get_mut(call.id) {
            // Either of them may be the one that is let through.
            open.is_ambiguous = true;
            open.writes.extend(call.acts.then(place));
            open.is_cut |= !is_read || open.values.len() >= MAX_AMBIGUOUS;
            if !open.is_cut {
                open.values.extend(values);
            }
            return;
        }
        if self.open.len() >= MAX_OPEN {
            if call.acts {
                self.provenance.overwritten(call.keeps);
            }
            return;
        }
        let open = Open {
            tool: call.tool.to_owned(),
            keeps: place(),
            annotation: call.annotation.cloned(),
            writes: call.acts.then(place).into_iter().collect(),
            values,
            is_cut: !is_read,
            is_ambiguous: false,
        };
        self.open.insert(call.id.to_owned(), open);
    }
}

/// The names of properties that a JSON Schema declares, at any depth; none if it cannot be read.
#[must_use]
pub fn declared(schema: &str) -> BTreeSet<String> {
    let Ok(document) = Document::parse(schema.as_bytes(), &Limits::default()) else { return BTreeSet::new() };
    let is_declared = |node: &NodeId| {
        let list = document.parent(*node).filter(|list| document.kind(*list) == Kind::Object);
        list.and_then(|list| document.key(list)).is_some_and(|key| key == "properties")
    };
    let names = document.nodes().filter(is_declared).filter_map(|node| document.key(node));
    names.take(MAX_VALUES).map(std::borrow::Cow::into_owned).collect()
}

/// The values of a call with their places: strings, numbers, and names inside of objects but for declared ones. None if they cannot
/// be read.
fn values(arguments: &str, declared: &BTreeSet<String>) -> Option<Vec<(String, String)>> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let document = Document::parse(arguments.as_bytes(), &Limits::default()).ok()?;
    if document.kind(document.root()) != Kind::Object {
        return None;
    }
    let mut found = Vec::new();
    for node in document.nodes() {
        let is_own = document.parent(node) == Some(document.root());
        if let (Some(key), false) = (document.key(node), is_own)
            && !declared.contains(key.as_ref())
        {
            found.push((document.pointer(node), key.into_owned()));
        }
        found.extend(value(&document, node).map(|text| (document.pointer(node), text)));
        if found.len() > MAX_VALUES {
            return None;
        }
    }
    Some(found)
}

/// Values of closed sets (`true`, `null`) say too little to come from anywhere.
fn value(document: &Document<'_>, node: NodeId) -> Option<String> {
    match document.kind(node) {
        Kind::String => document.text(node).map(std::borrow::Cow::into_owned),
        Kind::Number => Some(document.lexeme(node).to_owned()),
        _ => None,
    }
}

/// The name of the argument that a place is in.
fn argument(at: &str) -> String {
    at.split('/').nth(1).unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests;
