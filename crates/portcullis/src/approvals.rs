//! Requests for approval of the running gate: the log says what they add up to, also over a restart.

mod held;
pub(crate) mod notices;
mod shown;
pub(crate) mod signed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::ports::{ApprovalError, Looked};
use evidence::{EntryKind, Header, RecordError};
use gateway::admin::{Administrator as _, Operator};
use model::{
    AdminAct, ApprovalAnswer, ArgumentOrigin, Chain, CredentialId, Digest, Label, LockTarget, Name, OperatorAct, PrincipalId,
    PrincipalKind, ReasonCode, Refusal, RequestId, UnixMillis,
};
use response::{AnswerError, Approvals, AskError, Misfit, Request, Standing, Status, Terms, View, Wanted, WantedItem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AskedBefore, Content, Draft, Plain, Store};
use tokio::sync::watch;

use crate::gate::{Gate, now, random};
use held::{Held, Place};
use shown::{row, whole};

/// Random bytes of a name that nobody can guess.
const ENTROPY: usize = 20;
/// Most requests of one list.
const MAX_ROWS: usize = 1000;

/// Everything that is to be approved, or was lately.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// A poisoned lock means that a thread panicked while it held it; what is there was recorded.
    approvals: Mutex<Approvals>,
    /// What loosens comes one at a time: what was checked still holds when it is recorded. What tightens waits for nobody.
    turn: tokio::sync::Mutex<()>,
    /// Grows with everything that could end the wait of a call.
    moved: watch::Sender<u64>,
    /// The calls that wait.
    held: Arc<Held>,
    /// Who is told of what waits.
    pub(crate) notices: notices::Queue,
    /// Signed answers that were taken lately.
    pub(crate) signed: signed::Seen,
}

/// What a request asks for in full, as its entry keeps it, encrypted.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    items: Vec<KeptItem>,
    key: Option<String>,
    said: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Label>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptItem {
    text: String,
    salt: String,
    topic: Digest,
    because: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<ArgumentOrigin>,
}

impl Desk {
    /// As the log has it. Blocks on the disk.
    pub(crate) fn open(store: &Store) -> Self {
        let mut approvals = Approvals::default();
        let now = now();
        for before in store.approvals() {
            // What is over is not read at all.
            let Some(mut request) = restored(before).filter(|request| now < request.forgotten()) else { continue };
            let id = request.ask.id.clone();
            request.wanted = in_full(store, before, &request);
            approvals.asked(request);
            for header in &before.since {
                match (&header.admin, &header.operator, &header.credential) {
                    (Some(AdminAct::ApprovalAnswered { answer }), Some(by), Some(credential)) => {
                        approvals.answered(by, credential, header.at, answer);
                    }
                    (Some(AdminAct::ApprovalCancelled { .. }), ..) => approvals.cancelled(&id, header.at),
                    (Some(AdminAct::ApprovalUsed { approval, .. }), ..) => {
                        // An entry that does not say by which call is one of none that could use it again.
                        let nobody = RequestId::new(UnixMillis(0), [0; 10]);
                        approvals.used(approval, header.at, header.request.unwrap_or(nobody));
                    }
                    _ => {}
                }
            }
        }
        Self { approvals: Mutex::new(approvals), ..Self::default() }
    }

    /// Wakes the calls that wait: something has changed that may concern them.
    pub(crate) fn moved(&self) {
        self.moved.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// From now on no call waits: the gate is about to end, and whoever waits is told to ask again.
    pub(crate) fn close(&self) {
        self.held.close();
        self.moved();
    }

    fn lock(&self) -> MutexGuard<'_, Approvals> {
        self.approvals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what was asked for on behalf of a subject whose content was erased; `through`: only until then.
    pub(crate) async fn erase(&self, subject: &str, through: Option<UnixMillis>) {
        // What is being recorded comes first, so that nothing of it is put back.
        let _turn = self.turn.lock().await;
        let is_subject = |chain: &Chain| chain.user().or_else(|| chain.actor()).is_some_and(|party| party.to_string() == subject);
        self.lock().erase(|request| is_subject(&request.chain) && through.is_none_or(|through| request.at <= through));
        self.moved();
    }
}

fn restored(before: &AskedBefore) -> Option<Request> {
    let Some(AdminAct::ApprovalAsked { ask }) = &before.asked.admin else { return None };
    Some(Request::restored(ask.clone(), before.asked.operator.clone()?, before.asked.chain.clone()?, before.asked.at, None))
}

/// What a request asks for in full. What was erased, or is not what its entry commits to, can no longer be shown, so nobody can
/// approve or use it.
fn in_full(store: &Store, before: &AskedBefore, request: &Request) -> Option<Arc<Wanted>> {
    let entry = match store.read(before.index) {
        Ok(entry) => entry?,
        Err(error) => {
            tracing::error!(%error, request = %request.ask.id, "a request for approval cannot be read: nobody can approve it");
            return None;
        }
    };
    let Some(Plain::Content(bytes)) = entry.content else { return None };
    let kept: Kept = serde_json::from_slice(&bytes).ok()?;
    let items = kept.items.into_iter().zip(&request.ask.items).map(|(kept, item)| WantedItem {
        scope: evidence::sha256(kept.text.as_bytes()),
        topic: kept.topic,
        commitment: evidence::sha256(format!("{}{}", kept.salt, kept.text).as_bytes()),
        text: kept.text,
        salt: kept.salt,
        because: kept.because,
        request: item.request,
        origins: kept.origins,
    });
    let wanted = Wanted {
        by: request.by.clone(),
        chain: request.chain.clone(),
        policies: request.ask.policies,
        items: items.collect(),
        is_list: request.ask.is_list,
        key: kept.key.and_then(|key| hex::decode(key).ok()),
        said: kept.said,
        is_single_use: request.ask.is_single_use,
        seen: kept.seen,
    };
    let committed = request.ask.items.iter().map(|item| item.commitment);
    wanted.items.iter().map(|item| item.commitment).eq(committed).then(|| Arc::new(wanted))
}

impl engine::ports::Approvals for Gate {
    type Place = Place;

    fn approval(&self, by: &PrincipalId, approval: &str) -> Result<Standing, Misfit> {
        self.viewed(|view| self.desk.lock().standing(by, approval, view))
    }

    async fn ask_approval(&self, wanted: Wanted, credential: &CredentialId, terms: &Terms) -> Result<Looked, ApprovalError> {
        let _turn = self.desk.turn.lock().await;
        let known =
            self.viewed(|view| Ok::<_, AskError>(self.desk.lock().known(&wanted, view)?.map(|known| looked(known, view))));
        if let Some(known) = known? {
            return Ok(known);
        }
        let unnamed = |_| ApprovalError::Record(RecordError::Unavailable("the system gives no randomness".to_owned()));
        let id = unguessable("arq").map_err(unnamed)?;
        let approvals = wanted.items.iter().map(|_| unguessable("apr")).collect::<Result<Vec<_>, _>>().map_err(unnamed)?;
        let at = now();
        let request = response::request(Arc::new(wanted), id, approvals, terms, at);
        let header = Header {
            // A call that waits names what it waits for; a point's question was answered before.
            request: request.ask.items.first().filter(|_| request.ask.is_single_use).map(|item| item.request),
            credential: Some(credential.clone()),
            chain: Some(request.chain.clone()),
            ..Header::admin(at, AdminAct::ApprovalAsked { ask: request.ask.clone() }, Some(request.by.clone()))
        };
        let content = request.wanted.as_deref().map(kept).and_then(|kept| serde_json::to_vec(&kept).ok());
        let content = content.map(|bytes| Content::of(&header, bytes));
        self.store.log.durable(Draft { header, content }).await?;
        self.desk.lock().asked(request.clone());
        self.desk.notices.tell(&request);
        Ok(self.viewed(|view| looked(&request, view)))
    }

    fn approval_request(&self, by: &PrincipalId, id: &str) -> Option<Looked> {
        let id = Name::new(id).ok()?;
        self.viewed(|view| self.desk.lock().get(&id).filter(|request| request.by == *by).map(|request| looked(request, view)))
    }

    async fn cancel_approval(&self, by: &PrincipalId, credential: &CredentialId, id: &str) -> Result<Looked, ApprovalError> {
        let id = Name::new(id).map_err(|_| AskError::Unknown)?;
        let at = now();
        let cancelled = self.viewed(|view| {
            let mut approvals = self.desk.lock();
            approvals.may_cancel(by, &id, view)?;
            // In force from here on, whatever becomes of the record.
            approvals.cancelled(&id, at);
            approvals.get(&id).map(|request| looked(request, view)).ok_or(AskError::Unknown)
        })?;
        self.desk.moved();
        let act = AdminAct::ApprovalCancelled { id };
        let header = Header { credential: Some(credential.clone()), ..Header::admin(at, act, Some(by.clone())) };
        self.tightened(header).await;
        Ok(cancelled)
    }

    fn approval_of_call(&self, wanted: &Wanted, call: RequestId) -> Option<Standing> {
        self.viewed(|view| self.desk.lock().of_call(wanted, call, view))
    }

    async fn use_approval(
        &self,
        standing: &Standing,
        credential: &CredentialId,
        chain: &Chain,
        call: RequestId,
    ) -> Result<(), ApprovalError> {
        let at = now();
        // Under one lock: of two calls at the same moment one finds it.
        let is_used = self.viewed(|view| {
            let mut approvals = self.desk.lock();
            let is_used = approvals.is_there_for(&standing.approval, call, view).ok_or(AskError::Closed)?;
            approvals.used(&standing.approval, at, call);
            Ok::<_, AskError>(is_used)
        })?;
        if is_used {
            return Ok(());
        }
        let act = AdminAct::ApprovalUsed { id: standing.id.clone(), approval: standing.approval.clone() };
        let header = Header {
            request: Some(call),
            credential: Some(credential.clone()),
            chain: Some(chain.clone()),
            ..Header::admin(at, act, None)
        };
        self.store.log.durable(Draft::plain(header)).await?;
        Ok(())
    }

    fn is_approved(&self, standing: &Standing, call: RequestId) -> bool {
        self.viewed(|view| self.desk.lock().is_there_for(&standing.approval, call, view).is_some())
    }

    fn hold(&self, chain: &Chain) -> Option<Place> {
        let snapshot = Arc::clone(&self.in_force.load().snapshot);
        self.desk.held.place(chain, snapshot.limits.n_held, snapshot.approvals.pending)
    }

    fn approvals_version(&self) -> u64 {
        *self.desk.moved.borrow()
    }

    async fn approvals_moved_past(&self, seen: u64) -> bool {
        let mut moved = self.desk.moved.subscribe();
        // The sender lives as long as the gate, so the wait cannot fail.
        drop(moved.wait_for(|version| *version != seen).await);
        self.desk.held.is_open()
    }
}

fn looked(request: &Request, view: &View<'_>) -> Looked {
    let each = (0..request.ask.items.len()).map(|index| request.status_of(index, view));
    Looked {
        each: each.collect(),
        status: request.status(view),
        steps: (request.n_approved(0, view), request.quorum(view.terms)),
        request: request.clone(),
    }
}

fn kept(wanted: &Wanted) -> Kept {
    let items = wanted.items.iter().map(|item| KeptItem {
        text: item.text.clone(),
        salt: item.salt.clone(),
        topic: item.topic,
        because: item.because.clone(),
        origins: item.origins.clone(),
    });
    let key = wanted.key.as_ref().map(hex::encode);
    Kept { items: items.collect(), key, said: wanted.said.clone(), seen: wanted.seen.clone() }
}

fn unguessable(prefix: &str) -> Result<Name, ReasonCode> {
    let bytes = random::<ENTROPY>()?;
    Name::new(&format!("{prefix}_{}", hex::encode(bytes))).map_err(|_| ReasonCode::Internal)
}

impl Gate {
    /// Looks at requests as they stand now: by the terms in force, and by operators who may still answer.
    fn viewed<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        let locks = self.store.epoch().locks();
        let counts = |by: &PrincipalId, credential: &CredentialId| {
            let is_stopped = |target: LockTarget| locks.kind(&target).is_some();
            // Over the socket the gate's own user answers, whom the configuration does not name.
            let is_local = by.name.as_str() == "local" && credential.as_str() == "socket";
            let may = is_local || self.role(&by.name).is_some_and(|role| role.may(OperatorAct::AnswerApprovals));
            // A key for signed answers that was taken out, or replaced, has said nothing.
            let may = may && (!signed::is_key(credential) || self.signs(&by.name, credential));
            may && !is_stopped(LockTarget::Principal(by.clone())) && !is_stopped(LockTarget::Credential(credential.clone()))
        };
        let snapshot = Arc::clone(&self.in_force.load().snapshot);
        look(&View { now: now(), terms: &snapshot.approvals, counts: &counts })
    }

    /// How many calls wait for an answer.
    pub(crate) fn n_calls_held(&self) -> usize {
        self.desk.held.count()
    }

    /// How many requests wait for somebody.
    pub(crate) fn n_approvals_pending(&self) -> usize {
        self.viewed(|view| self.desk.lock().list().into_iter().filter(|request| request.status(view) == Status::Pending).count())
    }

    /// Records what is in force already. While the log cannot be written it is kept, and written as soon as it can be.
    async fn tightened(&self, header: Header) -> bool {
        let is_recorded = self.store.log.durable(Draft::plain(header.clone())).await.is_ok();
        if !is_recorded {
            self.store.log.submit(Draft::plain(header));
        }
        is_recorded
    }

    /// Every request that is kept, the latest first, at most 1,000, without what it asks for in full.
    pub(crate) fn list_approvals(&self) -> Value {
        self.viewed(|view| {
            let approvals = self.desk.lock();
            let rows = approvals.list().into_iter().take(MAX_ROWS).map(|request| row(request, view));
            json!({"requests": rows.collect::<Vec<_>>()})
        })
    }

    /// One request with everything that whoever answers has to know. Reading it stands in the log before it is shown.
    pub(crate) async fn show_approval(&self, by: &Operator, id: &str) -> Result<Value, Refusal> {
        let unknown = || Refusal::because(ReasonCode::ApprovalUnknown, AnswerError::Unknown.to_string());
        let id = Name::new(id).map_err(|_| unknown())?;
        let request = self.desk.lock().get(&id).cloned().ok_or_else(unknown)?;
        let mut header = Header::new(EntryKind::Admin, now());
        header.operator = Some(operator(by));
        header.credential = Some(by.credential.clone());
        header.notes.push(format!("read: {id}"));
        self.store.log.accept(Draft::plain(header)).await.map_err(|_| Refusal::new(ReasonCode::EvidenceUnavailable))?;
        let in_force = self.in_force.load().snapshot.digest;
        Ok(self.viewed(|view| whole(&request, view, &in_force)))
    }

    /// Approves or refuses. A yes is in force when its record is durable; a no at once.
    pub(crate) async fn answer_approval(&self, by: &Operator, answer: ApprovalAnswer) -> Result<Value, Refusal> {
        let at = now();
        let is_recorded =
            if answer.is_approved { self.approve(by, &answer, at).await? } else { self.refuse(by, &answer, at).await? };
        let mut told =
            self.viewed(|view| self.desk.lock().get(&answer.id).map(|request| row(request, view))).ok_or(ReasonCode::Internal)?;
        if let Some(told) = told.as_object_mut() {
            told.insert("recorded".to_owned(), json!(is_recorded));
        }
        Ok(told)
    }

    async fn approve(&self, by: &Operator, answer: &ApprovalAnswer, at: UnixMillis) -> Result<bool, Refusal> {
        let _turn = self.desk.turn.lock().await;
        self.viewed(|view| self.desk.lock().may_answer(&by.name, answer, view)).map_err(not_answered)?;
        if self.store.log.durable(Draft::plain(answered(by, answer, at))).await.is_err() {
            // Whether it stands in the log nobody knows. A no behind it says that it is not meant.
            let no = ApprovalAnswer { is_approved: false, ..answer.clone() };
            self.desk.lock().answered(&operator(by), &by.credential, at, &no);
            self.desk.moved();
            self.store.log.submit(Draft::plain(answered(by, &no, at)));
            return Err(ReasonCode::EvidenceUnavailable.into());
        }
        self.desk.lock().answered(&operator(by), &by.credential, at, answer);
        self.desk.moved();
        Ok(true)
    }

    async fn refuse(&self, by: &Operator, answer: &ApprovalAnswer, at: UnixMillis) -> Result<bool, Refusal> {
        self.viewed(|view| {
            let mut approvals = self.desk.lock();
            approvals.may_answer(&by.name, answer, view)?;
            approvals.answered(&operator(by), &by.credential, at, answer);
            Ok(())
        })
        .map_err(not_answered)?;
        self.desk.moved();
        Ok(self.tightened(answered(by, answer, at)).await)
    }
}

fn answered(by: &Operator, answer: &ApprovalAnswer, at: UnixMillis) -> Header {
    let act = AdminAct::ApprovalAnswered { answer: answer.clone() };
    Header { credential: Some(by.credential.clone()), ..Header::admin(at, act, Some(operator(by))) }
}

fn operator(by: &Operator) -> PrincipalId {
    PrincipalId::new(PrincipalKind::Operator, by.name.clone())
}

fn not_answered(error: AnswerError) -> Refusal {
    let code = match error {
        AnswerError::Unknown => ReasonCode::ApprovalUnknown,
        AnswerError::Closed | AnswerError::Twice | AnswerError::Erased => ReasonCode::ApprovalClosed,
        AnswerError::Involved => ReasonCode::RoleInsufficient,
        AnswerError::NotShown => ReasonCode::FieldType,
    };
    Refusal::because(code, error.to_string())
}
