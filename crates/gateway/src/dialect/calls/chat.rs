//! Calls in chat completions: whole in a message, or in chunks that an index joins.

use text::{Document, Kind, NodeId};

use engine::ports::Fate;
use model::Refusal;

use super::write::{self, Edit};
use super::{Call, Form, Parts, count_of, elements, invalid, is_confusable, member, name_of, text_of};

/// The place of the one call of the older form.
const OLDER: u64 = u64::MAX;

/// Reads and writes the calls of chat completions.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the stream")]
pub(super) struct Chat {
    in_stream: bool,
    is_awake: bool,
    is_over: bool,
    /// Whether a name came in several pieces: it leaves in one, for readers disagree on the rest.
    joins_names: bool,
}

impl Chat {
    pub(super) const fn new(in_stream: bool) -> Self {
        Self { in_stream, is_awake: false, is_over: false, joins_names: false }
    }
}

/// See [`super::speaks`].
pub(super) fn speaks(document: &Document<'_>) -> bool {
    let root = document.root();
    let has_calls = |holder: NodeId| {
        let has = |key| member(document, holder, key).is_some();
        has("tool_calls") || has("function_call") || is_confusable(document, holder, &["tool_calls", "function_call"])
    };
    let speaks = |choice: NodeId| {
        let holders = ["delta", "message"].into_iter().filter_map(|holder| member(document, choice, holder));
        let has_calls = holders.into_iter().any(has_calls);
        has_calls || is_confusable(document, choice, &["delta", "message"])
    };
    is_confusable(document, root, &["choices"]) || elements(document, document.get(root, "choices")).any(speaks)
}

/// One element of `tool_calls`, or the one call of the older form.
struct Piece {
    choice: u64,
    place: u64,
    node: NodeId,
    function: Option<NodeId>,
    is_custom: bool,
}

/// What stands in one choice.
struct Said {
    choice: u64,
    pieces: Vec<Piece>,
    has_ended: bool,
}

impl Chat {
    fn holder(&self) -> &'static str {
        if self.in_stream { "delta" } else { "message" }
    }

    fn said(&self, document: &Document<'_>) -> Result<Vec<Said>, Refusal> {
        let root = document.root();
        let mut all = Vec::new();
        let mut is_odd = is_confusable(document, root, &["choices"]);
        for (ordinal, choice) in elements(document, document.get(root, "choices")).enumerate() {
            is_odd |= is_confusable(document, choice, &["delta", "message", "index", "finish_reason"]);
            let index = place(document, choice, ordinal, self.in_stream);
            let other = member(document, choice, if self.in_stream { "message" } else { "delta" });
            let has_calls = |holder| ["tool_calls", "function_call"].iter().any(|key| member(document, holder, key).is_some());
            is_odd |= other.is_some_and(has_calls);
            let has_ended = !text_of(document, choice, "finish_reason").is_empty();
            let holder = member(document, choice, self.holder());
            let pieces = holder.map(|holder| pieces(document, holder, index, self.in_stream)).transpose()?.unwrap_or_default();
            all.push(Said { choice: index, pieces, has_ended });
        }
        if is_odd { Err(invalid("keys that some readers take for calls of tools")) } else { Ok(all) }
    }

    /// Adds a piece to its call; which call that is.
    fn take(&mut self, document: &Document<'_>, piece: &Piece, calls: &mut Vec<Call>) -> Result<usize, Refusal> {
        let is_it = |call: &Call| self.in_stream && call.choice == piece.choice && call.place == piece.place;
        let known = calls.iter().position(is_it);
        let key = known.unwrap_or(calls.len());
        if known.is_none() {
            let is_behind = |call: &&Call| call.choice == piece.choice && call.place > piece.place;
            if self.is_over || (self.in_stream && calls.iter().any(|call| is_behind(&call))) {
                return Err(invalid("calls of tools begin out of their order, or behind the end"));
            }
            let fate = piece.is_custom.then_some(Fate::Pass);
            calls.push(Call { choice: piece.choice, place: piece.place, fate, ..Call::default() });
        }
        let Some(call) = calls.get_mut(key) else { return Ok(key) };
        let was_custom = call.fate == Some(Fate::Pass) && !call.was_asked;
        if call.is_complete || (was_custom && piece.function.is_some()) || (!was_custom && piece.is_custom) {
            return Err(invalid("a call of a tool goes on behind its end, or as something else"));
        }
        let id = text_of(document, piece.node, "id");
        if !id.is_empty() && !call.id.is_empty() && call.id != id {
            return Err(invalid("two calls of tools stand under one index"));
        }
        if call.id.is_empty() {
            call.id = id;
        }
        let Some(function) = piece.function else { return Ok(key) };
        let name = name_of(document, function, "name");
        if call.name.is_empty() {
            call.name = name;
        } else if !name.is_empty() {
            self.joins_names = true;
            // Some upstreams tell it again with every piece.
            if call.name != name {
                call.name.push_str(&name);
            }
        }
        match member(document, function, "arguments") {
            Some(arguments) if document.kind(arguments) == Kind::String => {
                call.grow(&document.text(arguments).unwrap_or_default());
            }
            Some(arguments) if document.kind(arguments) == Kind::Object && !self.in_stream => {
                call.grow(document.lexeme(arguments));
            }
            Some(_) => return Err(invalid("arguments of a call that are neither text nor an object")),
            None => {}
        }
        Ok(key)
    }

    /// One choice without the calls that were refused.
    fn choice(&self, document: &Document<'_>, choice: NodeId, index: u64, calls: &mut [Call]) -> String {
        let holder = self.holder();
        let mut edit = |key: &str, node: NodeId| match key {
            "finish_reason" => {
                let reason = document.text(node).unwrap_or_default();
                let is_left = calls.iter().any(|call| call.choice == index && !call.is_refused());
                let is_of_calls = matches!(&*reason, "tool_calls" | "function_call");
                if is_of_calls && !is_left { Edit::Put("\"stop\"".to_owned()) } else { Edit::Keep }
            }
            key if key == holder && document.kind(node) == Kind::Object => Edit::Put(self.message(document, node, index, calls)),
            _ => Edit::Keep,
        };
        write::object(document, choice, &mut edit, &[])
    }

    fn message(&self, document: &Document<'_>, holder: NodeId, index: u64, calls: &mut [Call]) -> String {
        let mut said = Vec::new();
        let mut list = None;
        let mut has_older = member(document, holder, "function_call").is_some();
        if let Some(node) = member(document, holder, "tool_calls") {
            let mut left = Vec::new();
            for (ordinal, element) in elements(document, Some(node)).enumerate() {
                let place = place(document, element, ordinal, self.in_stream);
                left.extend(self.element(document, element, (index, place), calls, &mut said));
            }
            list = (!left.is_empty()).then(|| format!("[{}]", left.join(",")));
        }
        if let Some(call) = calls.iter_mut().find(|call| call.choice == index && call.place == OLDER && call.is_refused()) {
            has_older = false;
            tell(call, &mut said);
        }
        let content = member(document, holder, "content").and_then(|content| document.text(content));
        let content = (!said.is_empty()).then(|| {
            let before = content.filter(|content| !content.is_empty()).map(|content| content.into_owned());
            let between = if self.in_stream || before.is_some() { "\n" } else { "" };
            text::quote(&format!("{}{between}{}", before.unwrap_or_default(), said.join("\n")))
        });
        let mut added = Vec::new();
        if let Some(content) = content.clone().filter(|_| document.get(holder, "content").is_none()) {
            added.push(("content", content));
        }
        let edit = |key: &str, _: NodeId| match key {
            "tool_calls" => list.clone().map_or(Edit::Drop, Edit::Put),
            "function_call" if !has_older => Edit::Drop,
            "content" => content.clone().map_or(Edit::Keep, Edit::Put),
            _ => Edit::Keep,
        };
        write::object(document, holder, edit, &added)
    }

    /// One element as it leaves; none if its call was refused.
    fn element(
        &self,
        document: &Document<'_>,
        element: NodeId,
        (index, place): (u64, u64),
        calls: &mut [Call],
        said: &mut Vec<String>,
    ) -> Option<String> {
        let n_gone = calls.iter().filter(|call| call.choice == index && call.place < place && call.is_refused()).count();
        let call = calls.iter_mut().find(|call| call.choice == index && call.place == place)?;
        if call.is_refused() {
            tell(call, said);
            return None;
        }
        let is_first = !std::mem::replace(&mut call.is_told, true);
        let (joins, name) = (self.joins_names && self.in_stream, call.name.clone());
        let function = |function: NodeId| {
            let edit = |key: &str, _: NodeId| match key {
                "name" if joins && is_first => Edit::Put(text::quote(&name)),
                "name" if joins => Edit::Drop,
                _ => Edit::Keep,
            };
            write::object(document, function, edit, &[])
        };
        let new_place = place.saturating_sub(u64::try_from(n_gone).unwrap_or(0));
        let edit = |key: &str, node: NodeId| match key {
            "index" if self.in_stream && document.kind(node) == Kind::Number => Edit::Put(new_place.to_string()),
            "function" if document.kind(node) == Kind::Object => Edit::Put(function(node)),
            _ => Edit::Keep,
        };
        Some(write::object(document, element, edit, &[]))
    }
}

impl Form for Chat {
    fn is_awake(&self) -> bool {
        self.is_awake
    }

    fn read(&mut self, document: &Document<'_>, _: Option<&str>, calls: &mut Vec<Call>) -> Result<Parts, Refusal> {
        self.is_awake = true;
        let mut parts = Parts::default();
        for Said { choice, pieces, has_ended } in self.said(document)? {
            for piece in &pieces {
                parts.waits.push(self.take(document, piece, calls)?);
            }
            let of_choice = calls.iter_mut().enumerate().filter(|(_, call)| call.choice == choice);
            for (key, call) in of_choice {
                // Some servers give a reason in every chunk: beside a piece it is no end yet.
                call.is_complete |= !self.in_stream || (has_ended && pieces.is_empty());
                if has_ended {
                    parts.waits.push(key);
                }
            }
        }
        Ok(parts)
    }

    fn end(&mut self, calls: &mut Vec<Call>) -> Result<(), Refusal> {
        self.is_over = true;
        // Clients run what they have when a stream is over, with a reason or without.
        calls.iter_mut().for_each(|call| call.is_complete = true);
        Ok(())
    }

    fn write(&mut self, document: &Document<'_>, _: Option<&str>, calls: &mut [Call]) -> Option<Vec<(Option<String>, String)>> {
        let choices = document.get(document.root(), "choices")?;
        let mut ordinal = 0_usize;
        let list = write::list(document, choices, |choice| {
            let index = place(document, choice, ordinal, self.in_stream);
            ordinal = ordinal.saturating_add(1);
            let has_calls = calls.iter().any(|call| call.choice == index);
            if has_calls { Edit::Put(self.choice(document, choice, index, calls)) } else { Edit::Keep }
        });
        let edit = |key: &str, _: NodeId| if key == "choices" { Edit::Put(list.clone()) } else { Edit::Keep };
        Some(vec![(None, write::object(document, document.root(), edit, &[]))])
    }

    fn rewrites(&self) -> bool {
        self.joins_names
    }
}

/// Says once what is told in the place of a refused call.
fn tell(call: &mut Call, said: &mut Vec<String>) {
    if !std::mem::replace(&mut call.is_told, true) {
        said.extend(call.said().map(ToOwned::to_owned));
    }
}

fn pieces(document: &Document<'_>, holder: NodeId, choice: u64, in_stream: bool) -> Result<Vec<Piece>, Refusal> {
    let mut pieces = Vec::new();
    let mut is_odd = is_confusable(document, holder, &["tool_calls", "function_call", "content"]);
    let list = member(document, holder, "tool_calls");
    is_odd |= list.is_some_and(|list| document.kind(list) != Kind::Array);
    for (ordinal, node) in elements(document, list).enumerate() {
        is_odd |= is_confusable(document, node, &["index", "id", "type", "function", "custom"]);
        let function = member(document, node, "function");
        let is_custom = member(document, node, "custom").is_some() || text_of(document, node, "type") == "custom";
        // Without an index readers differ in which call an element goes on with, as soon as there are two.
        let is_placed = !in_stream || count_of(document, node, "index").is_some();
        is_odd |= !is_placed && (ordinal > 0 || elements(document, list).nth(1).is_some());
        let place = place(document, node, ordinal, in_stream);
        pieces.push(Piece { choice, place, node, function, is_custom });
    }
    if let Some(node) = member(document, holder, "function_call") {
        pieces.push(Piece { choice, place: OLDER, node, function: Some(node), is_custom: false });
    }
    let functions = pieces.iter().filter_map(|piece| piece.function);
    is_odd |= functions.into_iter().any(|function| is_confusable(document, function, &["name", "arguments"]));
    if is_odd { Err(invalid("keys that some readers take for calls of tools")) } else { Ok(pieces) }
}

/// The place of an element: its own index in a stream, if it has one, else where it stands. In a whole answer nobody looks at an
/// index.
fn place(document: &Document<'_>, element: NodeId, ordinal: usize, in_stream: bool) -> u64 {
    let own = if in_stream { count_of(document, element, "index") } else { None };
    own.unwrap_or(u64::try_from(ordinal).unwrap_or(u64::MAX))
}
