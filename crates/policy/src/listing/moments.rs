//! Times as Cedar writes them, in milliseconds: to know the moment at which a condition changes.

/// Milliseconds since 1970 of `2026-01-31`, `2026-01-31T12:00:00Z`, `2026-01-31T12:00:00.250Z`; nothing else, so no offsets.
/// Days by the civil calendar algorithm of H. Hinnant.
pub(super) fn millis(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(date.split('-'))?;
    let (clock, fraction) = time.strip_suffix('Z').map(|time| time.split_once('.').unwrap_or((time, "000")))?;
    let [hour, minute, second] = numbers(clock.split(':'))?;
    let [fraction] = numbers(std::iter::once(fraction))?;
    if !(0..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400_000 + hour * 3_600_000 + minute * 60_000 + second * 1000 + fraction)
}

/// Exactly `N` numbers of at most four digits.
fn numbers<'a, const N: usize>(parts: impl Iterator<Item = &'a str>) -> Option<[i64; N]> {
    let read = |part: &str| -> Option<i64> {
        let is_number = (1..=4).contains(&part.len()) && part.bytes().all(|letter| letter.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    };
    let found: Vec<i64> = parts.map(read).collect::<Option<_>>()?;
    found.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times() {
        let facts = [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-86_400_000)),
            ("2000-02-29T00:00:00Z", Some(951_782_400_000)),
            ("2026-11-20T23:59:59.999Z", Some(1_795_219_199_999)),
            ("2026-11-20T23:59:59+0100", None),
            ("2026-13-01", None),
            ("yesterday", None),
        ];
        for (text, wanted) in facts {
            assert_eq!(millis(text), wanted, "{text}");
        }
    }
}
