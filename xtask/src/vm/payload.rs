//! What runs in the guest, and the files that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::What;
use super::image::Image;
use super::kernel::Kernel;
use crate::packages::{self, BUILD, XZ};
use crate::{Result, process, run};

/// Programs of this machine that tests and people use; what is missing here is missing there.
const TOOLS: &str = "\
    sh bash dash env true false echo printf test [ base64 cat cp mv ln rm ls mkdir rmdir \
    cut touch chmod chown chgrp dd head tail sleep sort uniq tee tr wc uname id whoami date stat \
    mktemp mknod mkfifo readlink realpath seq timeout truncate nohup nice grep sed awk find \
    xargs ps kill shred sync mount umount unshare nsenter setsid setpriv su runuser setcap \
    getcap capsh chroot ip ss tar gzip perl dmesg";

/// Folders that every machine has, and their permissions.
const FOLDERS: [(&str, u32); 11] = [
    ("/boot", 0o755),
    ("/home", 0o755),
    ("/opt", 0o755),
    ("/root", 0o700),
    ("/srv", 0o755),
    ("/tmp", 0o1777),
    ("/usr/libexec", 0o755),
    ("/usr/local", 0o755),
    ("/var/log", 0o755),
    ("/var/spool", 0o755),
    ("/var/tmp", 0o1777),
];

/// Modules that are loaded before the first step, where a kernel has them as such.
const MODULES: [&str; 1] = ["overlay"];

/// The programs to run, one after the other, and the files for them.
pub struct Payload {
    pub steps: Vec<Step>,
    image: Image,
}

/// A program that runs in the guest.
#[derive(Clone)]
pub struct Step {
    /// As shown to people.
    pub name: String,
    /// The program's path and its arguments.
    words: Vec<String>,
    /// Where it runs.
    folder: PathBuf,
    /// When the guest ends it.
    pub limit: Duration,
}

impl Payload {
    /// Builds what is needed for `what`; programs without debug information go to `scratch`.
    pub fn make(what: &What, scratch: &Path) -> Result<Self> {
        packages::ensure(&[BUILD.as_slice(), &[XZ]].concat())?;
        let mut image = base()?;
        build("vm-init")?;
        image.program(&stripped(&run::built("vm-init")?, scratch)?, Path::new("/init"))?;
        let mut falco = || {
            build("falco")?;
            let falco = stripped(&run::built("falco")?, scratch)?;
            image.program(&falco, Path::new(FALCO)).map(|()| falco)
        };
        let steps = match what {
            What::Line(line, files) => {
                for file in files {
                    image.program(file, &absolute(file)?)?;
                }
                vec![Step::new("the given line", &["/bin/sh", "-c", line])]
            }
            What::Verifier => {
                falco()?;
                verifier()
            }
            What::Tests(words) => {
                let falco = falco()?;
                let mut steps = if words.is_empty() { verifier() } else { Vec::new() };
                steps.extend(tests(words, &falco, &mut image, scratch)?);
                steps
            }
        };
        Ok(Payload { steps, image })
    }

    /// Writes the archive for `kernel` to `path`.
    pub fn write(&self, kernel: &Kernel, path: &Path) -> Result {
        let mut image = self.image.clone();
        let mut plan = String::new();
        for name in MODULES {
            let Some(file) = kernel.module(name) else { continue };
            let plain = path.with_extension(format!("{name}.ko"));
            unpack(&file, &plain)?;
            let inside = format!("/vm/{name}.ko");
            image.copy(&plain, Path::new(&inside))?;
            plan += &format!("module\t{inside}\n");
        }
        for (key, value) in ENVIRONMENT {
            plan += &format!("env\t{key}\t{value}\n");
        }
        for step in &self.steps {
            plan += &format!("folder\t{}\n", step.folder.display());
            plan += &format!("step\t{}\t{}\n", step.limit.as_secs(), step.words.join("\t"));
        }
        image.text("/vm/plan", 0o644, plan);
        image.write(path)
    }
}

/// The environment of all steps.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("RUST_BACKTRACE", "1"),
    ("FALCO_LIVE_ACTOR", "/vm/actor"),
];

impl Step {
    fn new(name: &str, words: &[&str]) -> Self {
        Step {
            name: name.to_owned(),
            words: words.iter().map(|&word| word.to_owned()).collect(),
            folder: PathBuf::from("/"),
            limit: Duration::from_secs(900),
        }
    }
}

/// Where the sensor lies in the guest.
const FALCO: &str = "/usr/bin/falco";

/// The kernel's verifier sees every program of the probe, in each way to attach them.
fn verifier() -> Vec<Step> {
    let step = |attach| Step::new(&format!("falco doctor, {attach}"), &[DOCTOR, FALCO, attach]);
    ["sys_exit", "per_syscall"].map(step).to_vec()
}

/// Where the guest has [`DOCTOR_SCRIPT`].
const DOCTOR: &str = "/vm/doctor";

/// `falco doctor` is content when all that rules need is seen; here every program must be accepted,
/// also those without which a call is seen all the same. Prints what is not accepted, or else how
/// the probe is attached.
const DOCTOR_SCRIPT: &str = r#"#!/bin/sh
"$1" doctor --all-syscalls --json -o engine.modern_ebpf.attach=$2 >/tmp/doctor
code=$?
sed 's/},{/},\n{/g' /tmp/doctor | grep -E '"status":"(partly|refused)"|"probe":{"error"' && exit 1
grep -oE '"(attached|load_ms|start_ms)":[^,}]*' /tmp/doctor
grep -o '"status":"[a-z_]*"' /tmp/doctor | sort | uniq -c
exit $code
"#;

/// The crates whose live tests run in the guest, where they lie, and which of their test programs
/// these are.
const CRATES: [(&str, &str, &[&str]); 3] = [
    ("falco-modern-ebpf", "backends/modern-ebpf", &["--tests"]),
    ("falco-proc", "backends/proc", &["--tests"]),
    ("falco", "sensor", &["--test", "kernel", "--test", "live"]),
];

/// Runs a test program as people do, so that its processes have ancestors to tell of.
const BELOW_SHELL: [&str; 4] = ["/bin/sh", "-c", "\"$@\"; exit $?", "sh"];

/// What attacks in the tests of the sensor, in C: the guest has no compiler.
const ACTOR: &str = "sensor/tests/common/actor.c";

/// What tests read, below the workspace's root; what is not here is not there.
const DATA: [&str; 5] = [
    "backends/modern-ebpf/probe",
    "rules/default",
    "sensor/demo",
    "sensor/tests",
    "../shared/rules",
];

/// Builds the live tests. In the guest everything has the path that it has here, as the tests know
/// no other.
fn tests(words: &[String], falco: &Path, image: &mut Image, scratch: &Path) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for (package, folder, targets) in CRATES {
        let folder =
            fs::canonicalize(process::root().join(folder)).map_err(|e| format!("{folder}: {e}"))?;
        let mut build = process::cargo(&["test", "--no-run", "--locked", "--package", package]);
        for program in test_programs(build.args(targets))? {
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            image.program(&stripped(&program, scratch)?, &program)?;
            let mut step = Step::new(&name, &BELOW_SHELL);
            step.words.push(program.to_string_lossy().into_owned());
            step.folder.clone_from(&folder);
            step.words.extend(words.iter().cloned());
            steps.push(step);
        }
        image.folder(&folder, 0o755);
    }
    let actor = scratch.join("actor");
    let mut cc = process::command("cc", &["-static", "-O1", "-pthread", ACTOR, "-o"]);
    process::output(cc.arg(&actor))?;
    image.copy(&actor, Path::new("/vm/actor"))?;
    // Tests of the binary look for it where cargo has built it for them.
    image.program(falco, &run::target()?.join("debug/falco"))?;
    for data in DATA.map(|data| process::root().join(data)) {
        if data.exists() {
            image.same(&data)?;
        }
    }
    Ok(steps)
}

/// The test programs that `build` (`cargo test --no-run`) has built: it names them on stderr.
fn test_programs(build: &mut Command) -> Result<Vec<PathBuf>> {
    let output = build.stderr(Stdio::piped()).output().map_err(|e| process::refused(build, &e))?;
    let text = String::from_utf8_lossy(&output.stderr);
    match output.status.success() {
        true => Ok(executables(&text).iter().map(|path| process::root().join(path)).collect()),
        false => Err(format!("the live tests cannot be built:\n{text}")),
    }
}

/// Reads `Executable tests/live.rs (target/debug/deps/live-0123)`.
fn executables(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("Executable "));
    lines.filter_map(|l| Some(l.rsplit_once('(')?.1.strip_suffix(')')?.into())).collect()
}

/// Builds the binary of `package` for release.
fn build(package: &str) -> Result {
    process::run(&mut process::cargo(&["build", "--locked", "--release", "--package", package]))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A copy of `program` in `scratch` without debug information, a tenth of the size.
fn stripped(program: &Path, scratch: &Path) -> Result<PathBuf> {
    let copy = scratch.join(program.file_name().unwrap_or_default());
    let mut strip = process::command("strip", &["--strip-debug", "-o"]);
    process::output(strip.arg(&copy).arg(program))?;
    Ok(copy)
}

/// A small system: tools, accounts, folders.
fn base() -> Result<Image> {
    let mut image = Image::default();
    for tool in TOOLS.split(' ') {
        image.tool(tool)?;
    }
    for (folder, mode) in FOLDERS {
        image.folder(folder, mode);
    }
    for file in ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release"] {
        if Path::new(file).exists() {
            image.same(Path::new(file))?;
        }
    }
    // No secret of this machine: a shadow file of the guest's own.
    image.text("/etc/shadow", 0o640, "root:*:19000:0:99999:7:::\n");
    image.text("/etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n");
    image.text("/etc/hostname", 0o644, "vm\n");
    image.text(DOCTOR, 0o755, DOCTOR_SCRIPT);
    Ok(image)
}

/// Copies the module `from` to `to`, decompressing it if it is `.ko.xz`.
fn unpack(from: &Path, to: &Path) -> Result {
    if from.extension().is_none_or(|e| e != "xz") {
        return fs::copy(from, to).map(drop).map_err(|e| format!("{}: {e}", from.display()));
    }
    let out = fs::File::create(to).map_err(|e| format!("{}: {e}", to.display()))?;
    let mut xz = process::command("xz", &["--decompress", "--stdout"]);
    process::run(xz.arg(from).stdout(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_are_those_that_cargo_names() {
        let text = "   Compiling x v0.1.0 (/x)\n\
            \x20 Executable unittests src/lib.rs (target/debug/deps/x-01)\n\
            \x20 Executable tests/live.rs (/t/debug/deps/live-02)\n";
        let paths = ["target/debug/deps/x-01", "/t/debug/deps/live-02"];
        assert_eq!(executables(text), paths.map(PathBuf::from));
    }
}
