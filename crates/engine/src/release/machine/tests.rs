//! Answers of several texts, cut and interleaved anyhow: each text leaves redacted, whole and in its order, or the answer ends.
//!
//! What is expected is not computed by a scanner: the texts are prose with secrets planted in it.

#![expect(clippy::string_slice, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use inspect::{MAX_DISGUISED, Scanners};
use model::{Dialect, Duties, ReasonCode, Refusal, RequestId};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use text::Document;

use super::Machine;
use crate::ports::{AnswerView, EventReader, Form, Head, LaneId, LeafUse, Protocol, StreamEvent, Understood, Voice};
use crate::snapshot::{Limits, Snapshot};

/// Events are lines `{"n", "pieces": [{"lane", "form", "choice", "piece"}], "ends": [lane], "last"}`.
struct Lines;

/// Events come one by one here.
struct NoReader;

impl EventReader for NoReader {
    fn push(&mut self, _: &[u8], _: &mut Vec<StreamEvent>) -> Result<(), ReasonCode> {
        Err(ReasonCode::Internal)
    }
    fn finish(&mut self) -> Result<(), ReasonCode> {
        Ok(())
    }
}

impl Voice for Lines {
    fn api(&self) -> Option<(Dialect, &'static str)> {
        None
    }
    fn refusal(&self, _: &Refusal, _: RequestId) -> (StatusCode, HeaderMap, Bytes) {
        (StatusCode::FORBIDDEN, HeaderMap::new(), Bytes::new())
    }
    fn stream_refusal(&self, _: &Refusal, _: RequestId) -> Bytes {
        Bytes::new()
    }
}

impl Protocol for Lines {
    type Events = NoReader;
    fn dialect(&self) -> Option<Dialect> {
        None
    }
    fn upstream_path(&self) -> &'static str {
        "/lines"
    }
    fn understand(&self, _: &Head, _: &Document<'_>, _: &Snapshot) -> Result<Understood, Refusal> {
        Err(Refusal::new(ReasonCode::Internal))
    }
    fn upstream_headers(&self, _: &Head) -> HeaderMap {
        HeaderMap::new()
    }
    fn client_headers(&self, _: &HeaderMap) -> HeaderMap {
        HeaderMap::new()
    }
    fn view(&self, document: &Document<'_>, _: Option<&str>, _: bool) -> AnswerView {
        let mut view = AnswerView { is_last: document.get(document.root(), "last").is_some(), ..AnswerView::default() };
        let word = |node, key: &str| document.get(node, key).and_then(|node| document.text(node)).unwrap().into_owned();
        for piece in document.get(document.root(), "pieces").into_iter().flat_map(|pieces| document.children(pieces)) {
            let form = match word(piece, "form").as_str() {
                "said" => Form::Said,
                "json" => Form::Json,
                _ => Form::Text,
            };
            let leaf = LeafUse::Piece { lane: LaneId(word(piece, "lane")), choice: 0, form };
            view.pieces.push((document.get(piece, "piece").unwrap(), leaf));
        }
        for ended in document.get(document.root(), "ends").into_iter().flat_map(|ends| document.children(ends)) {
            view.ends.push(LaneId(document.text(ended).unwrap().into_owned()));
        }
        view
    }
    fn is_end_mark(&self, data: &[u8]) -> bool {
        data == b"END"
    }
    fn events(&self, _: usize) -> NoReader {
        NoReader
    }
    fn rewrite(&self, _: &StreamEvent, data: &[u8]) -> Bytes {
        Bytes::from([data, b"\n"].concat())
    }
}

/// Nothing is found in them, nor in any of them beside another.
const PROSE: [&str; 12] = [
    "They",
    "asked",
    "the desk",
    "to keep",
    "every box,",
    "then",
    "the ghost",
    "of a skipper",
    "sold naïve",
    "eyes. 🙂",
    "So",
    "it went:",
];

/// What is planted, and what it is. The last one is the one that a duty may deny.
const PLANTED: [(&str, &str); 5] = [
    (concat!("AKIA", "Q3EGRVYP2TQ7XN5K"), "aws-access-token"),
    ("jane.roe@example.com", "EMAIL_ADDRESS"),
    ("4111111111111111", "CREDIT_CARD"),
    ("GB33BUKB20201555555555", "IBAN_CODE"),
    (concat!("ghp_", "x7Lq2Vd9Rk4Tn8Wb3Yc6Zf1Hg5Jm0Ps2Qa4U"), "github-pat"),
];
const DENIED: usize = 4;

static SCANNERS: LazyLock<Arc<Scanners>> = LazyLock::new(|| Arc::new(Scanners::all()));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The text of a choice.
    Text,
    /// A part of an answer that clients join with the others.
    Part,
    /// Reasoning.
    Thought,
    /// Arguments of a tool, as JSON.
    Arguments,
}

/// One text of an answer.
#[derive(Debug, Clone)]
struct Spoken {
    kind: Kind,
    /// Words below twelve are prose, those above are planted.
    words: Vec<usize>,
    /// Which characters of arguments are written as escapes, over and over.
    escapes: Vec<bool>,
    cuts: Vec<Index>,
    says_its_end: bool,
}

impl Spoken {
    fn is_planted(&self, which: usize) -> bool {
        self.words.contains(&(PROSE.len() + which))
    }

    /// The text, with what is planted as it stands or as `write` has it.
    fn text(&self, write: impl Fn(&str, &str) -> String) -> String {
        let word = |word: &usize| match word.checked_sub(PROSE.len()) {
            Some(planted) => write(PLANTED[planted].0, PLANTED[planted].1),
            None => PROSE[*word].to_owned(),
        };
        // Prose on both sides, so that nothing stands across two texts.
        let words: Vec<String> = [0, 1].iter().chain(&self.words).chain(&[4, 5]).map(word).collect();
        words.join(" ")
    }

    /// As it is sent.
    fn raw(&self) -> String {
        let text = self.text(|secret, _| secret.to_owned());
        if self.kind != Kind::Arguments {
            return text;
        }
        let is_escaped = self.escapes.iter().cycle();
        let character = |(character, is_escaped): (char, &bool)| {
            let mut units = [0; 2];
            let escape = |unit: &u16| format!("\\u{unit:04x}");
            if *is_escaped { character.encode_utf16(&mut units).iter().map(escape).collect() } else { character.to_string() }
        };
        format!("{{\"a\":\"{}\"}}", text.chars().zip(is_escaped).map(character).collect::<String>())
    }

    fn expected(&self) -> String {
        self.text(|_, kind| format!("[redacted:{kind}]"))
    }

    fn pieces(&self) -> Vec<String> {
        let raw = self.raw();
        let mut cuts: Vec<usize> = self.cuts.iter().map(|cut| raw.floor_char_boundary(cut.index(raw.len() + 1))).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([raw.len()]);
        let mut from = 0;
        ends.map(|end| raw[std::mem::replace(&mut from, end)..end].to_owned()).collect()
    }
}

/// A whole answer, and how it arrives.
#[derive(Debug, Clone)]
struct Answer {
    texts: Vec<Spoken>,
    /// Which text goes on, among those that are not over; the first of them if nothing is said.
    order: Vec<Index>,
    /// Whether a piece shares its event with the one before.
    shares: Vec<bool>,
    /// Whether what is ready is asked for behind an event.
    pauses: Vec<bool>,
    ending: Ending,
    /// Whether parts that clients join come one behind the other, as providers send them.
    is_in_order: bool,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Mark,
    Last,
    Silence,
}

/// A piece of the text with this number.
struct Part {
    text: usize,
    piece: String,
    is_end: bool,
}

impl Answer {
    fn lane(&self, text: usize) -> String {
        let name = match self.texts[text].kind {
            Kind::Text => "content",
            Kind::Part => "part",
            Kind::Thought => "reasoning",
            Kind::Arguments => "arguments",
        };
        format!("{text}/{name}")
    }

    /// The events, each with its pieces.
    fn events(&self) -> Vec<Vec<Part>> {
        let mut left: Vec<_> = self.texts.iter().map(|text| text.pieces().into_iter()).collect();
        let (mut order, mut shares) = (self.order.iter().cycle(), self.shares.iter().cycle());
        let mut events: Vec<Vec<Part>> = Vec::new();
        loop {
            let mut open: Vec<usize> = (0..left.len()).filter(|text| left[*text].len() > 0).collect();
            let is_part = |text: &usize| self.texts[*text].kind == Kind::Part;
            let first = open.iter().copied().find(is_part).filter(|_| self.is_in_order);
            open.retain(|text| first.is_none_or(|first| first == *text || !is_part(text)));
            if open.is_empty() {
                return events;
            }
            let text = open[order.next().map_or(0, |next| next.index(open.len()))];
            let piece = left[text].next().unwrap();
            let part = Part { text, piece, is_end: left[text].len() == 0 && self.texts[text].says_its_end };
            // What has ended in an event does not go on in it, nor does a text stand in it twice.
            let shared =
                events.last_mut().filter(|event| *shares.next().unwrap() && event.iter().all(|other| other.text != text));
            match shared {
                Some(event) => event.push(part),
                None => events.push(vec![part]),
            }
        }
    }

    fn write(&self, number: usize, parts: &[Part], is_last: bool) -> StreamEvent {
        let piece = |part: &Part| {
            let form = match self.texts[part.text].kind {
                Kind::Part => "said",
                Kind::Arguments => "json",
                Kind::Text | Kind::Thought => "text",
            };
            json!({"lane": self.lane(part.text), "form": form, "piece": part.piece})
        };
        let ends: Vec<String> = parts.iter().filter(|part| part.is_end).map(|part| self.lane(part.text)).collect();
        let mut event = json!({"n": number, "pieces": parts.iter().map(piece).collect::<Vec<_>>(), "ends": ends});
        if is_last {
            event["last"] = json!(true);
        }
        line(event.to_string())
    }
}

fn line(data: String) -> StreamEvent {
    let raw = Bytes::from(data.clone() + "\n");
    StreamEvent { raw, data: Some(Bytes::from(data)), ..StreamEvent::default() }
}

/// What left.
#[derive(Debug, Default)]
struct Left {
    bytes: Vec<u8>,
    n_events: usize,
    findings: Vec<(String, String)>,
}

impl Left {
    fn take(&mut self, machine: &mut Machine<'_, Lines>) -> Result<(), Refusal> {
        let batch = machine.ready()?;
        let bytes = batch.released.into_bytes();
        self.n_events += bytes.iter().filter(|byte| **byte == b'\n').count();
        self.bytes.extend_from_slice(&bytes);
        let found = batch.findings.into_iter().map(|finding| (finding.place, finding.kind.to_string()));
        self.findings.extend(found.filter(|(_, kind)| PLANTED.iter().any(|(_, planted)| planted == kind)));
        Ok(())
    }

    /// Each text, as far as it left; the events came in their order.
    fn texts(&self) -> BTreeMap<String, String> {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let text = std::str::from_utf8(&self.bytes).unwrap();
        for (number, line) in text.lines().filter(|line| *line != "END").enumerate() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["n"], number, "events are lost, or change places");
            for piece in event["pieces"].as_array().unwrap() {
                texts.entry(piece["lane"].as_str().unwrap().to_owned()).or_default().push_str(piece["piece"].as_str().unwrap());
            }
        }
        texts
    }
}

/// Lets an answer through; gives what left, and how it ended.
fn pass(answer: &Answer, duties: &[&str], held_bytes: usize) -> (Left, Result<(), Refusal>) {
    let duties = Arc::new(Duties::new(vec![duties.iter().map(|duty| duty.parse().unwrap()).collect()]));
    let limits = Limits { held_bytes, ..Limits::default() };
    let mut machine = Machine::new(&Lines, Arc::clone(&SCANNERS), duties, limits, true, None, false);
    let mut left = Left::default();
    let ended = pass_through(answer, &mut machine, &mut left);
    (left, ended)
}

fn pass_through(answer: &Answer, machine: &mut Machine<'_, Lines>, left: &mut Left) -> Result<(), Refusal> {
    let events = answer.events();
    let mut pauses = answer.pauses.iter().cycle();
    for (number, parts) in events.iter().enumerate() {
        let is_last = matches!(answer.ending, Ending::Last) && number + 1 == events.len();
        machine.push(answer.write(number, parts, is_last))?;
        if !*pauses.next().unwrap() {
            left.take(machine)?;
            check_held(answer, machine, &events[left.n_events..=number]);
        }
    }
    if matches!(answer.ending, Ending::Mark) {
        machine.push(line("END".to_owned()))?;
    }
    machine.finish()?;
    left.take(machine)?;
    assert!(machine.queue.is_empty() && machine.held_bytes == 0, "something is kept back at the end");
    Ok(())
}

/// What waits is counted, and the first that waits does so for a text that is not decided: of that no more is held than may be.
fn check_held(answer: &Answer, machine: &Machine<'_, Lines>, waiting: &[Vec<Part>]) {
    assert_eq!(machine.held_bytes, machine.queue.iter().map(|held| held.event.raw.len()).sum::<usize>());
    assert!(machine.held_bytes <= machine.limits.held_bytes);
    assert_eq!(machine.queue.len(), waiting.len());
    let Some(first) = waiting.first() else { return };
    let is_joined = |part: &&Part| answer.texts[part.text].kind == Kind::Part;
    let is_within = |part: &Part| {
        let parts = || waiting.iter().flatten();
        let alone: usize = parts().filter(|other| other.text == part.text).map(|part| part.piece.len()).sum();
        let joined: usize = parts().filter(is_joined).map(|part| part.piece.len()).sum();
        // An escape of six bytes stands for at least one.
        let most = if answer.texts[part.text].kind == Kind::Arguments { 6 * MAX_DISGUISED } else { MAX_DISGUISED };
        alone <= most + part.piece.len() || (is_joined(&part) && joined <= most + part.piece.len())
    };
    assert!(first.iter().any(is_within), "more is held back than a scanner needs");
}

/// A text that may be incomplete, as whoever reads arguments reads them.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, character) =
            if first == '\\' { text::lenient_escape(rest).unwrap_or((1, first)) } else { (first.len_utf8(), first) };
        plain.push(character);
        rest = &rest[length..];
    }
    plain
}

/// What left of each text is the beginning of what may leave of it.
fn check_beginnings(answer: &Answer, left: &Left) {
    let texts = left.texts();
    for (number, spoken) in answer.texts.iter().enumerate() {
        let Some(text) = texts.get(&answer.lane(number)) else { continue };
        let is_arguments = spoken.kind == Kind::Arguments;
        let expected = if is_arguments { format!("{{\"a\":\"{}\"}}", spoken.expected()) } else { spoken.expected() };
        // The last escape may be cut.
        let whole = if is_arguments {
            text.rfind('\\').filter(|at| text.len() - at < 12).map_or(text.as_str(), |at| &text[..at])
        } else {
            text
        };
        let plain = if is_arguments { unescaped(whole).trim_end_matches('\u{fffd}').to_owned() } else { whole.to_owned() };
        assert!(expected.starts_with(&plain), "{plain:?} is no beginning of {expected:?}");
    }
}

fn check_whole(answer: &Answer, left: &Left) {
    let texts = left.texts();
    assert_eq!(texts.len(), answer.texts.len());
    for (number, spoken) in answer.texts.iter().enumerate() {
        let text = &texts[&answer.lane(number)];
        if spoken.kind == Kind::Arguments {
            let arguments: Value = serde_json::from_str(text).expect("arguments are JSON still");
            assert_eq!(arguments, json!({"a": spoken.expected()}));
        } else {
            assert_eq!(*text, spoken.expected());
        }
    }
    let planted = |(number, spoken): (usize, &Spoken)| {
        let kinds = spoken.words.iter().filter_map(|word| word.checked_sub(PROSE.len())).map(|which| PLANTED[which].1.to_owned());
        kinds.map(|kind| (answer.lane(number), kind)).collect::<Vec<_>>()
    };
    let mut expected: Vec<(String, String)> = answer.texts.iter().enumerate().flat_map(planted).collect();
    let mut found = left.findings.clone();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

fn spoken() -> impl Strategy<Value = Spoken> {
    let kind = prop::sample::select(vec![Kind::Text, Kind::Part, Kind::Thought, Kind::Arguments]);
    let word = prop_oneof![3 => 0..PROSE.len(), 1 => PROSE.len()..PROSE.len() + PLANTED.len()];
    // Many short texts, and some of which more is said than is ever held back.
    let words = prop_oneof![8 => prop::collection::vec(word.clone(), 0..10), 1 => prop::collection::vec(word, 150..300)];
    let escapes = prop::collection::vec(prop::bool::weighted(0.2), 1..9);
    let cuts = prop_oneof![4 => prop::collection::vec(any::<Index>(), 0..12), 1 => prop::collection::vec(any::<Index>(), 40..90)];
    (kind, words, escapes, cuts, any::<bool>()).prop_map(|(kind, words, escapes, cuts, says_its_end)| Spoken {
        kind,
        words,
        escapes,
        cuts,
        says_its_end,
    })
}

fn answer(is_in_order: bool) -> impl Strategy<Value = Answer> {
    let texts = prop::collection::vec(spoken(), 1..6);
    let order = prop_oneof![3 => prop::collection::vec(any::<Index>(), 1..60), 1 => Just(Vec::new())];
    let bools = || prop::collection::vec(any::<bool>(), 1..16);
    let ending = prop::sample::select(vec![Ending::Mark, Ending::Last, Ending::Silence]);
    (texts, order, bools(), bools(), ending).prop_map(move |(texts, order, shares, pauses, ending)| Answer {
        texts,
        order,
        shares,
        pauses,
        ending,
        is_in_order,
    })
}

const ENOUGH: usize = 64 << 20;

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// However an answer is cut, interleaved and paused: each of its texts leaves as redaction of the whole text would have it.
    #[test]
    fn every_text_leaves_redacted_and_whole(answer in answer(true)) {
        let (left, ended) = pass(&answer, &["response:redact:pii"], ENOUGH);
        prop_assert_eq!(ended.map_err(|refusal| refusal.code), Ok(()));
        check_whole(&answer, &left);
    }

    /// One denied finding in any of the texts ends all of them, and none has left further than it may.
    #[test]
    fn a_denied_text_ends_the_answer(answer in answer(true)) {
        let (left, ended) = pass(&answer, &["response:redact:pii", "response:deny:github-pat"], ENOUGH);
        let is_denied = answer.texts.iter().any(|text| text.is_planted(DENIED));
        let expected = if is_denied { Err(ReasonCode::ContentDenied) } else { Ok(()) };
        prop_assert_eq!(ended.map_err(|refusal| refusal.code), expected);
        check_beginnings(&answer, &left);
        prop_assert!(!String::from_utf8_lossy(&left.bytes).contains("[redacted:github-pat"));
        if !is_denied {
            check_whole(&answer, &left);
        }
    }

    /// With less room than an answer needs it is refused; until then nothing else leaves than with room.
    #[test]
    fn too_little_room_ends_the_answer(answer in answer(true), room in 0_usize..6000) {
        let (left, ended) = pass(&answer, &["response:redact:pii"], room);
        match ended {
            Ok(()) => check_whole(&answer, &left),
            Err(refusal) => {
                prop_assert_eq!(refusal.code, ReasonCode::UpstreamResponseTooLarge);
                check_beginnings(&answer, &left);
            }
        }
    }

    /// Parts that clients join and that come side by side: a finding across two of them, as they happen to arrive, ends the answer.
    #[test]
    fn parts_side_by_side_are_whole_or_end_the_answer(answer in answer(false)) {
        let (left, ended) = pass(&answer, &["response:redact:pii"], ENOUGH);
        match ended {
            Ok(()) => check_whole(&answer, &left),
            Err(refusal) => {
                prop_assert_eq!(refusal.code, ReasonCode::UpstreamResponseInvalid);
                prop_assert!(answer.texts.iter().filter(|text| text.kind == Kind::Part).count() > 1);
                check_beginnings(&answer, &left);
            }
        }
    }
}
