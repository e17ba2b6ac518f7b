//! What is inside the blocks of a capture: pure functions between bytes and the vocabulary of
//! [`falco_source::snapshot`]. Decoding stands beside encoding, one family of blocks a module.
//!
//! Nothing here reads files. A block is `u32` type, `u32` length of the whole block, a body, zeros
//! up to a multiple of four, and the length again; all numbers are little-endian. The functions
//! below see bodies (padding included). Since format 1.2 the types are frozen: new fields are
//! appended to an entry and found through the entry's length.

pub mod additions;
pub(crate) mod cursor;
pub mod event;
pub mod fds;
pub mod interfaces;
pub mod machine;
pub mod processes;
pub mod section;
pub mod users;

pub use cursor::Malformed;

/// Bytes of a block's type and length.
pub const HEADER_LEN: usize = 8;
/// Bytes of the length at a block's end.
pub const TRAILER_LEN: usize = 4;
/// Most entries of one kind (threads, fds, users, …) in a section. More than Linux can have
/// threads (`PID_MAX_LIMIT`); a bound on what a hostile capture makes us allocate.
pub const MAX_ENTRIES: usize = 1 << 22;

/// What a block holds, by its type. The types named `0x8…ABCD` were used before the format's
/// first release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The begin of a capture.
    Section,
    /// The machine.
    Machine,
    /// Threads, in entries of this version (1 to 9).
    Processes(u8),
    /// Fds of one thread; whether entries tell their length (version 2).
    Fds {
        /// Entries begin with their length.
        sized: bool,
    },
    /// Interfaces; whether entries tell their length (version 2).
    Interfaces {
        /// Entries begin with their length.
        sized: bool,
    },
    /// Users and groups; whether entries tell their length (version 2).
    Users {
        /// Entries begin with their length.
        sized: bool,
    },
    /// What this program knows beside all that.
    Additions,
    /// An event.
    Event(event::Form),
    /// Something of a newer format.
    Unknown,
}

impl Kind {
    /// The kind of a block type.
    #[inline]
    pub fn of(block_type: u32) -> Kind {
        use event::Form;
        match block_type {
            0x216 => Kind::Event(Form::V2),
            0x217 => Kind::Event(Form::V2_FLAGS),
            0x221 => Kind::Event(Form::V2_LARGE),
            0x222 => Kind::Event(Form::V2_LARGE_FLAGS),
            0x204 | 0x8010_ABCD => Kind::Event(Form::V1),
            0x208 => Kind::Event(Form::V1_FLAGS),
            section::TYPE => Kind::Section,
            machine::TYPE | 0x8002_ABCD => Kind::Machine,
            0x202 | 0x8000_ABCD => Kind::Processes(1),
            0x207 | 0x8013_ABCD => Kind::Processes(2),
            0x209 | 0x8014_ABCD => Kind::Processes(3),
            0x210 => Kind::Processes(4),
            0x211 => Kind::Processes(5),
            0x212 => Kind::Processes(6),
            0x213 => Kind::Processes(7),
            0x214 => Kind::Processes(8),
            processes::TYPE => Kind::Processes(9),
            0x203 | 0x8001_ABCD => Kind::Fds { sized: false },
            fds::TYPE => Kind::Fds { sized: true },
            0x205 | 0x8011_ABCD => Kind::Interfaces { sized: false },
            interfaces::TYPE => Kind::Interfaces { sized: true },
            0x206 | 0x8012_ABCD => Kind::Users { sized: false },
            users::TYPE => Kind::Users { sized: true },
            additions::TYPE => Kind::Additions,
            _ => Kind::Unknown,
        }
    }
}

/// Refuses a list that has grown beyond [`MAX_ENTRIES`].
fn limit<T>(entries: &[T], at: usize, what: &str) -> Result<(), Malformed> {
    if entries.len() < MAX_ENTRIES {
        return Ok(());
    }
    Err(Malformed::new(at, format!("more than {MAX_ENTRIES} {what}")))
}
