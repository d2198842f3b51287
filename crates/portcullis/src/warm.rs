//! The lists of registered agents, made when policies come in force, before anybody asks for them.

use std::sync::{Arc, Weak};

use model::{Credential, Holder, Mandate, PrincipalKind};
use policy::{Listable, Lister, PolicySnapshot};

/// Most credentials whose lists are made ahead; the others' are made when they are asked for.
const MAX_WARMED: usize = 256;

/// Makes them on a thread of its own, which lets others go first and stops when other policies come in force.
pub(crate) fn begin(policy: &Arc<PolicySnapshot>, credentials: Vec<Arc<Credential>>) {
    let policy = Arc::downgrade(policy);
    let thread = std::thread::Builder::new().name("lists".to_owned());
    // Without it the first of each list is a little slow: nothing else depends on it.
    if let Err(error) = thread.spawn(move || make(&policy, &credentials)) {
        tracing::warn!(%error, "lists are not made ahead");
    }
}

fn make(policy: &Weak<PolicySnapshot>, credentials: &[Arc<Credential>]) {
    // Elsewhere the call would speak of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 10) {
        tracing::debug!(%error, "the thread that makes lists keeps its priority");
    }
    let mut n_lists = 0_usize;
    for lister in credentials.iter().filter_map(|credential| lister(credential)).take(MAX_WARMED) {
        for what in [Listable::Models, Listable::Tools] {
            let Some(policy) = policy.upgrade() else { return };
            drop(policy.list(&lister, what));
            n_lists = n_lists.saturating_add(1);
        }
    }
    tracing::debug!(n_lists, "lists of agents are made ahead");
}

fn lister(credential: &Credential) -> Option<Lister> {
    let Holder::Data { chain } = &credential.holder else { return None };
    let is_agent = chain.actor().is_some_and(|actor| actor.kind == PrincipalKind::Agent);
    is_agent.then(|| Lister { chain: chain.clone(), credential: credential.id.clone(), mandate: Mandate::default() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{Chain, Credential, Digest, Holder, UnixMillis};
    use policy::{Listable, PolicySnapshot};

    use super::{lister, make};

    fn credential(links: &[&str]) -> Arc<Credential> {
        let chain = Chain::new(links.iter().map(|link| link.parse().unwrap()).collect()).unwrap();
        let name = model::Name::new("c").unwrap();
        let hash = Digest([0; 32]);
        let holder = Holder::Data { chain };
        Arc::new(Credential { id: name.clone(), hash, holder, ledger: name, created: UnixMillis(0), expires: None })
    }

    #[test]
    fn agents_find_their_lists_made() {
        let bundle = model::Bundle {
            format: 1,
            registry: model::Registry::default(),
            policies: Default::default(),
            rules: model::RuleFiles::default(),
        };
        let policy = Arc::new(PolicySnapshot::load(&bundle, &Default::default()).unwrap());
        let (agent, user) = (credential(&["user:ada", "agent:bot"]), credential(&["user:ada"]));
        assert!(lister(&user).is_none());
        let of_agent = lister(&agent).unwrap();
        assert!(policy.list_if_kept(&of_agent, Listable::Models).is_none());
        make(&Arc::downgrade(&policy), &[agent, user]);
        assert!(policy.list_if_kept(&of_agent, Listable::Models).is_some());
        assert!(policy.list_if_kept(&of_agent, Listable::Tools).is_some());
    }
}
