//! What a call adds to the ledger is in the log before it is joined, or leaves.

use evidence::EntryKind::{Edit, Intent};
use evidence::Header;
use flow::Ledger;
use model::{Integrity, Label, ReasonCode};

use crate::world::{Happened, Scripted, Step};
use crate::{PERMIT, answering, ask, position, written};

const STREAM: &str = "{\"model\":\"small\",\"stream\":true}";
/// Personal data passes, a secret is redacted: only the first is a label.
const MAIL: Step = Step::Piece("{\"text\":\"mail ada.lovelace@analytical-engines.org now \"}\n");
const KEY: Step = Step::Piece("{\"text\":\"key AKIAQ3EGRVYP2TQ7XN5K now \"}\n");
const END: Step = Step::Piece("END\n");

/// Every step comes by itself: what arrives together is released together.
fn streaming(steps: &[Step]) -> Scripted {
    let apart: Vec<Step> = steps.iter().flat_map(|step| [step.clone(), Step::Pause]).collect();
    let world = answering(PERMIT, &apart);
    world.script.lock().unwrap().content_type = "text/event-stream";
    world
}

fn headers(world: &Scripted) -> Vec<Header> {
    world.script.lock().unwrap().headers.clone()
}

fn pii() -> Label {
    Label { compartments: ["pii".parse().unwrap()].into(), ..Label::default() }
}

/// The labels of one entry, by origin. They are all of the credential's own ledger.
fn observed(world: &Scripted, header: &Header) -> Vec<(String, Label)> {
    let of_ledger = |observed: &evidence::Observed| {
        assert_eq!(observed.ledger, world.credential.ledger);
        (observed.origin.clone(), observed.label.clone())
    };
    header.observed.iter().map(of_ledger).collect()
}

/// A gate that starts from this log knows exactly what this one knows.
fn check_replay(world: &Scripted) {
    let mut ledger = Ledger::default();
    for (origin, label) in headers(world).iter().flat_map(|header| observed(world, header)) {
        ledger.observe(&origin, &label);
    }
    assert_eq!(ledger, world.script.lock().unwrap().ledger);
}

#[test]
fn the_intent_names_what_the_request_and_the_answer_add() {
    let trusted = Label { integrity: Integrity::Trusted, ..Label::default() };
    let answer = ("model:small".to_owned(), trusted);
    let facts = [
        ("nothing", "{\"model\":\"small\",\"text\":\"hello\"}", vec![answer.clone()]),
        ("redacted", "{\"model\":\"small\",\"text\":\"key AKIAQ3EGRVYP2TQ7XN5K\"}", vec![answer.clone()]),
        (
            "passes",
            "{\"model\":\"small\",\"text\":\"mail ada.lovelace@analytical-engines.org\"}",
            vec![("request".to_owned(), pii()), answer],
        ),
    ];
    for (title, body, expected) in facts {
        let world = answering(PERMIT, &[Step::Piece("{\"text\":\"hi\"}")]);
        let happened = ask(&world, body);
        let headers = headers(&world);
        assert_eq!(headers[0].kind, Intent);
        assert_eq!(observed(&world, &headers[0]), expected, "{title}");
        let recorded = position(&happened, |what| matches!(what, Happened::Recorded(Intent, _)));
        let joined = position(&happened, |what| matches!(what, Happened::Observed(_)));
        assert!(recorded < joined, "{title}: {happened:#?}");
        check_replay(&world);
    }
}

#[test]
fn what_has_no_effect_adds_nothing() {
    let world = answering(PERMIT, &[]);
    ask(&world, "{\"model\":\"large\",\"text\":\"mail ada.lovelace@analytical-engines.org\"}");
    assert!(headers(&world).iter().all(|header| header.observed.is_empty()));
    check_replay(&world);
}

#[test]
fn an_edit_names_its_label_before_the_piece_leaves() {
    let world = streaming(&[MAIL, END]);
    let happened = ask(&world, STREAM);
    let headers = headers(&world);
    let edits: Vec<&Header> = headers.iter().filter(|header| header.kind == Edit).collect();
    assert_eq!(edits.len(), 1, "{headers:#?}");
    assert_eq!(observed(&world, edits[0]), [("model:small".to_owned(), pii())]);
    let edit = position(&happened, |what| matches!(what, Happened::Recorded(Edit, _)));
    let left = position(&happened, |what| matches!(what, Happened::Written(text) if text.contains("lovelace")));
    assert!(edit < left, "{happened:#?}");
    check_replay(&world);
}

#[test]
fn a_label_that_cannot_be_recorded_does_not_leave() {
    let world = streaming(&[KEY, MAIL, END]);
    world.script.lock().unwrap().fail_edits = true;
    let happened = ask(&world, STREAM);
    let written = written(&happened);
    assert!(!written.contains("lovelace") && written.ends_with("!evidence-unavailable"), "{written}");
    assert!(happened.contains(&Happened::Recorded(Edit, None)), "an edit without a label is not waited for");
    assert!(happened.contains(&Happened::Recorded(evidence::EntryKind::Outcome, Some(ReasonCode::EvidenceUnavailable))));
}

#[test]
fn behind_the_last_edit_a_new_label_still_gets_its_own() {
    let mut steps = vec![KEY; 100];
    steps.extend([MAIL, MAIL, END]);
    let world = streaming(&steps);
    ask(&world, STREAM);
    let headers = headers(&world);
    let edits: Vec<&Header> = headers.iter().filter(|header| header.kind == Edit).collect();
    assert_eq!(edits.len(), 65, "64, and one for the label");
    assert!(edits[..64].iter().all(|edit| edit.observed.is_empty()));
    assert_eq!(observed(&world, edits[64]), [("model:small".to_owned(), pii())]);
    check_replay(&world);
}

/// More findings than are kept one by one, and behind them the only one that passes.
#[test]
fn no_number_of_redacted_findings_hides_the_label_of_one_that_passes() {
    let text = "AKIAQ3EGRVYP2TQ7XN5K ".repeat(1500) + "ada.lovelace@analytical-engines.org";
    let document: &'static str = Box::leak(format!("{{\"text\":\"{text}\"}}").into_boxed_str());
    let world = answering(PERMIT, &[Step::Piece(document)]);
    let happened = ask(&world, "{\"model\":\"small\"}");
    assert!(written(&happened).ends_with("ada.lovelace@analytical-engines.org\"}"), "it passes");
    let label = world.script.lock().unwrap().ledger.effective();
    assert!(label.compartments.iter().any(|name| name.as_str() == "pii"), "{label:?}");
    check_replay(&world);
}
