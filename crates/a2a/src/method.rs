//! What can be asked of an agent.

/// A method of the JSON-RPC binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Say something, and have the answer when it is there.
    Send,
    /// Say something, and hear what comes of it.
    SendStreaming,
    /// How a task stands.
    GetTask,
    /// Which tasks there are.
    ListTasks,
    /// End a task.
    CancelTask,
    /// Hear what comes of a task.
    Subscribe,
    /// Have an address called when something comes of a task.
    CreatePush,
    /// Which address that is.
    GetPush,
    /// Which addresses these are.
    ListPush,
    /// Have it called no more.
    DeletePush,
    /// A card with more in it, for those who are known.
    ExtendedCard,
}

impl Method {
    /// Every method that version 1.0 has.
    pub const ALL: [Self; 11] = [
        Self::Send,
        Self::SendStreaming,
        Self::GetTask,
        Self::ListTasks,
        Self::CancelTask,
        Self::Subscribe,
        Self::CreatePush,
        Self::GetPush,
        Self::ListPush,
        Self::DeletePush,
        Self::ExtendedCard,
    ];

    /// The name as messages have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "SendMessage",
            Self::SendStreaming => "SendStreamingMessage",
            Self::GetTask => "GetTask",
            Self::ListTasks => "ListTasks",
            Self::CancelTask => "CancelTask",
            Self::Subscribe => "SubscribeToTask",
            Self::CreatePush => "CreateTaskPushNotificationConfig",
            Self::GetPush => "GetTaskPushNotificationConfig",
            Self::ListPush => "ListTaskPushNotificationConfigs",
            Self::DeletePush => "DeleteTaskPushNotificationConfig",
            Self::ExtendedCard => "GetExtendedAgentCard",
        }
    }

    /// The method of that name, letter for letter.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }

    /// Whether something is said with it.
    #[must_use]
    pub const fn is_message(self) -> bool {
        matches!(self, Self::Send | Self::SendStreaming)
    }

    /// Whether it is answered by a stream.
    #[must_use]
    pub const fn is_streaming(self) -> bool {
        matches!(self, Self::SendStreaming | Self::Subscribe)
    }

    /// The members that its params have; none for what is not served: addresses that the agent would call are not the gate's to
    /// decide on afterwards, and the gate's card has all that a caller may know.
    pub(crate) const fn members(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Send | Self::SendStreaming => Some(&["message", "configuration", "metadata"]),
            Self::GetTask => Some(&["id", "historyLength"]),
            Self::ListTasks => Some(&[
                "contextId",
                "status",
                "pageSize",
                "pageToken",
                "historyLength",
                "statusTimestampAfter",
                "includeArtifacts",
            ]),
            Self::CancelTask => Some(&["id", "metadata"]),
            Self::Subscribe => Some(&["id"]),
            Self::CreatePush | Self::GetPush | Self::ListPush | Self::DeletePush | Self::ExtendedCard => None,
        }
    }

    /// Whether the gate serves it.
    #[must_use]
    pub const fn is_served(self) -> bool {
        self.members().is_some()
    }
}
