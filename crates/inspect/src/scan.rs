//! The set of scanners, and a scan of one whole text.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use model::{FindingGroup, FindingKind, Span};

use crate::bounded::{Finder, N_SCANS, SCANS};
use crate::context::Contexts;
use crate::index::TokenIndex;
use crate::leet::Leet;
use crate::nested;
use crate::rules::{RuleId, RuleSet, Shape};
use crate::tokens::TOKENS;
use crate::track::{Match, Tracker, Window};
use crate::unite::{Distinct, unite};

/// No match is shorter than the shortest e-mail address.
pub(crate) const SHORTEST: usize = 6;

/// Names and values of the protocols of models, from six letters on.
const COMMON: &str = "messages content system assistant developer temperature max_tokens max_completion_tokens stream \
    stream_options include_usage choices message finish_reason logprobs object created prompt_tokens completion_tokens \
    total_tokens prompt_tokens_details completion_tokens_details cached_tokens reasoning_tokens system_fingerprint \
    service_tier chat.completion chat.completion.chunk content_filter tool_calls function arguments function_call \
    parameters properties required description response_format json_schema json_object schema string number integer \
    boolean tool_choice parallel_tool_calls presence_penalty frequency_penalty image_url input_text output_text \
    instructions previous_response_id metadata reasoning effort output summary response sequence_number item_id \
    output_index content_index status completed in_progress input_tokens output_tokens message_start message_delta \
    message_stop content_block content_block_start content_block_delta content_block_stop text_delta input_json_delta \
    stop_reason stop_sequence stop_sequences end_turn tool_use tool_result cache_control ephemeral thinking signature \
    embedding embeddings encoding_format prompt refusal annotations additionalProperties strict default";
const LONGEST_COMMON: usize = 32;

/// One match of one rule inside a [`Hit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: FindingKind,
    /// The group that duties may name.
    pub group: FindingGroup,
    /// Where it stands.
    pub span: Span,
}

/// Something that was found: one match, or several that overlap, united. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What it is; of several, the kind of the one that begins first. See `docs/SCANNERS.md` for ties.
    pub kind: FindingKind,
    /// The group of that kind.
    pub group: FindingGroup,
    /// Byte offsets in the scanned text; of several, from the first start to the last end.
    pub span: Span,
    /// All united matches in order, the naming one first; empty if there is only one.
    pub parts: Vec<Part>,
}

impl Hit {
    /// Every match in it: itself if there is only one.
    pub fn matches(&self) -> impl Iterator<Item = (&FindingKind, FindingGroup, Span)> {
        let alone = self.parts.is_empty().then_some((&self.kind, self.group, self.span));
        alone.into_iter().chain(self.parts.iter().map(|part| (&part.kind, part.group, part.span)))
    }
}

/// The scanners: immutable, to be shared by `Arc`.
pub struct Scanners {
    enabled: RuleSet,
    tokens: TokenIndex,
    scans: [Prepared; N_SCANS],
    leet: Leet,
    /// Texts that stand in nearly every document and in which these scanners find nothing.
    clean: HashSet<&'static str>,
    /// The operators' own rules, if there are any.
    own: Option<Arc<rulefile::Rules>>,
}

/// A scan made ready for the kinds that are switched on.
pub(crate) enum Prepared {
    /// No kind of it is.
    Off,
    /// With the mask of its kinds, see [`crate::bounded::Input::enabled`].
    Own(crate::bounded::Find, u64),
    Context(Box<Contexts>),
}

impl Scanners {
    /// Every scanner.
    #[must_use]
    pub fn all() -> Self {
        Self::of(RuleId::all().collect(), None)
    }

    /// Every kind that some scanner finds, with its group, in the order of the rules.
    #[must_use]
    pub fn kinds() -> Vec<(FindingKind, FindingGroup)> {
        RuleId::all().map(|rule| (rule.kind(), rule.group())).collect()
    }

    /// The same scanners but for those that find these kinds.
    #[must_use]
    pub fn without(self, kinds: &[&str]) -> Self {
        let mut enabled = self.enabled;
        RuleId::all().filter(|rule| kinds.contains(&rule.kind().as_str())).for_each(|rule| enabled.set(rule, false));
        Self::of(enabled, self.own)
    }

    /// The same scanners, and these rules of the operators'.
    #[must_use]
    pub fn with(self, own: Arc<rulefile::Rules>) -> Self {
        Self::of(self.enabled, Some(own))
    }

    /// What stands in a whole text: sorted, disjoint. Linear time.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Hit> {
        if self.is_too_short(text) || self.are_off() {
            return Vec::new();
        }
        hits(self, self.matches(text), text.len())
    }

    /// Whether nothing can stand in a text of this length.
    pub(crate) fn is_too_short(&self, text: &str) -> bool {
        text.len() < SHORTEST && self.own.is_none()
    }

    /// As [`scan`](Self::scan), and what stands behind layers of JSON escapes, as in every leaf of a document.
    #[must_use]
    pub fn scan_layers(&self, text: &str) -> Vec<Hit> {
        nested::scan(self, text).hits
    }

    /// As [`scan_layers`](Self::scan_layers), and whether these are all the ways to read the text.
    #[must_use]
    pub fn scan_whole(&self, text: &str) -> nested::Scan {
        nested::scan(self, text)
    }

    /// As [`scan_whole`](Self::scan_whole), and tells after every `step` bytes how many are looked at as they stand; when all are,
    /// the other ways to read them follow, which takes about as long again.
    #[must_use]
    pub fn scan_whole_telling(&self, text: &str, step: usize, told: &mut dyn FnMut(usize)) -> nested::Scan {
        nested::scan_telling(self, text, step.max(1), told)
    }

    /// Every match in a whole text, in no order.
    pub(crate) fn matches(&self, text: &str) -> Vec<Match> {
        self.matches_telling(text, usize::MAX, &mut |_| ()).0
    }

    /// The same step by step: what is found does not depend on where a text is cut, as in a stream. Says whether a word of a key
    /// may name some value, too.
    pub(crate) fn matches_telling(&self, text: &str, step: usize, told: &mut dyn FnMut(usize)) -> (Vec<Match>, bool) {
        let (mut tracker, mut matches) = (Tracker::new(), Vec::new());
        let mut end = step;
        while end < text.len() {
            let bytes = text.as_bytes().get(..text.floor_char_boundary(end)).unwrap_or_default();
            tracker.advance(self, Window { bytes, base: 0, is_final: false }, &mut matches);
            told(bytes.len());
            end = end.saturating_add(step);
        }
        tracker.advance(self, Window { bytes: text.as_bytes(), base: 0, is_final: true }, &mut matches);
        told(text.len());
        (matches, tracker.is_named() || step < text.len())
    }

    fn of(enabled: RuleSet, own: Option<Arc<rulefile::Rules>>) -> Self {
        let rules = RuleId::all().filter(|rule| enabled.has(*rule)).filter_map(|rule| TOKENS.get(rule.0));
        let leet = Leet::new(rules.flat_map(|token| token.shapes).map(Shape::prefix));
        let scans = std::array::from_fn(|scan| Prepared::new(scan, &enabled));
        let mut scanners = Self { enabled, tokens: TokenIndex::new(&enabled), scans, leet, clean: HashSet::new(), own };
        scanners.clean = COMMON.split_whitespace().filter(|word| nested::scan(&scanners, word).hits.is_empty()).collect();
        scanners
    }

    /// Whether a text is known to hold nothing. `false` says nothing.
    pub(crate) fn is_clean(&self, text: &str) -> bool {
        text.len() <= LONGEST_COMMON && self.clean.contains(text)
    }

    /// Whether no kind is switched on.
    pub(crate) fn are_off(&self) -> bool {
        self.enabled == RuleSet::EMPTY && self.own.is_none()
    }

    /// The operators' own rules.
    pub(crate) fn own(&self) -> Option<&rulefile::Rules> {
        self.own.as_deref()
    }

    /// The kind of what a rule finds.
    pub(crate) fn kind(&self, rule: RuleId) -> FindingKind {
        match rule.own_place() {
            None => rule.kind(),
            Some(place) => FindingKind::made(self.own().map_or("", |own| own.kind(place)).to_owned()),
        }
    }

    /// The rule of a kind that has a finder of its own, if it is switched on.
    pub(crate) fn rule(&self, kind: &str) -> Option<RuleId> {
        let rules = SCANS.iter().enumerate().filter_map(|(scan, own)| match &own.finder {
            Finder::Own { kinds, .. } => kinds.iter().position(|known| *known == kind).map(|place| RuleId::at(scan, place)),
            Finder::Context(_) => None,
        });
        rules.into_iter().find(|rule| self.enabled.has(*rule))
    }

    pub(crate) const fn leet(&self) -> &Leet {
        &self.leet
    }

    pub(crate) const fn tokens(&self) -> &TokenIndex {
        &self.tokens
    }

    pub(crate) const fn scans(&self) -> &[Prepared; N_SCANS] {
        &self.scans
    }
}

impl Prepared {
    fn new(scan: usize, enabled: &RuleSet) -> Self {
        if !RuleId::of_scan(scan).any(|rule| enabled.has(rule)) {
            return Self::Off;
        }
        let is_on = |place: usize| enabled.has(RuleId::at(scan, place));
        match SCANS.get(scan).map(|scan| &scan.finder) {
            None => Self::Off,
            Some(Finder::Own { kinds, find }) => {
                let mask = (0..kinds.len()).filter(|place| is_on(*place)).fold(0, |mask, place| mask | 1 << place);
                Self::Own(*find, mask)
            }
            Some(Finder::Context(rules)) => Self::Context(Box::new(Contexts::new(rules, is_on))),
        }
    }
}

/// The hits that matches in a text of `length` bytes make up: sorted, disjoint.
pub(crate) fn hits(scanners: &Scanners, mut matches: Vec<Match>, length: usize) -> Vec<Hit> {
    if matches.is_empty() {
        return Vec::new();
    }
    matches.sort_unstable_by_key(Match::order);
    let mut distinct = Distinct::default();
    matches.retain(|found| distinct.admits(found));
    let parts = matches.into_iter().map(|found| Part {
        kind: scanners.kind(found.rule),
        group: found.rule.group(),
        span: Span { start: found.start, end: found.end.unwrap_or(length) },
    });
    unite(parts, |part| part.span)
        .into_iter()
        .filter_map(|(span, parts)| {
            let first = parts.first()?.clone();
            Some(Hit { kind: first.kind, group: first.group, span, parts: if parts.len() > 1 { parts } else { Vec::new() } })
        })
        .collect()
}

impl fmt::Debug for Scanners {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Scanners").field(&self.enabled).field(&self.own).finish()
    }
}
