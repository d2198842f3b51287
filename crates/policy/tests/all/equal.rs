//! Our answer against Cedar's own: no index, entities and context from JSON, everything validated against the schema.
//!
//! The oracle shares no line with the crate: it maps registry and facts by itself, scans the whole set, takes the satisfied
//! challengeable forbids out one by one, and restates the rules that stand in front of the policies.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, Policy, PolicyId, PolicySet, Request, Schema};
use model::{
    Answer, Ask, Bundle, Challenge, DecisionInput, FindingGroup, Integrity, Level, LinkAnswer, PrincipalId, PrincipalKind,
    ReasonCode, Registry, Resource, UserText, Verdict,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::random::{self, INSTANTS, Reads};
use crate::wide;
use crate::world::compiled;

struct Oracle {
    schema: Schema,
    entities: Entities,
    policies: Vec<Policy>,
}

/// What Cedar says for one link: verdict, reason, ids of the determining policies, errors, duties as written.
#[derive(Debug, PartialEq)]
struct Said {
    verdict: Verdict,
    reason: ReasonCode,
    policies: BTreeSet<String>,
    errors: BTreeSet<String>,
    duties: BTreeSet<String>,
    challenges: BTreeSet<String>,
}

fn level(level: Level) -> i64 {
    [Level::Public, Level::Internal, Level::Confidential, Level::Restricted].iter().position(|each| *each == level).unwrap()
        as i64
}

fn entities(registry: &Registry, schema: &Schema, more: Vec<Value>) -> Entities {
    let entity = |kind: &str, id: &str, parents: &str, groups: &BTreeSet<model::Name>, attrs: Value| {
        let parents: Vec<Value> =
            groups.iter().map(|group| json!({"type": format!("Portcullis::{parents}"), "id": group})).collect();
        json!({"uid": {"type": format!("Portcullis::{kind}"), "id": id}, "attrs": attrs, "parents": parents})
    };
    let mut all = more;
    all.extend(registry.groups.iter().map(|(id, group)| entity("Group", id.as_str(), "Group", &group.groups, json!({}))));
    all.extend(
        registry.model_groups.iter().map(|(id, group)| entity("ModelGroup", id.as_str(), "ModelGroup", &group.groups, json!({}))),
    );
    all.extend(registry.users.iter().map(|(id, user)| entity("User", id.as_str(), "Group", &user.groups, json!({}))));
    all.extend(registry.services.iter().map(|(id, service)| entity("Service", id.as_str(), "Group", &service.groups, json!({}))));
    all.extend(registry.agents.iter().map(|(id, agent)| {
        let user_text = if agent.user_text == UserText::Mixed { "mixed" } else { "verbatim" };
        entity("Agent", id.as_str(), "Group", &agent.groups, json!({"autonomous": agent.autonomous, "userText": user_text}))
    }));
    all.extend(registry.models.iter().map(|(id, model)| {
        entity(
            "Model",
            id.as_str(),
            "ModelGroup",
            &model.groups,
            json!({"dialects": model.dialects, "clearance": level(model.clearance)}),
        )
    }));
    Entities::from_json_value(Value::Array(all), Some(schema)).unwrap()
}

fn context(input: &DecisionInput) -> Value {
    let facts = &input.facts;
    let links = input.chain.links();
    let starts_with = links[0].kind;
    let has_agent = links.iter().any(|link| link.kind == PrincipalKind::Agent);
    let kind = if starts_with == PrincipalKind::Agent {
        "autonomous"
    } else if links.len() > 1 {
        "delegated"
    } else {
        "direct"
    };
    let missing: Vec<&str> = if has_agent && starts_with != PrincipalKind::User { vec!["user"] } else { vec![] };
    let integrity = [Integrity::Untrusted, Integrity::Identifier, Integrity::Trusted, Integrity::User]
        .iter()
        .position(|each| *each == facts.label.integrity);
    let groups: BTreeSet<FindingGroup> = facts.findings.values().map(|count| count.group).collect();
    let now = INSTANTS.iter().find(|(millis, _)| *millis == facts.now.0).unwrap().1;
    let mut task = json!({"id": "", "purpose": "", "grant": [], "mayAct": facts.mandate.may_act});
    if let Some(budget) = facts.around.budget {
        let all = [
            ("requests", budget.requests),
            ("inputTokens", budget.input),
            ("outputTokens", budget.output),
            ("tokens", budget.tokens),
            ("micros", budget.micros),
        ];
        let known = all.into_iter().filter_map(|(name, part)| Some((name, part?)));
        task["budget"] = known.map(|(name, part)| (name.to_owned(), json!({"most": part.most, "left": part.left}))).collect();
    }
    json!({
        "credential": {"id": facts.credential, "ageSeconds": i64::try_from(facts.credential_age).unwrap_or(i64::MAX)},
        "chain": {"kind": kind, "depth": links.len(), "missing": missing},
        "request": {"dialect": facts.dialect.map_or(json!(""), |dialect| json!(dialect)), "stream": facts.stream},
        "content": {"kinds": facts.findings.keys().collect::<Vec<_>>(), "groups": groups},
        "flow": {"level": level(facts.label.level), "compartments": facts.label.compartments, "integrity": integrity, "version": facts.ledger_version, "tainted": facts.label.integrity < Integrity::Trusted, "untrusted": []},
        "answered": {
            "approval": facts.answered.contains(&Challenge::Approval),
            "stepUp": facts.answered.contains(&Challenge::StepUp),
            "posture": facts.answered.contains(&Challenge::Posture),
        },
        "task": task,
        "auth": {"acr": "", "amr": [], "ageSeconds": i64::MAX},
        "device": {"id": "", "managed": false, "facts": [], "ageSeconds": i64::MAX},
        "risk": {"user": 100, "agent": 100, "task": 100},
        "network": {"peer": "", "segment": ""},
        "usage": {"calls": i64::MAX, "tokens": i64::MAX, "micros": i64::MAX},
        "now": {"__extn": {"fn": "datetime", "arg": now}},
    })
}

impl Oracle {
    fn new(bundle: &Bundle) -> Self {
        let is_wide = !bundle.registry.tool_servers.is_empty();
        let text = if is_wide { wide::schema() } else { policy::SCHEMA.to_owned() };
        let schema = Schema::from_cedarschema_str(&text).unwrap().0;
        let baseline = include_str!("../../src/baseline.cedar");
        let baseline: PolicySet = baseline.parse().unwrap();
        let named = |policy: &Policy| policy.new_id(PolicyId::new(policy.annotation("id").unwrap()));
        let mut policies: Vec<Policy> = baseline.policies().map(named).collect();
        // One policy a line, each with its id first; the generator writes them so.
        for line in bundle.policies.values().flat_map(|text| text.lines()) {
            let id = line.split('"').nth(1).unwrap();
            policies.push(Policy::parse(Some(PolicyId::new(id)), line).unwrap());
        }
        Self { entities: entities(&bundle.registry, &schema, Vec::new()), schema, policies }
    }

    /// The same with the tools and records of `wide`, and the guest of a call.
    fn with(self, bundle: &Bundle, input: &DecisionInput) -> Self {
        Self { entities: entities(&bundle.registry, &self.schema, wide::entities(input)), ..self }
    }

    fn says(&self, input: &DecisionInput, principal: &PrincipalId, ask: &Ask) -> Said {
        let kind = match principal.kind {
            PrincipalKind::User => "User",
            PrincipalKind::Agent => "Agent",
            PrincipalKind::Service => "Service",
            PrincipalKind::Operator => "Operator",
            PrincipalKind::Pep => "Pep",
        };
        let uid = |kind: &str, id: &str| -> EntityUid {
            EntityUid::from_json(json!({"type": format!("Portcullis::{kind}"), "id": id})).unwrap()
        };
        let of = |kind: String, id: &str| -> EntityUid { EntityUid::from_json(json!({"type": kind, "id": id})).unwrap() };
        let (principal, action) = (
            uid(kind, principal.name.as_str()),
            match &ask.resource {
                Resource::Tool(tool) => of("github::Action".to_owned(), tool.strip_prefix("github/").unwrap()),
                Resource::Foreign(foreign) => of("Access::Action".to_owned(), &foreign.action),
                _ => uid("Action", ask.action.as_str()),
            },
        );
        let resource = match &ask.resource {
            Resource::Model(id) => uid("Model", id.as_str()),
            Resource::HostedTool(id) => uid("HostedTool", id),
            Resource::Destination(id) => uid("Destination", id),
            Resource::Beta(id) => uid("Beta", id),
            Resource::Agent(id) => uid("Agent", id.as_str()),
            Resource::Gate => uid("Gate", "gate"),
            Resource::Tool(id) => uid("Tool", id),
            Resource::Foreign(foreign) => of(format!("Access::{}", foreign.kind), &foreign.id),
            other => panic!("{other:?} is not generated"),
        };
        // Validated: this is where it shows whether what we build conforms.
        let mut facts = context(input);
        for (name, value) in wide::beside(input, ask) {
            facts[name] = value;
        }
        let context = Context::from_json_value(facts, Some((&self.schema, &action))).unwrap();
        let request = Request::new(principal, action, resource, context, Some(&self.schema)).unwrap();
        let ask = |without: &BTreeSet<String>| {
            let kept = self.policies.iter().filter(|policy| !without.contains(&policy.id().to_string()));
            Authorizer::new().is_authorized(&request, &PolicySet::from_policies(kept.cloned()).unwrap(), &self.entities)
        };
        let response = ask(&BTreeSet::new());
        let ids = |response: &cedar_policy::Response| -> BTreeSet<String> {
            response.diagnostics().reason().map(ToString::to_string).collect()
        };
        let annotated = |ids: &BTreeSet<String>, name: &str| -> BTreeSet<String> {
            let values = self
                .policies
                .iter()
                .filter(|policy| ids.contains(&policy.id().to_string()))
                .filter_map(|policy| policy.annotation(name));
            values.flat_map(|value| value.split(',').map(|each| each.trim().to_owned())).collect()
        };
        let errors: BTreeSet<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        let policies = ids(&response);
        let mut said = Said {
            verdict: Verdict::Deny,
            reason: ReasonCode::PolicyError,
            policies,
            errors,
            duties: BTreeSet::new(),
            challenges: BTreeSet::new(),
        };
        if !said.errors.is_empty() {
            return said;
        }
        if response.decision() == Decision::Allow {
            said.duties = annotated(&said.policies, "obligation");
            return Said { verdict: Verdict::Permit, reason: ReasonCode::Permitted, ..said };
        }
        said.reason = if said.policies.is_empty() { ReasonCode::PolicyDenied } else { ReasonCode::PolicyForbidden };
        let is_challengeable = |id: &String| {
            self.policies.iter().any(|policy| policy.id().to_string() == *id && policy.annotation("challenge").is_some())
        };
        let removed: BTreeSet<String> = said.policies.iter().filter(|id| is_challengeable(id)).cloned().collect();
        let behind = ask(&removed);
        if !removed.is_empty() && behind.decision() == Decision::Allow {
            said.challenges = annotated(&removed, "challenge");
            said.duties = annotated(&ids(&behind), "obligation");
            let approval = said.challenges.contains("approval");
            said.reason = if approval { ReasonCode::ApprovalRequired } else { ReasonCode::StepUpRequired };
            said.verdict = Verdict::Challenge;
        }
        said
    }
}

fn ours(link: &LinkAnswer) -> Said {
    Said {
        verdict: link.verdict,
        reason: link.reason,
        policies: link.policies.iter().map(|policy| policy.id.clone()).collect(),
        errors: link.errors.iter().cloned().collect(),
        duties: link.duties.iter().map(ToString::to_string).collect(),
        challenges: link.challenges.iter().map(|challenge| challenge.as_str().to_owned()).collect(),
    }
}

/// What the rules in front of and behind the policies say; `None` if they say nothing.
fn by_rule(registry: &Registry, input: &DecisionInput, principal: &PrincipalId, ask: &Ask, said: &Said) -> Option<ReasonCode> {
    let agent = registry.agents.get(&principal.name);
    let is_known = match principal.kind {
        PrincipalKind::User => registry.users.contains_key(&principal.name),
        PrincipalKind::Service => registry.services.contains_key(&principal.name),
        PrincipalKind::Agent => agent.is_some(),
        PrincipalKind::Operator | PrincipalKind::Pep => false,
    };
    let is_guest = input.facts.mandate.federated.as_ref().is_some_and(|guest| guest.principal == *principal);
    if !is_known && !is_guest {
        return Some(ReasonCode::PrincipalUnknown);
    }
    if let Resource::Model(model) = &ask.resource
        && !registry.models.contains_key(model)
    {
        return Some(ReasonCode::ModelNotFound);
    }
    if matches!(&ask.resource, Resource::Foreign(foreign) if foreign.id == "ghost") {
        return Some(ReasonCode::QuestionUnknown);
    }
    // The only place of the cases that is not written in its one form; none is declared.
    if matches!(&ask.resource, Resource::Destination(id) if id == "\" || true") {
        return Some(ReasonCode::PlaceUndeclared);
    }
    let has_user = input.chain.links().iter().any(|link| link.kind == PrincipalKind::User);
    if principal.kind == PrincipalKind::Agent && !has_user && !agent.unwrap().autonomous.contains(&ask.action) {
        return Some(ReasonCode::AgentWithoutUser);
    }
    if matches!(&ask.resource, Resource::Tool(tool) if tool == "github/old_search") {
        return Some(ReasonCode::PolicyError);
    }
    let has_image = input.facts.findings.contains_key("uninspected:image");
    let is_named = said.duties.contains("request:allow:uninspected:image");
    (has_image && !is_named && input.facts.label.level > Level::Internal && said.verdict != Verdict::Deny)
        .then_some(ReasonCode::UninspectedDenied)
}

/// Holds every link of an answer against the oracle and the rules.
fn check(oracle: &Oracle, bundle: &Bundle, input: &DecisionInput, answer: &Answer) -> Result<(), TestCaseError> {
    let mut links = answer.links.iter();
    for ask in &input.asks {
        for principal in input.chain.links() {
            let link = links.next().unwrap();
            prop_assert_eq!((&link.principal, link.action, &link.resource), (principal, ask.action, &ask.resource));
            let said = oracle.says(input, principal, ask);
            match by_rule(&bundle.registry, input, principal, ask, &said) {
                Some(reason) => prop_assert_eq!((link.verdict, link.reason), (Verdict::Deny, reason)),
                None => prop_assert_eq!(ours(link), said),
            }
        }
    }
    // The enforcement point may ask about everything.
    for _ in input.facts.mandate.asked_by.iter().flat_map(|_| &input.asks) {
        let link = links.next().unwrap();
        prop_assert_eq!((link.principal.kind, link.verdict), (PrincipalKind::Pep, Verdict::Permit));
    }
    prop_assert_eq!(links.next(), None);
    let strictest = answer.links.iter().map(|link| link.verdict).max();
    prop_assert_eq!(Some(answer.verdict), strictest);
    Ok(())
}

proptest! {
    #![proptest_config(random::config(250))]

    #[test]
    fn the_answer_is_cedars_own(bundle in random::bundle(Reads::Anything, 30), inputs in proptest::collection::vec(random::input(), 12)) {
        let snapshot = compiled(&bundle);
        let oracle = Oracle::new(&bundle);
        for input in &inputs {
            let answer = snapshot.decide(input);
            prop_assert_eq!(&answer, &snapshot.decide(input), "the second answer comes from kept sets");
            check(&oracle, &bundle, input, &answer)?;
        }
    }
}

proptest! {
    #![proptest_config(random::config(60))]

    /// The same of tools with typed arguments, of questions about declared resources, and with guests.
    #[test]
    fn the_answer_is_cedars_own_for_tools_questions_and_guests(bundle in wide::bundle(), inputs in proptest::collection::vec(wide::input(), 12)) {
        let snapshot = compiled(&bundle);
        let mut oracle = Oracle::new(&bundle);
        for input in &inputs {
            oracle = oracle.with(&bundle, input);
            let answer = snapshot.decide(input);
            prop_assert_eq!(&answer, &snapshot.decide(input), "the second answer comes from kept sets");
            check(&oracle, &bundle, input, &answer)?;
        }
    }
}

/// What that one reaches: each reason with tools, with questions and with guests.
#[test]
fn the_wide_cases_reach_every_reason() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let mut reached: [BTreeSet<ReasonCode>; 3] = Default::default();
    for _ in 0..60 {
        let bundle = wide::bundle().new_tree(&mut runner).unwrap().current();
        let snapshot = compiled(&bundle);
        for _ in 0..12 {
            let input = wide::input().new_tree(&mut runner).unwrap().current();
            let reasons: Vec<ReasonCode> = snapshot.decide(&input).links.iter().map(|link| link.reason).collect();
            let is_tool = input.facts.arguments.is_some();
            reached[usize::from(!is_tool)].extend(reasons.iter().copied());
            if input.facts.mandate.federated.is_some() {
                reached[2].extend(reasons);
            }
        }
    }
    let everywhere = [
        ReasonCode::Permitted,
        ReasonCode::PolicyDenied,
        ReasonCode::PolicyForbidden,
        ReasonCode::PolicyError,
        ReasonCode::ApprovalRequired,
        ReasonCode::StepUpRequired,
    ];
    for reached in &reached {
        assert!(everywhere.iter().all(|reason| reached.contains(reason)), "{reached:?}");
    }
    for reason in [ReasonCode::QuestionUnknown, ReasonCode::UninspectedDenied, ReasonCode::AgentWithoutUser] {
        assert!(reached[1].contains(&reason), "{reason}: {reached:?}");
    }
}

/// The property above is worth what its cases reach.
#[test]
fn the_cases_reach_every_reason() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(random::config(1));
    let mut reached = BTreeSet::new();
    for _ in 0..150 {
        let bundle = random::bundle(Reads::Anything, 30).new_tree(&mut runner).unwrap().current();
        let snapshot = compiled(&bundle);
        for _ in 0..12 {
            let input = random::input().new_tree(&mut runner).unwrap().current();
            reached.extend(snapshot.decide(&input).links.iter().map(|link| link.reason));
        }
    }
    let expected = [
        ReasonCode::Permitted,
        ReasonCode::PrincipalUnknown,
        ReasonCode::ModelNotFound,
        ReasonCode::PlaceUndeclared,
        ReasonCode::PolicyDenied,
        ReasonCode::PolicyForbidden,
        ReasonCode::PolicyError,
        ReasonCode::AgentWithoutUser,
        ReasonCode::ApprovalRequired,
        ReasonCode::StepUpRequired,
        ReasonCode::UninspectedDenied,
    ];
    assert_eq!(reached, BTreeSet::from(expected));
}
