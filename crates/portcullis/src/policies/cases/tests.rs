//! Tables of cases, read.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Access, Action, Challenge, FindingGroup, Point, PrincipalKind, Reach, Resource, ResourceKind, Shape, Value, Verb, Verdict,
};

use super::{Case, Known, parse};

pub(super) fn cards(kind: &str) -> Option<FindingGroup> {
    (kind == "CREDIT_CARD").then_some(FindingGroup::Pii)
}

/// Two applications that ask about records.
pub(super) fn access() -> Access {
    let reach = |word: &str| Reach::new([word.to_owned()]).unwrap();
    let (actions, resources) = (reach("*"), reach("record"));
    let app = Point { subjects: reach("*"), actions, resources, agents: true, searches: 0, routes: Vec::new() };
    let other = Point { subjects: reach("identity"), ..app.clone() };
    let shapes = |name: &str, shape| BTreeMap::from([(name.to_owned(), shape)]);
    let record = ResourceKind { properties: shapes("pages", Shape::Number), ..ResourceKind::default() };
    let read = Verb { resources: BTreeSet::from(["record".to_owned()]), properties: shapes("soft", Shape::Flag) };
    Access {
        points: BTreeMap::from([("app".parse().unwrap(), app), ("other".parse().unwrap(), other)]),
        subjects: BTreeMap::from([("identity".to_owned(), PrincipalKind::User)]),
        resources: BTreeMap::from([("record".to_owned(), record)]),
        actions: BTreeMap::from([("read".to_owned(), read)]),
        ..Access::default()
    }
}

fn read(rows: &str) -> Result<Vec<Case>, Vec<String>> {
    let text = format!(
        "# Text\n\n| Who | does | to | given | expect | because |\n|--|--|--|--|--|--|\n{rows}\n\n| not | ours |\n| a | b |\n"
    );
    parse(&text, &Known { group_of: &cards, access: &access() })
        .map_err(|wrong| wrong.into_iter().map(|wrong| wrong.message).collect())
}

#[test]
fn a_row_is_a_decision_and_what_is_expected_of_it() {
    let row = "| user:ada -> agent:desk | callModel | Model:small | stream=true; findings.CREDIT_CARD=2; label.level=confidential; answered=approval; now=2026-02-03T04:05:06Z | `deny policy-forbidden` | no-cards, two |";
    let cases = read(row).unwrap();
    let [case] = cases.as_slice() else { panic!("{cases:?}") };
    assert_eq!((case.line, case.input.chain.links().len(), case.input.asks.len()), (5, 2, 1));
    let facts = &case.input.facts;
    assert!(facts.stream && facts.findings["CREDIT_CARD"].count == 2 && facts.answered.len() == 1);
    assert_eq!((facts.label.level, facts.now.0), (model::Level::Confidential, 1_770_091_506_000));
    assert_eq!((case.expect.verdict, case.expect.because.len()), (Some(Verdict::Deny), 2));
}

/// The input of a row that expects a permit.
fn input(who: &str, does: &str, to: &str, given: &str) -> Result<model::DecisionInput, String> {
    let row = format!("| {who} | {does} | {to} | {given} | permit | |");
    read(&row).map(|cases| cases.into_iter().next().unwrap().input).map_err(|mut wrong| wrong.remove(0))
}

#[test]
fn every_kind_has_a_word() {
    let facts = [
        ("callModel", "Model:small"),
        ("storeRemotely", "Model:small"),
        ("releaseKey", "Model:small"),
        ("useHostedTool", "HostedTool:openai/web_search"),
        ("fetchRemote", "Destination:files.example"),
        ("connect", "Destination:files.example:8443"),
        ("useBeta", "Beta:anthropic/files"),
        ("issueToken", "Agent:desk"),
        ("sendMessage", "Agent:desk"),
        ("callTool", "Tool:github/create_issue"),
        ("listTools", "ToolServer:github"),
        ("answerServer", "ToolServer:github"),
        ("getPrompt", "Document:github/review"),
        ("readResource", "Document:github/handbook"),
        ("retrieve", "Collection:handbook"),
        ("startTraining", "Dataset:letters"),
    ];
    let mut seen = BTreeSet::new();
    for (does, to) in facts {
        let input = input("user:ada", does, to, "").unwrap();
        let ask = &input.asks[0];
        let kind = if to.starts_with("Tool:") { "Tool" } else { to.split(':').next().unwrap() };
        assert_eq!((ask.action.as_str(), ask.resource.type_name()), (does, kind));
        assert_eq!(ask.resource.id(), to.split_once(':').unwrap().1);
        seen.insert(ask.action);
    }
    let by_others = [Action::Access, Action::Search, Action::Administer];
    assert!(Action::ALL.iter().all(|action| seen.contains(action) || by_others.contains(action)));
}

#[test]
fn a_question_of_an_enforcement_point_is_as_the_gate_has_it() {
    let asked = input("user:ada", "read", "record:1", "pep=app; pep.resource.pages=7; pep.action.soft=true").unwrap();
    assert_eq!((asked.asks[0].action, asked.facts.dialect), (Action::Access, None));
    assert!(matches!(&asked.asks[0].resource, Resource::Foreign(foreign) if foreign.kind == "record" && foreign.id == "1"));
    let by = asked.facts.mandate.asked_by.unwrap();
    let claims = by.claims.unwrap();
    assert_eq!((by.pep.as_str(), by.subject.as_str()), ("app", "user"));
    assert_eq!((&claims.resource["pages"], &claims.action["soft"]), (&Value::Number(7), &Value::Flag(true)));
    let by = input("user:ada", "read", "record:1", "pep=other").unwrap().facts.mandate.asked_by.unwrap();
    assert_eq!(by.subject, "identity", "the word that the point may ask about");
    let own = input("user:ada", "callModel", "Model:small", "pep=app").unwrap().facts.mandate.asked_by.unwrap();
    assert_eq!(own.claims, None);
}

#[test]
fn circumstances_have_the_words_of_policies() {
    let given = "auth.acr=loa3; auth.amr=hwk,pin; auth.ageSeconds=30; device.managed=true; device.facts=disk-encrypted; \
                 risk.agent=7; network.segment=office; usage.calls=3; flow.untrusted=to,subject; answered=step-up; \
                 arguments={\"to\": \"a;b\", \"n\": [1; 2]}";
    let wrong = input("user:ada", "callTool", "Tool:mail/send", given).unwrap_err();
    assert!(wrong.starts_with("`arguments={") && wrong.ends_with("expected a JSON object"), "{wrong}");
    let facts = input("user:ada", "callTool", "Tool:mail/send", &given.replace("1; 2", "1, 2")).unwrap().facts;
    let around = facts.around;
    let sign_in = around.sign_in.unwrap();
    assert_eq!((sign_in.class.as_str(), sign_in.means.len(), sign_in.age), ("loa3", 2, 30));
    let device = around.posture.unwrap();
    assert_eq!((device.is_managed, device.facts.len(), device.age), (true, 1, u64::MAX), "what is not said stays unknown");
    assert_eq!((around.risk.unwrap().agent, around.risk.unwrap().user), (7, 100));
    assert_eq!((around.origin.unwrap().segment.unwrap().as_str(), around.spent.unwrap().calls), ("office", 3));
    assert_eq!((around.spent.unwrap().micros, around.untrusted.len()), (u64::MAX, 2));
    assert!(facts.answered.contains(&Challenge::StepUp));
    assert_eq!(facts.arguments.as_deref(), Some("{\"to\": \"a;b\", \"n\": [1, 2]}"));
}

#[test]
fn tasks_and_groups_of_issuers() {
    let called = input("user:okta:ada → agent:desk", "callModel", "Model:small", "groups=staff; task.purpose=summary").unwrap();
    let mandate = called.facts.mandate;
    let guest = mandate.federated.unwrap();
    assert_eq!((guest.principal.to_string().as_str(), guest.groups.len()), ("user:okta:ada", 1));
    let task = mandate.task.unwrap();
    assert_eq!(task.purpose.unwrap().as_str(), "summary");
    assert!(task.grant.covers(&called.asks[0]), "nothing said of the grant: everything");
    let narrow = "task.grant=callModel:other,useBeta:*; task.mayAct=true";
    let asked = input("user:ada → agent:desk", "issueToken", "Agent:desk", narrow).unwrap();
    let mandate = asked.facts.mandate;
    assert!(mandate.may_act && mandate.task.is_none() && !mandate.asked.unwrap().grant.covers(&asked.asks[0]));
}

#[test]
fn what_cannot_be_meant_is_told() {
    let facts = [
        ("| user:ada | callModel | Model:small | | permit |", "5 cells, and the heading has 6"),
        ("| ada | callModel | Model:small | | permit | |", "`ada`:"),
        ("| user:ada | call | Model:small | | permit | |", "`call` is no action"),
        ("| user:ada | callModel | small | | permit | |", "`small` is no resource"),
        ("| user:ada | callModel | Model:small | | allow | |", "`allow`: expected permit"),
        ("| user:ada | callModel | Model:small | | deny because | |", "`because` is neither"),
        ("| user:ada | callModel | Model:small | label.lvl=public | permit | |", "`label.lvl` is no fact"),
        ("| user:ada | callModel | Model:small | label.level=secret | permit | |", "`label.level=secret`:"),
        ("| user:ada | callModel | Model:small | a.b.c=1 | permit | |", "`a.b.c` is no fact"),
        ("| user:ada | callModel | Model:small | findings.CARD=1 | permit | |", "`CARD` is no kind"),
        ("| user:ada | callModel | Model:small | stream | permit | |", "`stream`: expected `fact=value`"),
        ("| user:ada | callModel | Model:small | now=today | permit | |", "`now=today`: expected a time"),
        ("| user:ada | access | Model:small | | permit | |", "`access` is no action"),
        ("| user:ada | callTool | Tool:create | | permit | |", "`Tool:create` is no resource"),
        ("| user:ada | erase | record:1 | pep=app | permit | |", "`erase` is no action on `record`: expected read"),
        ("| user:ada | read | record | pep=app | permit | |", "`record`: expected `record:ID`"),
        ("| user:ada | read | record:1 | | permit | |", "several enforcement points could ask this"),
        ("| user:ada | read | record:1 | pep=app; pep.resource.page=1 | permit | |", "`pep.resource.page` is not declared"),
        (
            "| user:ada | read | record:1 | pep=app; pep.resource.pages=x | permit | |",
            "/resource/properties/pages: expected a whole",
        ),
        ("| user:ada | read | record:1 | pep=app; pep.pages=1 | permit | |", "`pep.pages=1`: expected pep.subject.NAME"),
        ("| user:ada | callModel | Model:small | pep.context.ip=x | permit | |", "`pep.…`: nobody asks"),
        ("| user:ada | callModel | Model:small | pep=app; pep.context.ip=x | permit | |", "`pep.…`: of the gate's own words"),
        ("| user:ada | callModel | Model:small | risk.user=101 | permit | |", "`risk.user=101`: expected a number from 0"),
        ("| user:ada | callModel | Model:small | device.managed=yes | permit | |", "`device.managed=yes`: expected true"),
        ("| user:ada | callModel | Model:small | device.owner=ada | permit | |", "`device.owner` is no fact"),
        ("| user:ada | callModel | Model:small | task.grant=search:x | permit | |", "`search` is no action of a grant"),
    ];
    for (row, message) in facts {
        let wrong = read(row).unwrap_err();
        assert!(matches!(wrong.as_slice(), [only] if only.starts_with(message)), "{row}: {wrong:?}");
    }
    assert!(read("").unwrap().is_empty());
}
