//! Refusals of parties that are known: each stands in the log by itself while there are few of them, and is counted while they
//! come in floods, so that the holder of one key cannot fill the disk (decision 0035).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use evidence::{Header, Noise};
use model::{Chain, CredentialId, ReasonCode, UnixMillis};

/// What a party may have written about its refusals at once after a quiet time, in bytes.
pub(crate) const BURST: u64 = 1024 * 1024;
/// What comes back of that in a second: 86 MB a day.
pub(crate) const PER_SECOND: u64 = 1024;
/// What of [`BURST`] only those find room in whose reason was not written in full lately.
const FOR_NEWS: u64 = BURST / 4;
/// So long a reason is no news, in milliseconds.
const LATELY: u64 = 60_000;
/// Time over which refusals are counted into one entry, in milliseconds.
const PERIOD: u64 = 10_000;
/// What the plain part of a refusal takes, and the entry of its end, in bytes.
const PLAIN: u64 = 1536;
/// What an entry with a count takes, in bytes.
const COUNT: u64 = 512;
/// Least time between two looks at what is due, in milliseconds.
const LOOK_EVERY: u64 = 1000;
/// Most parties that are told apart; whoever comes later is counted together with others.
const MAX_PARTIES: usize = 4096;
/// What stands for parties that are not told apart.
const ANYBODY: &str = "*";

/// Whose refusal it is.
#[derive(Debug, Clone, Copy)]
pub struct Party<'p> {
    /// The key; none where a token was presented: those are had for the asking.
    pub credential: Option<&'p CredentialId>,
    /// On whose behalf who acted; of a token, who acted.
    pub chain: &'p Chain,
}

impl Party<'_> {
    fn name(&self) -> String {
        let links = || self.chain.links().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.credential.map_or_else(links, ToString::to_string)
    }
}

/// What was written and counted of every party.
#[derive(Debug, Default)]
pub(crate) struct Floods {
    by_party: BTreeMap<String, Tally>,
    /// When it was last looked at what is due.
    looked: u64,
}

/// What was written and counted of one party. Times are milliseconds since 1970.
#[derive(Debug, Default)]
struct Tally {
    credential: Option<CredentialId>,
    chain: Option<Chain>,
    /// Bytes that count against [`BURST`] at `at`.
    spent: u64,
    at: u64,
    /// When a refusal with this reason was last written in full.
    written: BTreeMap<ReasonCode, u64>,
    counted: BTreeMap<ReasonCode, Count>,
}

/// Refusals that were not written one by one.
#[derive(Debug)]
struct Count {
    first: u64,
    last: u64,
    n: u64,
}

impl Floods {
    /// Whether a refusal with `length` bytes of content is only counted. `false`: the caller writes it.
    pub(crate) fn counts(&mut self, party: Party<'_>, reason: ReasonCode, length: usize, now: UnixMillis) -> bool {
        let cost = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(PLAIN);
        self.tally(party, now.0).counts(reason, cost, now.0)
    }

    fn tally(&mut self, party: Party<'_>, now: u64) -> &mut Tally {
        let mut name = party.name();
        let is_new = !self.by_party.contains_key(&name);
        if is_new && self.by_party.len() >= MAX_PARTIES {
            self.by_party.retain(|_, tally| !tally.is_at_rest(now));
        }
        let is_told_apart = !is_new || self.by_party.len() < MAX_PARTIES;
        if !is_told_apart {
            ANYBODY.clone_into(&mut name);
        }
        match self.by_party.entry(name) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(room) if is_told_apart => {
                let (credential, chain) = (party.credential.cloned(), Some(party.chain.clone()));
                room.insert(Tally { credential, chain, at: now, ..Tally::default() })
            }
            Entry::Vacant(room) => room.insert(Tally { at: now, ..Tally::default() }),
        }
    }

    /// The entries of counts whose period is over; with `all`, of every count.
    pub(crate) fn due(&mut self, now: UnixMillis, all: bool) -> Vec<Header> {
        let mut due = Vec::new();
        // A clock that was set back starts the wait anew, here and below: nothing waits for a time that was.
        self.looked = self.looked.min(now.0);
        if !all && now.since(UnixMillis(self.looked)) < LOOK_EVERY {
            return due;
        }
        self.looked = now.0;
        for (name, tally) in &mut self.by_party {
            tally.due(name, now, all, &mut due);
        }
        due
    }
}

impl Tally {
    /// Whether nothing is to be remembered of it.
    fn is_at_rest(&self, now: u64) -> bool {
        self.counted.is_empty() && self.spent_at(now) == 0 && self.written.values().all(|at| now.saturating_sub(*at) >= LATELY)
    }

    const fn spent_at(&self, now: u64) -> u64 {
        self.spent.saturating_sub(now.saturating_sub(self.at).saturating_mul(PER_SECOND) / 1000)
    }

    /// Brings `spent` up to now. The time stands still until a whole byte has come back.
    fn pass(&mut self, now: u64) {
        self.at = self.at.min(now);
        let spent = self.spent_at(now);
        if spent != self.spent || self.spent == 0 {
            (self.spent, self.at) = (spent, now);
        }
    }

    fn counts(&mut self, reason: ReasonCode, cost: u64, now: u64) -> bool {
        self.pass(now);
        let is_news = self.written.get(&reason).is_none_or(|at| *at > now || now.saturating_sub(*at) >= LATELY);
        let room = if is_news { BURST } else { BURST - FOR_NEWS };
        if self.spent.saturating_add(cost) > room {
            let count = self.counted.entry(reason).or_insert(Count { first: now, last: now, n: 0 });
            count.last = count.last.max(now);
            count.n = count.n.saturating_add(1);
            return true;
        }
        self.spent = self.spent.saturating_add(cost);
        self.written.insert(reason, now);
        false
    }

    fn due(&mut self, name: &str, now: UnixMillis, all: bool, due: &mut Vec<Header>) {
        self.pass(now.0);
        let is_over = self.counted.values().any(|count| count.first > now.0 || now.since(UnixMillis(count.first)) >= PERIOD);
        // A party that has spent everything waits with its counts as well: they grow, and none is lost.
        if !all && (!is_over || self.spent >= BURST) {
            return;
        }
        for (reason, Count { first, last, n }) in std::mem::take(&mut self.counted) {
            self.spent = self.spent.saturating_add(COUNT);
            let (second, until) = (first / 1000, last / 1000);
            let until = Some(until).filter(|until| *until > second);
            let noise = Noise { peer: name.to_owned(), reason, second, count: n, until };
            due.push(Header { credential: self.credential.clone(), chain: self.chain.clone(), ..Header::noise(now, noise) });
        }
    }
}

#[cfg(test)]
mod tests {
    use evidence::{Header, encode};
    use model::{Chain, CredentialId, ReasonCode, UnixMillis};
    use proptest::prelude::*;

    use super::{BURST, COUNT, Floods, LATELY, LOOK_EVERY, MAX_PARTIES, PER_SECOND, PERIOD, PLAIN, Party};

    const START: u64 = 1_790_000_000_000;

    fn chain(name: &str) -> Chain {
        Chain::new(vec![name.parse().unwrap()]).unwrap()
    }

    fn n_counted(due: &[Header]) -> u64 {
        due.iter().map(|header| header.noise.as_ref().unwrap().count).sum()
    }

    #[test]
    fn a_few_are_written_and_a_flood_is_counted() {
        let (chain, id): (Chain, CredentialId) = (chain("agent:travel"), "pcl_0123456789ab".parse().unwrap());
        let party = Party { credential: Some(&id), chain: &chain };
        let mut floods = Floods::default();
        let n_written = (0..5000).filter(|_| !floods.counts(party, ReasonCode::PolicyDenied, 2000, UnixMillis(START))).count();
        assert!((200..400).contains(&n_written), "{n_written}");
        assert!(floods.due(UnixMillis(START + PERIOD - LOOK_EVERY), false).is_empty(), "the period is not over");
        // What is refused for another reason is news.
        assert!(!floods.counts(party, ReasonCode::ContentDenied, 2000, UnixMillis(START)));
        let due = floods.due(UnixMillis(START + PERIOD), false);
        let [header] = due.as_slice() else { panic!("{due:?}") };
        let noise = header.noise.as_ref().unwrap();
        assert_eq!((noise.count, noise.reason), (5000 - n_written as u64, ReasonCode::PolicyDenied));
        assert_eq!((noise.peer.as_str(), noise.second, noise.until), ("pcl_0123456789ab", START / 1000, None));
        assert_eq!((header.credential.as_ref(), header.chain.as_ref()), (Some(&id), Some(&chain)));
        assert!(encode(header).unwrap().len() as u64 <= COUNT);
        assert!(floods.due(UnixMillis(START + LATELY), true).is_empty(), "told once");
        // After a quiet time everything is written again.
        let quiet = BURST / PER_SECOND * 1000;
        assert!(!floods.counts(party, ReasonCode::PolicyDenied, 2000, UnixMillis(START + quiet)));
    }

    #[test]
    fn one_party_takes_no_room_of_another_and_there_are_only_so_many() {
        let mut floods = Floods::default();
        let now = UnixMillis(START);
        let others: Vec<Chain> = (0..MAX_PARTIES + 10).map(|n| chain(&format!("agent:n{n}"))).collect();
        let [first, second, ..] = others.as_slice() else { panic!("too few") };
        while !floods.counts(Party { credential: None, chain: first }, ReasonCode::PolicyDenied, 2000, now) {}
        assert!(!floods.counts(Party { credential: None, chain: second }, ReasonCode::PolicyDenied, 2000, now));
        for chain in &others {
            floods.counts(Party { credential: None, chain }, ReasonCode::PolicyDenied, 2000, now);
        }
        assert_eq!(floods.by_party.len(), MAX_PARTIES + 1);
        let later = UnixMillis(START + 10 * LATELY);
        floods.due(later, true);
        floods.counts(Party { credential: None, chain: &chain("agent:late") }, ReasonCode::PolicyDenied, 2000, later);
        assert!(floods.by_party.len() < MAX_PARTIES, "who is quiet is forgotten");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever comes when: nothing is lost, and what is written is bounded by the time that has passed.
        #[test]
        fn everything_is_written_or_counted(calls in prop::collection::vec((0_u64..3000, 0_usize..60_000, 0_usize..4), 1..600)) {
            let reasons =
                [ReasonCode::PolicyDenied, ReasonCode::ContentDenied, ReasonCode::BodyMalformed, ReasonCode::ModelNotFound];
            let chain = chain("agent:travel");
            let (mut floods, mut now) = (Floods::default(), START);
            let (mut n_written, mut bytes, mut counted) = (0_u64, 0_u64, 0_u64);
            for (pause, length, reason) in &calls {
                now += pause;
                if !floods.counts(Party { credential: None, chain: &chain }, reasons[*reason], *length, UnixMillis(now)) {
                    n_written += 1;
                    bytes += *length as u64 + PLAIN;
                }
                let due = floods.due(UnixMillis(now), false);
                bytes += due.len() as u64 * COUNT;
                counted += n_counted(&due);
            }
            let bound = BURST + (now - START) * PER_SECOND / 1000 + reasons.len() as u64 * COUNT;
            prop_assert!(bytes <= bound, "{} > {}", bytes, bound);
            counted += n_counted(&floods.due(UnixMillis(now), true));
            prop_assert_eq!(n_written + counted, calls.len() as u64);
        }
    }
}
