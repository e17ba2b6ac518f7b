//! Values as text and as JSON: how Falco prints each type.
//!
//! The form follows the value; type and [`Print`] only choose between decimal, hexadecimal and octal
//! and how wide a negative number is there. Used by output templates and, for plain parameters, by
//! the rendering of event arguments.

use std::borrow::Cow;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};

use base64::Engine as _;

use crate::value::{Print, Value, ValueType};

/// How raw buffers become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BufferFormat {
    /// Printable ASCII as it is, everything else as dots.
    #[default]
    Printable,
    /// Base64 with padding.
    Base64,
}

/// Falco's buffer for one value as text, terminating NUL included.
const MAX_TEXT: usize = 1024;

/// Appends the text of a value of type `ty`, buffers in printable form. Returns false if it has none
/// (a number whose field says nothing of how it prints): then nothing is written and it counts as
/// missing.
pub fn write_text(value: &Value<'_>, ty: ValueType, print: Print, out: &mut Vec<u8>) -> bool {
    write_text_with(value, ty, print, BufferFormat::default(), out)
}

/// [`write_text`] with a choice of how buffers print.
pub fn write_text_with(
    value: &Value<'_>,
    ty: ValueType,
    print: Print,
    buffers: BufferFormat,
    out: &mut Vec<u8>,
) -> bool {
    match value {
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Int(n) => return number(*n as u64, Some(*n), ty, print, out),
        Value::Uint(n) => return number(*n, None, ty, print, out),
        Value::Double(d) => append(out, format_args!("{d:.1}")),
        Value::Text(text) => {
            out.extend_from_slice(crate::operators::compare::up_to_nul(text));
        }
        Value::Bytes(bytes) => match buffers {
            BufferFormat::Printable => printable(bytes, out),
            BufferFormat::Base64 => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                out.extend_from_slice(text.as_bytes());
            }
        },
        Value::Ip(ip) => write_ip(*ip, out),
        Value::Net(_) => out.extend_from_slice(b"<IPNET>"),
        Value::List(values) => {
            let start = out.len();
            out.push(b'(');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_text_with(value, ty, print, buffers, out);
            }
            out.push(b')');
            out.truncate(start + (MAX_TEXT - 1));
        }
    }
    true
}

/// The JSON form of a value of type `ty`; null for an empty list and for what has no text.
pub fn to_json(value: &Value<'_>, ty: ValueType, print: Print) -> serde_json::Value {
    to_json_with(value, ty, print, BufferFormat::default())
}

/// [`to_json`] with a choice of how buffers print.
pub fn to_json_with(
    value: &Value<'_>,
    ty: ValueType,
    print: Print,
    buffers: BufferFormat,
) -> serde_json::Value {
    match (value, print) {
        (Value::Bool(b), _) => (*b).into(),
        (Value::Int(n), Print::Dec | Print::Id) => (*n).into(),
        (Value::Uint(n), Print::Dec | Print::Id) => (*n).into(),
        (Value::Double(d), Print::Dec) => (*d as i64).into(),
        (Value::Double(d), _) => (*d).into(),
        (Value::List(values), _) if values.is_empty() => serde_json::Value::Null,
        (Value::List(values), _) => {
            values.iter().map(|value| to_json_with(value, ty, print, buffers)).collect()
        }
        _ => {
            let mut text = Vec::new();
            if !write_text_with(value, ty, print, buffers, &mut text) {
                return serde_json::Value::Null;
            }
            decode_loosely(&text).into()
        }
    }
}

/// Text as Falco's JSON library (jsoncpp) takes it: what is not UTF-8 is still read as the sequence
/// that its first byte announces, whatever the bytes behind are, so that a stray byte may swallow
/// its neighbour. Sequences that make no character become U+FFFD.
pub fn decode_loosely(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.into();
    }
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        let (len, payload, least) = match first {
            0..0x80 => (1, u32::from(first), 0),
            0x80..0xe0 => (2, u32::from(first & 0x1f), 0x80),
            0xe0..0xf0 => (3, u32::from(first & 0x0f), 0x800),
            0xf0..0xf8 => (4, u32::from(first & 0x07), 0x1_0000),
            0xf8.. => (1, u32::MAX, 0),
        };
        let Some(sequence) = rest.get(1..len) else {
            out.push(char::REPLACEMENT_CHARACTER);
            rest = behind;
            continue;
        };
        let code = sequence.iter().fold(payload, |code, b| code << 6 | u32::from(b & 0x3f));
        let char = (code >= least).then(|| char::from_u32(code)).flatten();
        out.push(char.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = rest.get(len..).unwrap_or_default();
    }
    out.into()
}

/// Appends an address as glibc's `inet_ntop` writes it.
pub fn write_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip {
        IpAddr::V6(v6) if is_v4_compatible(v6) => {
            let [.., a, b, c, d] = v6.octets();
            append(out, format_args!("::{a}.{b}.{c}.{d}"));
        }
        ip => append(out, format_args!("{ip}")),
    }
}

/// `::a.b.c.d`, which Rust writes in hexadecimal; `::` and `::1` are not.
fn is_v4_compatible(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0, 0, 0, 0, 0, 0, high, _] if high != 0)
}

/// A number: `bits` sign-extended to 64, and its value if it is signed.
fn number(bits: u64, signed: Option<i64>, ty: ValueType, print: Print, out: &mut Vec<u8>) -> bool {
    // Hexadecimal and octal show two's complement in the type's width.
    let width = u64::MAX >> (64 - 8 * ty.width());
    match print {
        Print::Hex => append(out, format_args!("{:X}", bits & width)),
        Print::Oct => append(out, format_args!("{:o}", bits & width)),
        Print::Dec | Print::Id | Print::PaddedDec | Print::Na | Print::Dir => {
            let wide = ty.width() == 8;
            let plain = matches!(print, Print::Dec | Print::Id);
            match signed {
                Some(n) if print == Print::PaddedDec && wide => append(out, format_args!("{n:09}")),
                None if print == Print::PaddedDec && wide => append(out, format_args!("{bits:09}")),
                Some(n) if plain || wide => append(out, format_args!("{n}")),
                None if plain => append(out, format_args!("{bits}")),
                _ => return false,
            }
        }
    }
    true
}

fn printable(bytes: &[u8], out: &mut Vec<u8>) {
    // Falco cuts what does not fit its buffer, one byte shorter than it need be.
    let room = MAX_TEXT - 2;
    let shown = if bytes.len() > room { bytes.get(..room - 1).unwrap_or(bytes) } else { bytes };
    out.extend(shown.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { b } else { b'.' }));
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value<'_>, ty: ValueType, print: Print) -> Option<String> {
        let mut out = Vec::new();
        write_text(&value, ty, print, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_print_as_their_field_says() {
        use ValueType as T;
        let shown = |value, ty, print| text(value, ty, print).unwrap();
        assert_eq!(shown(Value::Int(-1), T::Int16, Print::Hex), "FFFF");
        assert_eq!(shown(Value::Int(-1), T::Int64, Print::Dec), "-1");
        assert_eq!(shown(Value::Uint(8), T::Uint32, Print::Oct), "10");
        assert_eq!(shown(Value::Uint(42), T::RelTime, Print::PaddedDec), "000000042");
        assert_eq!(shown(Value::Double(2.25), T::Double, Print::Na), "2.2");
        assert_eq!(text(Value::Uint(1), T::Uint64, Print::Na), None);
    }

    #[test]
    fn addresses_print_as_in_glibc() {
        let shown = |ip: &str| text(Value::Ip(ip.parse().unwrap()), ValueType::IpAddr, Print::Na);
        assert_eq!(shown("::ffff:1.2.3.4").unwrap(), "::ffff:1.2.3.4");
        assert_eq!(shown("::1.2.3.4").unwrap(), "::1.2.3.4");
        assert_eq!(shown("::1").unwrap(), "::1");
        assert_eq!(shown("2001:db8:0:0:1:0:0:1").unwrap(), "2001:db8::1:0:0:1");
    }

    #[test]
    fn lists_and_buffers_are_bounded() {
        let long = vec![b'x'; 3000];
        let list = Value::List(vec![Value::text(&long)]);
        assert_eq!(text(list, ValueType::CharBuf, Print::Na).unwrap().len(), 1023);
        let buffer = Value::Bytes(long.into());
        assert_eq!(text(buffer, ValueType::ByteBuf, Print::Na).unwrap().len(), 1021);
        let short = Value::Bytes(b"a\x00\xffb"[..].into());
        assert_eq!(text(short, ValueType::ByteBuf, Print::Na).unwrap(), "a..b");
    }

    #[test]
    fn json_keeps_types() {
        let json = |value: Value<'_>| to_json(&value, ValueType::Int64, Print::Dec);
        assert_eq!(json(Value::Int(-3)), serde_json::json!(-3));
        assert_eq!(json(Value::Bool(true)), serde_json::json!(true));
        assert_eq!(json(Value::List(vec![])), serde_json::Value::Null);
        assert_eq!(json(Value::List(vec![Value::text(b"a")])), serde_json::json!(["a"]));
    }

    #[test]
    fn bytes_that_are_not_utf8_swallow_their_neighbours() {
        let cases: [(&[u8], &str); 7] = [
            ("é😀".as_bytes(), "é😀"),
            (b"\xff\xfe\x80 \xe2\x82\xac", "\u{fffd}\u{fffd}\u{fffd}€"),
            (b"\xc3(x", "èx"),
            (b"\xf0\x28\x8c\xbc", "\u{2833c}"),
            (b"\xed\xa0\x80x", "\u{fffd}x"),
            (b"\xe2\x82", "\u{fffd}\u{fffd}"),
            (b"\xf7\xbf\xbf\xbf", "\u{fffd}"),
        ];
        for (bytes, text) in cases {
            assert_eq!(decode_loosely(bytes), text, "{bytes:x?}");
        }
    }
}
