//! Latencies, kept exactly up to a bound.

use std::time::Duration;

/// At most this many values are kept (8 MB); more is an error of the measurement.
pub const MOST: usize = 2_000_000;

/// Latencies in microseconds.
#[derive(Debug, Default)]
pub struct Histogram {
    micros: Vec<u32>,
}

impl Histogram {
    /// Adds one; above about 71 minutes it counts as that. Beyond [`MOST`] values it is dropped.
    pub fn add(&mut self, latency: Duration) {
        if self.micros.len() < MOST {
            self.micros.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Takes over another one's values.
    pub fn join(&mut self, other: Self) {
        self.micros.extend(other.micros);
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.micros.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.micros.is_empty()
    }

    /// The values at these shares (per 1,000; nearest rank), in microseconds; 0 without any value.
    #[must_use]
    pub fn at(mut self, per_mille: &[usize]) -> Vec<u32> {
        self.micros.sort_unstable();
        let rank = |share: usize| (self.micros.len() * share).div_ceil(1000).saturating_sub(1);
        per_mille.iter().map(|share| self.micros.get(rank(*share)).copied().unwrap_or(0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Histogram;

    #[test]
    fn nearest_rank() {
        let mut histogram = Histogram::default();
        (1..=200).rev().for_each(|micros| histogram.add(Duration::from_micros(micros)));
        assert_eq!(histogram.at(&[500, 990, 1000]), [100, 198, 200]);
        assert_eq!(Histogram::default().at(&[500]), [0]);
    }
}
