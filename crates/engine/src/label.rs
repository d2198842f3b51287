//! Labels of one call: what the request brings into the task, and what the answer does.
//!
//! INVARIANT (join before release): the label of an answer is in the ledger before its first byte is released, and the
//! label of every further finding before the piece that holds it.

use model::{Act, Finding, FindingGroup, Integrity, Label, Name, Side};

use crate::admit::Identified;
use crate::ports::World;
use crate::record::Recorded;

/// Joins what the request carries, after redaction: what was taken out does not count.
pub(crate) fn request<W: World>(world: &W, identified: &Identified, recorded: &Recorded) {
    let permit = recorded.permit();
    let label = of_findings(&permit.judgement().findings, Side::Request, |finding| {
        permit.duties().act(Side::Request, &finding.kind, finding.group)
    });
    if label != Label::default() {
        world.observe(&identified.credential().ledger, "request", label, identified.at());
    }
}

/// Joins the answer as such: a model's words are as trustworthy as an identified source at best, and no more than the task.
pub(crate) fn answer<W: World>(world: &W, identified: &Identified, model: &Name) {
    let label = Label { integrity: Integrity::Trusted, ..Label::default() };
    world.observe(&identified.credential().ledger, &format!("model:{model}"), label, identified.at());
}

/// Joins findings of the answer that pass unredacted.
pub(crate) fn findings<W: World>(world: &W, identified: &Identified, recorded: &Recorded, findings: &[Finding]) {
    let duties = recorded.permit().duties();
    let label = of_findings(findings, Side::Response, |finding| duties.act(Side::Response, &finding.kind, finding.group));
    if label != Label::default() {
        world.observe(&identified.credential().ledger, &format!("model:{}", recorded.permit().model()), label, identified.at());
    }
}

fn of_findings(findings: &[Finding], side: Side, act: impl Fn(&Finding) -> Act) -> Label {
    let mut label = Label::default();
    for finding in findings.iter().filter(|finding| finding.side == side) {
        let passes = matches!(act(finding), Act::Allow | Act::Mask);
        if passes && finding.group == FindingGroup::Pii {
            label.compartments.extend(Name::new("pii"));
        }
        if passes && finding.group == FindingGroup::Secret {
            label.compartments.extend(Name::new("secret"));
        }
    }
    label
}
