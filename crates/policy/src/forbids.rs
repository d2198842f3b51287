//! Which forbids a bundle has, and which another one lacks: what loosens is to be meant.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicyId};
use model::{Bundle, PolicyRef};
use serde_json::Value;

use crate::annotation::is_shadow;
use crate::statement::split;

/// The forbids of `before` that do not stand in `after` as they were: removed, made shadow policies, or with another scope,
/// condition or challenge. A forbid that only moved, or has another id or description, is the same.
#[must_use]
pub fn lost_forbids(before: &Bundle, after: &Bundle) -> Vec<PolicyRef> {
    if before.policies == after.policies {
        return Vec::new();
    }
    let kept: BTreeSet<String> = forbids(after).into_keys().collect();
    let mut lost: Vec<PolicyRef> =
        forbids(before).into_iter().filter(|(form, _)| !kept.contains(form)).map(|(_, place)| place).collect();
    lost.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
    lost
}

/// Every forbid that is enforced, by what it says. What cannot be parsed is left out: no such bundle is ever in force.
fn forbids(bundle: &Bundle) -> BTreeMap<String, PolicyRef> {
    let mut forbids = BTreeMap::new();
    for (file, text) in &bundle.policies {
        for (number, statement) in (1_usize..).zip(split(text)) {
            // Asked before the bundle is compiled: the parser would end the process on what the compiler refuses.
            if statement.excess().is_some() {
                continue;
            }
            let Ok(policy) = Policy::parse(Some(PolicyId::new("")), statement.text) else { continue };
            let Some(form) = form(&policy).filter(|_| policy.effect() == Effect::Forbid && !is_shadow(&policy)) else { continue };
            let id = policy.annotation("id").map_or_else(|| format!("{file}#{number}"), ToOwned::to_owned);
            forbids.entry(form).or_insert_with(|| PolicyRef { id, file: file.clone(), line: statement.line });
        }
    }
    forbids
}

/// Scope, conditions and challenge, in one form.
fn form(policy: &Policy) -> Option<String> {
    let mut tree = policy.to_json().ok()?;
    let fields = tree.as_object_mut()?;
    let challenge = fields.remove("annotations").and_then(|annotations| annotations.get("challenge").cloned());
    fields.insert("challenge".to_owned(), challenge.unwrap_or(Value::Null));
    serde_json::to_string(&tree).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{Bundle, Registry, RuleFiles};

    use super::lost_forbids;

    fn bundle(text: &str) -> Bundle {
        let policies = BTreeMap::from([("policies/a.cedar".to_owned(), text.to_owned())]);
        Bundle { format: 1, registry: Registry::default(), policies, rules: RuleFiles::default() }
    }

    #[test]
    fn a_shadow_forbid_is_none() {
        let shadow = "@mode(\"shadow\") forbid (principal, action, resource);";
        assert!(lost_forbids(&bundle(shadow), &bundle("")).is_empty());
    }

    #[test]
    fn what_forbids_less_is_named() {
        let first = "@id(\"one\") forbid (principal, action, resource) when { context.request.stream };\npermit (principal, action, resource);";
        let facts = [
            (first, ""),
            ("@id(\"other\") @description(\"x\") forbid(principal,action,resource)\nwhen { context.request.stream };", ""),
            ("permit (principal, action, resource);", "one"),
            ("@id(\"one\") @mode(\"shadow\") forbid (principal, action, resource) when { context.request.stream };", "one"),
            ("@id(\"one\") @mode(\"enforce\") forbid (principal, action, resource) when { context.request.stream };", ""),
            ("@id(\"one\") permit (principal, action, resource) when { context.request.stream };", "one"),
            ("@id(\"one\") forbid (principal, action, resource) when { context.request.stream && false };", "one"),
            (
                "@id(\"one\") @challenge(\"approval\") forbid (principal, action, resource) when { context.request.stream };",
                "one",
            ),
            (
                "@id(\"one\") forbid (principal, action, resource == Portcullis::Model::\"m\") when { context.request.stream };",
                "one",
            ),
        ];
        for (second, expected) in facts {
            let lost: Vec<String> = lost_forbids(&bundle(first), &bundle(second)).into_iter().map(|place| place.id).collect();
            assert_eq!(lost.join(","), expected, "{second}");
        }
    }
}
