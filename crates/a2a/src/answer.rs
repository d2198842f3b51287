//! What comes from an agent: which values of it are ids, words and files, and whether it is about what was asked.
//!
//! Ids are what a caller goes on with, so an answer tells only those of the task that was asked for, or of the one that the request
//! has begun. What an agent may say beside (metadata, data) is text like any other.

use text::{Document, Kind, NodeId};

use crate::method::Method;

/// Longest id as an agent writes it, in bytes: with what the gate puts behind it, it is still one that is taken.
const MAX_OWN_ID: usize = 256;
/// Most parts, artifacts, messages or tasks of one list.
const MAX_LISTED: usize = 1_000;

/// What is read of an answer, by the names that members have.
const MEMBERS: [&str; 19] = [
    "task",
    "message",
    "statusUpdate",
    "artifactUpdate",
    "tasks",
    "id",
    "taskId",
    "contextId",
    "status",
    "artifacts",
    "artifact",
    "artifactId",
    "history",
    "referenceTaskIds",
    "parts",
    "text",
    "raw",
    "url",
    "data",
];

/// What a request was about, in the agent's own ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// The task.
    pub task: Option<String>,
    /// The context.
    pub context: Option<String>,
}

/// How far the answer to one request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    method: Method,
    told: Expected,
}

/// One result, over its document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Ids of tasks and contexts.
    pub ids: Vec<NodeId>,
    /// Texts that are read as one.
    pub joined: Vec<Vec<NodeId>>,
    /// Texts of an artifact that comes in pieces, with the artifact's id.
    pub pieces: Vec<(NodeId, String)>,
    /// Values that are bytes, as base64.
    pub files: Vec<NodeId>,
    /// Lists of ids of other tasks than the one that was asked for: whose they are nobody knows here, and a name that is told can be used.
    pub foreign: Vec<NodeId>,
}

impl Course {
    /// The course of a request of this method, about this.
    #[must_use]
    pub const fn new(method: Method, expected: Expected) -> Self {
        Self { method, told: expected }
    }

    /// Reads one result.
    ///
    /// # Errors
    /// Why it is nothing that answers the request.
    pub fn read(&mut self, document: &Document<'_>, result: NodeId) -> Result<Answer, &'static str> {
        let mut reader = Reader { document, told: self.told.clone(), answer: Answer::default() };
        reader.is_object(result)?;
        match self.method {
            Method::GetTask | Method::CancelTask => reader.task(result)?,
            Method::ListTasks => {
                for task in reader.list(result, "tasks")? {
                    // Each is of the context that was asked for; which tasks these are is what is asked.
                    reader.told.task = None;
                    reader.task(task)?;
                }
                reader.told.task = None;
            }
            Method::Send | Method::SendStreaming | Method::Subscribe => reader.event(result, self.method)?,
            Method::CreatePush | Method::GetPush | Method::ListPush | Method::DeletePush | Method::ExtendedCard => {
                return Err("an answer to something that is not served");
            }
        }
        self.told = reader.told;
        Ok(reader.answer)
    }
}

struct Reader<'r, 'd> {
    document: &'r Document<'d>,
    /// What was told so far; later ids are the same.
    told: Expected,
    answer: Answer,
}

impl Reader<'_, '_> {
    /// One of the things that a message leads to.
    fn event(&mut self, result: NodeId, method: Method) -> Result<(), &'static str> {
        let mut members = self.document.children(result);
        let (Some(member), None) = (members.next(), members.next()) else { return Err("a result that is not one thing") };
        match self.document.key(member).as_deref() {
            Some("task") => self.task(member),
            Some("message") => self.message(member),
            Some("statusUpdate") if method.is_streaming() => {
                self.own(member)?;
                self.status(member)
            }
            Some("artifactUpdate") if method.is_streaming() => {
                self.own(member)?;
                let artifact = self.object(member, "artifact")?.ok_or("an update without an artifact")?;
                self.artifact(artifact, true)
            }
            _ => Err("a result of a kind that is not known"),
        }
    }

    fn task(&mut self, task: NodeId) -> Result<(), &'static str> {
        self.is_object(task)?;
        let id = self.document.get(task, "id").ok_or("a task without an id")?;
        self.id(id, true)?;
        if let Some(context) = self.given(task, "contextId") {
            self.id(context, false)?;
        } else if self.told.context.is_some() {
            return Err("a task without the context that was asked for");
        }
        self.status(task)?;
        for artifact in self.list(task, "artifacts")? {
            self.artifact(artifact, false)?;
        }
        for message in self.list(task, "history")? {
            self.message(message)?;
        }
        Ok(())
    }

    /// The task and context that an update is of.
    fn own(&mut self, update: NodeId) -> Result<(), &'static str> {
        self.is_object(update)?;
        let id = self.document.get(update, "taskId").ok_or("an update without the id of its task")?;
        self.id(id, true)?;
        self.given(update, "contextId").map_or(Ok(()), |context| self.id(context, false))
    }

    fn status(&mut self, holder: NodeId) -> Result<(), &'static str> {
        let Some(status) = self.object(holder, "status")? else { return Ok(()) };
        self.object(status, "message")?.map_or(Ok(()), |message| self.message(message))
    }

    fn message(&mut self, message: NodeId) -> Result<(), &'static str> {
        self.is_object(message)?;
        for (member, is_task) in [("taskId", true), ("contextId", false)] {
            if let Some(id) = self.given(message, member) {
                self.id(id, is_task)?;
            }
        }
        let references = self.list(message, "referenceTaskIds")?;
        let mut is_own = true;
        for reference in &references {
            let id = self.plain(*reference)?;
            is_own &= self.told.task.as_ref() == Some(&id);
        }
        if is_own {
            self.answer.ids.extend(references);
        } else {
            self.answer.foreign.extend(self.document.get(message, "referenceTaskIds"));
        }
        let words = self.parts(message)?;
        self.answer.joined.push(words);
        Ok(())
    }

    /// An artifact: whole, or a piece of one that clients put together.
    fn artifact(&mut self, artifact: NodeId, is_piece: bool) -> Result<(), &'static str> {
        self.is_object(artifact)?;
        let words = self.parts(artifact)?;
        if !is_piece {
            self.answer.joined.push(words);
            return Ok(());
        }
        let id = self.document.get(artifact, "artifactId").ok_or("a piece of an artifact without its id")?;
        let id = self.plain(id)?;
        self.answer.pieces.extend(words.into_iter().map(|word| (word, id.clone())));
        Ok(())
    }

    /// The words of some parts; files are kept aside.
    fn parts(&mut self, holder: NodeId) -> Result<Vec<NodeId>, &'static str> {
        let mut words = Vec::new();
        for part in self.list(holder, "parts")? {
            self.is_object(part)?;
            let text = |key: &str| self.document.get(part, key).filter(|node| self.document.kind(*node) == Kind::String);
            words.extend(text("text"));
            self.answer.files.extend(text("raw"));
        }
        Ok(words)
    }

    /// An id of the task or context that all of this is about.
    fn id(&mut self, node: NodeId, is_task: bool) -> Result<(), &'static str> {
        let id = self.plain(node)?;
        let known = if is_task { &mut self.told.task } else { &mut self.told.context };
        match known {
            Some(known) if *known != id => return Err("an answer about another task or context"),
            Some(_) => {}
            None => *known = Some(id),
        }
        self.answer.ids.push(node);
        Ok(())
    }

    /// An id that need not be there; so some agents write an empty one.
    fn given(&self, holder: NodeId, key: &str) -> Option<NodeId> {
        self.document.get(holder, key).filter(|id| self.document.text(*id).is_none_or(|text| !text.is_empty()))
    }

    fn plain(&self, node: NodeId) -> Result<String, &'static str> {
        let text = self.document.text(node).ok_or("an id that is no text")?;
        let is_plain = !text.is_empty() && text.len() <= MAX_OWN_ID && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_plain { Ok(text.into_owned()) } else { Err("an id that is no plain word") }
    }

    /// An object of which every reader finds the same members: clients take them in two spellings, some in any letters, and what one
    /// puts together is apart to another.
    fn is_object(&self, node: NodeId) -> Result<(), &'static str> {
        if self.document.kind(node) != Kind::Object {
            return Err("something that is no object");
        }
        let is_plain = |key: &str| {
            let folded = key.replace('_', "");
            !MEMBERS.iter().any(|known| known.eq_ignore_ascii_case(&folded) && *known != key)
        };
        let mut keys = self.document.children(node).filter_map(|member| self.document.key(member));
        if keys.all(|key| is_plain(&key)) { Ok(()) } else { Err("a member in another spelling") }
    }

    fn object(&self, node: NodeId, key: &str) -> Result<Option<NodeId>, &'static str> {
        let Some(value) = self.document.get(node, key) else { return Ok(None) };
        self.is_object(value).map(|()| Some(value))
    }

    fn list(&self, node: NodeId, key: &str) -> Result<Vec<NodeId>, &'static str> {
        let Some(list) = self.document.get(node, key) else { return Ok(Vec::new()) };
        if self.document.kind(list) != Kind::Array || self.document.count(list) > MAX_LISTED {
            return Err("a list that is none, or too long");
        }
        Ok(self.document.children(list).collect())
    }
}

#[cfg(test)]
mod tests;
