//! Sandboxes and sensors that come, go, restart and stall.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::actor::Actor;
use crate::builds::Build;
use crate::sandbox::{Running, Sandboxes, Spec, new_id};
use crate::sensor::{Alert, Ended, Sensor};
use crate::{Meeting, PATIENCE, eventually, gvisor};

pub const READ: &str = "Secret read";
pub const RUN: &str = "Program run";
const PAGE: &str = "Page read";

const FIELDS: &[&str] = &[
    "container.name",
    "evt.arg.flags",
    "fd.name",
    "fd.num",
    "proc.cwd",
    "proc.exepath",
    "proc.name",
    "proc.pcmdline",
    "proc.pname",
];

/// Waits for a file, reads the secret, and waits: the first program of containers. A shell would become
/// its last command.
const WAITS: &str =
    "until [ -e /tmp/go ]; do /bin/sleep 0.1; done; read line </etc/shadow; /bin/sleep 60; :";
/// Makes that file.
const GO: &[&str] = &["/bin/sh", "-c", ": >/tmp/go"];
/// A program that is there long enough to be asked about.
pub const SLOW: &str = "/bin/sleep 1.5; /bin/cat /etc/shadow; /bin/sleep 0.5";
const SLOW_SECRET: &[&str] = &["/bin/sh", "-c", SLOW];

/// The fields that alerts are judged by.
pub fn fields() -> BTreeSet<&'static str> {
    FIELDS.iter().copied().collect()
}

/// Rules of our own, written into a directory; the file.
pub fn rules(dir: &Path) -> PathBuf {
    let file = dir.join("rules.yaml");
    let rules = rule(READ, "evt.type in (open, openat) and fd.name = /etc/shadow")
        + &rule(RUN, "evt.type in (execve, execveat)")
        + &rule(PAGE, "evt.type in (open, openat) and fd.name = /srv/app/page");
    fs::write(&file, rules).unwrap();
    file
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "- rule: {name}\n  desc: A test.\n  condition: {condition}\n  output: {name}\n  \
         priority: NOTICE\n"
    )
}

/// A sensor with a few rules of its own, sandboxes for it to watch, and where they meet.
struct Scene {
    sandboxes: Sandboxes,
    meeting: Meeting,
    rules: tempfile::TempDir,
}

/// How sandboxes of a scene begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Traced {
    FromTheStart,
    /// Whoever wants to watch them has to ask for it.
    Not,
}

impl Scene {
    #[track_caller]
    fn new(build: &Build, actor: &Actor, traced: Traced) -> Self {
        let rules_dir = tempfile::tempdir().unwrap();
        let meeting = Meeting::new(build, &[rules(rules_dir.path())], fields());
        let pod_init = (traced == Traced::FromTheStart).then(|| meeting.pod_init(build));
        let sandboxes = Sandboxes::new(build, actor, pod_init.as_deref());
        let mut meeting = meeting.told_of(build, &[&sandboxes.state()]);
        // Tell of every loss.
        meeting.setup.more =
            "syscall_event_drops: {threshold: 0, actions: [alert], rate: 1, max_burst: 10}\n"
                .into();
        Scene { sandboxes, meeting, rules: rules_dir }
    }

    fn rules_file(&self) -> PathBuf {
        self.rules.path().join("rules.yaml")
    }

    /// Starts a container whose first program waits for [`GO`].
    fn run_waiting(&self, id: &str) -> Running {
        let args = ["/bin/sh", "-c", WAITS];
        let env = [format!("FALCO_LIVE={id}")];
        let spec = Spec { id, args: &args, env: &[&env[0]], pod: None };
        let running = self.sandboxes.run(&spec);
        self.sandboxes.wait_for_program(id, "sleep");
        running
    }

    /// Reads the secret in a container with programs that come from outside, until the sensor reports
    /// it.
    #[track_caller]
    fn read_until_reported(&self, sensor: &Sensor, id: &str) {
        let mut number = 0;
        eventually(sensor, || {
            number += 1;
            let token = format!("{id}-{number}");
            self.sandboxes.exec(id, &[&format!("FALCO_LIVE={token}")], SLOW_SECRET);
            sensor.wait_for(Duration::from_secs(1), |alert| {
                alert.rule() == READ && alert.field("proc.name") == "cat" && is_of(alert, id)
            })
        });
    }

    /// The first program of a container reads the secret: what is told of it must be right, though
    /// the sensor may be younger than it.
    #[track_caller]
    fn first_program_is_known(&self, sensor: &Sensor, id: &str) {
        self.sandboxes.exec(id, &[], GO);
        let of_first = |alert: &Alert| {
            alert.rule() == READ && alert.field("proc.name") == "sh" && is_of(alert, id)
        };
        assert!(sensor.wait_for(PATIENCE, of_first), "{}", sensor.stderr_so_far());
        let alert = sensor.find(of_first).unwrap();
        expect(
            &alert,
            &[
                ("proc.cmdline", &format!("sh -c {WAITS}")),
                ("proc.exepath", "/bin/busybox"),
                ("proc.cwd", "/root/"),
                ("proc.vpid", "1"),
                ("fd.name", "/etc/shadow"),
                ("user.uid", "0"),
                ("token", id),
            ],
        );
    }
}

/// Whether an alert is of this container.
fn is_of(alert: &Alert, id: &str) -> bool {
    let short = alert.field("container.id");
    !short.is_empty() && id.starts_with(&short)
}

#[track_caller]
pub fn expect(alert: &Alert, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        assert_eq!(alert.field(name), *value, "{name} in {}", alert.json);
    }
}

#[track_caller]
fn ends_well(sensor: Sensor) -> Ended {
    let ended = sensor.terminate();
    assert!(ended.status.success(), "{}\n{}", ended.status, ended.stderr);
    ended
}

/// A sandbox that began before the sensor and without its configuration.
#[track_caller]
fn attach(build: &str) {
    let Some((build, actor)) = gvisor("attaching to a running sandbox", build) else { return };
    let scene = Scene::new(&build, &actor, Traced::Not);
    let id = new_id();
    let _running = scene.run_waiting(&id);
    let sensor = scene.meeting.watch();
    scene.read_until_reported(&sensor, &id);
    scene.first_program_is_known(&sensor, &id);

    // A program that an engine puts into the container is told as it begins; so is what it runs. On a
    // busy machine runsc may need too long to say what it is.
    let mut number = 0;
    let of_exec = |number: u32, rule: &'static str, program: &'static str| {
        let token = format!("{id}-exec-{number}");
        move |a: &Alert| {
            a.rule() == rule && a.field("proc.name") == program && a.field("token") == token
        }
    };
    eventually(&sensor, || {
        number += 1;
        let token = format!("FALCO_LIVE={id}-exec-{number}");
        scene.sandboxes.exec(&id, &[&token], SLOW_SECRET);
        assert!(sensor.wait_for(PATIENCE, of_exec(number, READ, "cat")), "{}", sensor.all());
        sensor.find(of_exec(number, RUN, "sh")).is_some()
    });
    expect(
        &sensor.find(of_exec(number, READ, "cat")).unwrap(),
        &[("proc.cmdline", "cat /etc/shadow"), ("proc.pname", "sh"), ("container.id", &id[..12])],
    );
    expect(
        &sensor.find(of_exec(number, RUN, "sh")).unwrap(),
        &[
            ("proc.cmdline", &format!("sh -c {SLOW}")),
            ("proc.exepath", "/bin/busybox"),
            ("proc.pname", ""),
            ("container.id", &id[..12]),
        ],
    );
    // No rule saw what was there before.
    let past = sensor.find(|a| a.rule() == RUN && a.field("proc.vpid") == "1");
    assert!(past.is_none(), "{}", past.unwrap().json);
    ends_well(sensor);
}

#[test]
fn a_running_sandbox_is_attached_to_2022() {
    attach("2022-ptrace");
}

#[test]
fn a_running_sandbox_is_attached_to_2024() {
    attach("2024-systrap");
}

/// The containers of a pod share a sandbox and its connection.
#[track_caller]
fn pod(build: &str) {
    let Some((build, actor)) = gvisor("two containers of a pod", build) else { return };
    let scene = Scene::new(&build, &actor, Traced::FromTheStart);
    let sensor = scene.meeting.watch();
    let (first, second) = (new_id(), new_id());
    for id in [&first, &second] {
        let env = format!("FALCO_LIVE={id}");
        let args = ["/bin/sh", "-c", "/bin/cat /etc/shadow; /bin/sleep 60; :"];
        scene.sandboxes.start(&Spec { id, args: &args, env: &[&env], pod: Some(&first) });
    }
    for id in [&first, &second] {
        let found = |a: &Alert| a.rule() == READ && a.field("token") == *id;
        assert!(sensor.wait_for(PATIENCE, found), "{}", sensor.stderr_so_far());
        expect(
            &sensor.find(found).unwrap(),
            &[
                ("container.id", &id[..12]),
                ("proc.cmdline", "cat /etc/shadow"),
                ("proc.pcmdline", "sh -c /bin/cat /etc/shadow; /bin/sleep 60; :"),
                ("proc.exepath", "/bin/busybox"),
                ("proc.vpid", "2"),
            ],
        );
        let begun = sensor
            .find(|a| a.rule() == RUN && a.field("token") == *id && a.field("proc.name") == "sh");
        expect(&begun.unwrap(), &[("container.id", &id[..12]), ("proc.vpid", "1")]);
    }
    // One sandbox with one session tells of both.
    eventually(&sensor, || {
        thread::sleep(Duration::from_millis(200));
        let sessions = scene.meeting.sessions(&scene.sandboxes.state());
        let told: Vec<_> = sessions.iter().filter(|s| s["session"]["messages"].is_u64()).collect();
        let both = [&first, &second];
        let has_both = |session: &Value| {
            let ids = session["containers"].as_array();
            both.iter().all(|id| ids.is_some_and(|ids| ids.iter().any(|have| have == id.as_str())))
        };
        sessions.len() == 1 && told.len() == 1 && has_both(told[0])
    });
    // Programs that are put into each of them.
    for id in [&second, &first] {
        scene.read_until_reported(&sensor, id);
    }
    ends_well(sensor);
}

#[test]
fn containers_of_a_pod_are_told_apart_2022() {
    pod("2022-ptrace");
}

#[test]
fn containers_of_a_pod_are_told_apart_2024() {
    pod("2024-systrap");
}

/// Who is killed in the midst of it finds all again when it is back.
#[test]
fn a_killed_sensor_attaches_again() {
    let Some((build, actor)) = gvisor("the sensor's restart", "2024-systrap") else { return };
    let scene = Scene::new(&build, &actor, Traced::FromTheStart);
    let before = scene.meeting.watch();
    let id = new_id();
    let _running = scene.run_waiting(&id);
    scene.read_until_reported(&before, &id);
    before.kill();

    // Nobody listens: the container does not mind.
    scene.sandboxes.exec(&id, &[], &["/bin/cat", "/etc/shadow"]);
    let after = scene.meeting.watch();
    scene.read_until_reported(&after, &id);
    scene.first_program_is_known(&after, &id);
    ends_well(after);
    // And none that is gone is waited for.
    scene.sandboxes.exec(&id, &[], &["/bin/cat", "/etc/shadow"]);
}

/// Each read of a page is reported once, though rules are exchanged meanwhile; then a rule is there
/// that needs what was not told before.
#[test]
fn a_reload_misses_nothing_and_repeats_nothing() {
    let Some((build, actor)) = gvisor("a reload", "2024-systrap") else { return };
    const PAGES: usize = 40;
    let scene = Scene::new(&build, &actor, Traced::FromTheStart);
    let sensor = scene.meeting.watch();
    let id = new_id();
    let _running = scene.run_waiting(&id);
    let reads = format!(
        "n=0; while [ $n -lt {PAGES} ]; do $A read /srv/app/page; /bin/sleep 0.1; n=$((n+1)); done"
    );
    thread::scope(|scope| {
        let reading = scope.spawn(|| scene.sandboxes.exec(&id, &[], &["/bin/sh", "-c", &reads]));
        assert!(sensor.wait_for(PATIENCE, |a| a.rule() == PAGE), "{}", sensor.stderr_so_far());
        // The same rules once more.
        sensor.signal(Signal::HUP);
        reading.join().unwrap();
    });
    let reported = |sensor: &Sensor| sensor.count(|a| a.rule() == PAGE);
    let begin = Instant::now();
    while reported(&sensor) < PAGES && begin.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(reported(&sensor), PAGES, "{}", sensor.stderr_so_far());

    const MORE: &str = "Moved aside";
    let mut rules = fs::read_to_string(scene.rules_file()).unwrap();
    rules += &rule(MORE, "evt.type in (dup, dup2, dup3) and evt.rawres = 9");
    fs::write(scene.rules_file(), rules).unwrap();
    sensor.signal(Signal::HUP);
    eventually(&sensor, || {
        scene.sandboxes.exec(&id, &[], &["/opt/live/actor", "aside", "14447"]);
        sensor.wait_for(Duration::from_millis(500), |a| a.rule() == MORE)
    });
    scene.first_program_is_known(&sensor, &id);
    let ended = ends_well(sensor);
    assert_eq!(ended.alerts.iter().filter(|a| a.rule() == PAGE).count(), PAGES);
}

/// Calls of which each is some messages: many more than a socket holds.
const READS: usize = 500;
/// gVisor tries three times to send a message, on the thread that made the call, before it drops it.
const STALLED_AT_MOST: Duration = Duration::from_secs(30);

/// A sensor that is stopped holds nobody up for long; what was lost for it is told, and then it sees
/// again.
#[test]
fn a_stalled_sensor_slows_no_sandbox_for_long() {
    let Some((build, actor)) = gvisor("a sensor that stalls", "2024-systrap") else { return };
    let scene = Scene::new(&build, &actor, Traced::FromTheStart);
    let sensor = scene.meeting.watch();
    let id = new_id();
    let _running = scene.run_waiting(&id);
    scene.read_until_reported(&sensor, &id);
    let work = ["/opt/live/actor", "times", &READS.to_string(), "read", "/srv/app/page"];
    let timed = || {
        let begin = Instant::now();
        scene.sandboxes.exec(&id, &[], &work);
        begin.elapsed()
    };

    let heard = timed();
    sensor.signal(Signal::STOP);
    let stalled = timed();
    sensor.signal(Signal::CONT);
    println!("{READS} reads took {heard:?}, and {stalled:?} while the sensor was stopped");
    assert!(
        stalled < STALLED_AT_MOST,
        "{READS} reads took {stalled:?} while the sensor was stopped"
    );

    scene.first_program_is_known(&sensor, &id);
    // The loss is told with what comes after it.
    eventually(&sensor, || {
        scene.sandboxes.exec(&id, &[], &work);
        let is_drop = |a: &Alert| a.rule() == "Falco internal: syscall event drop";
        sensor.wait_for(Duration::from_secs(2), is_drop)
    });
    let said = sensor.stderr_so_far();
    let pages = ends_well(sensor).alerts.iter().filter(|a| a.rule() == PAGE).count();
    // Of the second time, some arrived: those that the socket held.
    assert!(pages > READS, "{pages}\n{said}");
}
