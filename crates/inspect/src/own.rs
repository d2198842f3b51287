//! Operators' own rules beside the gate's scanners.

use model::FindingGroup;
use rulefile::{Kind, Loaded, Problem};

use crate::scan::Scanners;

/// Reads operators' rule files, as [`rulefile::load`] does, beside the kinds of the gate's own scanners: a rule of the same name is
/// taken for the same if it is a secret's, and refused if it is not.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn load_rules(files: &[String], read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Loaded, Vec<Problem>> {
    let kinds = Scanners::kinds();
    let own: Vec<Kind<'_>> =
        kinds.iter().map(|(kind, group)| Kind { name: kind.as_str(), is_secret: *group == FindingGroup::Secret }).collect();
    rulefile::load(files, read, &own)
}
