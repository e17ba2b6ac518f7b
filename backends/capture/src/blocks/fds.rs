//! The open fds of one thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_event::net::Endpoint;
use falco_source::snapshot::{Fd, FdKind, L4Proto};

use super::cursor::{Cursor, MAX_PATH, Malformed, Writer};
use super::limit;

/// Block type that is written (version 2).
pub const TYPE: u32 = 0x218;

/// `SCAP_FD_*`.
mod scap_type {
    pub(super) const UNKNOWN: u8 = 0;
    pub(super) const FILE: u8 = 1;
    pub(super) const DIRECTORY: u8 = 2;
    pub(super) const IPV4: u8 = 3;
    pub(super) const IPV6: u8 = 4;
    pub(super) const IPV4_SERVER: u8 = 5;
    pub(super) const IPV6_SERVER: u8 = 6;
    pub(super) const FIFO: u8 = 7;
    pub(super) const UNIX: u8 = 8;
    pub(super) const EVENT: u8 = 9;
    pub(super) const UNSUPPORTED: u8 = 10;
    pub(super) const NETLINK: u8 = 15;
    pub(super) const FILE_V2: u8 = 16;
    pub(super) const BPF: u8 = 17;
    pub(super) const PIDFD: u8 = 21;
}

/// Reads the fds of one thread: its id and them. `sized`: entries begin with their length
/// (version 2).
///
/// # Errors
/// If an entry does not fit.
pub fn decode(body: &[u8], sized: bool) -> Result<(i64, Vec<Fd>), Malformed> {
    let mut body = Cursor::new(body, "fd entry");
    let tid = body.i64()?;
    let mut fds = Vec::new();
    while body.has_entry() {
        limit(&fds, body.at(), "fds of one thread")?;
        fds.push(if sized { entry(&mut body.entry()?, true)? } else { entry(&mut body, false)? });
    }
    Ok((tid, fds))
}

fn entry(entry: &mut Cursor<'_>, sized: bool) -> Result<Fd, Malformed> {
    let num = entry.i64()?;
    let ino = entry.u64()?;
    let kind = match entry.u8()? {
        scap_type::UNKNOWN => FdKind::Unknown,
        scap_type::FILE => FdKind::File { name: entry.text()?, open_flags: 0, dev: 0 },
        scap_type::FILE_V2 => {
            let open_flags = entry.u32()?;
            let name = entry.text()?;
            // Only a length tells whether the device was appended.
            let dev = if sized { entry.appended().map_or(0, u32::from_le_bytes) } else { 0 };
            FdKind::File { name, open_flags, dev }
        }
        scap_type::DIRECTORY => FdKind::Directory { name: entry.text()? },
        scap_type::IPV4 => connection(v4(entry)?, v4(entry)?, entry)?,
        scap_type::IPV6 => connection(v6(entry)?, v6(entry)?, entry)?,
        scap_type::IPV4_SERVER => server(v4(entry)?, entry)?,
        scap_type::IPV6_SERVER => server(v6(entry)?, entry)?,
        scap_type::UNIX => {
            FdKind::Unix { src: entry.u64()?, dst: entry.u64()?, name: entry.text()? }
        }
        named @ (scap_type::FIFO
        | scap_type::EVENT..=scap_type::NETLINK
        | scap_type::BPF..=scap_type::PIDFD) => {
            FdKind::Named { scap_type: named, name: entry.text()? }
        }
        newer => FdKind::Named {
            scap_type: scap_type::UNSUPPORTED,
            name: format!("unknown-type:[{newer}]").into_bytes(),
        },
    };
    Ok(Fd { num, ino, kind })
}

fn v4(entry: &mut Cursor<'_>) -> Result<IpAddr, Malformed> {
    Ok(IpAddr::V4(Ipv4Addr::from(entry.array::<4>()?)))
}

fn v6(entry: &mut Cursor<'_>) -> Result<IpAddr, Malformed> {
    Ok(IpAddr::V6(Ipv6Addr::from(entry.array::<16>()?)))
}

fn connection(src: IpAddr, dst: IpAddr, entry: &mut Cursor<'_>) -> Result<FdKind, Malformed> {
    Ok(FdKind::Inet {
        src: Endpoint { ip: src, port: entry.u16()? },
        dst: Endpoint { ip: dst, port: entry.u16()? },
        proto: proto(entry.u8()?),
    })
}

fn server(ip: IpAddr, entry: &mut Cursor<'_>) -> Result<FdKind, Malformed> {
    Ok(FdKind::InetServer { local: Endpoint { ip, port: entry.u16()? }, proto: proto(entry.u8()?) })
}

fn proto(number: u8) -> L4Proto {
    match number {
        1 => L4Proto::Na,
        2 => L4Proto::Tcp,
        3 => L4Proto::Udp,
        4 => L4Proto::Icmp,
        5 => L4Proto::Raw,
        _ => L4Proto::Unknown,
    }
}

/// Writes a thread's fds. Those of unknown kind are left out: libscap does not write them and
/// has no payload for them.
pub(crate) fn encode(tid: i64, fds: &[Fd], out: &mut Writer) {
    out.i64(tid);
    for fd in fds.iter().filter(|fd| fd.kind != FdKind::Unknown) {
        out.entry(|out| {
            out.i64(fd.num).u64(fd.ino);
            payload(&fd.kind, out);
        });
    }
}

fn payload(kind: &FdKind, out: &mut Writer) {
    const MAX_NAME: u16 = MAX_PATH - 1;
    match kind {
        FdKind::Unknown => {
            out.u8(scap_type::UNKNOWN);
        }
        FdKind::File { name, open_flags, dev } => {
            out.u8(scap_type::FILE_V2).u32(*open_flags).counted(name, MAX_NAME).u32(*dev);
        }
        FdKind::Directory { name } => {
            out.u8(scap_type::DIRECTORY).counted(name, MAX_NAME);
        }
        FdKind::Inet { src, dst, proto } => {
            match (src.ip, dst.ip) {
                (IpAddr::V4(s), IpAddr::V4(d)) => {
                    out.u8(scap_type::IPV4).put(&s.octets()).put(&d.octets())
                }
                (s, d) => out.u8(scap_type::IPV6).put(&octets6(s)).put(&octets6(d)),
            };
            out.u16(src.port).u16(dst.port).u8(*proto as u8);
        }
        FdKind::InetServer { local, proto } => {
            match local.ip {
                IpAddr::V4(ip) => out.u8(scap_type::IPV4_SERVER).put(&ip.octets()),
                IpAddr::V6(ip) => out.u8(scap_type::IPV6_SERVER).put(&ip.octets()),
            };
            out.u16(local.port).u8(*proto as u8);
        }
        FdKind::Unix { src, dst, name } => {
            out.u8(scap_type::UNIX).u64(*src).u64(*dst).counted(name, MAX_NAME);
        }
        FdKind::Named { scap_type, name } => {
            out.u8(*scap_type).counted(name, MAX_NAME);
        }
    }
}

fn octets6(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}
