//! Stops of a traced thread that holds anything in its registers and its memory.
//!
//! An input is one byte that says how much data events show, two with the length of the memory, the memory,
//! and then stops of [`LEN`] bytes each: what happened, the kind of call, its number, its result, and six
//! arguments, each with a byte that says what is meant by it.

/// Bytes of a stop.
pub const LEN: usize = 1 + 1 + 2 + 8 + 6 * 9;

/// The memory begins with this much, whatever the input holds of it.
pub const MEMORY: usize = 2 * 4096;

/// A stop, with arguments that are addresses already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What: births, executions and so on are a few of its values, calls all others.
    pub what: u8,
    /// The kind of call, modulo how many there are.
    pub abi: u8,
    /// The number of the call.
    pub number: u16,
    /// What it returned.
    pub result: i64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// The snaplen of an input, its memory, and what calls `each` for every stop.
pub fn decode(data: &[u8]) -> Option<(u32, Vec<u8>, &[u8])> {
    let (&[snaplen, low, high], rest) = data.split_first_chunk()?;
    let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len()).min(MEMORY);
    let (filled, stops) = rest.split_at(len);
    let mut memory = filled.to_vec();
    memory.resize(MEMORY, 0);
    let snaplen = [0, 80, 4096, 65_000][usize::from(snaplen % 4)];
    Some((snaplen, memory, stops))
}

/// Makes the words of the memory that ask for it addresses of the memory itself: those whose upper
/// half is this.
pub const POINTER: u32 = 0x7e57_ed00;

/// Replaces words with [`POINTER`] by addresses, so that vectors and structures lead somewhere.
pub fn relocate(memory: &mut [u8], base: u64) {
    for word in memory.as_chunks_mut::<8>().0 {
        let value = u64::from_le_bytes(*word);
        if (value >> 32) as u32 == POINTER {
            *word = (base + value % MEMORY as u64).to_le_bytes();
        }
    }
}

/// The stops of an input, for a memory that begins at `base`.
pub fn happenings(stops: &[u8], base: u64) -> impl Iterator<Item = Happening> {
    stops.as_chunks::<LEN>().0.iter().map(move |bytes| happening(bytes, base))
}

fn happening(bytes: &[u8; LEN], base: u64) -> Happening {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n]));
    Happening {
        what: bytes[0],
        abi: bytes[1],
        number: u16::from_le_bytes([bytes[2], bytes[3]]),
        result: word(4).cast_signed(),
        args: std::array::from_fn(|n| {
            let (kind, value) = (bytes[12 + 9 * n], word(13 + 9 * n));
            match kind % 4 {
                0 => value,
                1 => base + value % MEMORY as u64,
                // Near the end, where little is left to read.
                2 => base + MEMORY as u64 - value % 64,
                _ => value % 64,
            }
        }),
    }
}

/// The bytes of a stop: how seeds are made.
pub fn encode(what: u8, number: u16, result: i64, args: [(u8, u64); 6]) -> Vec<u8> {
    let mut bytes = vec![what, 0];
    bytes.extend(number.to_le_bytes());
    bytes.extend(result.to_le_bytes());
    for (kind, value) in args {
        bytes.push(kind);
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_as_they_are_made() {
        let mut data = vec![1, 5, 0];
        data.extend(b"hello");
        data.extend(encode(7, 257, -2, [(0, 9), (1, 3), (2, 1), (3, 65), (0, 0), (1, 8192)]));
        let (snaplen, memory, stops) = decode(&data).unwrap();
        assert_eq!((snaplen, memory.len(), &memory[..6]), (80, MEMORY, &b"hello\0"[..]));
        let all: Vec<_> = happenings(stops, 0x10_0000).collect();
        let args = [9, 0x10_0003, 0x10_1fff, 1, 0, 0x10_0000];
        let expected = Happening { what: 7, abi: 0, number: 257, result: -2, args };
        assert_eq!(all, [expected]);
        assert_eq!(decode(&[1, 2]), None);
        let mut memory = (u64::from(POINTER) << 32 | 8).to_le_bytes().to_vec();
        memory.extend([1; 9]);
        relocate(&mut memory, 0x5000);
        assert_eq!(memory[..8], 0x5008_u64.to_le_bytes());
        assert_eq!(memory[8..], [1; 9]);
    }
}
