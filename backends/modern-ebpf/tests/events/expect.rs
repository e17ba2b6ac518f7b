//! Parameters as they have to be.

use std::net::{IpAddr, SocketAddr};

use falco_event::EventCode;

use crate::trace::{self, Event};

/// The bytes of a parameter.
pub type Param = Vec<u8>;

pub const NONE: Param = Vec::new();

pub fn i64(value: i64) -> Param {
    value.to_le_bytes().to_vec()
}

pub fn u64(value: u64) -> Param {
    value.to_le_bytes().to_vec()
}

pub fn u32(value: u32) -> Param {
    value.to_le_bytes().to_vec()
}

pub fn u16(value: u16) -> Param {
    value.to_le_bytes().to_vec()
}

pub fn u8(value: u8) -> Param {
    vec![value]
}

/// The bytes of several ones together.
pub fn all(parts: &[Param]) -> Param {
    parts.concat()
}

fn family(addr: SocketAddr) -> Param {
    u8(if addr.is_ipv4() { 2 } else { 10 })
}

fn end(addr: SocketAddr) -> Param {
    let ip = match addr.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    all(&[ip, u16(addr.port())])
}

/// A parameter of type SOCKADDR.
pub fn address(addr: SocketAddr) -> Param {
    all(&[family(addr), end(addr)])
}

/// A parameter of type SOCKTUPLE.
pub fn tuple(source: SocketAddr, destination: SocketAddr) -> Param {
    all(&[family(source), end(source), end(destination)])
}

/// An address of a Unix socket as a parameter.
pub fn unix_address(path: &[u8]) -> Param {
    all(&[u8(1), path.to_vec(), u8(0)])
}

/// A tuple of Unix sockets.
pub fn unix_tuple(destination: u64, source: u64, path: &[u8]) -> Param {
    all(&[u8(1), u64(destination), u64(source), path.to_vec(), u8(0)])
}

/// Events that have to come, in order.
#[derive(Debug, Default)]
pub struct Expected(Vec<(EventCode, Vec<Param>)>);

impl Expected {
    pub fn push<const N: usize>(&mut self, code: EventCode, params: [Param; N]) {
        self.0.push((code, params.to_vec()));
    }

    /// All but the last one.
    pub fn without_last(mut self) -> Self {
        self.0.pop();
        self
    }

    /// Compares all parameters of all events, as far as the source tells them.
    pub fn check(mut self, events: &[Event]) {
        self.0.retain(|(code, _)| trace::tells(*code));
        for (i, (event, (code, params))) in events.iter().zip(&self.0).enumerate() {
            let info = code.info();
            assert_eq!(event.code.info().id, info.id, "event {i}: {event:02x?}");
            assert_eq!(
                event.params.len(),
                info.params.len(),
                "event {i} ({}): parameters",
                info.id
            );
            for (param, (is, ought)) in info.params.iter().zip(event.params.iter().zip(params)) {
                let ought = trace::as_seen(*code, param, ought.clone());
                assert_eq!(*is, ought, "event {i} ({}): parameter {}", info.id, param.name);
            }
        }
        let names =
            |codes: Vec<EventCode>| codes.iter().map(|code| code.info().id).collect::<Vec<_>>();
        let is = names(events.iter().map(|event| event.code).collect());
        assert_eq!(is, names(self.0.iter().map(|(code, _)| *code).collect()));
    }
}
