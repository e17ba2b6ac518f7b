//! The vocabulary of the event table: parameter types, print formats, categories and flags.
//!
//! Numbers and names are those of libscap's `driver/ppm_events_public.h` (schema 4.x).

use bitflags::bitflags;

/// The wire type of an event parameter: libscap's `PT_*`, with the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ParamType {
    /// No value.
    None = 0,
    /// `i8`.
    Int8 = 1,
    /// `i16`.
    Int16 = 2,
    /// `i32`.
    Int32 = 3,
    /// `i64`.
    Int64 = 4,
    /// `u8`.
    Uint8 = 5,
    /// `u16`.
    Uint16 = 6,
    /// `u32`.
    Uint32 = 7,
    /// `u64`.
    Uint64 = 8,
    /// NUL-terminated text; the length includes the NUL.
    CharBuf = 9,
    /// Raw bytes.
    ByteBuf = 10,
    /// `i64`; below zero a negated `errno`.
    Errno = 11,
    /// `u8` address family and an address.
    SockAddr = 12,
    /// `u8` address family, source and destination address.
    SockTuple = 13,
    /// `i64` file descriptor.
    Fd = 14,
    /// `i64` process or thread id.
    Pid = 15,
    /// `u16` count, then as many (`i64` fd, `i16` poll flags).
    FdList = 16,
    /// NUL-terminated path.
    FsPath = 17,
    /// `u16` portable system call id (`PPM_SC_*`).
    SyscallId = 18,
    /// `u8` signal number.
    SigType = 19,
    /// `u64` duration in nanoseconds.
    RelTime = 20,
    /// `u64` nanoseconds since the epoch.
    AbsTime = 21,
    /// `u16` port.
    Port = 22,
    /// `u8` transport protocol.
    L4Proto = 23,
    /// `u8` socket family.
    SockFamily = 24,
    /// `u32`, zero or not.
    Bool = 25,
    /// 4 bytes.
    Ipv4Addr = 26,
    /// `u8` selector, then a value whose type the selector names.
    Dyn = 27,
    /// `u8` bit flags.
    Flags8 = 28,
    /// `u16` bit flags.
    Flags16 = 29,
    /// `u32` bit flags.
    Flags32 = 30,
    /// `u32` user id; `u32::MAX` is none.
    Uid = 31,
    /// `u32` group id; `u32::MAX` is none.
    Gid = 32,
    /// `f64`.
    Double = 33,
    /// `u32`, the low word of a signal set.
    SigSet = 34,
    /// In memory only: an array of texts.
    CharBufArray = 35,
    /// In memory only: an array of pairs of texts.
    CharBufPairArray = 36,
    /// IPv4 network.
    Ipv4Net = 37,
    /// 16 bytes.
    Ipv6Addr = 38,
    /// IPv6 network.
    Ipv6Net = 39,
    /// 4 or 16 bytes.
    IpAddr = 40,
    /// Address and mask.
    IpNet = 41,
    /// `u32` file mode bits.
    Mode = 42,
    /// NUL-terminated path relative to the directory that another parameter names.
    FsRelPath = 43,
    /// `u8` enumeration.
    EnumFlags8 = 44,
    /// `u16` enumeration.
    EnumFlags16 = 45,
    /// `u32` enumeration.
    EnumFlags32 = 46,
    /// `i32` file descriptor.
    Fd32 = 47,
    /// `i32` process or thread id.
    Pid32 = 48,
}

/// How a number is printed: libscap's `ppm_print_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrintFormat {
    /// Not applicable.
    Na,
    /// Decimal.
    Dec,
    /// Hexadecimal.
    Hex,
    /// Decimal, zero-padded to ten digits.
    PaddedDec,
    /// An identifier.
    Id,
    /// A direction.
    Dir,
    /// Octal.
    Oct,
}

/// A named value of a flag or enumeration parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedValue {
    /// The name that rules and output use.
    pub name: &'static str,
    /// The portable value.
    pub value: u32,
}

/// One parameter of an event.
#[derive(Clone, Copy, Debug)]
pub struct ParamInfo {
    /// Name, as in `evt.arg.<name>`.
    pub name: &'static str,
    /// Wire type.
    pub ty: ParamType,
    /// How numbers are printed.
    pub format: PrintFormat,
    /// Named values in rendering order; empty unless a flag or enumeration type.
    pub values: &'static [NamedValue],
    /// For [`ParamType::FsRelPath`]: index of the parameter that holds the directory fd.
    pub dirfd: Option<u8>,
}

/// The broad class of an event: the low part of libscap's `ppm_event_category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[allow(missing_docs)] // the variants are the category names themselves
pub enum Category {
    Unknown = 0,
    Other = 1,
    File = 2,
    Net = 3,
    Ipc = 4,
    Memory = 5,
    Process = 6,
    Sleep = 7,
    System = 8,
    Signal = 9,
    User = 10,
    Time = 11,
    Processing = 12,
    IoRead = 32,
    IoWrite = 33,
    IoOther = 34,
    Wait = 64,
    Scheduler = 128,
    Internal = 256,
}

/// Where an event comes from: the high bits of libscap's `ppm_event_category`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Origin {
    /// Unused table entries.
    None = 0,
    /// A system call.
    Syscall = 512,
    /// A kernel tracepoint.
    Tracepoint = 1024,
    /// A plugin.
    Plugin = 2048,
    /// Made by the sensor itself or by a capture writer.
    Metaevent = 4096,
    /// A BPF iterator over existing tasks and files.
    Iter = 8192,
}

bitflags! {
    /// Properties of an event type: libscap's `EF_*`, with the same bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct EventFlags: u32 {
        /// Creates a file descriptor.
        const CREATES_FD = 1;
        /// Destroys a file descriptor.
        const DESTROYS_FD = 2;
        /// Works on a file descriptor.
        const USES_FD = 4;
        /// Reads data from a file descriptor.
        const READS = 8;
        /// Writes data to a file descriptor.
        const WRITES = 16;
        /// Changes process or fd state.
        const STATE = 32;
        /// The number is reserved and never sent.
        const UNUSED = 64;
        /// Waits for something.
        const WAITS = 128;
        /// Does not reset the parser state of the thread.
        const SKIPPARSERESET = 256;
        /// Superseded by a later number.
        const OLD = 512;
        /// Parameter lengths are `u32`.
        const LARGE = 2048;
        /// Old forms are converted on read.
        const CONV = 4096;
    }
}
