//! The two protocol adapters, as the engine sees them. They translate and decide nothing; the knowledge is in `dialect`.

use std::collections::BTreeSet;

use bytes::Bytes;
use engine::ports::{AnswerView, Head, Protocol, StreamEvent, Understood};
use http::{HeaderMap, StatusCode};
use model::{Dialect, Name, Refusal, RequestId};
use text::Document;

use crate::dialect;
use crate::sse::{self, SseReader};

/// One dialect at one path.
#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    dialect: Dialect,
    path: &'static str,
}

/// `OpenAI` chat completions.
pub const OPENAI: Adapter = Adapter { dialect: Dialect::Openai, path: "/v1/chat/completions" };

/// Anthropic messages.
pub const ANTHROPIC: Adapter = Adapter { dialect: Dialect::Anthropic, path: "/v1/messages" };

impl Protocol for Adapter {
    type Events = SseReader;

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn upstream_path(&self) -> &'static str {
        self.path
    }

    fn understand(&self, head: &Head, document: &Document<'_>, admitted: &BTreeSet<String>) -> Result<Understood, Refusal> {
        dialect::understand(self.dialect, &head.headers, document, admitted)
    }

    fn upstream_headers(&self, head: &Head) -> HeaderMap {
        dialect::upstream_headers(self.dialect, &head.headers)
    }

    fn client_headers(&self, headers: &HeaderMap) -> HeaderMap {
        dialect::client_headers(self.dialect, headers)
    }

    fn view(&self, document: &Document<'_>, name: Option<&str>, in_stream: bool) -> AnswerView {
        dialect::view(self.dialect, document, name, in_stream)
    }

    fn is_end_mark(&self, data: &[u8]) -> bool {
        dialect::is_end_mark(self.dialect, data)
    }

    fn events(&self, limit: usize) -> SseReader {
        SseReader::new(limit)
    }

    fn rewrite(&self, event: &StreamEvent, data: &[u8]) -> Bytes {
        sse::write(event.name.as_deref(), data)
    }

    fn refusal(&self, refusal: &Refusal, request: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        dialect::refusal(self.dialect, refusal, request)
    }

    fn stream_refusal(&self, refusal: &Refusal, request: RequestId) -> Bytes {
        dialect::stream_refusal(self.dialect, refusal, request)
    }

    fn model_list(&self, models: &[Name]) -> (HeaderMap, Bytes) {
        dialect::model_list(self.dialect, models)
    }

    fn model_item(&self, model: &Name) -> (HeaderMap, Bytes) {
        dialect::model_item(self.dialect, model)
    }
}
