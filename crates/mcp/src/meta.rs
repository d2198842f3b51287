//! What a request of 2026-07-28 says of itself in `params._meta`.

use std::borrow::Cow;

use text::{Document, Kind, NodeId};

/// The revision that the request speaks.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can do.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// What the client calls itself. Nothing decides on it.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on the server may tell what it does.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// By what news of how far the request is are known.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// The metadata of one request. The nodes are of the document that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta<'d> {
    /// The revision as written; it may be one that nobody knows.
    pub version: Cow<'d, str>,
    /// An object.
    pub capabilities: NodeId,
    /// An object, if the client says what it is.
    pub client: Option<NodeId>,
    /// A text or a number, if news are wanted.
    pub progress: Option<NodeId>,
}

/// What is missing or has the wrong type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetaError {
    /// A request without `params._meta`.
    #[error("`params._meta` has to be an object")]
    Missing,
    /// No revision.
    #[error("`_meta` has to name `io.modelcontextprotocol/protocolVersion`")]
    NoVersion,
    /// No capabilities.
    #[error("`_meta` has to hold `io.modelcontextprotocol/clientCapabilities`, an object")]
    NoCapabilities,
    /// The client's name is no object.
    #[error("`io.modelcontextprotocol/clientInfo` has to be an object")]
    BadClient,
    /// The token of news is neither text nor number.
    #[error("`progressToken` has to be a text or a number")]
    BadProgress,
}

impl<'d> Meta<'d> {
    /// Reads the metadata of a request's params.
    ///
    /// # Errors
    /// See [`MetaError`].
    pub fn read(document: &'d Document<'_>, params: Option<NodeId>) -> Result<Self, MetaError> {
        let meta = params.and_then(|params| document.get(params, "_meta"));
        let meta = meta.filter(|meta| document.kind(*meta) == Kind::Object).ok_or(MetaError::Missing)?;
        let version = document.get(meta, PROTOCOL_VERSION).and_then(|version| document.text(version));
        let capabilities = document.get(meta, CLIENT_CAPABILITIES);
        let [client, progress] = [CLIENT_INFO, PROGRESS_TOKEN].map(|name| document.get(meta, name));
        if client.is_some_and(|client| document.kind(client) != Kind::Object) {
            return Err(MetaError::BadClient);
        }
        if progress.is_some_and(|progress| !matches!(document.kind(progress), Kind::String | Kind::Number)) {
            return Err(MetaError::BadProgress);
        }
        Ok(Self {
            version: version.ok_or(MetaError::NoVersion)?,
            capabilities: capabilities
                .filter(|capabilities| document.kind(*capabilities) == Kind::Object)
                .ok_or(MetaError::NoCapabilities)?,
            client,
            progress,
        })
    }
}

#[cfg(test)]
mod tests {
    use text::{Document, Limits};

    use super::{Meta, MetaError};

    fn read(meta: &str) -> Result<(String, bool, bool), MetaError> {
        let json = format!(r#"{{"_meta":{meta}}}"#);
        let document = Document::parse(json.as_bytes(), &Limits::default()).unwrap();
        Meta::read(&document, Some(document.root()))
            .map(|meta| (meta.version.into_owned(), meta.client.is_some(), meta.progress.is_some()))
    }

    #[test]
    fn required_members_are_required() {
        let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
        let can = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
        let name = r#""io.modelcontextprotocol/clientInfo""#;
        let facts = [
            (format!("{{{version},{can}}}"), Ok(("2026-07-28".to_owned(), false, false))),
            (format!(r#"{{{version},{can},{name}:{{}},"progressToken":7}}"#), Ok(("2026-07-28".to_owned(), true, true))),
            (format!("{{{can}}}"), Err(MetaError::NoVersion)),
            (format!("{{{version}}}"), Err(MetaError::NoCapabilities)),
            (format!(r#"{{{version},"io.modelcontextprotocol/clientCapabilities":[]}}"#), Err(MetaError::NoCapabilities)),
            (format!(r#"{{{version},{can},{name}:"me"}}"#), Err(MetaError::BadClient)),
            (format!(r#"{{{version},{can},"progressToken":true}}"#), Err(MetaError::BadProgress)),
            ("[]".to_owned(), Err(MetaError::Missing)),
            (r#"{"io.modelcontextprotocol/protocolVersion":7}"#.to_owned(), Err(MetaError::NoVersion)),
        ];
        for (meta, expected) in facts {
            assert_eq!(read(&meta), expected, "{meta}");
        }
        let document = Document::parse(b"{}", &Limits::default()).unwrap();
        assert_eq!(Meta::read(&document, None), Err(MetaError::Missing));
        assert_eq!(Meta::read(&document, Some(document.root())), Err(MetaError::Missing));
    }
}
