//! The system calls of this host, seen through eBPF.
//!
//! [`ModernEbpf`] is the source. How it comes about, and what it does:
//!
//! * `host`: what this machine has and allows; what to do if it does not.
//! * `parts`: puts together what follows.
//! * `plan`: which programs the wanted calls need, and where they hang.
//! * `kernel_btf`, `object`, `load`: the probe (`probe/`, C, compiled by `build.rs`) is made fit for the
//!   running kernel and verified, program by program. aya-obj reads and relocates it.
//! * `shared`: what the probe and this crate agree on.
//! * `ring`, `merge`, `pace`, `clock`: events are lent from the ring buffers as they lie there, in the
//!   order of time.
//! * [`coverage`]: which of the wanted events are seen, and why others are not.
//! * `sys`: the system calls for all that, and, with `ring`, the `unsafe` of this crate.

mod clock;
pub mod coverage;
mod host;
pub mod kernel_btf;
mod load;
mod merge;
mod object;
mod pace;
mod parts;
mod plan;
mod ring;
mod shared;
mod source;
mod sys;

use std::error::Error;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use coverage::Coverage;
use host::Host;
pub use source::ModernEbpf;

/// Why there can be no source.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EbpfError {
    /// The kernel, or what is allowed here, does not suffice.
    #[error("{what}; {fix}")]
    Unsupported {
        /// What is missing.
        what: String,
        /// What to do about it.
        fix: String,
    },
    /// A map could not be made or written.
    #[error("cannot make eBPF map {name}: {error}")]
    Map {
        /// Its name in the probe.
        name: String,
        /// The refusal.
        #[source]
        error: io::Error,
    },
    /// There is no memory for ring buffers.
    #[error(
        "cannot make ring buffers of {bytes} bytes: {error}; choose a smaller \
         engine.modern_ebpf.buf_size_preset, or more CPUs a buffer (cpus_for_each_buffer)"
    )]
    Rings {
        /// Bytes of each.
        bytes: u32,
        /// The refusal.
        #[source]
        error: io::Error,
    },
    /// The kernel's types cannot be read.
    #[error("cannot read the types of this kernel: {0}")]
    Kernel(#[from] kernel_btf::BtfError),
    /// The probe does not fit this kernel, or this crate: a bug.
    #[error("the eBPF probe cannot be used: {0}; please report this with the kernel's release")]
    Probe(String),
}

impl EbpfError {
    fn probe(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        EbpfError::Probe(text)
    }

    fn map(name: &str, error: io::Error) -> Self {
        EbpfError::Map { name: name.to_owned(), error }
    }

    fn rings(bytes: u32, error: io::Error) -> Self {
        EbpfError::Rings { bytes, error }
    }

    /// A refusal of a map for want of rights says which.
    fn explained(self, host: &Host) -> Self {
        match self {
            EbpfError::Map { name, error } if error.kind() == io::ErrorKind::PermissionDenied => {
                host.explain(&format!("map {name} is refused: {error}"), &error)
            }
            other => other,
        }
    }
}

/// How programs are attached to system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AttachMode {
    /// Per system call where the kernel can, else as [`AttachMode::SysExit`].
    #[default]
    Auto,
    /// One dispatcher on the tracepoints of all system calls.
    SysExit,
    /// A trampoline on the function of each wanted system call.
    PerSyscall,
}

/// What to see, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Portable ids (`PPM_SC_*`) of the calls to deliver, the tracepoints that count as calls included.
    pub syscalls: Vec<u16>,
    /// Size of each ring buffer in bytes; rounded up to a power of two of pages.
    pub buffer_bytes: u64,
    /// How many CPUs share one ring; 0: all of them.
    pub cpus_per_buffer: u16,
    /// Whether the kernel drops the exit events of failed calls.
    pub drop_failed_exit: bool,
    /// How many bytes of a buffer (of read, write, sendto …) an event carries.
    pub snaplen: u32,
    /// How to attach.
    pub attach: AttachMode,
    /// Where the host's root is mounted (`HOST_ROOT`): its `proc` is read at start.
    pub host_root: PathBuf,
}

impl Default for Options {
    /// Falco's defaults: rings of 8 MiB for two CPUs each, 80 bytes of buffers; no calls.
    fn default() -> Self {
        Options {
            syscalls: Vec::new(),
            buffer_bytes: 8 << 20,
            cpus_per_buffer: 2,
            drop_failed_exit: false,
            snaplen: 80,
            attach: AttachMode::Auto,
            host_root: PathBuf::from("/"),
        }
    }
}
