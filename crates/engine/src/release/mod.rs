//! Stage 8, release: inspect what came back, perform the response-side duties, and hand out what may pass.
//!
//! It is the only place that makes [`Released`] pieces, and the client's writer takes nothing else.

mod joint;
mod machine;
mod sealer;
mod seen;
mod track;

use bytes::Bytes;
use model::{Refusal, RequestId};

use crate::ports::Voice;

pub(crate) use machine::{Batch, Machine};
pub(crate) use sealer::Sealer;
pub(crate) use seen::Seen;

/// Proof: these bytes may reach the client. Either they went through the lanes, or the gate wrote them itself.
///
/// ```compile_fail
/// fn leak(bytes: bytes::Bytes) -> engine::Released {
///     engine::Released { bytes }
/// }
/// ```
/// The twin that differs only in the forbidden expression:
/// ```
/// fn leak(bytes: bytes::Bytes, released: engine::Released) -> engine::Released {
///     released
/// }
/// ```
#[derive(Debug)]
#[must_use = "a released piece that is dropped never reaches the client"]
pub struct Released {
    bytes: Bytes,
}

impl Released {
    fn seal(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// The bytes, to be written to the client.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The bytes, to be kept in the record.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// A refusal in the provider's shape, as the whole answer.
pub(crate) fn refusal<V: Voice>(
    voice: &V,
    refusal: &Refusal,
    request: RequestId,
) -> (http::StatusCode, http::HeaderMap, Released) {
    let (status, headers, body) = voice.refusal(refusal, request);
    (status, headers, Released::seal(body))
}

/// A refusal in the middle of a stream.
pub(crate) fn stream_refusal<V: Voice>(voice: &V, refusal: &Refusal, request: RequestId) -> Released {
    Released::seal(voice.stream_refusal(refusal, request))
}

/// A document that the gate wrote itself, such as the list of models.
pub(crate) fn own_document(body: Bytes) -> Released {
    Released::seal(body)
}
