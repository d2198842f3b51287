//! Calls of tools that somebody has to approve, on a clock that stands still: what is asked, used, recorded and sent, in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use engine::ports::{Aim, AnswerView, Head, Protocol, ServerCall, StreamEvent, Understood, Voice, Wants};
use engine::{Limits, Off, Server, Snapshot};
use evidence::EntryKind;
use http::{HeaderMap, Method, StatusCode};
use model::{Dialect, Digest, Name, ReasonCode, Refusal, RequestId, Tool, ToolEffect, ToolServer};
use policy::PolicySnapshot;
use text::Document;

use crate::desk::Meanwhile;
use crate::paused::{Paused, Slow, run_with};
use crate::world::{Happened, NOW, ToyEvents, bundle, scripted};

const POLICIES: &str = "
    permit (principal, action == shop::Action::\"order\", resource);
    @id(\"ask\") @challenge(\"approval\")
    forbid (principal, action == shop::Action::\"order\", resource) unless { context.answered.approval };
    @id(\"never\") forbid (principal, action == shop::Action::\"order\", resource) when { context.input.cents > 1000 };
";
const DEFINITION: &str = r#"{"inputSchema":{"properties":{"cents":{"type":"integer"},"note":{"type":"string"}},"required":["cents"],"type":"object"},"name":"order"}"#;
const INPUT: &str =
    r#"{"type":"object","properties":{"cents":{"type":"integer"},"note":{"type":"string"}},"required":["cents"]}"#;
const CALL: &str = r#"{"params":{"name":"order","arguments":{"cents":5}}}"#;
const NEVER: Duration = Duration::MAX;

/// Messages `{"params": {"name", "arguments", "_meta"}}` to the one server.
struct Tools;

impl Voice for Tools {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        None
    }
    fn refusal(&self, refusal: &Refusal, _: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        let awaited = refusal.awaited.as_ref().map_or_else(String::new, |awaited| format!(" until {}", awaited.id));
        let detail = refusal.detail.as_deref().map_or_else(String::new, |detail| format!(" ({detail})"));
        (StatusCode::OK, HeaderMap::new(), Bytes::from(format!("{}{awaited}{detail}", refusal.code)))
    }
    fn stream_refusal(&self, refusal: &Refusal, _: RequestId) -> Bytes {
        Bytes::from(refusal.code.to_string())
    }
}

impl Protocol for Tools {
    type Events = ToyEvents;
    fn dialect(&self) -> Option<Dialect> {
        None
    }
    fn upstream_path(&self) -> &'static str {
        ""
    }
    fn understand(&self, _: &Head, document: &Document<'_>, _: &Snapshot) -> Result<Understood, Refusal> {
        let name = document.at("/params/name").and_then(|name| document.text(name)).ok_or(ReasonCode::FieldMissing)?;
        let wants = Wants::Tool { name: name.into_owned(), arguments: document.at("/params/arguments") };
        let server = Name::new("shop").unwrap();
        let call = ServerCall {
            server,
            through: None,
            wants,
            session: None,
            headers: HeaderMap::new(),
            mirrors: Ok(Vec::new()),
            edits: Vec::new(),
            method: Method::POST,
            open: Vec::new(),
            told: None,
            state: None,
            last_event: None,
            is_standing: false,
            goes_on: false,
            is_own: false,
            introduces: None,
        };
        Ok(Understood { aim: Aim::Server(call), stream: false, effects: Vec::new(), uninspected: Vec::new(), joined: Vec::new() })
    }
    fn upstream_headers(&self, _: &Head) -> HeaderMap {
        HeaderMap::new()
    }
    fn client_headers(&self, _: &HeaderMap) -> HeaderMap {
        HeaderMap::new()
    }
    fn view(&self, _: &Document<'_>, _: Option<&str>, _: bool) -> AnswerView {
        AnswerView::default()
    }
    fn is_end_mark(&self, _: &[u8]) -> bool {
        false
    }
    fn events(&self, _: usize) -> ToyEvents {
        ToyEvents::default()
    }
    fn rewrite(&self, _: &StreamEvent, data: &[u8]) -> Bytes {
        Bytes::copy_from_slice(data)
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn with(policies: &str, held: Duration) -> Snapshot {
    let tool = Tool {
        effects: BTreeSet::from([ToolEffect::Write]),
        input: INPUT.to_owned(),
        definition: DEFINITION.to_owned(),
        position: 0,
        is_withdrawn: false,
        annotation: model::Annotation::default(),
        counts: BTreeMap::new(),
    };
    let name = |text: &str| Name::new(text).unwrap();
    let mut bundle = bundle(policies);
    let tools = BTreeMap::from([("order".to_owned(), tool)]);
    bundle
        .registry
        .tool_servers
        .insert(name("shop"), ToolServer { clearance: model::Level::Internal, tools, ..ToolServer::default() });
    let pinned = Arc::new(mcp::Pinned::of_canonical(DEFINITION).unwrap());
    let server = Server {
        upstream: name("first"),
        place: "https://kb.internal/mcp".to_owned(),
        tools: BTreeMap::from([("order".to_owned(), pinned)]),
        order: vec!["order".to_owned()],
        counts: BTreeMap::new(),
        documents: BTreeMap::new(),
        annotations: BTreeMap::new(),
        features: BTreeSet::new(),
        revision: None,
        members: None,
        scopes: engine::ServerScopes::default(),
    };
    let scripted = scripted("", Off::default());
    Snapshot {
        policy: Arc::new(PolicySnapshot::load(&bundle, &BTreeSet::new()).unwrap()),
        servers: BTreeMap::from([(name("shop"), Arc::new(server))]),
        limits: Limits { held, ..Limits::default() },
        ..(*scripted.snapshot).clone()
    }
}

/// A world in which calls are held for so long, and this happens meanwhile.
fn world(held: Duration, meanwhile: &[(u64, Meanwhile)]) -> Paused {
    let mut scripted = scripted("", Off::default());
    scripted.snapshot = Arc::new(with(POLICIES, held));
    *scripted.desk.meanwhile.lock().unwrap() = meanwhile.iter().map(|(at, what)| (seconds(*at), what.clone())).collect();
    Paused { scripted, time: Arc::default(), slow: Slow::default() }
}

/// One call: what it led to, and what the client was told.
fn call(world: &Paused, body: &'static str) -> (Vec<Happened>, String) {
    let before = world.scripted.happened().len();
    run_with(world, &Tools, body, NEVER);
    let happened = world.scripted.happened().split_off(before);
    let told =
        happened.iter().filter_map(|what| if let Happened::Written(text) = what { Some(text.as_str()) } else { None }).collect();
    (happened, told)
}

fn was_sent(happened: &[Happened]) -> bool {
    happened.iter().any(|what| matches!(what, Happened::Sent(..)))
}

#[test]
fn asked_approved_used_up_recorded_sent_in_that_order() {
    let world = world(Duration::ZERO, &[]);
    let (happened, told) = call(&world, CALL);
    assert_eq!(told, "approval-required until arq_0");
    assert!(!was_sent(&happened) && happened.contains(&Happened::Asked("arq_0".to_owned())), "{happened:#?}");
    assert!(happened.contains(&Happened::Recorded(EntryKind::Intent, Some(ReasonCode::ApprovalRequired))));
    world.scripted.desk.say(true, NOW);
    let (happened, _) = call(&world, CALL);
    let at =
        |what: &Happened| happened.iter().position(|found| found == what).unwrap_or_else(|| panic!("{what:?} in {happened:#?}"));
    let used = at(&Happened::UsedUp("apr_0".to_owned()));
    let recorded = at(&Happened::Recorded(EntryKind::Intent, Some(ReasonCode::Permitted)));
    let sent = happened.iter().position(|what| matches!(what, Happened::Sent(..))).unwrap();
    assert!(used < recorded && recorded < sent, "{happened:#?}");
    let script = world.scripted.script.lock().unwrap();
    let notes = script.headers.iter().rev().find(|header| header.kind == EntryKind::Intent).map(|header| header.notes.clone());
    assert_eq!(notes.unwrap(), ["approval: apr_0 of arq_0", "approved by: operator:otto"]);
    // The decision that stands in the log can be taken again from its input alone.
    assert!(script.inputs.last().unwrap().facts.answered.contains(&model::Challenge::Approval));
}

#[test]
fn what_no_approval_lifts_is_asked_of_nobody() {
    let facts = [
        (r#"{"params":{"name":"order","arguments":{"cents":1001}}}"#, "tool-not-found"),
        (r#"{"params":{"name":"order","arguments":{"cents":"5"}}}"#, "arguments-invalid"),
        (r#"{"params":{"name":"order"}}"#, "arguments-invalid"),
        (r#"{"params":{"name":"other","arguments":{"cents":5}}}"#, "tool-not-found"),
        (r#"{"params":{"name":"order","arguments":{"cents":5.5}}}"#, "arguments-invalid"),
        (
            r#"{"params":{"name":"order","arguments":{"cents":5},"_meta":{"x":{"number, written":"1"}}}}"#,
            "approval-not-requestable",
        ),
    ];
    for (body, expected) in facts {
        let world = world(seconds(60), &[]);
        let (happened, told) = call(&world, body);
        assert!(told.starts_with(expected), "{body}: {told}");
        let is_asked = happened.iter().any(|what| matches!(what, Happened::Asked(_)));
        assert!(!is_asked && !was_sent(&happened), "{body}: {happened:#?}");
    }
}

#[test]
fn a_held_call_ends_with_what_it_waits_for() {
    use Meanwhile::{Ends, Kill, No, Nothing, Taken, Yes};
    let facts = [
        ("nobody answers", vec![], "approval-required until arq_0", 60),
        ("others are answered", vec![(10, Nothing), (59, Nothing)], "approval-required until arq_0", 60),
        ("a yes", vec![(10, Nothing), (20, Yes)], "", 20),
        ("a no", vec![(20, No)], "approval-refused", 20),
        ("somebody else was faster", vec![(20, Taken)], "approval-required until arq_1", 20),
        ("a lock on the tool", vec![(20, Kill("tool:shop/order"))], "tool-locked", 20),
        ("a lock on the user", vec![(20, Kill("user:ada"))], "principal-locked", 20),
        ("the gate ends", vec![(20, Ends)], "approval-required until arq_0", 20),
    ];
    for (title, meanwhile, expected, at) in facts {
        let world = world(seconds(60), &meanwhile);
        let (happened, told) = call(&world, CALL);
        assert_eq!(was_sent(&happened), expected.is_empty(), "{title}: {happened:#?}");
        assert!(expected.is_empty() || told == expected, "{title}: {told}");
        assert_eq!(world.time.now(), seconds(at), "{title}");
    }
}

#[test]
fn who_leaves_is_waited_for_no_longer() {
    let world = world(seconds(60), &[(30, Meanwhile::Yes)]);
    run_with(&world, &Tools, CALL, seconds(7));
    let happened = world.scripted.happened();
    assert!(!was_sent(&happened) && world.time.now() < seconds(30), "{happened:#?}");
}

#[test]
fn without_a_record_of_the_use_there_is_no_effect() {
    let world = world(Duration::ZERO, &[]);
    call(&world, CALL);
    world.scripted.desk.say(true, NOW);
    world.scripted.desk.fails.store(true, Ordering::SeqCst);
    let (happened, told) = call(&world, CALL);
    assert!(told == "evidence-unavailable" && !was_sent(&happened), "{happened:#?}");
    world.scripted.desk.fails.store(false, Ordering::SeqCst);
    let (happened, told) = call(&world, CALL);
    assert!(told == "approval-required until arq_1" && !was_sent(&happened), "whether it stands in the log nobody knows: {told}");
}

#[test]
fn what_is_taken_back_while_it_is_recorded_is_not_done() {
    let world = world(Duration::ZERO, &[]);
    call(&world, CALL);
    world.scripted.desk.say(true, NOW);
    world.scripted.desk.refuses_after_record.store(true, Ordering::SeqCst);
    let (happened, told) = call(&world, CALL);
    assert!(told == "approval-refused" && !was_sent(&happened), "{told} {happened:#?}");
    assert!(happened.contains(&Happened::Recorded(EntryKind::Outcome, Some(ReasonCode::ApprovalRefused))), "{happened:#?}");
}

#[test]
fn other_policies_while_it_is_recorded_decide() {
    for (digest, policies, is_done) in [
        // Other settings: the same policies, so the same approval, used up by this very call.
        (Digest([7; 32]), POLICIES.to_owned(), true),
        // Another bundle: as if it were not there.
        (
            Digest([8; 32]),
            format!("{POLICIES} permit (principal, action == Portcullis::Action::\"listTools\", resource);"),
            false,
        ),
    ] {
        let world = world(Duration::ZERO, &[]);
        call(&world, CALL);
        world.scripted.desk.say(true, NOW);
        let applied = Arc::new(Snapshot { digest, ..with(&policies, Duration::ZERO) });
        world.scripted.script.lock().unwrap().apply_after_record = Some(applied);
        let (happened, told) = call(&world, CALL);
        assert_eq!(was_sent(&happened), is_done, "{told}: {happened:#?}");
        assert!(is_done || told == "approval-required until arq_1", "{told}");
    }
}
