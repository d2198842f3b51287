//! Where the values of a call come from.
//!
//! A [`Provenance`] is what one task has seen, in order: what its user and its developer have said, and what tools have answered, in
//! pieces with an integrity each. [`Provenance::ground`] asks it where a value of a call stands *as a whole*, and answers with the
//! best integrity of any such place. What a model says is no source: it can copy, and it can be talked into anything.
//!
//! A match allows and its absence does not: encoding, splitting or disguising a value loses its origin and can only end in a hold.

mod address;
mod apart;
mod appoint;
mod folded;
mod ident;
mod index;
mod mail;
mod user;
mod value;
mod wish;
mod written;

use std::collections::{BTreeSet, HashMap};

use model::{Annotation, Integrity, Output, Sink};

use self::appoint::{Appointments, Named};
use self::folded::Folded;
use self::index::Index;
use self::user::Line;
pub use self::user::{MAX_OWN, UserText};
use self::value::Key;
use self::wish::Wishes;
use self::written::{Told, Written};
use crate::fields::{self, Leaf};

/// Most bytes of text that a task keeps for comparison. What comes later gives no value an origin; its taint stays.
pub const MAX_KEPT: usize = 4 << 20;
/// Most pieces that a task keeps.
pub const MAX_PIECES: usize = 65_536;
/// Values of fewer characters stand in too many texts by chance: they are looked for in the user's words and as whole fields only.
pub const MIN_SEARCHED: usize = 6;
/// Most addresses of one text that are looked for; with more all of them come from nowhere.
const MAX_LINKS: usize = 128;
/// Most texts in which one value is looked for: one whose every word stands in more comes from nowhere.
const MAX_TRIED: usize = 1024;
/// Most lines of one result without fields that are kept apart.
const MAX_LINES: usize = 4096;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which source, in order of arrival from 0; see [`Provenance::source`].
    pub source: usize,
    /// Its line there, from 1.
    pub line: u32,
    /// The field, where the source has fields.
    pub field: Option<String>,
}

/// Where a value of a call comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounding {
    /// The best that any place gives it; untrusted where it stands nowhere.
    pub integrity: Integrity,
    /// The first place that gives it so much.
    pub place: Option<Place>,
}

/// Who has said something, or which tool has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `user`, `system`, or `tool:` and its name.
    pub name: String,
    /// The least integrity of any piece of it.
    pub integrity: Integrity,
}

#[derive(Debug)]
struct Piece {
    source: usize,
    folded: Folded,
    /// As it was written; of the user's own words only.
    exact: Option<String>,
    integrity: Integrity,
    line: u32,
    field: Option<String>,
    /// Whether it is all that stands in its field.
    is_field: bool,
}

/// What a task has seen. See the module.
#[derive(Debug, Default)]
pub struct Provenance {
    sources: Vec<Source>,
    pieces: Vec<Piece>,
    /// Values in normal form: the best integrity, and the piece that gave it first.
    values: HashMap<Key, (Integrity, usize)>,
    /// The words of pieces that anybody vouches for.
    index: Index,
    /// The words of the others.
    outside: Index,
    written: Written,
    appointments: Appointments,
    n_bytes: usize,
    is_tainted: bool,
}

/// An answered call of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The tool's name as it shall be told: `bank/send_money`.
    pub tool: &'a str,
    /// Where it keeps what it is told to write: its server.
    pub keeps: &'a str,
    /// What operators say of it; none if it is not known which call this answers.
    pub annotation: Option<&'a Annotation>,
    /// The leaves of the call's own arguments, with the integrity that they had.
    pub arguments: &'a [(String, Integrity)],
}

impl Provenance {
    /// What the developer of the agent has told its model.
    pub fn system(&mut self, text: &str) {
        let source = self.begin("system".to_owned());
        self.keep(Leaf { path: Vec::new(), text: text.to_owned(), line: 1, is_name: false }, source, Integrity::Trusted, false);
    }

    /// What stands in the name of the user. The same text once more brings nothing new.
    pub fn user(&mut self, text: &str, mode: UserText) {
        let lines = user::lines(text, mode, |part| self.foreign(part));
        let whole = Folded::new(text);
        let is_all_foreign = mode == UserText::Mixed
            && !whole.is_empty()
            && self.near(&whole).any(|(_, piece)| piece.integrity < Integrity::Trusted && piece.folded == whole);
        let source = self.begin("user".to_owned());
        let (own, others): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(|line| line.is_own && !is_all_foreign);
        if let Some(first) = others.iter().find(|line| !line.text.trim().is_empty()) {
            self.is_tainted = true;
            let text: Vec<&str> = others.iter().map(|line| line.text.as_str()).collect();
            let leaf = Leaf { path: Vec::new(), text: text.join("\n"), line: first.number, is_name: false };
            self.keep(leaf, source, Integrity::Untrusted, false);
        }
        let mut wishes = Wishes::default();
        let mut next: Vec<Option<&str>> = Vec::with_capacity(own.len());
        own.iter().rev().fold(None, |behind, line| {
            next.push(behind);
            if line.text.trim().is_empty() { behind } else { Some(line.text.as_str()) }
        });
        for (Line { number, text, .. }, next) in own.iter().zip(next.into_iter().rev()) {
            for part in wishes.of(text, next) {
                // What the user does not want done is no word of an outsider: it taints nothing.
                let integrity = if part.is_wish { Integrity::User } else { Integrity::Untrusted };
                if part.is_wish {
                    self.appointments.said(part.text);
                }
                self.keep(
                    Leaf { path: Vec::new(), text: part.text.to_owned(), line: *number, is_name: false },
                    source,
                    integrity,
                    false,
                );
            }
        }
    }

    /// What a tool has answered.
    pub fn answered(&mut self, answered: &Answered<'_>, text: &str) {
        let source = self.begin(format!("tool:{}", answered.tool));
        let output = answered.annotation.map_or(&Output::Untrusted, |known| &known.output);
        let mut echo = Told::default();
        answered.arguments.iter().for_each(|(text, integrity)| echo.push(text, *integrity));
        let named = answered.arguments.iter().filter(|(_, integrity)| *integrity == Integrity::User).map(|(text, _)| text);
        let named = named.filter(|text| text.chars().count() >= MIN_SEARCHED).map(|text| Named::new(text));
        self.appointments.came(named.collect(), text, self.pieces.len());
        // Also by what no field holds.
        self.is_tainted |= *output == Output::Untrusted && !text.trim().is_empty();
        for (leaf, is_field) in leaves(text) {
            let folded = Folded::new(&leaf.text);
            // A tool that repeats what it was told, or gives back what it was told before, vouches for nothing by it.
            let (written, is_known) = self.written.of(answered.keeps);
            let told = [Some(&echo), written];
            let upper = if is_known { vouched(output, &leaf, is_field) } else { Integrity::Untrusted };
            let held = told.iter().flatten().fold(upper, |least, told| told.held(&folded, least));
            self.is_tainted |= held < Integrity::Trusted && !folded.is_empty();
            // Nor by pieces of it. Whatever outsider such a piece is of has tainted the task before.
            let integrity = told.iter().flatten().fold(held, |least, told| told.shared(&leaf.text, &folded, least));
            self.keep(leaf, source, integrity, is_field);
        }
    }

    /// A call has written these values to a place: what comes back from there is no better than they were.
    pub fn written(&mut self, place: &str, arguments: &[(String, Integrity)]) {
        let Some(told) = self.written.at(place) else { return };
        for (text, integrity) in arguments.iter().filter(|(_, integrity)| *integrity < Integrity::Trusted) {
            told.push(text, *integrity);
        }
    }

    /// A call has written to a place what cannot be remembered: nothing that comes back from there is vouched for.
    pub fn overwritten(&mut self, place: &str) {
        if let Some(told) = self.written.at(place) {
            told.fill();
        }
    }

    /// Where a value of a call comes from. `text` is a string without quotes and escapes, or a number as it is written.
    #[must_use]
    pub fn ground(&self, text: &str, sink: Option<Sink>) -> Grounding {
        let folded = Folded::new(text);
        let nowhere = Grounding { integrity: Integrity::Untrusted, place: None };
        if folded.is_empty() {
            // Nothing comes from nowhere.
            return Grounding { integrity: Integrity::User, place: None };
        }
        let mut best: Option<(Integrity, usize)> = None;
        let is_short = folded.n_chars() < MIN_SEARCHED;
        // By a name that outsiders choose nobody vouches for a place to go to.
        let is_mere_name = |integrity| sink == Some(Sink::Fetch) && integrity == Integrity::Identifier;
        let keys = value::keys_of_whole(text);
        // A path is read letter by letter: only by the normal form of the address.
        let is_path = sink != Some(Sink::Credential) && keys.iter().any(address::has_path);
        for (at, piece) in self.near(&folded).filter(|_| !is_path).take(MAX_TRIED) {
            if best.is_some_and(|(integrity, _)| integrity >= piece.integrity) || is_mere_name(piece.integrity) {
                continue;
            }
            let is_there = match (sink, piece.integrity) {
                (Some(Sink::Credential), Integrity::User) => {
                    piece.exact.as_deref().is_some_and(|exact| exact.contains(text.trim())) && piece.folded.holds(&folded)
                }
                (_, Integrity::User) => piece.folded.holds(&folded),
                _ if is_short => piece.is_field && piece.folded == folded,
                _ => piece.folded.holds(&folded),
            };
            if is_there {
                best = Some((piece.integrity, at));
            }
        }
        if sink != Some(Sink::Credential) {
            for key in keys {
                let Some((integrity, at)) = self.values.get(&key).copied() else { continue };
                let is_role = self.pieces.get(at).is_some_and(|piece| piece.integrity == Integrity::User || piece.is_field);
                if best.is_none_or(|(known, _)| integrity > known) && (!is_short || is_role) && !is_mere_name(integrity) {
                    best = Some((integrity, at));
                }
            }
        }
        let may_be_appointed = !matches!(sink, Some(Sink::Credential | Sink::Payee | Sink::Fetch));
        if may_be_appointed
            && best.is_none_or(|(integrity, _)| integrity < Integrity::Identifier)
            && let Some(at) = self.appointments.of(text)
        {
            best = Some((Integrity::Identifier, at));
        }
        let found = best.and_then(|(integrity, at)| self.pieces.get(at).map(|piece| (integrity, piece)));
        found.map_or(nowhere, |(integrity, piece)| Grounding {
            integrity,
            place: Some(Place { source: piece.source, line: piece.line, field: piece.field.clone() }),
        })
    }

    /// The addresses in a text that lead somewhere, with where they come from.
    #[must_use]
    pub fn links(&self, text: &str) -> Vec<(String, Grounding)> {
        let addresses: BTreeSet<String> = address::links(text).into_iter().collect();
        let is_flood = addresses.len() > MAX_LINKS;
        let nowhere = || Grounding { integrity: Integrity::Untrusted, place: None };
        let ground = |address: &str| if is_flood { nowhere() } else { self.ground(address, Some(Sink::Fetch)) };
        addresses.into_iter().map(|address| (address.clone(), ground(&address))).collect()
    }

    /// Whether anything came in that nobody vouches for.
    #[must_use]
    pub const fn is_tainted(&self) -> bool {
        self.is_tainted
    }

    /// A source, by its number.
    #[must_use]
    pub fn source(&self, number: usize) -> Option<&Source> {
        self.sources.get(number)
    }

    /// The sources that hold a part and that nobody vouches for; with a flood of words no part is sure not to stand there.
    fn foreign(&self, part: &Folded) -> BTreeSet<usize> {
        let mut n_tried = 0_usize;
        let is_there = |piece: &&Piece| {
            n_tried = n_tried.saturating_add(1);
            n_tried > MAX_TRIED || piece.integrity < Integrity::Trusted && piece.folded.holds(part)
        };
        self.near(part).map(|(_, piece)| piece).take(MAX_TRIED + 1).filter(is_there).map(|piece| piece.source).collect()
    }

    /// The pieces that may hold a value: first those that anybody vouches for, then as many of the others as tell where it stands.
    fn near(&self, value: &Folded) -> impl Iterator<Item = (usize, &Piece)> {
        let number = |at: &u32| usize::try_from(*at).ok();
        let near = self.index.near(value);
        let outside = self.outside.near(value).unwrap_or_default().iter().filter_map(number);
        let vouched = near.unwrap_or_default().iter().filter_map(number);
        // What has no word stands in too much: only the user's own mean anything by it.
        let others = if near.is_none() { self.pieces.len() } else { 0 };
        let of_words = vouched.chain(outside).filter_map(|at| Some((at, self.pieces.get(at)?)));
        of_words.chain(self.pieces.iter().enumerate().take(others).filter(|(_, piece)| piece.integrity == Integrity::User))
    }

    fn begin(&mut self, name: String) -> usize {
        self.sources.push(Source { name, integrity: Integrity::User });
        self.sources.len() - 1
    }

    fn keep(&mut self, leaf: Leaf, source: usize, integrity: Integrity, is_field: bool) {
        if let Some(source) = self.sources.get_mut(source) {
            source.integrity = source.integrity.min(integrity);
        }
        let folded = Folded::new(&leaf.text);
        if folded.is_empty() {
            return;
        }
        let n_field = leaf.field().map_or(0, str::len);
        self.n_bytes = self.n_bytes.saturating_add(leaf.text.len()).saturating_add(n_field);
        if self.n_bytes > MAX_KEPT || self.pieces.len() >= MAX_PIECES {
            return;
        }
        let at = self.pieces.len();
        for key in value::keys(&leaf.text) {
            let known = self.values.entry(key).or_insert((integrity, at));
            if integrity > known.0 {
                *known = (integrity, at);
            }
        }
        let field = leaf.field().map(str::to_owned);
        if integrity == Integrity::Untrusted {
            self.outside.add(at, &folded)
        } else {
            self.index.add(at, &folded)
        }
        let exact = (integrity == Integrity::User).then_some(leaf.text);
        self.pieces.push(Piece { source, folded, exact, integrity, line: leaf.line, field, is_field });
    }
}

/// The leaves of a result, and whether each is a field; one for the whole text if it has no structure.
fn leaves(text: &str) -> Vec<(Leaf, bool)> {
    match fields::fields(text) {
        Some(leaves) => leaves.into_iter().map(|leaf| (leaf, true)).collect(),
        None => {
            let line =
                |(text, line): (&str, u32)| (Leaf { path: Vec::new(), text: text.to_owned(), line, is_name: false }, false);
            // Those behind the bound are one.
            text.splitn(MAX_LINES, '\n').zip(1..).map(line).collect()
        }
    }
}

/// What an operator vouches for.
fn vouched(output: &Output, leaf: &Leaf, is_field: bool) -> Integrity {
    let shaped = |leaf: &Leaf| if ident::is_identifier(&leaf.text) { Integrity::Identifier } else { Integrity::Untrusted };
    let stands_in = |names: &BTreeSet<String>| leaf.path.iter().any(|name| names.contains(name));
    match output {
        Output::Untrusted => Integrity::Untrusted,
        Output::Trusted => Integrity::Trusted,
        Output::Mixed { .. } | Output::Identifiers if !is_field => Integrity::Untrusted,
        // An entry that stands in no field is vouched for by nobody.
        Output::Mixed { .. } if leaf.path.is_empty() => Integrity::Untrusted,
        Output::Mixed { free, .. } if stands_in(free) => Integrity::Untrusted,
        Output::Mixed { ident, .. } if stands_in(ident) => shaped(leaf),
        Output::Mixed { .. } => Integrity::Trusted,
        Output::Identifiers => shaped(leaf),
    }
}
