//! Class `fs.path`: the paths on which successful file system calls worked.

use falco_event::EventCode;
use falco_rules::value::Value;
use falco_source::ids::is_of_host;

use crate::context::Context;
use crate::fd::FdType;
use crate::fields::table::FsPath;
use crate::parse::concatenate_paths;
use crate::render::params::Text;

/// What a path field asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Name,
    Source,
    Target,
}

/// Where a call has its path.
#[derive(Clone, Copy)]
enum Place {
    /// In the parameter of this name.
    Param(&'static str),
    /// It is the descriptor's name.
    Fd,
}

impl<'a> Context<'a> {
    pub(super) fn fs_path(&self, field: FsPath) -> Option<Value<'a>> {
        let (wanted, is_raw) = match field {
            FsPath::Name => (Wanted::Name, false),
            FsPath::Nameraw => (Wanted::Name, true),
            FsPath::Source => (Wanted::Source, false),
            FsPath::Sourceraw => (Wanted::Source, true),
            FsPath::Target => (Wanted::Target, false),
            FsPath::Targetraw => (Wanted::Target, true),
        };
        let place = place(self.event.code(), wanted)?;
        if !self.changed_files() {
            return None;
        }
        let path = match place {
            Place::Param(name) => {
                let index = self.event.info().param_index(name)?;
                // gVisor tells of many calls, but not with which path: that is not the empty one.
                if !is_of_host(self.event.tid()) && self.event.param(index)?.is_empty() {
                    return None;
                }
                Text::Borrowed(self.param(index)?.text())
            }
            Place::Fd => self.fd_name(false)?,
        };
        if is_raw {
            return Some(Value::Text(path));
        }
        self.resolved(wanted, &path).map(|path| Value::Text(path.into()))
    }

    /// Whether the call succeeded. For the open family Falco asks only whether the descriptor is
    /// −1, so of the failures just EPERM is left out.
    fn changed_files(&self) -> bool {
        match self.event.code() {
            EventCode::SYSCALL_OPEN_X
            | EventCode::SYSCALL_OPENAT_2_X
            | EventCode::SYSCALL_OPENAT2_X => self.event.i64(0).is_some_and(|fd| fd != -1),
            _ => self.event.i64(0) == Some(0),
        }
    }

    /// The absolute, normalised form of a path of this event.
    fn resolved(&self, wanted: Wanted, path: &[u8]) -> Option<Vec<u8>> {
        let thread = self.thread?;
        if path.starts_with(b"/") {
            return Some(concatenate_paths(b"", path));
        }
        let directory: Text<'_> = match self.event.code() {
            EventCode::SYSCALL_OPENAT_2_X | EventCode::SYSCALL_OPENAT2_X => {
                let name = self.event_fd().map_or(&b"<UNKNOWN>"[..], |fd| &fd.name);
                return Some(concatenate_paths(b"", name));
            }
            EventCode::SYSCALL_FCHOWNAT_X
            | EventCode::SYSCALL_FCHMODAT_X
            | EventCode::SYSCALL_MKDIRAT_X
            | EventCode::SYSCALL_UNLINKAT_2_X => self.event_directory(),
            EventCode::SYSCALL_SYMLINKAT_X if wanted == Wanted::Source => self.event_directory(),
            EventCode::SYSCALL_SYMLINKAT_X => b"<UNKNOWN>"[..].into(),
            EventCode::SYSCALL_RENAMEAT2_X => {
                let dirfd = if wanted == Wanted::Target { 3 } else { 1 };
                self.directory_of(self.event.i64(dirfd)?, path)
            }
            _ => self.state.cwd(thread).into(),
        };
        Some(concatenate_paths(&directory, path))
    }

    /// The event's descriptor as a directory, ending with `/`.
    fn event_directory(&self) -> Text<'a> {
        match self.event_fd().filter(|fd| fd.ty == FdType::Directory) {
            None => b"<UNKNOWN>"[..].into(),
            Some(fd) if fd.name.is_empty() || fd.name.ends_with(b"/") => (&*fd.name).into(),
            Some(fd) => [&fd.name[..], b"/"].concat().into(),
        }
    }
}

/// Where calls have their paths. For links, source is the new name: what is there afterwards.
fn place(code: EventCode, wanted: Wanted) -> Option<Place> {
    let params: &[(Wanted, &'static str)] = match code {
        EventCode::SYSCALL_MKDIR_2_X
        | EventCode::SYSCALL_MKDIRAT_X
        | EventCode::SYSCALL_RMDIR_2_X
        | EventCode::SYSCALL_UNLINK_2_X
        | EventCode::SYSCALL_CHOWN_X
        | EventCode::SYSCALL_LCHOWN_X => &[(Wanted::Name, "path")],
        EventCode::SYSCALL_UNLINKAT_2_X
        | EventCode::SYSCALL_OPEN_X
        | EventCode::SYSCALL_OPENAT_2_X
        | EventCode::SYSCALL_OPENAT2_X
        | EventCode::SYSCALL_UMOUNT_1_X
        | EventCode::SYSCALL_UMOUNT2_X => &[(Wanted::Name, "name")],
        EventCode::SYSCALL_CHMOD_X | EventCode::SYSCALL_FCHMODAT_X => &[(Wanted::Name, "filename")],
        EventCode::SYSCALL_FCHOWNAT_X => &[(Wanted::Name, "pathname")],
        EventCode::SYSCALL_QUOTACTL_X => &[(Wanted::Name, "special")],
        EventCode::SYSCALL_FCHMOD_X | EventCode::SYSCALL_FCHOWN_X => {
            return (wanted == Wanted::Name).then_some(Place::Fd);
        }
        EventCode::SYSCALL_RENAME_X
        | EventCode::SYSCALL_RENAMEAT_X
        | EventCode::SYSCALL_RENAMEAT2_X => {
            &[(Wanted::Source, "oldpath"), (Wanted::Target, "newpath")]
        }
        EventCode::SYSCALL_LINK_2_X | EventCode::SYSCALL_LINKAT_2_X => {
            &[(Wanted::Source, "newpath"), (Wanted::Target, "oldpath")]
        }
        EventCode::SYSCALL_SYMLINK_X | EventCode::SYSCALL_SYMLINKAT_X => {
            &[(Wanted::Source, "linkpath"), (Wanted::Target, "target")]
        }
        EventCode::SYSCALL_MOUNT_X => &[(Wanted::Source, "dev"), (Wanted::Target, "dir")],
        _ => return None,
    };
    params.iter().find(|(what, _)| *what == wanted).map(|&(_, name)| Place::Param(name))
}
