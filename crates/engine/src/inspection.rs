//! Stage 3, inspect: what is in the request? Stage 4, label: what does the task carry already?
//!
//! Inspection stands before the decision, because policies read what was found; redaction is planned here and performed
//! by `decide`, once the duties are known.

use std::collections::BTreeMap;
use std::ops::Range;

use inspect::LeafHits;
use model::{Finding, FindingCount, FindingGroup, FindingKind, Label, ModelName, ReasonCode, Refusal, Side, Span};
use text::Document;

use crate::admit::Identified;
use crate::ports::{Understood, World};
use crate::snapshot::Snapshot;

/// Proof: every string, key and number of this very document went through the scanners in force, or an operator has
/// switched inspection off and the proof says so.
#[derive(Debug)]
#[must_use = "an inspection that is dropped was made for nothing"]
pub struct Inspected<'d> {
    document: &'d Document<'d>,
    understood: Understood,
    model: ModelName,
    hits: Vec<LeafHits>,
    findings: Vec<Finding>,
    label: Label,
    ledger_version: u64,
    names: Vec<(Range<usize>, String)>,
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

    /// The alias that is asked for.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
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

    /// Where the request names what the provider keeps, and how the provider calls it.
    pub(crate) fn names(&self) -> &[(Range<usize>, String)] {
        &self.names
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
///
/// # Errors
/// The request names something that a provider keeps, and not for this task.
pub(crate) fn inspect<'d, W: World>(
    world: &W,
    snapshot: &Snapshot,
    identified: &Identified,
    document: &'d Document<'d>,
    understood: Understood,
    model: ModelName,
) -> Result<Inspected<'d>, Refusal> {
    let names = names(&world.handles(), identified, document, &understood)?;
    // The scanner set is empty when inspection is switched off; the constructor is the same, and `Off` goes to the record.
    let hits = inspect::inspect_document(snapshot.scanners.ready()?, document);
    let mut findings = inspect::findings(document, &hits, Side::Request);
    findings.extend(understood.uninspected.iter().map(|(pointer, part)| Finding {
        kind: FindingKind::made(format!("uninspected:{part}")),
        group: FindingGroup::Uninspected,
        side: Side::Request,
        place: pointer.clone(),
        span: Span { start: 0, end: 0 },
    }));
    let (label, ledger_version) = world.effective(&identified.credential().ledger);
    Ok(Inspected { document, understood, model, hits, findings, label, ledger_version, names })
}

/// What the request names is the caller's own, or it is refused: to the provider everybody behind the gate is one.
fn names(
    handles: &identity::Handles,
    identified: &Identified,
    document: &Document<'_>,
    understood: &Understood,
) -> Result<Vec<(Range<usize>, String)>, Refusal> {
    let named = understood.handles.iter().map(|node| {
        let sealed = document.text(*node).unwrap_or_default();
        let name = handles.open(identified.credential().ledger.as_str(), &sealed);
        let foreign = || Refusal::because(ReasonCode::StatefulIdRefused, document.pointer(*node));
        Ok((document.span(*node), name.ok_or_else(foreign)?.to_owned()))
    });
    named.collect()
}
