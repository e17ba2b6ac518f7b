//! All processes of a host.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use falco_source::snapshot::{FdKind, Thread};

use crate::ProcError;
use crate::files::open;
use crate::host::Host;
use crate::process::{Process, Reader, Threads};
use crate::sockets::Sockets;

/// Parents that are climbed to find the first process of a pid namespace.
const ANCESTORS: usize = 64;

/// Every process, in the order of ids, and the sockets that were met.
pub(crate) fn scan(
    host: &Host,
    reader: &mut Reader,
    boot_ts: u64,
) -> Result<(Vec<Process>, Sockets), ProcError> {
    let unreadable = |error: rustix::io::Errno| ProcError::Unreadable {
        path: host.proc_path.clone(),
        error: error.into(),
    };
    let mut ids = Vec::new();
    let dir = open(&host.proc, c".").map_err(unreadable)?;
    reader.buffers.numbers(dir, usize::MAX, &mut ids).map_err(unreadable)?;
    ids.sort_unstable();

    let limits = reader.limits;
    let workers = limits.workers.clamp(1, ids.len().max(1));
    let next = AtomicUsize::new(0);
    let work = |reader: &mut Reader| {
        reader.begin(limits.threads / workers, limits.fds / workers);
        let (mut processes, mut sockets) = (Vec::new(), Sockets::default());
        while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(process) = reader.read(host, boot_ts, *id, Threads::All) {
                want_sockets(&process, &mut sockets);
                processes.push(process);
            }
        }
        (processes, sockets)
    };
    let (mut processes, sockets) = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..workers)
            .map(|_| {
                scope.spawn(|| {
                    let mut reader = Reader::new(limits);
                    (work(&mut reader), reader.counters)
                })
            })
            .collect();
        let (mut processes, mut sockets) = work(reader);
        for helper in helpers {
            // A helper that panicked would be a fault of ours: what it read is missing.
            let Ok(((more, others), counters)) = helper.join() else { continue };
            processes.extend(more);
            sockets.merge(others);
            reader.counters.add(&counters);
        }
        (processes, sockets)
    });
    processes.sort_unstable_by_key(|process| process.thread.tid);
    Ok((processes, sockets))
}

/// Notes the sockets of a process.
pub(crate) fn want_sockets(process: &Process, sockets: &mut Sockets) {
    let (Some(net), Ok(pid)) = (process.net, u64::try_from(process.thread.pid)) else { return };
    for fd in process.fds.iter().filter(|fd| fd.kind == FdKind::Unknown) {
        if let Ok(num) = u64::try_from(fd.num) {
            sockets.want(net, fd.ino, pid, num);
        }
    }
}

/// Tells all threads when the first process of their pid namespace began; the result is the same
/// by namespace. That of the host itself began with the host, as events have it.
pub(crate) fn name_inits(processes: &mut [Process], boot_ts: u64) -> HashMap<u64, u64> {
    let inits: HashMap<u64, u64> = processes
        .iter()
        .filter(|process| process.thread.vpid == 1)
        .filter_map(|process| Some((process.pid_namespace?, process.thread.clone_ts)))
        .collect();
    for process in processes {
        let start = match process.pid_namespace {
            None => boot_ts,
            Some(namespace) => inits.get(&namespace).copied().unwrap_or(0),
        };
        process.thread.pidns_init_start_ts = start;
        for other in &mut process.others {
            other.pidns_init_start_ts = start;
        }
    }
    inits
}

/// When the first process of the pid namespace of a thread began, from its ancestors; 0 if it is
/// none of them.
pub(crate) fn init_of(
    host: &Host,
    reader: &mut Reader,
    boot_ts: u64,
    namespace: u64,
    thread: &Thread,
) -> u64 {
    let (mut vpid, mut start, mut parent) = (thread.vpid, thread.clone_ts, thread.ptid);
    for _ in 0..ANCESTORS {
        if vpid == 1 {
            return start;
        }
        let Ok(id) = u64::try_from(parent) else { return 0 };
        match reader.read_birth(host, boot_ts, id) {
            Some(birth) if birth.pid_namespace == Some(namespace) => {
                (vpid, start, parent) = (birth.vpid, birth.start, birth.parent);
            }
            _ => return 0,
        }
    }
    0
}
