//! Credentials of a user's or an agent's own, for upstreams that want one: asked for when a call is permitted, before it is recorded.
//!
//! Whose credential a call gets is a matter of its chain and of nothing that it says. Without one nothing is sent. What is recorded is
//! which one it was, never what it is; and it goes out with the very attempt that it was lent for.

use std::time::Duration;

use identity::{Secret, Shown};
use model::{ReasonCode, Refusal};

use crate::admit::Identified;
use crate::decide::Permit;
use crate::guard::Guard;
use crate::interaction::Call;
use crate::ports::{Head, Lent, World};

/// Longest wait for a credential that has to be renewed first.
const PATIENCE: Duration = Duration::from_secs(30);

/// The permit, with the credential that its upstream is shown, if that takes one of somebody's own.
pub(crate) async fn lend<W: World>(
    world: &W,
    head: &Head,
    call: &mut Call,
    guard: &mut Guard,
    permit: Permit,
) -> Result<(Permit, Option<Lent>), Refusal> {
    // What leaves the gate for nobody needs nothing. Upstreams of models, of which there may be several, have keys of the gate.
    let Some(upstream) = permit.outbound().first().map(|outbound| &outbound.upstream).filter(|_| permit.model().is_none()) else {
        return Ok((permit, None));
    };
    let identified = call.identified()?;
    let subject = own_token(head, identified);
    let lending = world.lend(upstream, identified.chain(), subject.as_ref());
    let lent = guard.wait(world, PATIENCE, ReasonCode::UpstreamTimeout, lending).await;
    match lent.map_err(Refusal::new).flatten() {
        Ok(lent) => Ok((permit, lent)),
        Err(refusal) => {
            call.judgement = Some(Box::new(permit.into_judgement()));
            Err(refusal)
        }
    }
}

/// The token that the caller has shown, where an issuer has made it for the caller itself: no key, and no task token.
fn own_token(head: &Head, identified: &Identified) -> Option<Secret> {
    let mandate = identified.mandate();
    if mandate.federated.is_none() || mandate.task.is_some() {
        return None;
    }
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    match identity::shown_in_request(headers, head.query.as_deref()) {
        Ok(Shown::Token(token)) => Some(Secret::new(token.to_owned())),
        Ok(Shown::Key(_)) | Err(_) => None,
    }
}

/// As the log has it.
pub(crate) fn note(lent: &Lent) -> String {
    format!("upstream credential: {} {} of {}", lent.kind, lent.id, lent.holder)
}
