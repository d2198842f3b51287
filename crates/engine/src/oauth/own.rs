//! What a client may ask of tokens, and only of its own: those in whose chain it stands.

use identity::token::{At, Bearer, TokenError, Unverified, details, verify_task_at};
use model::{Holder, LockTarget, PrincipalId, Refusal, UnixMillis};
use serde_json::{Value, json};

use super::{document, issuing, request, wrong};
use crate::admit::still_stands;
use crate::interaction::Call;
use crate::models::answer;
use crate::ports::{Client, Head, Issuing, World};
use crate::record;

/// Tells whether a token holds, and what it says.
pub(super) async fn introspect<W: World, C: Client>(
    world: &W,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let issuing = issuing(world)?;
    let (form, mut guard) = request(world, head, client, call).await?;
    let token = form.get("token").ok_or_else(|| wrong("token", "is missing"))?;
    let actor = call.identified()?.chain().actor().cloned();
    let bearer = read(world, &issuing, token).ok().filter(|bearer| belongs(bearer, actor.as_ref()));
    // As it would be judged if it were presented now.
    let bearer =
        bearer.and_then(|bearer| still_stands(world, bearer, world.now()).ok()).filter(|bearer| !is_stopped(world, bearer));
    let what = bearer.as_ref().map_or("nothing of this client's that is active", |bearer| bearer.credential.id.as_str());
    record::remark(world, &call.snapshot, call.identified()?, format!("introspected: {what}"), &guard).await?;
    //= https://www.rfc-editor.org/rfc/rfc7662#section-2.2
    //# the authorization server SHOULD NOT include any additional information about an inactive token, including why the token is inactive.
    let told = bearer.map_or_else(|| json!({"active": false}), |bearer| told(&issuing, &bearer));
    guard.check(world)?;
    answer(world, client, call, &mut guard, document(&told)).await
}

/// Ends a token for good, and with it everything that was derived from it.
pub(super) async fn revoke<W: World, C: Client>(world: &W, head: &Head, client: &mut C, call: &mut Call) -> Result<(), Refusal> {
    let issuing = issuing(world)?;
    let (form, mut guard) = request(world, head, client, call).await?;
    let token = form.get("token").ok_or_else(|| wrong("token", "is missing"))?;
    let identified = call.identified()?;
    let what = match read(world, &issuing, token) {
        Ok(bearer) if belongs(&bearer, identified.chain().actor()) => {
            guard.check(world)?;
            let id = bearer.credential.id;
            let ends = bearer.credential.expires.unwrap_or(UnixMillis(u64::MAX));
            world
                .revoke(LockTarget::Credential(id.clone()), ends, &identified.credential().id)
                .await
                .map_err(record::unrecorded)?;
            format!("revoked: {id}")
        }
        // Another's token is not the client's to end, nor is one of another issuer.
        Ok(_) | Err(TokenError::IssuerUnknown) => return Err(wrong("token", "is not a token of this client")),
        //= https://www.rfc-editor.org/rfc/rfc7009#section-2.2
        //# invalid tokens do not cause an error response since the client cannot handle such an error in a reasonable way.
        Err(_) => "revoked: nothing that is valid".to_owned(),
    };
    record::remark(world, &call.snapshot, identified, what, &guard).await?;
    answer(world, client, call, &mut guard, document(&json!({}))).await
}

fn read<W: World>(world: &W, issuing: &Issuing, token: &str) -> Result<Bearer, TokenError> {
    let token = Unverified::parse(token)?;
    if token.issuer() != issuing.gate.url {
        return Err(TokenError::IssuerUnknown);
    }
    verify_task_at(&token, &issuing.gate, &issuing.keys, At::Nowhere, world.now())
}

fn belongs(bearer: &Bearer, client: Option<&PrincipalId>) -> bool {
    let Holder::Data { chain } = &bearer.credential.holder else { return false };
    client.is_some_and(|client| chain.links().iter().skip(1).any(|link| link == client))
}

fn is_stopped<W: World>(world: &W, bearer: &Bearer) -> bool {
    let Holder::Data { chain } = &bearer.credential.holder else { return true };
    let locks = world.locks();
    let task = bearer.mandate.task.as_ref().map(|task| &task.id);
    locks.stops(&bearer.credential.id, chain, None).is_some() || locks.stops_descent(&bearer.parents, task).is_some()
}

fn told(issuing: &Issuing, bearer: &Bearer) -> Value {
    let Holder::Data { chain } = &bearer.credential.holder else { return json!({"active": false}) };
    let seconds = |time: UnixMillis| time.seconds();
    let task = bearer.mandate.task.as_ref();
    let actors = chain.links().iter().skip(1);
    let act = actors.fold(Value::Null, |inner, link| match inner {
        Value::Null => json!({"sub": link}),
        inner => json!({"sub": link, "act": inner}),
    });
    json!({
        "active": true, "token_type": "Bearer", "iss": issuing.gate.url, "aud": bearer.audience.claim(&issuing.gate.url),
        "sub": chain.subject(), "client_id": chain.actor(), "act": act, "jti": bearer.credential.id,
        "iat": seconds(bearer.credential.created), "exp": bearer.credential.expires.map(seconds),
        "task": task.map(|task| &task.id), "purpose": task.and_then(|task| task.purpose.as_ref()),
        "authorization_details": task.map(|task| details(&task.grant)),
    })
}
