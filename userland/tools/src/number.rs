//! Numbers as people write them.

/// Seconds with or without a fraction, in milliseconds: `2`, `0.5`, `.25`.
pub fn milliseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let place = |scale: u64, digit: u8| u64::from(digit - b'0') * scale;
    let thousandths = fraction
        .bytes()
        .zip([100, 10, 1])
        .map(|(digit, scale)| place(scale, digit))
        .sum::<u64>();
    whole.checked_mul(1000)?.checked_add(thousandths)
}

/// A count in decimal, or with `0x` in hexadecimal; `k`, `m`, `g` behind it multiply.
pub fn count(text: &str) -> Option<u64> {
    let (digits, scale) = match text.char_indices().last()? {
        (end, 'k' | 'K') => (&text[..end], 1 << 10),
        (end, 'm' | 'M') => (&text[..end], 1 << 20),
        (end, 'g' | 'G') => (&text[..end], 1 << 30),
        _ => (text, 1),
    };
    let hexadecimal = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((digits, 10), |digits| (digits, 16));
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        for (text, value) in [
            ("2", 2000),
            ("0.5", 500),
            (".25", 250),
            ("1.", 1000),
            ("0.0019", 1),
        ] {
            assert_eq!(milliseconds(text), Some(value), "{text}");
        }
        for text in ["", ".", "-1", "1s", "1.2.3", "99999999999999999999", "+1"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn counts_may_have_a_unit() {
        for (text, value) in [
            ("12", 12),
            ("4k", 4096),
            ("0x10", 16),
            ("1M", 1 << 20),
            ("2g", 2 << 30),
        ] {
            assert_eq!(count(text), Some(value), "{text}");
        }
        for text in ["", "k", "x", "-1", "+1", "18446744073709551615k", "\u{e4}"] {
            assert_eq!(count(text), None, "{text}");
        }
    }
}
