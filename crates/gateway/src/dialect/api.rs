//! Which API of a provider a request speaks: its path, its table, and what has to be there.

use model::Dialect;

use super::table::Table;
use super::{anthropic, openai};

/// One API. Errors and headers are the provider's; requests and answers are the API's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// `OpenAI` chat completions.
    Chat,
    /// `OpenAI` responses.
    Responses,
    /// `OpenAI` completions, the older form.
    Completions,
    /// `OpenAI` embeddings.
    Embeddings,
    /// Anthropic messages.
    Messages,
    /// Anthropic's count of the tokens that a message would have.
    CountTokens,
}

impl Api {
    /// Every API.
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::Responses, Self::Completions, Self::Embeddings, Self::Messages, Self::CountTokens];

    /// The provider whose API it is.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Chat | Self::Responses | Self::Completions | Self::Embeddings => Dialect::Openai,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
        }
    }

    /// Where it is, here and at the provider.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
        }
    }

    /// The API at a path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.path() == path)
    }

    /// The API at a path in Azure's form, and the model if the path names it: `/openai/deployments/MODEL/chat/completions`,
    /// `/openai/v1/responses`, `/openai/responses`. The version in the query says nothing here.
    #[must_use]
    pub fn at_azure(path: &str) -> Option<(Self, Option<&str>)> {
        let below = path.strip_prefix("/openai")?;
        let at = |rest: &str| Self::ALL.into_iter().filter(|api| api.dialect() == Dialect::Openai).find(|api| api.path() == rest);
        if let Some(rest) = below.strip_prefix("/deployments/") {
            let (model, rest) = rest.split_once('/')?;
            return at(&format!("/v1/{rest}")).map(|api| (api, Some(model)));
        }
        at(below).or_else(|| at(&format!("/v1{below}"))).map(|api| (api, None))
    }

    pub(super) const fn table(self) -> &'static Table {
        match self {
            Self::Chat => &openai::CHAT,
            Self::Responses => &openai::RESPONSES,
            Self::Completions => &openai::COMPLETIONS,
            Self::Embeddings => &openai::EMBEDDINGS,
            Self::Messages => &anthropic::MESSAGES,
            Self::CountTokens => &anthropic::COUNT_TOKENS,
        }
    }

    /// Whether the provider keeps the exchange unless it is told not to.
    pub(super) const fn keeps(self) -> bool {
        matches!(self, Self::Responses)
    }

    /// The member without which a request says nothing.
    pub(super) const fn said(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages | Self::CountTokens => "messages",
            Self::Completions => "prompt",
            Self::Responses | Self::Embeddings => "input",
        }
    }
}
