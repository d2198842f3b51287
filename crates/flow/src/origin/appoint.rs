//! What the user has handed to a source of his choice: "you can find her e-mail on her website, example.org".
//!
//! A value is appointed when one sentence of the user's own words names both the source and the kind of value, and the source holds
//! exactly one such value. That is as much as a name that outsiders stand by ([`model::Integrity::Identifier`]), never the user's
//! own word: whoever writes the source chooses the value, and the user has said so. A second value of the kind, as an attacker has to
//! plant who cannot take the first away, ends it.

use text::ValueKind;

use super::folded::Folded;
use super::value::{self, Key};

/// Most sentences and sources of one task that are kept for this.
const MAX_KEPT: usize = 256;

/// Nouns for kinds of values.
const NOUNS: [(ValueKind, &[&str]); 2] = [
    (ValueKind::Email, &["email", "e-mail", "correo", "courriel", "email-adresse", "e-mail-adresse"]),
    (ValueKind::Phone, &["phone", "telephone", "telefon", "handynummer", "teléfono", "téléphone"]),
];

/// Words before a noun that is somebody's.
const OF: [&str; 24] = [
    "the", "his", "her", "their", "its", "my", "our", "your", "s", "an", "contact", "whose", "die", "seine", "ihre", "deren",
    "dessen", "der", "el", "su", "son", "leur", "l", "le",
];

/// A sentence of the user that asks for kinds of values.
#[derive(Debug)]
struct Wanted {
    sentence: Folded,
    keys: Vec<Key>,
    kinds: Vec<ValueKind>,
}

/// What a source holds of a kind, and by which of the call's arguments the user could have named it.
#[derive(Debug)]
struct Holder {
    names: Vec<Named>,
    values: Vec<Key>,
    piece: usize,
}

/// An argument that the user had said, as text and in normal form.
#[derive(Debug)]
pub(super) struct Named {
    folded: Folded,
    keys: Vec<Key>,
}

impl Named {
    pub(super) fn new(text: &str) -> Self {
        Self { folded: Folded::new(text), keys: value::keys_of_whole(text) }
    }
}

/// Everything that could be appointed in one task.
#[derive(Debug, Default)]
pub(super) struct Appointments {
    wanted: Vec<Wanted>,
    holders: Vec<Holder>,
}

impl Appointments {
    /// A sentence of the user's own words.
    pub(super) fn said(&mut self, sentence: &str) {
        let lower = sentence.to_lowercase();
        let words: Vec<&str> =
            lower.split(|char: char| !(char.is_alphanumeric() || char == '-')).filter(|word| !word.is_empty()).collect();
        // Behind a word that makes it a thing: "email me a summary" hands nothing over.
        let is_asked =
            |nouns: &[&str]| words.windows(2).any(|pair| matches!(pair, [of, noun] if OF.contains(of) && nouns.contains(noun)));
        let kinds: Vec<ValueKind> = NOUNS.iter().filter(|(_, nouns)| is_asked(nouns)).map(|(kind, _)| *kind).collect();
        if !kinds.is_empty() && self.wanted.len() < MAX_KEPT {
            self.wanted.push(Wanted { sentence: Folded::new(sentence), keys: value::keys(sentence), kinds });
        }
    }

    /// A result of a call whose arguments are `names`, as far as the user had said them; `piece` is where it begins.
    pub(super) fn came(&mut self, names: Vec<Named>, text: &str, piece: usize) {
        if !names.is_empty() && !self.wanted.is_empty() && self.holders.len() < MAX_KEPT {
            self.holders.push(Holder { names, values: value::all_keys(text), piece });
        }
    }

    /// The piece at which the source begins that holds just this value of its kind, if the user has appointed it.
    pub(super) fn of(&self, text: &str) -> Option<usize> {
        let keys = value::keys_of_whole(text);
        let appoints = |holder: &&Holder| {
            self.wanted.iter().any(|wanted| {
                let is_said =
                    |name: &Named| wanted.sentence.holds(&name.folded) || name.keys.iter().any(|key| wanted.keys.contains(key));
                let is_named = holder.names.iter().any(is_said);
                is_named && wanted.kinds.iter().any(|kind| holder.is_only(*kind, &keys))
            })
        };
        self.holders.iter().find(appoints).map(|holder| holder.piece)
    }
}

impl Holder {
    /// Whether its only value of the kind is among `keys`.
    fn is_only(&self, kind: ValueKind, keys: &[Key]) -> bool {
        let mut of_kind = self.values.iter().filter(|(of, _)| *of == kind);
        let Some(first) = of_kind.next() else { return false };
        keys.contains(first) && of_kind.all(|other| other == first)
    }
}
