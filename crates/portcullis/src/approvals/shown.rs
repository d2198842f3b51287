//! Requests for approval as documents, for whoever answers.

use model::Digest;
use response::{Closed, Request, Status, View};
use serde_json::{Value, json};

const fn word(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Approved { .. } => "approved",
        Status::TakenBack { .. } => "taken-back",
        Status::Closed(Closed::Refused) => "refused",
        Status::Closed(Closed::Cancelled) => "cancelled",
        Status::Closed(Closed::Expired) => "expired",
        Status::Partial => "partial",
    }
}

pub(super) fn row(request: &Request, view: &View<'_>) -> Value {
    let status = request.status(view);
    // What is used up once is over by that.
    let used = request.used(0).filter(|_| request.ask.is_single_use);
    let holds = if let (Status::Approved { until, .. }, None) = (status, used) { Some(until) } else { None };
    json!({
        "id": request.ask.id, "status": used.map_or(word(status), |_| "used"), "chain": request.chain, "asked_by": request.by, "at": request.at,
        "ends": request.ask.ends, "holds_until": holds, "items": request.ask.items.len(), "quorum": request.quorum(view.terms),
        "approved": (0..request.ask.items.len()).map(|index| request.n_approved(index, view)).min(),
    })
}

pub(super) fn whole(request: &Request, view: &View<'_>, in_force: &Digest) -> Value {
    let thing = |(index, item): (usize, &model::ApprovalItem)| {
        let wanted = request.wanted.as_ref().and_then(|wanted| wanted.items.get(index));
        json!({
            "commitment": item.commitment, "status": word(request.status_of(index, view)), "request": item.request,
            "text": wanted.map(|wanted| &wanted.text), "salt": wanted.map(|wanted| &wanted.salt),
            "because": wanted.map(|wanted| &wanted.because), "origins": wanted.map(|wanted| &wanted.origins),
        })
    };
    let answers = request.answers().map(|(by, is_approved)| json!({"by": by, "approved": is_approved}));
    let mut told = row(request, view);
    if let Some(told) = told.as_object_mut() {
        told.insert("things".to_owned(), request.ask.items.iter().enumerate().map(thing).collect());
        told.insert("answers".to_owned(), answers.collect());
        told.insert("holds_seconds".to_owned(), json!(request.ask.holds.min(view.terms.holds)));
        told.insert("policies".to_owned(), json!(request.ask.policies));
        told.insert("is_outdated".to_owned(), json!(request.ask.policies != *in_force));
        told.insert("is_single_use".to_owned(), json!(request.ask.is_single_use));
        let used = request.used(0).filter(|_| request.ask.is_single_use);
        told.insert("used".to_owned(), json!(used.map(|(at, by)| json!({"at": at, "request": by}))));
        // What the task had seen when it asked.
        told.insert("seen".to_owned(), json!(request.wanted.as_ref().and_then(|wanted| wanted.seen.as_ref())));
        told.insert("said".to_owned(), json!(request.wanted.as_ref().map(|wanted| &wanted.said)));
    }
    told
}
