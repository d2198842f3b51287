//! Stage 1, admit: who is it, and is anything of it locked?
//!
//! It stands before the body is read: a party that is not known costs the gate one hash and no memory.

use std::sync::Arc;

use identity::Plane;
use model::{Chain, Credential, Holder, ReasonCode, RequestId, UnixMillis};

use crate::guard::Guard;
use crate::ports::{Head, World};

/// Proof: a credential was presented, is known, valid now, for the data plane, and nothing of it was locked.
///
/// ```compile_fail
/// fn forge(credential: std::sync::Arc<model::Credential>, request: model::RequestId) -> engine::Identified {
///     engine::Identified { credential, request }
/// }
/// ```
/// The twin that differs only in the forbidden expression:
/// ```
/// fn forge(identified: engine::Identified, request: model::RequestId) -> engine::Identified {
///     identified
/// }
/// ```
#[derive(Debug)]
#[must_use = "an identity that is dropped was checked for nothing"]
pub struct Identified {
    request: RequestId,
    at: UnixMillis,
    credential: Arc<Credential>,
    chain: Chain,
}

impl Identified {
    /// The interaction's id.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// When it arrived.
    #[must_use]
    pub const fn at(&self) -> UnixMillis {
        self.at
    }

    /// The credential.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// On whose behalf who acts.
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }
}

/// Verifies the presented credential and looks at the locks.
pub(crate) fn admit<W: World>(
    world: &W,
    head: &Head,
    request: RequestId,
    at: UnixMillis,
) -> Result<(Identified, Guard), ReasonCode> {
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let presented = identity::credential_from_request(headers, head.query.as_deref())?;
    let presented = identity::parse(presented).map_err(|error| error.reason())?;
    let credential = world.credential(&presented.hash);
    identity::verify(&presented, credential.as_deref(), at, Plane::Data)?;
    let credential = credential.ok_or(ReasonCode::CredentialUnknown)?;
    let Holder::Data { chain } = &credential.holder else { return Err(ReasonCode::CredentialWrongPlane) };
    let chain = chain.clone();
    let mut guard = Guard::new(credential.id.clone(), chain.clone());
    guard.check(world)?;
    Ok((Identified { request, at, credential, chain }, guard))
}
