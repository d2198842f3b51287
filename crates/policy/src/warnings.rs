//! What is no mistake for certain, and mostly is one: policies that name what nobody declared, tools that policies cannot see
//! into.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;

use crate::decide::PolicySnapshot;
use crate::problem::{PolicyProblem, nearest};

/// Most warnings that are told.
const MOST: usize = 200;

impl PolicySnapshot {
    /// Names in policies that are none of the declared ones, with the place of the policy and the nearest name; then what was found in the
    /// definitions of tools. A forbid for a group that nobody is in forbids nothing. At most 200.
    ///
    /// Users and services are not told: issuers vouch for some that nobody declares.
    #[must_use]
    pub fn warnings(&self) -> Vec<PolicyProblem> {
        let mut warnings = Vec::new();
        for policy in self.all_policies() {
            let Some(meaning) = self.meanings.get(policy.id()) else { continue };
            let named: BTreeSet<EntityUid> = policy.entity_literals().into_iter().collect();
            for uid in named {
                let Some((known, kind)) = self.names_beside(&uid) else { continue };
                let id = uid.id().unescaped();
                if known.contains(&id) {
                    continue;
                }
                let message =
                    format!("policy `{}` names {kind} `{}`, which nobody declares", meaning.place.id, id.escape_debug());
                let help = nearest(id, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let (file, line) = (meaning.place.file.clone(), meaning.place.line);
                warnings.push(PolicyProblem { file, line, column: 1, message, help });
            }
        }
        warnings.sort();
        let tools = self.tool_reports().iter().map(|report| PolicyProblem {
            file: "portcullis.yaml".to_owned(),
            line: 1,
            column: 1,
            message: report.to_string(),
            help: None,
        });
        warnings.extend(tools);
        warnings.truncate(MOST);
        warnings
    }

    /// The declared names of the kind of `uid`, and that kind in words; `None` where a name need not be declared.
    fn names_beside(&self, uid: &EntityUid) -> Option<(BTreeSet<&str>, &'static str)> {
        let registry = &self.registry;
        fn names<V>(map: &std::collections::BTreeMap<model::Name, V>) -> BTreeSet<&str> {
            map.keys().map(model::Name::as_str).collect()
        }
        Some(match uid.type_name().to_string().strip_prefix("Portcullis::")? {
            "Group" => (names(&registry.groups), "group"),
            "Agent" => {
                let mut agents = names(&registry.agents);
                agents.extend(registry.remote_agents.keys().map(model::Name::as_str));
                (agents, "agent")
            }
            "Model" => (names(&registry.models), "model"),
            "ModelGroup" => (names(&registry.model_groups), "model group"),
            "Segment" => (names(&registry.segments), "segment"),
            "ToolServer" => (names(&registry.tool_servers), "tool server"),
            _ => return None,
        })
    }
}
