//! The protocol adapters, as the engine sees them. They translate and decide nothing; the knowledge is in `dialect`.

use std::collections::BTreeSet;

use budget::Allowance;
use bytes::Bytes;
use engine::Snapshot;
use engine::ports::{AnswerView, Calls, Catalogue, Head, Protocol, StreamEvent, Turn, Understood, Voice};
use http::{HeaderMap, StatusCode};
use model::{Dialect, Name, Refusal, RequestId};
use text::Document;

use crate::dialect::{self, Api, Stored};
use crate::sse::{self, SseReader};
use crate::trace;

/// One API.
#[derive(Debug, Clone)]
pub struct Adapter {
    /// Which.
    pub api: Api,
    /// The model, if the path names it.
    pub deployment: Option<String>,
    /// What is asked of a stored response, if that is what is asked.
    pub stored: Option<Stored>,
}

/// What answers in `OpenAI`'s shapes where no API was named.
pub const OPENAI: Adapter = Adapter { api: Api::Chat, deployment: None, stored: None };

/// What answers in Anthropic's shapes where no API was named.
pub const ANTHROPIC: Adapter = Adapter { api: Api::Messages, deployment: None, stored: None };

impl Voice for Adapter {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        Some((self.api.dialect(), self.upstream_path()))
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        dialect::refusal(self.api.dialect(), refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        dialect::stream_refusal(self.api.dialect(), refusal, request)
    }

    fn is_own_word(&self, word: &str) -> bool {
        dialect::is_own_word(word)
    }

    fn allow(&self, allowance: &Allowance, headers: &mut HeaderMap) {
        dialect::allow(self.api.dialect(), allowance, headers);
    }
}

impl Protocol for Adapter {
    type Events = SseReader;

    fn dialect(&self) -> Option<Dialect> {
        Some(self.api.dialect())
    }

    fn upstream_path(&self) -> &'static str {
        if self.stored.is_some() { "/v1/responses/{id}" } else { self.api.path() }
    }

    fn takes_body(&self) -> bool {
        self.stored.is_none()
    }

    fn understand(&self, head: &Head, document: &Document<'_>, snapshot: &Snapshot) -> Result<Understood, Refusal> {
        if let Some(stored) = &self.stored {
            return stored.understood();
        }
        let nothing = BTreeSet::new();
        let admitted = snapshot.admitted.get(&self.api.dialect()).unwrap_or(&nothing);
        dialect::understand(self.api, self.deployment.as_deref(), &head.headers, document, admitted)
    }

    fn upstream_headers(&self, head: &Head) -> HeaderMap {
        let mut headers = dialect::upstream_headers(self.api, &head.headers);
        if let Some(traceparent) = head.trace.as_ref().and_then(trace::header) {
            headers.insert(trace::TRACEPARENT, traceparent);
        }
        headers
    }

    fn client_headers(&self, headers: &HeaderMap) -> HeaderMap {
        dialect::client_headers(self.api.dialect(), headers)
    }

    fn view(&self, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
        match &self.stored {
            Some(stored) => dialect::view_stored(stored, document, name, in_stream),
            None => dialect::view(self.api, document, name, in_stream),
        }
    }

    fn is_end_mark(&self, data: &[u8]) -> bool {
        dialect::is_end_mark(self.api.dialect(), data)
    }

    fn events(&self, limit: usize) -> SseReader {
        SseReader::new(limit)
    }

    fn rewrite(&self, event: &StreamEvent, data: &[u8]) -> Bytes {
        sse::write(event.name.as_deref(), data)
    }

    fn calls(&self, in_stream: bool, limits: text::Limits) -> Option<Box<dyn Calls>> {
        let api = if self.stored.is_some() { Api::Responses } else { self.api };
        dialect::calls(api, in_stream, limits)
    }

    fn turns(&self, document: &Document<'_>) -> Vec<Turn> {
        // What a provider keeps was said elsewhere.
        if self.stored.is_some() { vec![Turn::Unread] } else { dialect::turns(self.api, document) }
    }
}

impl Catalogue for Adapter {
    fn model_list(&self, models: &[Name]) -> (HeaderMap, Bytes) {
        dialect::model_list(self.api.dialect(), models)
    }

    fn model_item(&self, model: &Name) -> (HeaderMap, Bytes) {
        dialect::model_item(self.api.dialect(), model)
    }
}
