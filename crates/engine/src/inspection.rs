//! Stage 3, inspect: what is in the request? Stage 4, label: what does the task carry already?
//!
//! Inspection stands before the decision, because policies read what was found; redaction is planned here and performed
//! by `decide`, once the duties are known.

use std::collections::BTreeMap;

use inspect::LeafHits;
use model::{Finding, FindingCount, FindingGroup, FindingKind, Label, ModelName, Refusal, Resource, Side, Span};
use text::Document;

use crate::admit::Identified;
use crate::ports::{Understood, World};
use crate::seams;
use crate::snapshot::Snapshot;
use crate::stored::Named;

/// Proof: every string, key and number of this very document went through the scanners in force, or an operator has
/// switched inspection off and the proof says so.
#[derive(Debug)]
#[must_use = "an inspection that is dropped was made for nothing"]
pub struct Inspected<'d> {
    document: &'d Document<'d>,
    understood: Understood,
    aim: Resource,
    hits: Vec<LeafHits>,
    findings: Vec<Finding>,
    label: Label,
    ledger_version: u64,
    named: Named,
}

impl<'d> Inspected<'d> {
    /// The document that was inspected.
    #[must_use]
    pub const fn document(&self) -> &'d Document<'d> {
        self.document
    }

    /// What the protocol adapter understood.
    #[must_use]
    pub const fn understood(&self) -> &Understood {
        &self.understood
    }

    /// What is asked for, by the name that operators have given it.
    #[must_use]
    pub const fn aim(&self) -> &Resource {
        &self.aim
    }

    /// The alias that is asked for, if it is a model.
    #[must_use]
    pub const fn model(&self) -> Option<&ModelName> {
        match &self.aim {
            Resource::Model(model) => Some(model),
            _ => None,
        }
    }

    /// What was found, without any value.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where exactly, for redaction.
    pub(crate) fn hits(&self) -> &[LeafHits] {
        &self.hits
    }

    /// The task's label when the request was inspected, and the ledger's version.
    #[must_use]
    pub const fn label(&self) -> (&Label, u64) {
        (&self.label, self.ledger_version)
    }

    /// What the request names of what the provider keeps.
    pub(crate) const fn named(&self) -> &Named {
        &self.named
    }

    /// How often each kind was found.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, FindingCount> {
        count(&self.findings)
    }
}

/// Counts findings by kind.
pub(crate) fn count(findings: &[Finding]) -> BTreeMap<String, FindingCount> {
    let mut counts: BTreeMap<String, FindingCount> = BTreeMap::new();
    for finding in findings {
        let entry = counts.entry(finding.kind.as_str().to_owned());
        let count = entry.or_insert(FindingCount { group: finding.group, count: 0 });
        count.count = count.count.saturating_add(1);
    }
    counts
}

/// Runs the scanners and reads the ledger.
pub(crate) fn inspect<'d, W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    document: &'d Document<'d>,
    understood: Understood,
    aim: Resource,
    named: Named,
) -> Result<Inspected<'d>, Refusal> {
    // The scanner set is empty when inspection is switched off; the constructor is the same, and `Off` goes to the record.
    let scanners = snapshot.scanners.ready()?;
    let mut hits = inspect::inspect_document(scanners, document);
    seams::across(scanners, document, &understood.joined, &mut hits);
    let mut findings = inspect::findings(document, &hits, Side::Request);
    findings.extend(understood.uninspected.iter().map(|(pointer, part)| Finding {
        kind: FindingKind::made(format!("uninspected:{part}")),
        group: FindingGroup::Uninspected,
        side: Side::Request,
        place: pointer.clone(),
        span: Span { start: 0, end: 0 },
    }));
    let (label, ledger_version) = world.effective(&identified.credential().ledger);
    Ok(Inspected { document, understood, aim, hits, findings, label, ledger_version, named })
}
