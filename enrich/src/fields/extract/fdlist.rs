//! Class `fdlist`: the descriptors of a poll call.

use falco_event::EventCode;
use falco_event::net::Endpoint;
use falco_rules::render_value::write_ip;
use falco_rules::value::Value;

use super::made;
use crate::context::Context;
use crate::fd::{Fd, Socket};
use crate::fields::table::FdList;
use crate::render::params::fd_list_entries;

impl<'a> Context<'a> {
    /// The wanted part of each entry, joined by commas; no value if there is none.
    pub(super) fn fd_list(&self, field: FdList) -> Option<Value<'a>> {
        if !matches!(self.event.code(), EventCode::SYSCALL_POLL_X | EventCode::SYSCALL_PPOLL_X) {
            return None;
        }
        let thread = self.thread?;
        let mut parts = Vec::new();
        for (num, _) in fd_list_entries(self.event.param(1)?) {
            let fd = self.state.fd(thread, num);
            let part = match field {
                FdList::Nums => Some(num.to_string().into_bytes()),
                FdList::Names => {
                    let name = fd.map(|fd| &*fd.name).filter(|name| !name.is_empty());
                    Some(name.unwrap_or(b"<NA>").to_vec())
                }
                FdList::Cips => fd.and_then(connection).map(|(client, _)| ip(client)),
                FdList::Sips => fd.and_then(server).map(ip),
                FdList::Cports => fd.and_then(connection).map(|(client, _)| port(client)),
                // Falco leaves bound sockets out here, but not above.
                FdList::Sports => fd.and_then(connection).map(|(_, server)| port(server)),
            };
            parts.extend(part);
        }
        let list = parts.join(&b","[..]);
        if list.is_empty() { None } else { made(list) }
    }
}

fn connection(fd: &Fd) -> Option<(Endpoint, Endpoint)> {
    match fd.socket {
        Socket::Inet { src, dst, .. } => Some((src, dst)),
        _ => None,
    }
}

fn server(fd: &Fd) -> Option<Endpoint> {
    match fd.socket {
        Socket::Inet { dst, .. } => Some(dst),
        Socket::InetServer { local, .. } => Some(local),
        _ => None,
    }
}

fn ip(end: Endpoint) -> Vec<u8> {
    let mut text = Vec::new();
    write_ip(end.ip, &mut text);
    text
}

fn port(end: Endpoint) -> Vec<u8> {
    end.port.to_string().into_bytes()
}
