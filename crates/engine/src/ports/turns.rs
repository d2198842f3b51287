//! What a request to a model tells of the conversation that it goes on with.

/// One step of it, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// What the developer tells the model.
    System(String),
    /// What stands in the name of the user.
    User(String),
    /// A call that a model has asked for before.
    Asked {
        /// By which its answer is known; empty if by nothing.
        id: String,
        /// The function, by the name that models call it by.
        name: String,
        /// Its arguments, as JSON.
        arguments: String,
    },
    /// What came back for such a call.
    Answered {
        /// By which the call is known; empty if by nothing.
        id: String,
        /// All of it that is text.
        text: String,
    },
    /// What nobody here can read, and anybody may have written: a picture, a file, what a provider has looked up or keeps.
    Unread,
}

impl Turn {
    /// What it is, and its texts.
    pub(crate) fn parts(&self) -> (&'static str, [&str; 3]) {
        match self {
            Self::System(text) => ("system", [text, "", ""]),
            Self::User(text) => ("user", [text, "", ""]),
            Self::Asked { id, name, arguments } => ("asked", [id, name, arguments]),
            Self::Answered { id, text } => ("answered", [id, text, ""]),
            Self::Unread => ("unread", ["", "", ""]),
        }
    }

    /// The length of its texts, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.parts().1.iter().map(|text| text.len()).sum()
    }
}
