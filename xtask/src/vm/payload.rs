//! What runs in the guest, and the files that it needs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::What;
use super::image::Image;
use super::kernel::Kernel;
use crate::run;
use crate::{Result, process};

/// Programs of this machine that tests and people use; what is missing here is missing there.
const TOOLS: [&str; 60] = [
    "sh", "bash", "dash", "env", "true", "false", "echo", "cat", "cp", "mv", "ln", "rm", "ls",
    "mkdir", "rmdir", "touch", "chmod", "chown", "chgrp", "dd", "head", "tail", "sleep", "sort",
    "tee", "tr", "wc", "uname", "id", "date", "stat", "mktemp", "mknod", "mkfifo", "readlink",
    "seq", "timeout", "truncate", "nohup", "grep", "sed", "find", "xargs", "ps", "kill", "mount",
    "umount", "unshare", "nsenter", "setsid", "su", "setcap", "getcap", "capsh", "setpriv", "ip",
    "ss", "perl", "tar", "chroot",
];

/// Modules that are loaded before the first step, where a kernel has them as such.
const MODULES: [&str; 1] = ["overlay"];

/// The programs to run, one after the other, and the files for them.
pub struct Payload {
    pub steps: Vec<Step>,
    image: Image,
}

/// A program that runs in the guest.
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
    /// Builds what is needed for `what`.
    pub fn make(what: &What, _cache: &Path) -> Result<Self> {
        let mut image = base()?;
        let steps = match what {
            What::Line(line) => vec![shell(line)],
            What::Tests(_) => vec![shell("uname -a")],
        };
        let init = build_init()?;
        image.program(&init, Path::new("/init"))?;
        Ok(Payload { steps, image })
    }

    /// Writes the archive for `kernel` into `folder`.
    pub fn image(&self, kernel: &Kernel, folder: &Path) -> Result<PathBuf> {
        let mut image = self.image.clone();
        let mut plan = String::new();
        for name in MODULES {
            let Some(file) = kernel.module(name) else { continue };
            let plain = folder.join(format!("{name}.ko"));
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
        let path = folder.join("initrd");
        image.write(&path)?;
        Ok(path)
    }
}

/// The environment of all steps.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LANG", "C.UTF-8"),
    ("TERM", "dumb"),
    ("RUST_BACKTRACE", "1"),
];

fn shell(line: &str) -> Step {
    Step {
        name: line.to_owned(),
        words: ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        folder: PathBuf::from("/"),
        limit: Duration::from_secs(600),
    }
}

/// A small system: tools, accounts, folders.
fn base() -> Result<Image> {
    let mut image = Image::default();
    for tool in TOOLS {
        image.tool(tool)?;
    }
    for (folder, mode) in [
        ("/root", 0o700),
        ("/tmp", 0o1777),
        ("/var/tmp", 0o1777),
        ("/var/log", 0o755),
        ("/home", 0o755),
    ] {
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
    Ok(image)
}

fn build_init() -> Result<PathBuf> {
    process::run(&mut process::cargo(&["build", "--locked", "--release", "--package", "vm-init"]))?;
    run::built("vm-init")
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
