//! What is enforced elsewhere: operators' words, who may ask, and what may be said.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Access, Action, Ask, Asked, Bundle, Claims, DecisionInput, Foreign, Point, PrincipalKind, Reach, ReasonCode, Resource,
    ResourceKind, Shape, Value, Verb, Verdict,
};

use crate::world::{bundle, chain, compiled, input, name, targets};

const POLICIES: &str = r#"
@id("read") permit (principal, action == Access::Action::"read", resource is Access::record);
@id("write-own") permit (principal, action == Access::Action::"write", resource is Access::record)
    when { resource has owner && resource.owner == principal };
@id("write-admin") permit (principal is Portcullis::User, action == Access::Action::"write", resource)
    when { context.pep.subject has role && context.pep.subject.role == "admin" };
@id("archived") forbid (principal, action == Access::Action::"write", resource)
    when { context.pep.resource has status && context.pep.resource.status == "archived" && context.flow.level == 0 };
@id("mail") permit (principal is Portcullis::User, action == Access::Action::"delete", resource)
    when { principal.hasTag("email") && principal.getTag("email") == "ada@example.com" };
@id("model") permit (principal, action == Portcullis::Action::"callModel", resource);
"#;

fn reach(names: &[&str]) -> Reach {
    Reach::new(names.iter().map(|name| (*name).to_owned())).unwrap()
}

fn access() -> Access {
    let text = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Shape::Text)).collect::<BTreeMap<_, _>>();
    let verb = || Verb { resources: BTreeSet::from(["record".to_owned()]), properties: BTreeMap::new() };
    let owner = BTreeMap::from([("owner".to_owned(), Value::Party("user:eve".parse().unwrap()))]);
    let record = ResourceKind {
        is_open: false,
        attributes: BTreeMap::from([("owner".to_owned(), Shape::Party(PrincipalKind::User))]),
        properties: text(&["status"]),
        entities: BTreeMap::from([("1".to_owned(), owner), ("2".to_owned(), BTreeMap::new())]),
    };
    let point = Point {
        subjects: reach(&["user", "identity"]),
        actions: reach(&["*"]),
        resources: reach(&["record", "Model"]),
        agents: false,
        searches: 0,
        routes: Vec::new(),
    };
    Access {
        points: BTreeMap::from([(name("app"), point), (name("finder"), Point { searches: 1, ..narrow() })]),
        subjects: BTreeMap::from([("identity".to_owned(), PrincipalKind::User)]),
        resources: BTreeMap::from([
            ("record".to_owned(), record.clone()),
            ("route".to_owned(), ResourceKind { is_open: true, ..record }),
        ]),
        actions: BTreeMap::from([("read".to_owned(), verb()), ("write".to_owned(), verb()), ("delete".to_owned(), verb())]),
        subject: text(&["role"]),
        context: BTreeMap::new(),
        tags: BTreeMap::from([(
            "user:ada".parse().unwrap(),
            BTreeMap::from([("email".to_owned(), "ada@example.com".to_owned())]),
        )]),
    }
}

fn narrow() -> Point {
    let (subjects, actions, resources) = (reach(&["user"]), reach(&["read"]), reach(&["record"]));
    Point { subjects, actions, resources, agents: false, searches: 0, routes: Vec::new() }
}

fn world() -> Bundle {
    let mut bundle = bundle(POLICIES);
    bundle.registry.access = access();
    bundle
}

fn asked(pep: &str, subject: &str, action: &str, id: &str, claims: &[(&str, &str)]) -> DecisionInput {
    let foreign = Foreign { action: action.to_owned(), kind: "record".to_owned(), id: id.to_owned() };
    let mut said = Claims::default();
    for (place, value) in claims {
        let text = Value::Text((*value).to_owned());
        match *place {
            "role" => said.subject.insert("role".to_owned(), text),
            place => said.resource.insert(place.to_owned(), text),
        };
    }
    let mut input = input(&[subject], "small");
    input.asks = vec![Ask { action: Action::Access, resource: Resource::Foreign(foreign) }];
    input.facts.mandate.asked_by = Some(Box::new(Asked { pep: name(pep), subject: "user".to_owned(), claims: Some(said) }));
    input
}

#[test]
fn who_may_do_what_elsewhere() {
    use ReasonCode as C;
    let snapshot = compiled(&world());
    type Fact<'a> = (&'a str, &'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], ReasonCode);
    let facts: &[Fact<'_>] = &[
        ("app", "user:ada", "read", "1", &[], C::Permitted),
        ("app", "user:ada", "write", "1", &[], C::PolicyDenied),
        ("app", "user:eve", "write", "1", &[], C::Permitted),
        ("app", "user:eve", "write", "2", &[], C::PolicyDenied),
        ("app", "user:ada", "write", "1", &[("role", "admin")], C::Permitted),
        ("app", "user:ada", "write", "1", &[("role", "admin"), ("status", "archived")], C::PolicyForbidden),
        ("app", "user:ada", "delete", "1", &[], C::Permitted),
        ("app", "user:eve", "delete", "1", &[], C::PolicyDenied),
        // Unknown is no: parties, resources, actions.
        ("app", "user:nobody", "read", "1", &[], C::PrincipalUnknown),
        ("app", "user:ada", "read", "3", &[], C::QuestionUnknown),
        ("app", "user:ada", "rule", "1", &[], C::QuestionUnknown),
        // Whoever may not ask is not told what the answer would be.
        ("nobody", "user:ada", "read", "1", &[], C::QuestionRefused),
        ("finder", "user:ada", "read", "1", &[], C::Permitted),
        ("finder", "user:ada", "write", "1", &[("role", "admin")], C::QuestionRefused),
    ];
    for (pep, subject, action, id, claims, reason) in facts {
        let answer = snapshot.decide(&asked(pep, subject, action, id, claims));
        assert_eq!(answer.reason, *reason, "{pep} {subject} {action} {id} {claims:?}");
        assert_eq!(answer.links.len(), 2, "the point's right to ask is a link of its own");
    }
}

/// An agent elsewhere needs a user, or a registration for what is elsewhere.
#[test]
fn an_agent_alone_is_refused() {
    let snapshot = compiled(&world());
    for (links, reason) in [
        (&["agent:free"][..], ReasonCode::AgentWithoutUser),
        (&["user:ada", "agent:free"], ReasonCode::Permitted),
        (&["user:nobody", "agent:free"], ReasonCode::PrincipalUnknown),
    ] {
        let mut input = asked("app", "user:ada", "read", "1", &[]);
        input.chain = chain(links);
        assert_eq!(snapshot.decide(&input).reason, reason, "{links:?}");
    }
}

#[test]
fn the_gates_own_words_can_be_asked_about() {
    let snapshot = compiled(&world());
    let mut own = input(&["user:ada"], "small");
    own.facts.mandate.asked_by = Some(Box::new(Asked { pep: name("app"), subject: "identity".to_owned(), claims: None }));
    assert_eq!(snapshot.decide(&own).verdict, Verdict::Permit);
    own.facts.mandate.asked_by = Some(Box::new(Asked { pep: name("finder"), subject: "user".to_owned(), claims: None }));
    assert_eq!(snapshot.decide(&own).reason, ReasonCode::QuestionRefused);
}

/// The credential of an enforcement point does nothing but ask.
#[test]
fn a_point_does_nothing_itself() {
    let snapshot = compiled(&world());
    let search = Ask { action: Action::Search, resource: Resource::Gate };
    for (pep, ask, reason) in [
        ("pep:finder", search.clone(), ReasonCode::Permitted),
        ("pep:app", search.clone(), ReasonCode::QuestionRefused),
        ("pep:nobody", search, ReasonCode::PrincipalUnknown),
        ("pep:app", input(&["user:ada"], "small").asks.remove(0), ReasonCode::QuestionRefused),
    ] {
        let mut input = input(&[pep], "small");
        input.asks = vec![ask];
        assert_eq!(snapshot.decide(&input).reason, reason, "{pep}");
    }
}

/// What is not declared cannot be written into a policy, and no word breaks out of the schema.
#[test]
fn policies_are_held_against_the_declared_words() {
    let wrong = [
        "permit (principal, action == Access::Action::\"rule\", resource);",
        "permit (principal, action == Access::Action::\"read\", resource is Access::paper);",
        "permit (principal, action == Access::Action::\"read\", resource) when { resource.owner == principal };",
        "permit (principal, action == Access::Action::\"read\", resource) when { context.pep.context.ip == \"x\" };",
        "permit (principal, action == Access::Action::\"read\", resource) when { context.pep.subject.role == 1 };",
        "permit (principal, action, resource) when { context.pep.name == \"app\" };",
    ];
    for text in wrong {
        let mut bundle = bundle(text);
        bundle.registry.access = access();
        assert!(policy::PolicySnapshot::load(&bundle, &targets()).is_err(), "{text}");
    }
    let mut odd = world();
    let verb = odd.registry.access.actions.get("read").unwrap().clone();
    odd.registry.access.actions.insert("a\" appliesTo { principal: [X] }; //".to_owned(), verb);
    compiled(&odd);
}

/// Operators' words and tools stand in one schema: each is decided as if the other were not there.
#[test]
fn words_and_tools_go_together() {
    let own = "permit (principal, action == github::Action::\"create_issue\", resource)
        when { context.input.title == \"bug\" && !(context has pep) };";
    let mut both = bundle(&format!("{POLICIES}{own}"));
    both.registry.access = access();
    both.registry.tool_servers.insert(name("github"), crate::tools::server());
    let snapshot = compiled(&both);
    assert!(snapshot.tool_reports().iter().all(|report| matches!(report, policy::ToolReport::Unmodelled { .. })));
    for (subject, action, claims, reason) in [
        ("user:ada", "read", &[][..], ReasonCode::Permitted),
        ("user:ada", "write", &[], ReasonCode::PolicyDenied),
        ("user:eve", "write", &[("status", "archived")], ReasonCode::PolicyForbidden),
        ("user:ada", "rule", &[], ReasonCode::QuestionUnknown),
    ] {
        assert_eq!(snapshot.decide(&asked("app", subject, action, "1", claims)).reason, reason, "{subject} {action} {claims:?}");
    }
    for (tool, title, reason) in [
        ("github/create_issue", "\"bug\"", ReasonCode::Permitted),
        ("github/create_issue", "\"wish\"", ReasonCode::PolicyDenied),
        ("github/create_issue", "1", ReasonCode::PolicyError),
        ("record/read", "\"bug\"", ReasonCode::PolicyError),
    ] {
        assert_eq!(snapshot.decide(&tool_call(tool, title)).reason, reason, "{tool} {title}");
    }
    // Nor do the words of one loosen what the other is held against.
    for wrong in [
        "permit (principal, action == Access::Action::\"create_issue\", resource);",
        "permit (principal, action == Access::Action::\"read\", resource) when { context.input.title == \"bug\" };",
        "permit (principal, action == github::Action::\"create_issue\", resource) when { context.pep.name == \"app\" };",
    ] {
        let mut bundle = both.clone();
        bundle.policies.insert("policies/wrong.cedar".to_owned(), wrong.to_owned());
        assert!(policy::PolicySnapshot::load(&bundle, &targets()).is_err(), "{wrong}");
    }
}

/// A server of tools whose name is that of the words, or the end of it, changes nothing about them: it is disabled.
#[test]
fn a_tool_server_does_not_take_the_words() {
    let broken = model::ToolServer {
        tools: BTreeMap::from([("read".to_owned(), model::Tool { input: "[]".to_owned(), ..model::Tool::default() })]),
        ..model::ToolServer::default()
    };
    for (server, definition) in [("Access", crate::tools::server()), ("s", broken)] {
        let mut bundle = world();
        bundle.registry.tool_servers.insert(name(server), definition);
        let snapshot = compiled(&bundle);
        assert!(matches!(snapshot.tool_reports(), [policy::ToolReport::Disabled { .. }]), "{server}");
        assert_eq!(snapshot.decide(&asked("app", "user:ada", "read", "1", &[])).reason, ReasonCode::Permitted, "{server}");
        assert_eq!(snapshot.decide(&tool_call(&format!("{server}/read"), "\"x\"")).reason, ReasonCode::PolicyError);
        let wrong = "permit (principal, action == Access::Action::\"read\", resource) when { context.pep.subject.role == 1 };";
        bundle.policies.insert("policies/wrong.cedar".to_owned(), wrong.to_owned());
        assert!(policy::PolicySnapshot::load(&bundle, &targets()).is_err(), "{server}");
    }
}

fn tool_call(tool: &str, title: &str) -> DecisionInput {
    let mut call = input(&["user:ada"], "small");
    call.asks = vec![Ask { action: Action::CallTool, resource: Resource::Tool(tool.to_owned()) }];
    call.facts.arguments = Some(format!("{{\"title\": {title}}}"));
    call
}
