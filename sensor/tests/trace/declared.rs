//! What is declared not to be seen, against what is seen.

use std::process::Command;

use crate::nobody::{Done, Nobody, run};

/// Births, and births that fail.
const BIRTHS: &str = "evt.type in (clone, clone3, fork, vfork)";

fn failed_births() -> String {
    format!("{BIRTHS} and evt.res != SUCCESS")
}

/// `falco trace` with these rules and options, and a script for sh.
fn traced(nobody: &Nobody, rules: &[(&str, &str, &str)], options: &[&str], script: &str) -> Done {
    let rules = nobody.rules(rules);
    let mut trace = nobody.trace(options);
    run(trace.arg("-r").arg(rules).args(["--", "sh", "-c", script]))
}

#[test]
fn rules_that_cannot_fire_are_told() {
    let nobody = Nobody::new();
    let failed = failed_births();
    let rules: &[(&str, &str, &str)] = &[
        ("Failed birth", "WARNING", &failed),
        ("Switch", "WARNING", "evt.type = switch"),
        ("Image", "WARNING", "evt.type = execve and container.image.repository = nginx"),
        ("Birth", "WARNING", BIRTHS),
        ("Hosts", "WARNING", "evt.type in (open, openat) and fd.name = /etc/hosts"),
    ];
    let done = traced(&nobody, rules, &["-q", "-o", "base_syscalls.all=true"], "true").exits(0);
    let told = "3 of 5 rules cannot fire: Failed birth, Switch, Image. falco trace -v";
    assert!(done.stderr.contains(told), "{done:#?}");

    let options = ["-v", "-o", "base_syscalls.all=true"];
    let done = traced(&nobody, rules, &options, "true").exits(0);
    for told in [
        "falco: cannot fire: Failed birth (clone",
        "falco: cannot fire: Switch (",
        "falco: cannot fire: Image (container.image.repository: no container engine",
        "one that fails is not told; the caller's event comes when the child is born (Birth)",
    ] {
        assert!(done.stderr.contains(told), "{told} is missing: {done:#?}");
    }

    // Of rules that can, and of those that are built in, nothing is said.
    let done = traced(&nobody, &rules[3..], &["-q"], "true").exits(0);
    assert_eq!(done.stderr.matches("cannot fire").count(), 0, "{done:#?}");
    let done = run(&mut nobody.trace(["-q", "--", "true"])).exits(0);
    assert_eq!(done.stderr, "");
}

/// If they were told after all, the table would have to say so.
#[test]
fn a_birth_that_fails_is_not_told_and_one_that_succeeds_is() {
    let nobody = Nobody::new();
    let failed = failed_births();
    let rules: &[(&str, &str, &str)] =
        &[("Failed birth", "WARNING", &failed), ("Birth", "NOTICE", BIRTHS)];
    // Where falco may make no process any more it cannot start either: the limit comes later.
    let script = "(true); prlimit --nproc=1:1 --pid $$; (true); echo not reached";
    let done = traced(&nobody, rules, &["-o", "rule_matching=all"], script);
    let own_limits = done.stderr.contains("Cannot fork") || done.stderr.contains("fork");
    if !own_limits {
        return crate::ignored("births that fail", "this user may exceed its limits");
    }
    assert!(!done.stdout.contains("not reached"), "{done:#?}");
    assert!(done.stderr.contains("Birth\n"), "{done:#?}");
    assert!(!done.stderr.contains("Failed birth\n"), "it is told: {done:#?}");
}

#[test]
fn calls_that_stop_are_listed_with_what_is_told_of_them() {
    let nobody = Nobody::new();
    let rules = nobody.rules(&[("R", "INFO", "evt.type in (openat, accept4, close, execve)")]);
    let list = |options: &[&str]| {
        let mut trace = nobody.trace(["--list-calls", "-r"]);
        let done = run(trace.arg(&rules).args(options)).exits(0);
        done.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let names = list(&[]);
    for name in ["openat", "accept4", "close", "execve"] {
        assert!(names.iter().any(|line| line == name), "{name}: {names:?}");
    }
    let lines = list(&["-v"]);
    assert_eq!(lines.len(), names.len());
    let line = |name: &str| {
        let line = lines.iter().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("{name}: {lines:?}")).clone()
    };
    assert!(line("openat").ends_with("its path is compared with what the kernel used"));
    assert!(line("close").ends_with(" exact"));
    assert!(line("accept4").contains("wait to be accepted cannot be seen"));
    assert!(line("execve").contains("read before the call"));
}

/// One tree does not write as much as a whole host does: whoever wants to see it may.
#[test]
fn frequent_calls_are_watched_on_demand() {
    let nobody = Nobody::new();
    let rules: &[(&str, &str, &str)] = &[(
        "Secret written",
        "WARNING",
        "evt.type = write and evt.buffer contains secret and fd.name endswith /written",
    )];
    let script = "echo my secret > written; cat written";
    let done = traced(&nobody, rules, &[], script).exits(0);
    assert!(done.stderr.contains("unsupported-evttype): write. "), "{done:#?}");
    assert!(done.stderr.contains("base_syscalls.all=true"), "{done:#?}");
    assert!(!done.stderr.contains("seen sh write"), "{done:#?}");

    let done = traced(&nobody, rules, &["-o", "base_syscalls.all=true"], script).exits(0);
    assert_eq!(done.stdout, "my secret\n");
    assert!(!done.stderr.contains("unsupported-evttype"), "{done:#?}");
    let seen = format!("seen sh write {}/written", nobody.dir.path().display());
    assert!(done.stderr.contains(&seen), "{done:#?}");
}

/// Calls on another process change what is known of that one.
#[test]
fn the_limits_of_another_process_are_followed() {
    let nobody = Nobody::new();
    let rules: &[(&str, &str, &str)] = &[
        ("Child", "WARNING", "evt.type = execve and proc.name = cat and proc.fdlimit = 77"),
        ("Set", "NOTICE", "evt.type = prlimit and evt.arg.newcur = 77 and evt.arg.pid > 0"),
    ];
    let script = "prlimit --nofile=77:77 --pid $$; cat /dev/null; exit 4";
    let done = traced(&nobody, rules, &[], script).exits(4);
    for rule in ["Child", "Set"] {
        assert!(done.stderr.contains(&format!("  {rule}\n")), "{rule}: {done:#?}");
    }
}

/// A program of 64 bits that goes through the door for those of 32 is told as any other.
#[test]
fn calls_of_32_bit_programs_are_told() {
    let nobody = Nobody::new();
    let torture = match crate::nobody::compile(&nobody, "trace/torture.c") {
        Ok(torture) => torture,
        Err(why) => return crate::ignored("32-bit calls", &why),
    };
    let mut plain: Command = nobody.timely([torture.as_os_str()]);
    if !run(plain.args(["compat", "2"])).stdout.contains("1 opened, 1 missing") {
        return crate::ignored("32-bit calls", "this kernel has none (CONFIG_IA32_EMULATION)");
    }
    let rules = nobody.rules(&[
        ("Opened", "WARNING", "evt.type = open and fd.name endswith /comm and evt.rawres >= 0"),
        ("Missing", "NOTICE", "evt.type = open and evt.arg.name = /nonexistent/file"),
    ]);
    let mut trace = nobody.trace(["-r"]);
    let done = run(trace.arg(&rules).arg("--").arg(&torture).args(["compat", "2"])).exits(0);
    for rule in ["Opened", "Missing"] {
        assert!(done.stderr.contains(&format!("  {rule}\n")), "{rule}: {done:#?}");
    }
}
