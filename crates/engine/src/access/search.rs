//! Searches of enforcement points: whom, what or which action would a question find permitted?
//!
//! By enumeration: every declared party, listed resource or declared action of the kind is asked about as in a question, so what
//! is found is exactly what would be permitted now. Who is vouched for by an issuer, and what an open kind leaves unlisted, cannot
//! be enumerated and is not found. A search is a permission of its own, counted by the minute; a page asks at most
//! [`MAX_ASKED`] questions and says where the next one begins.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use budget::{Amounts, Caller, Dimension, Measure, Period, Rule, Rules};
use evidence::{Capped, EntryKind, Header, IntentContent, LIST_NOTE, sha256};
use model::{
    Action, Ask, DecisionInput, Facts, Label, Mandate, Name, PrincipalKind, ReasonCode, Refusal, RequestId, Resource, Verdict,
};

use super::judge::{OWN_ACTIONS, judge_named};
use super::{asks, body, registered, tell, tools};
use crate::decide::{Judgement, asked};
use crate::event::Event;
use crate::guard::{Guard, give_way};
use crate::interaction::{Call, finish};
use crate::ports::{Client, Found, Head, Page, Question, Record, Said, Search, Searching, Sought, Subject, World};
use crate::record::{header, serialise, unrecorded};
use crate::snapshot::Snapshot;

/// Most results of a page.
const MAX_FOUND: usize = 1000;
/// Most questions that one page asks; what one costs is some 50 µs.
const MAX_ASKED: usize = 2000;
/// After so many questions other calls of the thread get a turn.
const TURN: usize = 32;

/// Answers a search. Returns the id under which it stands in the log.
pub async fn search<W: World, S: Searching, C: Client>(world: &W, searching: &S, head: &Head, client: &mut C) -> RequestId {
    let mut call = Call::begin(world);
    let ended = found(world, searching, head, client, &mut call).await;
    finish(world, searching, head, client, call, ended).await
}

async fn found<W: World, S: Searching, C: Client>(
    world: &W,
    searching: &S,
    head: &Head,
    client: &mut C,
    call: &mut Call,
) -> Result<(), Refusal> {
    let (pep, mut guard) = asks(world, None, head, call).await?;
    call.snapshot.scanners.ready()?;
    let body = body(world, head, client, call, &mut guard).await?;
    let snapshot = std::sync::Arc::clone(&call.snapshot);
    let search = searching.understand(head, &body, &snapshot.limits.json())?;
    let judgement = may_search(world, &snapshot, call, &pep)?;
    tools::searched(&search.question)?;
    let most = u64::from(registered(&snapshot, &pep)?.searches);
    counted(world, call, "searches", most, ReasonCode::SearchLimit)?;
    let candidates = candidates(&snapshot, &search);
    let begin = Begin::of(&search, &snapshot)?;
    let page = page(world, &snapshot, call, &pep, &mut guard, &search, &candidates, &begin).await?;
    guard.check(world)?;
    recorded(world, &snapshot, call, judgement, &search, &page, &guard).await?;
    (call.is_recorded, call.outcome.is_answer) = (true, true);
    let answer = searching.answer(&search, &page, call.request);
    tell(world, client, call, &mut guard, answer).await
}

/// Whether the point may search at all.
fn may_search<W: World>(world: &W, snapshot: &Snapshot, call: &mut Call, pep: &Name) -> Result<Judgement, Refusal> {
    let identified = call.identified()?;
    let (credential, now) = (identified.credential(), world.now());
    let facts = Facts {
        now,
        credential: credential.id.clone(),
        credential_age: now.since(credential.created) / 1000,
        dialect: None,
        stream: false,
        findings: BTreeMap::new(),
        label: Label::default(),
        ledger_version: 0,
        answered: BTreeSet::new(),
        mandate: Mandate::default(),
        arguments: None,
        around: Default::default(),
    };
    let asks = vec![Ask { action: Action::Search, resource: Resource::Gate }];
    let input = DecisionInput { chain: identified.chain().clone(), asks, facts };
    let answer = asked(snapshot, &input);
    // A registration that grants no search grants none with policy switched off either.
    let is_granted = registered(snapshot, pep)?.searches > 0;
    let reason = answer.reason;
    let judgement = Judgement { input, answer, findings: Vec::new() };
    if judgement.answer.verdict == Verdict::Permit && is_granted {
        return Ok(judgement);
    }
    call.judgement = Some(Box::new(judgement));
    let reason = if reason == ReasonCode::Permitted { ReasonCode::QuestionRefused } else { reason };
    Err(Refusal::because(reason, format!("`enforcement_points.{pep}.searches_per_minute` grants no search")))
}

/// Counts something that a point may do so often a minute, or refuses it.
pub(super) fn counted<W: World>(world: &W, call: &Call, what: &str, most: u64, code: ReasonCode) -> Result<(), Refusal> {
    let rule = Rule {
        name: Name::new(what).map_err(|_| ReasonCode::Internal)?,
        measure: Measure::Requests,
        quantity: None,
        most,
        period: Period::Minute,
        per: BTreeSet::from([Dimension::Principal]),
        parties: None,
        models: None,
        tools: None,
    };
    let identified = call.identified()?;
    let caller = Caller { chain: identified.chain(), task: &identified.credential().ledger, model: None, tool: None };
    let wanted = Amounts { requests: 1, ..Amounts::default() };
    let reserved = world.counters().reserve(&Rules::new(vec![rule]), caller, &wanted, world.now());
    // It stays counted, whatever comes of it.
    reserved.map(drop).map_err(|_| Refusal::because(code, format!("at most {most} a minute")))
}

/// What could be found, sorted: everything of the kind that somebody has declared.
fn candidates(snapshot: &Snapshot, search: &Search) -> Vec<String> {
    let (policy, question) = (&snapshot.policy, &search.question);
    let access = policy.access();
    match search.sought {
        Sought::Subjects => {
            let Subject::Named { kind, .. } = &question.subject else { return Vec::new() };
            access.subject_kind(kind).map(|kind| policy.declared(kind)).unwrap_or_default()
        }
        Sought::Resources => match question.kind.as_str() {
            "Model" => snapshot.routes.keys().map(ToString::to_string).collect(),
            "Agent" => policy.declared(PrincipalKind::Agent),
            kind => match access.resources.get(kind) {
                Some(kind) => kind.entities.keys().cloned().collect(),
                None => policy.declared_resources(kind),
            },
        },
        Sought::Actions => {
            let own = OWN_ACTIONS.iter().filter(|(_, kind)| *kind == question.kind).map(|(action, _)| (*action).to_owned());
            let declared = access.actions.iter().filter(|(_, verb)| verb.resources.contains(&question.kind));
            own.chain(declared.map(|(word, _)| word.clone())).collect()
        }
    }
}

/// Where a page begins. A token names the search and the bundle that it belongs to, so that another one is told.
struct Begin {
    position: usize,
    limit: usize,
    digest: String,
}

impl Begin {
    fn of(search: &Search, snapshot: &Snapshot) -> Result<Self, Refusal> {
        let Search { sought, question, token, limit } = search;
        // Debug of these types tells every field, and equal ones alike; but for what is said, which does not print.
        let Said { subject, action, resource, context } = &question.said;
        let said =
            serde_json_canonicalizer::to_string(&[subject, action, resource, context]).map_err(|_| ReasonCode::Internal)?;
        let digest = sha256(format!("{} {sought:?} {question:?} {said}", snapshot.digest).as_bytes()).to_string();
        let digest = digest.get(..24).unwrap_or_default().to_owned();
        let wrong = |what: &str| Refusal::because(ReasonCode::FieldType, format!("/page/token: {what}"));
        let Some(token) = token.as_deref().filter(|token| !token.is_empty()) else {
            return Ok(Self { position: 0, limit: limit.unwrap_or(MAX_FOUND).min(MAX_FOUND), digest });
        };
        let mut parts = token.split('.');
        let mut number = || parts.next()?.parse::<usize>().ok();
        let (position, told) = number().zip(number()).ok_or_else(|| wrong("expected one that this gate has told"))?;
        if parts.next() != Some(&*digest) || parts.next().is_some() {
            return Err(wrong("it belongs to another search, or policies have changed since: begin anew"));
        }
        if limit.is_some_and(|limit| limit.min(MAX_FOUND) != told) {
            return Err(wrong("it was told with another limit"));
        }
        Ok(Self { position, limit: told.min(MAX_FOUND), digest })
    }

    fn next(&self, position: usize) -> String {
        format!("{position}.{}.{}", self.limit, self.digest)
    }
}

#[expect(clippy::too_many_arguments, reason = "one call site, and each is another thing that a page depends on")]
async fn page<W: World>(
    world: &W,
    snapshot: &Snapshot,
    call: &Call,
    pep: &Name,
    guard: &mut Guard,
    search: &Search,
    candidates: &[String],
    begin: &Begin,
) -> Result<Page, Refusal> {
    let mut page = Page::default();
    for (position, candidate) in candidates.iter().enumerate().skip(begin.position) {
        let n_asked = position.saturating_sub(begin.position);
        if page.found.len() >= begin.limit || n_asked >= MAX_ASKED {
            page.next = begin.next(position);
            break;
        }
        if n_asked > 0 && n_asked.is_multiple_of(TURN) {
            give_way().await;
            guard.check(world)?;
        }
        let question = with(search, candidate);
        let judged = judge_named(world, snapshot, call.identified()?, pep, &question);
        if judged.verdict == Verdict::Permit {
            page.found.push(Found { id: candidate.clone(), duties: judged.duties });
        }
    }
    Ok(page)
}

/// The question with the sought part filled in.
fn with(search: &Search, candidate: &str) -> Question {
    let mut question = search.question.clone();
    match search.sought {
        Sought::Subjects => {
            if let Subject::Named { id, .. } = &mut question.subject {
                candidate.clone_into(id);
            }
        }
        Sought::Resources => candidate.clone_into(&mut question.id),
        Sought::Actions => candidate.clone_into(&mut question.action),
    }
    question
}

/// One entry: the right to search as the decision, what was found as the answer that was told.
async fn recorded<W: World>(
    world: &W,
    snapshot: &Snapshot,
    call: &Call,
    judgement: Judgement,
    search: &Search,
    page: &Page,
    guard: &Guard,
) -> Result<(), Refusal> {
    let (verdict, reason) = (judgement.answer.verdict, judgement.answer.reason);
    world.observe_event(&Event::Decided { request: call.request, verdict, reason });
    if snapshot.off.evidence {
        return Ok(());
    }
    let sought = match search.sought {
        Sought::Subjects => "subjects",
        Sought::Resources => "resources",
        Sought::Actions => "actions",
    };
    let header = header(EntryKind::Intent, call.identified()?, snapshot, guard.seen()).with_asks(&judgement.input.asks);
    let mut header = Header { verdict: Some(verdict), reason: Some(reason), ..header };
    header.notes.extend([LIST_NOTE.to_owned(), format!("search: {sought}, {} found", page.found.len())]);
    let told = serialise(&page.found.iter().map(|found| &found.id).collect::<Vec<_>>())?;
    let content = IntentContent {
        input: Cow::Owned(judgement.input),
        answer: Cow::Owned(judgement.answer),
        // Whether a point may search says its registration, and no policy.
        shadow: None,
        findings: Cow::default(),
        destinations: Vec::new(),
        outbound: Some(Capped::new(&told, snapshot.limits.content_bytes)),
    };
    let content = Some(serialise(&content)?);
    world.accept(Record { header, content }).await.map(|_| ()).map_err(unrecorded)
}
