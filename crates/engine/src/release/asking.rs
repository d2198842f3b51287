//! Calls of tools on their way through the release machine: behind everything that could still change what they say.

use bytes::Bytes;
use model::Refusal;

use crate::ports::{CallAsked, Calls, Fate, StreamEvent};

/// One event as it would leave.
pub(super) struct Settled {
    pub(super) event: StreamEvent,
    pub(super) data: Option<Bytes>,
    pub(super) is_hidden: bool,
    /// It may hold a part of a call.
    pub(super) speaks: bool,
}

/// Where calls wait that the model asks for; nowhere, if nobody decides on them.
#[derive(Default)]
pub(super) struct Asking {
    calls: Option<Box<dyn Calls>>,
    has_finished: bool,
}

impl Asking {
    pub(super) const fn of(calls: Option<Box<dyn Calls>>) -> Self {
        Self { calls, has_finished: false }
    }

    /// Whether somebody decides on calls.
    pub(super) const fn is_there(&self) -> bool {
        self.calls.is_some()
    }

    /// No more events will come.
    pub(super) const fn finish(&mut self) {
        self.has_finished = true;
    }

    pub(super) fn asked(&mut self) -> Vec<CallAsked> {
        self.calls.as_mut().map(|calls| calls.asked()).unwrap_or_default()
    }

    pub(super) fn decide(&mut self, key: usize, fate: Fate) {
        if let Some(calls) = &mut self.calls {
            calls.decide(key, fate);
        }
    }

    /// Takes an event, and gives what may leave by now; the event itself where nobody decides on calls.
    pub(super) fn take(&mut self, settled: Settled) -> Result<Result<Bytes, Settled>, Refusal> {
        let Some(calls) = &mut self.calls else { return Ok(Err(settled)) };
        let Settled { event, data, is_hidden, speaks } = settled;
        calls.push(event, data.unwrap_or_default(), is_hidden, speaks)?;
        calls.take().map(Ok)
    }

    /// What else may leave. `is_all`: every event that came was taken.
    pub(super) fn rest(&mut self, is_all: bool) -> Result<Bytes, Refusal> {
        let Some(calls) = &mut self.calls else { return Ok(Bytes::new()) };
        if self.has_finished && is_all {
            calls.finish()?;
        }
        calls.take()
    }

    /// How many bytes wait.
    pub(super) fn held(&self) -> usize {
        self.calls.as_ref().map_or(0, |calls| calls.held())
    }
}
