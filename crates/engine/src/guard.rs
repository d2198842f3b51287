//! The epoch, as one call sees it: what would stop this call, looked at before every effect and every release; and the
//! end of its credential.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use model::{Chain, CredentialId, Name, ReasonCode, Resource};

use crate::ports::{Client, Clock, Epoch};

/// Who and what a lock could name to stop this call.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    credential: CredentialId,
    chain: Chain,
    aim: Option<Resource>,
    /// The virtual server through which the call came.
    through: Option<Resource>,
    /// Credentials that the presented one descends from.
    parents: Vec<CredentialId>,
    task: Option<Name>,
    /// When the credential ends, on the clock that never goes back.
    ends: Option<Duration>,
    seen: u64,
}

impl Guard {
    /// A guard for a call of `chain` with `credential`; the epoch has not been looked at yet.
    pub(crate) const fn new(credential: CredentialId, chain: Chain) -> Self {
        Self { credential, chain, aim: None, through: None, parents: Vec::new(), task: None, ends: None, seen: 0 }
    }

    /// A lock on one of `parents`, or on the task, stops the call too.
    pub(crate) fn descending(self, parents: Vec<CredentialId>, task: Option<Name>) -> Self {
        Self { parents, task, ..self }
    }

    /// So does the end of what was presented: nobody does more with a credential than it lasts.
    pub(crate) fn until(self, ends: Option<Duration>) -> Self {
        Self { ends, ..self }
    }

    /// From now on a lock on `aim` stops the call too.
    pub(crate) fn touches(&mut self, aim: Resource) {
        self.aim = Some(aim);
    }

    /// So does one on `through`, the way that it came.
    pub(crate) fn passes(&mut self, through: Option<Resource>) {
        self.through = through;
    }

    /// The epoch that was last looked at.
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// Looks at the locks now, and at the clock.
    pub(crate) fn check<W: Clock + Epoch>(&mut self, world: &W) -> Result<(), ReasonCode> {
        if self.ends.is_some_and(|ends| ends <= world.monotonic()) {
            return Err(ReasonCode::CredentialExpired);
        }
        let locks = world.locks();
        self.seen = locks.version();
        let stops = locks.stops(&self.credential, &self.chain, self.aim.as_ref());
        let through = || self.through.as_ref().and_then(|through| locks.stops(&self.credential, &self.chain, Some(through)));
        let stops = stops.or_else(through);
        stops.or_else(|| locks.stops_descent(&self.parents, self.task.as_ref())).map_or(Ok(()), Err)
    }

    /// Waits for `future`, at most `limit`; ends early with a reason as soon as a lock stops this call.
    ///
    /// The epoch is polled before the future: a lock that is already in force wins over an answer that is ready at the
    /// same moment. A change of the epoch that does not concern this call leaves the future running.
    pub(crate) async fn wait<W: Clock + Epoch, T>(
        &mut self,
        world: &W,
        limit: Duration,
        late: ReasonCode,
        future: impl Future<Output = T>,
    ) -> Result<T, ReasonCode> {
        let mut future = pin!(future);
        self.check(world)?;
        // What is ready needs neither a timer nor a place among those whom the epoch wakes.
        if let Some(value) = at_once(future.as_mut()).await {
            return Ok(value);
        }
        let left = self.ends.map(|ends| ends.saturating_sub(world.monotonic())).filter(|left| *left < limit);
        let (limit, late) = left.map_or((limit, late), |left| (left, ReasonCode::CredentialExpired));
        let mut timeout = pin!(world.sleep(limit));
        loop {
            self.check(world)?;
            let mut moved = pin!(world.moved_past(self.seen));
            let woken = poll_fn(|context| {
                if moved.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Woken::Epoch);
                }
                if let Poll::Ready(value) = future.as_mut().poll(context) {
                    return Poll::Ready(Woken::Done(value));
                }
                timeout.as_mut().poll(context).map(|()| Woken::Late)
            })
            .await;
            match woken {
                Woken::Done(value) => return Ok(value),
                Woken::Late => return Err(late),
                Woken::Epoch => {}
            }
        }
    }
}

/// Lets the tasks that are ready go first, once: the waker is called before the wait, so nothing is waited for.
pub(crate) async fn give_way() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The value of `future` if it is there already. The future must lose nothing by being dropped while it waits.
pub(crate) async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits for `future`, at most `limit`; for what stands before anybody is known, so no lock could end it.
pub(crate) async fn timely<W: Clock, T>(
    world: &W,
    limit: Duration,
    late: ReasonCode,
    future: impl Future<Output = T>,
) -> Result<T, ReasonCode> {
    let mut future = pin!(future);
    let mut timeout = pin!(world.sleep(limit));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => timeout.as_mut().poll(context).map(|()| Err(late)),
    })
    .await
}

/// Waits for `future` as long as the client is there.
pub(crate) async fn while_connected<C: Client, T>(client: &mut C, future: impl Future<Output = T>) -> Result<T, ReasonCode> {
    let mut future = pin!(future);
    let mut gone = pin!(client.gone());
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        gone.as_mut().poll(context).map(|()| Err(ReasonCode::ClientGone))
    })
    .await
}

/// What ended one wait.
enum Woken<T> {
    Done(T),
    Epoch,
    Late,
}
