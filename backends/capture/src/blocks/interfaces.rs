//! Network interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_source::snapshot::Interface;

use super::cursor::{Cursor, MAX_PATH, Malformed, Writer};
use super::limit;

/// Block type that is written (version 2).
pub const TYPE: u32 = 0x219;
const IPV4: u16 = 1;
const IPV6: u16 = 2;
const IPV4_WITHOUT_LINKSPEED: u16 = 3;
const IPV6_WITHOUT_LINKSPEED: u16 = 4;

/// Reads an interface list. `sized`: entries begin with their length (version 2), which here does
/// not count itself.
///
/// # Errors
/// If an entry does not fit or is of an unknown type.
pub fn decode(body: &[u8], sized: bool) -> Result<Vec<Interface>, Malformed> {
    let mut body = Cursor::new(body, "interface entry");
    let mut interfaces = Vec::new();
    while body.has_entry() {
        limit(&interfaces, body.at(), "interfaces")?;
        let len = if sized { Some(body.u32()? as usize) } else { None };
        let start = body.at();
        interfaces.push(entry(&mut body)?);
        if let Some(len) = len {
            let used = body.at() - start;
            let Some(appended) = len.checked_sub(used) else {
                let what = format!("interface entry: {used} bytes, but its length says {len}");
                return Err(Malformed::new(start, what));
            };
            body.take(appended)?;
        }
    }
    Ok(interfaces)
}

fn entry(entry: &mut Cursor<'_>) -> Result<Interface, Malformed> {
    let kind = entry.u16()?;
    let name_len = entry.u16()?;
    let (addr, netmask, broadcast) = match kind {
        IPV4 | IPV4_WITHOUT_LINKSPEED => (v4(entry)?, v4(entry)?, v4(entry)?),
        IPV6 | IPV6_WITHOUT_LINKSPEED => (v6(entry)?, v6(entry)?, v6(entry)?),
        _ => return Err(entry.malformed(format!("unknown interface type {kind}"))),
    };
    let linkspeed = if matches!(kind, IPV4 | IPV6) { entry.u64()? } else { 0 };
    let name = falco_event::raw::until_nul(entry.take(usize::from(name_len))?).to_vec();
    Ok(Interface { name, addr, netmask, broadcast, linkspeed })
}

fn v4(entry: &mut Cursor<'_>) -> Result<IpAddr, Malformed> {
    Ok(IpAddr::V4(Ipv4Addr::from(entry.array::<4>()?)))
}

fn v6(entry: &mut Cursor<'_>) -> Result<IpAddr, Malformed> {
    Ok(IpAddr::V6(Ipv6Addr::from(entry.array::<16>()?)))
}

pub(crate) fn encode(interfaces: &[Interface], out: &mut Writer) {
    for interface in interfaces {
        let addresses = [interface.addr, interface.netmask, interface.broadcast];
        let v4 = addresses.iter().all(IpAddr::is_ipv4);
        let name = &interface.name[..interface.name.len().min(usize::from(MAX_PATH - 1))];
        let address_len = if v4 { 4 } else { 16 };
        out.u32((2 + 2 + 3 * address_len + 8 + name.len()) as u32);
        out.u16(if v4 { IPV4 } else { IPV6 }).u16(name.len() as u16);
        for address in addresses {
            match address {
                IpAddr::V4(address) if v4 => out.put(&address.octets()),
                IpAddr::V4(address) => out.put(&address.to_ipv6_mapped().octets()),
                IpAddr::V6(address) => out.put(&address.octets()),
            };
        }
        out.u64(interface.linkspeed).put(name);
    }
}
