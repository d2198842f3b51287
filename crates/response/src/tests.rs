//! Laws of approvals.

use std::sync::Arc;

use model::{ApprovalAnswer, Chain, CredentialId, Digest, Name, PrincipalId, RequestId, UnixMillis};
use proptest::prelude::*;
use proptest::sample::subsequence;
use proptest::test_runner::{Config, RngSeed};

use crate::{
    AnswerError, Approvals, AskError, Closed, Misfit, Request, Standing, Status, Terms, View, Wanted, WantedItem, request,
};

const START: UnixMillis = UnixMillis(1_000_000);
const TERMS: Terms = Terms { quorum: 2, waits: 100, holds: 50, pending: 3, refusals: 2 };
const KEY: &str = "key";

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn party(text: &str) -> PrincipalId {
    text.parse().unwrap()
}

fn chain() -> Chain {
    Chain::new(vec![party("user:ada"), party("agent:desk")]).unwrap()
}

fn wanted(scopes: &[u8]) -> Wanted {
    let item = |scope: &u8| WantedItem {
        scope: Digest([*scope; 32]),
        topic: Digest([*scope % 10; 32]),
        text: format!("scope {scope}"),
        salt: "salt".to_owned(),
        commitment: Digest([*scope; 32]),
        because: vec!["p".to_owned()],
        origins: Vec::new(),
        request: RequestId::new(START, [*scope; 10]),
    };
    let items = scopes.iter().map(item).collect();
    Wanted {
        by: party("pep:app"),
        chain: chain(),
        policies: Digest([9; 32]),
        items,
        is_list: false,
        key: None,
        said: String::new(),
        is_single_use: false,
        seen: None,
    }
}

fn make(id: &str, wanted: Wanted) -> Request {
    let approvals = (0..wanted.items.len()).map(|index| name(&format!("{id}-{index}"))).collect();
    request(Arc::new(wanted), name(id), approvals, &TERMS, START)
}

fn with(requests: Vec<Request>) -> Approvals {
    let mut approvals = Approvals::default();
    requests.into_iter().for_each(|request| approvals.asked(request));
    approvals
}

fn answer(id: &str, item: Option<u8>, shown: &[u8], is_approved: bool) -> ApprovalAnswer {
    ApprovalAnswer { id: name(id), item, shown: shown.iter().map(|scope| Digest([*scope; 32])).collect(), is_approved }
}

fn at(seconds: u64) -> UnixMillis {
    START.plus_seconds(seconds)
}

fn all_count(_: &PrincipalId, _: &CredentialId) -> bool {
    true
}

fn view(now: UnixMillis) -> View<'static> {
    View { now, terms: &TERMS, counts: &all_count }
}

fn say(approvals: &mut Approvals, by: &str, seconds: u64, answer: &ApprovalAnswer) {
    approvals.answered(&party(&format!("operator:{by}")), &name(KEY), at(seconds), answer);
}

fn standing(approvals: &Approvals, approval: &str, now: UnixMillis) -> Result<UnixMillis, Misfit> {
    approvals.standing(&party("pep:app"), approval, &view(now)).map(|standing| standing.until)
}

fn may(approvals: &Approvals, by: &str, answer: &ApprovalAnswer, seconds: u64) -> Result<(), AnswerError> {
    approvals.may_answer(&name(by), answer, &view(at(seconds)))
}

#[test]
fn as_many_operators_as_are_needed_approve_what_was_shown() {
    let mut approvals = with(vec![make("one", wanted(&[1]))]);
    let yes = answer("one", None, &[1], true);
    for shown in [&[2][..], &[], &[1, 1]] {
        assert_eq!(may(&approvals, "olga", &answer("one", None, shown, true), 1), Err(AnswerError::NotShown));
    }
    for (seconds, operator) in [(1, "olga"), (2, "olga"), (3, "otto")] {
        let told = may(&approvals, operator, &yes, seconds);
        assert_eq!(told, if seconds == 2 { Err(AnswerError::Twice) } else { Ok(()) });
        assert_eq!(standing(&approvals, "one-0", at(seconds)), Err(Misfit::Unknown), "one of two");
        say(&mut approvals, operator, seconds, &yes);
    }
    let expected = Standing {
        approval: name("one-0"),
        id: name("one"),
        approvers: vec![party("operator:olga"), party("operator:otto")],
        until: at(53),
        scope: Digest([1; 32]),
        policies: Digest([9; 32]),
        because: vec!["p".to_owned()],
    };
    assert_eq!(approvals.standing(&party("pep:app"), "one-0", &view(at(53))), Ok(expected));
    assert_eq!(standing(&approvals, "one-0", UnixMillis(at(53).0 + 1)), Err(Misfit::Over));
    assert_eq!(may(&approvals, "oona", &yes, 4), Err(AnswerError::Closed));
}

#[test]
fn an_approval_is_no_key() {
    let mut approvals = with(vec![make("one", wanted(&[1]))]);
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("one", None, &[1], true));
    }
    assert_eq!(standing(&approvals, "one-0", at(2)), Ok(at(51)));
    for unknown in ["one-1", "one", "two words", ""] {
        assert_eq!(standing(&approvals, unknown, at(2)), Err(Misfit::Unknown), "{unknown}");
    }
    assert_eq!(approvals.standing(&party("pep:other"), "one-0", &view(at(2))), Err(Misfit::Unknown));
}

#[test]
fn stricter_terms_hold_for_what_was_asked_before() {
    let mut approvals = with(vec![make("one", wanted(&[1]))]);
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("one", None, &[1], true));
    }
    let by = |terms: &Terms, now| {
        approvals.standing(&party("pep:app"), "one-0", &View { terms, ..view(now) }).map(|standing| standing.until)
    };
    assert_eq!(by(&Terms { quorum: 3, ..TERMS }, at(2)), Err(Misfit::Unknown));
    assert_eq!(by(&Terms { quorum: 1, holds: 5000, ..TERMS }, at(2)), Ok(at(51)), "never looser");
    assert_eq!(by(&Terms { holds: 5, ..TERMS }, at(6)), Ok(at(6)));
    assert_eq!(by(&Terms { holds: 5, ..TERMS }, at(7)), Err(Misfit::Over));
}

#[test]
fn who_lost_the_right_to_approve_has_not_approved() {
    let mut approvals = with(vec![make("one", wanted(&[1]))]);
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("one", None, &[1], true));
    }
    let without = |by: &PrincipalId, _: &CredentialId| by.name.as_str() != "otto";
    let view = View { counts: &without, ..view(at(2)) };
    assert_eq!(approvals.standing(&party("pep:app"), "one-0", &view), Err(Misfit::Unknown));
    let stolen = |_: &PrincipalId, key: &CredentialId| key.as_str() != KEY;
    assert_eq!(approvals.standing(&party("pep:app"), "one-0", &View { counts: &stolen, ..view }), Err(Misfit::Unknown));
    // With another key the same operator may say it again.
    let told = answer("one", None, &[1], true);
    assert_eq!(approvals.may_answer(&name("olga"), &told, &View { counts: &stolen, ..view }), Ok(()));
}

#[test]
fn who_acts_or_asks_does_not_approve() {
    let approvals = with(vec![make("one", wanted(&[1]))]);
    for operator in ["ada", "desk", "app"] {
        assert_eq!(may(&approvals, operator, &answer("one", None, &[1], true), 1), Err(AnswerError::Involved));
        assert_eq!(may(&approvals, operator, &answer("one", None, &[], false), 1), Ok(()), "a no is anybody's");
    }
}

#[test]
fn what_cannot_be_shown_cannot_be_approved_or_used() {
    let mut approvals = with(vec![make("one", wanted(&[1])), make("two", wanted(&[2]))]);
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("two", None, &[2], true));
    }
    assert!(standing(&approvals, "two-0", at(2)).is_ok());
    approvals.erase(|request| request.chain == chain());
    assert_eq!(may(&approvals, "olga", &answer("one", None, &[1], true), 1), Err(AnswerError::Erased));
    assert_eq!(standing(&approvals, "two-0", at(2)), Err(Misfit::Over));
    for unknown in [answer("none", None, &[1], true), answer("one", Some(1), &[], true), answer("one", Some(1), &[], false)] {
        assert_eq!(may(&approvals, "olga", &unknown, 1), Err(AnswerError::Unknown));
    }
}

#[test]
fn the_same_waits_once_and_is_refused_so_often() {
    let mut approvals = with(vec![make("one", wanted(&[1]))]);
    let known = |approvals: &mut Approvals, scopes: &[u8], now| {
        approvals.known(&wanted(scopes), &view(now)).map(|known| known.map(|request| request.ask.id.clone()))
    };
    assert_eq!(known(&mut approvals, &[1], at(1)), Ok(Some(name("one"))));
    assert_eq!(known(&mut approvals, &[2], at(1)), Ok(None));
    approvals.asked(make("two", wanted(&[2])));
    approvals.asked(make("three", wanted(&[3])));
    assert_eq!(known(&mut approvals, &[4], at(1)), Err(AskError::TooMany));
    let other = Wanted { by: party("pep:other"), ..wanted(&[4]) };
    assert_eq!(approvals.known(&other, &view(at(1))), Ok(None), "other points wait for themselves");
    assert_eq!(known(&mut approvals, &[4], at(100)), Ok(None), "nothing waits any more");
    // 11 and 21 are of the topic of 1.
    for (id, scope) in [("one", 1), ("eleven", 11)] {
        assert_eq!(known(&mut approvals, &[21], at(100)), Ok(None));
        approvals.asked(make(id, wanted(&[scope])));
        say(&mut approvals, "olga", 2, &answer(id, None, &[], false));
    }
    assert_eq!(known(&mut approvals, &[21], at(100)), Err(AskError::Exhausted));
    assert_eq!(known(&mut approvals, &[2], at(100)), Ok(None));
    let elsewhere = Wanted { by: party("pep:other"), ..wanted(&[21]) };
    assert_eq!(approvals.known(&elsewhere, &view(at(100))), Err(AskError::Exhausted), "no other point gets it either");
    let forgotten = at(100 + 50 + 24 * 3600);
    assert_eq!(known(&mut approvals, &[21], forgotten), Ok(None));
    assert_eq!(approvals.n_requests(), 0);
}

#[test]
fn a_point_fills_its_own_room_only() {
    let long = |number: u8, by: &str| {
        let mut wanted = Wanted { by: party(by), ..wanted(&[number]) };
        wanted.items[0].text = "x".repeat(1 << 20);
        wanted
    };
    let mut approvals = Approvals::default();
    let mut n_taken = 0;
    for number in 0..20 {
        match approvals.known(&long(number, "pep:app"), &View { terms: &Terms { pending: 1000, ..TERMS }, ..view(at(1)) }) {
            Ok(None) => {
                n_taken += 1;
                approvals.asked(make(&format!("long{number}"), long(number, "pep:app")));
            }
            other => assert_eq!(other.err(), Some(AskError::TooMany)),
        }
    }
    assert!((3..=4).contains(&n_taken), "{n_taken} of a MiB each fit in 4 MiB");
    assert_eq!(approvals.known(&long(30, "pep:other"), &view(at(1))).map(drop), Ok(()));
    // What was cancelled makes room, what was refused does not.
    approvals.cancelled(&name("long1"), at(2));
    say(&mut approvals, "olga", 2, &answer("long0", None, &[], false));
    assert_eq!(approvals.known(&long(31, "pep:app"), &view(at(3))).map(drop), Ok(()));
    assert!(approvals.get(&name("long1")).is_none() && approvals.get(&name("long0")).is_some());
}

#[test]
fn a_key_stands_for_one_request() {
    let keyed = |scope| Wanted { key: Some(b"k".to_vec()), ..wanted(&[scope]) };
    let mut approvals = with(vec![make("one", keyed(1))]);
    say(&mut approvals, "olga", 1, &answer("one", None, &[], false));
    let known = approvals.known(&keyed(1), &view(at(2))).unwrap().map(|request| request.ask.id.clone());
    assert_eq!(known, Some(name("one")), "also when it is over");
    for other in [keyed(2), Wanted { said: "for longer".to_owned(), ..keyed(1) }] {
        assert_eq!(approvals.known(&other, &view(at(2))), Err(AskError::KeyTaken));
    }
    let other = Wanted { by: party("pep:other"), ..keyed(2) };
    assert_eq!(approvals.known(&other, &view(at(2))), Ok(None));
}

#[test]
fn several_things_stand_each_for_itself() {
    let mut approvals = with(vec![make("all", wanted(&[1, 2, 3]))]);
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("all", Some(0), &[1], true));
    }
    let status = |approvals: &Approvals| approvals.get(&name("all")).unwrap().status(&view(at(5)));
    assert_eq!(status(&approvals), Status::Pending);
    assert_eq!((standing(&approvals, "all-0", at(2)), standing(&approvals, "all-1", at(2))), (Ok(at(51)), Err(Misfit::Unknown)));
    say(&mut approvals, "olga", 2, &answer("all", Some(1), &[2], false));
    approvals.cancelled(&name("all"), at(3));
    // What was over stays as it was; what still waited is cancelled.
    let of = |approvals: &Approvals, index| approvals.get(&name("all")).unwrap().status_of(index, &view(at(5)));
    assert_eq!(of(&approvals, 0), Status::Approved { at: at(1), until: at(51) });
    assert_eq!([of(&approvals, 1), of(&approvals, 2)], [Status::Closed(Closed::Refused), Status::Closed(Closed::Cancelled)]);
    assert_eq!(status(&approvals), Status::Partial);
    assert_eq!(standing(&approvals, "all-0", at(3)), Ok(at(51)));
    say(&mut approvals, "oona", 4, &answer("all", Some(0), &[], false));
    assert_eq!(of(&approvals, 0), Status::TakenBack { at: at(1), until: at(51) });
    assert_eq!(standing(&approvals, "all-0", at(4)), Err(Misfit::Over));
}

/// A call of a tool that needs an approval.
fn call(scope: u8) -> Wanted {
    Wanted { by: party("agent:desk"), is_single_use: true, ..wanted(&[scope]) }
}

fn approved(approvals: &mut Approvals, id: &str, scope: u8) {
    approvals.asked(make(id, call(scope)));
    for operator in ["olga", "otto"] {
        say(approvals, operator, 1, &answer(id, None, &[scope], true));
    }
}

fn number(number: u8) -> RequestId {
    RequestId::new(START, [number; 10])
}

#[test]
fn an_approval_of_a_call_is_used_once() {
    let mut approvals = Approvals::default();
    approved(&mut approvals, "one", 1);
    let found =
        |approvals: &Approvals, by| approvals.of_call(&call(1), number(by), &view(at(2))).map(|standing| standing.approval);
    assert_eq!(found(&approvals, 1), Some(name("one-0")), "looking uses nothing up");
    assert_eq!(approvals.is_there_for(&name("one-0"), number(1), &view(at(2))), Some(false));
    approvals.used(&name("one-0"), at(2), number(1));
    assert_eq!(approvals.is_there_for(&name("one-0"), number(1), &view(at(2))), Some(true));
    assert_eq!((found(&approvals, 1), found(&approvals, 2)), (Some(name("one-0")), None));
    assert_eq!(approvals.is_there_for(&name("one-0"), number(2), &view(at(2))), None);
    // Two nodes that have both used it: then it is there for neither.
    approvals.used(&name("one-0"), at(2), number(2));
    assert_eq!((found(&approvals, 1), found(&approvals, 2)), (None, None));
    assert_eq!(approvals.known(&call(1), &view(at(2))).map(drop), Ok(()), "it may be asked for again");
    // Whoever answers may take back what is not used yet.
    approved(&mut approvals, "two", 2);
    say(&mut approvals, "oona", 3, &answer("two", None, &[], false));
    assert_eq!(approvals.of_call(&call(2), number(3), &view(at(3))), None);
}

#[test]
fn an_approval_of_a_call_is_for_that_call() {
    let mut approvals = Approvals::default();
    approved(&mut approvals, "one", 1);
    let because = |policies: &[&str]| {
        let mut wanted = call(1);
        wanted.items[0].because = policies.iter().map(ToString::to_string).collect();
        wanted
    };
    let longer = Chain::new(vec![party("user:ada"), party("agent:desk"), party("agent:other")]).unwrap();
    let facts = [
        ("the same", call(1), 50, true),
        ("its last moment", call(1), 51, true),
        ("later", call(1), 52, false),
        ("other arguments", call(11), 2, false),
        ("another party asks", Wanted { by: party("user:ada"), ..call(1) }, 2, false),
        ("another chain", Wanted { chain: longer, ..call(1) }, 2, false),
        ("another bundle", Wanted { policies: Digest([8; 32]), ..call(1) }, 2, false),
        ("another policy by now", because(&["p", "q"]), 2, false),
        ("fewer policies by now", because(&[]), 2, true),
        ("several things", Wanted { items: wanted(&[1, 2]).items, ..call(1) }, 2, false),
    ];
    for (title, wanted, seconds, expected) in facts {
        assert_eq!(approvals.of_call(&wanted, number(1), &view(at(seconds))).is_some(), expected, "{title}");
    }
    // Nobody presents it by its name, and what a point was approved is no call's.
    assert_eq!(approvals.standing(&party("agent:desk"), "one-0", &view(at(2))), Err(Misfit::Unknown));
    approvals.asked(make("pep", wanted(&[3])));
    for operator in ["olga", "otto"] {
        say(&mut approvals, operator, 1, &answer("pep", None, &[3], true));
    }
    assert_eq!(approvals.of_call(&Wanted { is_single_use: true, ..wanted(&[3]) }, number(1), &view(at(2))), None);
    assert_eq!(approvals.is_there_for(&name("pep-0"), number(1), &view(at(2))), None);
    approvals.erase(|request| request.chain == chain());
    assert_eq!(approvals.of_call(&call(1), number(1), &view(at(2))), None, "what was erased");
    assert_eq!(approvals.is_there_for(&name("one-0"), number(1), &view(at(2))), None);
}

#[test]
fn one_task_asks_so_often() {
    let mut approvals = Approvals::default();
    let many = Terms { pending: 100, ..TERMS };
    let ask = |approvals: &mut Approvals, scope: u8, now| {
        approvals.known(&call(scope), &View { terms: &many, ..view(now) }).map(|known| known.is_some())
    };
    for scope in 0..60 {
        assert_eq!(ask(&mut approvals, scope, at(0)), Ok(false), "{scope}");
        approvals.asked(make(&format!("call{scope}"), call(scope)));
    }
    assert_eq!(ask(&mut approvals, 60, at(59)), Err(AskError::TooMany));
    assert_eq!(ask(&mut approvals, 5, at(59)), Ok(true), "what waits already is no new one");
    let other = Wanted { by: party("user:ada"), ..call(60) };
    assert_eq!(approvals.known(&other, &View { terms: &many, ..view(at(59)) }).map(|known| known.is_some()), Ok(false));
    assert_eq!(ask(&mut approvals, 60, at(60)), Ok(false));
}

/// What may happen to one request.
#[derive(Debug, Clone)]
enum Step {
    Answer(&'static str, u64, Option<u8>, bool),
    Cancel(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let by = proptest::sample::select(vec!["a", "b", "c"]);
    let item = proptest::sample::select(vec![None, Some(0), Some(1)]);
    prop_oneof![
        12 => (by, 0..120_u64, item, proptest::bool::weighted(0.8)).prop_map(|(by, at, item, yes)| Step::Answer(by, at, item, yes)),
        1 => (0..120_u64).prop_map(Step::Cancel),
    ]
}

fn play(steps: &[Step]) -> Approvals {
    let mut approvals = with(vec![make("one", wanted(&[1, 2]))]);
    for step in steps {
        match step {
            Step::Answer(by, seconds, item, yes) => say(&mut approvals, by, *seconds, &answer("one", *item, &[], *yes)),
            Step::Cancel(seconds) => approvals.cancelled(&name("one"), at(*seconds)),
        }
    }
    approvals
}

proptest! {
    #![proptest_config(Config { cases: 400, rng_seed: RngSeed::Fixed(4), failure_persistence: None, ..Config::default() })]

    /// The log may have acts in another order than the gate had.
    #[test]
    fn the_order_does_not_matter(steps in proptest::collection::vec(step(), 0..8), keys in proptest::collection::vec(0..100_u8, 8), now in 0..200_u64) {
        let mut shuffled: Vec<(u8, Step)> = keys.into_iter().zip(steps.clone()).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Step> = shuffled.into_iter().map(|(_, step)| step).collect();
        let (one, other) = (play(&steps), play(&shuffled));
        let status = |approvals: &Approvals, index| approvals.get(&name("one")).unwrap().status_of(index, &view(at(now)));
        for index in 0..2 {
            prop_assert_eq!(status(&one, index), status(&other, index));
        }
    }

    /// Without one of the yeses, nothing is approved that was not with it; without a no or a cancellation nothing is lost.
    #[test]
    fn fewer_yeses_never_widen(steps in proptest::collection::vec(step(), 0..8), kept in subsequence((0..8_usize).collect::<Vec<_>>(), 0..8), now in 0..200_u64) {
        let is_yes = |step: &Step| matches!(step, Step::Answer(_, _, _, true));
        let fewer: Vec<Step> = steps.iter().enumerate().filter(|(index, step)| !is_yes(step) || kept.contains(index)).map(|(_, step)| step.clone()).collect();
        let only_yes: Vec<Step> = steps.iter().filter(|step| is_yes(step)).cloned().collect();
        let (whole, less, yes) = (play(&steps), play(&fewer), play(&only_yes));
        for index in 0..2 {
            let approval = format!("one-{index}");
            let holds = |approvals: &Approvals| standing(approvals, &approval, at(now)).is_ok();
            // A yes that is taken away can make a later one the second, which holds longer; never does it make one hold that had not.
            let begun = |approvals: &Approvals| matches!(approvals.get(&name("one")).unwrap().status_of(index, &view(at(now))), Status::Approved { .. });
            prop_assert!(begun(&whole) || !begun(&less));
            prop_assert!(holds(&yes) || !holds(&whole));
        }
    }
}
