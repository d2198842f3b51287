//! What can be asked for and told: a closed table. What is not in it is refused.

use crate::version::Version;

/// Whether an answer is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// It has an id and is answered.
    Request,
    /// It is not.
    Notification,
}

/// Who sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Clients only.
    Client,
    /// Servers only.
    Server,
    /// Both.
    Either,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $form:ident by $sender:ident, $from:ident to $to:ident;)*) => {
        /// A method that some revision has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Method { $($(#[$doc])* $name,)* }

        impl Method {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Whether it is answered.
            #[must_use]
            pub const fn form(self) -> Form {
                match self { $(Self::$name => Form::$form,)* }
            }

            /// Who sends it.
            #[must_use]
            pub const fn sender(self) -> Sender {
                match self { $(Self::$name => Sender::$sender,)* }
            }

            /// The first and the last revision that has it.
            #[must_use]
            pub const fn revisions(self) -> (Version, Version) {
                match self { $(Self::$name => (Version::$from, Version::$to),)* }
            }
        }
    };
}

methods! {
    /// Which versions and features a server has, without a handshake.
    Discover = "server/discover", Request by Client, V2026_07_28 to V2026_07_28;
    /// The handshake.
    Initialize = "initialize", Request by Client, V2025_06_18 to V2025_11_25;
    /// Its end.
    Initialized = "notifications/initialized", Notification by Client, V2025_06_18 to V2025_11_25;
    /// Whether the other one is there.
    Ping = "ping", Request by Either, V2025_06_18 to V2025_11_25;

    /// Which tools there are.
    ListTools = "tools/list", Request by Client, V2025_06_18 to V2026_07_28;
    /// A call of one.
    CallTool = "tools/call", Request by Client, V2025_06_18 to V2026_07_28;
    /// Which prompts there are.
    ListPrompts = "prompts/list", Request by Client, V2025_06_18 to V2026_07_28;
    /// One prompt.
    GetPrompt = "prompts/get", Request by Client, V2025_06_18 to V2026_07_28;
    /// Which resources there are.
    ListResources = "resources/list", Request by Client, V2025_06_18 to V2026_07_28;
    /// Which patterns of resources there are.
    ListTemplates = "resources/templates/list", Request by Client, V2025_06_18 to V2026_07_28;
    /// One resource.
    ReadResource = "resources/read", Request by Client, V2025_06_18 to V2026_07_28;
    /// News of one resource.
    Subscribe = "resources/subscribe", Request by Client, V2025_06_18 to V2025_11_25;
    /// No more of them.
    Unsubscribe = "resources/unsubscribe", Request by Client, V2025_06_18 to V2025_11_25;
    /// Values that an argument could have.
    Complete = "completion/complete", Request by Client, V2025_06_18 to V2026_07_28;
    /// From which level on a server tells what it does.
    SetLevel = "logging/setLevel", Request by Client, V2025_06_18 to V2025_11_25;
    /// News, for as long as the answer is open.
    Listen = "subscriptions/listen", Request by Client, V2026_07_28 to V2026_07_28;

    /// How a task stands; before 2026-07-28 asked by both sides.
    GetTask = "tasks/get", Request by Either, V2025_11_25 to V2026_07_28;
    /// What a task has given, waiting for it.
    TaskResult = "tasks/result", Request by Either, V2025_11_25 to V2025_11_25;
    /// Which tasks there are.
    ListTasks = "tasks/list", Request by Either, V2025_11_25 to V2025_11_25;
    /// Stops a task.
    CancelTask = "tasks/cancel", Request by Either, V2025_11_25 to V2026_07_28;
    /// Answers what a task asks for.
    UpdateTask = "tasks/update", Request by Client, V2026_07_28 to V2026_07_28;

    /// Has the client's model write something. From 2026-07-28 on only inside results.
    Sample = "sampling/createMessage", Request by Server, V2025_06_18 to V2026_07_28;
    /// Asks the client's user for something. From 2026-07-28 on only inside results.
    Elicit = "elicitation/create", Request by Server, V2025_06_18 to V2026_07_28;
    /// Which folders the client works in. From 2026-07-28 on only inside results.
    ListRoots = "roots/list", Request by Server, V2025_06_18 to V2026_07_28;

    /// A request need not be answered any more. In 2026-07-28 not over HTTP.
    Cancelled = "notifications/cancelled", Notification by Either, V2025_06_18 to V2026_07_28;
    /// How far a request is.
    Progress = "notifications/progress", Notification by Either, V2025_06_18 to V2026_07_28;
    /// What a server tells of what it does.
    LogMessage = "notifications/message", Notification by Server, V2025_06_18 to V2026_07_28;
    /// There are other tools.
    ToolsChanged = "notifications/tools/list_changed", Notification by Server, V2025_06_18 to V2026_07_28;
    /// There are other prompts.
    PromptsChanged = "notifications/prompts/list_changed", Notification by Server, V2025_06_18 to V2026_07_28;
    /// There are other resources.
    ResourcesChanged = "notifications/resources/list_changed", Notification by Server, V2025_06_18 to V2026_07_28;
    /// A resource is another one.
    ResourceUpdated = "notifications/resources/updated", Notification by Server, V2025_06_18 to V2026_07_28;
    /// The client works in other folders.
    RootsChanged = "notifications/roots/list_changed", Notification by Client, V2025_06_18 to V2025_11_25;
    /// What was asked of the user elsewhere has come to its end.
    ElicitationComplete = "notifications/elicitation/complete", Notification by Server, V2025_11_25 to V2025_11_25;
    /// How a task stands.
    TaskStatus = "notifications/tasks/status", Notification by Either, V2025_11_25 to V2025_11_25;
    /// The same, of the extension.
    Tasks = "notifications/tasks", Notification by Server, V2026_07_28 to V2026_07_28;
    /// News are on their way.
    Acknowledged = "notifications/subscriptions/acknowledged", Notification by Server, V2026_07_28 to V2026_07_28;
}

impl Method {
    /// The method of exactly this name, in any revision.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.as_str() == name)
    }

    /// Whether a revision has it.
    #[must_use]
    pub fn is_in(self, version: Version) -> bool {
        let (from, to) = self.revisions();
        (from..=to).contains(&version)
    }

    /// Whether such a party sends it in a message of its own in that revision. A server of 2026-07-28 sends no requests: what it
    /// asks for stands in results.
    #[must_use]
    pub fn may_come_from(self, sender: Sender, version: Version) -> bool {
        let is_asked_by_server = sender == Sender::Server && self.form() == Form::Request;
        self.is_in(version)
            && (self.sender() == sender || self.sender() == Sender::Either)
            && !(is_asked_by_server && version.is_stateless())
    }

    /// The member of `params` that names what is asked for, which the header `Mcp-Name` repeats from 2026-07-28 on.
    #[must_use]
    pub const fn name_member(self) -> Option<&'static str> {
        match self {
            Self::CallTool | Self::GetPrompt => Some("name"),
            Self::ReadResource => Some("uri"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Method, Sender};
    use crate::version::Version;

    #[test]
    fn names_are_exact_and_none_stands_twice() {
        for (at, method) in Method::ALL.iter().enumerate() {
            assert_eq!(Method::named(method.as_str()), Some(*method));
            assert!(Method::ALL.iter().skip(at + 1).all(|other| other.as_str() != method.as_str()));
            assert_eq!(method.form() == Form::Notification, method.as_str().starts_with("notifications/"));
            let (from, to) = method.revisions();
            assert!(from <= to && method.is_in(from) && method.is_in(to));
        }
        for name in ["", "Tools/call", "tools/call ", "tools", "rpc.discover"] {
            assert_eq!(Method::named(name), None, "{name}");
        }
    }

    #[test]
    fn each_side_sends_what_is_its_own() {
        let facts = [
            (Method::CallTool, Sender::Client, Version::V2026_07_28, true),
            (Method::CallTool, Sender::Server, Version::V2026_07_28, false),
            (Method::Initialize, Sender::Client, Version::V2026_07_28, false),
            (Method::Initialize, Sender::Client, Version::V2025_11_25, true),
            (Method::Elicit, Sender::Server, Version::V2025_11_25, true),
            (Method::Elicit, Sender::Server, Version::V2026_07_28, false),
            (Method::Progress, Sender::Server, Version::V2026_07_28, true),
            (Method::Discover, Sender::Client, Version::V2025_11_25, false),
            (Method::GetTask, Sender::Client, Version::V2025_06_18, false),
            (Method::GetTask, Sender::Server, Version::V2025_11_25, true),
            (Method::GetTask, Sender::Server, Version::V2026_07_28, false),
        ];
        for (method, sender, version, expected) in facts {
            assert_eq!(method.may_come_from(sender, version), expected, "{method:?} {sender:?} {version}");
        }
    }
}
