//! One question, decided: whom is it about, in which words is it asked, may they?

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;
use identity::token::At;
use model::{
    Access, Action, Ask, Asked, Chain, Challenge, Credential, DecisionInput, Duty, Facts, Foreign, Label, Mandate, Name, Point,
    PrincipalId, PrincipalKind, ReasonCode, Refusal, RequestId, Resource, Verdict,
};
use response::{Misfit, Standing};

use super::carried::carried;
use super::claims::claims;
use super::tools::{self, arguments};
use super::{registered, requests};
use crate::admit::{Identified, admit};
use crate::decide::{Judgement, asked};
use crate::ports::{Head, Question, Subject, World};
use crate::snapshot::Snapshot;

/// What came of one question.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// Why, for the log.
    pub(super) reason: ReasonCode,
    /// Why, as far as the point may know.
    pub(super) refusal: Refusal,
    pub(super) challenges: Vec<Challenge>,
    pub(super) duties: Vec<Duty>,
    /// Whether the approval that was presented holds; none if there was none.
    pub(super) approval: Option<Result<Standing, Misfit>>,
    /// The decision, if it came to one.
    pub(super) judgement: Option<Judgement>,
    /// Whether nobody known is at the other end: counted, like every party that is not known, and not recorded one by one.
    pub(super) is_noise: bool,
}

impl Judged {
    /// A question that could not be read, or about nobody.
    pub(super) const fn unread(refusal: Refusal) -> Self {
        let (verdict, reason) = (Verdict::Deny, refusal.code);
        Self {
            verdict,
            reason,
            refusal,
            challenges: Vec::new(),
            duties: Vec::new(),
            approval: None,
            judgement: None,
            is_noise: false,
        }
    }
}

/// Decides. Whatever goes wrong on the way is an answer, and the answer is no.
pub(super) async fn judge<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    pep: &Name,
    request: RequestId,
    question: &Question,
) -> Judged {
    match decided(world, snapshot, identified, pep, request, question).await {
        Ok(judged) => judged,
        Err(refusal) => Judged::unread(refusal),
    }
}

async fn decided<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    pep: &Name,
    request: RequestId,
    question: &Question,
) -> Result<Judged, Refusal> {
    let point = registered(snapshot, pep)?;
    let about = match whom(world, snapshot.policy.access(), point, identified, request, &question.subject).await {
        Ok(about) => about,
        Err(refusal) => {
            let is_noise = matches!(question.subject, Subject::Shown(_));
            return Ok(Judged { is_noise, ..Judged::unread(refusal) });
        }
    };
    by_policy(world, snapshot, identified, pep, question, about)
}

/// Decides about a party that is named: nothing is waited for.
pub(super) fn judge_named<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    pep: &Name,
    question: &Question,
) -> Judged {
    let decided = || {
        let Subject::Named { kind, id, agent } = &question.subject else { return Err(ReasonCode::Internal.into()) };
        let agent = agent.as_ref().filter(|_| registered(snapshot, pep).is_ok_and(|point| point.agents));
        let about = named(world, snapshot.policy.access(), kind, id, agent.map(String::as_str))?;
        by_policy(world, snapshot, identified, pep, question, about)
    };
    decided().unwrap_or_else(Judged::unread)
}

fn by_policy<W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    pep: &Name,
    question: &Question,
    about: About,
) -> Result<Judged, Refusal> {
    let access = snapshot.policy.access();
    let ask = ask(question);
    let said = match &ask.resource {
        Resource::Foreign(foreign) => Some(claims(access, foreign, &question.said)?),
        _ => None,
    };
    let arguments = arguments(question)?;
    let About { chain, mandate, kind, credential, label } = about;
    let by = Asked { pep: pep.clone(), subject: kind, claims: said };
    let mandate = Mandate { asked_by: Some(Box::new(by)), ..mandate };
    let credential = credential.as_deref().unwrap_or_else(|| identified.credential());
    let now = world.now();
    let (label, ledger_version) = label;
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect: None,
        stream: false,
        findings: BTreeMap::new(),
        label,
        ledger_version,
        answered: BTreeSet::new(),
        mandate,
        arguments,
        around: Default::default(),
    };
    let aim = ask.resource.clone();
    let mut input = DecisionInput { chain, asks: vec![ask], facts };
    let mut answer = asked(snapshot, &input);
    let approval = requests::presented(world, snapshot, pep, question, &answer);
    if answer.verdict == Verdict::Challenge && matches!(approval, Some(Ok(_))) {
        // One fact more of a plain evaluation.
        input.facts.answered = BTreeSet::from([Challenge::Approval]);
        answer = asked(snapshot, &input);
    }
    let stopped = world.locks().stops(&credential.id, &input.chain, Some(&aim));
    let judgement = Judgement { input, answer, findings: Vec::new() };
    Ok(Judged { approval, ..concluded(judgement, stopped, question.performs.duties) })
}

/// What is told of a decision. A lock is stronger than a permit and than what could become one, and so is a duty that nobody
/// performs.
fn concluded(judgement: Judgement, stopped: Option<ReasonCode>, performs_duties: bool) -> Judged {
    let answer = &judgement.answer;
    let mut duties: Vec<Duty> = answer.links.iter().flat_map(|link| link.duties.iter().cloned()).collect();
    duties.sort();
    duties.dedup();
    let impossible = (!duties.is_empty() && !performs_duties).then_some(ReasonCode::DutyImpossible);
    let (verdict, reason) = match (answer.verdict, stopped.or(impossible)) {
        (Verdict::Permit | Verdict::Challenge, Some(reason)) => (Verdict::Deny, reason),
        (verdict, _) => (verdict, answer.reason),
    };
    let is_permit = verdict == Verdict::Permit;
    let challenges = if verdict == Verdict::Challenge { answer.challenges() } else { Vec::new() };
    let duties = if is_permit { duties } else { Vec::new() };
    // Which policy said no is for operators: the entry of the log holds it.
    Judged {
        verdict,
        reason,
        refusal: Refusal::new(reason),
        challenges,
        duties,
        approval: None,
        judgement: Some(judgement),
        is_noise: false,
    }
}

/// Whom a question is about.
struct About {
    chain: Chain,
    mandate: Mandate,
    /// What kind of subject, in the point's words.
    kind: String,
    /// What it has shown; nothing where the point names it.
    credential: Option<Box<Credential>>,
    /// What its task carries; of a party that is only named, what all of its tasks do.
    label: (Label, u64),
}

async fn whom<W: World>(
    world: &W,
    access: &Access,
    point: &Point,
    identified: &Identified,
    request: RequestId,
    subject: &Subject,
) -> Result<About, Refusal> {
    match subject {
        Subject::Shown(headers) => shown(world, identified, request, headers).await,
        Subject::Named { kind, id, agent } => {
            let agent = agent.as_ref().filter(|_| point.agents);
            named(world, access, kind, id, agent.map(String::as_str))
        }
    }
}

/// The party of a credential, with everything that admit looks at: an end, a lock, what it descends from.
async fn shown<W: World>(world: &W, identified: &Identified, request: RequestId, headers: &HeaderMap) -> Result<About, Refusal> {
    let head =
        Head { peer: String::new(), is_proxy: false, certificate: None, headers: headers.clone(), query: None, trace: None };
    let (party, _) = admit(world, &head, At::Gate, request, identified.at()).await?;
    if party.chain().actor().is_some_and(|actor| actor.kind == PrincipalKind::Pep) {
        return Err(ReasonCode::CredentialWrongPlane.into());
    }
    let kind = party.chain().subject().map_or("", |subject| subject.kind.as_str()).to_owned();
    let label = world.effective(&party.credential().ledger);
    let credential = Some(Box::new(party.credential().clone()));
    Ok(About { chain: party.chain().clone(), mandate: party.mandate().clone(), kind, credential, label })
}

/// The party that the point names: its words for kinds are declared, its ids are names.
fn named<W: World>(world: &W, access: &Access, kind: &str, id: &str, agent: Option<&str>) -> Result<About, Refusal> {
    let unknown = |what: &str| Refusal::because(ReasonCode::PrincipalUnknown, what.to_owned());
    let of_kind = access.subject_kind(kind).ok_or_else(|| unknown("/subject/type is no kind of party here"))?;
    let name = Name::new(id).map_err(|_| unknown("/subject/id is no name of a party"))?;
    let agent = agent.map(|agent| Name::new(agent).map_err(|_| unknown("/context/agent is no name of an agent"))).transpose()?;
    let links = std::iter::once(PrincipalId::new(of_kind, name));
    let links = links.chain(agent.map(|agent| PrincipalId::new(PrincipalKind::Agent, agent)));
    let chain = Chain::new(links.collect()).map_err(|_| unknown("/subject and /context/agent are no chain"))?;
    let label = carried(world, &chain);
    Ok(About { chain, mandate: Mandate::default(), kind: kind.to_owned(), credential: None, label })
}

/// The ask in the gate's own words, where the question is about something of its own; else in those that operators declare.
fn ask(question: &Question) -> Ask {
    own(question).unwrap_or_else(|| {
        let Question { action, kind, id, .. } = question;
        let foreign = Foreign { action: action.clone(), kind: kind.clone(), id: id.clone() };
        Ask { action: Action::Access, resource: Resource::Foreign(foreign) }
    })
}

/// The gate's own actions, and the kind of resource of each.
pub(super) const OWN_ACTIONS: [(&str, &str); 12] = [
    ("callModel", "Model"),
    ("storeRemotely", "Model"),
    ("releaseKey", "Model"),
    ("useHostedTool", "HostedTool"),
    ("fetchRemote", "Destination"),
    ("connect", "Destination"),
    ("useBeta", "Beta"),
    ("issueToken", "Agent"),
    ("sendMessage", "Agent"),
    tools::CALL,
    ("listTools", "ToolServer"),
    ("answerServer", "ToolServer"),
];

/// Kinds of resources and actions of the gate's own. No configuration declares these words anew.
fn own(question: &Question) -> Option<Ask> {
    let id = &question.id;
    let (action, resource) = match (question.action.as_str(), question.kind.as_str()) {
        ("callModel", "Model") => (Action::CallModel, Resource::Model(Name::new(id).ok()?)),
        ("storeRemotely", "Model") => (Action::StoreRemotely, Resource::Model(Name::new(id).ok()?)),
        ("releaseKey", "Model") => (Action::ReleaseKey, Resource::Model(Name::new(id).ok()?)),
        ("useHostedTool", "HostedTool") => (Action::UseHostedTool, Resource::HostedTool(id.clone())),
        ("fetchRemote", "Destination") => (Action::FetchRemote, Resource::Destination(id.clone())),
        ("connect", "Destination") => (Action::Connect, Resource::Destination(id.clone())),
        ("useBeta", "Beta") => (Action::UseBeta, Resource::Beta(id.clone())),
        ("issueToken", "Agent") => (Action::IssueToken, Resource::Agent(Name::new(id).ok()?)),
        ("sendMessage", "Agent") => (Action::SendMessage, Resource::Agent(Name::new(id).ok()?)),
        tools::CALL => (Action::CallTool, Resource::Tool(id.clone())),
        ("listTools", "ToolServer") => (Action::ListTools, Resource::ToolServer(Name::new(id).ok()?)),
        ("answerServer", "ToolServer") => (Action::AnswerServer, Resource::ToolServer(Name::new(id).ok()?)),
        _ => return None,
    };
    Some(Ask { action, resource })
}
