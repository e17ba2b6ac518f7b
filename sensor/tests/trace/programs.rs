//! Programs that people use do the same watched and unwatched: a build by cargo, git, Python's own
//! tests of its processes, a busy web server.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::actor::is_installed;
use crate::ignored;
use crate::nobody::{Done, Nobody, run};

/// The script in a folder of its own, unwatched and watched with the built-in rules; both ended well.
fn both(nobody: &Nobody, script: &str) -> [Done; 2] {
    [false, true].map(|watched| {
        let dir = nobody.dir.path().join(if watched { "watched" } else { "alone" });
        run(nobody.command(["mkdir", "-p"]).arg(&dir)).exits(0);
        // Alerts are not the program's: they are on stdout before anything else, told apart by JSON.
        let mut command = match watched {
            true => nobody.trace(["-q", "-o", "json_output=true", "--", "sh", "-ec", script]),
            false => nobody.timely(["sh", "-ec", script]),
        };
        let mut done = run(command.current_dir(&dir)).exits(0);
        let is_alert = |line: &&str| line.starts_with("{\"hostname\":");
        done.stderr =
            done.stderr.lines().filter(|l| !is_alert(l)).map(|l| l.to_owned() + "\n").collect();
        done
    })
}

#[test]
fn git_makes_the_same_commits() {
    if !is_installed("git") {
        return ignored("git under falco trace", "git is not installed");
    }
    let nobody = Nobody::new();
    let script = "
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        export GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
        export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
        git init -q -b main one; cd one
        for i in $(seq 60); do echo $i >file$i; git add file$i; git commit -q -m \"number $i\"; done
        git checkout -q -b side HEAD~20; echo other >other; git add other; git commit -q -m other
        git checkout -q main; git merge -q --no-edit side
        git gc -q; git fsck --strict
        git clone -q . ../two; cd ../two
        git log --format='%H %s' | sort; git status --short; git diff HEAD~5 --stat";
    let [alone, watched] = both(&nobody, script);
    assert!(alone.stdout.lines().count() > 60, "{alone:#?}");
    assert_eq!(alone, watched);
}

#[test]
fn cargo_builds_a_crate() {
    let Some(cargo) = std::env::var_os("CARGO").filter(|_| is_installed("cc")) else {
        return ignored("cargo under falco trace", "cargo or cc is not at hand");
    };
    // The toolchain may be where only this user can read it.
    let nobody = Nobody::myself();
    let script = format!(
        "mkdir -p src
        printf '[package]\\nname = \"small\"\\nversion = \"0.1.0\"\\nedition = \"2021\"\\n' >Cargo.toml
        echo 'fn main() {{ println!(\"cargo::rustc-env=FROM_BUILD=yes\"); }}' >build.rs
        for i in $(seq 30); do
            echo \"pub fn f$i(x: u64) -> u64 {{ (0..x).map(|y| y ^ $i).sum() }}\" >src/m$i.rs
            echo \"pub mod m$i;\"
        done >src/lib.rs
        echo 'fn main() {{ println!(\"{{}} {{}}\", env!(\"FROM_BUILD\"), small::m7::f7(1000)); }}
            #[test] fn works() {{ assert_eq!(small::m1::f1(1), 1); }}' >src/main.rs
        unset CARGO_TARGET_DIR RUSTC_WRAPPER
        '{0}' build --offline -q; ./target/debug/small; '{0}' test --offline -q 2>&1 | grep -c '1 passed'",
        Path::new(&cargo).display()
    );
    let [alone, watched] = both(&nobody, &script);
    assert!(alone.stdout.contains("yes "), "{alone:#?}");
    assert_eq!(alone, watched);
}

/// Debian's packages of Python's tests: those of subprocesses, which know how processes can go wrong.
#[test]
fn pythons_tests_of_processes_have_the_same_results() {
    pythons_tests_are_the_same(&["subprocess"], 200);
}

/// And those of threads, and of what POSIX and terminals offer.
#[test]
fn pythons_tests_of_threads_and_posix_have_the_same_results() {
    pythons_tests_are_the_same(&["threading", "posix", "os", "wait4", "pty"], 500);
}

/// Python's tests of these modules have at least as many results, and the same.
fn pythons_tests_are_the_same(modules: &[&str], least: usize) {
    const PYTHON: &str = "/usr/bin/python3";
    let test = "import test.test_subprocess";
    if !std::process::Command::new(PYTHON).args(["-c", test]).status().is_ok_and(|s| s.success()) {
        return ignored(
            "Python's tests",
            "its test suite is not installed (libpython3.11-testsuite)",
        );
    }
    let nobody = Nobody::new();
    let modules: Vec<String> = modules.iter().map(|name| format!("test.test_{name}")).collect();
    let script = format!("{PYTHON} -m unittest -v {} 2>&1 || true", modules.join(" "));
    let [alone, watched] = both(&nobody, &script);
    // Lines of results, in whatever order; how long it took is told in another.
    let results = |done: &Done| -> BTreeSet<String> {
        let endings = ["ok", "FAIL", "ERROR"];
        let is_result = |l: &&str| {
            l.contains(" ... skipped") || endings.iter().any(|e| l.ends_with(&format!("... {e}")))
        };
        done.stdout.lines().filter(is_result).map(str::to_owned).collect()
    };
    let (alone_, watched_) = (results(&alone), results(&watched));
    assert!(alone_.len() > least, "{}: {alone:#?}", alone_.len());
    let differences: Vec<_> = alone_.symmetric_difference(&watched_).collect();
    assert!(differences.is_empty(), "{differences:#?}\n{}", watched.stdout);
}

/// Pipelines, a build of many processes, forks by the hundred, and debuggers, which are refused.
#[test]
fn shells_make_and_perl_do_the_same() {
    let missing = ["perl", "make", "cc", "tar", "gzip"].into_iter().find(|p| !is_installed(p));
    if let Some(missing) = missing {
        return ignored(
            "make and others under falco trace",
            &format!("{missing} is not installed"),
        );
    }
    let script = r#"
        mkdir -p src; i=0
        while [ $i -lt 40 ]; do
            echo "int f$i(int x) { return x + $i; }" >src/f$i.c; i=$((i + 1))
        done
        echo 'int f39(int); int main(void) { return f39(-39); }' >src/main.c
        printf 'all: $(patsubst %%.c,%%.o,$(wildcard src/*.c))
	cc -o all $^
%%.o: %%.c
	cc -c -o $@ $<
' >Makefile
        make -s -j8; ./all; echo made $?
        tar -C src --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . --exclude=*.o |
            gzip -n9 | gzip -d | tar -tf - | sort | cksum
        perl -e 'my $n = 0; for (1..300) { my $p = fork // die; exit($_ % 7) unless $p; waitpid $p, 0; $n += $? >> 8 } print "$n
"'
        perl -e 'for (1..100) { my $p = fork // die; if (!$p) { kill KILL => $$ } } my %h; while (wait != -1) { $h{$?}++ } print "$_ $h{$_}
" for keys %h'
        trap 'echo hung up' HUP; kill -HUP $$
        (sleep 0.1; exit 3) & wait $! || echo waited $?
        yes | head -n 100000 | cksum
    "#;
    let [alone, watched] = both(&Nobody::new(), script);
    assert!(alone.stdout.contains("made 0"), "{alone:#?}");
    assert_eq!(alone, watched);
}

/// Job control needs a terminal, stops and continuations.
#[test]
fn job_control_in_a_terminal_is_the_same() {
    if let Some(missing) = ["script", "bash"].into_iter().find(|program| !is_installed(program)) {
        return ignored("job control under falco trace", &format!("{missing} is not installed"));
    }
    let nobody = Nobody::new();
    let commands = "set -m\nsleep 0.3 &\njobs\nkill -STOP %1; sleep 0.1; jobs\nbg %1; fg %1\n\
        sleep 9 &\nkill -TSTP %1; sleep 0.1; jobs; kill -CONT %1; kill %1; wait %1; echo ended $?\n\
        bash -c 'kill -STOP $$; echo goes on' &\nsleep 0.1; fg %1\n";
    let commands = nobody.file("commands", &commands.replace("\\n", "\n"));
    let shell = format!("bash --norc {}", commands.display());
    let rules = nobody.rules(&[("Opens", "DEBUG", "evt.type in (open, openat) and fd.name = /x")]);
    let falco = format!("{} trace -q -r {} --", nobody.falco().display(), rules.display());
    let [alone, watched] = [shell.clone(), format!("{falco} {shell}")]
        .map(|line| run(&mut nobody.timely(["script", "-qec", &line, "/dev/null"])).exits(0));
    assert!(alone.stdout.contains("Stopped") && alone.stdout.contains("goes on"), "{alone:#?}");
    assert_eq!(alone, watched);
}

/// A debugger and strace say that they may not, and what they were to run does not hang.
#[test]
fn debuggers_are_refused() {
    let nobody = Nobody::new();
    for (program, args) in [
        ("strace", &["-f", "true"][..]),
        ("gdb", &["-q", "-batch", "-nx", "-ex", "run", "-ex", "kill", "/bin/true"]),
    ] {
        if !is_installed(program) {
            ignored(&format!("{program} under falco trace"), "it is not installed");
            continue;
        }
        let done = run(nobody.trace(["-q", "--", program]).args(args));
        let is_told = done.stderr.contains("not permitted") || done.stderr.contains("ptrace");
        assert!(is_told && done.status.code().is_some_and(|code| code < 128), "{done:#?}");
    }
}

/// Programs made by Go have a runtime of their own: threads, signals, no C library.
#[test]
fn programs_made_by_go_do_the_same() {
    let programs = ["runsc --version", "docker --version", "containerd --version"];
    let is_there = |line: &&str| line.split(' ').next().is_some_and(is_installed);
    let there: Vec<_> = programs.into_iter().filter(is_there).collect();
    if there.is_empty() {
        return ignored("programs made by Go", "none is installed");
    }
    let [alone, watched] = both(&Nobody::new(), &there.join("\n"));
    assert!(alone.stdout.contains("ersion"), "{alone:#?}");
    assert_eq!(alone, watched);
}

/// A busy server answers every request, and ends as it is told.
#[test]
fn nginx_serves_and_ends() {
    let missing = ["wrk", "ip", "unshare"].into_iter().find(|program| !is_installed(program));
    let nginx = Path::new("/usr/sbin/nginx");
    if let Some(missing) = missing.or_else(|| (!nginx.exists()).then_some("nginx")) {
        return ignored("nginx under falco trace", &format!("{missing} is not installed"));
    }
    let nobody = Nobody::new();
    let at = nobody.dir.path().display();
    let configuration = format!(
        "daemon off; worker_processes 2; pid {at}/nginx.pid; error_log {at}/error.log;
         events {{ worker_connections 128; }}
         http {{ access_log {at}/access.log; client_body_temp_path {at}/t1; proxy_temp_path {at}/t2;
             fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4; scgi_temp_path {at}/t5;
             server {{ listen 127.0.0.1:8088; root {at}/www; }} }}"
    );
    let configuration = nobody.file("nginx.conf", &configuration);
    run(nobody.command(["mkdir"]).arg(nobody.dir.path().join("www"))).exits(0);
    nobody.file("www/index.html", &"x".repeat(4096));
    let script = format!(
        "ip link set lo up
         unshare --user --map-user=65534 --map-group=65534 {} trace -q -- /usr/sbin/nginx -c {} &
         server=$!
         until [ -s {at}/nginx.pid ]; do sleep 0.05; done; sleep 0.2
         wrk -t1 -c16 -d3s http://127.0.0.1:8088/
         kill -QUIT \"$(cat {at}/nginx.pid)\"; wait $server; echo ended $?",
        nobody.falco().display(),
        configuration.display()
    );
    let namespaces = ["unshare", "--user", "--map-root-user", "--net", "sh", "-ec", &script];
    let done = run(&mut nobody.timely(namespaces));
    if done.stderr.contains("Operation not permitted") && !done.status.success() {
        return ignored("nginx under falco trace", "user namespaces are refused here");
    }
    let done = done.exits(0);
    assert!(done.stdout.contains("ended 0"), "{done:#?}");
    assert!(
        !done.stdout.contains("Non-2xx") && !done.stdout.contains("Socket errors"),
        "{done:#?}"
    );
    let log = fs::read_to_string(nobody.dir.path().join("access.log")).unwrap();
    assert!(log.lines().count() > 100, "{done:#?}");
    let errors = fs::read_to_string(nobody.dir.path().join("error.log")).unwrap_or_default();
    assert!(!errors.contains("[emerg]") && !errors.contains("[alert]"), "{errors}");
}
