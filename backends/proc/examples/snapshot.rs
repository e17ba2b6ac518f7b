//! Prints what a snapshot tells: `cargo run -p falco-proc --example snapshot -- [HOST_ROOT [TID]]`.
#![allow(clippy::print_stdout)] // its output is what it is for

use std::time::Instant;

use falco_proc::{Proc, ProcError};
use falco_source::lookup::ThreadLookup;
use falco_source::snapshot::{Fd, FdKind, Thread};

fn main() -> Result<(), ProcError> {
    let mut arguments = std::env::args().skip(1);
    let mut proc = Proc::new(arguments.next().unwrap_or_else(|| "/".to_owned()));
    let start = Instant::now();
    let snapshot = proc.snapshot()?;
    let took = start.elapsed();
    if let Some(tid) = arguments.next().and_then(|tid| tid.parse().ok()) {
        match proc.thread(tid) {
            Some(found) => print(&found.thread, &found.fds),
            None => println!("there is no thread {tid}"),
        }
    } else {
        println!("{:?}", snapshot.machine);
        snapshot.interfaces.iter().for_each(|interface| println!("{interface:?}"));
        println!("{} users, {} groups", snapshot.users.len(), snapshot.groups.len());
        for thread in &snapshot.threads {
            let fds = snapshot.fds.iter().find(|(tid, _)| *tid == thread.tid);
            print(thread, fds.map_or(&[], |(_, fds)| fds));
        }
    }
    println!("{took:.1?}, {:?}", proc.counters());
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\0', "|")
}

fn print(thread: &Thread, fds: &[Fd]) {
    let list = |bytes: &[u8]| text(bytes.strip_suffix(b"\0").unwrap_or(bytes));
    let Thread { tid, pid, ptid, sid, pgid, vpgid, vtid, vpid, .. } = thread;
    println!("{tid} {}: {} {}", text(&thread.comm), text(&thread.exe), list(&thread.args));
    println!("  pid={pid} ptid={ptid} sid={sid} pgid={pgid} vpgid={vpgid} vtid={vtid} vpid={vpid}");
    let Thread { uid, gid, ruid_suid, loginuid, tty, flags, fdlimit, .. } = thread;
    println!("  uid={uid} gid={gid} ruid_suid={ruid_suid:?} loginuid={loginuid} tty={tty:#x}");
    println!("  flags={flags:#x} fdlimit={fdlimit} start={}", thread.clone_ts);
    let Thread { exe_ino, exe_ino_ctime, exe_ino_mtime, pidns_init_start_ts, .. } = thread;
    println!("  exepath={} ino={exe_ino}", text(&thread.exepath));
    println!("  ctime={exe_ino_ctime} mtime={exe_ino_mtime} pidns={pidns_init_start_ts}");
    let Thread { exe_writable, exe_upper_layer, exe_lower_layer, exe_from_memfd, .. } = thread;
    println!(
        "  writable={exe_writable} upper={exe_upper_layer} lower={exe_lower_layer} \
         memfd={exe_from_memfd}"
    );
    println!("  cwd={} root={}", text(&thread.cwd), text(&thread.root));
    println!("  cgroups={}", list(&thread.cgroups));
    println!("  env={}", list(&thread.env));
    let Thread { cap_inheritable, cap_permitted, cap_effective, .. } = thread;
    println!("  capabilities={cap_inheritable:#x} {cap_permitted:#x} {cap_effective:#x}");
    let Thread { vmsize_kb, vmrss_kb, vmswap_kb, pfmajor, pfminor, .. } = thread;
    println!("  vm={vmsize_kb} {vmrss_kb} {vmswap_kb} kB, faults={pfmajor} {pfminor}");
    for Fd { num, ino, kind } in fds {
        match kind {
            FdKind::File { name, open_flags, dev } => {
                println!("  fd {num}: file {} ino={ino} dev={dev:#x} {open_flags:#x}", text(name));
            }
            FdKind::Directory { name } => {
                println!("  fd {num}: directory {} ino={ino}", text(name))
            }
            FdKind::Unix { name, .. } => println!("  fd {num}: unix {} ino={ino}", text(name)),
            FdKind::Named { scap_type, name } => {
                println!("  fd {num}: type {scap_type} {} ino={ino}", text(name));
            }
            other => println!("  fd {num}: {other:?} ino={ino}"),
        }
    }
}
