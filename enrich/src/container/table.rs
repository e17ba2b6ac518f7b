//! [`Containers`]: what is known of containers by id, within bounds.

use hashbrown::HashMap;

use super::ContainerInfo;

/// Containers at most.
const MAX_LEN: usize = 16_384;
/// Bytes of all of them at most.
const MAX_BYTES: usize = 64 << 20;

/// Containers by id.
#[derive(Debug, Default)]
pub struct Containers {
    by_id: HashMap<Box<[u8]>, Entry>,
    bytes: usize,
    /// Counts additions, to know the oldest.
    added: u64,
}

#[derive(Debug)]
struct Entry {
    info: ContainerInfo,
    added: u64,
}

impl Containers {
    /// The container of this id.
    #[inline]
    pub fn get(&self, id: &[u8]) -> Option<&ContainerInfo> {
        self.by_id.get(id).map(|entry| &entry.info)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &ContainerInfo> {
        self.by_id.values().map(|entry| &entry.info)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Adds a container or renews what is known of it; whether that is news. Beyond the bounds
    /// those go that were added first: their removal was lost, or they are many.
    pub(crate) fn add(&mut self, info: ContainerInfo) -> bool {
        let old = self.remove(info.id.as_bytes());
        let news = old.as_ref() != Some(&info);
        let bytes = info.bytes();
        while !self.is_empty() && (self.len() >= MAX_LEN || self.bytes + bytes > MAX_BYTES) {
            let oldest = self.by_id.iter().min_by_key(|(_, entry)| entry.added);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { break };
            self.remove(&id);
        }
        self.bytes += bytes;
        self.added += 1;
        let id = info.id.as_bytes().into();
        self.by_id.insert(id, Entry { info, added: self.added });
        news
    }

    /// Forgets a container; what was known of it.
    pub(crate) fn remove(&mut self, id: &[u8]) -> Option<ContainerInfo> {
        let entry = self.by_id.remove(id)?;
        self.bytes -= entry.info.bytes();
        Some(entry.info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut containers = Containers::default();
        let info = |n: usize, name: &str| ContainerInfo {
            id: n.to_string(),
            name: name.into(),
            ..ContainerInfo::default()
        };
        for n in 0..MAX_LEN + 3 {
            assert!(containers.add(info(n, "a")));
        }
        assert!(!containers.add(info(5, "a")) && containers.add(info(5, "b")));
        assert_eq!(containers.len(), MAX_LEN);
        assert!(containers.get(b"2").is_none() && containers.get(b"3").is_some());
        let huge = "x".repeat(MAX_BYTES / 3);
        for n in 0..5 {
            containers.add(info(n, &huge));
            assert!(containers.bytes <= MAX_BYTES);
        }
        assert!(containers.get(b"4").is_some() && containers.len() == 2);
        assert!(containers.remove(b"4").is_some() && containers.remove(b"4").is_none());
        containers.remove(b"3");
        assert_eq!((containers.len(), containers.bytes), (0, 0));
    }
}
