//! [`Params`]: the words in which the parameters of an event are written down.
//!
//! A decoder reads as the event table does:
//!
//! ```text
//! dup2    SYSCALL_DUP2_X   |_, p| { p.result_fd().fd(0).num(1); }
//! chmod   SYSCALL_CHMOD_X  |c, p| { p.result().path(0).u32(permissions(c.arg32(1))); }
//! ```
//!
//! `c` is the [`Call`], which is only read; `p` the parameters, one behind the other.
//!
//! Everything that pointers lead to is hostile and read with a bound. What cannot be read is an empty
//! parameter, as in events of any other source.

use falco_event::{EventBuilder, EventCode};
use falco_proc::Proc;
use falco_proc::held::{Ends, Identity};

use super::processes::Process;
use super::tell;
use crate::memory::Memory;
use crate::stop::{Abi, Stop};
use falco_source::events::Events;

/// Longest text of a parameter, in bytes without its NUL (PATH_MAX).
pub(super) const MAX_TEXT: usize = 4095;

/// Fds that one event can be about: those of linkat(2), two directories.
const MOST_FDS: usize = 4;

/// Some fds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fds {
    numbers: [i64; MOST_FDS],
    count: usize,
}

impl Fds {
    fn push(&mut self, fd: i64) {
        if let (Some(place), true) = (self.numbers.get_mut(self.count), fd >= 0) {
            *place = fd;
            self.count += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        self.numbers.into_iter().take(self.count)
    }
}

/// What writing parameters needs besides the call: kept from one call to the next.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) event: EventBuilder,
    /// For events that come before it.
    pub(super) before: EventBuilder,
    bytes: Vec<u8>,
    /// Texts and data that were cut, and events that were too long.
    pub(super) cut: u64,
}

/// The call, and what its pointers lead to.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) stop: &'a Stop,
    pub(super) memory: &'a Memory,
}

impl Call<'_> {
    /// What it returned.
    pub(super) fn ret(self) -> i64 {
        self.stop.result.unwrap_or(0)
    }

    pub(super) fn failed(self) -> bool {
        self.ret() < 0
    }

    /// Whether its structures in memory are those of 32-bit programs.
    pub(super) fn is_compat(self) -> bool {
        self.stop.abi != Abi::X86_64
    }

    /// Argument `n`, from 0, as the register has it.
    pub(super) fn arg(self, n: usize) -> u64 {
        self.stop.args.get(n).copied().unwrap_or(0)
    }

    pub(super) fn arg32(self, n: usize) -> u32 {
        self.arg(n) as u32
    }

    /// An argument of type int.
    pub(super) fn int(self, n: usize) -> i32 {
        self.arg(n) as i32
    }

    // Memory.

    /// A structure of `N` bytes; all zero if it cannot be read.
    pub(super) fn read<const N: usize>(self, address: u64) -> [u8; N] {
        self.try_read(address).unwrap_or([0; N])
    }

    /// A structure of `N` bytes, if it can be read.
    pub(super) fn try_read<const N: usize>(self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.memory.read_exact(address, &mut bytes).then_some(bytes)
    }

    /// A number of 4 bytes that argument `n` points to; 0 if it cannot be read.
    pub(super) fn u32_at(self, n: usize) -> u32 {
        u32::from_le_bytes(self.read(self.arg(n)))
    }

    /// The struct timespec that argument `n` points to, in nanoseconds; 0 if it cannot be read. 32-bit
    /// callers have small ones before clock_gettime64(2), number 403.
    pub(super) fn timespec(self, n: usize) -> u64 {
        let (seconds, nanoseconds) = match self.stop.abi == Abi::I386 && self.stop.raw_number < 403
        {
            true => {
                let [seconds, nanoseconds] = i32s(self.read(self.arg(n)));
                (i64::from(seconds) as u64, i64::from(nanoseconds) as u64)
            }
            false => {
                let [seconds, nanoseconds] = u64s(self.read::<16>(self.arg(n)));
                (seconds, nanoseconds)
            }
        };
        seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds)
    }
}

/// The parameters of an event, in the making.
pub(super) struct Params<'a> {
    pub(super) call: Call<'a>,
    pub(super) desk: &'a mut Desk,
    pub(super) events: &'a mut Events,
    pub(super) proc: &'a mut Proc,
    /// The caller's.
    pub(super) process: &'a mut Process,
    pub(super) code: EventCode,
    /// Bytes of data that an event holds.
    pub(super) snaplen: usize,
    /// Fds that must be known before this event.
    pub(super) uses: Fds,
    /// Fds that this event tells.
    pub(super) gives: Fds,
    /// The ends of the socket that was asked last.
    pub(super) ends: Option<(i64, Option<Ends>)>,
    /// Which file the fd is that was opened, if that was asked for already.
    pub(super) opened: Option<Identity>,
    /// Whether the file that the call was to make was there before.
    pub(super) existed: Option<bool>,
    /// Opens whose path was another one when the kernel read it.
    pub(super) races: &'a mut u64,
}

impl Params<'_> {
    // Parameters.

    pub(super) fn empty(&mut self) -> &mut Self {
        self.desk.event.empty();
        self
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.desk.event.u8(value);
        self
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.desk.event.u16(value);
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.desk.event.u32(value);
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.desk.event.u64(value);
        self
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.desk.event.i64(value);
        self
    }

    /// What the call returned.
    pub(super) fn result(&mut self) -> &mut Self {
        self.i64(self.call.ret())
    }

    /// The fd that the call returned, if it did not fail.
    pub(super) fn result_fd(&mut self) -> &mut Self {
        let fd = self.call.ret();
        self.gives.push(fd);
        self.i64(fd)
    }

    /// A new fd that the call tells otherwise.
    pub(super) fn new_fd(&mut self, fd: i64) -> &mut Self {
        self.gives.push(fd);
        self.i64(fd)
    }

    /// Argument `n`: an fd that the event is about.
    pub(super) fn fd(&mut self, n: usize) -> &mut Self {
        let fd = self.call.int(n).into();
        self.uses.push(fd);
        self.i64(fd)
    }

    /// Argument `n`: an int that need not be an open fd.
    pub(super) fn num(&mut self, n: usize) -> &mut Self {
        self.i64(self.call.int(n).into())
    }

    /// Argument `n`, as it is.
    pub(super) fn arg_u32(&mut self, n: usize) -> &mut Self {
        self.u32(self.call.arg32(n))
    }

    pub(super) fn arg_u64(&mut self, n: usize) -> &mut Self {
        self.u64(self.call.arg(n))
    }

    /// The text that argument `n` points to.
    pub(super) fn path(&mut self, n: usize) -> &mut Self {
        self.text_at(self.call.arg(n))
    }

    /// Arguments `n` and `n + 1`: a directory's fd, and a path that may begin there.
    pub(super) fn path_at(&mut self, n: usize) -> &mut Self {
        let directory = self.call.int(n).into();
        self.i64(directory);
        if !self.read_text(self.call.arg(n + 1)) {
            return self.empty();
        }
        if self.desk.bytes.first() != Some(&b'/') {
            self.uses.push(directory);
        }
        self.text_read()
    }

    /// Fd `num` must be known before this event.
    pub(super) fn needs(&mut self, num: i64) {
        self.uses.push(num);
    }

    /// The text at an address.
    pub(super) fn text_at(&mut self, address: u64) -> &mut Self {
        if self.read_text(address) { self.text_read() } else { self.empty() }
    }

    /// What [`Params::read_text`] has read.
    pub(super) fn text_read(&mut self) -> &mut Self {
        self.desk.event.text(&self.desk.bytes);
        self
    }

    /// Reads a text. Whether it could be read.
    pub(super) fn read_text(&mut self, address: u64) -> bool {
        self.desk.bytes.clear();
        let len = self.call.memory.text(address, MAX_TEXT, &mut self.desk.bytes);
        self.desk.cut += u64::from(len.is_some_and(|len| len >= MAX_TEXT));
        len.is_some()
    }

    /// What was read last.
    pub(super) fn last_text(&self) -> &[u8] {
        &self.desk.bytes
    }

    /// `len` bytes at an address, or none if they cannot be read.
    pub(super) fn bytes_at(&mut self, address: u64, len: usize) -> &mut Self {
        let Desk { bytes, event, .. } = &mut *self.desk;
        bytes.clear();
        bytes.resize(len, 0);
        match len > 0 && self.call.memory.read_exact(address, bytes) {
            true => event.bytes(bytes),
            false => event.empty(),
        };
        self
    }

    /// The beginning of a buffer with `available` bytes.
    pub(super) fn data(&mut self, address: u64, available: u64) -> &mut Self {
        let len = self.limit(available);
        self.bytes_at(address, len)
    }

    /// How many of `available` bytes an event is to hold.
    pub(super) fn limit(&self, available: u64) -> usize {
        self.snaplen.min(usize::try_from(available).unwrap_or(usize::MAX))
    }

    /// Both ends of the socket that `fd` is, as they are after this call.
    pub(super) fn ends(&mut self, fd: i64) -> Option<&Ends> {
        if self.ends.as_ref().is_none_or(|(of, _)| *of != fd) {
            let ends = self.process.held_mut().and_then(|held| self.proc.ends(held, fd));
            self.ends = Some((fd, ends));
        }
        self.ends.as_ref()?.1.as_ref()
    }

    // The event.

    /// Tells what must be known before the event, then the event.
    pub(super) fn finish(&mut self) {
        let Params { desk, events, proc, process, code, call: Call { stop, .. }, .. } = self;
        let (uses, gives) = (std::mem::take(&mut self.uses), std::mem::take(&mut self.gives));
        let mut tell = tell::Teller {
            at: (stop.ts, stop.tid),
            event: &mut desk.before,
            events,
            proc,
            process,
        };
        tell.cwd();
        for fd in uses.iter() {
            tell.fd(fd, *code == EventCode::SOCKET_CONNECT_X);
        }
        for fd in gives.iter() {
            tell.given(fd, self.opened.take());
        }
        match desk.event.finish(0, 0) {
            Ok(event) => self.events.append(&event),
            Err(_) => desk.cut += 1,
        }
    }

    /// Ends this event and begins another one of the same call.
    pub(super) fn again(&mut self) -> &mut Self {
        self.finish();
        self.desk.event.start(self.call.stop.ts, self.call.stop.tid, self.code);
        self
    }

    /// A parameter made of parts.
    pub(super) fn parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        let bytes = &mut self.desk.bytes;
        bytes.clear();
        for part in parts {
            bytes.extend_from_slice(part);
        }
        self.desk.event.bytes(bytes);
        self
    }

    /// The buffer of this desk, to be given back with [`Params::put_buffer`].
    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.desk.bytes);
        bytes.clear();
        bytes
    }

    /// Writes a buffer as a parameter, and gives it back.
    pub(super) fn put_buffer(&mut self, buffer: Vec<u8>) -> &mut Self {
        self.desk.event.bytes(&buffer);
        self.desk.bytes = buffer;
        self
    }
}

/// Words of 8 bytes.
pub(super) fn u64s<const N: usize>(bytes: [u8; N]) -> [u64; 2] {
    let mut words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    [words.next().unwrap_or(0), words.next().unwrap_or(0)]
}

fn i32s(bytes: [u8; 8]) -> [i32; 2] {
    let mut words = bytes.as_chunks::<4>().0.iter().map(|word| i32::from_le_bytes(*word));
    [words.next().unwrap_or(0), words.next().unwrap_or(0)]
}

/// A number of 4 bytes in a structure.
pub(super) fn word32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

/// A number of 8 bytes in a structure.
pub(super) fn word64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
}

/// A number of 2 bytes in a structure.
pub(super) fn word16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u16::from_le_bytes(*word))
}
