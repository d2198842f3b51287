//! The release machine: events in, events out, no clock and no waiting.
//!
//! An event is held until nothing in it can still become part of a finding; then it leaves in the order in which it came,
//! byte for byte unless something in it was edited. A body that is not a stream is one event followed by the end.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use inspect::{DeniedContent, Hit, Lane, LeafHits, Scanners};
use model::{Act, Duties, Finding, FindingGroup, FindingKind, ReasonCode, Refusal, Side, Span};
use text::{Document, NodeId, Splices};

use super::Released;
use super::asking::{Asking, Settled};
use super::found::Found;
use super::joint::Joint;
use super::sealer::Sealer;
use super::seen::Seen;
use super::track::Track;
use crate::ports::{AnswerView, CallAsked, Calls, Fate, Form, LaneId, LeafUse, Protocol, Shown, StreamEvent, null_out};
use crate::seams;
use crate::snapshot::Limits;

/// Most lanes that one answer may have open at a time, and most that it may open.
const MAX_LANES: usize = 256;
const MAX_LANES_EVER: usize = 1024;
/// So many bytes on both sides of a seam are looked at together. What is found begins with a literal or is shorter.
const JOINED: usize = 512;

/// One answer on its way to the client.
pub(crate) struct Machine<'p, P> {
    protocol: &'p P,
    scanners: Arc<Scanners>,
    duties: Arc<Duties>,
    limits: Limits,
    in_stream: bool,
    lanes: Vec<Track>,
    open: HashMap<LaneId, usize>,
    /// Lanes that have ended. Clients join what comes later all the same, so nothing may.
    ended: HashSet<LaneId>,
    /// The last of what was told where clients may join what is told later.
    told: HashMap<LaneId, String>,
    joint: Joint,
    is_over: bool,
    queue: VecDeque<Held>,
    held_bytes: usize,
    findings: Found,
    /// `None` where the provider keeps nothing of this answer.
    sealer: Option<Sealer>,
    /// Whether the client is not shown what was used.
    hides_usage: bool,
    seen: Seen,
    /// Where calls of tools wait that the model asks for; none where nobody decides on them.
    asking: Asking,
}

/// What may leave now.
pub(crate) struct Batch {
    /// The bytes; empty if everything is still held.
    pub(crate) released: Released,
    /// Findings that became certain with this push; to be recorded before the bytes leave.
    pub(crate) findings: Vec<Finding>,
}

impl Batch {
    /// Nothing.
    pub(crate) fn empty() -> Self {
        Self { released: Released::seal(Bytes::new()), findings: Vec::new() }
    }
}

/// One event that waits for its lanes.
struct Held {
    event: StreamEvent,
    splices: Splices,
    pieces: Vec<HeldPiece>,
    token_records: Vec<(u32, Range<usize>)>,
    /// Choices in which something was edited for certain already.
    edited: HashSet<u32>,
    /// The client did not ask for it.
    is_hidden: bool,
    /// It may hold a part of a call.
    speaks: bool,
}

struct HeldPiece {
    lane: usize,
    choice: u32,
    number: u64,
    /// Its number among what clients join, if there is more than one text of that.
    joint: Option<u64>,
    leaf: Range<usize>,
}

impl<'p, P: Protocol> Machine<'p, P> {
    /// A machine for one answer.
    pub(crate) fn new(
        protocol: &'p P,
        scanners: Arc<Scanners>,
        duties: Arc<Duties>,
        limits: Limits,
        in_stream: bool,
        sealer: Option<Sealer>,
        hides_usage: bool,
    ) -> Self {
        Self {
            protocol,
            scanners,
            duties,
            limits,
            in_stream,
            lanes: Vec::new(),
            open: HashMap::new(),
            ended: HashSet::new(),
            told: HashMap::new(),
            joint: Joint::default(),
            is_over: false,
            queue: VecDeque::new(),
            held_bytes: 0,
            findings: Found::default(),
            sealer,
            hides_usage,
            seen: Seen::default(),
            asking: Asking::default(),
        }
    }

    /// The same with calls decided on before they leave.
    pub(crate) fn deciding(self, calls: Option<Box<dyn Calls>>) -> Self {
        Self { asking: Asking::of(calls), ..self }
    }

    /// The calls that have become complete; nothing of them leaves before [`Machine::decide`].
    pub(crate) fn asked(&mut self) -> Vec<CallAsked> {
        self.asking.asked()
    }

    /// Says what becomes of a call.
    pub(crate) fn decide(&mut self, key: usize, fate: Fate) {
        self.asking.decide(key, fate);
    }

    /// Takes one event.
    pub(crate) fn push(&mut self, mut event: StreamEvent) -> Result<(), Refusal> {
        let is_mark = event.id.is_some() && event.data.as_ref().is_some_and(Bytes::is_empty);
        event.id = event.id.take().and_then(|id| self.event_id(&id));
        // A place to come back to, and nothing else: where nobody can, it says nothing.
        if is_mark {
            event.name = None;
            self.held_bytes = self.held_bytes.saturating_add(event.raw.len());
            self.queue.extend(event.id.is_some().then(|| Held::plain(event)));
            return Ok(());
        }
        let Some(data) = event.data.clone() else { return Ok(()) };
        self.held_bytes = self.held_bytes.saturating_add(event.raw.len());
        self.check_name(event.name.as_deref())?;
        if self.protocol.is_end_mark(&data) {
            self.finish_lanes();
            self.queue.push_back(Held::plain(event));
            return Ok(());
        }
        let document = Document::parse(&data, &self.limits.json())
            .map_err(|error| Refusal::because(ReasonCode::UpstreamResponseInvalid, error.to_string()))?;
        let view = self.protocol.view(&document, event.name.as_deref(), self.in_stream);
        self.seen.note(&document, &view, self.in_stream);
        if let Some(why) = view.refused {
            return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, why));
        }
        if view.is_ambiguous {
            return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "an event can be read in two ways"));
        }
        let held = self.hold(event, &document, &view)?;
        self.queue.push_back(held);
        for lane in &view.ends {
            self.finish_lane(lane);
        }
        for prefix in &view.ended_below {
            self.finish_below(prefix);
        }
        if view.is_last {
            self.finish_lanes();
        }
        self.refuse_denied()
    }

    /// Whether the server has said, since this was asked last, that its tools are others now.
    pub(crate) const fn announced(&mut self) -> bool {
        std::mem::replace(&mut self.seen.is_announced, false)
    }

    /// An estimate of the tokens that have arrived.
    pub(crate) const fn arrived(&self) -> u64 {
        self.seen.arrived
    }

    /// What was seen of what the answer uses.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// No more events will come.
    pub(crate) fn finish(&mut self) -> Result<(), Refusal> {
        self.asking.finish();
        self.finish_lanes();
        self.refuse_denied()
    }

    /// Everything that can leave now.
    pub(crate) fn ready(&mut self) -> Result<Batch, Refusal> {
        let mut out = BytesMut::new();
        while let Some(held) = self.queue.pop_front().filter(|_| !self.joint.is_spilt()) {
            if !held.pieces.iter().all(|piece| self.is_ready(piece)) {
                self.queue.push_front(held);
                break;
            }
            self.held_bytes = self.held_bytes.saturating_sub(held.event.raw.len());
            let settled = self.settle(held)?;
            let bytes = match self.asking.take(settled)? {
                Ok(bytes) => bytes,
                Err(settled) => self.written(settled),
            };
            if out.is_empty() && self.queue.is_empty() && !self.asking.is_there() {
                // The common case, one event in and one event out: no copy.
                return Ok(self.batch(bytes));
            }
            out.extend_from_slice(&bytes);
        }
        out.extend_from_slice(&self.asking.rest(self.queue.is_empty())?);
        // A whole answer is bounded as such, and waits as a whole.
        let waiting = if self.in_stream { self.asking.held() } else { 0 };
        if self.held_bytes.saturating_add(waiting) > self.limits.held_bytes {
            return Err(Refusal::because(ReasonCode::UpstreamResponseTooLarge, "too much is held back for inspection"));
        }
        Ok(self.batch(out.freeze()))
    }

    fn is_ready(&self, piece: &HeldPiece) -> bool {
        let is_ready = self.lanes.get(piece.lane).is_some_and(|track| track.is_ready(piece.number));
        is_ready && piece.joint.is_none_or(|number| self.joint.is_ready(number))
    }

    /// By what the client can come back to what follows an event; none where it cannot.
    fn event_id(&self, id: &str) -> Option<String> {
        self.sealer.as_ref()?.seal_event(id)
    }

    /// An event's name is text of the upstream as well: it has to be a plain word without a finding.
    fn check_name(&self, name: Option<&str>) -> Result<(), Refusal> {
        let Some(name) = name else { return Ok(()) };
        let is_plain = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if is_plain && self.scanners.scan(name).is_empty() {
            return Ok(());
        }
        Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "an event has a name that is not a plain word"))
    }

    fn batch(&mut self, bytes: Bytes) -> Batch {
        Batch { released: Released::seal(bytes), findings: std::mem::take(&mut self.findings).kept }
    }

    /// Feeds the lanes and plans the edits of whole values.
    fn hold(&mut self, event: StreamEvent, document: &Document<'_>, view: &AnswerView) -> Result<Held, Refusal> {
        let mut pieces = Vec::with_capacity(view.pieces.len());
        let mut in_lanes: Vec<NodeId> = Vec::with_capacity(view.pieces.len());
        for (node, leaf_use) in &view.pieces {
            let Some(text) = document.text(*node) else { continue };
            let (lane, choice, form) = match leaf_use {
                LeafUse::Whole => continue,
                LeafUse::Told { lane } => {
                    self.tell(lane, &text)?;
                    continue;
                }
                LeafUse::Piece { lane, choice, form } => (lane, choice, *form),
            };
            let has_ended = self.has_ended(lane);
            if has_ended && text.is_empty() {
                continue;
            }
            if form == Form::Name {
                // Told again it is a value of its own.
                if has_ended {
                    self.tell(lane, &text)?;
                    continue;
                }
                self.remember(lane, &text)?;
            }
            let position = self.lane(lane, form)?;
            let Some(track) = self.lanes.get_mut(position) else { continue };
            let number = track.push(&text);
            for hit in track.new_hits() {
                self.findings.add(of_lane(&hit, &lane.0));
            }
            let joint = if form == Form::Said { self.hear(lane, &text)? } else { None };
            in_lanes.push(*node);
            pieces.push(HeldPiece { lane: position, choice: *choice, number, joint, leaf: document.span(*node) });
        }
        let token_records: Vec<(u32, Range<usize>)> =
            view.token_records.iter().map(|(choice, node)| (*choice, document.span(*node))).collect();
        let mut splices = Splices::new();
        let mut edited = HashSet::new();
        // What is not released has nothing to be found, and nothing to be taken out.
        let replaced = view.replaced.iter().map(|(span, _)| span.clone());
        let mut opaque: Vec<Range<usize>> = view.opaque.iter().map(|node| document.span(*node)).chain(replaced).collect();
        opaque.sort_unstable_by_key(|span| span.start);
        let hits = self.whole_hits(document, view, &in_lanes, &opaque, &token_records, &mut edited)?;
        let changed = inspect::redact_document(document, &hits, &self.duties, Side::Response, &mut splices)
            .map_err(|denied| refuse(&denied))?;
        self.findings.extend(inspect::findings(document, &hits, Side::Response));
        self.unread(document, view)?;
        for node in &view.handles {
            let (Some(sealer), Some(name)) = (self.sealer.as_ref(), document.text(*node)) else { continue };
            let is_changed = changed.contains(node);
            if is_changed && !matches!(sealer, Sealer::Model { .. }) {
                let what = "a state or an id in which something was found: it cannot go back as it was";
                return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, what));
            }
            if let Some(sealed) = sealer.seal(&name)?.filter(|_| !is_changed) {
                splices.replace(document.span(*node), text::quote(&sealed));
            }
        }
        // A whole value that was edited says nothing about its choice; to be safe every choice's token records go.
        if !changed.is_empty() {
            edited.extend(token_records.iter().map(|(choice, _)| *choice));
        }
        if let Some(untold) = view.usage_untold.clone().filter(|_| self.hides_usage) {
            splices.replace(untold, Vec::new());
        }
        for (span, told) in &view.replaced {
            splices.replace(span.clone(), told.as_str());
        }
        let is_hidden = match view.shown {
            Shown::Always => false,
            Shown::IfUsageIsAsked => self.hides_usage,
            Shown::Never => true,
        };
        Ok(Held { event, splices, pieces, token_records, edited, is_hidden, speaks: view.speaks_of_calls })
    }

    /// What no scanner understands is found as such; nothing can be taken out of it.
    fn unread(&mut self, document: &Document<'_>, view: &AnswerView) -> Result<(), Refusal> {
        for (node, part) in &view.uninspected {
            let (kind, group) = (FindingKind::made(format!("uninspected:{part}")), FindingGroup::Uninspected);
            let place = document.pointer(*node);
            if !matches!(self.duties.act(Side::Response, &kind, group), Act::Allow | Act::Mask) {
                return Err(Refusal::because(ReasonCode::ContentDenied, format!("{kind} at {place}")));
            }
            let span = Span { start: 0, end: 0 };
            self.findings.add(Finding { kind, group, side: Side::Response, place, span });
        }
        Ok(())
    }

    /// Hits in whole values. A hit inside a token record condemns the record instead of being spliced.
    fn whole_hits(
        &mut self,
        document: &Document<'_>,
        view: &AnswerView,
        in_lanes: &[NodeId],
        opaque: &[Range<usize>],
        token_records: &[(u32, Range<usize>)],
        edited: &mut HashSet<u32>,
    ) -> Result<Vec<LeafHits>, Refusal> {
        let is_inside = |span: &Range<usize>, outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
        // What is a piece of a lane is edited there.
        // They lie beside one another, so the last one that begins before a value is the only one that can hold it.
        let is_opaque = |span: &Range<usize>| {
            let at = opaque.partition_point(|opaque| opaque.start <= span.start);
            at.checked_sub(1).and_then(|at| opaque.get(at)).is_some_and(|opaque| is_inside(span, opaque))
        };
        let is_elsewhere = |node| in_lanes.contains(&node) || is_opaque(&document.span(node));
        let mut hits = inspect::inspect_document_but(&self.scanners, document, is_elsewhere);
        seams::across(&self.scanners, document, &view.joined, &mut hits);
        hits.retain(|leaf| !is_elsewhere(leaf.node));
        let mut inside = Vec::new();
        hits.retain(|leaf| {
            let span = document.span(leaf.node);
            let record = token_records.iter().find(|(_, record)| is_inside(&span, record));
            let Some((choice, _)) = record else { return true };
            edited.insert(*choice);
            inside.push(leaf.clone());
            false
        });
        // A deny duty holds inside a token record too.
        let mut unused = Splices::new();
        inspect::redact_document(document, &inside, &self.duties, Side::Response, &mut unused)
            .map_err(|denied| refuse(&denied))?;
        self.findings.extend(inspect::findings(document, &inside, Side::Response));
        Ok(hits)
    }

    /// The event with its edits.
    fn settle(&mut self, mut held: Held) -> Result<Settled, Refusal> {
        let mut edits = Vec::new();
        for piece in &held.pieces {
            let taken = self.lanes.get_mut(piece.lane).and_then(|lane| lane.take(piece.number));
            if let Some(number) = piece.joint {
                self.joint.let_go(number);
            }
            let Some(taken) = taken else { return Err(Refusal::because(ReasonCode::Internal, "a lane lost a piece")) };
            if taken.changed {
                held.edited.insert(piece.choice);
                edits.push((piece.leaf.clone(), text::quote(&taken.text)));
            }
        }
        let nulled: Vec<Range<usize>> =
            held.token_records.iter().filter(|(choice, _)| held.edited.contains(choice)).map(|(_, span)| span.clone()).collect();
        for (leaf, text) in edits {
            if !nulled.iter().any(|record| record.start <= leaf.start && leaf.end <= record.end) {
                held.splices.replace(leaf, text);
            }
        }
        for record in nulled {
            null_out(&mut held.splices, record);
        }
        let Held { mut event, splices, is_hidden, speaks, .. } = held;
        let data = match event.data.take() {
            Some(data) if !splices.is_empty() && (!is_hidden || self.asking.is_there()) => {
                Some(Bytes::from(splices.apply(&data).map_err(|_| Refusal::new(ReasonCode::DutyImpossible))?))
            }
            data => data,
        };
        Ok(Settled { event, data, is_hidden, speaks })
    }

    /// An event as the client reads it; nothing of one that it is not shown.
    fn written(&self, settled: Settled) -> Bytes {
        let Settled { event, data, is_hidden, .. } = settled;
        match data.filter(|_| !is_hidden) {
            None => Bytes::new(),
            Some(data) if self.in_stream => self.protocol.rewrite(&event, &data),
            Some(data) => data,
        }
    }

    fn lane(&mut self, id: &LaneId, form: Form) -> Result<usize, Refusal> {
        if let Some(position) = self.open.get(id) {
            return Ok(*position);
        }
        if self.has_ended(id) {
            return Err(Refusal::because(ReasonCode::UpstreamResponseInvalid, "a text goes on after its end"));
        }
        if self.open.len() >= MAX_LANES || self.lanes.len() >= MAX_LANES_EVER {
            return Err(Refusal::because(ReasonCode::UpstreamResponseTooLarge, "too many parallel texts in one answer"));
        }
        let position = self.lanes.len();
        let lane = Lane::new(Arc::clone(&self.scanners), Arc::clone(&self.duties), Side::Response).with_readings();
        self.lanes.push(Track::new(lane, form == Form::Json));
        self.open.insert(id.clone(), position);
        Ok(position)
    }

    /// A value that clients may join with what was told before: half of a secret could stand in each.
    fn tell(&mut self, id: &LaneId, text: &str) -> Result<(), Refusal> {
        if let Some(before) = self.told.get(id).filter(|before| !before.is_empty() && !text.is_empty()) {
            let joined = [before, text.get(..text.floor_char_boundary(JOINED)).unwrap_or(text)].concat();
            let seam = before.len();
            let mut hits = self.scanners.scan_layers(&joined);
            hits.retain(|hit| hit.span.start < seam && seam < hit.span.end);
            self.refuse_across(&hits)?;
        }
        self.remember(id, text)
    }

    /// A text that clients join with that of other lanes.
    fn hear(&mut self, id: &LaneId, text: &str) -> Result<Option<u64>, Refusal> {
        // It only listens, so no duty holds it up.
        let lane = || Lane::new(Arc::clone(&self.scanners), Arc::default(), Side::Response).with_readings();
        let number = self.joint.hear(id, text, lane);
        self.look_across()?;
        Ok(number)
    }

    fn look_across(&mut self) -> Result<(), Refusal> {
        let hits = self.joint.new_hits();
        if self.refuse_across(&hits).is_err() {
            self.joint.spill();
        }
        if self.joint.is_spilt() { Err(across()) } else { Ok(()) }
    }

    /// What stands across two values cannot be redacted: the first may have left.
    fn refuse_across(&self, hits: &[Hit]) -> Result<(), Refusal> {
        let mut matches = hits.iter().flat_map(Hit::matches);
        if matches.all(|(kind, group, _)| self.duties.act(Side::Response, kind, group) == Act::Allow) {
            return Ok(());
        }
        Err(across())
    }

    fn remember(&mut self, id: &LaneId, text: &str) -> Result<(), Refusal> {
        if self.told.len() >= MAX_LANES && !self.told.contains_key(id) {
            return Err(Refusal::because(ReasonCode::UpstreamResponseTooLarge, "too many values in one answer"));
        }
        let told = self.told.entry(id.clone()).or_default();
        told.push_str(text);
        let spent = told.floor_char_boundary(told.len().saturating_sub(JOINED));
        told.drain(..spent);
        Ok(())
    }

    /// Whether nothing may follow in this lane.
    fn has_ended(&self, id: &LaneId) -> bool {
        self.is_over || self.ended.contains(id)
    }

    fn finish_lane(&mut self, id: &LaneId) {
        // What ends before it has begun has not ended: nothing of it was released.
        let has_begun = |position: &usize| self.lanes.get(*position).is_some_and(|track| !track.is_empty());
        let Some(position) = self.open.get(id).copied().filter(has_begun) else { return };
        self.open.remove(id);
        self.ended.insert(id.clone());
        self.finish_at(position, &id.0);
    }

    fn finish_below(&mut self, prefix: &str) {
        let is_below =
            |id: &LaneId| id.0.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '#']));
        let ended: Vec<LaneId> = self.open.keys().filter(|id| is_below(id)).cloned().collect();
        ended.iter().for_each(|id| self.finish_lane(id));
    }

    fn finish_lanes(&mut self) {
        self.is_over = true;
        for (id, position) in std::mem::take(&mut self.open) {
            self.finish_at(position, &id.0);
        }
        self.joint.finish();
        // Told when the stream ends; until then nothing leaves.
        self.look_across().ok();
    }

    fn finish_at(&mut self, position: usize, name: &str) {
        if let Some(lane) = self.lanes.get_mut(position) {
            lane.finish();
            for hit in lane.new_hits() {
                self.findings.add(of_lane(&hit, name));
            }
        }
    }

    fn refuse_denied(&mut self) -> Result<(), Refusal> {
        self.look_across()?;
        let denied = self.lanes.iter().find_map(Track::denied);
        denied.map_or(Ok(()), |kind| Err(Refusal::because(ReasonCode::ContentDenied, kind.to_string())))
    }
}

impl Held {
    fn plain(event: StreamEvent) -> Self {
        Self {
            event,
            splices: Splices::new(),
            pieces: Vec::new(),
            token_records: Vec::new(),
            edited: HashSet::new(),
            is_hidden: false,
            speaks: false,
        }
    }
}

fn across() -> Refusal {
    Refusal::because(ReasonCode::UpstreamResponseInvalid, "values that clients join make up a finding")
}

fn refuse(denied: &DeniedContent) -> Refusal {
    Refusal::because(ReasonCode::ContentDenied, format!("{} at {}", denied.kind, denied.place))
}

fn of_lane(hit: &Hit, lane: &str) -> Finding {
    Finding { kind: hit.kind.clone(), group: hit.group, side: Side::Response, place: lane.to_owned(), span: hit.span }
}

#[cfg(test)]
mod tests;
