//! The path of one interaction, held against scripted worlds: what happens, and in which order.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod approvals;
mod budgets;
mod desk;
mod labels;
mod paused;
mod scanning;
mod world;

use std::sync::Arc;

use bytes::Bytes;
use engine::{Candour, Off};
use evidence::EntryKind::{Intent, Outcome};
use model::{Chain, ReasonCode};
use world::{Happened, Scripted, Step, TestClient, Toy, run, scripted};

const PERMIT: &str = "permit (principal, action, resource == Portcullis::Model::\"small\");";
const KEY: &str = "AKIAQ3EGRVYP2TQ7XN5K";

fn ask(world: &Scripted, body: &str) -> Vec<Happened> {
    ask_slowly(world, body, false)
}

fn ask_slowly(world: &Scripted, body: &str, is_slow: bool) -> Vec<Happened> {
    let mut client = TestClient { world, body: Bytes::copy_from_slice(body.as_bytes()), is_slow, length: None };
    run(engine::interaction(world, &Toy, &world.head(), &mut client));
    world.happened()
}

fn answering(policies: &str, steps: &[Step]) -> Scripted {
    let world = scripted(policies, Off::default());
    world.script.lock().unwrap().steps = steps.iter().cloned().collect();
    world
}

fn position(happened: &[Happened], is_it: impl Fn(&Happened) -> bool) -> usize {
    happened.iter().position(is_it).unwrap_or_else(|| panic!("{happened:#?}"))
}

fn was_sent(happened: &[Happened]) -> bool {
    happened.iter().any(|what| matches!(what, Happened::Sent(..)))
}

fn written(happened: &[Happened]) -> String {
    happened.iter().filter_map(|what| if let Happened::Written(text) = what { Some(text.as_str()) } else { None }).collect()
}

#[test]
fn record_before_effect_and_label_before_release() {
    let world = answering(PERMIT, &[Step::Piece("{\"text\":\"hi\"}")]);
    let happened = ask(&world, "{\"model\":\"small\",\"text\":\"hello\"}");
    let intent = position(&happened, |what| *what == Happened::Recorded(Intent, Some(ReasonCode::Permitted)));
    let sent = position(&happened, |what| matches!(what, Happened::Sent(..)));
    let observed = position(&happened, |what| *what == Happened::Observed("model:small".to_owned()));
    let begun = position(&happened, |what| *what == Happened::Begun(200));
    let written = position(&happened, |what| *what == Happened::Written("{\"text\":\"hi\"}".to_owned()));
    let outcome = position(&happened, |what| *what == Happened::Recorded(Outcome, Some(ReasonCode::Permitted)));
    assert!(intent < sent && sent < observed && observed < begun && begun < written && written < outcome, "{happened:#?}");
}

#[test]
fn what_is_sent_is_redacted_and_renamed_and_otherwise_untouched() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    let happened = ask(&world, &format!("{{ \"model\" : \"small\",\"text\":\"key {KEY} \\u00e9\", \"n\":1.50 }}"));
    let sent = Happened::Sent(
        "first".to_owned(),
        "{ \"model\" : \"real-model\",\"text\":\"key [redacted:aws-access-token] \\u00e9\", \"n\":1.50 }".to_owned(),
    );
    assert!(happened.contains(&sent), "{happened:#?}");
}

#[test]
fn escapes_inside_a_string_hide_nothing() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    let hidden = KEY.replacen('A', "\\u0041", 1);
    let arguments = serde_json::json!({"a": "x"}).to_string().replace('x', &format!("\\n{hidden}\\n"));
    let body = serde_json::json!({"model": "small", "text": arguments}).to_string();
    assert!(!body.contains(KEY) && !arguments.contains(KEY), "it stands behind two layers");
    let happened = ask(&world, &body);
    let sent = happened.iter().find_map(|what| if let Happened::Sent(_, body) = what { Some(body) } else { None }).unwrap();
    let sent: serde_json::Value = serde_json::from_str(sent).unwrap();
    let inner: serde_json::Value = serde_json::from_str(sent["text"].as_str().unwrap()).unwrap();
    assert_eq!(inner, serde_json::json!({"a": "\n[redacted:aws-access-token]\n"}));
}

/// Two edits of the same bytes cannot both be made: then the duty is not left undone, the call is. In a request and in a stream.
#[test]
fn a_duty_that_cannot_be_performed_is_no_permit() {
    let impossible = ReasonCode::DutyImpossible;
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    let happened = ask(&world, &format!("{{\"model\":\"small\",\"clash\":1,\"text\":\"key {KEY}\"}}"));
    assert!(!was_sent(&happened), "{happened:#?}");
    assert_eq!(written(&happened), impossible.to_string());
    assert!(happened.contains(&Happened::Recorded(Intent, Some(impossible))), "{happened:#?}");
    // Where there is nothing to redact, the same request leaves.
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    assert!(was_sent(&ask(&world, "{\"model\":\"small\",\"clash\":1,\"text\":\"key\"}")));
    for (answer, is_possible) in [
        ("{\"text\":\"key AKIAQ3EGRVYP2TQ7XN5K.\",\"clash\":1}\nEND\n", false),
        ("{\"text\":\"key AKIAQ3EGRVYP2TQ7XN5K.\"}\nEND\n", true),
        ("{\"text\":\"key.\",\"clash\":1}\nEND\n", true),
    ] {
        let world = answering(PERMIT, &[Step::Piece(answer)]);
        world.script.lock().unwrap().content_type = "text/event-stream";
        let happened = ask(&world, "{\"model\":\"small\",\"stream\":true,\"clash\":1,\"text\":\"hi\"}");
        assert!(was_sent(&happened) && !written(&happened).contains(KEY), "{happened:#?}");
        assert_eq!(written(&happened).contains(&impossible.to_string()), !is_possible, "{answer}: {happened:#?}");
        let reason = if is_possible { ReasonCode::Permitted } else { impossible };
        assert!(happened.contains(&Happened::Recorded(Outcome, Some(reason))), "{answer}: {happened:#?}");
    }
}

#[test]
fn nothing_is_sent_when() {
    let facts: [(&str, &str, &str, ReasonCode); 9] = [
        ("the model is not open", PERMIT, "{\"model\":\"large\"}", ReasonCode::ModelNotFound),
        ("the model is not there", PERMIT, "{\"model\":\"none\"}", ReasonCode::ModelNotFound),
        ("the model has no name", PERMIT, "{\"model\":\"a b\"}", ReasonCode::ModelNotFound),
        (
            "a link has no permit",
            "permit (principal is Portcullis::User, action, resource);",
            "{\"model\":\"small\"}",
            ReasonCode::ModelNotFound,
        ),
        ("the body is not JSON", PERMIT, "{", ReasonCode::BodyMalformed),
        ("a key stands twice", PERMIT, "{\"model\":\"large\",\"model\":\"small\"}", ReasonCode::KeyDuplicate),
        ("a field is missing", PERMIT, "{}", ReasonCode::FieldMissing),
        ("the body is too large", PERMIT, &" ".repeat(20_000), ReasonCode::BodyTooLarge),
        (
            "a duty denies the content",
            "@obligation(\"request:deny:secret\") permit (principal, action, resource);",
            "{\"model\":\"small\",\"text\":\"AKIAQ3EGRVYP2TQ7XN5K\"}",
            ReasonCode::ContentDenied,
        ),
    ];
    for (title, policies, body, code) in facts {
        let world = answering(policies, &[Step::Piece("{}")]);
        let happened = ask(&world, body);
        assert!(!was_sent(&happened), "{title}: {happened:#?}");
        assert_eq!(written(&happened), code.to_string(), "{title}");
        let recorded = position(&happened, |what| matches!(what, Happened::Recorded(Intent, _)));
        let told = position(&happened, |what| matches!(what, Happened::Begun(_)));
        assert!(recorded < told, "{title}: the record stands before the refusal");
    }
}

#[test]
fn without_a_log_there_is_no_effect() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    world.script.lock().unwrap().fail_records = true;
    let happened = ask(&world, "{\"model\":\"small\"}");
    assert!(!was_sent(&happened));
    assert_eq!(written(&happened), "evidence-unavailable");
    // A refusal that cannot be recorded says so too.
    let world = answering(PERMIT, &[]);
    world.script.lock().unwrap().fail_records = true;
    assert_eq!(written(&ask(&world, "{\"model\":\"large\"}")), "evidence-unavailable");
}

#[test]
fn a_flood_of_refusals_is_counted_and_the_caller_is_told_the_same() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    world.script.lock().unwrap().is_flood = true;
    let happened = ask(&world, "{\"model\":\"large\"}");
    assert_eq!(written(&happened), "model-not-found");
    assert!(
        !happened.iter().any(|what| matches!(what, Happened::Recorded(..))),
        "no entry, and no outcome of one: {happened:#?}"
    );
    // What has an effect is recorded whatever comes.
    let happened = ask(&world, "{\"model\":\"small\"}");
    let n_recorded = happened.iter().filter(|what| matches!(what, Happened::Recorded(Intent | Outcome, _))).count();
    assert_eq!(n_recorded, 2, "{happened:#?}");
}

#[test]
fn locks_stop_at_every_stage() {
    for target in ["all", "user:ada", "agent:bot"] {
        let world = answering(PERMIT, &[Step::Piece("{}")]);
        world.lock(target);
        let happened = ask(&world, "{\"model\":\"small\"}");
        assert!(!was_sent(&happened), "{target}");
        assert!(matches!(happened.first(), Some(Happened::Noise(_))), "stopped at admit: {happened:#?}");
    }
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    world.lock("model:small");
    assert_eq!(written(&ask(&world, "{\"model\":\"small\"}")), "model-locked");
    assert!(!was_sent(&world.happened()));
    // Between record and act.
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    world.script.lock().unwrap().lock_after_record = Some("user:ada");
    let happened = ask(&world, "{\"model\":\"small\"}");
    assert!(!was_sent(&happened), "{happened:#?}");
    assert!(happened.contains(&Happened::Recorded(Outcome, Some(ReasonCode::PrincipalLocked))));
    // While an answer is awaited, and in the middle of a stream.
    for steps in [vec![Step::Lock("model:small")], vec![Step::Piece("{\"text\":\"one \"}\n"), Step::Lock("all")]] {
        let world = answering(PERMIT, &steps);
        world.script.lock().unwrap().content_type = "text/event-stream";
        let happened = ask(&world, "{\"model\":\"small\",\"stream\":true}");
        let outcome = happened
            .iter()
            .any(|what| matches!(what, Happened::Recorded(Outcome, Some(ReasonCode::ModelLocked | ReasonCode::GateLocked))));
        assert!(outcome, "{happened:#?}");
    }
}

#[test]
fn a_lock_of_somebody_else_lets_the_stream_run() {
    let world =
        answering(PERMIT, &[Step::Piece("{\"text\":\"a \"}\n"), Step::Lock("user:eve"), Step::Piece("{\"text\":\"b \"}\nEND\n")]);
    world.script.lock().unwrap().content_type = "text/event-stream";
    let happened = ask(&world, "{\"model\":\"small\",\"stream\":true}");
    assert_eq!(written(&happened), "{\"text\":\"a \"}\n{\"text\":\"b \"}\nEND\n");
    assert!(happened.contains(&Happened::Recorded(Outcome, Some(ReasonCode::Permitted))));
}

#[test]
fn a_secret_across_events_never_leaves() {
    let pieces = ["{\"text\":\"key AKIAQ3EG\"}\n", "{\"text\":\"RVYP2TQ7\"}\n", "{\"text\":\"XN5K end\"}\n", "END\n"];
    let world = answering(PERMIT, &pieces.map(Step::Piece));
    world.script.lock().unwrap().content_type = "text/event-stream";
    let happened = ask(&world, "{\"model\":\"small\",\"stream\":true}");
    let expected = "{\"text\":\"key [redacted:aws-access-token]\"}\n{\"text\":\"\"}\n{\"text\":\" end\"}\nEND\n";
    assert_eq!(written(&happened), expected);
}

#[test]
fn a_torn_stream_is_said_to_be_torn() {
    // A word of prose, which nothing holds back.
    let world = answering(PERMIT, &[Step::Piece("{\"text\":\"plainly \"}\n"), Step::Break]);
    world.script.lock().unwrap().content_type = "text/event-stream";
    let happened = ask(&world, "{\"model\":\"small\",\"stream\":true}");
    assert!(written(&happened).ends_with("!upstream-broke-off"), "{happened:#?}");
}

#[test]
fn the_second_destination_is_tried_before_the_first_byte() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    world.script.lock().unwrap().unreachable.insert("first");
    let happened = ask(&world, "{\"model\":\"small\"}");
    let upstreams: Vec<&str> =
        happened.iter().filter_map(|what| if let Happened::Sent(to, _) = what { Some(to.as_str()) } else { None }).collect();
    assert_eq!(upstreams, ["first", "second"]);
    assert_eq!(written(&happened), "{}");
    assert!(world.script.lock().unwrap().down.contains("first"), "its failure is remembered");
}

#[test]
fn who_is_told_why() {
    let chain = |links: &[&str]| Chain::new(links.iter().map(|link| link.parse().unwrap()).collect()).unwrap();
    let facts =
        [(&["user:ada"][..], true), (&["user:ada", "agent:bot"], false), (&["agent:bot"], false), (&["service:s"], false)];
    for (links, is_user) in facts {
        let chain = chain(links);
        assert!(!Candour::Hide.explains(&chain) && Candour::Explain.explains(&chain));
        assert_eq!(Candour::ExplainUsers.explains(&chain), is_user, "{links:?}");
    }
}

#[test]
fn what_operators_apply_while_the_intent_is_written_judges_the_call() {
    let applied = |policies| {
        let world = answering(PERMIT, &[Step::Piece("{}")]);
        let other = answering(policies, &[]);
        world.script.lock().unwrap().apply_after_record = Some(Arc::clone(&other.snapshot));
        ask(&world, "{\"model\":\"small\"}")
    };
    let happened = applied("forbid (principal, action, resource);");
    assert!(!was_sent(&happened), "{happened:#?}");
    let recorded: Vec<&Happened> = happened.iter().filter(|what| matches!(what, Happened::Recorded(..))).collect();
    let [first, second, last] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert_eq!(**first, Happened::Recorded(Intent, Some(ReasonCode::Permitted)), "what held when it was made");
    assert_eq!(**second, Happened::Recorded(Intent, Some(ReasonCode::PolicyForbidden)), "what holds now");
    assert!(matches!(last, Happened::Recorded(Outcome, Some(reason)) if *reason != ReasonCode::Permitted));
    let happened = applied(PERMIT);
    assert!(was_sent(&happened), "the same again: it goes on, with an intent of its own");
    assert_eq!(happened.iter().filter(|what| matches!(what, Happened::Recorded(Intent, _))).count(), 2);
}

#[test]
fn a_destination_that_failed_lately_is_tried_last() {
    let sent = |down: &[&str]| {
        let world = answering(PERMIT, &[Step::Piece("{}")]);
        world.script.lock().unwrap().down.extend(down.iter().map(ToString::to_string));
        let happened = ask(&world, "{\"model\":\"small\"}");
        happened.iter().find_map(|what| if let Happened::Sent(to, _) = what { Some(to.clone()) } else { None })
    };
    assert_eq!(sent(&["first"]).as_deref(), Some("second"));
    assert_eq!(sent(&["first", "second"]).as_deref(), Some("first"), "when all failed, the order holds");
}

#[test]
fn answers_that_cannot_be_read_safely_stay_here() {
    let facts: [(u16, &str, &str, &str); 6] = [
        (401, "application/json", "{\"error\":\"key sk-secret\"}", "upstream-refused-gate"),
        (403, "application/json", "{}", "upstream-refused-gate"),
        (302, "application/json", "{}", "upstream-response-invalid"),
        (200, "text/html", "<p>", "upstream-response-invalid"),
        (200, "application/json", "{\"a\":1,\"a\":2}", "upstream-response-invalid"),
        (500, "text/plain", "oops", "upstream-unavailable"),
    ];
    for (status, content_type, body, code) in facts {
        let world = answering(PERMIT, &[Step::Piece(body)]);
        {
            let mut script = world.script.lock().unwrap();
            script.status = status;
            script.content_type = content_type;
        }
        assert_eq!(written(&ask(&world, "{\"model\":\"small\"}")), code, "{status} {content_type} {body}");
    }
}

#[test]
fn a_lock_does_not_wait_for_a_slow_reader() {
    let world = answering(PERMIT, &[Step::Piece("{\"text\":\"a \"}\n")]);
    {
        let mut script = world.script.lock().unwrap();
        script.content_type = "text/event-stream";
        script.lock_at_write = Some("all");
        script.sleeps_end = 1;
    }
    let happened = ask_slowly(&world, "{\"model\":\"small\",\"stream\":true}", true);
    assert_eq!(written(&happened), "", "the client never reads");
    assert!(happened.contains(&Happened::Aborted), "{happened:#?}");
    assert!(happened.contains(&Happened::Recorded(Outcome, Some(ReasonCode::GateLocked))));
}

#[test]
fn switched_off_controls_still_walk_the_path() {
    let world = scripted("", Off { policy: true, inspection: true, evidence: true });
    world.script.lock().unwrap().steps = [Step::Piece("{}")].into();
    let happened = ask(&world, &format!("{{\"model\":\"small\",\"text\":\"{KEY}\"}}"));
    assert!(happened.iter().any(|what| matches!(what, Happened::Sent(_, body) if body.contains(KEY))));
    assert!(!happened.iter().any(|what| matches!(what, Happened::Recorded(..))));
    // A lock is no control that can be switched off.
    let world = scripted("", Off { policy: true, inspection: true, evidence: true });
    world.lock("all");
    assert!(!was_sent(&ask(&world, "{\"model\":\"small\"}")));
}

#[test]
fn the_list_shows_what_may_be_called() {
    let world = scripted(PERMIT, Off::default());
    let mut client = TestClient { world: &world, body: Bytes::new(), is_slow: false, length: None };
    run(engine::list_models(&world, &Toy, &world.head(), &mut client));
    assert_eq!(written(&world.happened()), "small");
}

/// What the search cannot decide: hidden where refusals hide, left to the call where they explain; and the call decides.
#[test]
fn what_was_not_found_out_is_hidden_or_left_to_the_call() {
    let policies = "permit (principal, action == Portcullis::Action::\"callModel\", resource == Portcullis::Model::\"small\")
        when { context.auth.acr like \"a*\" && context.auth.acr like \"*b\" };";
    let facts = [(Candour::Hide, "", "model-not-found"), (Candour::Explain, "small", "only small")];
    for (candour, list, item) in facts {
        let world = || {
            let mut world = scripted(policies, Off::default());
            Arc::get_mut(&mut world.snapshot).unwrap().refusals = candour;
            world
        };
        let (whole, one, call) = (world(), world(), world());
        let client = |world| TestClient { world, body: Bytes::new(), is_slow: false, length: None };
        run(engine::list_models(&whole, &Toy, &whole.head(), &mut client(&whole)));
        assert_eq!(written(&whole.happened()), list, "{candour:?}");
        run(engine::show_model(&one, &Toy, &one.head(), &mut client(&one), "small"));
        assert_eq!(written(&one.happened()), item, "{candour:?}");
        assert!(!was_sent(&ask(&call, "{\"model\":\"small\"}")), "{candour:?}: the call decides");
    }
}

#[test]
fn one_model_is_shown_exactly_if_the_list_has_it() {
    let facts = [("small", "only small"), ("large", "model-not-found"), ("none", "model-not-found"), ("%41", "model-not-found")];
    for (id, expected) in facts {
        let world = scripted(PERMIT, Off::default());
        let mut client = TestClient { world: &world, body: Bytes::new(), is_slow: false, length: None };
        run(engine::show_model(&world, &Toy, &world.head(), &mut client, id));
        let happened = world.happened();
        assert_eq!(written(&happened), expected, "{id}");
        assert!(happened.iter().any(|what| matches!(what, Happened::Recorded(Intent, _))), "{id}: {happened:#?}");
    }
    let world = scripted(PERMIT, Off::default());
    world.lock("model:small");
    let mut client = TestClient { world: &world, body: Bytes::new(), is_slow: false, length: None };
    run(engine::show_model(&world, &Toy, &world.head(), &mut client, "small"));
    assert_eq!(written(&world.happened()), "model-not-found", "a lock takes it away as well");
}

#[test]
fn strangers_are_counted_and_told_nothing() {
    let world = scripted(PERMIT, Off::default());
    let mut head = world.head();
    head.headers.insert("authorization", "Bearer pcl_nobody".parse().unwrap());
    let mut client = TestClient { world: &world, body: Bytes::new(), is_slow: false, length: None };
    run(engine::interaction(&world, &Toy, &head, &mut client));
    assert_eq!(world.happened().first(), Some(&Happened::Noise(ReasonCode::CredentialUnknown)));
    assert_eq!(written(&world.happened()), "credential-unknown");
}
