//! Operators' own rules, compiled beside the start: the gate listens, says that it is not ready, and refuses calls until they are
//! in force. What operators apply later is compiled before it replaces anything.

use std::sync::Arc;

use engine::{Scanning, Snapshot};
use rulefile::Rule;

use crate::bring::{self, Problems};
use crate::gate::{Gate, InForce};

/// Compiles the rules of what is in force, and brings them in force too.
pub(crate) fn activate(gate: &Gate, rules: &[Rule]) -> Result<(), Problems> {
    let waiting = gate.in_force.load_full();
    let scanners = bring::scanners(&waiting.config.settings, rules)?;
    let snapshot = Snapshot { scanners: Scanning::Ready(Arc::new(scanners)), ..(*waiting.snapshot).clone() };
    let active = InForce { snapshot: Arc::new(snapshot), config: waiting.config.clone() };
    // What operators have applied meanwhile has brought its own.
    gate.in_force.compare_and_swap(&waiting, Arc::new(active));
    Ok(())
}
