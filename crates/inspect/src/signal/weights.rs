//! The weights of the detector: a file of fixed layout, written by `cargo xtask train inject`.
//!
//! | bytes | what |
//! |---|---|
//! | 6 | `PCINJ`, version 1 |
//! | 1 | `b`: a table has 2^b weights |
//! | 2 × 16 | per table (users' texts, data): what a weight of 1 stands for, and the bias |
//! | 3 × 24 | per kind (user, tool output, document): slope and offset of the logistic score, threshold |
//! | 2 × 2^b | the tables, signed bytes |
//! | 32 | SHA-256 of all that |
//!
//! Numbers are IEEE 754, little-endian.

use aws_lc_rs::digest::{SHA256, digest};

use super::TextKind;

const MAGIC: &[u8; 6] = b"PCINJ\x01";
const DIGEST: usize = 32;
/// Fewest and most bits of a table's index.
const BITS: std::ops::RangeInclusive<u8> = 1..=21;

/// Why a file of weights is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// Other first bytes, or another version.
    #[error("no weights of an injection detector of version 1")]
    Magic,
    /// Other length than the header says.
    #[error("weights are cut off, or something stands behind them")]
    Length,
    /// The digest is another one.
    #[error("weights were changed: their digest does not hold")]
    Digest,
    /// A number is none, or out of range.
    #[error("weights hold a number out of range")]
    Number,
}

/// One table: what features weigh.
#[derive(Clone, PartialEq)]
pub struct Table {
    /// What a weight of 1 stands for.
    pub scale: f64,
    /// Added to every window.
    pub bias: f64,
    /// 2^b weights.
    pub weights: Vec<i8>,
}

/// How margins of one kind of text become scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Of the logistic function. Positive.
    pub slope: f64,
    /// Of the logistic function.
    pub offset: f64,
    /// The score from which a text is flagged.
    pub threshold: f64,
}

/// Weights, calibration, thresholds.
#[derive(Clone, PartialEq)]
pub struct Weights {
    /// Users' texts; data.
    pub tables: [Table; 2],
    /// User, tool output, document.
    pub calibrations: [Calibration; 3],
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Table").field("length", &self.weights.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [user, data] = &self.tables;
        let lengths = (user.weights.len(), data.weights.len());
        formatter
            .debug_struct("Weights")
            .field("lengths", &lengths)
            .field("calibrations", &self.calibrations)
            .finish_non_exhaustive()
    }
}

impl Weights {
    /// Reads a file of weights.
    ///
    /// # Errors
    /// When it is not one, to the byte.
    pub fn read(bytes: &[u8]) -> Result<Self, WeightsError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(WeightsError::Magic)?;
        let (body, sum) = bytes.split_at_checked(bytes.len().saturating_sub(DIGEST)).ok_or(WeightsError::Length)?;
        let (&bits, rest) = rest.split_first().ok_or(WeightsError::Length)?;
        if !BITS.contains(&bits) {
            return Err(WeightsError::Length);
        }
        let n_weights = 1_usize << bits;
        if rest.len() != (2 * 2 + 3 * 3) * 8 + 2 * n_weights + DIGEST {
            return Err(WeightsError::Length);
        }
        if digest(&SHA256, body).as_ref() != sum {
            return Err(WeightsError::Digest);
        }
        let mut rest = rest;
        let mut number = || {
            let (first, behind) = rest.split_first_chunk::<8>().ok_or(WeightsError::Length)?;
            rest = behind;
            let number = f64::from_le_bytes(*first);
            if number.is_finite() && number.abs() < 1e6 { Ok(number) } else { Err(WeightsError::Number) }
        };
        let heads = [(number()?, number()?), (number()?, number()?)];
        let mut calibration = || Ok(Calibration { slope: number()?, offset: number()?, threshold: number()? });
        let calibrations = [calibration()?, calibration()?, calibration()?];
        let mut tables = rest.chunks(n_weights).map(|chunk| chunk.iter().map(|byte| i8::from_le_bytes([*byte])).collect());
        let mut table = |(scale, bias)| Table { scale, bias, weights: tables.next().unwrap_or_default() };
        let [user, data] = heads;
        let weights = Self { tables: [table(user), table(data)], calibrations };
        let is_sound = calibrations.iter().all(|one| one.slope > 0.0 && (0.0..=1.0).contains(&one.threshold));
        if is_sound { Ok(weights) } else { Err(WeightsError::Number) }
    }

    /// The file that [`Weights::read`] reads.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let [user, data] = &self.tables;
        let mut bytes = MAGIC.to_vec();
        bytes.push(u8::try_from(user.weights.len().ilog2()).unwrap_or_default());
        for number in [user, data].into_iter().flat_map(|table| [table.scale, table.bias]) {
            bytes.extend(number.to_le_bytes());
        }
        for number in self.calibrations.iter().flat_map(|one| [one.slope, one.offset, one.threshold]) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([user, data].into_iter().flat_map(|table| table.weights.iter().flat_map(|weight| weight.to_le_bytes())));
        let sum = digest(&SHA256, &bytes);
        bytes.extend(sum.as_ref());
        bytes
    }

    pub(super) const fn table(&self, kind: TextKind) -> &Table {
        let [user, data] = &self.tables;
        match kind {
            TextKind::User => user,
            TextKind::ToolOutput | TextKind::Document => data,
        }
    }

    pub(super) const fn calibration(&self, kind: TextKind) -> &Calibration {
        let [user, tool_output, document] = &self.calibrations;
        match kind {
            TextKind::User => user,
            TextKind::ToolOutput => tool_output,
            TextKind::Document => document,
        }
    }
}
