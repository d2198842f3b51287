//! Telephone numbers: a shape, and what speaks for it. Decision 0021 says why no library of numbering plans is asked.

use std::ops::{Range, RangeInclusive};

use crate::class::Class;
use crate::pii::view::{View, decimal};
use crate::pii::words::{Calls, LONGEST_LABEL, is_label};

/// Most digits of a number: an international prefix and the fifteen of ITU-T E.164.
const MAX_DIGITS: usize = 18;
/// Fewest digits of a number.
const MIN_DIGITS: usize = 6;
/// Most groups that the digits are written in.
const MAX_GROUPS: usize = 8;
/// Most digits in parentheses.
const MAX_INSIDE: usize = 5;
/// Fewest digits of a turned number with a plus sign: as many as people have, or copies, are more often written so.
const MIN_TURNED: usize = 10;
/// Most digits of an extension.
const MAX_EXTENSION: usize = 6;

/// A number as it is written.
struct Written {
    start: usize,
    end: usize,
    digits: [u8; MAX_DIGITS],
    n_digits: usize,
    /// Digits in each group.
    groups: [usize; MAX_GROUPS],
    n_groups: usize,
    /// The separator of the groups, if it is the same everywhere and no parenthesis stands there.
    separator: Option<u8>,
    has_plus: bool,
    /// Whether the first group stands in parentheses.
    has_area: bool,
    has_extension: bool,
}

/// The start and end of the telephone number whose first digit stands at `digit`.
pub(super) fn at(view: &View<'_>, digit: usize) -> Option<(usize, usize)> {
    if is_alone(view, digit) {
        return None;
    }
    let written = Written::read(view, digit)?;
    (written.may_begin(view) && written.may_end(view) && written.is_told(view)).then_some((written.start, written.end))
}

/// Whether the digits there are too few, and no group follows. Most are, and a byte or two tell it.
fn is_alone(view: &View<'_>, digit: usize) -> bool {
    let length = view.run(digit, Class::DIGIT, MIN_DIGITS);
    if length == MIN_DIGITS {
        return false;
    }
    let end = digit + length;
    let at = end + usize::from(view.at(end).is_some_and(|gap| b" -./".contains(&gap)));
    !view.at(at).is_some_and(|next| next.is_ascii_digit() || matches!(next, b'(' | b')'))
}

/// The number whose first digit stands at `digit` of a whole text in which it was turned. More has to speak for it than for one as
/// it stands: calling code and length behind a plus sign, the groups of North America before an extension.
pub(crate) fn turned(text: &[u8], digit: usize) -> Option<Range<usize>> {
    let view = &View::new(text, true);
    let written = Written::read(view, digit)?;
    let is_likely = match (written.has_extension, written.has_plus) {
        (true, _) => written.is_american(view),
        (false, true) => written.n_digits >= MIN_TURNED && Written::is_international(written.digits()),
        (false, false) => true,
    };
    let is_number = is_likely && written.may_begin(view) && written.may_end(view) && written.is_told(view);
    is_number.then_some(written.start..written.end)
}

/// From where a number could begin that has its first digit at `digit`.
pub(super) fn earliest(view: &View<'_>, digit: usize) -> usize {
    let lead = view.slice(digit.saturating_sub(2), digit);
    digit - lead.iter().rev().take_while(|byte| matches!(byte, b'+' | b'(')).count()
}

impl Written {
    fn read(view: &View<'_>, digit: usize) -> Option<Self> {
        let mut written = Self {
            start: digit,
            end: digit,
            digits: [0; MAX_DIGITS],
            n_digits: 0,
            groups: [0; MAX_GROUPS],
            n_groups: 0,
            separator: None,
            has_plus: false,
            has_area: false,
            has_extension: false,
        };
        written.first(view)?;
        while written.next(view)? {}
        // What is too short is nobody's number, and holds nothing back.
        if written.n_digits < MIN_DIGITS {
            return None;
        }
        written.extension(view);
        Some(written)
    }

    /// The first group, with the plus sign and the parentheses that belong to it.
    fn first(&mut self, view: &View<'_>) -> Option<()> {
        let digit = self.start;
        self.group(view, digit)?;
        let is_closed = view.at(self.end) == Some(b')') && self.n_digits <= MAX_INSIDE;
        let before = [digit.checked_sub(2).and_then(|at| view.at(at)), view.before(digit)];
        let lead = match before {
            [Some(b'+'), Some(b'(')] | [Some(b'('), Some(b'+')] if is_closed => 2,
            [_, Some(b'(')] if is_closed => 1,
            [_, Some(b'+')] => 1,
            _ => 0,
        };
        self.start = digit - lead;
        self.has_plus = view.slice(self.start, digit).contains(&b'+');
        self.has_area = view.slice(self.start, digit).contains(&b'(');
        self.end += usize::from(self.has_area);
        Some(())
    }

    /// Takes a group of digits; `None` if there are too many.
    fn group(&mut self, view: &View<'_>, start: usize) -> Option<()> {
        let length = view.run(start, Class::DIGIT, MAX_DIGITS + 1);
        let place = self.digits.get_mut(self.n_digits..self.n_digits + length)?;
        place.copy_from_slice(view.slice(start, start + length));
        *self.groups.get_mut(self.n_groups)? = length;
        self.n_groups += 1;
        self.n_digits += length;
        self.end = start + length;
        Some(())
    }

    /// Takes the next group, if there is one. Groups of one digit stand only near the beginning, or in parentheses.
    fn next(&mut self, view: &View<'_>) -> Option<bool> {
        let was_closed = view.before(self.end) == Some(b')');
        let gap = view.at(self.end).filter(|byte| b" -./".contains(byte));
        let at = self.end + usize::from(gap.is_some());
        if view.at(at) == Some(b'(') {
            let length = view.run(at + 1, Class::DIGIT, MAX_INSIDE + 1);
            if !(1..=MAX_INSIDE).contains(&length) || view.at(at + 1 + length) != Some(b')') {
                return Some(false);
            }
            self.group(view, at + 1)?;
            self.end += 1;
        } else {
            let length = view.run(at, Class::DIGIT, 2);
            if length == 0 || (length == 1 && self.n_groups > 1) || (gap.is_none() && !was_closed) {
                return Some(false);
            }
            self.group(view, at)?;
        }
        self.separator = match (self.n_groups, gap) {
            (2, gap) => gap,
            (_, gap) if gap == self.separator => gap,
            _ => None,
        };
        Some(true)
    }

    /// Takes `x123`, ` ext. 123`.
    fn extension(&mut self, view: &View<'_>) {
        let mut at = self.end + usize::from(view.at(self.end) == Some(b' '));
        let letters = view.run(at, Class::LETTER, 4);
        let word = view.slice(at, at + letters);
        if !word.eq_ignore_ascii_case(b"x") && !word.eq_ignore_ascii_case(b"ext") {
            return;
        }
        at += letters;
        at += usize::from(letters > 1 && view.at(at) == Some(b'.'));
        at += usize::from(letters > 1 && view.at(at) == Some(b' '));
        let length = view.run(at, Class::DIGIT, MAX_EXTENSION + 1);
        if (1..=MAX_EXTENSION).contains(&length) && !view.has(at + length, Class::WORD) {
            self.has_extension = true;
            self.end = at + length;
        }
    }

    /// Whether nothing in front of it makes it a part of something else.
    fn may_begin(&self, view: &View<'_>) -> bool {
        let start = self.start;
        match view.before(start) {
            Some(byte) if Class::WORD.has(byte) || b"$#@%&+".contains(&byte) => false,
            Some(b'-' | b'/') => self.has_plus || !view.has_before(start - 1, Class::WORD),
            Some(b' ' | b'.' | b',' | b':' | b')' | b'(') => {
                self.has_plus || self.has_area || !view.has_before(start - 1, Class::DIGIT)
            }
            _ => true,
        }
    }

    /// Whether it does not go on behind its end.
    fn may_end(&self, view: &View<'_>) -> bool {
        match view.at(self.end) {
            Some(byte) if Class::WORD.has(byte) || b"%@".contains(&byte) => false,
            Some(b'-' | b'.' | b'/' | b',' | b':' | b'=') => !view.has(self.end + 1, Class::DIGIT),
            _ => true,
        }
    }

    fn groups(&self) -> &[usize] {
        self.groups.get(..self.n_groups).unwrap_or_default()
    }

    fn digits(&self) -> &[u8] {
        self.digits.get(..self.n_digits).unwrap_or_default()
    }

    /// The number that the digits of a group are.
    fn value(&self, group: usize) -> u32 {
        let start: usize = self.groups().iter().take(group).sum();
        let length = self.groups().get(group).copied().unwrap_or_default().min(9);
        decimal(self.digits().get(start..start + length).unwrap_or_default())
    }

    /// Whether its form or the words around it say that it is a telephone's.
    fn is_told(&self, view: &View<'_>) -> bool {
        if self.has_plus && Self::is_international(self.digits()) {
            return true;
        }
        if self.is_something_else() {
            return false;
        }
        let is_bare = self.n_groups == 1 && !self.has_plus;
        match view.near(self.start).calls {
            Calls::Phone => !is_bare || self.n_digits > 6,
            _ if self.has_label(view) => !is_bare || self.n_digits > 6,
            Calls::Call if is_bare => (10..=13).contains(&self.n_digits) && self.digits().first() != Some(&b'1'),
            // A house number and a street's make two groups, too.
            Calls::Call => self.n_digits > 6 || self.n_groups > 2,
            Calls::Number => !is_bare && !self.is_amount(),
            Calls::Unsaid => !is_bare && self.is_telling(),
            Calls::Other => false,
        }
    }

    /// A calling code that is given out, and as many digits behind it as its numbers have.
    fn is_international(digits: &[u8]) -> bool {
        digits.len() <= 15 && lengths_behind_code(digits).is_some_and(|lengths| lengths.contains(&digits.len()))
    }

    /// Dates, years, social security numbers, internet addresses, decimal numbers.
    fn is_something_else(&self) -> bool {
        let is_year = |group: usize| (1900..=2099).contains(&self.value(group));
        match *self.groups() {
            // A month, a date, and maybe another one behind it.
            [4, 1..=2] | [4, 1..=2, 1..=2, ..] if is_year(0) && self.value(1) <= 12 => true,
            [1..=2, 1..=2, 4] => is_year(2),
            [4, 4] => is_year(0) && is_year(1),
            [3, 2, 4] => !self.has_plus,
            [_, _, _, _] if self.separator == Some(b'.') && self.groups().iter().all(|length| *length <= 3) => {
                (0..4).all(|group| self.value(group) < 256)
            }
            [first, second] => self.separator == Some(b'.') && (first, second) != (3, 4),
            _ => false,
        }
    }

    /// Thousands: groups of three behind the first.
    fn is_amount(&self) -> bool {
        let groups = self.groups();
        self.n_digits != 9
            && matches!(self.separator, Some(b' ' | b'.'))
            && groups.first().is_some_and(|first| *first <= 3)
            && groups.iter().skip(1).all(|length| *length == 3)
    }

    /// Forms that little else has.
    fn is_telling(&self) -> bool {
        let digits = self.digits();
        let is_exchange = |group: usize| (200..=999).contains(&self.value(group));
        let same = self.separator.is_some();
        if self.has_extension && self.n_digits > 6 {
            return true;
        }
        if let Some(rest) = digits.strip_prefix(b"00") {
            return self.separator != Some(b'.') && Self::is_international(rest);
        }
        match *self.groups() {
            // North America.
            [3, 3, 4] if self.has_area => true,
            [3, 3, 4] => matches!(self.separator, Some(b'-' | b'.')) && is_exchange(0) && is_exchange(1),
            [1, 3, 3, 4] => self.value(0) == 1 && self.separator != Some(b' ') && is_exchange(1),
            // An area code with its trunk prefix in parentheses.
            [2..=5, ..] if self.has_area => digits.first() == Some(&b'0') && (9..=12).contains(&self.n_digits),
            // France.
            [2, 2, 2, 2, 2] => same && digits.first() == Some(&b'0') && digits.get(1) != Some(&b'0'),
            _ => false,
        }
    }

    /// Whether it has the groups of North America, not all of them round, and an extension of two digits or more.
    fn is_american(&self, view: &View<'_>) -> bool {
        let extension = Class::DIGIT.run_back(view.slice(self.start, self.end), MAX_EXTENSION);
        let (trunk, number) = match self.groups() {
            number @ [3, 3, 4] => (None, number),
            [1 | 3, number @ ..] if *number == [3, 3, 4] => (Some(self.value(0)), number),
            _ => return false,
        };
        let first = self.n_groups - number.len();
        let is_round = (first..self.n_groups).all(|group| self.value(group).is_multiple_of(10));
        trunk.is_none_or(|code| code == 1) && !is_round && extension >= 2
    }

    /// Whether a word stands directly behind it that says what it is.
    fn has_label(&self, view: &View<'_>) -> bool {
        let gap = (0..2).take_while(|place| view.at(self.end + place).is_some_and(|byte| b" -(,:".contains(&byte))).count();
        let start = self.end + gap;
        let length = view.run(start, Class::ALNUM, LONGEST_LABEL + 1);
        gap > 0 && is_label(view.slice(start, start + length))
    }
}

/// Whether a word stands directly behind `end` that says that a telephone number ends there, and is none of `but`.
pub(crate) fn is_called_behind(text: &[u8], end: usize, but: &[&str]) -> bool {
    let rest = text.get(end..).unwrap_or_default();
    let gap = rest.iter().take(2).take_while(|byte| b" -(,:".contains(byte)).count();
    let rest = rest.get(gap..).unwrap_or_default();
    let word = rest.get(..Class::ALNUM.run(rest)).unwrap_or_default();
    gap > 0 && is_label(word) && !but.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// How many digits a number with this calling code has, the code included.
fn lengths_behind_code(digits: &[u8]) -> Option<RangeInclusive<usize>> {
    let head = |length: usize| digits.get(..length).map(decimal);
    let find = |length: usize| {
        let code = head(length)?;
        let (_, fewest, most) = CODES.iter().find(|(first, ..)| *first == code)?;
        Some(length + fewest..=length + most)
    };
    find(1).or_else(|| find(2)).or_else(|| head(3).filter(|code| is_code_of_three(*code)).map(|_| 9..=14))
}

/// Calling codes of one and two digits (ITU-T E.164 list), with the fewest and most digits behind them.
pub(super) static CODES: &[(u32, usize, usize)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 11),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 12),
    (40, 9, 9),
    (41, 9, 12),
    (43, 6, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 13),
    (51, 8, 9),
    (52, 10, 11),
    (53, 6, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 7, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 10),
    (84, 9, 10),
    (86, 10, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
];

/// Calling codes of three digits that are given out.
const fn is_code_of_three(code: u32) -> bool {
    matches!(code,
        211..=213 | 216 | 218 | 220..=258 | 260..=269 | 290 | 291 | 297..=299
        | 350..=359 | 370..=378 | 380..=383 | 385..=387 | 389
        | 420 | 421 | 423 | 500..=509 | 590..=599
        | 670 | 672..=683 | 685..=692
        | 800 | 808 | 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888
        | 960..=968 | 970..=977 | 979 | 992..=996 | 998)
}
