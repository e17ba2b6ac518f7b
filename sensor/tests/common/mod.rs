//! What the tests of the binary share: running it, and finding the reference data.

// Every test file is a crate of its own and uses only a part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The binary with nothing of this environment that changes what it prints.
pub fn falco() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_falco"));
    command.env("FALCO_HOSTNAME", "node1").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    Run(falco().args(args).output().expect("the binary runs"))
}

/// A run that ended.
pub struct Run(pub Output);

impl Run {
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Asserts the exit code, showing what was printed if it is another one. A panic of the
    /// program is never right.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let (stdout, stderr) = (self.stdout(), self.stderr());
        assert_eq!(self.0.status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let stderr = self.stderr();
        assert!(stderr.contains(text), "no {text:?} on stderr:\n{stderr}");
        self
    }

    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        let stdout = self.stdout();
        assert!(stdout.contains(text), "no {text:?} on stdout:\n{stdout}");
        self
    }
}

/// The reference data beside the project, or a loud word that the test is passed over without it.
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("IGNORED: {} does not exist, so there is nothing to compare with", path.display());
    None
}

/// Whether the running kernel can be watched here, or a loud word that the test is passed over.
pub fn live(what: &str) -> bool {
    let missing = if std::env::var("FALCO_LIVE_TESTS").is_ok_and(|value| value == "off") {
        "FALCO_LIVE_TESTS is off"
    } else if !rustix::process::geteuid().is_root() {
        "this is not root"
    } else if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        "this kernel has no BTF"
    } else {
        return true;
    };
    eprintln!("IGNORED: {what} because {missing}");
    false
}

/// Whether alerts are the same, field by field.
#[track_caller]
pub fn assert_same(found: &[Value], expected: &[Value]) {
    for (found, expected) in found.iter().zip(expected) {
        let (fields, wanted) = (&found["output_fields"], &expected["output_fields"]);
        for (name, value) in wanted.as_object().unwrap() {
            let of = format!("{name} of {} at {}", expected["rule"], expected["time"]);
            assert_eq!(&fields[name], value, "{of}");
        }
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}
