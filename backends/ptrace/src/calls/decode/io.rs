//! What is read and written through any fd: read, write, pread64, pwrite64, their vector forms, sendfile;
//! and between processes.

use super::decoders;
use crate::calls::params::{Call, Params, word32, word64};
use crate::stop::Abi;

decoders! {
    read SYSCALL_READ_X |c, p| { p.result().data(c.arg(1), bytes_read(c)).fd(0).arg_u32(2); };
    pread64 SYSCALL_PREAD_X |c, p| {
        p.result().data(c.arg(1), bytes_read(c)).fd(0).arg_u32(2).u64(position(c));
    };
    write SYSCALL_WRITE_X |c, p| {
        p.result().data(c.arg(1), bytes_written(c, c.arg(2))).fd(0).arg_u32(2);
    };
    pwrite64 SYSCALL_PWRITE_X |c, p| {
        p.result().data(c.arg(1), bytes_written(c, c.arg(2))).fd(0).arg_u32(2).u64(position(c));
    };

    // Vectors.
    readv SYSCALL_READV_X |c, p| { read_vector(c, p); p.fd(0); };
    preadv SYSCALL_PREADV_X |c, p| { read_vector(c, p); p.fd(0).u64(position(c)); };
    writev SYSCALL_WRITEV_X written_vector;
    pwritev SYSCALL_PWRITEV_X |c, p| { written_vector(c, p); p.u64(position(c)); };

    sendfile SYSCALL_SENDFILE_X |c, p| {
        p.result().u64(sendfile_offset(c)).fd(0).fd(1).arg_u64(3);
    };

    // What the caller's own buffers hold.
    process_vm_readv SYSCALL_PROCESS_VM_READV_X between_processes;
    process_vm_writev SYSCALL_PROCESS_VM_WRITEV_X between_processes;
}

/// Entries of a vector that the kernel takes (UIO_MAXIOV).
const MAX_VECTOR: usize = 1024;

/// Buffers that are read with one system call.
const BUFFERS_AT_ONCE: usize = 8;

pub(super) fn bytes_read(c: Call<'_>) -> u64 {
    u64::try_from(c.ret()).unwrap_or(0)
}

/// How many bytes of the caller's there are to show: those written, or those that were to be.
pub(super) fn bytes_written(c: Call<'_>, size: u64) -> u64 {
    written_of(c.ret(), size)
}

/// The same, by a result.
pub(super) fn written_of(ret: i64, size: u64) -> u64 {
    if ret > 0 { ret as u64 } else { size }
}

/// A position in a file: an argument, or two of 32-bit callers.
fn position(c: Call<'_>) -> u64 {
    let low = c.arg(3);
    if c.stop.abi == Abi::I386 { u64::from(c.arg32(4)) << 32 | low } else { low }
}

/// Parameters res, size and data.
fn read_vector(c: Call<'_>, p: &mut Params<'_>) {
    let size = bytes_read(c);
    p.result().u32(size as u32);
    vector_data(c, p, (c.arg(1), c.arg(2)), size);
}

/// Parameters res, data, fd and size.
fn written_vector(c: Call<'_>, p: &mut Params<'_>) {
    p.result();
    let size = vector_data(c, p, (c.arg(1), c.arg(2)), bytes_written(c, u64::MAX));
    p.fd(0).u32(size as u32);
}

fn between_processes(c: Call<'_>, p: &mut Params<'_>) {
    p.result().num(0);
    vector_data(c, p, (c.arg(1), c.arg(2)), bytes_read(c));
}

/// Where the caller has the offset it goes on from; sendfile(2) of 32-bit callers, number 187, has a
/// smaller one than their sendfile64(2).
fn sendfile_offset(c: Call<'_>) -> u64 {
    if c.stop.abi == Abi::I386 && c.stop.raw_number == 187 {
        return c.u32_at(2).into();
    }
    u64::from_le_bytes(c.read(c.arg(2)))
}

/// The buffers of a vector (struct iovec) in user memory: addresses and lengths. `None` if it cannot be
/// read; the kernel has not taken such a vector.
struct Vector {
    entries: [u8; 16 * MAX_VECTOR],
    entry: usize,
    count: usize,
}

impl Vector {
    fn read(c: Call<'_>, (address, count): (u64, u64)) -> Option<Self> {
        let entry = if c.is_compat() { 8 } else { 16 };
        let count = count.min(MAX_VECTOR as u64) as usize;
        let mut vector = Vector { entries: [0; 16 * MAX_VECTOR], entry, count };
        let is_read = c.memory.read_exact(address, vector.entries.get_mut(..entry * count)?);
        (count > 0 && is_read).then_some(vector)
    }

    fn buffers(&self) -> impl Iterator<Item = (u64, u64)> {
        let entries = self.entries.chunks_exact(self.entry).take(self.count);
        entries.map(|buffer| match self.entry {
            8 => (u64::from(word32(buffer, 0)), u64::from(word32(buffer, 4))),
            _ => (word64(buffer, 0), word64(buffer, 8)),
        })
    }

    /// Bytes of all buffers together.
    fn size(&self) -> u64 {
        self.buffers().fold(0, |size, (_, len)| size.wrapping_add(len))
    }
}

/// How large the buffers of a vector are together; 0 if it cannot be read.
pub(super) fn vector_size(c: Call<'_>, vector: (u64, u64)) -> u64 {
    Vector::read(c, vector).map_or(0, |vector| vector.size())
}

/// A parameter: the beginning of what the buffers of a vector hold, `available` bytes in all. How large
/// they are together.
pub(super) fn vector_data(
    c: Call<'_>,
    p: &mut Params<'_>,
    vector: (u64, u64),
    available: u64,
) -> u64 {
    let Some(vector) = Vector::read(c, vector) else {
        p.empty();
        return 0;
    };
    let mut room = p.limit(available);
    let mut data = p.take_buffer();
    let mut buffers = vector.buffers().filter(|(_, len)| *len > 0).peekable();
    while room > 0 && buffers.peek().is_some() {
        let begin = data.len();
        data.resize(begin + room, 0);
        let mut places: [(u64, &mut [u8]); BUFFERS_AT_ONCE] = Default::default();
        let mut rest = data.get_mut(begin..).unwrap_or_default();
        for place in &mut places {
            if rest.is_empty() {
                break;
            }
            let Some((base, len)) = buffers.next() else { break };
            let len = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
            let (buffer, after) = std::mem::take(&mut rest).split_at_mut(len);
            *place = (base, buffer);
            rest = after;
        }
        let lens = places.each_ref().map(|(_, buffer)| buffer.len());
        let got = c.memory.read_all(&mut places);
        // What is behind a gap is not told, nor what is before it in the same buffer.
        let mut whole = 0;
        for len in lens {
            if whole + len > got {
                break;
            }
            whole += len;
        }
        data.truncate(begin + whole);
        if whole < lens.iter().sum() {
            break;
        }
        room -= whole;
    }
    p.put_buffer(data);
    vector.size()
}
