//! `.scap` captures: [`CaptureReader`] replays one as a [`Source`](falco_source::Source),
//! [`CaptureWriter`] makes one.
//!
//! A capture is a pcapng-like sequence of blocks, gzip-compressed or plain: a section header, the
//! state of the machine (threads, fds, users, interfaces), then events. Where to look:
//!
//! * [`reader`]: opening, the preamble, the walk from event to event, sections after events.
//! * [`writer`]: the same in the other direction.
//! * [`blocks`]: what is inside each block, decoding beside encoding, one family a module.
//! * [`convert`]: events of older schemas become today's.
//! * `stream`, `inflate`: bytes from a mapping, a pipe or a gzip stream.
//!
//! Everything in a capture is taken for hostile: lengths are checked before they are used, memory
//! is bounded, and what is wrong is told with file, byte offset and cause. Source of the format's
//! facts: falcosecurity/libs `userspace/libscap/scap_savefile.h` and `engine/savefile/`.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod convert;
mod inflate;
pub mod reader;
mod stream;
pub mod writer;

pub use reader::CaptureReader;
pub use writer::{CaptureWriter, Compression, WriteError, append_event};
