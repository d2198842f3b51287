//! Where a token can begin: an index of the token rules' literals by their first three bytes.

use crate::rules::{RuleId, RuleSet, Shape, TokenRule};
use crate::tokens::TOKENS;

/// Rules are put into this many buckets, those with like literals together.
const N_BUCKETS: usize = 64;

/// The token rules that are switched on. One look-up per byte and place says which buckets can match; only their rules are looked
/// at. Grows with the number of rules by what a bucket holds, not by what is read per byte.
pub(crate) struct TokenIndex {
    /// Which buckets have a literal with this byte at its first, second and third place.
    places: [Box<[u64; 256]>; 3],
    /// Bit `first * 256 + second`: whether some literal begins with these two bytes.
    pairs: Box<[u64; 1024]>,
    buckets: [Vec<RuleId>; N_BUCKETS],
    /// The rules whose matches inside another one need not be looked at.
    swallowing: RuleSet,
}

impl TokenIndex {
    pub(crate) fn new(enabled: &RuleSet) -> Self {
        let mut rules: Vec<(RuleId, &TokenRule)> =
            RuleId::tokens().filter(|rule| enabled.has(*rule)).filter_map(|rule| Some((rule, TOKENS.get(rule.0)?))).collect();
        let swallowing = rules.iter().filter(|(_, token)| token.swallows_itself()).map(|(rule, _)| *rule).collect();
        rules.sort_by_key(|(_, token)| token.shapes.first().map(Shape::prefix));
        let mut places = [const { [0_u64; 256] }; 3].map(Box::new);
        let mut pairs = Box::new([0_u64; 1024]);
        let mut buckets = [const { Vec::new() }; N_BUCKETS];
        let per_bucket = rules.len().div_ceil(N_BUCKETS).max(1);
        for (bucket, members) in rules.chunks(per_bucket).enumerate() {
            for (rule, token) in members {
                for prefix in token.shapes.iter().map(Shape::prefix) {
                    enter(&mut places, prefix, 1 << bucket);
                    enter_pair(&mut pairs, prefix);
                }
                if let Some(bucket) = buckets.get_mut(bucket) {
                    bucket.push(*rule);
                }
            }
        }
        Self { places, pairs, buckets, swallowing }
    }

    /// The first place of `bytes` at which a literal may begin that is longer than one byte; `None` without one.
    pub(crate) fn next(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(2).position(|pair| {
            let &[first, second] = pair else { return false };
            let pair = u16::from_be_bytes([first, second]);
            self.pairs.get(usize::from(pair >> 6)).is_some_and(|word| word >> (pair & 63) & 1 == 1)
        })
    }

    /// The buckets whose rules may match where these bytes stand, as a mask; a byte that is not known fits every rule.
    pub(crate) fn candidates(&self, first: u8, second: Option<u8>, third: Option<u8>) -> u64 {
        let [firsts, seconds, thirds] = &self.places;
        let of = |place: &[u64; 256], byte: u8| place.get(usize::from(byte)).copied().unwrap_or(0);
        of(firsts, first) & second.map_or(u64::MAX, |byte| of(seconds, byte)) & third.map_or(u64::MAX, |byte| of(thirds, byte))
    }

    /// The rules of the buckets of a mask.
    pub(crate) fn rules(&self, mut mask: u64) -> impl Iterator<Item = RuleId> + '_ {
        let buckets = std::iter::from_fn(move || {
            let bucket = usize::try_from(mask.trailing_zeros()).ok().filter(|_| mask != 0)?;
            mask &= mask - 1;
            self.buckets.get(bucket)
        });
        buckets.flatten().copied()
    }

    pub(crate) fn swallows_itself(&self, rule: RuleId) -> bool {
        self.swallowing.has(rule)
    }
}

fn enter_pair(pairs: &mut [u64; 1024], literal: &str) {
    let all = |byte: Option<&u8>| byte.map_or(0..=u8::MAX, |byte| *byte..=*byte);
    let mut literal = literal.as_bytes().iter();
    let (firsts, seconds) = (all(literal.next()), all(literal.next()));
    for first in firsts {
        for second in seconds.clone() {
            let pair = u16::from_be_bytes([first, second]);
            pairs.get_mut(usize::from(pair >> 6)).into_iter().for_each(|word| *word |= 1 << (pair & 63));
        }
    }
}

fn enter(places: &mut [Box<[u64; 256]>; 3], literal: &str, bucket: u64) {
    let mut literal = literal.bytes();
    for place in places {
        match literal.next() {
            Some(byte) => place.get_mut(usize::from(byte)).into_iter().for_each(|buckets| *buckets |= bucket),
            None => place.iter_mut().for_each(|buckets| *buckets |= bucket),
        }
    }
}
