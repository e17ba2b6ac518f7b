//! [`Memory`]: reading what a stopped thread's pointers point at. What is read is hostile, and other
//! threads may change it at any time.

use crate::sys;

/// Bytes of the smallest page: what can be read is decided page by page.
const PAGE: u64 = 4096;

/// Places that are read at a time.
const AT_A_TIME: usize = 16;

/// The memory of the thread that stopped.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    tid: i32,
}

impl Memory {
    /// The memory of thread `tid`, as the pid namespace of the tracer numbers it.
    pub fn of(tid: i32) -> Self {
        Memory { tid }
    }

    /// Reads from `address` until `buffer` is full or a page cannot be read; how many bytes there are.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> usize {
        sys::read_memory(self.tid, &mut [(address, buffer)])
    }

    /// Fills `buffer`, or does not.
    pub fn read_exact(&self, address: u64, buffer: &mut [u8]) -> bool {
        self.read(address, buffer) == buffer.len()
    }

    /// Reads several places with one system call, in their order; how many bytes in all. Everything
    /// after the first byte that cannot be read is left out.
    pub fn read_all(&self, places: &mut [(u64, &mut [u8])]) -> usize {
        sys::read_memory(self.tid, places)
    }

    /// A number of 4 bytes.
    pub fn u32(&self, address: u64) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read_exact(address, &mut bytes).then(|| u32::from_le_bytes(bytes))
    }

    /// A number of 8 bytes.
    pub fn u64(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read_exact(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
    }

    /// Reads text that ends with a NUL, at most `most` bytes of it, to the end of `to`, without the
    /// NUL. `None` if its first byte cannot be read; text that goes on at a page that cannot, or
    /// beyond `most`, is cut there.
    pub fn text(&self, address: u64, most: usize, to: &mut Vec<u8>) -> Option<usize> {
        if address == 0 {
            return None;
        }
        let begin = to.len();
        let mut at = address;
        // Most texts end on the page on which they begin: read that far, and not much.
        while to.len() - begin < most {
            let page_left = (PAGE - at % PAGE) as usize;
            let want = page_left.min(most - (to.len() - begin)).min(256);
            let end = to.len();
            to.resize(end + want, 0);
            let got = self.read(at, to.get_mut(end..)?);
            to.truncate(end + got);
            if let Some(nul) = to.get(end..).and_then(|new| new.iter().position(|&b| b == 0)) {
                to.truncate(end + nul);
                return Some(nul + end - begin);
            }
            if got < want {
                break;
            }
            at = at.checked_add(got as u64)?;
        }
        (to.len() > begin).then(|| to.len() - begin)
    }

    /// Calls `each` with the text at every address in turn, as [`text`](Self::text) reads it. Short ones
    /// are read many at a time.
    pub fn texts(&self, addresses: &[u64], most: usize, mut each: impl FnMut(Option<&[u8]>)) {
        const SHORT: usize = 128;
        let mut buffer = [0; AT_A_TIME * SHORT];
        let mut long = Vec::new();
        for addresses in addresses.chunks(AT_A_TIME) {
            let (rooms, _) = buffer.as_chunks_mut::<SHORT>();
            let places = addresses.iter().zip(rooms).map(|(&address, room)| {
                // A page further may be missing.
                let page_left = (PAGE - address % PAGE) as usize;
                (address, room.get_mut(..page_left.min(SHORT)).unwrap_or_default())
            });
            let mut places: Vec<_> = places.collect();
            let mut got = self.read_all(&mut places);
            for (address, bytes) in places {
                let is_read = got >= bytes.len();
                got = got.saturating_sub(bytes.len());
                match bytes.iter().position(|&byte| byte == 0).filter(|_| is_read) {
                    Some(nul) => each(bytes.get(..nul.min(most))),
                    None => {
                        long.clear();
                        each(self.text(address, most, &mut long).map(|_| long.as_slice()));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_texts_are_read_as_each_one_is() {
        let memory = Memory::of(sys::gettid());
        let texts: Vec<Vec<u8>> =
            (0..40).map(|n| [vec![b'a' + n as u8 % 26; n * n / 4], vec![0]].concat()).collect();
        let mut addresses: Vec<u64> =
            texts.iter().map(|text| text.as_ptr().expose_provenance() as u64).collect();
        // Some that cannot be read, amid the others.
        for at in [0, 7, 20, 33, 44] {
            addresses.insert(at, [0, 8, 1 << 63][at % 3]);
        }
        for most in [1, 3, 127, 128, 1000] {
            let one_by_one = addresses.iter().map(|&address| {
                let mut text = Vec::new();
                memory.text(address, most, &mut text).map(|_| text)
            });
            let mut all = Vec::new();
            memory.texts(&addresses, most, |text| all.push(text.map(<[u8]>::to_vec)));
            assert_eq!(all, one_by_one.collect::<Vec<_>>(), "at most {most} bytes");
            assert_eq!(all.iter().flatten().count(), texts.len());
        }
    }
}
