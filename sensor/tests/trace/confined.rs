//! In containers that allow less, or tell less, than Docker's usual ones: no cgroups to see, seccomp
//! profiles of old engines, no capabilities, no file system to write to, few processes.

use std::collections::BTreeSet;

use serde_json::json;

use crate::container::{Wrapped, static_falco};
use crate::containers::IMAGE;
use crate::nobody::{Done, UID, run};

/// Rules for what [`DEED`] does. None of their alerts may differ, whatever is refused.
pub const RULES: &str = "\
- macro: container
  condition: (container.id != host)
- rule: File
  desc: A test.
  condition: container and evt.type in (open, openat) and fd.name = /etc/group
  output: file %fd.name %container.id %user.name %group.name %proc.cmdline
  priority: WARNING
- rule: Connected
  desc: A test.
  condition: container and evt.type = connect and evt.rawres = 0 and fd.sport = 7777
  output: connected %fd.name %fd.l4proto
  priority: WARNING
- rule: Accepted
  desc: A test.
  condition: evt.type in (accept, accept4) and evt.rawres >= 0 and fd.sport = 7777
  output: accepted %fd.name
  priority: WARNING
";

/// Connections to listeners of its own, a file, and an exit code. Where ends come from tables, only so many
/// are looked up in a second: a busy machine may not come to the first one.
pub const DEED: &str = "for n in 1 2 3; do
        (busybox nc -l -p 7777 </dev/null >/dev/null &)
        until echo | busybox nc 127.0.0.1 7777; do sleep 0.1; done
        sleep 0.6
    done
    read line < /etc/group; exit 3";

/// The rules, where the container has them.
fn rules(wrapped: &Wrapped) -> [String; 2] {
    let rules = wrapped.nobody.file("rules.yaml", RULES);
    ["-v".to_owned(), format!("{}:/rules.yaml:ro", rules.display())]
}

/// The deed under falco, with these options of `docker run`.
fn deed(wrapped: &Wrapped, options: &[&str]) -> Done {
    let rules = rules(wrapped);
    let own: Vec<&str> = rules.iter().map(String::as_str).chain(options.iter().copied()).collect();
    run(wrapped.trace(&own).args(["-r", "/rules.yaml", "--", "/bin/sh", "-c", DEED]))
}

/// Asserts that the deed was done and told; the alert about the file.
#[track_caller]
pub fn is_told(done: Done) -> String {
    let done = done.exits(3);
    let line = |what: &str| {
        let line = done.stderr.lines().find(|line| line.contains(&format!(" Warning {what} ")));
        line.unwrap_or_else(|| panic!("nothing {what}: {done:#?}")).to_owned()
    };
    // Those of which both ends are known.
    let tuples = |what: &str| -> BTreeSet<String> {
        let of_what = format!(" Warning {what} ");
        let lines = done.stderr.lines().filter(|line| line.contains(&of_what));
        let tuples = lines.filter_map(|line| line.split(' ').find(|word| word.contains("->")));
        let is_whole = |tuple: &&str| {
            let ports: Vec<_> = tuple.split("->").filter_map(|end| end.split_once(':')).collect();
            matches!(&ports[..], [("127.0.0.1", from), ("127.0.0.1", "7777")] if *from != "0")
        };
        tuples.filter(is_whole).map(str::to_owned).collect()
    };
    assert!(!tuples("connected").is_disjoint(&tuples("accepted")), "{done:#?}");
    assert!(line("connected").contains(" tcp"), "{done:#?}");
    line("file /etc/group")
}

/// A seccomp profile that refuses calls, also with a certain first argument.
fn profile(wrapped: &Wrapped, name: &str, refused: &[(&str, Option<u32>)]) -> String {
    let rule = |(call, first): &(&str, Option<u32>)| {
        let args = first.map(|value| json!([{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }]));
        json!({ "names": [call], "action": "SCMP_ACT_ERRNO", "args": args.unwrap_or_default() })
    };
    let rules: Vec<_> = refused.iter().map(rule).collect();
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules });
    let path = wrapped.nobody.file(name, &profile.to_string());
    format!("seccomp={}", path.display())
}

#[test]
fn container_and_user_are_known_where_cgroups_tell_nothing() {
    let Some(wrapped) = Wrapped::start("who runs in a container, and in which") else { return };
    for (namespace, user, names) in [
        ("host", "65534:65534", "nobody nogroup"),
        ("private", "65534:65534", "nobody nogroup"),
        ("private", "0:0", "root root"),
        // Of no account.
        ("private", "1234:1234", "<NA> <NA>"),
    ] {
        let name = format!("{namespace}-{}", user.replace(':', "-"));
        let cgroups = format!("--cgroupns={namespace}");
        let file = is_told(deed(&wrapped, &["--name", &name, &cgroups, "--user", user]));
        let id = wrapped.inspect(&name, "{{.Id}}");
        assert!(file.contains(&format!(" {} {names} ", &id[..12])), "{name}: {file}");
    }
    // Without the files that engines mount, one thing is certain: it is not the host.
    let mut unnamed =
        wrapped.docker(&["--cgroupns=private", "--user", "0:0", "--cap-add=SYS_ADMIN"]);
    let rules = rules(&wrapped);
    let script = format!(
        "umount /etc/hosts /etc/hostname /etc/resolv.conf; /falco trace -r /rules.yaml -- sh -c '{DEED}'"
    );
    let done = run(unnamed.args(rules).args([IMAGE, "/bin/sh", "-c", &script]));
    assert!(is_told(done).contains(" unknown root root "));
}

/// What engines refuse, or did once: nothing is told otherwise for it.
#[test]
fn alerts_are_the_same_under_profiles_of_old_engines() {
    let Some(wrapped) = Wrapped::start("seccomp profiles of containers") else { return };
    let refuse = |name: &str, calls: &[&str]| {
        profile(&wrapped, name, &calls.iter().map(|call| (*call, None)).collect::<Vec<_>>())
    };
    // The engine's own.
    is_told(deed(&wrapped, &[]));

    // Without clone3, glibc makes no threads: falco itself has to be the static one.
    let clone3 = static_falco().map_or("process_madvise", |_| "clone3");
    let old = refuse(
        "old",
        &[
            "pidfd_getfd",
            "pidfd_open",
            "pidfd_send_signal",
            "process_vm_readv",
            "process_vm_writev",
            clone3,
            "openat2",
            "faccessat2",
            "close_range",
            "kcmp",
            "sched_setaffinity",
        ],
    );
    is_told(deed(&wrapped, &["--security-opt", &old]));
    let stopped = ["--detach", "--name", "old", "--security-opt", &old];
    wrapped.stops_well("old", wrapped.trace(&stopped));

    // No filter: every call stops, and it says so.
    let prctl_set_seccomp = 22;
    let no_filter =
        profile(&wrapped, "no-filter", &[("seccomp", None), ("prctl", Some(prctl_set_seccomp))]);
    let done = deed(&wrapped, &["--security-opt", &no_filter]);
    assert!(done.stderr.contains("there is no filter, since seccomp(2) is refused"), "{done:#?}");
    is_told(done);

    // What cannot work says what to do.
    for (call, advice) in [("ptrace", "--cap-add SYS_PTRACE"), ("statx", "since 4.11")] {
        let done = deed(&wrapped, &["--security-opt", &refuse(call, &[call])]).exits(125);
        assert!(done.stderr.contains(advice), "{done:#?}");
        assert_eq!(done.stderr.matches("os error").count(), 1, "{done:#?}");
    }
}

#[test]
fn alerts_are_the_same_in_confinement() {
    let Some(wrapped) = Wrapped::start("containers that are confined") else { return };
    for options in [
        &["--cap-drop=ALL"][..],
        &["--security-opt", "no-new-privileges"],
        &["--read-only"],
        &["--pids-limit", "50"],
        &["--init"],
        &["--pid=host"],
        &[
            "--cap-drop=ALL",
            "--security-opt",
            "no-new-privileges",
            "--read-only",
            "--pids-limit=50",
            "--init",
            "--cgroupns=private",
            "--memory=96m",
            "--user=0:0",
        ],
    ] {
        is_told(deed(&wrapped, options));
    }
    // Not as process 1, nor as what `docker run` started.
    let user = format!("{UID}:{UID}");
    let script = format!("/falco trace -r /rules.yaml -- sh -c '{DEED}'");
    let mut inner = wrapped.docker(&["--user", &user]);
    is_told(run(inner.args(rules(&wrapped)).args([IMAGE, "/bin/sh", "-c", &script])));
}
