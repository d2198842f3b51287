//! What happened, declared once; logs and metrics are made from it.

use std::time::Duration;

use model::{Charge, Dialect, Name, ReasonCode, RequestId, ShadowAnswer, Side, UnixMillis, Verdict};

use crate::ports::Trace;

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

/// What is known of a call beside how it ended: names from the configuration and times, nothing of its content.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The provider's kind, and the path of its API there; `None` for an endpoint of the gate.
    pub api: Option<(Dialect, &'static str)>,
    /// What it asked for, if it is a declared model.
    pub model: Option<&'a Name>,
    /// Which upstream answered.
    pub upstream: Option<&'a Name>,
    /// What that upstream calls the model that answered: as configured, perhaps with its version.
    pub answered_by: Option<&'a str>,
    /// Why its texts ended, in words of the provider's API.
    pub finish: &'a [&'static str],
    /// What it used, if it left the gate.
    pub charge: Option<&'a Charge>,
    /// Whether it asked for a stream.
    pub is_stream: bool,
    /// When it arrived.
    pub at: UnixMillis,
    /// How long it took.
    pub took: Duration,
    /// Its place in a distributed trace.
    pub trace: Option<&'a Trace>,
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
    /// A shadow policy concerned a decision.
    Shadowed {
        /// Which interaction.
        request: RequestId,
        /// What the decision would be with it.
        shadow: &'a ShadowAnswer,
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
    /// A tool server says that its list of tools is another one now.
    Announced {
        /// Which.
        server: &'a str,
    },
    /// A call that left the gate was charged with what it used.
    Charged {
        /// Which interaction.
        request: RequestId,
        /// With what.
        charge: &'a Charge,
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
        /// What else is known of it.
        facts: &'a Facts<'a>,
    },
}
