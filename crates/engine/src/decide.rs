//! Stage 5, decide: may every link of the chain do this, and what does the permit oblige us to?
//!
//! It stands after inspection and before the record, is a plain synchronous function, and is the only place that makes a
//! [`Permit`]. The permit owns the final outbound bytes: what was judged is what is sent.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use inspect::LeafHits;
use model::{
    Action, Answer, Around, Ask, DecisionInput, Dialect, Duties, Facts, Finding, Label, ModelName, Name, ReasonCode, Refusal,
    Resource, Side, UnixMillis, Verdict,
};
use response::{Standing, Wanted};
use text::{Document, NodeId, Splices};

use crate::account::{self, Most};
use crate::admit::Identified;
use crate::approval;
use crate::asked::offered;
use crate::inspection::Inspected;
use crate::meet::{self, Meeting};
use crate::ports::{Aim, Head, ModelCall, Protocol, ServerCall, Wants, World};
use crate::remote;
use crate::scopes;
use crate::snapshot::{DocumentPlace, Snapshot};
use crate::stored;
use crate::streams::{self, EventSeal, Resumed};
use crate::tools;

/// One destination with the bytes that were judged for it.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) upstream: Name,
    /// What the model is called there, if it is one.
    pub(crate) model: Option<String>,
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
    aim: Resource,
    /// What the state of a request is sealed with that a tool server has not finished.
    state: Option<[u8; 32]>,
    /// What events are sealed with that a client may come back to.
    events: Option<Arc<EventSeal>>,
    /// The session, as the server knows it.
    session: Option<String>,
    /// The stream that goes on.
    resumed: Option<Resumed>,
    /// Whether the answer has no end of its own.
    is_standing: bool,
    /// The documents and prompts that are shown, where these are asked for.
    places: Option<Vec<DocumentPlace>>,
    /// What a task that has read the answer carries from then on, beside what is found in it.
    brings: Label,
    outbound: Vec<Outbound>,
    /// How a session is begun that the call needs.
    meeting: Option<Meeting>,
    target: Target,
    headers: HeaderMap,
    duties: Arc<Duties>,
    most: Most,
    hides_usage: bool,
    names: Vec<(String, String)>,
    judgement: Judgement,
    approval: Option<Standing>,
    /// What the record says of the functions that it offers to the model.
    offered: Vec<String>,
}

/// What is asked of an upstream, beside the body.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) method: Method,
    /// Below the upstream's base URL, with the query.
    pub(crate) path: Cow<'static, str>,
    /// What is done with something that the provider keeps, or with a session, if that is what is asked.
    pub(crate) act: Option<&'static str>,
}

impl Target {
    fn of<P: Protocol>(protocol: &P, inspected: &Inspected<'_>) -> Self {
        let kept = inspected.understood().model().and_then(|call| call.kept.as_ref()).zip(inspected.named().names.first());
        let method = match &inspected.understood().aim {
            Aim::Model(_) | Aim::Agent(_) => Method::POST,
            Aim::Server(call) => call.method.clone(),
        };
        let act = match (&method, &inspected.named().resumed) {
            (&Method::GET, None) => Some("hear news"),
            (&Method::GET, Some(_)) => Some("come back to a stream"),
            (&Method::DELETE, _) => Some("end a session"),
            _ => None,
        };
        kept.map_or_else(
            || Self { method, path: Cow::Borrowed(protocol.upstream_path()), act },
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
    /// What would have to be approved for another answer.
    pub(crate) wanted: Option<Box<Wanted>>,
}

impl Permit {
    /// What it permits, by the name that operators have given it.
    pub(crate) const fn aim(&self) -> &Resource {
        &self.aim
    }

    pub(crate) const fn model(&self) -> Option<&ModelName> {
        match &self.aim {
            Resource::Model(model) => Some(model),
            _ => None,
        }
    }

    /// The server whose tools are asked for, if that is it: then nothing leaves.
    pub(crate) fn lists_tools_of(&self) -> Option<&Name> {
        match &self.aim {
            Resource::ToolServer(server) if self.outbound.is_empty() => Some(server),
            _ => None,
        }
    }

    /// The agent whose card is asked for, if that is it: then nothing leaves.
    pub(crate) fn card_of(&self) -> Option<&Name> {
        match &self.aim {
            Resource::Agent(agent) if self.outbound.is_empty() => Some(agent),
            _ => None,
        }
    }

    /// What the state of a request is sealed with that a tool server has not finished.
    pub(crate) const fn state(&self) -> Option<[u8; 32]> {
        self.state
    }

    /// What events are sealed with that a client may come back to.
    pub(crate) const fn events(&self) -> Option<&Arc<EventSeal>> {
        self.events.as_ref()
    }

    /// The session, as the server knows it.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// The stream that goes on.
    pub(crate) const fn resumed(&self) -> Option<&Resumed> {
        self.resumed.as_ref()
    }

    /// Whether the answer has no end of its own.
    pub(crate) const fn is_standing(&self) -> bool {
        self.is_standing
    }

    /// The documents and prompts that are shown, where these are asked for.
    pub(crate) fn places(&self) -> Option<&[DocumentPlace]> {
        self.places.as_deref()
    }

    /// What a task that has read the answer carries from then on, beside what is found in it.
    pub(crate) const fn brings(&self) -> &Label {
        &self.brings
    }

    pub(crate) fn outbound(&self) -> &[Outbound] {
        &self.outbound
    }

    /// How a session is begun that the call needs.
    pub(crate) const fn meeting(&self) -> Option<&Meeting> {
        self.meeting.as_ref()
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
    pub(crate) const fn most(&self) -> &Most {
        &self.most
    }

    /// Whether the stream tells what was used because the gate asked for it.
    pub(crate) const fn hides_usage(&self) -> bool {
        self.hides_usage
    }

    /// The approval that it rests on, which it uses up.
    pub(crate) const fn approval(&self) -> Option<&Standing> {
        self.approval.as_ref()
    }

    /// What the record says of the functions that it offers to the model.
    pub(crate) fn offered(&self) -> &[String] {
        &self.offered
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
pub(crate) fn decide<W: World, P: Protocol>(
    world: &W,
    snapshot: &Snapshot,
    protocol: &P,
    head: &Head,
    identified: &Identified,
    inspected: &Inspected<'_>,
    around: Around,
) -> Result<Permit, Refused> {
    let input = input(protocol, identified, inspected, around, world.now());
    let answer = asked(snapshot, &input);
    let plain = Judgement { input, answer, findings: inspected.findings().to_vec() };
    let refuse = |refusal: Refusal, judgement: Judgement| Refused { refusal, judgement: Box::new(judgement), wanted: None };
    let is_permit = plain.answer.verdict == Verdict::Permit;
    if !is_permit && tools::is_hidden(snapshot, identified, inspected) {
        return Err(refuse(ReasonCode::ToolNotFound.into(), plain));
    }
    // Not before: how long this takes would tell of a tool that there is.
    let of_agent = || if is_permit { remote::misfit(snapshot, inspected) } else { None };
    if let Some(misfit) = tools::misfit(snapshot, inspected).or_else(of_agent) {
        return Err(refuse(misfit, plain));
    }
    let told = || told(snapshot.refusals.explains(identified.chain()), &plain.answer);
    // What it would be with an approval: then its duties say what would leave, and that is what can be approved.
    let lifted = if is_permit { None } else { approval::lifted(snapshot, inspected, &plain) };
    if !is_permit && lifted.is_none() {
        return Err(refuse(told(), plain));
    }
    let offered = match offered(snapshot, identified, inspected) {
        Ok(offered) => offered,
        Err(refusal) => return Err(refuse(refusal, plain)),
    };
    // Before anybody is asked to approve what could not be done all the same.
    if let Some(lacking) = scopes::lacking(snapshot, identified, inspected) {
        return Err(refuse(lacking, plain));
    }
    let resumed = inspected.named().resumed.as_ref();
    let duties = Arc::new(streams::united(lifted.as_ref().unwrap_or(&plain).answer.duties(), resumed));
    let outbound = match outbound(snapshot, protocol, identified, inspected, &duties) {
        Ok(outbound) => outbound,
        Err(refusal) => return Err(refuse(refusal, plain)),
    };
    let (judgement, approval) = match lifted {
        None => (plain, None),
        Some(lifted) => match approval::wanted(world, snapshot, identified, inspected, &plain, &outbound) {
            Err(refusal) => return Err(refuse(refusal, plain)),
            Ok(wanted) => match world.approval_of_call(&wanted, identified.request()) {
                Some(standing) => (lifted, Some(standing)),
                None => return Err(Refused { wanted: Some(Box::new(wanted)), ..refuse(told(), plain) }),
            },
        },
    };
    let aim = inspected.aim().clone();
    let headers = headers(protocol, head, inspected);
    let target = Target::of(protocol, inspected);
    let most = Most::of(snapshot, inspected);
    let hides_usage = inspected.understood().model().is_some_and(|call| call.demand.tells_usage.is_some());
    let names = inspected.named().names.clone();
    let server = if let Aim::Server(call) = &inspected.understood().aim { Some(call) } else { None };
    let events = server.and_then(|call| streams::seal(snapshot, inspected, call, &duties)).map(Arc::new);
    let state = server.and_then(|call| stored::state(inspected.document(), inspected.aim(), call));
    let session = inspected.named().session.clone();
    let resumed = resumed.cloned();
    let is_standing = server.is_some_and(|call| call.is_standing);
    let brings = server.map(|call| tools::label(snapshot, call)).unwrap_or_default();
    let lists = server.filter(|call| call.wants == Wants::Documents || call.is_standing);
    let places = lists.map(|call| tools::places(snapshot, identified, call));
    let meeting = server.zip(outbound.first());
    let meeting = meeting.and_then(|(call, outbound)| meet::meeting(protocol, snapshot, identified, call, &outbound.upstream));
    Ok(Permit {
        aim,
        state,
        events,
        session,
        resumed,
        is_standing,
        places,
        brings,
        outbound,
        meeting,
        target,
        headers,
        duties,
        most,
        hides_usage,
        names,
        judgement,
        approval,
        offered,
    })
}

/// The headers of the request that go out with it.
fn headers<P: Protocol>(protocol: &P, head: &Head, inspected: &Inspected<'_>) -> HeaderMap {
    let mut headers = protocol.upstream_headers(head);
    if let Aim::Server(call) = &inspected.understood().aim {
        headers.extend(call.headers.clone());
        let mirrors = call.mirrors.iter().flatten();
        headers.extend(mirrors.map(|mirrored| (mirrored.name.clone(), mirrored.value.clone())));
        stored::tell_session(inspected.named(), &mut headers);
    }
    if let Aim::Agent(call) = &inspected.understood().aim {
        headers.extend(call.headers.clone());
    }
    headers
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
    let (action, arguments) = match &understood.aim {
        Aim::Model(_) => (Action::CallModel, None),
        Aim::Server(call) => tools::asked(inspected, call),
        Aim::Agent(call) => (Action::SendMessage, Some(call.input.clone())),
    };
    asks.push(Ask { action, resource: inspected.aim().clone() });
    if let Aim::Server(call) = &understood.aim {
        asks.extend(tools::beside(call));
    }
    asks.extend(understood.effects.iter().map(|effect| Ask { action: effect.action, resource: effect.resource.clone() }));
    let (label, ledger_version) = inspected.label();
    let credential = identified.credential();
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect: protocol.dialect(),
        stream: understood.stream,
        findings: inspected.counts(),
        label: label.clone(),
        ledger_version,
        answered: std::collections::BTreeSet::new(),
        mandate: identified.mandate().clone(),
        arguments,
        around,
    };
    DecisionInput { chain: identified.chain().clone(), asks, facts }
}

/// What the caller learns of a refusal.
pub(crate) fn told(explains: bool, answer: &Answer) -> Refusal {
    let mut decisive = answer.links.iter().filter(|link| link.verdict == answer.verdict && link.reason == answer.reason);
    let hidden = decisive.find_map(|link| match link.action {
        Action::CallModel => Some(ReasonCode::ModelNotFound),
        Action::CallTool | Action::ListTools => Some(ReasonCode::ToolNotFound),
        Action::ReadResource | Action::GetPrompt => Some(ReasonCode::DocumentNotFound),
        Action::SendMessage => Some(ReasonCode::AgentNotFound),
        _ => None,
    });
    let is_policy = matches!(answer.reason, ReasonCode::PolicyDenied | ReasonCode::PolicyForbidden);
    if !explains {
        // What may not be used looks exactly like what does not exist.
        return Refusal::new(hidden.filter(|_| is_policy).unwrap_or(answer.reason));
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
) -> Result<Vec<Outbound>, Refusal> {
    match (&inspected.understood().aim, inspected.aim()) {
        (Aim::Model(call), Resource::Model(model)) => to_model(snapshot, protocol, identified, inspected, duties, (call, model)),
        (Aim::Server(call), _) => to_server(snapshot, inspected, duties, call),
        (Aim::Agent(call), _) => remote::outbound(snapshot, inspected, duties, call),
        (Aim::Model(_), _) => Err(ReasonCode::Internal.into()),
    }
}

/// The one destination of a message to a tool server; none for what the gate answers itself.
fn to_server(
    snapshot: &Snapshot,
    inspected: &Inspected<'_>,
    duties: &Duties,
    call: &ServerCall,
) -> Result<Vec<Outbound>, Refusal> {
    let server = snapshot.servers.get(&call.server).ok_or(ReasonCode::ToolNotFound)?;
    if call.wants == Wants::Tools || call.is_own {
        redact(inspected.document(), inspected.hits(), duties, &mut Splices::new())?;
        return Ok(Vec::new());
    }
    let upstream = server.upstream.clone();
    if call.method != Method::POST {
        return Ok(vec![Outbound { upstream, model: None, body: Bytes::new() }]);
    }
    let document = inspected.document();
    let is_within = |span: &Range<usize>, whole: &Range<usize>| whole.start <= span.start && span.end <= whole.end;
    // What does not leave, or leaves as something else, has nothing that could be taken out.
    let named = &inspected.named().spans;
    let replaced: Vec<&Range<usize>> =
        call.edits.iter().map(|(span, _)| span).chain(named.iter().map(|(span, _)| span)).collect();
    let leaves = |hit: &&LeafHits| !replaced.iter().any(|whole| is_within(&document.span(hit.node), whole));
    let hits: Vec<LeafHits> = inspected.hits().iter().filter(leaves).cloned().collect();
    let mut splices = Splices::new();
    let redacted = redact(document, &hits, duties, &mut splices)?;
    // A header says what the body says: what is taken out of the one would stand in the other.
    if let Some(mirrored) = call.mirrors.iter().flatten().find(|mirrored| redacted.contains(&mirrored.node)) {
        let place = inspected.document().pointer(mirrored.node);
        return Err(Refusal::because(ReasonCode::ContentDenied, format!("{place}, which a header repeats")));
    }
    call.edits.iter().for_each(|(span, told)| splices.replace(span.clone(), told.as_str()));
    named.iter().for_each(|(span, name)| splices.replace(span.clone(), text::quote(name)));
    let body = splices.apply(document.bytes()).map_err(|_| Refusal::new(ReasonCode::DutyImpossible))?;
    if !redacted.is_empty() {
        tools::still_fits(snapshot, inspected, call, &redacted, &body)?;
    }
    Ok(vec![Outbound { upstream, model: None, body: Bytes::from(body) }])
}

/// Plans the redactions of a request; which values they change.
pub(crate) fn redact(
    document: &Document<'_>,
    hits: &[LeafHits],
    duties: &Duties,
    splices: &mut Splices,
) -> Result<Vec<NodeId>, Refusal> {
    let redacted = inspect::redact_document(document, hits, duties, Side::Request, splices);
    let refused = |denied: inspect::DeniedContent| {
        Refusal::because(ReasonCode::ContentDenied, format!("{} at {}", denied.kind, denied.place))
    };
    redacted.map(|changed| changed.into_iter().collect()).map_err(refused)
}

fn to_model<P: Protocol>(
    snapshot: &Snapshot,
    protocol: &P,
    identified: &Identified,
    inspected: &Inspected<'_>,
    duties: &Duties,
    (call, model): (&ModelCall, &ModelName),
) -> Result<Vec<Outbound>, Refusal> {
    let routes = snapshot.routes.get(model).ok_or(ReasonCode::ModelNotFound)?;
    let document = inspected.document();
    // These are string leaves too, and are replaced below: a finding in one must not be spliced twice.
    let is_replaced = |span| span == call.model_span || inspected.named().spans.iter().any(|(name, _)| *name == span);
    let hits: Vec<_> = inspected.hits().iter().filter(|hit| !is_replaced(document.span(hit.node))).cloned().collect();
    let edits = account::edits(snapshot, identified, inspected);
    let mut outbound = Vec::with_capacity(routes.len());
    let speaking = routes.iter().filter(|route| protocol.dialect().is_some_and(|dialect| route.dialects.contains(&dialect)));
    // What is kept is kept at one upstream; to every other one its name is somebody else's, or nothing.
    let keeper = inspected.named().place.as_ref().map(|(_, upstream)| upstream);
    for route in speaking.filter(|route| keeper.is_none_or(|keeper| route.upstream == *keeper)) {
        let served = Some(route.model.clone());
        if call.kept.is_some() {
            outbound.push(Outbound { upstream: route.upstream.clone(), model: served, body: Bytes::new() });
            break;
        }
        let mut splices = Splices::new();
        redact(document, &hits, duties, &mut splices)?;
        let name = text::quote(&route.model);
        let is_absent = call.model_span.is_empty();
        splices.replace(call.model_span.clone(), if is_absent { format!("\"model\":{name},") } else { name });
        for (span, name) in &inspected.named().spans {
            splices.replace(span.clone(), text::quote(name));
        }
        edits.iter().for_each(|(span, text)| splices.replace(span.clone(), text.as_str()));
        if let Some(place) = call.unstored.as_ref().filter(|_| route.declines_store) {
            splices.replace(place.span.clone(), format!("{}false{}", place.before, place.after));
        }
        let body = splices.apply(document.bytes()).map_err(|_| Refusal::new(ReasonCode::DutyImpossible))?;
        outbound.push(Outbound { upstream: route.upstream.clone(), model: served, body: Bytes::from(body) });
    }
    if outbound.is_empty() && keeper.is_some() {
        return Err(ReasonCode::StoredUpstreamGone.into());
    }
    if outbound.is_empty() {
        let dialect = protocol.dialect().map_or("this", Dialect::as_str);
        return Err(Refusal::because(ReasonCode::DialectNotSpoken, format!("`{model}` does not speak {dialect}")));
    }
    Ok(outbound)
}
