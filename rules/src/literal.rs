//! Constants of a condition: from text to typed values.
//!
//! The conversions are C's, as Falco does them: numbers wrap to the width of their type, blanks
//! before a number do not count, ports may be service names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::services;
use crate::value::{IpNet, Value, ValueType};

/// Falco's buffer for a constant, terminating NUL included.
const MAX_LENGTH: usize = 256;

/// A constant with a type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Constant {
    /// True or false.
    Bool(bool),
    /// A signed number.
    Int(i64),
    /// An unsigned number.
    Uint(u64),
    /// A floating-point number. Only whole ones can be written.
    Double(i32),
    /// Text without NUL.
    Text(Box<[u8]>),
    /// Any bytes.
    Bytes(Box<[u8]>),
    /// An address.
    Ip(IpAddr),
    /// A network.
    Net(IpNet),
}

impl Constant {
    /// The constant as a value.
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Constant::Bool(b) => Value::Bool(*b),
            Constant::Int(n) => Value::Int(*n),
            Constant::Uint(n) => Value::Uint(*n),
            Constant::Double(n) => Value::Double(f64::from(*n)),
            Constant::Text(t) => Value::text(t),
            Constant::Bytes(b) => Value::Bytes(b.as_ref().into()),
            Constant::Ip(ip) => Value::Ip(*ip),
            Constant::Net(net) => Value::Net(*net),
        }
    }

    /// The bytes of a text or a byte string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Constant::Text(bytes) | Constant::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Converts text to a constant of type `ty`.
    ///
    /// # Errors
    /// If the text is none (message as Falco's).
    pub fn parse(text: &[u8], ty: ValueType) -> Result<Self, String> {
        use ValueType as T;
        if ty == T::ByteBuf {
            return bytes(text);
        }
        if text.contains(&0) {
            return Err("filter error: filter value cannot contain a NUL byte (\\x00)".into());
        }
        let shown = || String::from_utf8_lossy(text);
        let number = || scan(text).ok_or_else(|| format!("{} is not a valid number", shown()));
        Ok(match ty {
            T::Int8 => Constant::Int(number()?.signed() as i8 as i64),
            T::Int16 => Constant::Int(number()?.signed() as i16 as i64),
            T::Int32 => Constant::Int(number()?.signed() as i32 as i64),
            T::Int64 | T::Fd | T::Errno | T::Pid => Constant::Int(number()?.signed()),
            T::L4Proto | T::Flags8 | T::Uint8 | T::EnumFlags8 => {
                Constant::Uint(number()?.unsigned() as u8 as u64)
            }
            T::Flags16 | T::Uint16 | T::EnumFlags16 => {
                Constant::Uint(number()?.unsigned() as u16 as u64)
            }
            T::Flags32 | T::Uint32 | T::Mode | T::EnumFlags32 | T::Uid | T::Gid => {
                Constant::Uint(number()?.unsigned() as u32 as u64)
            }
            T::Uint64 | T::RelTime | T::AbsTime => Constant::Uint(number()?.unsigned()),
            T::Double => Constant::Double(number()?.signed() as i32),
            T::Port => Constant::Uint(u64::from(port(text)?)),
            T::CharBuf | T::SockAddr | T::SockTuple | T::SockFamily | T::FsPath | T::FsRelPath => {
                if text.len() >= MAX_LENGTH {
                    return Err(format!(
                        "filter parameter too long (used={}, available={MAX_LENGTH}):{}",
                        text.len() + 1,
                        shown()
                    ));
                }
                Constant::Text(text.into())
            }
            T::Bool => match text {
                b"true" => Constant::Bool(true),
                b"false" => Constant::Bool(false),
                _ => {
                    return Err(format!("filter error: unrecognized boolean value {}", shown()));
                }
            },
            T::IpAddr if text.contains(&b'.') => Constant::Ip(IpAddr::V4(v4(text)?)),
            T::IpAddr => Constant::Ip(IpAddr::V6(v6(text)?)),
            T::Ipv4Addr => Constant::Ip(IpAddr::V4(v4(text)?)),
            T::Ipv6Addr => Constant::Ip(IpAddr::V6(v6(text)?)),
            T::IpNet if text.contains(&b'.') => Constant::Net(v4_net(text)?),
            T::IpNet => Constant::Net(v6_net(text)?),
            T::Ipv4Net => Constant::Net(v4_net(text)?),
            T::Ipv6Net => Constant::Net(v6_net(text)?),
            _ => return Err(format!("wrong parameter type {}", ty.id())),
        })
    }

    /// Converts the hexadecimal digits of `bcontains` and `bstartswith`.
    ///
    /// # Errors
    /// If the text is not an even number of such digits (message as Falco's).
    pub fn parse_hex(text: &[u8]) -> Result<Self, String> {
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        let (pairs, rest) = text.as_chunks::<2>();
        let decoded = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?));
        match decoded.collect::<Option<Vec<u8>>>() {
            Some(decoded) if rest.is_empty() => bytes(&decoded),
            _ => {
                Err("filter error: bcontains and bstartswith operator support hex strings only"
                    .into())
            }
        }
    }
}

fn bytes(text: &[u8]) -> Result<Constant, String> {
    if text.len() >= MAX_LENGTH {
        return Err("filter parameter too long (byte buf)".into());
    }
    Ok(Constant::Bytes(text.into()))
}

/// A whole number as `sscanf` reads one: sign and magnitude.
#[derive(Clone, Copy)]
struct Scanned {
    negative: bool,
    /// None above `u64::MAX`.
    magnitude: Option<u64>,
}

impl Scanned {
    /// As `strtol`: held at the bounds.
    fn signed(self) -> i64 {
        let magnitude = self.magnitude.unwrap_or(u64::MAX);
        if self.negative {
            0i64.saturating_sub_unsigned(magnitude)
        } else {
            i64::try_from(magnitude).unwrap_or(i64::MAX)
        }
    }

    /// As `strtoul`: negative numbers wrap around.
    fn unsigned(self) -> u64 {
        match self.magnitude {
            None => u64::MAX,
            Some(magnitude) if self.negative => magnitude.wrapping_neg(),
            Some(magnitude) => magnitude,
        }
    }
}

/// Reads a number that must be all there is but for blanks in front.
fn scan(text: &[u8]) -> Option<Scanned> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = digits
        .iter()
        .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
    Some(Scanned { negative, magnitude })
}

/// A number of type `uint64` as a condition writes it, for analyses that need its value.
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    scan(text).map(Scanned::unsigned)
}

fn port(text: &[u8]) -> Result<u16, String> {
    if text.iter().all(u8::is_ascii_digit) {
        let number = text
            .iter()
            .try_fold(0i32, |sum, digit| sum.checked_mul(10)?.checked_add(i32::from(digit - b'0')));
        return number.map(|n| n as u16).ok_or_else(|| "stoi".into());
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(services::port)
        .ok_or_else(|| format!("unrecognized protocol {}", String::from_utf8_lossy(text)))
}

fn parse_address<A: std::str::FromStr>(text: &[u8]) -> Option<A> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn v4(text: &[u8]) -> Result<Ipv4Addr, String> {
    parse_address(text)
        .ok_or_else(|| format!("unrecognized IPv4 address {}", String::from_utf8_lossy(text)))
}

fn v6(text: &[u8]) -> Result<Ipv6Addr, String> {
    parse_address(text)
        .ok_or_else(|| format!("unrecognized IPv6 address {}", String::from_utf8_lossy(text)))
}

/// Address and prefix length of `address/length`.
fn split_net(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = text.iter().position(|&b| b == b'/')?;
    let (address, length) = text.split_at_checked(slash)?;
    Some((address, length.get(1..)?))
}

/// A prefix length; Falco keeps its low eight bits.
fn prefix_length(text: &[u8]) -> Result<u8, String> {
    match scan(text) {
        Some(number) => Ok(number.unsigned() as u8),
        None => Err(format!("{} is not a valid number", String::from_utf8_lossy(text))),
    }
}

fn v4_net(text: &[u8]) -> Result<IpNet, String> {
    let shown = || String::from_utf8_lossy(text);
    let (address, length) =
        split_net(text).ok_or_else(|| format!("unrecognized IP network {}", shown()))?;
    let address: Ipv4Addr =
        parse_address(address).ok_or_else(|| format!("unrecognized IP address {}", shown()))?;
    let prefix = prefix_length(length)?;
    if prefix > 32 {
        return Err(format!("invalid netmask {}", String::from_utf8_lossy(length)));
    }
    Ok(IpNet { addr: address.into(), prefix })
}

fn v6_net(text: &[u8]) -> Result<IpNet, String> {
    let shown = || String::from_utf8_lossy(text);
    let (address, length) =
        split_net(text).ok_or_else(|| format!("invalid v6 netmask: {}", shown()))?;
    let address: Ipv6Addr =
        parse_address(address).ok_or_else(|| format!("unrecognized IPv6 address {}", shown()))?;
    let prefix = prefix_length(length)?;
    if prefix == 0 || prefix > 128 {
        return Err(format!("invalid v6 netmask {}", String::from_utf8_lossy(length)));
    }
    Ok(IpNet { addr: address.into(), prefix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValueType as T;

    fn parse(text: &str, ty: T) -> Result<Constant, String> {
        Constant::parse(text.as_bytes(), ty)
    }

    #[test]
    fn numbers_wrap_as_in_c() {
        assert_eq!(parse("300", T::Uint8), Ok(Constant::Uint(44)));
        assert_eq!(parse("-1", T::Uint32), Ok(Constant::Uint(0xffff_ffff)));
        assert_eq!(parse(" +7", T::Int16), Ok(Constant::Int(7)));
        assert_eq!(parse("99999999999999999999", T::Int64), Ok(Constant::Int(i64::MAX)));
        assert_eq!(parse("-99999999999999999999", T::Int64), Ok(Constant::Int(i64::MIN)));
        assert_eq!(parse("99999999999999999999", T::Uint64), Ok(Constant::Uint(u64::MAX)));
        for wrong in ["", "x", "1x", "1 ", "0x2", "1.5", "-"] {
            assert_eq!(parse(wrong, T::Int64), Err(format!("{wrong} is not a valid number")));
        }
    }

    #[test]
    fn ports_may_be_services() {
        assert_eq!(parse("https", T::Port), Ok(Constant::Uint(443)));
        assert_eq!(parse("65537", T::Port), Ok(Constant::Uint(1)));
        assert_eq!(parse("", T::Port), Ok(Constant::Uint(0)));
        assert_eq!(
            parse("nosuch-service", T::Port),
            Err("unrecognized protocol nosuch-service".into())
        );
    }

    #[test]
    fn networks_need_a_length() {
        assert_eq!(parse("10.0.0.1", T::IpNet), Err("unrecognized IP network 10.0.0.1".into()));
        assert_eq!(parse("10.0.0.0/33", T::IpNet), Err("invalid netmask 33".into()));
        assert_eq!(parse("::/0", T::IpNet), Err("invalid v6 netmask 0".into()));
        assert_eq!(parse("::1", T::IpNet), Err("invalid v6 netmask: ::1".into()));
        assert!(parse("10.0.0.0/8", T::IpNet).is_ok());
    }

    #[test]
    fn long_texts_are_refused() {
        assert!(parse(&"x".repeat(255), T::CharBuf).is_ok());
        let error = parse(&"x".repeat(256), T::CharBuf).unwrap_err();
        assert!(error.starts_with("filter parameter too long (used=257, available=256):xxx"));
        assert!(Constant::parse_hex(b"6g").is_err());
        assert!(Constant::parse_hex(b"123").is_err());
        assert_eq!(Constant::parse_hex(b"6A0b"), Ok(Constant::Bytes([0x6a, 0x0b].into())));
    }
}
