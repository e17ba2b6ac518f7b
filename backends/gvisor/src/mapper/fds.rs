//! [`Fds`]: which file descriptors of a process the tables know already, and what a path of
//! gVisor's says of one that they do not.

use falco_event::EventBuilder;
use falco_event::EventCode;

/// Most file descriptors of a process that are kept account of. Others are not told by their paths.
const MAX_FDS: usize = 1024;
const WORDS: usize = MAX_FDS / 64;

/// The numbers that are known, and which of these close on exec.
#[derive(Clone, Debug, Default)]
pub(super) struct Fds {
    known: Vec<u64>,
    cloexec: Vec<u64>,
}

/// Where a number stands; none if no account is kept of it.
fn place(fd: i64) -> Option<(usize, u64)> {
    let fd = usize::try_from(fd).ok().filter(|&fd| fd < MAX_FDS)?;
    Some((fd / 64, 1 << (fd % 64)))
}

fn set(words: &mut Vec<u64>, fd: i64, on: bool) {
    let Some((word, bit)) = place(fd) else { return };
    if words.len() <= word {
        if !on {
            return;
        }
        words.resize((word + 1).min(WORDS), 0);
    }
    if on {
        words[word] |= bit;
    } else {
        words[word] &= !bit;
    }
}

impl Fds {
    /// Whether the tables know `fd`, or nothing is to be told of it.
    pub(super) fn knows(&self, fd: i64) -> bool {
        place(fd)
            .is_none_or(|(word, bit)| self.known.get(word).is_some_and(|known| known & bit != 0))
    }

    /// The tables know `fd` now.
    pub(super) fn open(&mut self, fd: i64, cloexec: bool) {
        set(&mut self.known, fd, true);
        set(&mut self.cloexec, fd, cloexec);
    }

    /// `fd` is no more.
    pub(super) fn close(&mut self, fd: i64) {
        set(&mut self.known, fd, false);
        set(&mut self.cloexec, fd, false);
    }

    /// Sets whether `fd` closes on exec.
    pub(super) fn set_cloexec(&mut self, fd: i64, on: bool) {
        set(&mut self.cloexec, fd, on);
    }

    /// All from `first` to `last` are no more.
    pub(super) fn close_range(&mut self, first: i64, last: i64) {
        for fd in first.max(0)..=last.min(MAX_FDS as i64 - 1) {
            self.close(fd);
        }
    }

    /// Another program runs.
    pub(super) fn exec(&mut self) {
        for (known, cloexec) in self.known.iter_mut().zip(&self.cloexec) {
            *known &= !cloexec;
        }
        self.cloexec.clear();
    }
}

const S_IFMT: u16 = 0o170_000;
const S_IFDIR: u16 = 0o040_000;
const S_IFCHR: u16 = 0o020_000;
const S_IFIFO: u16 = 0o010_000;
const S_IFSOCK: u16 = 0o140_000;
/// Portable `O_DIRECTORY`.
const O_DIRECTORY: u32 = 1024;

/// An event that puts an fd into the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// A file, or whatever has a name.
    Named { path: &'a [u8], is_dir: bool },
    /// One end of a pipe.
    Pipe { ino: u64 },
    /// Of the event that makes such an fd.
    Special(EventCode),
}

impl<'a> Opened<'a> {
    /// What `path` (`fd_path` of a message, or of a dump of processes) and `mode` (`st_mode`; 0 is
    /// unknown) say of an fd. None if that is nothing: errors, and sockets, of which only a number
    /// is told.
    pub(super) fn of(path: &'a [u8], mode: u16) -> Option<Self> {
        let number = |prefix: &[u8]| {
            let digits = path.strip_prefix(prefix)?.strip_suffix(b"]")?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        if path.is_empty() || path.starts_with(b"[err: ") || path.starts_with(b"socket:") {
            return None;
        }
        if mode & S_IFMT == S_IFSOCK {
            return None;
        }
        if let Some(ino) = number(b"pipe:[") {
            return Some(Opened::Pipe { ino });
        }
        if mode & S_IFMT == S_IFIFO {
            return Some(Opened::Pipe { ino: number(b"host:[").unwrap_or(0) });
        }
        let special = path.strip_prefix(b"anon_inode:[").and_then(|kind| kind.strip_suffix(b"]"));
        Some(match special {
            Some(b"timerfd") => Opened::Special(EventCode::SYSCALL_TIMERFD_CREATE_X),
            Some(b"signalfd") => Opened::Special(EventCode::SYSCALL_SIGNALFD4_X),
            Some(b"inotify") => Opened::Special(EventCode::SYSCALL_INOTIFY_INIT1_X),
            Some(b"eventfd") => Opened::Special(EventCode::SYSCALL_EVENTFD2_X),
            Some(b"eventpoll") => Opened::Special(EventCode::SYSCALL_EPOLL_CREATE1_X),
            _ => Opened::Named { path, is_dir: mode & S_IFMT == S_IFDIR },
        })
    }

    /// Its event.
    pub(super) fn code(self) -> EventCode {
        match self {
            // The one whose path is taken as it is: those of other opens are relative to where the
            // process is, which names like `host:[1]` are not.
            Opened::Named { .. } => EventCode::SYSCALL_OPEN_BY_HANDLE_AT_X,
            Opened::Pipe { .. } => EventCode::SYSCALL_PIPE_X,
            Opened::Special(code) => code,
        }
    }

    /// The parameters of its event.
    pub(super) fn fill(self, fd: i64, b: &mut EventBuilder) {
        match self {
            Opened::Named { path, is_dir } => {
                let flags = if is_dir { O_DIRECTORY } else { 0 };
                b.i64(fd).i64(-1).u32(flags).text(super::texts::path(path)).empty().empty();
            }
            Opened::Pipe { ino } => {
                b.i64(0).i64(fd).i64(fd).u64(ino);
            }
            Opened::Special(code) => {
                b.i64(fd);
                // Nothing is known of how it was made.
                for _ in 1..code.info().params.len() {
                    b.empty();
                }
            }
        }
    }
}

/// Whether a standard stream of these properties is a terminal: one of the sandbox's, or of the host,
/// by its permissions (those of devpts, where other character devices are for everybody).
pub(super) fn is_terminal(path: &[u8], mode: u16) -> bool {
    let is_host = path.starts_with(b"host:[") && matches!(mode & 0o777, 0o620 | 0o600);
    mode & S_IFMT == S_IFCHR
        && (is_host || path.starts_with(b"/dev/pts/") || path.starts_with(b"/dev/tty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_account_of_within_bounds() {
        let mut fds = Fds::default();
        assert!(!fds.knows(3) && !fds.knows(1023));
        // Nothing is told of these.
        assert!(fds.knows(-1) && fds.knows(1024) && fds.knows(i64::MAX));
        fds.open(3, false);
        fds.open(70, true);
        fds.open(i64::MAX, true);
        assert!(fds.knows(3) && fds.knows(70));
        fds.exec();
        assert!(fds.knows(3) && !fds.knows(70));
        fds.close(3);
        assert!(!fds.knows(3));
        fds.open(5, false);
        fds.set_cloexec(5, true);
        fds.open(6, false);
        fds.exec();
        assert!(!fds.knows(5) && fds.knows(6));
        fds.close_range(-5, i64::MAX);
        assert!(!fds.knows(6));
    }

    #[test]
    fn paths_say_what_an_fd_is() {
        let named = |path| Some(Opened::Named { path, is_dir: false });
        assert_eq!(Opened::of(b"/etc/passwd", 0o100_644), named(b"/etc/passwd"));
        assert_eq!(Opened::of(b"/x (deleted)", 0), named(b"/x (deleted)"));
        assert_eq!(Opened::of(b"host:[3]", 0o020_666), named(b"host:[3]"));
        assert_eq!(Opened::of(b"host:[3]", 0o010_600), Some(Opened::Pipe { ino: 3 }));
        assert_eq!(Opened::of(b"pipe:[12]", 0), Some(Opened::Pipe { ino: 12 }));
        assert_eq!(
            Opened::of(b"/dir", 0o040_755),
            Some(Opened::Named { path: b"/dir", is_dir: true })
        );
        let timer = Opened::of(b"anon_inode:[timerfd]", 0);
        assert_eq!(timer.map(Opened::code), Some(EventCode::SYSCALL_TIMERFD_CREATE_X));
        for nothing in ["", "[err: FD not found]", "[err: no FD table]", "socket:[3]"] {
            assert_eq!(Opened::of(nothing.as_bytes(), 0), None, "{nothing}");
        }
    }

    #[test]
    fn terminals_are_told_by_their_devices() {
        assert!(is_terminal(b"host:[1]", 0o020_620) && is_terminal(b"/dev/pts/0", 0o020_620));
        // /dev/null of the host; a pipe; a file.
        assert!(!is_terminal(b"host:[3]", 0o020_666) && !is_terminal(b"host:[3]", 0o010_600));
        assert!(!is_terminal(b"/dev/pts/0", 0o100_620));
    }
}
