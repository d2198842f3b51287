//! The conversation that a request tells: who has said what, which calls were asked for and what came back, in one form for every API.
//!
//! What no row here knows was said by nobody who is known: [`Turn::Unread`].

use engine::ports::Turn;
use text::{Document, Kind, NodeId};

use super::api::Api;

/// The steps of the conversation, in their order.
pub(super) fn turns(api: Api, document: &Document<'_>) -> Vec<Turn> {
    let root = document.root();
    let mut turns = Vec::new();
    match api {
        Api::Chat => items(document, root, "messages").for_each(|message| chat(document, message, &mut turns)),
        Api::Messages => {
            let system = member(document, root, "system");
            turns.extend(system.map(|system| Turn::System(words(document, system).0)));
            items(document, root, "messages").for_each(|message| said(document, message, &mut turns));
        }
        Api::Responses => response(document, root, &mut turns),
        Api::Completions | Api::Embeddings | Api::CountTokens => {}
    }
    turns
}

fn member(document: &Document<'_>, object: NodeId, key: &str) -> Option<NodeId> {
    document.get(object, key).filter(|node| document.kind(*node) != Kind::Null)
}

fn items<'d>(document: &'d Document<'_>, object: NodeId, key: &str) -> impl Iterator<Item = NodeId> + 'd {
    let list = member(document, object, key).filter(|node| document.kind(*node) == Kind::Array);
    list.into_iter().flat_map(|list| document.children(list))
}

fn text(document: &Document<'_>, object: NodeId, key: &str) -> String {
    member(document, object, key).and_then(|node| document.text(node)).map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// The text of a content, plain or in parts, and whether something else stands in it.
fn words(document: &Document<'_>, content: NodeId) -> (String, bool) {
    if let Some(text) = document.text(content) {
        return (text.into_owned(), false);
    }
    let mut texts = Vec::new();
    let mut has_more = document.kind(content) != Kind::Array;
    for part in document.children(content) {
        let is_text = matches!(text(document, part, "type").as_str(), "text" | "input_text" | "output_text");
        match member(document, part, "text").and_then(|node| document.text(node)).filter(|_| is_text) {
            Some(words) => texts.push(words.into_owned()),
            None => has_more = true,
        }
    }
    (texts.join("\n"), has_more)
}

/// What a party says, and a mark behind it if not all of it is text.
fn told(document: &Document<'_>, message: NodeId, key: &str, turn: impl FnOnce(String) -> Turn, turns: &mut Vec<Turn>) {
    let Some(content) = member(document, message, key) else { return };
    let (words, has_more) = words(document, content);
    turns.push(turn(words));
    turns.extend(has_more.then_some(Turn::Unread));
}

fn chat(document: &Document<'_>, message: NodeId, turns: &mut Vec<Turn>) {
    match text(document, message, "role").as_str() {
        "system" | "developer" => told(document, message, "content", Turn::System, turns),
        "user" => told(document, message, "content", Turn::User, turns),
        "assistant" => {
            // The older form: one call, whose answer names the function and not the call.
            let older = member(document, message, "function_call").map(|call| asked(document, call, String::new()));
            turns.extend(older);
            for call in items(document, message, "tool_calls") {
                let id = text(document, call, "id");
                // A call of another kind takes a text, and is none of a tool that operators know.
                let function = member(document, call, "function").map(|function| asked(document, function, id));
                turns.push(function.unwrap_or(Turn::Unread));
            }
        }
        "tool" => {
            let id = text(document, message, "tool_call_id");
            told(document, message, "content", |text| Turn::Answered { id, text }, turns);
        }
        _ => told(document, message, "content", |text| Turn::Answered { id: String::new(), text }, turns),
    }
}

fn asked(document: &Document<'_>, function: NodeId, id: String) -> Turn {
    Turn::Asked { id, name: text(document, function, "name"), arguments: text(document, function, "arguments") }
}

/// A message of Anthropic's API: answers of tools stand among what the user says.
fn said(document: &Document<'_>, message: NodeId, turns: &mut Vec<Turn>) {
    let role = text(document, message, "role");
    let Some(content) = member(document, message, "content") else { return };
    let speaks = |words: String| match role.as_str() {
        "user" => Some(Turn::User(words)),
        "system" => Some(Turn::System(words)),
        "assistant" => None,
        _ => Some(Turn::Answered { id: String::new(), text: words }),
    };
    if let Some(words) = document.text(content) {
        turns.extend(speaks(words.into_owned()));
        return;
    }
    // What the user says in one breath is one text.
    let mut words: Vec<String> = Vec::new();
    for block in document.children(content) {
        let kind = text(document, block, "type");
        if kind == "text" {
            words.push(text(document, block, "text"));
            continue;
        }
        if !words.is_empty() {
            turns.extend(speaks(std::mem::take(&mut words).join("\n")));
        }
        match kind.as_str() {
            "tool_use" => {
                let input = member(document, block, "input").map_or("{}", |input| document.lexeme(input)).to_owned();
                let (id, name) = (text(document, block, "id"), text(document, block, "name"));
                turns.push(Turn::Asked { id, name, arguments: input });
            }
            "tool_result" => {
                let id = text(document, block, "tool_use_id");
                told(document, block, "content", |text| Turn::Answered { id, text }, turns);
            }
            // What the model has thought is no source of anything.
            "thinking" | "redacted_thinking" => {}
            _ => turns.push(Turn::Unread),
        }
    }
    if !words.is_empty() {
        turns.extend(speaks(words.join("\n")));
    }
}

fn response(document: &Document<'_>, root: NodeId, turns: &mut Vec<Turn>) {
    told(document, root, "instructions", Turn::System, turns);
    // What the provider keeps of the conversation is not told here.
    let is_elsewhere = ["previous_response_id", "conversation", "prompt"].iter().any(|key| member(document, root, key).is_some());
    turns.extend(is_elsewhere.then_some(Turn::Unread));
    if member(document, root, "input").is_some_and(|input| document.kind(input) == Kind::String) {
        return told(document, root, "input", Turn::User, turns);
    }
    items(document, root, "input").for_each(|item| {
        let kind = text(document, item, "type");
        match (kind.as_str(), text(document, item, "role").as_str()) {
            ("" | "message", "system" | "developer") => told(document, item, "content", Turn::System, turns),
            ("" | "message", "user") => told(document, item, "content", Turn::User, turns),
            ("" | "message", "assistant") | ("reasoning", _) => {}
            ("function_call", _) => {
                let (space, name) = (text(document, item, "namespace"), text(document, item, "name"));
                let name = if space.is_empty() { name } else { format!("{space}.{name}") };
                let (id, arguments) = (text(document, item, "call_id"), text(document, item, "arguments"));
                turns.push(Turn::Asked { id, name, arguments });
            }
            ("function_call_output", _) => {
                let id = text(document, item, "call_id");
                told(document, item, "output", |text| Turn::Answered { id, text }, turns);
            }
            _ => turns.push(Turn::Unread),
        }
    });
}
