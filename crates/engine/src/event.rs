//! What happened, declared once; logs and metrics are made from it.

use std::time::Duration;

use model::{ReasonCode, RequestId, Side, Verdict};

/// Where the time of one interaction went. All of it is the gate's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Admission.
    pub admit: Duration,
    /// Parsing and classification.
    pub understand: Duration,
    /// Scanners on the request.
    pub inspect: Duration,
    /// The decision.
    pub decide: Duration,
    /// Until the intent was accepted.
    pub record: Duration,
    /// From the last byte before act to the answer's first byte; the upstream's time.
    pub upstream: Duration,
    /// From arrival to the first released byte, less the upstream's time.
    pub overhead: Duration,
}

/// One thing that happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A party that is not known was turned away.
    Unidentified {
        /// Its address.
        peer: &'a str,
        /// Why.
        reason: ReasonCode,
    },
    /// A verdict was reached.
    Decided {
        /// Which interaction.
        request: RequestId,
        /// The verdict.
        verdict: Verdict,
        /// Why.
        reason: ReasonCode,
    },
    /// A scanner found something.
    Found {
        /// Which interaction.
        request: RequestId,
        /// Which way.
        side: Side,
        /// What.
        kind: &'a str,
    },
    /// An attempt at an upstream failed.
    AttemptFailed {
        /// Which interaction.
        request: RequestId,
        /// Which upstream.
        upstream: &'a str,
        /// How.
        reason: ReasonCode,
    },
    /// An interaction ended.
    Ended {
        /// Which interaction.
        request: RequestId,
        /// How.
        reason: ReasonCode,
        /// The status that the client saw, 0 if it saw none.
        status: u16,
        /// Where the time went.
        timings: &'a Timings,
        /// Bytes released to the client.
        released: u64,
    },
}
