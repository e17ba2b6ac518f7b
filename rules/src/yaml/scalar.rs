//! Scalars as values, as yaml-cpp converts them. Quotes and tags do not matter.

/// Whether a plain scalar means "no value".
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// `y`/`n`, `yes`/`no`, `true`/`false`, `on`/`off`: in lower case, in upper case or capitalised.
pub fn to_bool(text: &str) -> Option<bool> {
    let rest = text.get(1..)?;
    let lower = |s: &str| s.bytes().all(|b| b.is_ascii_lowercase());
    let upper = |s: &str| s.bytes().all(|b| b.is_ascii_uppercase());
    if !(lower(rest) || upper(text)) {
        return None;
    }
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// An unsigned number: decimal, `0x` hexadecimal or `0` octal; a `+` before and blanks behind it
/// are fine.
pub fn to_u32(text: &str) -> Option<u32> {
    to_u64(text)?.try_into().ok()
}

/// As [`to_u32`], up to 64 bits.
pub fn to_u64(text: &str) -> Option<u64> {
    let digits = text.trim_ascii_end();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (digits.get(2..)?, 16),
        [b'0', _, ..] => (digits.get(1..)?, 8),
        _ => (digits, 10),
    };
    // from_str_radix takes a second sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_have_eleven_spellings_each() {
        for yes in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] {
            assert_eq!(to_bool(yes), Some(true), "{yes}");
        }
        for no in ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"] {
            assert_eq!(to_bool(no), Some(false), "{no}");
        }
        for other in ["", "tRue", "TRue", "1", "0", "yes ", "é", "yEs"] {
            assert_eq!(to_bool(other), None, "{other}");
        }
    }

    #[test]
    fn numbers() {
        let cases = [("13", 13), ("+5", 5), ("0x1F", 31), ("017", 15), ("0", 0), ("7 ", 7)];
        for (text, number) in cases {
            assert_eq!(to_u32(text), Some(number), "{text}");
        }
        for text in ["", "-1", "+-1", "1.5", "08", "0x", "4294967296", " 1", "0.30.0", "ten"] {
            assert_eq!(to_u32(text), None, "{text}");
        }
    }
}
