//! The few kinds of text that files of procfs are made of.

/// A decimal number and nothing else.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// A decimal number that may be negative.
pub(crate) fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(text) => i64::try_from(decimal(text)?).ok()?.checked_neg(),
        None => decimal(text)?.try_into().ok(),
    }
}

/// A hexadecimal number and nothing else.
pub(crate) fn hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0_u64, |number, &digit| {
        Some(number << 4 | u64::from(char::from(digit).to_digit(16)?))
    })
}

/// The words of a line, which any number of blanks and tabs part.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b' ' || b == b'\t').filter(|word| !word.is_empty())
}

/// What stands between `before` and `after`: the number in `pipe:[123]`.
pub(crate) fn between<'a>(text: &'a [u8], before: &str, after: &str) -> Option<&'a [u8]> {
    text.strip_prefix(before.as_bytes())?.strip_suffix(after.as_bytes())
}

/// Undoes the kernel's `\ooo` for blanks and the like in `mountinfo` (Linux, `mangle_path`).
pub(crate) fn unescape_octal(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        let octal = |digit: &u8| digit.wrapping_sub(b'0') < 8;
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b, c, after @ ..]) if octal(b) && octal(c) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            }
            _ => out.push(*first),
        }
    }
    out
}

/// Undoes the kernel's `\n` and `\\` in a thread's name in `stat` (Linux, `proc_task_name`).
pub(crate) fn unescape_comm(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            _ => (*first, after),
        };
        out.push(byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_whole_and_in_range() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for text in ["", "18446744073709551616", "-1", " 1", "1 ", "+1", "1x", "\u{661}"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!((signed(b"-7"), signed(b"7"), signed(b"--7")), (Some(-7), Some(7), None));
        assert_eq!((hex(b"ffffFFFFffffFFFF"), hex(b"10000000000000000")), (Some(u64::MAX), None));
        assert_eq!((hex(b""), hex(b"g"), hex(b"1F90")), (None, None, Some(8080)));
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape_octal(br"/a\040b\134c\011"), b"/a b\\c\t");
        assert_eq!(unescape_octal(br"\04\999\"), br"\04\999\");
        assert_eq!(unescape_octal(br"\777"), br"\777");
        assert_eq!(unescape_comm(br"a\nb\\n\x\"), b"a\nb\\n\\x\\");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(unescape_octal(&text).len() <= text.len());
            prop_assert!(unescape_comm(&text).len() <= text.len());
            let _ = (decimal(&text), signed(&text), hex(&text), words(&text).count());
        }

        #[test]
        fn numbers_survive(number: u64, negative: i64) {
            prop_assert_eq!(decimal(number.to_string().as_bytes()), Some(number));
            prop_assert_eq!(hex(format!("{number:x}").as_bytes()), Some(number));
            prop_assert_eq!(signed((negative.max(-i64::MAX)).to_string().as_bytes()), Some(negative.max(-i64::MAX)));
        }
    }
}
