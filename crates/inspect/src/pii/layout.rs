//! Numbers of fixed layouts: identity, tax, insurance and health numbers.

use std::sync::LazyLock;

use crate::class::Class;
use crate::pii::Kind;
use crate::pii::check;
use crate::pii::view::View;
use crate::pii::words::{self, Topics};

/// Most letters and digits that a layout has.
const MAX_LENGTH: usize = 16;

/// One way in which a number is written: `9` is a digit, `A` a capital letter, `X` one of both, everything else itself.
#[derive(Debug)]
struct Layout {
    text: &'static str,
    /// How many letters and digits stand before the first other character.
    first_run: usize,
    /// The first other character.
    joint: Option<u8>,
}

/// Layouts of a kind, what words have to stand before it, and what its letters and digits have to pass.
#[derive(Debug)]
struct Row {
    kind: Kind,
    layouts: &'static [Layout],
    /// One of the sets of topics; none if the layout is telling enough.
    needs: &'static [Topics],
    check: fn(&[u8]) -> bool,
}

#[expect(clippy::indexing_slicing, reason = "evaluated when the program is built")]
const fn layout(text: &'static str) -> Layout {
    let bytes = text.as_bytes();
    let mut first_run = 0;
    while first_run < bytes.len() && bytes[first_run].is_ascii_alphanumeric() {
        first_run += 1;
    }
    let joint = if first_run < bytes.len() { Some(bytes[first_run]) } else { None };
    Layout { text, first_run, joint }
}

const ANYWHERE: &[Topics] = &[];

/// The table of `docs/SCANNERS.md`, row by row.
static ROWS: &[Row] = &[
    row(Kind::US_ITIN, &[layout("999-99-9999"), layout("999 99 9999"), layout("999999999")], &[words::ITIN], check::us_itin),
    row(Kind::US_NPI, &[layout("9999999999")], &[words::NPI], check::us_npi),
    row(
        Kind::MEDICAL_LICENSE,
        &[layout("AA9999999"), layout("A99999999")],
        &[words::DEA, words::MEDICAL.and(words::LICENCE)],
        check::dea,
    ),
    row(Kind::DE_TAX_ID, &[layout("99999999999"), layout("99 999 999 999")], &[words::TAX], check::de_tax_id),
    row(Kind::DE_ID_CARD, &[layout("AXXXXXXXX9")], &[words::ID_CARD], check::de_id_card),
    row(Kind::FR_NIR, &[layout("9 99 99 9X 999 999 99")], ANYWHERE, check::fr_nir),
    row(Kind::FR_NIR, &[layout("999999X99999999")], &[words::NIR], check::fr_nir),
    row(Kind::IT_FISCAL_CODE, &[layout("AAAAAAXXAXXAXXXA")], ANYWHERE, check::it_fiscal_code),
    row(
        Kind::ES_NIF,
        &[layout("99999999A"), layout("99999999-A"), layout("99.999.999-A"), layout("99.999.999A")],
        ANYWHERE,
        check::es_nif,
    ),
    row(Kind::ES_NIE, &[layout("A9999999A"), layout("A-9999999-A"), layout("A9999999-A")], ANYWHERE, check::es_nie),
    row(Kind::PL_PESEL, &[layout("99999999999")], &[words::PESEL], check::pl_pesel),
    row(Kind::RO_CNP, &[layout("9999999999999")], &[words::CNP], check::ro_cnp),
    row(Kind::NL_BSN, &[layout("999999999"), layout("9999.99.999"), layout("9999 99 999")], &[words::BSN], check::nl_bsn),
    row(Kind::BE_NATIONAL_NUMBER, &[layout("99.99.99-999.99")], ANYWHERE, check::be_national_number),
    row(Kind::BE_NATIONAL_NUMBER, &[layout("99999999999")], &[words::NATIONAL_BE], check::be_national_number),
    row(Kind::CZ_BIRTH_NUMBER, &[layout("999999/9999")], ANYWHERE, check::cz_birth_number),
    row(Kind::CZ_BIRTH_NUMBER, &[layout("9999999999")], &[words::BIRTH_NUMBER], check::cz_birth_number),
    row(
        Kind::SE_PERSONNUMMER,
        &[layout("999999-9999"), layout("999999+9999"), layout("99999999-9999"), layout("99999999+9999")],
        ANYWHERE,
        check::se_personnummer,
    ),
    row(Kind::SE_PERSONNUMMER, &[layout("9999999999"), layout("999999999999")], &[words::PERSONNUMMER], check::se_personnummer),
    row(Kind::PT_NIF, &[layout("999999999"), layout("999 999 999")], &[words::NIF_PT], check::pt_nif),
    row(Kind::GR_AMKA, &[layout("99999999999")], &[words::AMKA], check::gr_amka),
    row(Kind::GR_AFM, &[layout("999999999")], &[words::AFM], check::gr_afm),
    row(Kind::UK_NHS, &[layout("9999999999"), layout("999 999 9999"), layout("999-999-9999")], &[words::NHS], check::uk_nhs),
    row(Kind::UK_NINO, &[layout("AA999999A"), layout("AA 99 99 99 A")], ANYWHERE, check::uk_nino),
];

const fn row(kind: Kind, layouts: &'static [Layout], needs: &'static [Topics], check: fn(&[u8]) -> bool) -> Row {
    Row { kind, layouts, needs, check }
}

/// Reports what of the table begins at a word's start; `length` is how many letters and digits the word has.
pub(super) fn scan(view: &View<'_>, start: usize, length: usize, mut report: impl FnMut(Kind, usize, usize)) {
    if !view.stands_apart_before(start) {
        return;
    }
    // The byte behind the word was looked at to see where it ends; most layouts want another one there.
    let next = view.slice(start + length, start + length + 1).first();
    for (row, layout) in BY_FIRST_RUN.get(length).into_iter().flatten() {
        if next.is_some_and(|next| layout.joint.is_some_and(|joint| joint != *next)) {
            continue;
        }
        let Some(number) = layout.read(view, start) else { continue };
        let end = start + layout.text.len();
        if (row.check)(number.as_slice()) && view.near(start).speaks_of(row.needs) && view.stands_apart_behind(end) {
            report(row.kind, start, end);
        }
    }
}

/// The layouts by their first run, in the order of the table.
static BY_FIRST_RUN: LazyLock<[Vec<(&Row, &Layout)>; MAX_LENGTH + 1]> = LazyLock::new(|| {
    let layouts = || ROWS.iter().flat_map(|row| row.layouts.iter().map(move |layout| (row, layout)));
    std::array::from_fn(|length| layouts().filter(|(_, layout)| layout.first_run == length).collect())
});

/// The letters and digits of a number.
struct Compact {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

impl Compact {
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Layout {
    /// The letters and digits of the number, if one is written like this.
    fn read(&self, view: &View<'_>, start: usize) -> Option<Compact> {
        let mut compact = Compact { bytes: [0; MAX_LENGTH], length: 0 };
        for (place, wanted) in self.text.bytes().enumerate() {
            let byte = view.at(start + place)?;
            let class = match wanted {
                b'9' => Class::DIGIT,
                b'A' => Class::UPPER,
                b'X' => Class::UPPER.or(Class::DIGIT),
                other if other == byte => continue,
                _ => return None,
            };
            if !class.has(byte) {
                return None;
            }
            *compact.bytes.get_mut(compact.length)? = byte;
            compact.length += 1;
        }
        Some(compact)
    }
}

/// A word of letters and digits whose surroundings alone say what it is.
struct Plain {
    kind: Kind,
    /// Fewest and most letters and digits.
    lengths: std::ops::RangeInclusive<usize>,
    needs: &'static [Topics],
}

/// Fewest digits of such a word.
const MIN_DIGITS: usize = 5;

static PLAIN: &[Plain] = &[
    Plain { kind: Kind::US_DRIVER_LICENSE, lengths: 6..=13, needs: &[words::DRIVER.and(words::LICENCE)] },
    Plain { kind: Kind::PASSPORT, lengths: 8..=9, needs: &[words::PASSPORT] },
    Plain {
        kind: Kind::MEDICAL_RECORD,
        lengths: 5..=12,
        needs: &[words::MEDICAL.and(words::RECORD), words::PATIENT.and(words::RECORD)],
    },
];

/// Reports what the words before a word of letters and digits make of it.
pub(super) fn scan_plain(view: &View<'_>, start: usize, end: usize, mut report: impl FnMut(Kind, usize, usize)) {
    let n_digits = view.slice(start, end).iter().filter(|byte| byte.is_ascii_digit()).count();
    if n_digits < MIN_DIGITS || !view.stands_apart_before(start) {
        return;
    }
    for plain in PLAIN.iter().filter(|plain| plain.lengths.contains(&(end - start))) {
        if view.near(start).speaks_of(plain.needs) && view.stands_apart_behind(end) {
            report(plain.kind, start, end);
        }
    }
}

/// Bytes of a line of a machine-readable zone that names the holder's number and dates (ICAO 9303 parts 4 to 6): 44, or 36.
const MRZ_LINES: [usize; 2] = [44, 36];

/// Reports the second line of a passport's machine-readable zone: number, nationality, dates, each with its check digit.
pub(super) fn scan_mrz(view: &View<'_>, start: usize, mut report: impl FnMut(Kind, usize, usize)) {
    let is_part = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<';
    if view.has_before(start, Class::WORD) || view.before(start) == Some(b'<') {
        return;
    }
    let [longest, _] = MRZ_LINES;
    let length = (0..=longest).take_while(|place| view.at(start + place).is_some_and(is_part)).count();
    let field = |from: usize, to: usize| view.slice(start + from, start + to);
    let is_checked = || check::icao(field(0, 10)) && check::icao(field(13, 20)) && check::icao(field(21, 28));
    let has_dates = || [field(13, 19), field(21, 27)].iter().all(|date| date.iter().all(u8::is_ascii_digit));
    if MRZ_LINES.contains(&length) && is_checked() && has_dates() && !view.has(start + length, Class::WORD) {
        report(Kind::PASSPORT, start, start + length);
    }
}
