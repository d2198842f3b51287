//! Which texts hold a word, so that a value is looked for in few of them.
//!
//! A text that holds a value as a whole holds each word of it as a word: nothing is missed, and what is found is looked at again.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::folded::Folded;

/// How many words of a value are looked up: one that is rare is enough.
const MAX_WORDS: usize = 32;

/// Words, by hash, and the numbers of the texts that they stand in, in order. As large as the words of the texts.
#[derive(Debug, Default)]
pub(super) struct Index {
    words: HashMap<u64, Vec<u32>>,
    state: RandomState,
}

impl Index {
    /// A text by its number; numbers only grow.
    pub(super) fn add(&mut self, number: usize, text: &Folded) {
        text.words().for_each(|word| self.put(number, word));
    }

    /// A text by its number, to be found by its first word alone.
    pub(super) fn add_first(&mut self, number: usize, text: &Folded) {
        if let Some(word) = text.words().next() {
            self.put(number, word);
        }
    }

    /// The texts that may hold a value: those that hold the rarest of its words. None if it has no word.
    pub(super) fn near(&self, value: &Folded) -> Option<&[u32]> {
        value.words().take(MAX_WORDS).map(|word| self.of(word)).min_by_key(|numbers| numbers.len())
    }

    /// The texts that a word stands in.
    pub(super) fn of(&self, word: &str) -> &[u32] {
        self.words.get(&self.state.hash_one(word)).map(Vec::as_slice).unwrap_or_default()
    }

    fn put(&mut self, number: usize, word: &str) {
        let Ok(number) = u32::try_from(number) else { return };
        let numbers = self.words.entry(self.state.hash_one(word)).or_default();
        if numbers.last() != Some(&number) {
            numbers.push(number);
        }
    }
}
