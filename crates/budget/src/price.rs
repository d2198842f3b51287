//! What tokens cost: exact decimals, kept as whole numbers.

use std::collections::BTreeMap;

use model::{ModelName, Usage};

/// Tokens that a price is told for.
const PER: u128 = 1_000_000;

/// What a million tokens of each kind cost, in millionths of the currency: `2.50` is 2,500,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Read anew.
    pub input: u64,
    /// Read from the provider's cache.
    pub cached: u64,
    /// Written to the provider's cache.
    pub cache_write: u64,
    /// Written by the model.
    pub output: u64,
}

/// The price of every alias that has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prices {
    /// The currency, as in ISO 4217.
    pub currency: String,
    /// By alias.
    pub models: BTreeMap<ModelName, Price>,
}

/// Why a text is not a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceError {
    /// It is not digits, with at most six behind a point.
    Form,
    /// It is above a million.
    TooLarge,
}

impl std::fmt::Display for PriceError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Form => "expected an amount such as `2.50`: digits, with at most six behind the point",
            Self::TooLarge => "expected an amount of at most a million",
        })
    }
}

impl std::error::Error for PriceError {}

impl Price {
    /// Reads an amount such as `2.50` as millionths; at most a million.
    ///
    /// # Errors
    /// [`PriceError`] for a sign, an exponent, a seventh digit behind the point, or too much.
    pub fn amount(text: &str) -> Result<u64, PriceError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 6 {
            return Err(PriceError::Form);
        }
        let whole: u64 = whole.parse().map_err(|_| PriceError::TooLarge)?;
        let part: u64 = format!("{part:0<6}").parse().map_err(|_| PriceError::Form)?;
        let amount = whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(part));
        amount.filter(|amount| *amount <= 1_000_000_000_000).ok_or(PriceError::TooLarge)
    }

    /// What the tokens cost, in millionths, rounded up once.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> u64 {
        let kinds = [
            (usage.input, self.input),
            (usage.cached, self.cached),
            (usage.cache_write, self.cache_write),
            (usage.output, self.output),
        ];
        let sum = kinds
            .into_iter()
            .fold(0_u128, |sum, (tokens, price)| sum.saturating_add(u128::from(tokens).saturating_mul(u128::from(price))));
        u64::try_from(sum.div_ceil(PER)).unwrap_or(u64::MAX)
    }

    /// The most that so many tokens can cost, whatever is cached.
    #[must_use]
    pub fn most(&self, read: u64, written: u64) -> u64 {
        let input = self.input.max(self.cached).max(self.cache_write);
        Self { input, ..*self }.cost(&Usage { input: read, output: written, ..Usage::default() })
    }

    /// Of each kind the greater price.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::Usage;

    use super::{Price, PriceError};

    #[test]
    fn amounts() {
        let facts = [
            ("0", Ok(0)),
            ("2.50", Ok(2_500_000)),
            ("0.075", Ok(75_000)),
            ("15", Ok(15_000_000)),
            ("0.000001", Ok(1)),
            ("1000000", Ok(1_000_000_000_000)),
            ("1000000.000001", Err(PriceError::TooLarge)),
            ("99999999999999999999", Err(PriceError::TooLarge)),
            ("0.0000001", Err(PriceError::Form)),
            ("1e3", Err(PriceError::Form)),
            ("-1", Err(PriceError::Form)),
            ("+1", Err(PriceError::Form)),
            ("1.", Err(PriceError::Form)),
            (".5", Err(PriceError::Form)),
            ("1.5.5", Err(PriceError::Form)),
            ("", Err(PriceError::Form)),
        ];
        for (text, expected) in facts {
            assert_eq!(Price::amount(text), expected, "{text}");
        }
    }

    #[test]
    fn costs_are_exact_and_rounded_up_once() {
        let price = Price { input: 2_500_000, cached: 1_250_000, cache_write: 3_000_000, output: 10_000_000 };
        let usage = |input, cached, cache_write, output| Usage { input, cached, cache_write, output, reasoning: output };
        let facts = [
            (usage(0, 0, 0, 0), 0),
            (usage(1, 0, 0, 0), 3),
            (usage(1, 1, 0, 0), 4),
            (usage(1_000_000, 0, 0, 0), 2_500_000),
            (usage(1000, 1000, 1000, 1000), 16_750),
        ];
        for (usage, expected) in facts {
            assert_eq!(price.cost(&usage), expected, "{usage:?}");
        }
        assert_eq!(price.most(1000, 1000), 13_000);
    }
}
