//! A parameter as a test writes it → its bytes in an event, by the type that the event table gives.

use std::net::IpAddr;

use falco_enrich::names;
use falco_event::net::{AF_INET, AF_INET6, AF_UNIX, Endpoint};
use falco_event::{NamedValue, ParamInfo, ParamType, Syscall};
use falco_rules::yaml::Node;

use super::reader::{Problem, Read, duration, list, number, parse_number, text, unknown};

/// `AT_FDCWD`: relative to the working directory.
pub const AT_FDCWD: i64 = -100;

/// Constants of parameters for which the event table has no names.
const CONSTANTS: &[NamedValue] = &[
    NamedValue { name: "SOCK_STREAM", value: 1 },
    NamedValue { name: "SOCK_DGRAM", value: 2 },
    NamedValue { name: "SOCK_RAW", value: 3 },
    NamedValue { name: "SOCK_SEQPACKET", value: 5 },
    NamedValue { name: "SOCK_NONBLOCK", value: 0o4000 },
    NamedValue { name: "SOCK_CLOEXEC", value: 0o2_000_000 },
    NamedValue { name: "IPPROTO_ICMP", value: 1 },
    NamedValue { name: "IPPROTO_TCP", value: 6 },
    NamedValue { name: "IPPROTO_UDP", value: 17 },
    NamedValue { name: "IPPROTO_RAW", value: 255 },
    NamedValue { name: "TIOCSTI", value: 0x5412 },
];

/// The bytes of a value. Nothing (`~`) is a parameter that could not be read.
pub fn encode(param: &ParamInfo, node: Node<'_>) -> Read<Vec<u8>> {
    use ParamType as T;
    if node.is_null() {
        return Ok(Vec::new());
    }
    let what = param.name;
    Ok(match param.ty {
        T::CharBuf | T::FsPath | T::FsRelPath => c_text(text(node, what)?.as_bytes()),
        T::ByteBuf => bytes(node, what)?,
        T::Int8 => number::<i8>(node, what)?.to_le_bytes().into(),
        T::Int16 => number::<i16>(node, what)?.to_le_bytes().into(),
        T::Int32 => number::<i32>(node, what)?.to_le_bytes().into(),
        T::Int64 => number::<i64>(node, what)?.to_le_bytes().into(),
        T::Errno | T::Fd | T::Pid => result(node, what)?.to_le_bytes().into(),
        T::Fd32 | T::Pid32 => number::<i32>(node, what)?.to_le_bytes().into(),
        T::RelTime if number::<u64>(node, what).is_err() => {
            duration(node, what)?.to_le_bytes().into()
        }
        T::Uint8 | T::L4Proto | T::SockFamily | T::Flags8 | T::EnumFlags8 => {
            vec![flags(param, node, u8::MAX.into())? as u8]
        }
        T::Uint16 | T::Port | T::Flags16 | T::EnumFlags16 => {
            (flags(param, node, u16::MAX.into())? as u16).to_le_bytes().into()
        }
        T::Uint32 | T::Flags32 | T::EnumFlags32 | T::Mode | T::Uid | T::Gid | T::SigSet => {
            (flags(param, node, u32::MAX.into())? as u32).to_le_bytes().into()
        }
        T::Uint64 | T::RelTime | T::AbsTime => flags(param, node, u64::MAX)?.to_le_bytes().into(),
        T::Bool => u32::from(super::reader::boolean(node, what)?).to_le_bytes().into(),
        T::SigType => vec![signal(node, what)?],
        T::SyscallId => syscall(node)?.id.to_le_bytes().into(),
        T::SockAddr => address(parse_address(node)?),
        T::SockTuple => tuple(&parse_tuple(node)?),
        T::FdList => fd_list(node, what)?,
        // The value of a socket option is an `int`, selector 2.
        T::Dyn if param.name == "val" => {
            [&[2][..], &number::<u32>(node, what)?.to_le_bytes()].concat()
        }
        // The selector of a 64-bit number, in all other unions that have one.
        T::Dyn => [&[0][..], &number::<u64>(node, what)?.to_le_bytes()].concat(),
        T::Double => {
            let value = text(node, what)?.parse::<f64>();
            value
                .map_err(|_| Problem::at(node, format!("{what} must be a number")))?
                .to_le_bytes()
                .into()
        }
        T::None
        | T::CharBufArray
        | T::CharBufPairArray
        | T::Ipv4Addr
        | T::Ipv6Addr
        | T::IpAddr
        | T::Ipv4Net
        | T::Ipv6Net
        | T::IpNet => {
            return Err(Problem::at(node, format!("{what} cannot be given in a test")));
        }
    })
}

/// Text with its NUL.
pub fn c_text(text: &[u8]) -> Vec<u8> {
    [text, &[0]].concat()
}

/// Data: a text, or a list of texts each with its NUL.
fn bytes(node: Node<'_>, what: &str) -> Read<Vec<u8>> {
    if node.sequence().is_none() {
        return Ok(text(node, what)?.into());
    }
    strings(node, what)
}

/// A list of texts, each with its NUL.
pub fn strings(node: Node<'_>, what: &str) -> Read<Vec<u8>> {
    let mut out = Vec::new();
    for entry in list(node, what)? {
        out.extend_from_slice(text(entry, &format!("an entry of {what}"))?.as_bytes());
        out.push(0);
    }
    Ok(out)
}

/// A result: a number, the name of an error (`EACCES` is −13) or `AT_FDCWD`.
pub fn result(node: Node<'_>, what: &str) -> Read<i64> {
    let written = text(node, what)?;
    if written == "AT_FDCWD" {
        return Ok(AT_FDCWD);
    }
    if let Some(name) = written.strip_prefix('E').map(|_| written) {
        let code = (1..=530).find(|code| names::error(-code) == Some(name));
        return code.map(|code| -code).ok_or_else(|| {
            Problem::at(node, format!("{what}: '{name}' is no error of Linux (such as EACCES)"))
        });
    }
    number(node, what)
}

/// A number, or names of it joined by `|`.
fn flags(param: &ParamInfo, node: Node<'_>, max: u64) -> Read<u64> {
    let written = text(node, param.name)?;
    let mut value = 0;
    for word in written.split('|').map(str::trim) {
        value |= flag(param, word).ok_or_else(|| {
            let named = param.values.iter().map(|v| v.name).collect::<Vec<_>>();
            let message = if named.is_empty() {
                format!("{} must be a number, not '{word}'", param.name)
            } else {
                unknown("value", word, param.name, &named)
            };
            Problem::at(node, message)
        })?;
    }
    if value > max {
        return Err(Problem::at(node, format!("{} {written} is out of range", param.name)));
    }
    Ok(value)
}

fn flag(param: &ParamInfo, word: &str) -> Option<u64> {
    let named = |values: &[NamedValue]| values.iter().find(|v| v.name == word).map(|v| v.value);
    if let Some(value) = named(param.values) {
        return Some(value.into());
    }
    if param.values.is_empty()
        && let Some(value) = named(CONSTANTS)
    {
        return Some(value.into());
    }
    if matches!(param.ty, ParamType::Uid | ParamType::Gid) && word == "root" {
        return Some(0);
    }
    match parse_number(word)? {
        // "None" of an unsigned parameter (an unset loginuid).
        -1 => Some(match param.ty {
            ParamType::Uint64 => u64::MAX,
            _ => u32::MAX.into(),
        }),
        value => u64::try_from(value).ok(),
    }
}

fn signal(node: Node<'_>, what: &str) -> Read<u8> {
    let written = text(node, what)?;
    let named = (1..=64).find(|&n| names::signal(n) == Some(written));
    match named {
        Some(signal) => Ok(signal),
        None if written.starts_with("SIG") => {
            Err(Problem::at(node, format!("{what}: there is no signal '{written}'")))
        }
        None => number(node, what),
    }
}

fn syscall(node: Node<'_>) -> Read<&'static Syscall> {
    let written = text(node, "ID")?;
    let by_id = || Syscall::by_id(u16::try_from(parse_number(written)?).ok()?);
    Syscall::by_name(written)
        .or_else(by_id)
        .ok_or_else(|| Problem::at(node, format!("there is no system call '{written}'")))
}

/// A set of capabilities: a list of names, `all` or `none`.
pub fn capabilities(node: Node<'_>) -> Read<u64> {
    match node.scalar() {
        Some("all") => return Ok(ALL_CAPABILITIES),
        Some("none") => return Ok(0),
        _ => {}
    }
    let mut set = 0;
    for entry in list(node, "caps")? {
        let name = text(entry, "an entry of caps")?;
        let bit = (0..64).find(|bit| names::capabilities(1 << bit) == name);
        set |= 1
            << bit.ok_or_else(|| {
                Problem::at(
                    entry,
                    format!("there is no capability '{name}' (such as CAP_SYS_ADMIN)"),
                )
            })?;
    }
    Ok(set)
}

/// Every capability of Linux 5.9 and later (41).
pub const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

fn fd_list(node: Node<'_>, what: &str) -> Read<Vec<u8>> {
    let fds = list(node, what)?;
    let count = u16::try_from(fds.len())
        .map_err(|_| Problem::at(node, format!("{what} has too many entries")))?;
    let mut out = count.to_le_bytes().to_vec();
    for fd in fds {
        out.extend_from_slice(&number::<i64>(fd, "an fd")?.to_le_bytes());
        // POLLIN.
        out.extend_from_slice(&1_u16.to_le_bytes());
    }
    Ok(out)
}

/// An end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `ip:port`.
    Inet(Endpoint),
    /// A path.
    Unix(Vec<u8>),
}

/// Both ends of a socket, or only the far one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tuple {
    /// `ip:port->ip:port`.
    Inet(Endpoint, Endpoint),
    /// The far end alone, or a unix path.
    Peer(Address),
}

/// `1.2.3.4:5`, `[::1]:5` or `::1:5`.
pub fn endpoint(text: &str) -> Option<Endpoint> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    Some(Endpoint { ip: ip.parse().ok()?, port: port.parse().ok()? })
}

/// An address.
pub fn parse_address(node: Node<'_>) -> Read<Address> {
    let written = text(node, "an address")?;
    if let Some(end) = endpoint(written) {
        return Ok(Address::Inet(end));
    }
    if written.starts_with(['/', '@']) || written.is_empty() {
        return Ok(Address::Unix(written.into()));
    }
    Err(Problem::at(
        node,
        format!(
            "'{written}' is no address: 203.0.113.9:443, [2001:db8::1]:443 or a unix path \
             (/run/x.sock)"
        ),
    ))
}

/// A tuple.
pub fn parse_tuple(node: Node<'_>) -> Read<Tuple> {
    let written = text(node, "a tuple")?;
    let Some((src, dst)) = written.split_once("->") else {
        return parse_address(node).map(Tuple::Peer);
    };
    match (endpoint(src.trim()), endpoint(dst.trim())) {
        (Some(src), Some(dst)) if src.ip.is_ipv4() == dst.ip.is_ipv4() => Ok(Tuple::Inet(src, dst)),
        _ => Err(Problem::at(
            node,
            format!(
                "'{written}' is no pair of addresses of one family (10.0.0.5:34567->203.0.113.9:443)"
            ),
        )),
    }
}

/// The portable family of an address.
pub fn family(address: &Address) -> u8 {
    match address {
        Address::Inet(Endpoint { ip: IpAddr::V4(_), .. }) => AF_INET,
        Address::Inet(_) => AF_INET6,
        Address::Unix(_) => AF_UNIX,
    }
}

fn push_end(out: &mut Vec<u8>, end: Endpoint) {
    match end.ip {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&end.port.to_le_bytes());
}

/// The bytes of an address parameter.
pub fn address(address: Address) -> Vec<u8> {
    let mut out = vec![family(&address)];
    match address {
        Address::Inet(end) => push_end(&mut out, end),
        Address::Unix(path) => out.append(&mut c_text(&path)),
    }
    out
}

/// The bytes of a tuple parameter. A far end alone gets the near one that the machine of tests has.
pub fn tuple(tuple: &Tuple) -> Vec<u8> {
    match tuple {
        Tuple::Inet(src, dst) => {
            let mut out = vec![family(&Address::Inet(*src))];
            push_end(&mut out, *src);
            push_end(&mut out, *dst);
            out
        }
        Tuple::Peer(Address::Inet(peer)) => self::tuple(&Tuple::Inet(near(*peer), *peer)),
        Tuple::Peer(Address::Unix(path)) => {
            let mut out = vec![AF_UNIX];
            // Kernel addresses of two sockets, as good as any.
            out.extend_from_slice(&0xffff_8880_0000_1000_u64.to_le_bytes());
            out.extend_from_slice(&0xffff_8880_0000_2000_u64.to_le_bytes());
            out.append(&mut c_text(path));
            out
        }
    }
}

/// Our end of a connection with `peer`.
pub fn near(peer: Endpoint) -> Endpoint {
    let ip = match peer.ip {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(_) => IpAddr::from([10, 0, 0, 2]),
        IpAddr::V6(_) => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 2]),
    };
    Endpoint { ip, port: 40_000 }
}
