//! Shadow policies at work: what a case expects of them, and `policy diff --enforce-shadow`: what enforcing them would change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use model::{PolicyRef, ReasonCode, ShadowAnswer, UnixMillis, Verdict};
use serde_json::{Value, json};

use super::diff::{Compared, each_decision, is_same};
use super::{Ready, word};
use crate::cli::Cli;
use crate::commands::Exit;
use crate::output;

/// What a case expects of shadow policies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// They would change nothing.
    Same,
    /// The answer would be another.
    Other {
        verdict: Verdict,
        reason: Option<ReasonCode>,
        /// Ids, each of which is behind it.
        because: Vec<String>,
    },
}

/// Reads the column `shadow`: nothing, `same`, or a verdict, perhaps a reason code, and ids of shadow policies.
pub(super) fn expected(text: &str) -> Result<Option<Expected>, String> {
    let mut words = text.split([',', ' ']).map(|word| word.trim_matches('`')).filter(|word| !word.is_empty());
    let verdict = match words.next() {
        None => return Ok(None),
        Some("same") => {
            return words.next().map_or(Ok(Some(Expected::Same)), |more| Err(format!("`{more}`: `same` stands alone")));
        }
        Some("permit") => Verdict::Permit,
        Some("challenge") => Verdict::Challenge,
        Some("deny") => Verdict::Deny,
        Some(other) => return Err(format!("`{other}`: expected same, permit, challenge or deny first in `shadow`")),
    };
    let (mut reason, mut because) = (None, Vec::new());
    for word in words {
        match word.parse() {
            Ok(code) => reason = Some(code),
            Err(_) => because.push(word.to_owned()),
        }
    }
    Ok(Some(Expected::Other { verdict, reason, because }))
}

/// What is not as expected, in one line.
pub(super) fn difference(expected: &Expected, found: Option<&ShadowAnswer>) -> Option<String> {
    let found = found.filter(|found| found.differs);
    let told = found.map_or_else(|| "they change nothing".to_owned(), ToString::to_string);
    match (expected, found) {
        (Expected::Same, None) => None,
        (Expected::Same, Some(_)) => Some(format!("expected nothing else of shadow policies; it {told}")),
        (Expected::Other { verdict, reason, because }, found) => {
            let is_as_said = found.is_some_and(|found| {
                let has = |id: &String| found.policies.iter().any(|policy| policy.id == *id);
                found.verdict == *verdict && reason.is_none_or(|reason| reason == found.reason) && because.iter().all(has)
            });
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            let because = if because.is_empty() { String::new() } else { format!(" by {}", because.join(", ")) };
            (!is_as_said).then(|| format!("with shadow policies expected {}{reason}{because}; {told}", word(*verdict)))
        }
    }
}

/// Decides every recorded call again, as the policies on disk are and with shadow policies enforced: each alone, and all
/// together; or only the one named `id`.
pub(super) fn rehearse(cli: &Cli, data: &Path, ready: &Ready, id: &str, since: UnixMillis) -> anyhow::Result<Exit> {
    let all = ready.policies.shadow_policies();
    let chosen: Vec<&PolicyRef> = all.iter().filter(|policy| id.is_empty() || policy.id == id).collect();
    if chosen.is_empty() {
        let known: Vec<String> = all.iter().map(ToString::to_string).collect();
        let known = if known.is_empty() { "there is none".to_owned() } else { format!("they are {}", known.join(", ")) };
        output::note(&format!("no such shadow policy (`@mode(\"shadow\")`) in `{}`: {known}", ready.folder.display()));
        return Ok(Exit::Invalid);
    }
    let mut alone: BTreeMap<&str, Compared> = chosen.iter().map(|policy| (policy.id.as_str(), Compared::default())).collect();
    let mut together = Compared::default();
    let ids: BTreeSet<String> = chosen.iter().map(|policy| policy.id.clone()).collect();
    let n_left_out = each_decision(data, since, |request, content, is_list| {
        // What could be allowed at all is no decision on a call.
        if is_list {
            return;
        }
        together.n_decisions = together.n_decisions.saturating_add(1);
        let before = ready.policies.decide(&content.input);
        // Where no shadow policy concerns the call none of them changes anything.
        if ready.policies.shadow(&content.input, &before).is_none() {
            return;
        }
        let compare = |ids: &BTreeSet<String>, compared: &mut Compared| {
            let after = ready.policies.decide_enforcing(&content.input, ids);
            if !is_same(&before, &after) {
                compared.add(&content.input, &before, &after, request);
            }
        };
        for (id, compared) in &mut alone {
            compare(&BTreeSet::from([(*id).to_owned()]), compared);
        }
        compare(&ids, &mut together);
    })?;
    together.n_left_out = n_left_out;
    show(cli, &chosen, &alone, &together);
    let is_same = together.n_changed() == 0 && alone.values().all(|compared| compared.n_changed() == 0);
    Ok(if is_same { Exit::Ok } else { Exit::Failure })
}

fn show(cli: &Cli, chosen: &[&PolicyRef], alone: &BTreeMap<&str, Compared>, together: &Compared) {
    let of = |policy: &PolicyRef| alone.get(policy.id.as_str());
    if cli.json {
        let row = |policy: &&PolicyRef| {
            let compared = of(policy)?;
            Some(json!({"policy": policy, "differ": compared.n_changed(), "changes": compared.rows()}))
        };
        let rows: Vec<Value> = chosen.iter().filter_map(row).collect();
        output::line(
            &json!({
                "decisions": together.n_decisions, "left_out": together.n_left_out, "policies": rows,
                "together": {"differ": together.n_changed(), "changes": together.rows()},
            })
            .to_string(),
        );
        return;
    }
    for policy in chosen {
        let Some(compared) = of(policy) else { continue };
        output::line(&format!("{policy}: {} of {} decisions would be others", compared.n_changed(), together.n_decisions));
        compared.lines().iter().for_each(|line| output::line(line));
    }
    if chosen.len() > 1 {
        output::line(&format!("all of them together: {} of {}", together.n_changed(), together.n_decisions));
    }
    if together.n_left_out > 0 {
        output::line(&format!("{} cannot be decided again", together.n_left_out));
    }
}

#[cfg(test)]
mod tests {
    use model::{PolicyRef, ReasonCode, ShadowAnswer, Verdict};

    use super::{difference, expected};

    #[test]
    fn what_a_case_expects() {
        let policies = vec![PolicyRef { id: "no-nights".to_owned(), file: "p.cedar".to_owned(), line: 1 }];
        let shadow = ShadowAnswer {
            verdict: Verdict::Deny,
            reason: ReasonCode::PolicyForbidden,
            policies,
            errors: Vec::new(),
            differs: true,
        };
        let same = ShadowAnswer { differs: false, ..shadow.clone() };
        let facts = [
            ("same", None, true),
            ("same", Some(&same), true),
            ("same", Some(&shadow), false),
            ("deny", Some(&shadow), true),
            ("`deny policy-forbidden no-nights`", Some(&shadow), true),
            ("deny, no-nights", Some(&shadow), true),
            ("deny policy-error", Some(&shadow), false),
            ("deny others", Some(&shadow), false),
            ("permit", Some(&shadow), false),
            ("deny", Some(&same), false),
            ("deny", None, false),
        ];
        for (text, found, holds) in facts {
            let wanted = expected(text).unwrap().unwrap();
            assert_eq!(difference(&wanted, found).is_none(), holds, "{text} {found:?}");
        }
        assert_eq!(expected(" "), Ok(None));
        for text in ["allow", "same deny"] {
            assert!(expected(text).is_err(), "{text}");
        }
    }
}
