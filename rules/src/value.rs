//! Values of fields: their types and what extraction hands to operators and templates.

use std::borrow::Cow;
use std::net::IpAddr;

/// The type of a field's value: libscap's `PT_*` names, as `--list` shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the variants are the type names themselves
pub enum ValueType {
    None,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    CharBuf,
    ByteBuf,
    Errno,
    SockAddr,
    SockTuple,
    Fd,
    Pid,
    FdList,
    FsPath,
    SyscallId,
    SigType,
    RelTime,
    AbsTime,
    Port,
    L4Proto,
    SockFamily,
    Bool,
    Ipv4Addr,
    Ipv6Addr,
    Dyn,
    Flags8,
    Flags16,
    Flags32,
    Uid,
    Gid,
    Double,
    SigSet,
    Ipv4Net,
    Ipv6Net,
    IpAddr,
    IpNet,
    Mode,
    FsRelPath,
    EnumFlags8,
    EnumFlags16,
    EnumFlags32,
    CharBufArray,
    CharBufPairArray,
    Fd32,
    Pid32,
}

impl ValueType {
    /// The name in `--list` and in messages; `<NA>` for the types that libsinsp has no name for.
    pub const fn name(self) -> &'static str {
        self.name_and_id().0
    }

    /// libscap's number (`ppm_param_type`), which some messages show.
    pub const fn id(self) -> u32 {
        self.name_and_id().1
    }

    const fn name_and_id(self) -> (&'static str, u32) {
        match self {
            ValueType::None => ("NONE", 0),
            ValueType::Int8 => ("INT8", 1),
            ValueType::Int16 => ("INT16", 2),
            ValueType::Int32 => ("INT32", 3),
            ValueType::Int64 => ("INT64", 4),
            ValueType::Uint8 => ("UINT8", 5),
            ValueType::Uint16 => ("UINT16", 6),
            ValueType::Uint32 => ("UINT32", 7),
            ValueType::Uint64 => ("UINT64", 8),
            ValueType::CharBuf => ("CHARBUF", 9),
            ValueType::ByteBuf => ("BYTEBUF", 10),
            ValueType::Errno => ("ERRNO", 11),
            ValueType::SockAddr => ("SOCKADDR", 12),
            ValueType::SockTuple => ("SOCKTUPLE", 13),
            ValueType::Fd => ("FD", 14),
            ValueType::Pid => ("PID", 15),
            ValueType::FdList => ("FDLIST", 16),
            ValueType::FsPath => ("FSPATH", 17),
            ValueType::SyscallId => ("SYSCALLID", 18),
            ValueType::SigType => ("SIGTYPE", 19),
            ValueType::RelTime => ("RELTIME", 20),
            ValueType::AbsTime => ("ABSTIME", 21),
            ValueType::Port => ("PORT", 22),
            ValueType::L4Proto => ("L4PROTO", 23),
            ValueType::SockFamily => ("SOCKFAMILY", 24),
            ValueType::Bool => ("BOOL", 25),
            ValueType::Ipv4Addr => ("IPV4ADDR", 26),
            ValueType::Dyn => ("DYNAMIC", 27),
            ValueType::Flags8 => ("FLAGS8", 28),
            ValueType::Flags16 => ("FLAGS16", 29),
            ValueType::Flags32 => ("FLAGS32", 30),
            ValueType::Uid => ("UID", 31),
            ValueType::Gid => ("GID", 32),
            ValueType::Double => ("DOUBLE", 33),
            ValueType::SigSet => ("SIGSET", 34),
            ValueType::CharBufArray => ("CHARBUFARRAY", 35),
            ValueType::CharBufPairArray => ("CHARBUF_PAIR_ARRAY", 36),
            ValueType::Ipv4Net => ("IPV4NET", 37),
            ValueType::Ipv6Addr => ("<NA>", 38),
            ValueType::Ipv6Net => ("<NA>", 39),
            ValueType::IpAddr => ("IPADDR", 40),
            ValueType::IpNet => ("IPNET", 41),
            ValueType::Mode => ("MODE", 42),
            ValueType::FsRelPath => ("FSRELPATH", 43),
            ValueType::EnumFlags8 => ("ENUMFLAGS8", 44),
            ValueType::EnumFlags16 => ("ENUMFLAGS16", 45),
            ValueType::EnumFlags32 => ("ENUMFLAGS32", 46),
            ValueType::Fd32 => ("<NA>", 47),
            ValueType::Pid32 => ("<NA>", 48),
        }
    }

    /// Whether values are text: compared up to a NUL, matched by globs and regular expressions.
    pub const fn is_text(self) -> bool {
        matches!(self, ValueType::CharBuf | ValueType::FsPath | ValueType::FsRelPath)
    }

    /// Bytes of a number of this type; 8 for everything else.
    pub const fn width(self) -> usize {
        match self {
            ValueType::Int8
            | ValueType::Uint8
            | ValueType::L4Proto
            | ValueType::SockFamily
            | ValueType::SigType
            | ValueType::Flags8
            | ValueType::EnumFlags8 => 1,
            ValueType::Int16
            | ValueType::Uint16
            | ValueType::Port
            | ValueType::SyscallId
            | ValueType::Flags16
            | ValueType::EnumFlags16 => 2,
            ValueType::Int32
            | ValueType::Uint32
            | ValueType::Bool
            | ValueType::Flags32
            | ValueType::EnumFlags32
            | ValueType::Uid
            | ValueType::Gid
            | ValueType::Mode
            | ValueType::SigSet
            | ValueType::Fd32
            | ValueType::Pid32 => 4,
            _ => 8,
        }
    }
}

/// How a number becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Print {
    Na,
    #[default]
    Dec,
    Hex,
    /// Decimal, zero-padded to nine digits (Falco's `PF_10_PADDED_DEC`, despite its name).
    PaddedDec,
    Id,
    Dir,
    Oct,
}

/// A network: an address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpNet {
    /// Any address of the network.
    pub addr: IpAddr,
    /// Prefix length in bits, at most 32 or 128.
    pub prefix: u8,
}

impl IpNet {
    /// Whether `ip` is in this network; addresses of the other family are not.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.addr, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix.min(32))).unwrap_or(0);
                u32::from(net) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask =
                    u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
                u128::from(net) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// A field's value on one event. "No value" is `Option::None` around it; an empty text is a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// A signed number (also errno, fd, pid).
    Int(i64),
    /// An unsigned number (also flags, times in ns, ports, uids).
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// Text or a path, without NUL; need not be UTF-8.
    Text(Cow<'a, [u8]>),
    /// Raw bytes.
    Bytes(Cow<'a, [u8]>),
    /// An IP address.
    Ip(IpAddr),
    /// A network.
    Net(IpNet),
    /// Several values (list fields such as `fd.types`).
    List(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// Text borrowed from state or event.
    #[inline]
    pub fn text(bytes: &'a [u8]) -> Self {
        Value::Text(Cow::Borrowed(bytes))
    }

    /// Text made for this extraction.
    #[inline]
    pub fn owned_text(bytes: impl Into<Vec<u8>>) -> Self {
        Value::Text(Cow::Owned(bytes.into()))
    }
}
