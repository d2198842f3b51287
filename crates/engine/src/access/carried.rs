//! What a party carries that a point only names: nobody shows which of its credentials it would act with, so it is judged as if it
//! had seen what all of them together have seen.

use std::collections::BTreeSet;
use std::sync::Arc;

use identity::token::task_ledger;
use model::{Chain, Credential, Label, LockKind, LockSet, LockTarget, Name, UnixMillis};

use crate::ports::World;

/// The join of the labels of every ledger that this actor could act with for this subject now, and the greatest version of them.
pub(super) fn carried<W: World>(world: &W, chain: &Chain) -> (Label, u64) {
    let (Some(subject), Some(actor)) = (chain.subject(), chain.actor()) else { return (Label::default(), 0) };
    let keys = world.credentials_of(subject, actor);
    let ledgers = ledgers(chain, &keys, &world.locks(), world.now());
    ledgers.iter().map(|ledger| world.effective(ledger)).fold((Label::default(), 0), |(label, version), (more, later)| {
        // The greatest: it grows whenever one of them does, as long as the same keys are there.
        (label.join(&more), version.max(later))
    })
}

/// The ledgers of all keys that have not ended, and that of the task tokens, which never ends. A key that was killed counts, because
/// it can be unlocked, and because what was stopped for a reason must not look cleaner for it; a revoked one is gone for good.
fn ledgers(chain: &Chain, keys: &[Arc<Credential>], locks: &LockSet, now: UnixMillis) -> BTreeSet<Name> {
    let is_revoked = |key: &Credential| locks.kind(&LockTarget::Credential(key.id.clone())) == Some(LockKind::Revoke);
    let live = keys.iter().filter(|key| !key.is_expired(now) && !is_revoked(key)).map(|key| key.ledger.clone());
    let of_task = match chain.links() {
        // A task token has two links at least.
        [subject, .., actor] => task_ledger(subject, actor),
        _ => None,
    };
    live.chain(of_task).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use model::{Chain, Credential, Digest, Holder, LockKind, LockSet, LockTarget, Name, UnixMillis};

    use super::ledgers;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn every_key_counts_that_could_still_be_used() {
        let chain = |links: &[&str]| Chain::new(links.iter().map(|link| link.parse().unwrap()).collect()).unwrap();
        let pair = chain(&["user:ada", "agent:desk"]);
        let key = |id: &str, ledger: &str, expires: Option<u64>| {
            Arc::new(Credential {
                id: name(id),
                hash: Digest([0; 32]),
                holder: Holder::Data { chain: pair.clone() },
                ledger: name(ledger),
                created: UnixMillis(0),
                expires: expires.map(UnixMillis),
            })
        };
        let keys = [
            key("pk_a", "pk_a", None),
            key("pk_later", "pk_a", Some(2000)),
            key("pk_over", "pk_over", Some(1000)),
            key("pk_killed", "pk_killed", None),
            key("pk_revoked", "pk_revoked", None),
        ];
        let of = |id: &str| LockTarget::Credential(name(id));
        let locks = LockSet::default().with(of("pk_killed"), LockKind::Kill).with(of("pk_revoked"), LockKind::Revoke);
        let found = ledgers(&pair, &keys, &locks, UnixMillis(1000));
        let [subject, actor] = pair.links() else { panic!() };
        let task = identity::token::task_ledger(subject, actor).unwrap();
        assert_eq!(found, BTreeSet::from([name("pk_a"), name("pk_killed"), task]));
        // Nobody acts for somebody here, so there is no task token.
        assert_eq!(ledgers(&chain(&["user:ada"]), &[], &locks, UnixMillis(0)), BTreeSet::new());
    }
}
