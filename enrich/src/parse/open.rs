//! open, creat, openat, openat2 and open_by_handle_at.

use std::borrow::Cow;

use falco_event::{EventCode, RawEvent};

use super::path::{concatenate_paths_into, with_slash};
use super::{NA, Parser, text};
use crate::fd::{Fd, FdFlags, FdType, open_flags};
use crate::record::bytes;

/// `AT_FDCWD`: relative to the working directory.
const AT_FDCWD: i64 = -100;

/// What an open asked for and got.
struct Opening<'a> {
    name: &'a [u8],
    flags: u32,
    /// Directory that `name` is relative to; none if it could not be read.
    dirfd: Option<i64>,
    dev: u32,
    ino: u64,
}

impl<'e> Parser<'_, 'e> {
    pub(super) fn open(&mut self) {
        let (Some(num), Some(_)) = (self.res(), self.thread) else { return };
        if num < 0 {
            return;
        }
        if self.event.code() == EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X {
            self.open_as(num, None);
        } else {
            self.with_enter(|parser, enter| parser.open_as(num, enter));
        }
    }

    fn open_as(&mut self, num: i64, enter: Option<&RawEvent<'_>>) {
        let mut opening = self.opening();
        if let Some(enter) = enter {
            opening.prefer(enter);
        }
        let Opening { name, flags, dirfd, dev, ino } = opening;
        let mut path = std::mem::take(&mut self.state.scratch);
        concatenate_paths_into(&mut path, &self.base_directory(dirfd, name), name);
        let full = bytes(&path);
        self.state.scratch = path;

        let is_dir = flags & open_flags::DIRECTORY != 0;
        let mut fd = Fd::named(if is_dir { FdType::Directory } else { FdType::File }, full);
        fd.name_raw = if *fd.name == *name { fd.name.clone() } else { bytes(name) };
        fd.open_flags = flags;
        fd.dev = dev;
        fd.ino = ino;
        fd.flags.set(FdFlags::OVERLAY_UPPER, flags & open_flags::FD_UPPER_LAYER != 0);
        fd.flags.set(FdFlags::OVERLAY_LOWER, flags & open_flags::FD_LOWER_LAYER != 0);
        self.add_fd(num, fd);
    }

    /// What the exit event says.
    fn opening(&self) -> Opening<'e> {
        let event = self.event;
        let number = |param| event.u64(param);
        // The inode is only told where the device is.
        let file = |dev: usize| match number(dev) {
            Some(device) => (device as u32, number(dev + 1).unwrap_or(0)),
            None => (0, 0),
        };
        let (name, flags, dirfd, (dev, ino)) = match event.code() {
            EventCode::SYSCALL_CREAT_X => (1, self.creat_flags(), None, file(3)),
            EventCode::SYSCALL_OPENAT_2_X => (2, self.u32(3), event.i64(1), file(5)),
            EventCode::SYSCALL_OPENAT2_X => (2, self.u32(3), event.i64(1), file(6)),
            EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X => (3, self.u32(2), None, file(4)),
            _ => (1, self.u32(2), None, file(4)),
        };
        Opening { name: self.text(name), flags, dirfd, dev, ino }
    }

    /// creat has no flags of its own; the layer of the file comes in a parameter apart.
    fn creat_flags(&self) -> u32 {
        match self.u32(5) {
            layers if layers & 1 != 0 => open_flags::FD_UPPER_LAYER,
            layers if layers & 2 != 0 => open_flags::FD_LOWER_LAYER,
            _ => 0,
        }
    }

    /// The directory that the name of an open is relative to.
    fn base_directory(&self, dirfd: Option<i64>, name: &[u8]) -> Cow<'_, [u8]> {
        match self.event.code() {
            EventCode::SYSCALL_OPENAT_2_X | EventCode::SYSCALL_OPENAT2_X => match dirfd {
                Some(dirfd) => self.directory(dirfd, name),
                None => Cow::Borrowed(b""),
            },
            // The probe walks the mounts and gives an absolute path.
            EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X => Cow::Borrowed(b""),
            _ => Cow::Borrowed(self.cwd()),
        }
    }

    /// The working directory, ending with a slash.
    pub(super) fn cwd(&self) -> &[u8] {
        self.thread_ref().map_or(b"", |thread| self.state.cwd(thread))
    }

    /// What `name` is relative to if given with `dirfd`, ending with a slash if known.
    pub(super) fn directory(&self, dirfd: i64, name: &[u8]) -> Cow<'_, [u8]> {
        let Some(thread) = self.thread_ref() else { return Cow::Borrowed(b"<UNKNOWN>") };
        if name.first() == Some(&b'/') {
            return Cow::Borrowed(b".");
        }
        if dirfd == AT_FDCWD {
            return Cow::Borrowed(self.cwd());
        }
        match self.state.fd(thread, dirfd) {
            None => Cow::Borrowed(b"<UNKNOWN>"),
            Some(fd) if matches!(fd.name.last(), None | Some(b'/')) => Cow::Borrowed(&fd.name),
            Some(fd) => Cow::Owned(with_slash(&fd.name)),
        }
    }
}

impl<'a> Opening<'a> {
    /// Takes name, flags and directory from the enter event: the program may have changed them in
    /// the meantime (TOCTOU), and what the kernel used are those. Flags that the probe added at
    /// exit stay.
    fn prefer<'b: 'a>(&mut self, enter: &RawEvent<'b>) {
        let (dirfd, name, flags) = match enter.code() {
            EventCode::SYSCALL_OPEN_E => (None, 0, Some(1)),
            EventCode::SYSCALL_CREAT_E => (None, 0, None),
            EventCode::SYSCALL_OPENAT_2_E | EventCode::SYSCALL_OPENAT2_E => (Some(0), 1, Some(2)),
            _ => return,
        };
        let name = text(enter.param(name).unwrap_or_default());
        if name == NA {
            return;
        }
        self.name = name;
        if let Some(flags) = flags {
            let added = self.flags & !(open_flags::F_CREATED - 1);
            self.flags = enter.u64(flags).unwrap_or(0) as u32 | added;
        }
        if let Some(dirfd) = dirfd {
            self.dirfd = enter.i64(dirfd);
        }
    }
}
