//! The params of a request, taken apart: a closed list of members, so that what is decided on is all that there is.
//!
//! Readers of this protocol (`ProtoJSON`) take a member in two spellings, numbers for names and null for absent. Here every member has
//! one spelling and one type; a body that two readers could read differently is refused.

use std::collections::BTreeSet;

use text::{Document, Kind, NodeId};

use crate::method::Method;

/// Longest id of a task or context as a client says it, in bytes: an agent's own, and what the gate puts behind it.
pub const MAX_ID: usize = 512;
/// Most parts of one message.
const MAX_PARTS: usize = 256;
/// Most tasks that one message refers to.
const MAX_REFERENCES: usize = 32;
/// Longest name of a skill, in bytes.
const MAX_SKILL: usize = 128;
/// The member of metadata that says which skill a message is meant for. The protocol has none; agents that want to know take this.
const SKILL: &str = "skillId";

/// The member of params that says whose agent it is, where one address serves several.
const TENANT: &str = "tenant";

/// Why params are not taken: what is wrong, and where (JSON Pointer, from the root of the message on).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Fault {
    /// What kind of fault it is.
    pub what: What,
    /// Where.
    pub place: String,
    /// What was expected.
    pub why: &'static str,
}

/// What kind of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Something is not there.
    Missing,
    /// Something is of another type, too long or too much.
    Type,
    /// Something is there that is not taken.
    Unknown,
}

/// The params of one request, over the document that they stand in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The task that it is about, or that the message goes on with.
    pub task: Option<NodeId>,
    /// The context that it belongs to.
    pub context: Option<NodeId>,
    /// The tasks that the message refers to.
    pub references: Vec<NodeId>,
    /// Texts that are read as one.
    pub joined: Vec<Vec<NodeId>>,
    /// Values out of which findings can be taken: words and data of parts, and metadata.
    pub open: Vec<NodeId>,
    /// Values that are bytes, as base64.
    pub files: Vec<NodeId>,
    /// Values that are addresses from which the agent fetches.
    pub links: Vec<NodeId>,
    /// Which kinds of parts there are: `text`, `data`, `file`, `link`.
    pub parts: BTreeSet<&'static str>,
    /// The skill that it is meant for, if it says so.
    pub skill: Option<String>,
    /// Whether the agent is to answer when the task is done, and not before.
    pub is_blocking: bool,
}

impl Request {
    /// Every id that the gate has told.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.task.into_iter().chain(self.context).chain(self.references.iter().copied())
    }

    /// Reads the params of a request of a method that is served; `params` is an object, or absent.
    ///
    /// # Errors
    /// See [`Fault`].
    pub fn read(document: &Document<'_>, method: Method, params: Option<NodeId>) -> Result<Self, Fault> {
        let reader = Reader { document };
        let absent = || Fault { what: What::Missing, place: "/params".to_owned(), why: "expected an object" };
        let params = params.ok_or_else(absent)?;
        let members = method.members().unwrap_or_default();
        let members: Vec<&str> = members.iter().copied().chain([TENANT]).collect();
        reader.closed(params, &members)?;
        // One that is empty is none; whose account it is at the agent is the gate's to say.
        if reader.text(params, TENANT)?.is_some_and(|tenant| document.text(tenant).is_none_or(|name| !name.is_empty())) {
            return Err(reader.fault(What::Unknown, params, "a tenant is not served"));
        }
        let mut request = Self { is_blocking: method == Method::Send, ..Self::default() };
        for key in ["historyLength", "pageSize"] {
            reader.optional(params, key, Kind::Number, "expected a number")?;
        }
        for key in ["status", "pageToken", "statusTimestampAfter"] {
            reader.optional(params, key, Kind::String, "expected a string")?;
        }
        reader.flag(params, "includeArtifacts")?;
        request.open.extend(reader.object(params, "metadata")?);
        if method.is_message() {
            let message = reader.object(params, "message")?;
            let message = message.ok_or_else(|| reader.missing(params, "message"))?;
            request.message(&reader, message)?;
            request.configuration(&reader, params)?;
            request.skill = reader.skill(params, message)?;
            return Ok(request);
        }
        if members.contains(&"id") {
            request.task = Some(reader.id(params, "id")?.ok_or_else(|| reader.missing(params, "id"))?);
        } else {
            // Without a context it would be every task of the gate's account there, whoever has begun it.
            request.context = Some(reader.id(params, "contextId")?.ok_or_else(|| reader.missing(params, "contextId"))?);
        }
        Ok(request)
    }

    fn message(&mut self, reader: &Reader<'_, '_>, message: NodeId) -> Result<(), Fault> {
        let known = ["messageId", "contextId", "taskId", "role", "parts", "metadata", "extensions", "referenceTaskIds"];
        reader.closed(message, &known)?;
        reader.text(message, "messageId")?.ok_or_else(|| reader.missing(message, "messageId"))?;
        let role = reader.text(message, "role")?.ok_or_else(|| reader.missing(message, "role"))?;
        if reader.document.text(role).as_deref() != Some("ROLE_USER") {
            return Err(reader.fault(What::Type, role, "expected `ROLE_USER`"));
        }
        self.task = reader.id_if_any(message, "taskId")?;
        self.context = reader.id_if_any(message, "contextId")?;
        self.open.extend(reader.object(message, "metadata")?);
        // What an extension means is known to nobody here.
        let extensions = reader.list(message, "extensions", 0)?;
        debug_assert!(extensions.is_empty(), "a list of at most nothing");
        for id in reader.list(message, "referenceTaskIds", MAX_REFERENCES)? {
            self.references.push(reader.is_id(id)?);
        }
        let parts = reader.list(message, "parts", MAX_PARTS)?;
        if parts.is_empty() {
            return Err(reader.missing(message, "parts"));
        }
        let mut words = Vec::new();
        for part in parts {
            self.part(reader, part, &mut words)?;
        }
        self.joined.push(words);
        Ok(())
    }

    fn part(&mut self, reader: &Reader<'_, '_>, part: NodeId, words: &mut Vec<NodeId>) -> Result<(), Fault> {
        let document = reader.document;
        reader.is_object(part)?;
        reader.closed(part, &["text", "raw", "url", "data", "metadata", "filename", "mediaType"])?;
        for key in ["filename", "mediaType"] {
            reader.text(part, key)?;
        }
        self.open.extend(reader.object(part, "metadata")?);
        let get = |key: &str| document.get(part, key);
        let text = |key: &str| reader.text(part, key);
        match (text("text")?, text("raw")?, text("url")?, get("data")) {
            (Some(text), None, None, None) => {
                words.push(text);
                self.open.push(text);
                self.parts.insert("text");
            }
            (None, Some(raw), None, None) => {
                self.files.push(raw);
                self.parts.insert("file");
            }
            (None, None, Some(url), None) => {
                self.links.push(url);
                self.parts.insert("link");
            }
            (None, None, None, Some(data)) => {
                self.open.push(data);
                self.parts.insert("data");
            }
            _ => return Err(reader.fault(What::Type, part, "expected one of `text`, `raw`, `url`, `data`")),
        }
        Ok(())
    }

    fn configuration(&mut self, reader: &Reader<'_, '_>, params: NodeId) -> Result<(), Fault> {
        let Some(configuration) = reader.object(params, "configuration")? else { return Ok(()) };
        // An address that the agent calls later is no destination that anybody has decided on.
        reader.closed(configuration, &["acceptedOutputModes", "historyLength", "returnImmediately"])?;
        reader.optional(configuration, "historyLength", Kind::Number, "expected a number")?;
        for mode in reader.list(configuration, "acceptedOutputModes", MAX_PARTS)? {
            if reader.document.kind(mode) != Kind::String {
                return Err(reader.fault(What::Type, mode, "expected a string"));
            }
        }
        if reader.flag(configuration, "returnImmediately")? == Some(true) {
            self.is_blocking = false;
        }
        Ok(())
    }
}

/// Reads members by type; what has another type is a fault, and so is null.
struct Reader<'r, 'd> {
    document: &'r Document<'d>,
}

impl Reader<'_, '_> {
    fn fault(&self, what: What, node: NodeId, why: &'static str) -> Fault {
        Fault { what, place: self.document.pointer(node), why }
    }

    fn missing(&self, node: NodeId, member: &str) -> Fault {
        let place = format!("{}/{member}", self.document.pointer(node));
        Fault { what: What::Missing, place, why: "expected a value" }
    }

    /// No other members than these. The fault is told of what holds them: a name that is not known is the client's own.
    fn closed(&self, node: NodeId, known: &[&str]) -> Result<(), Fault> {
        let is_known = |member: NodeId| self.document.key(member).is_some_and(|key| known.contains(&&*key));
        if self.document.children(node).all(is_known) {
            return Ok(());
        }
        Err(self.fault(What::Unknown, node, "a member that is not known here, or not served"))
    }

    fn optional(&self, node: NodeId, key: &str, kind: Kind, why: &'static str) -> Result<Option<NodeId>, Fault> {
        match self.document.get(node, key) {
            Some(value) if self.document.kind(value) != kind => Err(self.fault(What::Type, value, why)),
            value => Ok(value),
        }
    }

    fn text(&self, node: NodeId, key: &str) -> Result<Option<NodeId>, Fault> {
        self.optional(node, key, Kind::String, "expected a string")
    }

    fn is_object(&self, node: NodeId) -> Result<(), Fault> {
        let is_object = self.document.kind(node) == Kind::Object;
        if is_object { Ok(()) } else { Err(self.fault(What::Type, node, "expected an object")) }
    }

    fn object(&self, node: NodeId, key: &str) -> Result<Option<NodeId>, Fault> {
        self.optional(node, key, Kind::Object, "expected an object")
    }

    fn flag(&self, node: NodeId, key: &str) -> Result<Option<bool>, Fault> {
        let Some(value) = self.document.get(node, key) else { return Ok(None) };
        match self.document.kind(value) {
            Kind::True => Ok(Some(true)),
            Kind::False => Ok(Some(false)),
            _ => Err(self.fault(What::Type, value, "expected true or false")),
        }
    }

    fn list(&self, node: NodeId, key: &str, most: usize) -> Result<Vec<NodeId>, Fault> {
        let Some(list) = self.optional(node, key, Kind::Array, "expected a list")? else { return Ok(Vec::new()) };
        if self.document.count(list) > most {
            return Err(self.fault(What::Type, list, "more entries than are taken"));
        }
        Ok(self.document.children(list).collect())
    }

    fn id(&self, node: NodeId, key: &str) -> Result<Option<NodeId>, Fault> {
        self.text(node, key)?.map(|id| self.is_id(id)).transpose()
    }

    /// The same, where an empty one is none: so some clients write that there is none.
    fn id_if_any(&self, node: NodeId, key: &str) -> Result<Option<NodeId>, Fault> {
        let text = self.text(node, key)?.filter(|id| self.document.text(*id).is_none_or(|text| !text.is_empty()));
        text.map(|id| self.is_id(id)).transpose()
    }

    fn is_id(&self, node: NodeId) -> Result<NodeId, Fault> {
        let text = self.document.text(node).filter(|text| !text.is_empty() && text.len() <= MAX_ID);
        if text.is_some() { Ok(node) } else { Err(self.fault(What::Type, node, "expected an id")) }
    }

    /// What the metadata of a request or its message say of the skill.
    fn skill(&self, params: NodeId, message: NodeId) -> Result<Option<String>, Fault> {
        let mut found: Option<String> = None;
        for holder in [params, message] {
            let Some(metadata) = self.document.get(holder, "metadata") else { continue };
            let Some(skill) = self.text(metadata, SKILL)? else { continue };
            let name = self.document.text(skill).filter(|name| !name.is_empty() && name.len() <= MAX_SKILL);
            let name = name.ok_or_else(|| self.fault(What::Type, skill, "expected the name of a skill"))?.into_owned();
            if found.as_ref().is_some_and(|earlier| *earlier != name) {
                return Err(self.fault(What::Type, skill, "one message names two skills"));
            }
            found = Some(name);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
