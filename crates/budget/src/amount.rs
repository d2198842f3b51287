//! Amounts that tools are counted in.

/// A decimal number without its sign, in thousandths; what is smaller than one counts as one. None for what is no number as JSON
/// writes them (RFC 8259, section 6): of anything else, readers differ. More than can be counted is [`u64::MAX`].
#[must_use]
pub fn thousandths(written: &str) -> Option<u64> {
    let unsigned = written.strip_prefix('-').unwrap_or(written);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !is_digits(whole) || !is_digits(decimals) || !is_digits(power) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    let digits: String = whole.chars().chain(decimals.chars()).skip_while(|digit| *digit == '0').collect();
    if digits.is_empty() {
        return Some(0);
    }
    // How many of the digits stand before the point, in thousandths. A power that no number has room for is very large or very small.
    let leading = whole.len() + decimals.len() - digits.len();
    let point = i64::try_from(whole.len()).ok()?.checked_sub(i64::try_from(leading).ok()?)?.checked_add(3)?;
    let power: i64 = power.parse().unwrap_or(i64::from(u32::MAX));
    let power = if exponent.starts_with('-') { -power } else { power };
    let point = point.saturating_add(power);
    let Ok(point) = usize::try_from(point) else { return Some(1) };
    if point > 19 {
        return Some(u64::MAX);
    }
    let (kept, rest) = digits.split_at(point.min(digits.len()));
    let padded = format!("{kept}{}", "0".repeat(point.saturating_sub(kept.len())));
    let counted: u64 = if padded.is_empty() { 0 } else { padded.parse().unwrap_or(u64::MAX) };
    let has_more = rest.bytes().any(|byte| byte != b'0');
    Some(counted.saturating_add(u64::from(has_more)))
}

/// An amount in thousandths as people write it.
#[must_use]
pub fn decimal(thousandths: u64) -> String {
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}").trim_end_matches('0').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{decimal, thousandths};

    #[test]
    fn numbers_are_counted_up_and_without_their_sign() {
        let facts = [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("0e99999999999999999999", Some(0)),
            ("12", Some(12_000)),
            ("-12.5", Some(12_500)),
            ("12.50", Some(12_500)),
            ("0.0001", Some(1)),
            ("0.0010001", Some(2)),
            ("1e-400", Some(1)),
            ("1.5e3", Some(1_500_000)),
            ("15E+2", Some(1_500_000)),
            ("1500e-3", Some(1_500)),
            ("0.00000000001e11", Some(1_000)),
            ("9999999999999999", Some(9_999_999_999_999_999_000)),
            ("99999999999999999999", Some(u64::MAX)),
            ("1e400", Some(u64::MAX)),
            ("1e99999999999999999999", Some(u64::MAX)),
            ("", None),
            ("-", None),
            ("+1", None),
            (" 1", None),
            ("1.", None),
            (".5", None),
            ("01", None),
            ("1,5", None),
            ("1 000", None),
            ("1e", None),
            ("0x10", None),
            ("NaN", None),
            ("\u{661}", None),
        ];
        for (written, expected) in facts {
            assert_eq!(thousandths(written), expected, "{written}");
        }
    }

    #[test]
    fn they_are_told_as_people_write_them() {
        for (counted, expected) in [(0, "0"), (1, "0.001"), (12_500, "12.5"), (500_000, "500")] {
            assert_eq!(decimal(counted), expected);
        }
    }
}
