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
}

/// How a number becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs)]
pub enum Print {
    Na,
    #[default]
    Dec,
    Hex,
    /// Decimal, zero-padded to ten digits.
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
