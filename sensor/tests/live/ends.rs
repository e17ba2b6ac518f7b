//! What becomes of a sensor, and of what it saw: SIGTERM, SIGKILL, two at once, floods.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use crate::attack::{Attack, attack};
use crate::sensor::{Alert, Sensor};
use crate::{Live, live, our_rules};

const ALERT_PATIENCE: Duration = Duration::from_secs(20);
/// How many programs start and end in the midst of a flood: no more than the ring of their own holds
/// if a busy machine does not come to reading it. Floods must not take its room; that is what counts.
const PROGRAMS: usize = 500;

fn read_shadow(name: &'static str) -> Attack {
    attack(name, "cat /etc/shadow")
}

fn of<'a>(attack: &'a Attack) -> impl Fn(&Alert) -> bool + 'a {
    move |alert| alert.rule() == "Password hashes read" && alert.field("token") == attack.token()
}

/// What happened before SIGTERM is reported, though nobody waited for it.
#[test]
fn sigterm_loses_nothing() {
    let Some(Live { actor, _alone }) = live("SIGTERM right after an attack") else { return };
    let sensor = Sensor::watch(&[&our_rules()], &BTreeSet::new());
    let attack = read_shadow("before-sigterm");
    actor.attack(&attack);
    let ended = sensor.terminate();
    assert!(ended.status.success(), "{}\n{}", ended.status, ended.stderr);
    assert_eq!(ended.alerts.iter().filter(|a| of(&attack)(a)).count(), 1, "{}", ended.stderr);
}

/// Two sensors report the same attack. One that is killed leaves nothing in the kernel, and the other
/// goes on.
#[test]
fn sensors_neither_disturb_each_other_nor_outlive_a_kill() {
    let Some(Live { actor, _alone }) = live("two sensors, one of them killed") else { return };
    let watch = || Sensor::watch(&[&our_rules()], &BTreeSet::new());
    let (one, mut other) = (watch(), watch());
    let together = read_shadow("seen-by-both");
    actor.attack(&together);
    for sensor in [&one, &other] {
        assert!(sensor.wait_for(ALERT_PATIENCE, of(&together)));
    }

    let programs = programs_of(one.pid());
    assert!(!programs.is_empty(), "the sensor has no BPF program open");
    assert!(programs.is_subset(&loaded_programs()), "the kernel lists other programs");
    one.kill();
    // The kernel frees programs a little after their last user is gone.
    let begin = Instant::now();
    let left = || programs.intersection(&loaded_programs()).copied().collect::<Vec<_>>();
    while !left().is_empty() && begin.elapsed() < ALERT_PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left(), Vec::<u32>::new(), "programs outlive the sensor");

    let alone = read_shadow("seen-by-the-other");
    actor.attack(&alone);
    assert!(other.wait_for(ALERT_PATIENCE, of(&alone)));
    other.catch_up();
    let ended = other.terminate();
    assert!(ended.status.success(), "{}\n{}", ended.status, ended.stderr);
    assert_eq!(ended.alerts.iter().filter(|a| of(&together)(a)).count(), 1);
}

/// Starts and ends of programs are all seen, though every processor opens and closes files as fast as
/// it can.
#[test]
fn a_flood_hides_no_program() {
    let Some(Live { actor, _alone }) = live("programs in a flood of opens") else { return };
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("burst.yaml");
    // The opens must leave the kernel, else they are no flood; nothing matches them.
    let rule = |name: &str, condition: &str| {
        format!(
            "- rule: {name}\n  desc: A test.\n  condition: {condition}\n  output: seen\n  priority: DEBUG\n"
        )
    };
    let programs = "proc.pname = actor and proc.args startswith \"nothing \"";
    let text = [
        rule("Program starts", &format!("evt.type in (execve, execveat) and {programs}")),
        rule("Program ends", &format!("evt.type = procexit and {programs}")),
        rule("Files are opened", "evt.type in (open, openat, openat2, close) and fd.name = /none"),
    ];
    fs::write(&rules, text.concat()).unwrap();
    let mut sensor = Sensor::watch_with_usual_buffers(&[&rules], &BTreeSet::new());
    let burst = attack("burst", "$A flood 4 & $A burst 500; wait");
    actor.attack(&burst);
    sensor.catch_up();
    let ended = sensor.terminate();
    for rule in ["Program starts", "Program ends"] {
        let of_rule = |a: &&Alert| a.rule() == rule && a.field("token") == burst.token();
        let seen: Vec<String> =
            ended.alerts.iter().filter(of_rule).map(|alert| alert.field("proc.args")).collect();
        let different: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), different.len()), (PROGRAMS, PROGRAMS), "{rule}\n{}", ended.stderr);
    }
}

/// The ids of the BPF programs that a process has open.
fn programs_of(pid: u32) -> BTreeSet<u32> {
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = files.flatten().filter_map(|file| fs::read_to_string(file.path()).ok());
    let id =
        |text: String| text.lines().find_map(|l| l.strip_prefix("prog_id:")?.trim().parse().ok());
    texts.filter_map(id).collect()
}

/// The ids of all BPF programs in the kernel.
fn loaded_programs() -> BTreeSet<u32> {
    let programs = aya::programs::loaded_programs();
    programs.filter_map(|program| Some(program.ok()?.id())).collect()
}
