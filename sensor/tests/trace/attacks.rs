//! The live tests' attacks on the host, watched by `falco trace` instead of by eBPF.
//!
//! The user is an ordinary one. So the stage is set in a user namespace, in which that user is root:
//! what root's attacks do succeeds there, and only there. falco sees it from outside, with the user's
//! own id.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use serde_json::Value;

use crate::actor::{Actor, FAKES};
use crate::attack::{Attack, Deed, Event, RuleSet, fields_judged, now};
use crate::nobody::{Done, Nobody, run};
use crate::sensor::Alert;
use crate::{common, host, ignored};

/// What an ordinary user cannot do, not even as root of its own namespace, and why. The script fails,
/// and what it raises up to there is all that can be.
const NOT_DONE: &[(&str, &str)] = &[
    ("shadow-all-ways", "open_by_handle_at needs CAP_DAC_READ_SEARCH on the host"),
    ("system-user", "the namespace has one user only"),
    ("system-user-alone", "the namespace has one user only"),
    ("service-account", "the namespace has one user only"),
    ("own-users", "the namespace has one user only"),
    ("own-faults", "the namespace has one user only"),
    ("exploit-without-arguments", "the login's user id can be set by root only"),
    ("be-root", "the login's user id can be set by root only"),
    ("load-bpf", "BPF_PROG_LOAD needs CAP_BPF on the host"),
    ("ptrace", "its victim is traced already: PTRACE_ATTACH is refused"),
    ("trace-me", "it is traced already: PTRACE_TRACEME is refused"),
];

/// What the table says of root's attack and does not hold of an ordinary user's: attack, field, why.
const OTHERWISE: &[(&str, &str, &str)] =
    &[("web-shell", "evt.arg.flags", "an ordinary user cannot write the shell's file")];

/// What an ordinary user's attack raises and root's does not: attack, rule, why.
const MORE: &[(&str, &str, &str)] = &[
    ("own-users-as-root", "User namespace made", "outside of its namespace it is not root"),
    (
        "own-faults-as-root",
        "Page faults handled by an ordinary user",
        "outside of its namespace it is not root",
    ),
];

/// What this source does not see, and why: the attack succeeds, these rules stay silent.
const UNSEEN: &[(&str, &str, &str)] = &[];

/// How many attacks take place at the same time.
const AT_ONCE: usize = 4;

#[test]
fn attacks_are_reported_to_an_ordinary_user() {
    let actor = match Actor::compile() {
        Ok(actor) => actor,
        Err(why) => return ignored("attacks under falco trace", &why),
    };
    let nobody = Nobody::new();
    if let Err(why) = may_have_namespaces(&nobody) {
        return ignored("attacks under falco trace", &why);
    }
    let own = nobody.dir.path().join("actor");
    fs::copy(actor.path(), &own).unwrap();
    let attacks = host::attacks();
    let fields = fields_judged(&attacks);
    // Written once: others read them meanwhile.
    let sets = rule_sets(&nobody)
        .into_iter()
        .map(|(set, rules)| (set, configuration(&nobody, set, &rules, &fields)));
    let sets: Vec<_> = sets.collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(attack) = attacks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    for (set, config) in &sets {
                        let found = judge(&nobody, &own, attack, *set, config);
                        wrong.lock().unwrap().extend(found);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} alerts are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The sets that are at hand, where the user can read them.
fn rule_sets(nobody: &Nobody) -> Vec<(RuleSet, String)> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/default/falco_rules.yaml");
    let official = common::shared().map(|shared| shared.join("rules/falco_rules.yaml"));
    let sets = [(RuleSet::Ours, "ours", Some(ours)), (RuleSet::Official, "official", official)];
    let copy = |(set, name, path): (RuleSet, &str, Option<_>)| {
        let text = fs::read_to_string(path?).unwrap();
        Some((set, nobody.file(&format!("{name}.yaml"), &text).display().to_string()))
    };
    sets.into_iter().filter_map(copy).collect()
}

/// Whether such a user may set a stage.
fn may_have_namespaces(nobody: &Nobody) -> Result<(), String> {
    let probe =
        ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--fork", "true"];
    match run(&mut nobody.timely(probe)) {
        done if done.status.success() => Ok(()),
        done => Err(format!("user namespaces are refused here: {}", done.stderr.trim())),
    }
}

/// Carries out an attack and compares what was reported with what must be.
fn judge(
    nobody: &Nobody,
    actor: &Path,
    attack: &Attack,
    set: RuleSet,
    config: &str,
) -> Vec<String> {
    let began = now();
    let mut trace = nobody.trace(["-q", "-c", config, "--"]);
    trace.args(["setsid", "unshare", "--user", "--map-root-user", "--fork", "--kill-child"]);
    trace.args(["--mount", "--propagation", "private", "--pid", "--mount-proc", "--net", "--ipc"]);
    trace.args(["--uts", "--", "sh", "-c", include_str!("../live/stage.sh"), "stage"]);
    trace.arg(actor).args([attack.token().as_str(), attack.script]).args(FAKES);
    let Done { status, stdout, stderr } = run(&mut trace);
    let is_declared = NOT_DONE.iter().any(|(name, _)| *name == attack.name);
    if status.success() == is_declared {
        return vec![match is_declared {
            true => format!("{} can be done after all", attack.name),
            false => format!("{} ended with {status}:\n{stderr}", attack.name),
        }];
    }
    let attack = &as_done_by_nobody(attack);
    let alerts: Vec<Alert> =
        stdout.lines().filter_map(alert).map(|alert| as_inside(nobody, alert)).collect();
    let deed = Deed { attack, container_id: "host".into(), sandboxed: false, began, ended: now() };
    let mut wrong = deed.judge(set, &alerts);
    if is_declared {
        wrong.retain(|what| !what.contains(": missing: "));
        return wrong;
    }
    let declared = |table: &[(&str, &'static str, &str)]| -> Vec<&'static str> {
        let own = table.iter().filter(|(name, ..)| *name == attack.name);
        own.map(|(_, rule, _)| *rule).collect()
    };
    let unseen = declared(UNSEEN).into_iter().map(|rule| format!("missing: {rule:?}"));
    let more = declared(MORE).into_iter().map(|rule| format!("not expected: {rule:?}"));
    let known_to = |set: RuleSet, what: &str| {
        set == RuleSet::Ours
            || attack.events.iter().any(|e| e.rules(set).iter().any(|r| what.contains(r)))
    };
    for what in unseen.chain(more) {
        match wrong.iter().position(|line| line.contains(&what)) {
            Some(at) => drop(wrong.remove(at)),
            None if known_to(set, &what) => wrong
                .push(format!("{} ({set:?}): declared, but does not happen: {what}", attack.name)),
            None => {}
        }
    }
    if !wrong.is_empty() {
        wrong.push(format!("    of {} ({set:?}) falco said:\n{stdout}{stderr}", attack.name));
    }
    wrong
}

/// The attack without the fields that are [`OTHERWISE`].
fn as_done_by_nobody(attack: &Attack) -> Attack {
    let differs = |field: &str| {
        OTHERWISE.iter().any(|(name, other, _)| *name == attack.name && *other == field)
    };
    let events = attack.events.iter().map(|event| {
        let fields: Vec<_> =
            event.fields.iter().copied().filter(|(name, _)| !differs(name)).collect();
        // A table's life is that of the test.
        Event { official: event.official, ours: event.ours, fields: fields.leak() }
    });
    Attack { events: events.collect(), ..*attack }
}

fn alert(line: &str) -> Option<Alert> {
    let json = serde_json::from_str(line).ok()?;
    matches!(json, Value::Object(_)).then_some(Alert { json })
}

/// An alert with the user as the namespace calls it, which is how the tables do: its root is the
/// ordinary user outside.
fn as_inside(nobody: &Nobody, mut alert: Alert) -> Alert {
    let fields = &mut alert.json["output_fields"];
    if fields["user.uid"] == nobody.uid() {
        fields["user.uid"] = 0.into();
        fields["user.name"] = "root".into();
    }
    if fields["group.gid"] == nobody.uid() {
        fields["group.gid"] = 0.into();
    }
    alert
}

/// A configuration file for a set of rules, with alerts as the judge needs them.
fn configuration(
    nobody: &Nobody,
    set: RuleSet,
    rules: &str,
    fields: &BTreeSet<&'static str>,
) -> String {
    let always = [
        "container.id",
        "evt.rawtime",
        "evt.type",
        "proc.args",
        "proc.cmdline",
        "proc.pid",
        "proc.ppid",
        "proc.vpid",
        "thread.tid",
        "user.name",
        "user.uid",
    ];
    let all: BTreeSet<&str> = fields.iter().copied().chain(always).collect();
    let fields: String = all.iter().map(|name| format!("      - {name}\n")).collect();
    let text = format!(
        "rules_files: [{rules}]\npriority: debug\nrule_matching: all\njson_output: true\n\
         stdout_output:\n  enabled: true\nappend_output:\n  - extra_fields:\n{fields}      \
         - token: \"%proc.env[FALCO_LIVE]\"\n"
    );
    nobody.file(&format!("{set:?}.falco.yaml"), &text).display().to_string()
}
