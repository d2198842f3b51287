//! Refusals of parties that are not known: counted, not recorded one by one, so that nobody can fill the disk from outside.
//! Floods of refusals of known ones are counted too ([`flood`](crate::flood)).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use evidence::{Header, Noise, encode};
use model::ReasonCode;

use crate::flood::{Floods, Party};
use crate::options::Clock;
use crate::queue::{Class, Job, Reply};

/// Most peers that are named within one second; the rest is counted under `*`.
const MAX_KEYS: usize = 32;
/// Entries that may be written at once after a quiet time.
const BURST: u64 = 3_600;
/// What stands for peers that are not named.
const ANYBODY: &str = "*";

/// Counts noise per (peer, reason, second).
///
/// At most [`MAX_KEYS`] entries a second and one a second on average, whatever comes in: about 25 MB a day. Above that, refusals
/// are counted on under `*` and written when there is room again; no refusal is lost.
pub(crate) struct NoiseCounter {
    clock: Clock,
    inner: Mutex<Counts>,
    floods: Mutex<Floods>,
}

impl std::fmt::Debug for NoiseCounter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NoiseCounter").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Counts {
    second: u64,
    by_key: BTreeMap<(String, ReasonCode), u64>,
    /// What found no room: by reason, with the first second that it speaks of.
    overflow: BTreeMap<ReasonCode, (u64, u64)>,
    allowance: u64,
    due: Vec<Noise>,
}

impl NoiseCounter {
    pub(crate) fn new(clock: Clock) -> Self {
        let second = clock().seconds();
        let counts = Counts { second, by_key: BTreeMap::new(), overflow: BTreeMap::new(), allowance: BURST, due: Vec::new() };
        Self { clock, inner: Mutex::new(counts), floods: Mutex::default() }
    }

    /// Counts one refusal.
    pub(crate) fn count(&self, peer: &str, reason: ReasonCode) {
        let now = (self.clock)();
        let mut counts = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        counts.turn(now.seconds());
        let peer: String = peer.chars().take(64).collect();
        let is_known = counts.by_key.contains_key(&(peer.clone(), reason));
        if is_known || counts.by_key.len() < MAX_KEYS {
            let count = counts.by_key.entry((peer, reason)).or_default();
            *count = count.saturating_add(1);
        } else {
            counts.overflow(reason, now.seconds(), 1);
        }
    }

    /// Whether a refusal of a known party, with `length` bytes of content, is only counted: it has had many lately. `false`: the
    /// caller writes it.
    pub(crate) fn counts(&self, party: Party<'_>, reason: ReasonCode, length: usize) -> bool {
        let now = (self.clock)();
        self.floods.lock().unwrap_or_else(PoisonError::into_inner).counts(party, reason, length, now)
    }

    /// Entries of seconds that are over; with `all`, of the running one too.
    pub(crate) fn due(&self, all: bool) -> Vec<Job> {
        let now = (self.clock)();
        let mut counts = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let running = now.seconds().max(counts.second);
        counts.turn(if all { running.saturating_add(1) } else { now.seconds() });
        let due = std::mem::take(&mut counts.due);
        drop(counts);
        let floods = self.floods.lock().unwrap_or_else(PoisonError::into_inner).due(now, all);
        due.into_iter().map(|noise| Header::noise(now, noise)).chain(floods).filter_map(|header| job(&header)).collect()
    }
}

impl Counts {
    /// Closes the second that was counted, if it is over.
    fn turn(&mut self, second: u64) {
        if second <= self.second {
            return;
        }
        self.allowance = self.allowance.saturating_add(second.saturating_sub(self.second)).min(BURST);
        let ended = std::mem::replace(&mut self.second, second);
        for ((peer, reason), count) in std::mem::take(&mut self.by_key) {
            if self.allowance == 0 {
                self.overflow(reason, ended, count);
                continue;
            }
            self.allowance = self.allowance.saturating_sub(1);
            self.due.push(Noise { peer, reason, second: ended, count, until: None });
        }
        while self.allowance > 0 {
            let Some((reason, (second, count))) = self.overflow.pop_first() else { break };
            self.allowance = self.allowance.saturating_sub(1);
            self.due.push(Noise { peer: ANYBODY.to_owned(), reason, second, count, until: None });
        }
    }

    fn overflow(&mut self, reason: ReasonCode, second: u64, count: u64) {
        let entry = self.overflow.entry(reason).or_insert((second, 0));
        entry.1 = entry.1.saturating_add(count);
    }
}

fn job(header: &Header) -> Option<Job> {
    let entry = encode(header).ok()?;
    Some(Job { entry, content: Vec::new(), class: Class::Noise, reply: Reply::Nobody, room: None })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use evidence::{Noise, decode};
    use model::{ReasonCode, UnixMillis};

    use super::{BURST, MAX_KEYS, NoiseCounter};

    fn counter() -> (Arc<AtomicU64>, NoiseCounter) {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let clock = Arc::clone(&now);
        (now, NoiseCounter::new(Arc::new(move || UnixMillis(clock.load(Ordering::Relaxed)))))
    }

    fn due(counter: &NoiseCounter, all: bool) -> Vec<Noise> {
        counter.due(all).iter().filter_map(|job| decode(&job.entry).ok()?.noise).collect()
    }

    #[test]
    fn one_entry_per_peer_reason_and_second() {
        let (now, counter) = counter();
        for peer in ["10.0.0.1", "10.0.0.1", "10.0.0.2"] {
            counter.count(peer, ReasonCode::CredentialUnknown);
        }
        assert!(due(&counter, false).is_empty(), "the second is not over");
        now.fetch_add(1000, Ordering::Relaxed);
        let found = due(&counter, false);
        let counts: Vec<(&str, u64, u64)> = found.iter().map(|noise| (noise.peer.as_str(), noise.second, noise.count)).collect();
        assert_eq!(counts, [("10.0.0.1", 1000, 2), ("10.0.0.2", 1000, 1)]);
        counter.count("10.0.0.1", ReasonCode::CredentialMissing);
        assert_eq!(due(&counter, true).len(), 1);
    }

    #[test]
    fn a_flood_is_bounded_and_no_refusal_is_lost() {
        let (now, counter) = counter();
        let (mut n_entries, mut n_counted) = (0_u64, 0_u64);
        let n_seconds = 400;
        for second in 0..n_seconds {
            for peer in 0..200 {
                counter.count(&format!("10.0.{second}.{peer}"), ReasonCode::CredentialUnknown);
            }
            now.fetch_add(1000, Ordering::Relaxed);
            let found = due(&counter, false);
            assert!(found.len() <= MAX_KEYS + 1);
            n_entries += found.len() as u64;
            n_counted += found.iter().map(|noise| noise.count).sum::<u64>();
        }
        assert!(n_entries <= BURST + n_seconds, "{n_entries}");
        now.fetch_add(3_600_000, Ordering::Relaxed);
        n_counted += due(&counter, true).iter().map(|noise| noise.count).sum::<u64>();
        assert_eq!(n_counted, n_seconds * 200);
    }
}
