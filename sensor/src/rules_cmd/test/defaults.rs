//! What the parameters of an event are if a test does not say: what the process, its credentials
//! and its fds make likely, and success.

use std::collections::BTreeMap;

use falco_enrich::state::State;
use falco_enrich::thread::Thread;
use falco_event::{EventCode, EventFlags, ParamInfo, ParamType};

use super::encode::{AT_FDCWD, c_text};
use super::process::INSTALLED_NS;
use super::script::{free_fd, last_socket};

/// Values that are given, by parameter.
pub struct Given(pub BTreeMap<&'static str, Vec<u8>>);

impl Given {
    fn len(&self, name: &str) -> Option<usize> {
        self.0.get(name).map(Vec::len)
    }

    fn int(&self, name: &str) -> Option<i64> {
        let bytes = self.0.get(name)?;
        falco_event::raw::read_int(bytes)
    }
}

/// All parameters of an event of type `code` by thread `tid`, in wire order.
pub fn defaults(state: &State, tid: i64, code: EventCode, given: &Given) -> Vec<Vec<u8>> {
    let thread = state.thread(tid);
    let default = |(at, param): (usize, &ParamInfo)| {
        if let Some(value) = given.0.get(param.name) {
            return value.clone();
        }
        if let Some(value) = of_program(code, param, given) {
            return value;
        }
        let of_process = thread.filter(|_| has_row(code)).and_then(|t| of_process(t, state, param));
        let usual = || thread.and_then(|t| of_call(t, state, code, at, param, given));
        of_process.or_else(usual).unwrap_or_else(|| zero(param.ty))
    };
    code.info().params.iter().enumerate().map(default).collect()
}

/// Whether the event tells of a whole process.
fn has_row(code: EventCode) -> bool {
    use EventCode as E;
    matches!(
        code,
        E::SYSCALL_CLONE_20_X
            | E::SYSCALL_CLONE3_X
            | E::SYSCALL_FORK_20_X
            | E::SYSCALL_VFORK_20_X
            | E::SYSCALL_EXECVE_19_X
            | E::SYSCALL_EXECVEAT_X
    )
}

/// What follows from the program that a successful exec names.
fn of_program(code: EventCode, param: &ParamInfo, given: &Given) -> Option<Vec<u8>> {
    use EventCode as E;
    let succeeds = given.int("res").unwrap_or(0) >= 0;
    if !succeeds || !matches!(code, E::SYSCALL_EXECVE_19_X | E::SYSCALL_EXECVEAT_X) {
        return None;
    }
    let path = given.0.get("trusted_exepath").or_else(|| given.0.get("exe"))?;
    let path = falco_event::raw::until_nul(path);
    match param.name {
        "trusted_exepath" => Some(c_text(path)),
        "comm" => {
            let name = path.rsplit(|&b| b == b'/').next()?;
            Some(c_text(name.get(..15).unwrap_or(name)))
        }
        "args" => Some(Vec::new()),
        _ => None,
    }
}

fn of_process(thread: &Thread, state: &State, param: &ParamInfo) -> Option<Vec<u8>> {
    let record = &thread.record;
    let int = |value: i64| Some(value.to_le_bytes().to_vec());
    let uint = |value: u32| Some(value.to_le_bytes().to_vec());
    let long = |value: u64| Some(value.to_le_bytes().to_vec());
    match param.name {
        "exe" => Some(c_text(&record.exe)),
        "args" => Some(record.args.to_vec()),
        "tid" => int(thread.tid),
        "pid" => int(thread.pid),
        "ptid" => int(thread.ptid),
        "cwd" => Some(c_text(state.cwd(thread))),
        "fdlimit" => int(1024),
        "comm" => Some(c_text(&record.comm)),
        "cgroups" => Some(record.cgroups.to_vec()),
        "env" => Some(state.env(thread).to_vec()),
        "tty" => uint(record.tty),
        "pgid" => int(record.pgid),
        "vpgid" => int(record.vpgid),
        "loginuid" => uint(record.loginuid),
        "uid" => uint(record.uid),
        "gid" => uint(record.gid),
        "vtid" => int(record.vtid),
        "vpid" => int(record.vpid),
        "cap_permitted" => long(record.cap_permitted),
        "cap_effective" => long(record.cap_effective),
        "exe_ino" => long(1001),
        "exe_ino_ctime" | "exe_ino_mtime" => long(INSTALLED_NS),
        "trusted_exepath" | "filename" => Some(c_text(&record.exepath)),
        _ => None,
    }
}

/// What is usual for a call; None for zero.
fn of_call(
    thread: &Thread,
    state: &State,
    code: EventCode,
    at: usize,
    param: &ParamInfo,
    given: &Given,
) -> Option<Vec<u8>> {
    use EventCode as E;
    let int = |value: i64| Some(value.to_le_bytes().to_vec());
    let data = || given.len("data").unwrap_or(0);
    let creates = code.has(EventFlags::CREATES_FD);
    match (param.name, param.ty) {
        ("fd1", ParamType::Fd) => int(free_fd(state, thread)),
        ("fd2", ParamType::Fd) => int(free_fd(state, thread) + 1),
        _ if at == 0 && matches!(code, E::SYSCALL_DUP2_X | E::SYSCALL_DUP3_X) => {
            int(given.int("newfd").unwrap_or(0))
        }
        (_, ParamType::Fd | ParamType::Errno) if at == 0 && creates && !makes_two(code) => {
            int(free_fd(state, thread))
        }
        ("res", _) if code == E::SYSCALL_SETSID_X => int(thread.tid),
        ("res", ParamType::Errno) if transfers(code) => {
            int(given.int("size").unwrap_or(data() as i64))
        }
        ("size", ParamType::Uint32) => Some((data() as u32).to_le_bytes().into()),
        ("size" | "len", ParamType::Uint64) => int(given.int("res").unwrap_or(0)),
        ("dirfd" | "olddirfd" | "newdirfd" | "linkdirfd" | "olddir" | "newdir" | "mountfd", _) => {
            int(AT_FDCWD)
        }
        ("fd", ParamType::Fd) if is_mapping(code) => int(-1),
        ("fd" | "oldfd" | "out_fd" | "fd_out" | "fdout", ParamType::Fd) => {
            int(used_fd(state, thread, code))
        }
        (_, ParamType::Fd) => int(-1),
        ("pid", ParamType::Pid) => int(thread.pid),
        ("tid", ParamType::Pid) => int(thread.tid),
        (_, ParamType::Uid) => Some(thread.record.uid.to_le_bytes().into()),
        (_, ParamType::Gid) => Some(thread.record.gid.to_le_bytes().into()),
        // Reading is what most opens are for.
        ("flags", ParamType::Flags32) if opens(code) => Some(1_u32.to_le_bytes().into()),
        ("domain", _) => Some(2_u32.to_le_bytes().into()),
        ("type", ParamType::Uint32) => Some(1_u32.to_le_bytes().into()),
        ("cap_permitted", _) => Some(thread.record.cap_permitted.to_le_bytes().into()),
        ("cap_effective", _) => Some(thread.record.cap_effective.to_le_bytes().into()),
        ("sig", ParamType::SigType) if code != E::PROCEXIT_1_E => Some(vec![15]),
        _ => None,
    }
}

fn makes_two(code: EventCode) -> bool {
    code.info().param_index("fd1").is_some()
}

fn transfers(code: EventCode) -> bool {
    code.has(EventFlags::READS.union(EventFlags::WRITES))
}

fn opens(code: EventCode) -> bool {
    use EventCode as E;
    matches!(
        code,
        E::SYSCALL_OPEN_X
            | E::SYSCALL_OPENAT_2_X
            | E::SYSCALL_OPENAT2_X
            | E::SYSCALL_OPEN_BY_HANDLE_AT_X
    )
}

fn is_mapping(code: EventCode) -> bool {
    matches!(code, EventCode::SYSCALL_MMAP_X | EventCode::SYSCALL_MMAP2_X)
}

/// The fd that a call most likely works on: the latest one, for network calls the latest socket.
fn used_fd(state: &State, thread: &Thread, code: EventCode) -> i64 {
    let latest = || state.fds(thread)?.iter().map(|(num, _)| num).max();
    let of_socket = code.info().id.starts_with("SOCKET_");
    let found = if of_socket { last_socket(state, thread) } else { latest() };
    found.unwrap_or(-1)
}

/// Zero, nothing, success.
fn zero(ty: ParamType) -> Vec<u8> {
    use ParamType as T;
    let width = match ty {
        T::Int8
        | T::Uint8
        | T::SigType
        | T::L4Proto
        | T::SockFamily
        | T::Flags8
        | T::EnumFlags8 => 1,
        T::Int16 | T::Uint16 | T::SyscallId | T::Port | T::Flags16 | T::EnumFlags16 | T::FdList => {
            2
        }
        T::Int32
        | T::Uint32
        | T::Bool
        | T::Flags32
        | T::EnumFlags32
        | T::Uid
        | T::Gid
        | T::SigSet
        | T::Mode
        | T::Fd32
        | T::Pid32 => 4,
        T::Int64 | T::Uint64 | T::Errno | T::Fd | T::Pid | T::RelTime | T::AbsTime | T::Double => 8,
        // Unreadable: what a probe sends for an address that it could not follow.
        _ => 0,
    };
    vec![0; width]
}
