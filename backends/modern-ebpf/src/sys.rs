//! The kernel's doors: `bpf(2)`, `mmap(2)` of a ring and the limit of locked memory. This is where
//! the crate's `unsafe` is, but for reading a ring ([`crate::ring`]).
//!
//! aya's own loader makes all maps of an object as they stand there, and loads each program once, for
//! one place. Here sizes depend on the machine, a program is loaded for many functions, and several are
//! verified at a time; so aya-obj parses and relocates, and these few calls do the rest.

use std::ffi::{CStr, c_char, c_void};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use aya_obj::Function;
use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_cmd, bpf_func_info, bpf_insn, bpf_line_info, bpf_map_type,
    bpf_prog_type,
};

/// What a map is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapSpec<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) flags: u32,
    /// A map as those that a map of maps shall hold.
    pub(crate) inner: Option<BorrowedFd<'a>>,
}

/// A map of the kernel, with the sizes that keep accesses inside our buffers.
#[derive(Debug)]
pub(crate) struct Map {
    fd: OwnedFd,
    key_size: usize,
    /// Bytes of a value as `bpf(2)` copies it: of all CPUs, for a per-CPU map.
    value_size: usize,
    max_entries: u32,
}

impl Map {
    pub(crate) fn create(spec: &MapSpec<'_>) -> io::Result<Self> {
        let mut attr = zeroed();
        // SAFETY: every byte of the zeroed union is initialised, and all of its fields are integers.
        let map = unsafe { &mut attr.__bindgen_anon_1 };
        map.map_type = spec.kind;
        map.key_size = spec.key_size;
        map.value_size = spec.value_size;
        map.max_entries = spec.max_entries;
        map.map_flags = spec.flags;
        if let Some(inner) = spec.inner {
            map.inner_map_fd = inner.as_raw_fd().cast_unsigned();
        }
        set_name(&mut map.map_name, spec.name);
        // SAFETY: BPF_MAP_CREATE reads the attributes only and returns a new fd.
        let fd = unsafe { bpf_fd(bpf_cmd::BPF_MAP_CREATE, &mut attr) }?;
        let per_cpu = spec.kind == bpf_map_type::BPF_MAP_TYPE_PERCPU_ARRAY as u32;
        let value = spec.value_size as usize;
        let value_size = if per_cpu { value.next_multiple_of(8) * possible_cpus()? } else { value };
        Ok(Map { fd, key_size: spec.key_size as usize, value_size, max_entries: spec.max_entries })
    }

    pub(crate) fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// Sets an element of an array.
    pub(crate) fn set(&self, index: u32, value: &[u8]) -> io::Result<()> {
        if self.key_size != size_of::<u32>() || value.len() != self.value_size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut attr = self.element(&index, value.as_ptr().addr());
        // SAFETY: the kernel reads `key_size` bytes of the index and `value_size` of the value, which
        // is what both have.
        unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM, &mut attr) }.map(|_| ())
    }

    /// Puts a map or program into an array of such.
    pub(crate) fn set_fd(&self, index: u32, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.set(index, &fd.as_raw_fd().to_ne_bytes())
    }

    /// Puts maps into an array of maps from its beginning on. All at once where the kernel can (5.14):
    /// it waits after each change until no program uses the old map any more, which takes
    /// milliseconds.
    pub(crate) fn set_fds(&self, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        if self.key_size != size_of::<u32>() || self.value_size != size_of::<i32>() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let keys: Vec<u32> = (0..).take(fds.len()).collect();
        let values: Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let mut attr = zeroed();
        // SAFETY: every byte of the zeroed union is initialised, and all of its fields are integers.
        let batch = unsafe { &mut attr.batch };
        batch.map_fd = self.raw();
        batch.keys = keys.as_ptr().addr() as u64;
        batch.values = values.as_ptr().addr() as u64;
        batch.count = keys.len() as u32;
        // SAFETY: the kernel reads `count` keys and values of the map's sizes, and writes how many
        // it took into the attributes.
        match unsafe { bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH, &mut attr) } {
            Ok(_) => Ok(()),
            Err(_) => (0..).zip(fds).try_for_each(|(index, &fd)| self.set_fd(index, fd)),
        }
    }

    /// Reads an element of an array.
    pub(crate) fn lookup(&self, index: u32, value: &mut [u8]) -> io::Result<()> {
        if self.key_size != size_of::<u32>() || value.len() != self.value_size {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut attr = self.element(&index, value.as_mut_ptr().addr());
        // SAFETY: the kernel reads `key_size` bytes of the index and writes `value_size` into the
        // value, which is what both have.
        unsafe { bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM, &mut attr) }.map(|_| ())
    }

    /// Forbids user space to change it, so that the verifier takes its values for constants.
    pub(crate) fn freeze(&self) -> io::Result<()> {
        let mut attr = zeroed();
        attr.__bindgen_anon_2.map_fd = self.raw();
        // SAFETY: the command takes the fd alone.
        unsafe { bpf(bpf_cmd::BPF_MAP_FREEZE, &mut attr) }.map(|_| ())
    }

    fn element(&self, index: &u32, value: usize) -> bpf_attr {
        let mut attr = zeroed();
        // SAFETY: every byte of the zeroed union is initialised, and all of its fields are integers.
        let element = unsafe { &mut attr.__bindgen_anon_2 };
        element.map_fd = self.raw();
        element.key = std::ptr::from_ref(index).addr() as u64;
        element.__bindgen_anon_1.value = value as u64;
        attr
    }

    fn raw(&self) -> u32 {
        self.fd.as_raw_fd().cast_unsigned()
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a tracing program hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// How: tracepoint, entry or exit of a function.
    pub(crate) how: bpf_attach_type,
    /// The id in the kernel's BTF of the tracepoint's typedef or the function.
    pub(crate) btf_id: u32,
}

/// The instructions of a program, with what belongs to them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code<'a> {
    instructions: &'a [bpf_insn],
    license: &'a CStr,
    /// Types, and the records of functions and lines that refer to them.
    debug: Option<(BorrowedFd<'a>, &'a Function)>,
}

impl<'a> Code<'a> {
    /// A function that is relocated, with those that it calls.
    pub(crate) fn of(
        function: &'a Function,
        license: &'a CStr,
        btf: Option<BorrowedFd<'a>>,
    ) -> Self {
        let debug = btf.map(|btf| (btf, function));
        Code { instructions: &function.instructions, license, debug }
    }

    /// Instructions alone.
    pub(crate) fn plain(instructions: &'a [bpf_insn], license: &'a CStr) -> Self {
        Code { instructions, license, debug: None }
    }
}

/// Loads a tracing program.
///
/// # Errors
/// What the kernel says, with the verifier's log if it was the verifier.
pub(crate) fn load_program(
    name: &str,
    code: &Code<'_>,
    target: Target,
) -> Result<OwnedFd, (io::Error, String)> {
    let (funcs, lines) = match code.debug {
        Some((_, function)) => {
            (function.func_info.func_info_bytes(), function.line_info.line_info_bytes())
        }
        None => (Vec::new(), Vec::new()),
    };
    let attempt = |log: &mut [u8]| {
        let mut attr = zeroed();
        // SAFETY: every byte of the zeroed union is initialised, and all of its fields are integers.
        let program = unsafe { &mut attr.__bindgen_anon_3 };
        program.prog_type = bpf_prog_type::BPF_PROG_TYPE_TRACING as u32;
        program.expected_attach_type = target.how as u32;
        program.attach_btf_id = target.btf_id;
        program.insns = code.instructions.as_ptr().addr() as u64;
        program.insn_cnt = code.instructions.len() as u32;
        program.license = code.license.as_ptr().addr() as u64;
        set_name(&mut program.prog_name, name);
        if let Some((btf, function)) = code.debug {
            program.prog_btf_fd = btf.as_raw_fd().cast_unsigned();
            if !funcs.is_empty() {
                program.func_info = funcs.as_ptr().addr() as u64;
                program.func_info_cnt = function.func_info.len() as u32;
                program.func_info_rec_size = size_of::<bpf_func_info>() as u32;
            }
            // Lines are for the log alone.
            if !lines.is_empty() && !log.is_empty() {
                program.line_info = lines.as_ptr().addr() as u64;
                program.line_info_cnt = function.line_info.len() as u32;
                program.line_info_rec_size = size_of::<bpf_line_info>() as u32;
            }
        }
        if !log.is_empty() {
            program.log_level = 1;
            program.log_buf = log.as_mut_ptr().addr() as u64;
            program.log_size = log.len() as u32;
        }
        // SAFETY: instructions, licence and records outlive the call and have the lengths given; the
        // log is written within its length. The command returns a new fd.
        unsafe { bpf_fd(bpf_cmd::BPF_PROG_LOAD, &mut attr) }
    };
    // The log costs time, so only a program that was refused is loaded again for it, with as much
    // room as the kernel allows: a log that does not fit hides its end, which is what matters.
    attempt(&mut []).or_else(|first| {
        if !is_verdict(&first) {
            return Err((first, String::new()));
        }
        let mut log = vec![0; MAX_LOG];
        match attempt(&mut log) {
            Ok(fd) => Ok(fd),
            Err(error) => {
                let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
                log.truncate(end);
                Err((error, String::from_utf8_lossy(&log).into_owned()))
            }
        }
    })
}

/// The largest log that kernels take (`bpf_verifier_log_attr_valid`: `UINT_MAX >> 8` before 5.18).
const MAX_LOG: usize = (u32::MAX >> 8) as usize;

/// The kernel's own "not supported" (`include/linux/errno.h`), which user space was never to see.
const ENOTSUPP: i32 = 524;

/// Whether an error can be the verifier's verdict over the program itself.
fn is_verdict(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EACCES | libc::E2BIG | libc::EFAULT | ENOTSUPP)
    )
}

/// Tells the kernel the types of an object.
pub(crate) fn load_btf(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    // SAFETY: every byte of the zeroed union is initialised, and all of its fields are integers.
    let types = unsafe { &mut attr.__bindgen_anon_7 };
    types.btf = btf.as_ptr().addr() as u64;
    types.btf_size = btf.len() as u32;
    // SAFETY: the kernel reads `btf_size` bytes and returns a new fd.
    unsafe { bpf_fd(bpf_cmd::BPF_BTF_LOAD, &mut attr) }
}

/// Attaches a loaded tracing program to its target, until the link that is returned is closed.
pub(crate) fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.raw_tracepoint.prog_fd = program.as_raw_fd().cast_unsigned();
    // SAFETY: the command takes the program alone (a name would be an old raw tracepoint's) and
    // returns a new fd.
    unsafe { bpf_fd(bpf_cmd::BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// Memory of a map, mapped into this process for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<c_void>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `len` bytes of `map` from byte `offset`.
    pub(crate) fn new(
        map: BorrowedFd<'_>,
        len: usize,
        offset: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let access = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let offset = libc::off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other memory.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, map.as_raw_fd(), offset)
        };
        match NonNull::new(start) {
            Some(start) if start.as_ptr() != libc::MAP_FAILED => Ok(Mapping { start, len }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those that mmap gave, and nobody has unmapped them.
        unsafe { libc::munmap(self.start.as_ptr(), self.len) };
    }
}

/// Asks for unlimited locked memory, of which maps and programs were taken before Linux 5.11. A
/// refusal is no error: newer kernels account them to the control group instead.
pub(crate) fn raise_memlock() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the structure is read only.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

/// Nanoseconds of a clock that every kernel with BPF has.
pub(crate) fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid and written by the call alone.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The size of a page in bytes.
pub(crate) fn page_size() -> usize {
    // SAFETY: reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// CPUs that this machine can ever have, as maps by CPU count them: one more than the highest number.
pub(crate) fn possible_cpus() -> io::Result<usize> {
    let cpus = cpu_list("/sys/devices/system/cpu/possible")?;
    Ok(cpus.last().map_or(1, |last| *last as usize + 1))
}

/// The numbers of the CPUs that run now, in order.
pub(crate) fn online_cpus() -> io::Result<Vec<u32>> {
    cpu_list("/sys/devices/system/cpu/online")
}

fn cpu_list(path: &str) -> io::Result<Vec<u32>> {
    let text = std::fs::read_to_string(path)?;
    parse_cpu_list(text.trim()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{path} is no list of CPUs: {text:?}"))
    })
}

/// A list as `0,2-5` (Linux `Documentation/admin-guide/cputopology.rst`).
fn parse_cpu_list(text: &str) -> Option<Vec<u32>> {
    // More than any kernel is built for (NR_CPUS).
    let most = 1 << 16;
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        if first > last || last >= most {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

fn set_name(to: &mut [c_char; 16], name: &str) {
    // 15 characters of those that the kernel allows, and a NUL.
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    for (to, byte) in to.iter_mut().zip(name.bytes().filter(allowed).take(15)) {
        *to = byte.cast_signed();
    }
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of integers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// # Safety
/// The attributes' pointers must be valid for what `command` does with them.
unsafe fn bpf(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i64> {
    // SAFETY: the attributes have the size given; their pointers are the caller's responsibility.
    let got = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command as u32,
            std::ptr::from_mut(attr),
            size_of::<bpf_attr>(),
        )
    };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(got) }
}

/// # Safety
/// As [`bpf`]; and `command` must be one that returns a new fd.
unsafe fn bpf_fd(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<OwnedFd> {
    // SAFETY: the caller's responsibility.
    let fd = unsafe { bpf(command, attr) }?;
    let fd = i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: a new fd that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(parse_cpu_list("0"), Some(vec![0]));
        assert_eq!(parse_cpu_list("0-3"), Some(vec![0, 1, 2, 3]));
        assert_eq!(parse_cpu_list("0,2-3,8"), Some(vec![0, 2, 3, 8]));
        for wrong in ["", "-", "a", "3-2", "0-4000000000"] {
            assert_eq!(parse_cpu_list(wrong), None, "{wrong}");
        }
        assert!(!online_cpus().unwrap().is_empty());
        assert!(possible_cpus().unwrap() >= online_cpus().unwrap().len());
    }
}
