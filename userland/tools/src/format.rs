//! Numbers for people.

use alloc::format;
use alloc::string::String;

/// A number of bytes with a unit: `512`, `16K`, `1.5M`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["", "K", "M", "G", "T", "P"];
    let mut scaled = bytes;
    let mut rest = 0;
    for (index, unit) in UNITS.iter().enumerate() {
        if scaled < 1024 || index == UNITS.len() - 1 {
            let tenths = rest * 10 / 1024;
            return if tenths > 0 && scaled < 100 {
                format!("{scaled}.{tenths}{unit}")
            } else {
                format!("{scaled}{unit}")
            };
        }
        rest = scaled % 1024;
        scaled /= 1024;
    }
    format!("{bytes}")
}

/// A number of microseconds in seconds: `1.25`.
pub fn seconds(microseconds: u64) -> String {
    let hundredths = microseconds.saturating_add(5000) / 10_000;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Digits of a hash.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_reads_best() {
        let sizes = [
            (0, "0"),
            (1023, "1023"),
            (16384, "16K"),
            (1536 * 1024, "1.5M"),
            (1 << 30, "1G"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "16383P");
    }

    #[test]
    fn seconds_have_two_digits_behind_the_point() {
        assert_eq!(seconds(0), "0.00");
        assert_eq!(seconds(1_234_999), "1.23");
        assert_eq!(seconds(1_235_000), "1.24");
        assert_eq!(seconds(61_999_999), "62.00");
    }

    #[test]
    fn bytes_become_two_digits_each() {
        assert_eq!(hexadecimal(&[0, 0x1f, 0xff]), "001fff");
    }
}
