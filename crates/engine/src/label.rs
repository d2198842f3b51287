//! Labels of one call: what the request brings into the task, and what the answer does.
//!
//! INVARIANT (join before release): the label of an answer is in the ledger before its first byte is released, and the
//! label of every further finding before the piece that holds it. Both are in the log by then too (`record`), from which a gate
//! that starts again takes its ledgers.

use evidence::Observed;
use model::{Act, Finding, FindingGroup, Integrity, Label, Name, Resource, Side};

use crate::admit::Identified;
use crate::decide::Permit;
use crate::origins::Known;
use crate::ports::World;
use crate::record::Recorded;

/// What the request carries, after redaction: what was taken out does not count. None if it carries nothing.
pub(crate) fn of_request(identified: &Identified, permit: &Permit) -> Option<Observed> {
    let label = of_findings(permit, Side::Request, &permit.judgement().findings);
    observed(identified, "request".to_owned(), label)
}

/// The answer as such: a model's words are as trustworthy as an identified source at best, and no more than the task; a tool's are
/// whatever somebody outside has written where no operator vouches for them, and what the gate itself tells brings nothing in.
pub(crate) fn of_answer(identified: &Identified, permit: &Permit) -> Option<Observed> {
    let integrity = match permit.aim() {
        _ if permit.outbound().is_empty() => return None,
        Resource::Model(_) => Integrity::Trusted,
        Resource::Tool(_) => permit.brings().integrity.min(Integrity::Trusted),
        _ => Integrity::Untrusted,
    };
    observed(identified, origin(permit), Label { integrity, ..permit.brings().clone() })
}

/// What stands in the conversation that a model goes on with, which brings tools' results along that nobody here has seen pass.
pub(crate) fn of_conversation(identified: &Identified, known: &Known) -> Option<Observed> {
    let integrity = if known.is_tainted { Integrity::Untrusted } else { Integrity::User };
    observed(identified, "messages".to_owned(), Label { integrity, ..Label::default() })
}

/// Findings of the answer that pass unredacted. None if nothing does.
pub(crate) fn of_passing(identified: &Identified, permit: &Permit, findings: &[Finding]) -> Option<Observed> {
    observed(identified, origin(permit), of_findings(permit, Side::Response, findings))
}

/// Joins what the request carries.
pub(crate) fn request<W: World>(world: &W, identified: &Identified, recorded: &Recorded) {
    join(world, identified, of_request(identified, recorded.permit()));
}

/// Joins it to its ledger.
pub(crate) fn join<W: World>(world: &W, identified: &Identified, observed: Option<Observed>) {
    if let Some(Observed { ledger, origin, label }) = observed {
        world.observe(&ledger, &origin, label, identified.at());
    }
}

fn origin(permit: &Permit) -> String {
    match permit.aim() {
        Resource::Tool(id) => format!("tool:{id}"),
        Resource::ToolServer(name) => format!("server:{name}"),
        Resource::Document(id) => format!("document:{id}"),
        Resource::Agent(name) => format!("agent:{name}"),
        aim => format!("model:{}", aim.id()),
    }
}

fn observed(identified: &Identified, origin: String, label: Label) -> Option<Observed> {
    let ledger = &identified.credential().ledger;
    (label != Label::default()).then(|| Observed { ledger: ledger.clone(), origin, label })
}

fn of_findings(permit: &Permit, side: Side, findings: &[Finding]) -> Label {
    let mut label = Label::default();
    for finding in findings.iter().filter(|finding| finding.side == side) {
        let act = permit.duties().act(side, &finding.kind, finding.group);
        let passes = matches!(act, Act::Allow | Act::Mask);
        if passes && finding.group == FindingGroup::Pii {
            label.compartments.extend(Name::new("pii"));
        }
        if passes && finding.group == FindingGroup::Secret {
            label.compartments.extend(Name::new("secret"));
        }
    }
    label
}
