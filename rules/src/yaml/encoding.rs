//! Bytes → text, in the encodings that YAML knows: UTF-8, UTF-16 and UTF-32.
//!
//! As in yaml-cpp, a byte order mark tells which one it is, and without one, zero bytes around the
//! first character do (which is ASCII in any YAML text).

use std::borrow::Cow;

/// Decodes a YAML text. What is wrong becomes U+FFFD.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0, 0, 0, 1..=255, ..] => utf32(bytes, u32::from_be_bytes),
        [1..=255, 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        [1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => String::from_utf8_lossy(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (units, rest) = bytes.as_chunks::<2>();
    let decoded = char::decode_utf16(units.iter().copied().map(unit));
    let mut text: String = decoded.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.extend((!rest.is_empty()).then_some(char::REPLACEMENT_CHARACTER));
    Cow::Owned(text)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Cow<'static, str> {
    let (units, rest) = bytes.as_chunks::<4>();
    let decoded = units.iter().copied().map(unit).map(char::from_u32);
    let mut text: String = decoded.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.extend((!rest.is_empty()).then_some(char::REPLACEMENT_CHARACTER));
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_recognised_with_and_without_a_mark() {
        let text = "- list: é😀\n";
        for mark in ["", "\u{feff}"] {
            let marked = format!("{mark}{text}");
            let units = || marked.encode_utf16();
            let scalars = || marked.chars().map(u32::from);
            for bytes in [
                marked.as_bytes().to_vec(),
                units().flat_map(u16::to_le_bytes).collect(),
                units().flat_map(u16::to_be_bytes).collect(),
                scalars().flat_map(u32::to_le_bytes).collect(),
                scalars().flat_map(u32::to_be_bytes).collect(),
            ] {
                assert_eq!(decode(&bytes).trim_start_matches('\u{feff}'), text, "{bytes:x?}");
            }
        }
    }

    #[test]
    fn broken_text_is_replaced() {
        assert_eq!(decode(b"\xff\xfea\0\x00\xd8b\0\x63"), "a\u{fffd}b\u{fffd}");
        assert_eq!(decode(b"\0\0\xfe\xff\0\x11\0\0\0\0\0a"), "\u{fffd}a");
        assert_eq!(decode(b"a\xff"), "a\u{fffd}");
        assert_eq!(decode(b""), "");
    }
}
