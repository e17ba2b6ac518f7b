//! [`HostNames`]: the addresses of the hosts that conditions name (`fd.sip.name = example.org`).
//!
//! The names are those of the rules and never change; their addresses come from whoever looks them up,
//! on a thread of its own, while events are processed. Nothing here looks up anything.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

/// Names with the addresses that they have at present, none at first.
#[derive(Debug, Default)]
pub struct HostNames {
    names: Box<[Box<[u8]>]>,
    /// Replaced as a whole, so that readers never wait for more than the exchange.
    by_address: RwLock<ByAddress>,
}

/// Indices of names, in order.
type ByAddress = HashMap<IpAddr, Vec<usize>>;

impl HostNames {
    /// These names, without addresses. Where an address has several, the first is its value.
    pub fn new(names: impl IntoIterator<Item = Box<[u8]>>) -> Self {
        HostNames { names: names.into_iter().collect(), by_address: RwLock::default() }
    }

    /// All names, in order.
    pub fn names(&self) -> &[Box<[u8]>] {
        &self.names
    }

    /// Gives the name at `index` these addresses instead of those that it had; whether they are
    /// others. To be called from one thread only: of two changes at the same time one is lost.
    pub fn set(&self, index: usize, addresses: &[IpAddr]) -> bool {
        if index >= self.names.len() {
            return false;
        }
        let before = self.by_address.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut after = before.clone();
        after.retain(|_, names| {
            names.retain(|name| *name != index);
            !names.is_empty()
        });
        for address in addresses {
            let names = after.entry(*address).or_default();
            if let Err(at) = names.binary_search(&index) {
                names.insert(at, index);
            }
        }
        let changes = after != before;
        if changes {
            let mut current = self.by_address.write().unwrap_or_else(PoisonError::into_inner);
            // What was there is freed after the lock.
            std::mem::swap(&mut *current, &mut after);
        }
        changes
    }

    /// Offers the names of an address to `test` until it accepts one, and returns whether it did.
    pub fn any_of(&self, address: IpAddr, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        let by_address = self.by_address.read().unwrap_or_else(PoisonError::into_inner);
        let Some(indices) = by_address.get(&address) else { return false };
        indices.iter().filter_map(|index| self.names.get(*index)).any(|name| test(name))
    }

    /// The first name of an address.
    pub fn first_of(&self, address: IpAddr) -> Option<Vec<u8>> {
        let mut first = None;
        self.any_of(address, |name| {
            first = Some(name.to_vec());
            true
        });
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn names_of(table: &HostNames, address: &str) -> Vec<String> {
        let mut names = Vec::new();
        table.any_of(ip(address), |name| {
            names.push(String::from_utf8_lossy(name).into_owned());
            false
        });
        names
    }

    #[test]
    fn addresses_have_the_names_that_have_them() {
        let table = HostNames::new(["a", "b"].map(|name| name.as_bytes().into()));
        assert!(names_of(&table, "10.0.0.1").is_empty() && table.first_of(ip("::1")).is_none());
        assert!(table.set(1, &[ip("10.0.0.1"), ip("::1"), ip("10.0.0.1")]));
        assert!(table.set(0, &[ip("10.0.0.1")]));
        assert_eq!(names_of(&table, "10.0.0.1"), ["a", "b"]);
        assert_eq!(names_of(&table, "::1"), ["b"]);
        assert_eq!(table.first_of(ip("10.0.0.1")).unwrap(), b"a");

        // The same in another order is no change; others take the place of the former.
        assert!(!table.set(1, &[ip("::1"), ip("10.0.0.1")]));
        assert!(table.set(1, &[ip("10.0.0.2")]));
        assert_eq!(names_of(&table, "10.0.0.1"), ["a"]);
        assert!(names_of(&table, "::1").is_empty());
        assert!(table.set(1, &[]) && names_of(&table, "10.0.0.2").is_empty());
        assert!(!table.set(2, &[ip("10.0.0.3")]), "there is no such name");
    }
}
