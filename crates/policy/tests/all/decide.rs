//! The truth table, and the rules that stand in front of the policies.

use model::{Action, Ask, Bundle, Challenge, DecisionInput, FindingGroup, Level, ReasonCode, Resource, Verdict};
use policy::{Could, Listable, Lister};

use crate::world::{bundle, call, chain, compiled, input, load, name, with_image};

/// What a policy file says about one party.
pub(crate) const SAYS: [(&str, &str, Verdict, ReasonCode); 6] = [
    ("permit", "permit (P, action, resource);", Verdict::Permit, ReasonCode::Permitted),
    ("duty", "@obligation(\"both:redact:pii\") permit (P, action, resource);", Verdict::Permit, ReasonCode::Permitted),
    ("silence", "", Verdict::Deny, ReasonCode::PolicyDenied),
    ("forbid", "permit (P, action, resource); forbid (P, action, resource);", Verdict::Deny, ReasonCode::PolicyForbidden),
    (
        "challenge",
        "permit (P, action, resource); @challenge(\"approval\") forbid (P, action, resource) unless { context.answered.approval };",
        Verdict::Challenge,
        ReasonCode::ApprovalRequired,
    ),
    (
        "error",
        "permit (P, action, resource); permit (P, action, resource) when { context.credential.ageSeconds + 9223372036854775807 > 0 };",
        Verdict::Deny,
        ReasonCode::PolicyError,
    ),
];

pub(crate) fn says(party: &str, text: &str) -> String {
    let (kind, id) = party.split_once(':').unwrap();
    let kind = if kind == "user" { "User" } else { "Agent" };
    text.replace("(P,", &format!("(principal == Portcullis::{kind}::\"{id}\","))
}

/// Every row for every link: 6, 36 and 216 sets.
#[test]
fn truth_table_over_one_to_three_links() {
    let all = ["user:ada", "agent:bot", "agent:sub"];
    for n_links in 1..=3_u32 {
        let links = &all[..n_links as usize];
        for number in 0..6_usize.pow(n_links) {
            let rows: Vec<_> = (0..n_links).map(|link| SAYS[number / 6_usize.pow(link) % 6]).collect();
            let text: String = links.iter().zip(&rows).map(|(link, row)| says(link, row.1)).collect();
            let answer = load(&text).decide(&input(links, "small"));
            let shown: Vec<&str> = rows.iter().map(|row| row.0).collect();
            let strictest = rows.iter().map(|row| row.2).max().unwrap();
            assert_eq!(answer.verdict, strictest, "{shown:?}");
            assert_eq!(answer.reason, rows.iter().find(|row| row.2 == strictest).unwrap().3, "{shown:?}");
            assert_eq!(answer.links.len(), links.len());
            for (link, row) in answer.links.iter().zip(&rows) {
                assert_eq!((link.verdict, link.reason), (row.2, row.3), "{shown:?}");
                assert_eq!(link.duties.len(), usize::from(row.0 == "duty"), "{shown:?}");
                assert_eq!(link.challenges.len(), usize::from(row.0 == "challenge"), "{shown:?}");
                assert_eq!(link.errors.len(), usize::from(row.0 == "error"), "{shown:?}");
            }
        }
    }
}

#[test]
fn an_answered_challenge_is_a_plain_evaluation() {
    let snapshot = load(&says("user:ada", SAYS[4].1));
    let mut asked = input(&["user:ada"], "small");
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Challenge);
    asked.facts.answered.insert(Challenge::StepUp);
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Challenge, "another challenge's answer");
    asked.facts.answered.insert(Challenge::Approval);
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Permit);
    // A challenge in front of nothing that permits is a deny: nobody is asked to approve what stays refused.
    let lonely = load("@challenge(\"approval\") forbid (principal, action, resource) unless { context.answered.approval };");
    assert_eq!(lonely.decide(&input(&["user:ada"], "small")).reason, ReasonCode::PolicyForbidden);
}

#[test]
fn several_challenges_are_all_named_and_the_first_gives_the_reason() {
    let text = "permit (principal, action, resource);
        @challenge(\"posture\") forbid (principal, action, resource) unless { context.answered.posture };
        @challenge(\"step-up\") forbid (principal, action, resource) unless { context[\"answered\"][\"stepUp\"] };";
    let snapshot = load(text);
    let mut asked = input(&["user:ada"], "small");
    let answer = snapshot.decide(&asked);
    assert_eq!((answer.reason, answer.challenges()), (ReasonCode::StepUpRequired, vec![Challenge::StepUp, Challenge::Posture]));
    asked.facts.answered.insert(Challenge::StepUp);
    assert_eq!(snapshot.decide(&asked).reason, ReasonCode::PostureRequired);
    // One forbid without a challenge, and there is nothing to ask for.
    let hard = load(&format!("{text} forbid (principal, action, resource) when {{ context.request.dialect == \"openai\" }};"));
    let answer = hard.decide(&asked);
    assert_eq!((answer.reason, answer.challenges()), (ReasonCode::PolicyForbidden, vec![]));
}

/// Duties of every link, of every satisfied permit of a link, and of every ask: none is lost, and the strictest holds.
#[test]
fn duties_of_all_links_are_united() {
    use model::{Act, Duty, FindingKind, Side};
    let text = "@obligation(\"request:mask:pii\") permit (principal is Portcullis::User, action, resource);
        @obligation(\"request:redact:pii\") permit (principal == Portcullis::Agent::\"bot\", action, resource);
        @obligation(\"response:deny:secret\") permit (principal == Portcullis::Agent::\"bot\", action, resource) when { context.chain.depth > 2 };
        @obligation(\"response:mask:pii\") permit (principal == Portcullis::Agent::\"bot\", action, resource) when { context.request.stream };
        @obligation(\"response:redact:CREDIT_CARD\") permit (principal == Portcullis::Agent::\"sub\", action == Portcullis::Action::\"callModel\", resource);
        @obligation(\"request:deny:secret\") permit (principal == Portcullis::Agent::\"sub\", action == Portcullis::Action::\"storeRemotely\", resource);";
    let snapshot = load(text);
    let mut asked = input(&["user:ada", "agent:bot", "agent:sub"], "small");
    asked.asks.push(Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) });
    let answer = snapshot.decide(&asked);
    assert_eq!(answer.verdict, Verdict::Permit, "{answer:?}");
    let duties = answer.duties();
    let mut said: Vec<Vec<String>> = duties.links().iter().map(|link| link.iter().map(Duty::to_string).collect()).collect();
    said.sort();
    said.dedup();
    let expected: [&[&str]; 4] = [
        &["request:deny:secret"],
        &["request:mask:pii"],
        &["request:redact:pii", "response:deny:secret"],
        &["response:redact:CREDIT_CARD"],
    ];
    assert_eq!(said, expected, "the permit whose condition does not hold obliges to nothing");
    assert_eq!(duties.links().len(), 6, "each link of each ask for itself");
    let (card, key) = (FindingKind::known("CREDIT_CARD"), FindingKind::known("aws-access-token"));
    let acts = [
        duties.act(Side::Request, &card, FindingGroup::Pii),
        duties.act(Side::Response, &card, FindingGroup::Pii),
        duties.act(Side::Request, &key, FindingGroup::Secret),
        duties.act(Side::Response, &key, FindingGroup::Secret),
    ];
    // The second link's, the third's, that of the second ask, the second link's other permit.
    assert_eq!(acts, [Act::Redact, Act::Redact, Act::Deny, Act::Deny]);
}

#[test]
fn what_nobody_declared_is_refused() {
    let snapshot = load("permit (principal, action, resource);");
    let facts: [(&[&str], &str, ReasonCode); 8] = [
        (&["user:ada"], "small", ReasonCode::Permitted),
        (&["user:mallory"], "small", ReasonCode::PrincipalUnknown),
        (&["user:bot"], "small", ReasonCode::PrincipalUnknown),
        (&["user:ada"], "huge", ReasonCode::ModelNotFound),
        (&["agent:bot"], "small", ReasonCode::AgentWithoutUser),
        (&["service:cron", "agent:bot"], "small", ReasonCode::AgentWithoutUser),
        (&["agent:free"], "small", ReasonCode::Permitted),
        (&["agent:free", "agent:bot"], "small", ReasonCode::AgentWithoutUser),
    ];
    for (links, model, reason) in facts {
        assert_eq!(snapshot.decide(&input(links, model)).reason, reason, "{links:?} {model}");
    }
    let mut nothing = input(&["user:ada"], "small");
    nothing.asks.clear();
    assert_eq!(snapshot.decide(&nothing).verdict, Verdict::Deny);
}

/// Cedar alone would permit these: a scope that names nothing matches everything.
#[test]
fn an_action_on_a_resource_of_another_kind_is_refused() {
    let snapshot = crate::tools::snapshot("permit (principal, action, resource);");
    let resources = [
        Resource::Model(name("small")),
        Resource::HostedTool("openai/web_search".to_owned()),
        Resource::Destination("example.com".to_owned()),
        Resource::Beta("anthropic/files".to_owned()),
        Resource::Agent(name("bot")),
        Resource::Tool("github/read_issue".to_owned()),
        Resource::ToolServer(name("github")),
        Resource::Document("file:///a".to_owned()),
        Resource::Collection(name("handbook")),
        Resource::Dataset(name("tickets")),
        Resource::Gate,
    ];
    let mut table = String::new();
    for action in Action::ALL {
        let mut asked = input(&["user:ada"], "small");
        let may = |resource: &&Resource| {
            asked.asks = vec![Ask { action, resource: (*resource).clone() }];
            let answer = snapshot.decide(&asked);
            let is_expected = matches!(answer.reason, ReasonCode::Permitted | ReasonCode::PolicyError | ReasonCode::PolicyDenied);
            assert!(is_expected, "{answer:?}");
            answer.verdict == Verdict::Permit
        };
        let kinds: Vec<&str> = resources.iter().filter(may).map(Resource::type_name).collect();
        table.push_str(&format!("{}: {}\n", action.as_str(), kinds.join(" ")));
    }
    let expected = "callModel: Model
useHostedTool: HostedTool
fetchRemote: Destination
storeRemotely: Model
useBeta: Beta
issueToken: Agent
callTool: Tool
listTools: ToolServer
answerServer: ToolServer
getPrompt: 
readResource: 
retrieve: 
sendMessage: Agent
connect: Destination
releaseKey: Model
startTraining: 
access: 
search: 
administer: 
";
    assert_eq!(table, expected);
}

#[test]
fn every_ask_must_be_permitted() {
    let snapshot = load("permit (principal, action == Portcullis::Action::\"callModel\", resource);
        permit (principal, action == Portcullis::Action::\"useHostedTool\", resource == Portcullis::HostedTool::\"openai/web_search\");");
    let mut asked = input(&["user:ada"], "small");
    asked.asks.push(Ask { action: Action::UseHostedTool, resource: Resource::HostedTool("openai/web_search".to_owned()) });
    assert_eq!(snapshot.decide(&asked).verdict, Verdict::Permit);
    asked.asks.push(Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) });
    let answer = snapshot.decide(&asked);
    assert_eq!((answer.verdict, answer.links.len()), (Verdict::Deny, 3));
    // `autonomous` counts per action.
    let open = load("permit (principal, action, resource);");
    let mut alone = input(&["agent:free"], "small");
    assert_eq!(open.decide(&alone).verdict, Verdict::Permit);
    alone.asks.push(Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) });
    assert_eq!(open.decide(&alone).reason, ReasonCode::AgentWithoutUser);
}

#[test]
fn clearance_is_a_baseline_that_explains_itself() {
    let snapshot = load("permit (principal, action, resource);");
    let mut secretive = input(&["user:ada"], "small");
    secretive.facts.label.level = Level::Confidential;
    let answer = snapshot.decide(&secretive);
    assert_eq!(answer.reason, ReasonCode::PolicyForbidden);
    assert_eq!(answer.links[0].policies[0].to_string(), "baseline-clearance (baseline.cedar:2)");
    secretive.asks[0] = call("large");
    assert_eq!(snapshot.decide(&secretive).verdict, Verdict::Permit);
    secretive.asks = vec![Ask { action: Action::StoreRemotely, resource: Resource::Model(name("small")) }];
    assert_eq!(snapshot.decide(&secretive).reason, ReasonCode::PolicyForbidden, "what may not be sent may not be kept there");
}

#[test]
fn what_no_scanner_understands_needs_a_permit_that_names_it() {
    let permit = |duty: &str| format!("@obligation(\"{duty}\") permit (principal, action, resource);");
    let facts = [
        ("permit (principal, action, resource);".to_owned(), Level::Internal, ReasonCode::Permitted),
        ("permit (principal, action, resource);".to_owned(), Level::Confidential, ReasonCode::UninspectedDenied),
        (permit("request:allow:uninspected:image"), Level::Confidential, ReasonCode::Permitted),
        (permit("both:allow:uninspected"), Level::Restricted, ReasonCode::Permitted),
        (permit("request:allow:uninspected:audio"), Level::Confidential, ReasonCode::UninspectedDenied),
        (permit("response:allow:uninspected:image"), Level::Confidential, ReasonCode::UninspectedDenied),
        (permit("request:allow:pii"), Level::Confidential, ReasonCode::UninspectedDenied),
    ];
    for (text, level, reason) in facts {
        let answer = load(&text).decide(&with_image(input(&["user:ada"], "large"), level));
        assert_eq!(answer.reason, reason, "{text} {level:?}");
    }
    // Every link has to name it, and nobody is asked to approve what stays refused.
    let text = permit("request:allow:uninspected:image").replace("(principal,", "(principal is Portcullis::User,")
        + "permit (principal is Portcullis::Agent, action, resource);"
        + "@challenge(\"approval\") forbid (principal is Portcullis::Agent, action, resource) unless { context.answered.approval };";
    let answer = load(&text).decide(&with_image(input(&["user:ada", "agent:bot"], "large"), Level::Confidential));
    assert_eq!((answer.verdict, answer.reason), (Verdict::Deny, ReasonCode::UninspectedDenied));
    assert_eq!(answer.challenges(), vec![]);
}

#[test]
fn where_calls_are_all_alike_a_list_holds_what_one_may() {
    let snapshot = load("permit (principal == Portcullis::User::\"ada\", action, resource);
        permit (principal in Portcullis::Group::\"bots\", action, resource in Portcullis::ModelGroup::\"open\");
        @challenge(\"approval\") forbid (principal == Portcullis::User::\"deep\", action, resource) unless { context.answered.approval };");
    let facts: [(&[&str], &[&str]); 5] = [
        (&["user:ada"], &["large", "small"]),
        (&["user:ada", "agent:bot"], &["small"]),
        (&["user:eve"], &[]),
        (&["agent:bot"], &[]),
        (&["agent:free"], &["small"]),
    ];
    for (links, expected) in facts {
        let lister = Lister { chain: chain(links), credential: name("abc"), mandate: model::Mandate::default() };
        let list = snapshot.list(&lister, Listable::Models);
        let listed: Vec<_> =
            list.iter().filter(|listed| listed.could == Could::Yes).map(|listed| name(listed.ask.resource.id())).collect();
        assert_eq!(listed, expected.iter().map(|model| name(model)).collect::<Vec<_>>(), "{links:?}");
        for model in ["small", "large"] {
            let is_permitted = snapshot.decide(&input(links, model)).verdict == Verdict::Permit;
            assert_eq!(listed.contains(&name(model)), is_permitted, "{links:?} {model}");
        }
    }
}

#[test]
fn the_end_of_time_is_a_deny_and_no_panic() {
    let snapshot = load("permit (principal, action, resource);");
    let mut late = input(&["user:ada"], "small");
    late.facts.now = model::UnixMillis(u64::MAX);
    late.facts.credential_age = u64::MAX;
    late.facts.ledger_version = u64::MAX;
    let answer = snapshot.decide(&late);
    assert!(matches!(answer.reason, ReasonCode::Permitted | ReasonCode::PolicyError), "{answer:?}");
}

/// What is in the log decides again, after a way through JSON.
#[test]
fn a_recorded_input_decides_equal() {
    let text = "@obligation(\"response:mask:pii\") permit (principal, action, resource) when { context.now > datetime(\"2026-01-01\") };";
    let written = bundle(text);
    let read: Bundle = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
    assert_eq!(read, written);
    let asked = input(&["user:ada", "agent:bot"], "small");
    let again: DecisionInput = serde_json::from_str(&serde_json::to_string(&asked).unwrap()).unwrap();
    assert_eq!(again, asked);
    let answer = compiled(&read).decide(&again);
    assert_eq!(answer, compiled(&written).decide(&asked));
    assert_eq!(answer.verdict, Verdict::Permit);
    assert_eq!(serde_json::from_str::<model::Answer>(&serde_json::to_string(&answer).unwrap()).unwrap(), answer);
    // The other side of the date.
    let mut earlier = asked;
    earlier.facts.now = model::UnixMillis(1_700_000_000_000);
    assert_eq!(compiled(&read).decide(&earlier).verdict, Verdict::Deny);
}

/// Altering what was recorded changes the verdict: a second evaluation reads the record, not the stored answer.
#[test]
fn an_altered_record_decides_differently() {
    let text = "permit (principal in Portcullis::Group::\"staff\", action, resource);
        permit (principal is Portcullis::Agent, action, resource);
        forbid (principal, action, resource) when { context.content.kinds.contains(\"CREDIT_CARD\") };";
    let recorded = serde_json::to_value(input(&["user:ada", "agent:bot"], "small")).unwrap();
    let decide = |record: &serde_json::Value, bundle: &Bundle| {
        let input: DecisionInput = serde_json::from_value(record.clone()).unwrap();
        compiled(bundle).decide(&input).verdict
    };
    assert_eq!(decide(&recorded, &bundle(text)), Verdict::Permit, "as recorded");
    let altered = |pointer: &str, value: serde_json::Value| {
        let mut record = recorded.clone();
        *record.pointer_mut(pointer).unwrap() = value;
        record
    };
    let chain = altered("/chain/0", serde_json::json!("user:eve"));
    assert_eq!(decide(&chain, &bundle(text)), Verdict::Deny, "another user in the chain");
    let dropped = altered("/chain", serde_json::json!(["agent:bot"]));
    assert_eq!(decide(&dropped, &bundle(text)), Verdict::Deny, "the user dropped from the chain");
    let finding = altered("/facts/findings", serde_json::json!({"CREDIT_CARD": {"group": "pii", "count": 1}}));
    assert_eq!(decide(&finding, &bundle(text)), Verdict::Deny, "another finding");
    let mut entity = bundle(text);
    entity.registry.users.values_mut().for_each(|user| user.groups.clear());
    assert_eq!(decide(&recorded, &entity), Verdict::Deny, "another entity");
}
