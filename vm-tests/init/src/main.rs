//! The first process of a virtual machine that `cargo xtask vm` starts: makes a usable system of the
//! files that were unpacked into memory, runs the steps of a plan one after the other, and reports.
//!
//! * `ttyS0` is the kernel's log.
//! * `ttyS1` is what the steps print.
//! * `ttyS2` is the report, a line for each thing that happened: what `xtask/src/vm/qemu.rs` reads.
//!
//! The plan is `/vm/plan`, a line each, words parted by tabs: `module FILE`, `env KEY VALUE`,
//! `folder PATH`, and `step SECONDS PROGRAM ARGUMENT…`, which runs with the environment and in the
//! folder that were named last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

/// What is mounted: file system, where, and options. What a kernel lacks is skipped. `/tmp` is not:
/// files of the guest may lie there.
const MOUNTS: [(&str, &str, &str); 9] = [
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("devtmpfs", "/dev", ""),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666"),
    ("mqueue", "/dev/mqueue", ""),
    ("tmpfs", "/run", "mode=755"),
    ("cgroup2", "/sys/fs/cgroup", ""),
    ("bpf", "/sys/fs/bpf", ""),
];

/// QEMU's isa-debug-exit as `xtask` places it: a write of n ends QEMU with 2 n + 1.
const DEBUG_EXIT_PORT: u64 = 0xf4;

fn main() {
    // Whatever fails is in the report; a first process must not return.
    if let Err(error) = run() {
        let _ = writeln!(io::stderr(), "vm-init: {error}");
    }
    let _ = OpenOptions::new()
        .write(true)
        .open("/dev/port")
        .map(|port| port.write_at(&[0], DEBUG_EXIT_PORT));
    // A kernel that is locked down has no ports.
    let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
    loop {
        sleep(Duration::from_secs(1));
    }
}

fn run() -> io::Result<()> {
    for (kind, place, options) in MOUNTS {
        let _ = fs::create_dir_all(place);
        let options = std::ffi::CString::new(options)?;
        if let Err(error) = mount(kind, place, kind, MountFlags::empty(), options.as_c_str()) {
            let _ = writeln!(io::stderr(), "vm-init: {place}: {error}");
        }
    }
    let _ = rustix::system::sethostname(b"vm");
    let _ = loopback_up();

    let output = serial("/dev/ttyS1")?;
    let mut report = serial("/dev/ttyS2")?;
    let plan = fs::read_to_string("/vm/plan")?;
    let result = steps(&plan, &output, &mut report);
    if let Err(error) = &result {
        writeln!(report, "error {error}")?;
    }
    tcdrain(&output)?;
    writeln!(report, "done")?;
    tcdrain(&report)?;
    result
}

/// Opens a serial line for bytes as they are.
fn serial(path: &str) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut settings = tcgetattr(&file)?;
    settings.make_raw();
    tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file)
}

fn steps(plan: &str, output: &File, report: &mut File) -> io::Result<()> {
    let uptime = fs::read_to_string("/proc/uptime")?;
    writeln!(report, "start {}", uptime.split(' ').next().unwrap_or_default())?;
    for (name, file) in [("release", "osrelease"), ("version", "version")] {
        let value = fs::read_to_string(format!("/proc/sys/kernel/{file}"))?;
        writeln!(report, "{name} {}", value.trim())?;
    }
    let mut environment: Vec<(&str, &str)> = Vec::new();
    let mut folder = "/";
    let mut number = 0;
    for line in plan.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words.as_slice() {
            ["module", file] => {
                load_module(file).map_err(|e| io::Error::other(format!("module {file}: {e}")))?
            }
            ["env", key, value] => environment.push((key, value)),
            ["folder", path] => folder = path,
            ["step", seconds, program, arguments @ ..] => {
                let limit = seconds.parse().map_or(Duration::MAX, Duration::from_secs);
                let mut command = Command::new(program);
                command.args(arguments).current_dir(folder).env_clear();
                command.envs(environment.iter().copied());
                command
                    .stdin(Stdio::null())
                    .stdout(output.try_clone()?)
                    .stderr(output.try_clone()?);
                writeln!(report, "begin {number}")?;
                let begin = Instant::now();
                let end = match command.process_group(0).spawn() {
                    Ok(child) => wait_for(child.id(), limit),
                    Err(error) => format!("refused {error}"),
                };
                tcdrain(output)?;
                writeln!(report, "end {number} {:.2} {end}", begin.elapsed().as_secs_f64())?;
                number += 1;
            }
            _ => return Err(io::Error::other(format!("not a line of a plan: {line}"))),
        }
    }
    Ok(())
}

/// Waits for `child`, taking in whatever else ends meanwhile, and says how it ended.
fn wait_for(child: u32, limit: Duration) -> String {
    let begin = Instant::now();
    let mut ended: Option<WaitStatus> = None;
    while ended.is_none() {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == child => {
                ended = Some(status)
            }
            Ok(Some(_)) => {}
            Ok(None) if begin.elapsed() > limit => {
                if let Some(group) = Pid::from_raw(child.cast_signed()) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                return "timeout".to_owned();
            }
            Ok(None) => sleep(Duration::from_millis(10)),
            Err(error) => return format!("lost {error}"),
        }
    }
    match ended.map(|s| (s.exit_status(), s.terminating_signal())) {
        Some((Some(code), _)) => format!("code {code}"),
        Some((None, Some(signal))) => format!("signal {signal}"),
        _ => "lost".to_owned(),
    }
}

fn load_module(path: &str) -> io::Result<()> {
    match rustix::system::finit_module(&File::open(path)?, c"", 0) {
        Err(rustix::io::Errno::EXIST) => Ok(()),
        result => result.map_err(io::Error::from),
    }
}

/// Brings the loopback interface up, as `ip link set lo up` does: netdevice(7).
fn loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: ifreq is plain bytes, for which zeroes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l'.cast_signed(), b'o'.cast_signed()]);
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an ifreq, which `request` is; the socket is open.
    match unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
