//! Numbers in the print format of their parameter.

use falco_event::PrintFormat;

/// A number of `width` bytes as Falco prints it. Decimal is signed from 32 bits on whatever the
/// type says: an unsigned parameter with its top bit set prints as a negative number.
pub(crate) fn integer(bits: u64, width: usize, format: PrintFormat, signed: bool) -> String {
    let mask = if width >= 8 { u64::MAX } else { (1 << (width * 8)) - 1 };
    let value = bits & mask;
    match format {
        PrintFormat::Oct if value == 0 => "0".to_owned(),
        PrintFormat::Oct => format!("0{value:o}"),
        PrintFormat::Hex => format!("{value:X}"),
        PrintFormat::PaddedDec => format!("{:09}", extend(value, width, signed)),
        _ => extend(value, width, signed).to_string(),
    }
}

fn extend(value: u64, width: usize, signed: bool) -> i64 {
    match width {
        1 if signed => i64::from(value as i8),
        2 if signed => i64::from(value as i16),
        4 => i64::from(value as i32),
        _ => value as i64,
    }
}

/// Seconds with up to six significant digits, as C's `%lg` does.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{}s", general(ns as f64 / 1e9))
}

/// C's `%g`: six significant digits, no trailing zeros, scientific below 1e-4 and from 1e6.
fn general(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    // Rounded to six significant digits first, since rounding can carry into the exponent.
    let rounded = format!("{x:.5e}");
    let Some((mantissa, exponent)) = rounded.split_once('e') else { return rounded };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let digits = (5 - exponent).max(0) as usize;
        trim_zeros(&format!("{x:.digits$}")).to_owned()
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_printf() {
        assert_eq!(integer(0o644, 4, PrintFormat::Oct, false), "0644");
        assert_eq!(integer(0, 4, PrintFormat::Oct, false), "0");
        assert_eq!(integer(0xfe01, 4, PrintFormat::Hex, false), "FE01");
        assert_eq!(integer(u64::MAX, 4, PrintFormat::Dec, false), "-1");
        assert_eq!(integer(u64::MAX, 2, PrintFormat::Dec, false), "65535");
        assert_eq!(integer(u64::MAX, 2, PrintFormat::Dec, true), "-1");
        assert_eq!(integer(7, 8, PrintFormat::PaddedDec, false), "000000007");
    }

    #[test]
    fn seconds_are_short() {
        let cases = [
            (0, "0s"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (1_000, "1e-06s"),
            (123_456_789, "0.123457s"),
            (100_000, "0.0001s"),
            (999_999_600_000_000, "1e+06s"),
            (123_456_000_000_000, "123456s"),
        ];
        for (ns, text) in cases {
            assert_eq!(seconds(ns), text);
        }
    }
}
