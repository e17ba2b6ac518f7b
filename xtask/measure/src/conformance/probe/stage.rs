//! The scenario compiled, carried out and recorded by our own probe.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::BufReader;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::family::{Event, Falcos};
use crate::bench::Scratch;
use crate::bench::process::Running;
use crate::paths;

/// Accounts of the machine on which Falco recorded, as far as the scenario uses them.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
alice:x:1000:1000::/home/alice:/bin/bash
bob:x:1001:1001::/home/bob:/bin/bash
";
const GROUP: &str = "root:x:0:\ndaemon:x:1:\nalice:x:1000:\nbob:x:1001:\n";

/// What the scenario's shell did there, of which this is the part before other programs.
const SCRIPT: &str = "cd /srv/app\n/opt/lab/edge 1 </dev/null\n:\n";

/// How long the scenario may take. It takes two seconds of which most is waiting.
const SECONDS: &str = "60";

/// How long the recorder may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is needed beside root, of which every Debian has all but the compiler.
const PROGRAMS: [&str; 8] =
    ["bash", "env", "gcc", "mount", "setpriv", "setsid", "timeout", "unshare"];

/// The scenario's namespaces.
const NAMESPACES: [&str; 6] = ["--mount", "--net", "--ipc", "--uts", "--propagation", "private"];

/// Why nothing can be recorded here, if so.
pub fn obstacle() -> Option<String> {
    if std::env::var_os("FALCO_LIVE_TESTS").is_some_and(|value| value == "off") {
        return Some("FALCO_LIVE_TESTS=off".into());
    }
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Some("this is not root".into());
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Some("the kernel has no BTF".into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    if let Some(missing) = PROGRAMS.iter().find(|name| !is_here(name)) {
        return Some(format!("{missing} is not installed"));
    }
    let mut namespaces = Command::new("unshare");
    let why = run(namespaces.args(NAMESPACES).args(["--", "true"])).err()?;
    Some(format!("there are no new namespaces: {why:#}"))
}

/// The compiled scenario in a folder of its own.
pub struct Stage {
    room: Scratch,
}

impl Stage {
    /// Compiles it and lays out what the scenario finds.
    pub fn build(shared: &Path) -> Result<Self> {
        let name = format!("falco-conformance-probe-{}", std::process::id());
        let stage = Stage { room: Scratch::new(std::env::temp_dir().join(name))? };
        let room = &stage.room.0;
        // Other users go through it, which must not depend on the umask.
        for folder in ["", "opt", "opt/lab", "opt/scratch", "srv", "srv/app", "etc"] {
            fs::create_dir_all(room.join(folder))?;
            fs::set_permissions(room.join(folder), Permissions::from_mode(0o755))?;
        }
        for program in ["edge", "thexec", "act"] {
            let source = shared.join(format!("examples/scenarios/{program}.c"));
            let mut gcc = Command::new("gcc");
            // As the recorded ones: what the dynamic loader does is no part of it. The probe cannot
            // wait for a page of strings, so they must lie near to others that the kernel has just
            // read, instead of being shared with the library's.
            gcc.args(["-static", "-O1", "-fno-merge-constants", "-pthread", "-w", "-o"]);
            let binary = room.join("opt/lab").join(program);
            run(gcc.arg(&binary).arg(source))?;
            // No page of it is being written, either, when the probe wants to read it.
            File::open(&binary)?.sync_all()?;
        }
        fs::write(room.join("opt/lab/edge.sh"), SCRIPT)?;
        fs::write(room.join("etc/passwd"), PASSWD)?;
        fs::write(room.join("etc/group"), GROUP)?;
        fs::write(room.join("etc/hostname"), "node1\n")?;
        // It is executed, too, and is no program.
        fs::set_permissions(room.join("etc/hostname"), Permissions::from_mode(0o755))?;
        Ok(stage)
    }

    /// Carries it out under a recording with rings of `size` MiB.
    ///
    /// # Errors
    /// If it cannot be done.
    pub fn record(&self, size: u64) -> Result<Recorded> {
        let room = &self.room.0;
        let file = room.join("recording.scap");
        // What the last time left.
        let edge = room.join("srv/app/edge");
        if edge.exists() {
            fs::remove_dir_all(&edge)?;
            fs::remove_file(&file)?;
        }
        let log = room.join("recorder.log");
        let mut recorder = Command::new("setpriv");
        // It goes when this process goes.
        recorder.args(["--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"]);
        recorder.args(["--", "bash", "-euc"]);
        recorder.arg(
            "mount --bind \"$1/etc/passwd\" /etc/passwd; mount --bind \"$1/etc/group\" /etc/group; \
             exec \"$2\" record --all-syscalls --buffer-size \"$3\" -w \"$1/recording.scap\"",
        );
        recorder.arg("recorder").arg(room).arg(paths::falco()?).arg(size.to_string());
        recorder.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let told = || fs::read_to_string(&log).unwrap_or_default();
        let mut recorder = Running::start(&mut recorder)?;
        let begin = Instant::now();
        // The state before the first event is written when everything is attached.
        while fs::metadata(&file).map_or(0, |m| m.len()) == 0 {
            if recorder.child.try_wait()?.is_some() {
                bail!("the recorder ended\n{}", told().trim_end());
            }
            ensure!(begin.elapsed() < PATIENCE, "no recording within {PATIENCE:?}\n{}", told());
            sleep(Duration::from_millis(50));
        }
        let mut stage = Command::new("setsid");
        stage.args(["--wait", "unshare"]).args(NAMESPACES);
        stage.args(["--", "bash", "-c", include_str!("stage.sh")]);
        run(stage.arg("stage").arg(room).arg(SECONDS))?;
        recorder.terminate()?;
        recorder.wait().with_context(|| told().trim_end().to_owned())?;
        let told = told();
        let lost = told.lines().find(|line| line.contains(" lost"));
        Ok(Recorded { file, lost: lost.map(str::to_owned) })
    }
}

/// A recording.
pub struct Recorded {
    file: PathBuf,
    /// What the recorder told of lost events, if there were any.
    pub lost: Option<String>,
}

impl Recorded {
    /// The events of processes that have a name of Falco's, with the same fields.
    pub fn events(&self, falcos: &Falcos) -> Result<Vec<Event>> {
        let mut filter = "not evt.type in (switch, page_fault) and proc.name in (".to_owned();
        for (n, name) in falcos.names.iter().enumerate() {
            let _ = write!(filter, "{}\"{name}\"", if n == 0 { "" } else { ", " });
        }
        filter += ")";
        let mut falco = Command::new(paths::falco()?);
        falco.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC").stdin(Stdio::null());
        falco.env("HOST_ROOT", paths::root().join("sensor/tests/golden_host"));
        falco.args(["events", "--json", "--fields", &falcos.fields.join(","), "--filter", &filter]);
        falco.arg("-e").arg(&self.file).stdout(Stdio::piped());
        let mut falco = Running::start(&mut falco)?;
        let stdout = falco.child.stdout.take().context("falco events has no stdout")?;
        let events = super::family::read(BufReader::new(stdout));
        // An error on the way is the one to tell.
        let events = events?;
        falco.wait()?;
        Ok(events)
    }
}

/// Runs a command that must end well.
fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        let mut program = command.get_program().to_string_lossy().into_owned();
        if let Some(last) = command.get_args().last() {
            let _ = write!(program, " … {}", last.to_string_lossy());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{program} ended with {}\n{}", output.status, stderr.trim_end());
    }
    Ok(output)
}
