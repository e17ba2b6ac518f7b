//! What alerts say of a process, compared with what the kernel says of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::actor::{Actor, succeed};
use crate::attack::now;
use crate::sensor::{Alert, Sensor};
use crate::{Live, live};

const PATIENCE: Duration = Duration::from_secs(20);
/// The name under which the actor is watched.
const WITNESS: &str = "falco-witness";
const NANOS_A_SECOND: u128 = 1_000_000_000;
/// The kernel counts the time since boot in hundredths of a second for /proc.
const TICKS_A_SECOND: u128 = 100;

const FIELDS: &[&str] = &[
    "group.gid",
    "proc.aname[2]",
    "proc.aname[3]",
    "proc.cmdnargs",
    "proc.cwd",
    "proc.env",
    "proc.exe",
    "proc.exe_ino",
    "proc.exe_ino.ctime",
    "proc.exe_ino.mtime",
    "proc.exepath",
    "proc.is_exe_upper_layer",
    "proc.is_exe_writable",
    "proc.name",
    "proc.pid.ts",
    "proc.pname",
    "proc.sid",
    "proc.tty",
    "proc.vpgid",
    "thread.cap_effective",
    "thread.cap_inheritable",
    "thread.cap_permitted",
    "thread.cgroups",
    "user.loginuid",
];

fn rules() -> String {
    let rule = |name: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: A test.\n  condition: {condition} and proc.name = {WITNESS}\n  \
             output: seen\n  priority: DEBUG\n"
        )
    };
    rule("Witness begins", "evt.type in (execve, execveat)")
        + &rule(
            "Witness reads",
            "evt.type in (open, openat, openat2) and fd.name endswith /evidence",
        )
}

/// A sensor that watches the witness, and the witness.
fn watch(actor: &Actor, dir: &Path) -> (Sensor, Command) {
    let rules_file = dir.join("witness.yaml");
    fs::write(&rules_file, rules()).unwrap();
    let sensor = Sensor::watch(&[&rules_file], &FIELDS.iter().copied().collect::<BTreeSet<_>>());
    let witness = dir.join(WITNESS);
    fs::copy(actor.path(), &witness).unwrap();
    let mut command = Command::new(witness);
    command
        .env_clear()
        .env("ONE", "1")
        .env("TWO", "two words")
        .current_dir(dir)
        .stdin(Stdio::null());
    (sensor, command)
}

/// A child that is killed and waited for.
struct Alive(Child);

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// /proc/PID of the witness.
struct Kernel {
    pid: u32,
}

impl Kernel {
    fn text(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap()
    }

    fn link(&self, file: &str) -> String {
        let target = fs::read_link(format!("/proc/{}/{file}", self.pid)).unwrap();
        target.to_str().unwrap().to_owned()
    }

    /// The words of a line of `status`.
    fn status(&self, key: &str) -> Vec<String> {
        let status = self.text("status");
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// Field `number` of `stat`, counted from 1 as in proc(5); those after the name.
    fn stat(&self, number: usize) -> String {
        let stat = self.text("stat");
        let (_, after_name) = stat.rsplit_once(") ").unwrap();
        after_name.split(' ').nth(number - 3).unwrap().trim().to_owned()
    }

    /// The name of the ancestor so many generations up.
    fn ancestor(&self, generations: usize) -> String {
        let parent = |pid: u32| Kernel { pid }.status("PPid")[0].parse().unwrap();
        let pid = (0..generations).fold(self.pid, |pid, _| parent(pid));
        Kernel { pid }.text("comm").trim().to_owned()
    }

    /// Nanoseconds since 1970 at which it was born, to a hundredth of a second.
    fn start(&self) -> u128 {
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let boot = now() - (uptime * NANOS_A_SECOND as f64) as u128;
        boot + self.stat(22).parse::<u128>().unwrap() * (NANOS_A_SECOND / TICKS_A_SECOND)
    }
}

/// The first alert of a rule about the process.
fn alert_of<'a>(alerts: &'a [Alert], rule: &str, pid: u32) -> &'a Alert {
    let is_it = |a: &&Alert| a.rule() == rule && a.field("proc.pid") == pid.to_string();
    alerts.iter().find(is_it).unwrap_or_else(|| panic!("no alert {rule:?} about {pid}"))
}

#[test]
fn fields_of_a_started_program_are_those_of_the_kernel() {
    let Some(Live { actor, _alone }) = live("fields of a started program") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (mut sensor, mut command) = watch(&actor, dir.path());
    command.args(["late", "60", "nothing", "two words", ""]);
    let witness = Alive(command.spawn().unwrap());
    let pid = witness.0.id();
    sensor.catch_up();
    assert!(sensor.wait_for(PATIENCE, |a| a.field("proc.pid") == pid.to_string()));

    let kernel = Kernel { pid };
    let file = fs::metadata(kernel.link("exe")).unwrap();
    let nanoseconds = |seconds: i64, rest: i64| (seconds * 1_000_000_000 + rest).to_string();
    let expected = [
        ("proc.ppid", std::process::id().to_string()),
        ("proc.pname", kernel.ancestor(1)),
        ("proc.aname[2]", kernel.ancestor(2)),
        ("proc.aname[3]", kernel.ancestor(3)),
        ("proc.vpid", kernel.status("NSpid").last().unwrap().clone()),
        ("proc.vpgid", kernel.status("NSpgid").last().unwrap().clone()),
        ("proc.sid", kernel.stat(6)),
        ("proc.tty", kernel.stat(7)),
        ("proc.name", WITNESS.to_owned()),
        ("proc.exe", kernel.link("exe")),
        ("proc.exepath", kernel.link("exe")),
        ("proc.args", "late 60 nothing two words ".to_owned()),
        ("proc.cmdnargs", "5".to_owned()),
        ("proc.env", "ONE=1 TWO=two words".to_owned()),
        ("proc.cwd", format!("{}/", kernel.link("cwd"))),
        ("proc.exe_ino", file.st_ino().to_string()),
        ("proc.exe_ino.ctime", nanoseconds(file.st_ctime(), file.st_ctime_nsec())),
        ("proc.exe_ino.mtime", nanoseconds(file.st_mtime(), file.st_mtime_nsec())),
        ("proc.is_exe_writable", "true".to_owned()),
        ("proc.is_exe_upper_layer", "false".to_owned()),
        ("user.uid", kernel.status("Uid")[1].clone()),
        ("group.gid", kernel.status("Gid")[1].clone()),
        ("user.loginuid", (kernel.text("loginuid").parse::<u32>().unwrap() as i32).to_string()),
        ("container.id", "host".to_owned()),
    ];
    let sets = [("CapEff", "effective"), ("CapPrm", "permitted"), ("CapInh", "inheritable")];
    let capabilities = sets.map(|(key, name)| {
        let set = u64::from_str_radix(&kernel.status(key)[0], 16).unwrap();
        (format!("thread.cap_{name}"), set.count_ones())
    });
    let cgroups: Vec<String> = kernel.text("cgroup").lines().filter_map(cgroup).collect();
    let start = kernel.start();
    drop(witness);

    let ended = sensor.terminate();
    let alert = alert_of(&ended.alerts, "Witness begins", pid);
    for (name, value) in expected {
        assert_eq!(alert.field(name), value, "{name}");
    }
    for (name, count) in capabilities {
        let names = alert.field(&name);
        assert_eq!(names.split_whitespace().count(), count as usize, "{name}: {names}");
        assert!(names.split_whitespace().all(|name| name.starts_with("CAP_")), "{names}");
    }
    for cgroup in cgroups {
        assert!(alert.field("thread.cgroups").contains(&cgroup), "{cgroup}: {}", alert.json);
    }
    let told: u128 = alert.field("proc.pid.ts").parse().unwrap();
    assert!(told.abs_diff(start) < NANOS_A_SECOND / 20, "{told} is not near {start}");
}

/// `memory=/path` of a line `4:memory:/path` of version 1, of a controller whose paths events tell.
fn cgroup(line: &str) -> Option<String> {
    let mut parts = line.splitn(3, ':').skip(1);
    let controller = parts.next().filter(|name| ["cpu", "cpuset", "memory"].contains(name))?;
    Some(format!("{controller}={}", parts.next()?))
}

/// Who gives up root's identity loses root's capabilities, in alerts too.
#[test]
fn capabilities_are_right_after_setuid() {
    let Some(Live { actor, _alone }) = live("capabilities after setuid") else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("evidence"), "something").unwrap();
    // The ordinary user must be able to get there.
    succeed(Command::new("chmod").arg("755").arg(dir.path()));
    let (mut sensor, mut command) = watch(&actor, dir.path());
    succeed(command.args(["as", "65534", "read", "evidence"]));
    sensor.catch_up();
    let ended = sensor.terminate();
    let is_it = |a: &&Alert| a.rule() == "Witness reads";
    let alert = ended.alerts.iter().find(is_it).unwrap_or_else(|| panic!("{}", ended.stderr));
    let fields = ["user.uid", "group.gid", "thread.cap_effective", "thread.cap_permitted"];
    assert_eq!(fields.map(|name| alert.field(name)), ["65534", "65534", "", ""].map(str::to_owned));
}
