//! What transformers do to values.
//!
//! Falco's transformers work on C buffers: transformed text ends in a NUL that counts as part of it.
//! Operators mostly do not see it, but some do (a list of transformed texts never equals constants),
//! so the NUL is kept here too.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::operators::compare::{up_to_nul, without_final_nuls};
use crate::value::{Value, ValueType};

/// A transformer of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transformer {
    /// ASCII letters to lower case.
    Tolower,
    /// ASCII letters to upper case.
    Toupper,
    /// What a base64 text decodes to.
    B64,
    /// What follows the last slash.
    Basename,
    /// Bytes of a text or buffer, elements of a list.
    Len,
}

/// The type of a value and whether it is a list of such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Type {
    /// Type of the value or of the elements.
    pub ty: ValueType,
    /// Whether it is a list.
    pub list: bool,
}

impl Transformer {
    /// A transformer by name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "tolower" => Transformer::Tolower,
            "toupper" => Transformer::Toupper,
            "b64" => Transformer::B64,
            "basename" => Transformer::Basename,
            "len" => Transformer::Len,
            _ => return None,
        })
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Transformer::Tolower => "tolower",
            Transformer::Toupper => "toupper",
            Transformer::B64 => "b64",
            Transformer::Basename => "basename",
            Transformer::Len => "len",
        }
    }

    /// The type of the result; none if values of type `of` cannot be transformed.
    pub fn result(self, of: Type) -> Option<Type> {
        let suits = match self {
            Transformer::Tolower | Transformer::Toupper | Transformer::Basename => of.ty.is_text(),
            Transformer::B64 => matches!(of.ty, ValueType::CharBuf | ValueType::ByteBuf),
            Transformer::Len => of.list || of.ty.is_text() || of.ty == ValueType::ByteBuf,
        };
        suits.then_some(match self {
            Transformer::Len => Type { ty: ValueType::Uint64, list: false },
            _ => of,
        })
    }

    /// Transforms a value of type `of`; none if it cannot be (text that is no base64).
    pub fn apply<'a>(self, value: Value<'a>, of: Type) -> Option<Value<'a>> {
        if self == Transformer::Len {
            return length(value, of.list).map(Value::Uint);
        }
        match value {
            Value::List(values) => {
                let each = values.into_iter().map(|value| self.apply(value, of));
                each.collect::<Option<_>>().map(Value::List)
            }
            Value::Text(text) => self.transform(&text).map(|text| Value::Text(Cow::Owned(text))),
            Value::Bytes(bytes) => {
                self.transform(&bytes).map(|bytes| Value::Bytes(Cow::Owned(bytes)))
            }
            _ => None,
        }
    }

    fn transform(self, text: &[u8]) -> Option<Vec<u8>> {
        let text = without_final_nuls(text);
        let mut out = match self {
            Transformer::Tolower => text.to_ascii_lowercase(),
            Transformer::Toupper => text.to_ascii_uppercase(),
            Transformer::B64 => decode_base64(text)?,
            Transformer::Basename => match text.iter().rposition(|&b| b == b'/') {
                Some(slash) => text.get(slash + 1..)?.to_vec(),
                None => text.to_vec(),
            },
            Transformer::Len => return None,
        };
        if out.last() != Some(&0) {
            out.push(0);
        }
        Some(out)
    }
}

/// The length of a value; of the first one where a list is not known to be one.
fn length(value: Value<'_>, list: bool) -> Option<u64> {
    Some(match value {
        Value::List(values) if list => values.len() as u64,
        Value::List(values) => return length(values.into_iter().next()?, list),
        Value::Text(text) => up_to_nul(&text).len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        _ => return None,
    })
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    // Padding may be there or not, whatever the length.
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if unpadded.is_empty() && !text.is_empty() {
        return None;
    }
    ENGINE.decode(unpadded).ok()
}

/// The bytes of a value of type `ty` as Falco holds them in memory (little-endian).
pub fn raw_bytes<'v>(value: &'v Value<'_>, ty: ValueType) -> Cow<'v, [u8]> {
    let number = |bytes: [u8; 8], width: usize| bytes.get(..width).unwrap_or(&bytes).to_vec();
    Cow::Owned(match value {
        Value::Text(text) | Value::Bytes(text) => return Cow::Borrowed(text),
        Value::Int(n) => number(n.to_le_bytes(), ty.width()),
        Value::Uint(n) => number(n.to_le_bytes(), ty.width()),
        Value::Bool(b) => u32::from(*b).to_le_bytes().to_vec(),
        Value::Double(d) => d.to_le_bytes().to_vec(),
        Value::Ip(std::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
        Value::Ip(std::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
        Value::Net(_) | Value::List(_) => Vec::new(),
    })
}

/// An option string of getopt(3).
struct Options {
    known: [bool; 256],
    with_value: [bool; 256],
}

impl Options {
    fn parse(text: &[u8]) -> Self {
        let mut options = Options { known: [false; 256], with_value: [false; 256] };
        let mut letters = text.iter().copied().peekable();
        while let Some(letter) = letters.next() {
            if letter == b':' {
                continue;
            }
            let takes_value = letters.next_if_eq(&b':').is_some();
            if let Some(known) = options.known.get_mut(usize::from(letter)) {
                *known = true;
            }
            if takes_value && let Some(with) = options.with_value.get_mut(usize::from(letter)) {
                *with = true;
            }
        }
        options
    }
}

/// Reads command-line arguments as getopt(3) would with the option string `options`.
///
/// Without a selector: the options found, each followed by its value if it takes one; `?` for an
/// unknown option, an empty text for an option whose value is missing. With a selector: what the
/// last such option gave (its value, or itself), or none.
///
/// Long options are skipped; the first argument that is no option, or `--`, ends the options.
pub fn getopt(
    args: &[Cow<'_, [u8]>],
    options: &[u8],
    selector: Option<u8>,
) -> Option<Vec<Vec<u8>>> {
    let options = Options::parse(options);
    let has = |set: &[bool; 256], letter: u8| set.get(usize::from(letter)) == Some(&true);
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut selected = None;
    let mut args = args.iter().map(AsRef::as_ref);
    while let Some(arg) = args.next() {
        if arg.starts_with(b"--") && arg.len() > 2 {
            continue;
        }
        let Some((b'-', cluster)) = arg.split_first() else { break };
        if cluster.is_empty() || cluster == b"-" {
            break;
        }
        for (i, &letter) in cluster.iter().enumerate() {
            if letter == b':' || !has(&options.known, letter) {
                if selector.is_none() {
                    found.push(b"?".to_vec());
                }
                continue;
            }
            let wanted = selector.is_none_or(|s| s == letter);
            if !has(&options.with_value, letter) {
                if wanted {
                    selected = Some(vec![letter]);
                    found.push(vec![letter]);
                }
                continue;
            }
            let attached = cluster.get(i + 1..).filter(|rest| !rest.is_empty());
            let value = attached.or_else(|| args.next());
            if wanted {
                selected = Some(value.unwrap_or_default().to_vec());
                if value.is_some() {
                    found.push(vec![letter]);
                }
                found.push(value.unwrap_or_default().to_vec());
            }
            break;
        }
    }
    if selector.is_some() { selected.map(|value| vec![value]) } else { Some(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_padding_is_optional_but_trailing_bits_are_not() {
        assert_eq!(decode_base64(b"Y3VybA==").as_deref(), Some(&b"curl"[..]));
        assert_eq!(decode_base64(b"Y3VybA").as_deref(), Some(&b"curl"[..]));
        assert_eq!(decode_base64(b"Y3VybB"), None);
        assert_eq!(decode_base64(b"Y3Vy!"), None);
        assert_eq!(decode_base64(b"="), None);
        assert_eq!(decode_base64(b"").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn transformed_text_ends_in_nul() {
        let text = Type { ty: ValueType::CharBuf, list: false };
        let value = Transformer::Basename.apply(Value::text(b"/a/b"), text);
        assert_eq!(value, Some(Value::owned_text(*b"b\0")));
        assert_eq!(Transformer::Len.apply(value.unwrap(), text), Some(Value::Uint(1)));
        assert_eq!(Transformer::B64.apply(Value::Int(1), text), None);
    }

    #[test]
    fn getopt_reads_clusters_and_values() {
        let args = |texts: &[&'static str]| -> Vec<Cow<'static, [u8]>> {
            texts.iter().map(|t| Cow::Borrowed(t.as_bytes())).collect()
        };
        let found = getopt(&args(&["-xzf", "a", "b", "-z"]), b"xzf:", None).unwrap();
        assert_eq!(found, [&b"x"[..], b"z", b"f", b"a"]);
        assert_eq!(getopt(&args(&["-t"]), b"t:", Some(b't')), Some(vec![vec![]]));
        assert_eq!(getopt(&args(&["-n"]), b"nt:", Some(b't')), None);
        assert_eq!(getopt(&args(&["--long", "-q"]), b"n", None), Some(vec![b"?".to_vec()]));
    }
}
