//! One recorded conversation, in the shape of OpenAI chat completions. Members that say nothing about its calls are passed over.

use serde::Deserialize;

/// A conversation.
#[derive(Debug, Deserialize)]
pub(super) struct Trace {
    /// A key to join verdicts by. Nothing is read out of it.
    pub(super) id: String,
    /// The agent that had it.
    pub(super) agent: String,
    /// The user on whose behalf; none for an agent on its own.
    #[serde(default)]
    pub(super) user: Option<String>,
    /// What the task's credential granted, if there was one.
    #[serde(default)]
    pub(super) task: Option<Scope>,
    pub(super) messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Scope {
    /// Tools, by the names that models call them by.
    pub(super) tools: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(super) enum Message {
    #[serde(alias = "developer")]
    System {
        #[serde(default)]
        content: Content,
    },
    User {
        #[serde(default)]
        content: Content,
    },
    Assistant {
        #[serde(default)]
        tool_calls: Option<Vec<Asked>>,
    },
    Tool {
        #[serde(default)]
        tool_call_id: Option<String>,
        #[serde(default)]
        content: Content,
    },
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    #[serde(default)]
    pub(super) arguments: String,
}

/// Text, plain or in parts; parts of other kinds hold none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
    Nothing(()),
}

#[derive(Debug, Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) text: Option<String>,
}

impl Default for Content {
    fn default() -> Self {
        Self::Nothing(())
    }
}

impl Content {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n"),
            Self::Nothing(()) => String::new(),
        }
    }
}

/// Reads one line.
pub(super) fn trace(line: &[u8]) -> Result<Trace, String> {
    serde_json::from_slice(line).map_err(|error| {
        // Not serde's own words: they may hold a part of the line.
        let what = match error.classify() {
            serde_json::error::Category::Data => {
                "is no conversation: expected {\"id\", \"agent\", \"user\", \"messages\": [{\"role\", \"content\"}]}"
            }
            _ => "is no JSON",
        };
        format!("the line {what} (column {})", error.column())
    })
}
