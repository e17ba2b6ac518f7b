//! Boots a kernel under QEMU and hears from the guest's first process (`vm-tests/init`) how the steps
//! of a plan went.
//!
//! The processor is emulated (TCG), since a machine of a CI has seldom KVM to lend: a boot takes five
//! to ten seconds. QEMU is of version 10, in which all kernels boot: 7.2 loses one in ten boots of
//! 6.12 to faults of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::kernel::Kernel;
use crate::debian::{Apt, Suite};
use crate::{Result, process};

/// Boots whose guest never came to its first step are not the fault of what is tested.
const TRIES: usize = 3;

/// How long the way to the first step may take: it takes a tenth of that, on an idle machine.
const BOOT: Duration = Duration::from_secs(100);

/// The kernel's command line: quiet, without what costs time, and dead at once when it fails.
const COMMAND_LINE: &str = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off nokaslr \
    no_timer_check clocksource=hpet apparmor=0 selinux=0 audit=0 random.trust_cpu=on cryptomgr.notests";

/// Lines of the kernel's log that are shown after a panic.
const TAIL: usize = 40;

/// QEMU, ready to run.
pub struct Qemu {
    program: PathBuf,
    arguments: Vec<String>,
}

/// What came of a plan in a guest.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// `uname -r` and `uname -v`.
    pub release: String,
    /// See `release`.
    pub version: String,
    /// Seconds from power-on to the first step.
    pub boot: f64,
    /// How each step ended that did, and after how many seconds.
    pub steps: Vec<(End, f64)>,
    /// What the guest's first process had to say against the plan.
    error: Option<String>,
    /// Every step had its turn.
    done: bool,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// Otherwise, in words.
    Other(String),
}

impl Qemu {
    /// QEMU of Debian 13 with all of its libraries, fetched into `cache` unless it is there; without
    /// apt, that of the PATH.
    pub fn get(cache: &Path) -> Result<Self> {
        let root = cache.join("qemu");
        if !root.is_dir() {
            if process::find("apt-get").is_none()
                && let Some(program) = process::find("qemu-system-x86_64")
            {
                return Ok(Qemu { program, arguments: Vec::new() });
            }
            println!("fetching QEMU");
            let apt = Apt::open(cache, Suite { name: "trixie", archive: "debian" })?;
            apt.unpack_with_dependencies("qemu-system-x86", &root)
                .map_err(|why| format!("QEMU cannot be downloaded: {why}"))?;
        }
        // Its own loader and libraries: this machine's may be older.
        let inside = |path: &str| root.join(path).display().to_string();
        let arguments = vec![
            "--library-path".into(),
            inside("usr/lib/x86_64-linux-gnu"),
            inside("usr/bin/qemu-system-x86_64"),
            "-L".into(),
            inside("usr/share/qemu"),
            "-L".into(),
            inside("usr/share/seabios"),
        ];
        Ok(Qemu { program: root.join("usr/lib64/ld-linux-x86-64.so.2"), arguments })
    }

    /// Boots `kernel` with the archive `initrd`, whose plan may take `limit`. What the steps print
    /// goes to stdout.
    ///
    /// # Errors
    /// If the guest did not come to the end of its plan: with the tail of the kernel's log.
    pub fn boot(&self, kernel: &Kernel, initrd: &Path, limit: Duration) -> Result<Report> {
        let (log, heard) = (initrd.with_extension("log"), initrd.with_extension("report"));
        let mut last = String::new();
        for _ in 0..TRIES {
            let ended = self.run(kernel, initrd, &log, &heard, limit)?;
            let report = Report::parse(&fs::read_to_string(&heard).unwrap_or_default());
            match report {
                Some(report) if report.done && report.error.is_none() => return Ok(report),
                Some(report) => return Err(report.broken(&ended, &tail(&log))),
                None => {
                    last =
                        format!("the guest never came to its first step ({ended})\n{}", tail(&log));
                    eprintln!("{}: {last}", kernel.name);
                }
            }
        }
        Err(format!("{last}\nafter {TRIES} tries"))
    }

    /// Runs QEMU once and says how that ended.
    fn run(
        &self,
        kernel: &Kernel,
        initrd: &Path,
        log: &Path,
        heard: &Path,
        limit: Duration,
    ) -> Result<String> {
        for file in [log, heard] {
            fs::write(file, "").map_err(|e| format!("{}: {e}", file.display()))?;
        }
        let mut qemu = Command::new(&self.program);
        qemu.args(&self.arguments);
        qemu.args([
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-M",
            "q35",
            "-m",
            "2048",
            "-smp",
            "2",
        ]);
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-nic",
            "none",
            "-no-reboot",
        ]);
        qemu.arg("-serial").arg(format!("file:{}", log.display()));
        qemu.args(["-serial", "stdio"]);
        qemu.arg("-serial").arg(format!("file:{}", heard.display()));
        qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"]);
        qemu.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initrd);
        qemu.args(["-append", COMMAND_LINE]);
        qemu.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = qemu.spawn().map_err(|e| process::refused(&qemu, &e))?;
        let output = child.stdout.take().ok_or("no stdout")?;
        let name = kernel.name.clone();
        let printer = std::thread::spawn(move || print(BufReader::new(output), &name));
        let ended = watch(&mut child, heard, limit);
        // Its pipe is closed now: the printer ends as well.
        let _ = printer.join();
        ended
    }
}

/// Prints lines as they come, behind the kernel's name; what is not UTF-8 is replaced.
fn print(mut from: impl BufRead, name: &str) {
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
        println!("{name} | {}", String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

/// Waits for QEMU; ends it when the guest takes too long to start, or for its plan.
fn watch(child: &mut Child, heard: &Path, limit: Duration) -> Result<String> {
    let begin = Instant::now();
    let mut started = false;
    loop {
        if let Some(status) = child.try_wait().map_err(|e| format!("cannot wait for QEMU: {e}"))? {
            return Ok(format!("QEMU: {status}"));
        }
        started = started || fs::metadata(heard).is_ok_and(|m| m.len() > 0);
        let allowed = if started { BOOT + limit } else { BOOT };
        if begin.elapsed() > allowed {
            // It may have ended in this moment, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(format!("QEMU was ended after {} s", allowed.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The end of the kernel's log.
fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    format!("the kernel's log ends:\n{}", lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

impl Report {
    /// Reads what the guest's first process reported; none if it never came so far.
    fn parse(text: &str) -> Option<Report> {
        let mut report = Report::default();
        let mut started = false;
        for line in text.lines() {
            let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
            match word {
                "start" => {
                    started = true;
                    report.boot = rest.parse().unwrap_or_default();
                }
                "release" => report.release = rest.into(),
                "version" => report.version = rest.into(),
                "end" => {
                    let mut words = rest.splitn(3, ' ').skip(1);
                    let seconds = words.next().and_then(|s| s.parse().ok()).unwrap_or_default();
                    let end = words.next().unwrap_or_default();
                    let code = end.strip_prefix("code ").and_then(|c| c.parse().ok());
                    report
                        .steps
                        .push((code.map_or_else(|| End::Other(end.into()), End::Code), seconds));
                }
                "error" => report.error = Some(rest.into()),
                "done" => report.done = true,
                _ => {}
            }
        }
        started.then_some(report)
    }

    /// Why this is no report of a whole plan.
    fn broken(&self, ended: &str, tail: &str) -> String {
        match &self.error {
            Some(error) => format!("the plan failed in the guest: {error}"),
            None => {
                format!("{} died in step {} ({ended})\n{tail}", self.release, self.steps.len() + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let text = "start 3.51\nrelease 6.1.0\nversion #1 SMP\nbegin 0\nend 0 1.25 code 101\nbegin 1\n\
                    end 1 2.00 signal 11\ndone\n";
        let report = Report::parse(text).unwrap();
        let steps = vec![(End::Code(101), 1.25), (End::Other("signal 11".into()), 2.0)];
        let whole = Report { boot: 3.51, steps, done: true, ..report };
        assert_eq!(Report::parse(text).unwrap(), whole);
        assert_eq!((whole.release.as_str(), whole.version.as_str()), ("6.1.0", "#1 SMP"));

        assert!(Report::parse("").is_none());
        assert!(!Report::parse("start 3.5\nbegin 0\n").unwrap().done);
    }
}
