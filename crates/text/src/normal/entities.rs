//! HTML character references.

use std::sync::LazyLock;

use super::draft::Draft;
use super::escapes;

/// The names of U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute \
    micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave \
    Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml \
    Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth \
    ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Names that are read without a semicolon too, in every case that HTML knows.
const SHORT: &str = "amp:26 lt:3c gt:3e quot:22 AMP:26 LT:3c GT:3e QUOT:22 COPY:a9 REG:ae";

/// The other names of HTML 4, and those of HTML 5 that write ASCII or what cannot be seen, each with its scalar.
const OTHERS: &str = "Alpha:391 Beta:392 Chi:3a7 Dagger:2021 Delta:394 Epsilon:395 Eta:397 Gamma:393 Iota:399 Kappa:39a \
    Lambda:39b Mu:39c Nu:39d OElig:152 Omega:3a9 Omicron:39f Phi:3a6 Pi:3a0 Prime:2033 Psi:3a8 Rho:3a1 Scaron:160 Sigma:3a3 \
    Tau:3a4 Theta:398 Upsilon:3a5 Xi:39e Yuml:178 Zeta:396 alefsym:2135 alpha:3b1 and:2227 ang:2220 asymp:2248 bdquo:201e beta:3b2 \
    bull:2022 cap:2229 chi:3c7 circ:2c6 clubs:2663 cong:2245 crarr:21b5 cup:222a dArr:21d3 dagger:2020 darr:2193 delta:3b4 \
    diams:2666 empty:2205 emsp:2003 ensp:2002 epsilon:3b5 equiv:2261 eta:3b7 euro:20ac exist:2203 fnof:192 forall:2200 frasl:2044 \
    gamma:3b3 ge:2265 hArr:21d4 harr:2194 hearts:2665 hellip:2026 image:2111 infin:221e int:222b iota:3b9 isin:2208 kappa:3ba \
    lArr:21d0 lambda:3bb lang:2329 larr:2190 lceil:2308 ldquo:201c le:2264 lfloor:230a lowast:2217 loz:25ca lrm:200e lsaquo:2039 \
    lsquo:2018 mdash:2014 minus:2212 mu:3bc nabla:2207 ndash:2013 ne:2260 ni:220b notin:2209 nsub:2284 nu:3bd oelig:153 oline:203e \
    omega:3c9 omicron:3bf oplus:2295 or:2228 otimes:2297 part:2202 permil:2030 perp:22a5 phi:3c6 pi:3c0 piv:3d6 prime:2032 \
    prod:220f prop:221d psi:3c8 rArr:21d2 radic:221a rang:232a rarr:2192 rceil:2309 rdquo:201d real:211c rfloor:230b rho:3c1 \
    rlm:200f rsaquo:203a rsquo:2019 sbquo:201a scaron:161 sdot:22c5 sigma:3c3 sigmaf:3c2 sim:223c spades:2660 sub:2282 sube:2286 \
    sum:2211 sup:2283 supe:2287 tau:3c4 there4:2234 theta:3b8 thetasym:3d1 thinsp:2009 tilde:2dc trade:2122 uArr:21d1 uarr:2191 \
    upsih:3d2 upsilon:3c5 weierp:2118 xi:3be zeta:3b6 zwj:200d zwnj:200c Hat:5e NewLine:a Tab:9 UnderBar:5f ZeroWidthSpace:200b \
    apos:27 ast:2a bsol:5c colon:3a comma:2c commat:40 dash:2010 dollar:24 equals:3d excl:21 fjlig:66 grave:60 hyphen:2010 \
    lbrace:7b lbrack:5b lcub:7b lowbar:5f lpar:28 lsqb:5b midast:2a num:23 percnt:25 period:2e plus:2b quest:3f rbrace:7d \
    rbrack:5d rcub:7d rpar:29 rsqb:5d semi:3b sol:2f verbar:7c vert:7c VerticalLine:7c NoBreak:2060 NonBreakingSpace:a0 ThinSpace:2009";

/// The longest name that a semicolon ends, and the longest without.
const LONGEST: usize = 16;
const LONGEST_SHORT: usize = 6;

/// A name, its character, and whether it needs no semicolon.
type Name = (&'static str, char, bool);

static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let latin = LATIN.split_whitespace().zip('\u{A0}'..='\u{FF}').map(|(name, character)| (name, character, true));
    let mut names: Vec<Name> = latin.chain(listed(SHORT, true)).chain(listed(OTHERS, false)).collect();
    names.sort_unstable();
    names
});

fn listed(list: &'static str, is_short: bool) -> impl Iterator<Item = Name> {
    list.split_whitespace().filter_map(move |entry| {
        let (name, scalar) = entry.split_once(':')?;
        Some((name, char::from_u32(u32::from_str_radix(scalar, 16).ok()?)?, is_short))
    })
}

fn named(name: &str) -> Option<&'static Name> {
    NAMES.binary_search_by_key(&name, |entry| entry.0).ok().and_then(|at| NAMES.get(at))
}

/// `text` with its character references as the characters they stand for. `None` without one.
pub(super) fn decode(text: &str, room: usize) -> Option<Draft<'_>> {
    escapes::decode(text, room, b'&', |text, start| {
        let (length, character) = text.get(start..).and_then(reference)?;
        Some((Some(character), length))
    })
}

/// The character reference at the beginning of `text`, which is `&`: its length in bytes and its character.
fn reference(text: &str) -> Option<(usize, char)> {
    match text.as_bytes().get(1)? {
        b'#' => numeric(text),
        letter if letter.is_ascii_alphabetic() => by_name(text),
        _ => None,
    }
}

fn numeric(text: &str) -> Option<(usize, char)> {
    let (radix, start) = if matches!(text.as_bytes().get(2)?, b'x' | b'X') { (16, 3) } else { (10, 2) };
    let digits = text.as_bytes().get(start..)?.iter().map_while(|byte| char::from(*byte).to_digit(radix));
    // Any number of zeros may lead; what is too large stays too large.
    let (length, scalar) =
        digits.fold((0, 0u32), |(length, scalar), digit| (length + 1, scalar.saturating_mul(radix).saturating_add(digit)));
    if length == 0 {
        return None;
    }
    let end = start + length;
    let character = char::from_u32(scalar).filter(|character| *character != '\0').unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((end + usize::from(text.as_bytes().get(end) == Some(&b';')), character))
}

fn by_name(text: &str) -> Option<(usize, char)> {
    let bytes = text.as_bytes().iter().skip(1).take(LONGEST + 1);
    let length = bytes.take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if text.as_bytes().get(1 + length) == Some(&b';')
        && let Some((_, character, _)) = text.get(1..1 + length).and_then(named)
    {
        return Some((length + 2, *character));
    }
    (2..=length.min(LONGEST_SHORT)).rev().find_map(|length| {
        let (_, character, is_short) = text.get(1..1 + length).and_then(named)?;
        is_short.then_some((1 + length, *character))
    })
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, LONGEST_SHORT, NAMES, decode};

    #[test]
    fn references_become_characters() {
        let facts = [
            ("a&lt;b&gt;c", Some("a<b>c")),
            ("&#65;&#x42;&#X43&#68E", Some("ABCDE")),
            ("&#0000000000000000000065;", Some("A")),
            ("&amp;lt;", Some("&lt;")),
            ("&ampx &ltx &eacutex", Some("&x <x \u{E9}x")),
            ("&alpha;&thetasym;&commat;&period;", Some("\u{3B1}\u{3D1}@.")),
            ("&alphax &unknown; & && &; &#; &#x; &", None),
            ("&#99999999999999;&#0;&#xD800;", Some("\u{FFFD}\u{FFFD}\u{FFFD}")),
            ("&yuml;", Some("\u{FF}")),
        ];
        for (text, expected) in facts {
            assert_eq!(decode(text, 999).as_ref().map(super::Draft::text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_all_there_and_within_their_bounds() {
        assert!(NAMES.len() > 290, "{}", NAMES.len());
        assert!(NAMES.iter().all(|(name, _, is_short)| name.len() <= if *is_short { LONGEST_SHORT } else { LONGEST }));
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
