//! Scanners that are not there yet: nothing is inspected, and so nothing passes.

use std::sync::Arc;

use engine::Scanning;
use model::ReasonCode;

use crate::world::{Happened, Step};
use crate::{KEY, PERMIT, answering, ask, was_sent, written};

#[test]
fn nothing_passes_until_the_scanners_are_there() {
    let mut world = answering(PERMIT, &[Step::Piece("{}")]);
    Arc::get_mut(&mut world.snapshot).unwrap().scanners = Scanning::Pending;
    let happened = ask(&world, &format!("{{\"model\":\"small\",\"text\":\"{KEY}\"}}"));
    assert!(!was_sent(&happened), "{happened:#?}");
    assert_eq!(written(&happened), "rules-pending");
    assert!(happened.iter().any(|what| matches!(what, Happened::Recorded(_, Some(ReasonCode::RulesPending)))), "{happened:#?}");
}

#[test]
fn the_same_call_passes_once_they_are() {
    let world = answering(PERMIT, &[Step::Piece("{}")]);
    assert!(was_sent(&ask(&world, "{\"model\":\"small\",\"text\":\"hello\"}")));
}
