//! The sensor against real attacks, on this host and in real containers.
//!
//! The attacks are tables ([`host`], [`contained`]): what is done, which rules of the official stable
//! set and of rules/default report it, with what fields. Each alert of an attack's processes must be in
//! the table, and each in the table must come; near-misses raise nothing. Attacks happen in private
//! namespaces ([`stage`], [`containers`]), so that the machine stays as it was; the sensor sees the whole
//! machine and is judged by what carries an attack's token.
//!
//! [`fields`] compares what the sensor says of a process with what the kernel says of it. [`ends`] is about the sensor itself: signals, several sensors, floods.

// A test whose set-up fails should panic, in its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

#[path = "../common/actor.rs"]
mod actor;
#[path = "../common/attack.rs"]
mod attack;
mod contained;
#[path = "../common/containers.rs"]
mod containers;
mod ends;
mod fields;
mod host;
#[path = "../common/image.rs"]
mod image;
#[path = "../common/sensor.rs"]
mod sensor;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, thread};

use actor::{Actor, all_installed};
use attack::{Attack, Deed, RuleSet, fields_judged};
use containers::Containers;
use falco_rules::yaml::{Documents, Node};
use sensor::{Ended, Sensor};

/// Official rules that nothing can provoke here, and why.
const OFFICIAL_SPARED: &[(&str, &str)] = &[(
    "Debugfs Launched in Privileged Container",
    "wants container.privileged, which only the container engine can tell; engines are not asked yet",
)];

/// The same for our own.
const OURS_SPARED: &[(&str, &str)] = &[(
    "Kernel module loaded in an unusual way",
    "wants a module that is really loaded, which would change the machine",
)];

/// How many attacks on the host take place at the same time.
const AT_ONCE: usize = 4;

fn our_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/default/falco_rules.yaml")
}

fn official_rules() -> Option<PathBuf> {
    Some(common::shared()?.join("rules/falco_rules.yaml"))
}

/// What a live test has at hand.
struct Live {
    actor: Actor,
    /// Live tests load the machine and watch it: one after the other.
    _alone: MutexGuard<'static, ()>,
}

/// What a live test needs, or loud words why it cannot be had here.
fn live(what: &str) -> Option<Live> {
    static ONE: Mutex<()> = Mutex::new(());
    let btf = Path::new("/sys/kernel/btf/vmlinux");
    let why_not = if std::env::var_os("FALCO_LIVE_TESTS").is_some_and(|value| value == "off") {
        "FALCO_LIVE_TESTS=off".to_owned()
    } else if !rustix::process::geteuid().is_root() {
        "it needs root".to_owned()
    } else if !btf.exists() {
        format!("{} does not exist: this kernel has no BTF", btf.display())
    } else {
        match stage::needs().and_then(|()| Actor::compile()) {
            Ok(actor) => {
                let alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
                return Some(Live { actor, _alone: alone });
            }
            Err(why) => why,
        }
    };
    ignored(what, &why_not);
    None
}

/// Past the capture of test output: who reads the log must know what was not tested.
fn ignored(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "IGNORED: {what} because {why}");
}

/// The sensors of one test: one for each rule set that is at hand. That there are two at the same time
/// is part of the test.
struct Sensors(Vec<(RuleSet, Sensor)>);

impl Sensors {
    fn watch(attacks: &[&Attack]) -> Self {
        let fields = fields_judged(attacks.iter().copied());
        let sets = [(RuleSet::Official, official_rules()), (RuleSet::Ours, Some(our_rules()))];
        let watch = |(set, rules): (RuleSet, Option<PathBuf>)| {
            Some((set, Sensor::watch(&[&rules?], &fields)))
        };
        Sensors(sets.into_iter().filter_map(watch).collect())
    }

    /// Compares all that the sensors reported with what they must, and ends them.
    ///
    /// # Errors
    /// If a sensor lost events, so that it cannot be judged: the machine was too busy.
    #[track_caller]
    fn judge(mut self, deeds: &[Deed<'_>]) -> Result<(), String> {
        for (_, sensor) in &mut self.0 {
            sensor.catch_up();
        }
        let mut wrong = Vec::new();
        let mut lost = Ok(());
        for (set, sensor) in self.0 {
            let Ended { status, alerts, stderr } = sensor.terminate();
            if !status.success() {
                wrong.push(format!("the sensor with {set:?} ended with {status}:\n{stderr}"));
            }
            if let Some(line) = stderr.lines().find(|line| line.contains("events were lost")) {
                lost = Err(line.to_owned());
            }
            wrong.extend(deeds.iter().flat_map(|deed| deed.judge(set, &alerts)));
        }
        let (count, wrong) = (wrong.len(), wrong.join("\n"));
        match lost {
            // Who lost events may still have seen all that mattered.
            _ if count == 0 => Ok(()),
            Err(lost) => Err(format!("{lost}\n{wrong}")),
            Ok(()) => panic!("{count} alerts are wrong:\n{wrong}"),
        }
    }
}

/// Judges once more when the machine was too busy, which is no fault of the sensor: a debug build is
/// ten times slower than what people run.
#[track_caller]
fn judge_when_calm(act_and_judge: impl Fn() -> Result<(), String>) {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        let Err(lost) = act_and_judge() else { return };
        let _ = writeln!(std::io::stderr(), "AGAIN: {lost}");
    }
    panic!("the sensor lost events {TRIES} times");
}

#[test]
fn attacks_on_the_host_are_reported() {
    let Some(Live { actor, _alone }) = live("attacks on the host") else { return };
    let attacks = host::attacks();
    let below = ancestors();
    let can_be_judged = |attack: &&Attack| {
        let spoiler = attack.spoiled_by.iter().find(|name| below.contains(**name));
        if let Some(spoiler) = spoiler {
            ignored(
                &format!("the attack {:?}", attack.name),
                &format!("this runs below {spoiler}"),
            );
        }
        spoiler.is_none()
    };
    let attacks: Vec<&Attack> = attacks.iter().filter(can_be_judged).collect();
    judge_when_calm(|| {
        let sensors = Sensors::watch(&attacks);
        let next = AtomicUsize::new(0);
        let deeds = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let deed = actor.attack(attack);
                        deeds.lock().unwrap().push(deed);
                    }
                });
            }
        });
        sensors.judge(&deeds.into_inner().unwrap())
    });
}

#[test]
fn attacks_in_containers_are_reported() {
    let Some(Live { actor, _alone }) = live("attacks in containers") else { return };
    if let Err(why) = all_installed(containers::PROGRAMS) {
        return ignored("attacks in containers", &why);
    }
    let (plain, strong) = (contained::plain_start(), contained::strong_start());
    let (by_containerd, attacks) = (contained::by_containerd(), contained::attacks());
    let mut all: Vec<&Attack> = attacks.iter().collect();
    all.extend([&plain, &strong, &by_containerd]);
    judge_when_calm(|| {
        let mut containers = Containers::start(&actor, contained::ADDRESSES, "{}");
        let sensors = Sensors::watch(&all);
        let mut deeds = vec![
            containers.run(&plain, contained::PLAIN, contained::PLAIN_OPTIONS),
            containers.run(&strong, contained::STRONG, contained::STRONG_OPTIONS),
            containers.run_by_containerd(&by_containerd, &[]),
        ];
        deeds.extend(attacks.iter().map(|attack| containers.attack(attack)));
        sensors.judge(&deeds)
    });
}

/// The names of the processes that this one descends from.
fn ancestors() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut pid = std::process::id();
    while pid > 1 {
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { break };
        let of = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_default().trim().to_owned()
        };
        names.insert(of("Name:"));
        pid = of("PPid:").parse().unwrap_or_default();
    }
    names
}

/// Every attack there is.
fn all_attacks() -> Vec<Attack> {
    let mut all = host::attacks();
    all.extend(contained::attacks());
    all.extend([contained::plain_start(), contained::strong_start(), contained::by_containerd()]);
    all
}

/// The rules of a file.
fn rules_of(path: &Path) -> BTreeSet<String> {
    let documents = Documents::parse(&fs::read_to_string(path).unwrap()).unwrap();
    let items = documents.roots().filter_map(Node::sequence).flatten();
    items.filter_map(|item| Some(item.get("rule")?.scalar()?.to_owned())).collect()
}

/// A rule that the tables forget, or that they tell of though nobody has it, is found without root.
#[test]
fn every_rule_is_attacked_or_spared_for_a_reason() {
    let attacks = all_attacks();
    let sets = [
        (RuleSet::Official, official_rules(), OFFICIAL_SPARED),
        (RuleSet::Ours, Some(our_rules()), OURS_SPARED),
    ];
    for (set, file, spared) in sets {
        let Some(file) = file else { continue };
        let rules = rules_of(&file);
        let events = attacks.iter().flat_map(|attack| &attack.events);
        let mut told: BTreeSet<String> =
            events.flat_map(|event| event.rules(set)).map(|&rule| rule.to_owned()).collect();
        for (rule, _) in spared {
            assert!(
                told.insert((*rule).to_owned()),
                "{rule} is attacked, so it need not be spared"
            );
        }
        assert_eq!(rules.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new());
        assert_eq!(told.difference(&rules).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}

#[test]
fn every_attack_has_a_name_of_its_own() {
    let mut times = BTreeMap::new();
    for attack in all_attacks() {
        assert!(!attack.name.contains(' '), "{}", attack.name);
        *times.entry(attack.name).or_insert(0) += 1;
    }
    times.retain(|_, count| *count > 1);
    assert!(times.is_empty(), "{times:?}");
}
