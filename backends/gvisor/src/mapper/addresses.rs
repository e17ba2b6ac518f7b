//! Socket addresses: from what a program passed (`struct sockaddr`) to parameters of events.
//!
//! gVisor tells no tuples, so that the local end of a connection is unknown (zeros) unless it was
//! bound where we saw it.

use falco_event::net::{AF_INET, AF_INET6, AF_UNIX};

/// Longest parameter: a family, and the path of a Unix socket with its NUL.
const MAX_UNIX: usize = 1 + 108 + 1;

/// An address as a parameter (`SockAddr`): family, then IPv4 or IPv6 address and port, or a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    bytes: [u8; MAX_UNIX],
    len: usize,
}

impl Address {
    /// Reads a `struct sockaddr`. None if it is too short for its family, or of one whose addresses
    /// events do not have.
    pub(super) fn read(from: &[u8]) -> Option<Self> {
        let (family, rest) = from.split_first_chunk::<2>()?;
        let mut address = Address { bytes: [0; MAX_UNIX], len: 0 };
        match u8::try_from(u16::from_le_bytes(*family)).ok()? {
            AF_INET => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                address.put(&[AF_INET]);
                address.put(rest.get(..4)?);
                address.put(&u16::from_be_bytes(*port).to_le_bytes());
            }
            AF_INET6 => {
                let (port, rest) = rest.split_first_chunk::<2>()?;
                address.put(&[AF_INET6]);
                // After the flow label.
                address.put(rest.get(4..20)?);
                address.put(&u16::from_be_bytes(*port).to_le_bytes());
            }
            AF_UNIX => {
                // An abstract name begins with a NUL, which is not told; a path may lack its own.
                let name = rest.strip_prefix(&[0]).unwrap_or(rest);
                let name = falco_event::raw::until_nul(name);
                address.put(&[AF_UNIX]);
                address.put(&name[..name.len().min(108)]);
                address.put(&[0]);
            }
            _ => return None,
        }
        Some(address)
    }

    /// No address, of a family that has some.
    pub(super) fn none(family: u8) -> Option<Self> {
        let len = match family {
            AF_INET => 7,
            AF_INET6 => 19,
            AF_UNIX => 2,
            _ => return None,
        };
        let mut address = Address { bytes: [0; MAX_UNIX], len };
        address.bytes[0] = family;
        Some(address)
    }

    /// One that was kept ([`Address::param`]).
    pub(super) fn kept(param: &[u8]) -> Option<Self> {
        let mut address = Address { bytes: [0; MAX_UNIX], len: 0 };
        address.put(param.get(..param.len().min(MAX_UNIX))?);
        (address.len > 0).then_some(address)
    }

    fn put(&mut self, bytes: &[u8]) {
        // All that is put fits: 1 + 108 + 1 at most.
        if let Some(to) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// The parameter.
    pub(super) fn param(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Its family.
    pub(super) fn family(&self) -> u8 {
        self.bytes[0]
    }
}

/// A connection as a parameter (`SockTuple`): from `source` to `destination`; an end that is not known,
/// or of another family, is zeros.
pub(super) fn tuple(source: Option<&Address>, destination: Option<&Address>) -> Vec<u8> {
    let Some(family) = destination.or(source).map(Address::family) else { return Vec::new() };
    let none = Address::none(family);
    let end = |address: Option<&Address>| {
        let known = address.filter(|address| address.family() == family).or(none.as_ref());
        known.map_or_else(Vec::new, |address| address.param()[1..].to_vec())
    };
    if family == AF_UNIX {
        // Two addresses in the kernel, which are not known, and the path of the end that has one.
        let path = end(destination.filter(|d| d.param().len() > 2).or(source));
        return [&[family][..], &[0; 16], &path].concat();
    }
    [&[family][..], &end(source), &end(destination)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_event::net::{SockAddr, SockTuple};

    fn inet(last: u8, port: u16) -> Address {
        let [high, low] = port.to_be_bytes();
        Address::read(&[2, 0, high, low, 10, 0, 0, last, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap()
    }

    #[test]
    fn addresses_of_all_families_are_read() {
        let Some(SockAddr::Inet(end)) = SockAddr::decode(inet(7, 443).param()) else { panic!() };
        assert_eq!((end.ip.to_string().as_str(), end.port), ("10.0.0.7", 443));

        let mut six = [0; 28];
        (six[0], six[3], six[23]) = (10, 53, 1);
        let Some(SockAddr::Inet(end)) = SockAddr::decode(Address::read(&six).unwrap().param())
        else {
            panic!()
        };
        assert_eq!((end.ip.to_string().as_str(), end.port), ("::1", 53));
        assert!(Address::read(&six[..23]).is_none());

        for (raw, path) in [(&b"\x01\0/run/x\0\0\0"[..], &b"/run/x"[..]), (b"\x01\0\0abs", b"abs")]
        {
            let address = Address::read(raw).unwrap();
            assert_eq!(SockAddr::decode(address.param()), Some(SockAddr::Unix(path)));
        }
        let long = [&[1, 0][..], &[b'x'; 300]].concat();
        assert_eq!(Address::read(&long).unwrap().param().len(), MAX_UNIX);
        for none in
            [&b""[..], &[2], &[2, 0, 0, 80, 1, 2, 3], &[16, 0, 0, 0], &[2, 1, 0, 0, 0, 0, 0, 0]]
        {
            assert!(Address::read(none).is_none(), "{none:?}");
        }
    }

    #[test]
    fn unknown_ends_are_zeros() {
        let (a, b) = (inet(1, 1000), inet(2, 80));
        let Some(SockTuple::Inet { src, dst }) = SockTuple::decode(&tuple(None, Some(&b))) else {
            panic!()
        };
        assert_eq!((src.ip.is_unspecified(), src.port, dst.port), (true, 0, 80));
        let Some(SockTuple::Inet { src, dst }) = SockTuple::decode(&tuple(Some(&a), Some(&b)))
        else {
            panic!()
        };
        assert_eq!((src.port, dst.port), (1000, 80));
        let unix = Address::read(b"\x01\0/run/x").unwrap();
        let path = &b"/run/x"[..];
        let whole = Some(SockTuple::Unix { src: 0, dst: 0, path });
        assert_eq!(SockTuple::decode(&tuple(None, Some(&unix))), whole);
        assert_eq!(SockTuple::decode(&tuple(Some(&unix), None)), whole);
        assert_eq!(tuple(None, None), b"");
        // Of two families, that of the destination counts.
        assert_eq!(tuple(Some(&unix), Some(&b))[0], AF_INET);
    }
}
