//! Stage 5, decide: may every link of the chain do this, and what does the permit oblige us to?
//!
//! It stands after inspection and before the record, is a plain synchronous function, and is the only place that makes a
//! [`Permit`]. The permit owns the final outbound bytes: what was judged is what is sent.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use model::{
    Action, Answer, Around, Ask, DecisionInput, Duties, Facts, Finding, Name, ReasonCode, Refusal, Resource, Side, UnixMillis,
    Verdict,
};
use text::Splices;

use crate::account::{self, Most};
use crate::admit::Identified;
use crate::inspection::Inspected;
use crate::ports::{Head, Protocol};
use crate::snapshot::Snapshot;

/// One destination with the bytes that were judged for it.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) upstream: Name,
    /// What the model is called there.
    pub(crate) model: String,
    pub(crate) body: Bytes,
}

/// Proof: an outbound call that passed every stage. It owns the bytes, the destinations and the duties that were judged.
///
/// ```compile_fail
/// fn widen(permit: engine::Permit) -> engine::Permit {
///     engine::Permit { ..permit }
/// }
/// ```
/// The twin that differs only in the forbidden expression:
/// ```
/// fn widen(permit: engine::Permit) -> engine::Permit {
///     permit
/// }
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped is an interaction that never happened"]
pub struct Permit {
    model: Name,
    outbound: Vec<Outbound>,
    target: Target,
    headers: HeaderMap,
    duties: Arc<Duties>,
    most: Most,
    hides_usage: bool,
    names: Vec<(String, String)>,
    judgement: Judgement,
}

/// What is asked of an upstream, beside the body.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) method: Method,
    /// Below the upstream's base URL, with the query.
    pub(crate) path: Cow<'static, str>,
    /// What is done with something that the provider keeps, if that is what is asked.
    pub(crate) act: Option<&'static str>,
}

impl Target {
    fn of<P: Protocol>(protocol: &P, inspected: &Inspected<'_>) -> Self {
        let kept = inspected.understood().kept.as_ref().zip(inspected.named().names.first());
        kept.map_or_else(
            || Self { method: Method::POST, path: Cow::Borrowed(protocol.upstream_path()), act: None },
            |(kept, (name, _))| Self {
                method: kept.method.clone(),
                path: Cow::Owned([kept.before, name, &kept.after].concat()),
                act: Some(kept.act),
            },
        )
    }
}

/// The judgement as data: goes to the record whether it was a permit or not.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What was asked, under which circumstances.
    pub input: DecisionInput,
    /// What was answered.
    pub answer: Answer,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A decision that was not a permit.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) judgement: Box<Judgement>,
}

impl Permit {
    pub(crate) const fn model(&self) -> &Name {
        &self.model
    }

    pub(crate) fn outbound(&self) -> &[Outbound] {
        &self.outbound
    }

    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// What the request names of what the provider keeps: as the provider writes it, and as the task does.
    pub(crate) fn names(&self) -> &[(String, String)] {
        &self.names
    }

    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) const fn duties(&self) -> &Arc<Duties> {
        &self.duties
    }

    /// The most that the call may use.
    pub(crate) const fn most(&self) -> Most {
        self.most
    }

    /// Whether the stream tells what was used because the gate asked for it.
    pub(crate) const fn hides_usage(&self) -> bool {
        self.hides_usage
    }

    /// The judgement, where nothing comes of the permit.
    pub(crate) fn into_judgement(self) -> Judgement {
        self.judgement
    }

    /// The judgement as data.
    #[must_use]
    pub const fn judgement(&self) -> &Judgement {
        &self.judgement
    }
}

/// Decides. `Err` is an answer too: no permit, with everything that has to be recorded about it.
pub(crate) fn decide<P: Protocol>(
    snapshot: &Snapshot,
    protocol: &P,
    head: &Head,
    identified: &Identified,
    inspected: &Inspected<'_>,
    around: Around,
    now: UnixMillis,
) -> Result<Permit, Refused> {
    let input = input(protocol, identified, inspected, around, now);
    let answer = asked(snapshot, &input);
    let judgement = Judgement { input, answer, findings: inspected.findings().to_vec() };
    let refuse = |refusal: Refusal, judgement: Judgement| Refused { refusal, judgement: Box::new(judgement) };
    if judgement.answer.verdict != Verdict::Permit {
        return Err(refuse(told(snapshot.refusals.explains(identified.chain()), &judgement.answer), judgement));
    }
    let duties = Arc::new(judgement.answer.duties());
    match outbound(snapshot, protocol, identified, inspected, &duties) {
        Ok((model, outbound)) => {
            let headers = protocol.upstream_headers(head);
            let target = Target::of(protocol, inspected);
            let most = Most::of(snapshot, inspected);
            let hides_usage = inspected.understood().demand.tells_usage.is_some();
            let names = inspected.named().names.clone();
            Ok(Permit { model, outbound, target, headers, duties, most, hides_usage, names, judgement })
        }
        Err(refusal) => Err(refuse(refusal, judgement)),
    }
}

/// What policy answers. With policy switched off the answer is empty of links and says permit, and `Off` goes to the record; what
/// a task was granted holds all the same.
pub(crate) fn asked(snapshot: &Snapshot, input: &DecisionInput) -> Answer {
    if !snapshot.off.policy {
        return snapshot.policy.decide(input);
    }
    let beyond = input.beyond_grant();
    if beyond.is_empty() { Answer::unasked() } else { Answer::meet(beyond) }
}

/// The complete input: the call itself first, then every effect that rides along.
fn input<P: Protocol>(
    protocol: &P,
    identified: &Identified,
    inspected: &Inspected<'_>,
    around: Around,
    now: UnixMillis,
) -> DecisionInput {
    let understood = inspected.understood();
    let mut asks = Vec::with_capacity(1 + understood.effects.len());
    asks.push(Ask { action: Action::CallModel, resource: Resource::Model(inspected.model().clone()) });
    asks.extend(understood.effects.iter().map(|effect| Ask { action: effect.action, resource: effect.resource.clone() }));
    let (label, ledger_version) = inspected.label();
    let credential = identified.credential();
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect: Some(protocol.dialect()),
        stream: understood.stream,
        findings: inspected.counts(),
        label: label.clone(),
        ledger_version,
        answered: std::collections::BTreeSet::new(),
        mandate: identified.mandate().clone(),
        arguments: None,
        around,
    };
    DecisionInput { chain: identified.chain().clone(), asks, facts }
}

/// What the caller learns of a refusal.
pub(crate) fn told(explains: bool, answer: &Answer) -> Refusal {
    let about_model = answer
        .links
        .iter()
        .any(|link| link.verdict == answer.verdict && link.reason == answer.reason && link.action == Action::CallModel);
    let is_policy = matches!(answer.reason, ReasonCode::PolicyDenied | ReasonCode::PolicyForbidden);
    if !explains {
        // A model that may not be used looks exactly like one that does not exist.
        return Refusal::new(if about_model && is_policy { ReasonCode::ModelNotFound } else { answer.reason });
    }
    let decisive = answer.links.iter().filter(|link| link.verdict == answer.verdict);
    let policies: Vec<String> = decisive.flat_map(|link| link.policies.iter().map(ToString::to_string)).collect();
    if policies.is_empty() { Refusal::new(answer.reason) } else { Refusal::because(answer.reason, policies.join(", ")) }
}

/// Performs the request-side duties and fixes the bytes for every destination.
fn outbound<P: Protocol>(
    snapshot: &Snapshot,
    protocol: &P,
    identified: &Identified,
    inspected: &Inspected<'_>,
    duties: &Duties,
) -> Result<(Name, Vec<Outbound>), Refusal> {
    let understood = inspected.understood();
    let model = inspected.model().clone();
    let routes = snapshot.routes.get(&model).ok_or(ReasonCode::ModelNotFound)?;
    let document = inspected.document();
    // These are string leaves too, and are replaced below: a finding in one must not be spliced twice.
    let is_replaced = |span| span == understood.model_span || inspected.named().spans.iter().any(|(name, _)| *name == span);
    let hits: Vec<_> = inspected.hits().iter().filter(|hit| !is_replaced(document.span(hit.node))).cloned().collect();
    let edits = account::edits(snapshot, identified, inspected);
    let mut outbound = Vec::with_capacity(routes.len());
    let speaking = routes.iter().filter(|route| route.dialects.contains(&protocol.dialect()));
    // What is kept is kept at one upstream; to every other one its name is somebody else's, or nothing.
    let keeper = inspected.named().place.as_ref().map(|(_, upstream)| upstream);
    for route in speaking.filter(|route| keeper.is_none_or(|keeper| route.upstream == *keeper)) {
        if understood.kept.is_some() {
            outbound.push(Outbound { upstream: route.upstream.clone(), model: route.model.clone(), body: Bytes::new() });
            break;
        }
        let mut splices = Splices::new();
        inspect::redact_document(document, &hits, duties, Side::Request, &mut splices)
            .map_err(|denied| Refusal::because(ReasonCode::ContentDenied, format!("{} at {}", denied.kind, denied.place)))?;
        let name = text::quote(&route.model);
        let is_absent = understood.model_span.is_empty();
        splices.replace(understood.model_span.clone(), if is_absent { format!("\"model\":{name},") } else { name });
        for (span, name) in &inspected.named().spans {
            splices.replace(span.clone(), text::quote(name));
        }
        edits.iter().for_each(|(span, text)| splices.replace(span.clone(), text.as_str()));
        if let Some(place) = understood.unstored.as_ref().filter(|_| route.declines_store) {
            splices.replace(place.span.clone(), format!("{}false{}", place.before, place.after));
        }
        let body = splices.apply(document.bytes()).map_err(|_| Refusal::new(ReasonCode::DutyImpossible))?;
        outbound.push(Outbound { upstream: route.upstream.clone(), model: route.model.clone(), body: Bytes::from(body) });
    }
    if outbound.is_empty() && keeper.is_some() {
        return Err(ReasonCode::StoredUpstreamGone.into());
    }
    if outbound.is_empty() {
        let dialect = protocol.dialect().as_str();
        return Err(Refusal::because(ReasonCode::DialectNotSpoken, format!("`{model}` does not speak {dialect}")));
    }
    Ok((model, outbound))
}
